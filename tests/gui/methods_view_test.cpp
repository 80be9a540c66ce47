// SPDX-License-Identifier: GPL-3.0-or-later
// The forms of the window: every method that a tiny model can do runs through its form and shows a result; errors stand
// at their fields; what is out of date is said to be.
#include <algorithm>
#include <atomic>

#include <QComboBox>
#include <QFile>
#include <QLabel>
#include <QLineEdit>
#include <QPushButton>
#include <QTemporaryDir>
#include <QToolButton>

#include "app/gui/views/methods/field_editor.h"
#include "app/gui/views/methods/form_panel.h"
#include "app/gui/views/methods/method_result.h"
#include "app/gui/views/methods/methods_view.h"
#include "core/store/result_file.h"
#include "tests/gui/patience.h"
#include "tests/gui/tiny_model.h"

namespace headscope::gui {
namespace {

using Values = std::map<std::string, std::string>;

const Values one_prompt = {{"prompt", "abcab"}};
const Values answers = {{"prompt", "abcab"}, {"answer", "c"}, {"wrong", "d"}};
const Values pair = {{"clean", "abcab"}, {"corrupt", "abdab"}, {"answer", "c"}, {"wrong", "d"}};

Values with(Values values, const Values& more) {
  values.insert(more.begin(), more.end());
  return values;
}

void write(const QString& path, const QByteArray& bytes) {
  QFile file(path);
  QVERIFY(file.open(QIODevice::WriteOnly));
  file.write(bytes);
}

} // namespace

class MethodsViewTest : public QObject {
  Q_OBJECT
private:
  QTemporaryDir folder_;
  std::string model_;

  std::string path(const char* name) const { return folder_.filePath(QString::fromLatin1(name)).toStdString(); }

  // Its context is longer than that of the golden model, so that generated texts fit in.
  std::string long_model(const char* name, const char* golden) const {
    const std::string made = make_tiny_model(path(name), golden);
    QFile config(QString::fromStdString(made + "/config.json"));
    if (!config.open(QIODevice::ReadOnly)) return {};
    QByteArray text = config.readAll();
    config.close();
    text.replace("\"max_position_embeddings\": 64", "\"max_position_embeddings\": 512");
    write(config.fileName(), text);
    return made;
  }

  static void open(Workspace& workspace, const std::string& model) {
    workspace.open_model({model, "float32", "cpu"});
    QTRY_VERIFY(workspace.model().has_value() && workspace.engine().idle());
  }

  static void fill(MethodsView& view, const Values& values) {
    for (const auto& [name, text] : values) {
      view.panel().editor(name).set_text(QString::fromStdString(text));
      QCOMPARE(view.form().text(name), text);
    }
  }

  static QPushButton* button(const MethodsView& view, const char* text) {
    for (auto* each : view.findChildren<QPushButton*>())
      if (each->text() == QString::fromLatin1(text)) return each;
    return nullptr;
  }

  static void run(MethodsView& view) {
    QVERIFY(button(view, "Run")->isEnabled());
    button(view, "Run")->click();
    QVERIFY(view.running());
    QTRY_VERIFY(!view.running());
  }

private Q_SLOTS:
  void initTestCase() {
    model_ = long_model("tiny", "llama");
    QVERIFY(!model_.empty());
    write(QString::fromStdString(path("pairs.csv")),
          "clean,corrupted,answer,wrong\nabcab,abdab,c,d\nxyzxy,xywxy,z,w\n");
  }

  // ---- Running

  void a_method_runs_through_its_form_data() {
    QTest::addColumn<QString>("id");
    QTest::addColumn<Values>("values");
    const auto row = [](const char* id, const Values& values) {
      QTest::newRow(id) << QString::fromLatin1(id) << values;
    };
    row("logits", with(one_prompt, {{"top", "3"}}));
    row("generate", with(one_prompt, {{"max_new_tokens", "4"}}));
    row("lens", with(one_prompt, {{"token", "c"}}));
    row("attention", with(one_prompt, {{"heads", "0.1"}, {"out", path("attention.h5")}}));
    row("attribute", answers);
    row("ablate", with(answers, {{"out", path("ablate.h5")}}));
    row("patch", pair);
    row("paths", with(pair, {{"senders", "0.1"}, {"receivers", "logits"}}));
    row("circuit", with(pair, {{"steps", "1"}, {"top_n", "8"}, {"out", path("circuit.h5")}}));
    row("adjust", {{"task", path("pairs.csv")}, {"steer", "0.1=first"}, {"seeds", "1"}});
    row("detect", {{"detectors", "induction"}, {"set", "induction.n=12\ninduction.batch=2"}});
    row("mask", {{"heads", "0.0,1.1"},
                 {"task", "repeated"},
                 {"method", "zero"},
                 {"counts", "1"},
                 {"seeds", "1"},
                 {"count", "2"}});
    row("bench load", {{"model", HEADSCOPE_GOLDEN_DIR "/models/llama.gguf"}});
  }
  void a_method_runs_through_its_form() {
    QFETCH(QString, id);
    QFETCH(Values, values);
    Workspace workspace;
    open(workspace, model_);
    MethodsView view(workspace, nullptr);
    view.resize(900, 700);
    view.show();
    view.choose(id.toStdString());
    fill(view, values);
    run(view);
    QVERIFY(view.answer().has_value());
    const MethodAnswer& answer = *view.answer();
    QVERIFY2(!answer.error, answer.error ? answer.error->to_string().c_str() : "");
    QVERIFY(answer.complete);
    QVERIFY(!view.result().text().isEmpty());
    QVERIFY(view.result().stale().isEmpty());
    QVERIFY(!answer.json.empty());
    QCOMPARE(answer.file, values.count("out") ? values.at("out") : std::string());
    QCOMPARE(view.result().open_button().isVisible(), values.count("out") > 0);
    if (answer.file.empty()) return;
    const auto reader = store::ResultReader::open(answer.file);
    QVERIFY(reader.ok());
    QCOMPARE(QString::fromStdString(reader->info().provenance.command_line), view.command());
    QCOMPARE(store::text_attribute(*reader->model(), "sha256"), workspace.model()->sha256);
  }

  void a_list_needs_no_model() {
    Workspace workspace;
    MethodsView view(workspace, nullptr);
    view.choose("logits");
    QVERIFY(!button(view, "Run")->isEnabled());
    QVERIFY(!button(view, "Run")->toolTip().isEmpty());
    view.choose("detect");
    fill(view, {{"list", "true"}});
    run(view);
    QVERIFY(view.result().text().contains(QStringLiteral("induction")));
    fill(view, {{"list", "false"}, {"detectors", "induction"}});
    run(view); // and says that there is none
    QVERIFY(view.answer()->error.has_value());
    QCOMPARE(view.answer()->error->code, ErrorCode::not_found);
    QVERIFY(view.result().messages().contains(QStringLiteral("no model is open")));
  }

  void what_runs_or_waits_can_be_cancelled() {
    Workspace workspace;
    open(workspace, model_);
    MethodsView view(workspace, nullptr);
    view.choose("survey");
    QVERIFY(!button(view, "Cancel")->isEnabled());
    view.run(); // there is no file yet
    QVERIFY(!view.running());
    QVERIFY(!view.panel().editor("out").problem().isEmpty());
    fill(view, {{"out", path("survey.h5")}});
    const auto release = std::make_shared<std::atomic<bool>>(false);
    workspace.engine().post<bool>({{}, QStringLiteral("Another job")}, this,
                                  [release](EngineState&, const JobContext<bool>& job) -> Result<bool> {
                                    while (!*release && !job.task.cancel.cancelled())
                                      QThread::msleep(1);
                                    return true;
                                  },
                                  {});
    view.run();
    QVERIFY(view.running() && button(view, "Cancel")->isEnabled() && !button(view, "Run")->isEnabled());
    button(view, "Cancel")->click(); // it waits, and is dropped
    QTRY_VERIFY(!view.running());
    QVERIFY(!view.answer());
    view.run();
    *release = true;
    const auto runs = [&workspace] {
      const std::vector<JobStatus> jobs = workspace.engine().jobs();
      return jobs.size() == 1 && jobs[0].running;
    };
    QTRY_VERIFY(runs() || !view.running());
    button(view, "Cancel")->click(); // or it has ended: its prompts are not of this model's tokens
    QTRY_VERIFY(!view.running());
    QVERIFY(view.answer() && view.answer()->error && !view.answer()->complete);
    QVERIFY(!view.result().messages().isEmpty());
    QVERIFY(button(view, "Run")->isEnabled());
  }

  void an_estimate_takes_the_prompts_of_a_task() {
    Workspace workspace;
    open(workspace, model_);
    MethodsView view(workspace, nullptr);
    view.choose("generate");
    QVERIFY(!button(view, "Estimate")->isEnabled());
    view.choose("ablate");
    button(view, "Estimate")->click();
    QTRY_VERIFY(!view.running());
    QVERIFY(!view.panel().editor("task").problem().isEmpty());
    fill(view, {{"task", path("pairs.csv")}});
    button(view, "Estimate")->click();
    QTRY_VERIFY(!view.running());
    QVERIFY2(view.estimate().contains(QStringLiteral("forward passes")), qPrintable(view.estimate()));
    fill(view, {{"heads", "0.1"}});
    QVERIFY(view.estimate().isEmpty());
  }

  // ---- What is wrong

  void an_error_stands_at_its_field() {
    Workspace workspace;
    open(workspace, model_);
    MethodsView view(workspace, nullptr);
    view.show();
    view.choose("ablate");
    fill(view, {{"seed", "x"}});
    QVERIFY(view.panel().editor("seed").problem().contains(QStringLiteral("'x'")));
    button(view, "Run")->click();
    QVERIFY(!view.running()); // what can be said without the engine is said at once
    QCOMPARE(view.focusWidget(), &view.panel().editor("seed").editor());
    fill(view, {{"seed", "3"}});
    QVERIFY(view.panel().editor("seed").problem().isEmpty());
    run(view); // without a prompt
    QVERIFY(view.panel().editor("prompt").problem().contains(QStringLiteral("prompt")));
    QCOMPARE(view.focusWidget(), &view.panel().editor("prompt").editor());
    QVERIFY(view.result().messages().contains(QStringLiteral("prompt")));
    fill(view, answers);
    QVERIFY(view.panel().editor("prompt").problem().isEmpty());
    run(view);
    QVERIFY(!view.answer()->error);
  }

  void a_file_is_replaced_only_where_that_is_asked_for() {
    Workspace workspace;
    open(workspace, model_);
    MethodsView view(workspace, nullptr);
    int failures = 0;
    connect(&workspace, &Workspace::failed, this, [&](const QString&, const Error& error) {
      QCOMPARE(error.code, ErrorCode::already_exists);
      ++failures;
    });
    view.choose("lens");
    fill(view, with(one_prompt, {{"out", path("twice.h5")}}));
    run(view);
    QCOMPARE(view.answer()->file, path("twice.h5"));
    run(view);
    QVERIFY(view.answer()->error && view.answer()->file.empty());
    QCOMPARE(failures, 1);
    fill(view, {{"force", "true"}});
    run(view);
    QVERIFY(!view.answer()->error);
    QCOMPARE(view.answer()->file, path("twice.h5"));
    view.result().open_button().click();
    QTRY_VERIFY(workspace.result().has_value());
    QCOMPARE(workspace.result()->path, path("twice.h5"));
  }

  // ---- The form

  void what_was_typed_is_kept_while_another_method_is_shown() {
    Workspace workspace;
    open(workspace, model_);
    MethodsView view(workspace, nullptr);
    view.choose("logits");
    fill(view, with(one_prompt, {{"top", "2"}}));
    run(view);
    const QString text = view.result().text();
    view.choose("lens");
    QVERIFY(view.result().text().isEmpty());
    QVERIFY(view.form().text("prompt").empty());
    view.choose("logits");
    QCOMPARE(view.panel().editor("prompt").text(), QStringLiteral("abcab"));
    QCOMPARE(view.result().text(), text);
    button(view, "Defaults")->click();
    QVERIFY(view.panel().editor("prompt").text().isEmpty());
    QCOMPARE(view.panel().editor("top").text(), QStringLiteral("10"));
  }

  void a_result_of_other_values_or_of_another_model_says_so() {
    Workspace workspace;
    open(workspace, model_);
    MethodsView view(workspace, nullptr);
    view.choose("logits");
    fill(view, one_prompt);
    run(view);
    QVERIFY(view.result().stale().isEmpty());
    fill(view, {{"top", "4"}});
    QVERIFY(view.result().stale().contains(QStringLiteral("values")));
    fill(view, {{"top", "10"}});
    QVERIFY(view.result().stale().isEmpty());
    workspace.open_model({make_tiny_model(path("other"), "gpt2"), "float32", "cpu"});
    QTRY_VERIFY(view.result().stale().contains(QStringLiteral("model")));
    QVERIFY(view.command().contains(QStringLiteral("other")));
  }

  void the_prompt_of_the_prompt_bar_is_taken_with_one_click() {
    Workspace workspace;
    open(workspace, model_);
    MethodsView view(workspace, nullptr);
    view.choose("logits");
    QToolButton* take = view.panel().editor("prompt").taker();
    QVERIFY(take && !take->isEnabled());
    workspace.set_prompt({"hello", false, false});
    QTRY_VERIFY(take->isEnabled());
    QVERIFY(view.form().text("prompt").empty());
    take->click();
    QCOMPARE(view.form().text("prompt"), std::string("hello"));
    QCOMPARE(view.form().text("no_bos"), std::string("true")); // the tokens are those of the prompt bar
    QVERIFY(view.command().endsWith(QStringLiteral(" --prompt hello --no-bos")));
    view.choose("patch"); // a form that is made later is offered it too
    QVERIFY(view.panel().editor("clean").taker()->isEnabled());
  }

  void every_field_is_reached_by_tab_and_has_a_name() {
    Workspace workspace;
    MethodsView view(workspace, nullptr);
    const auto* list = view.findChild<QComboBox*>();
    for (int i = 0; i < list->count(); ++i) {
      view.choose(list->itemData(i).toString().toStdString());
      QSet<const QWidget*> reached;
      for (const QWidget* each = list->nextInFocusChain(); each != list; each = each->nextInFocusChain())
        reached.insert(each);
      for (const FormField& field : view.form().fields()) {
        const QWidget& editor = view.panel().editor(field.name).editor();
        QVERIFY(reached.contains(&editor));
        QVERIFY((editor.focusPolicy() & Qt::TabFocus) != 0);
        QVERIFY(!editor.accessibleName().isEmpty() && !editor.toolTip().isEmpty());
      }
      const auto labels = view.panel().findChildren<QLabel*>();
      const auto buddies =
          std::count_if(labels.begin(), labels.end(), [](const QLabel* each) { return each->buddy(); });
      QCOMPARE(static_cast<std::size_t>(buddies), view.form().fields().size());
    }
  }

  void tab_goes_from_the_list_through_the_form_to_the_buttons() {
    Workspace workspace;
    open(workspace, model_);
    MethodsView view(workspace, nullptr);
    view.choose("logits");
    QList<const QWidget*> order;
    const auto* list = view.findChild<QComboBox*>();
    for (const QWidget* each = list->nextInFocusChain(); each != list; each = each->nextInFocusChain())
      order.append(each);
    qsizetype last = -1;
    for (const FormField& field : view.form().fields()) {
      const qsizetype at = order.indexOf(&view.panel().editor(field.name).editor());
      QVERIFY2(at > last, field.name.c_str());
      last = at;
    }
    QVERIFY(order.indexOf(button(view, "Run")) > last);
  }

  void up_and_down_step_a_whole_number() {
    Workspace workspace;
    MethodsView view(workspace, nullptr);
    view.choose("logits");
    QWidget& top = view.panel().editor("top").editor();
    QTest::keyClick(&top, Qt::Key_Up);
    QCOMPARE(view.form().text("top"), std::string("11"));
    for (int i = 0; i < 11; ++i)
      QTest::keyClick(&top, Qt::Key_Down);
    QVERIFY(view.panel().editor("top").problem().contains(QStringLiteral("at least 1")));
  }
};

} // namespace headscope::gui

QTEST_MAIN(headscope::gui::MethodsViewTest)
#include "methods_view_test.moc"
