// SPDX-License-Identifier: GPL-3.0-or-later
// The forms of the window: every method runs through its form on a tiny model and shows a result, or why this model has
// none; a cancelled run is continued; errors are shown at their fields; outdated results are marked.
#include <algorithm>
#include <atomic>
#include <cmath>

#include <QComboBox>
#include <QFile>
#include <QJsonDocument>
#include <QJsonObject>
#include <QLabel>
#include <QLineEdit>
#include <QPushButton>
#include <QTemporaryDir>
#include <QToolButton>

#include "app/gui/views/methods/field_editor.h"
#include "app/gui/views/methods/form_panel.h"
#include "app/gui/views/methods/method_result.h"
#include "app/gui/views/methods/methods_view.h"
#include "app/methods/methods.h"
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

  // The input of each method on the tiny model.
  struct Row {
    const char* id;
    Values values;
    const char* refusal = ""; // of what this model cannot do: a part of the error that the form shows
  };
  std::vector<Row> rows() const {
    const Values own_model = {{"model", model_}, {"len", "8"}};
    return {
        {"ablate", with(answers, {{"out", path("ablate.h5")}})},
        {"activations", with(one_prompt, {{"names", "z"}, {"out", path("activations.h5")}})},
        {"adjust", {{"task", path("pairs.csv")}, {"steer", "0.1=first"}, {"seeds", "1"}}},
        {"attention", with(one_prompt, {{"heads", "0.1"}, {"out", path("attention.h5")}})},
        {"attribute", answers},
        {"bench compare", {{"A", path("growth.json")}, {"B", path("growth.json")}}},
        {"bench eap-ig", with(own_model, {{"count", "1"}, {"steps", "1"}})},
        {"bench growth", {{"model", model_}, {"tokens", "8"}}},
        {"bench load", {{"model", HEADSCOPE_GOLDEN_DIR "/models/llama.gguf"}}},
        {"bench peak", {}},
        {"bench sweep", with(own_model, {{"batch", "1"}, {"heads", "2"}})},
        {"calibrate", {{"task", "repeated"}, {"count", "2"}}},
        {"circuit", with(pair, {{"steps", "1"}, {"top_n", "8"}, {"out", path("circuit.h5")}})},
        {"circuit benchmark", with(pair, {{"methods", "eap"}, {"random", "1"}, {"out", path("benchmark.h5")}})},
        {"compare",
         {{"text_file", path("corpus.txt")},
          {"attention", "window:window=4"},
          {"lengths", "16"},
          {"out", path("compare.h5")}}},
        {"context",
         {{"text_file", path("corpus.txt")},
          {"manager", "hmt:sensory=2"},
          {"segment", "8"},
          {"length", "16"},
          {"out", path("context.h5")}}},
        {"detect", {{"detectors", "induction"}, {"set", "induction.n=12\ninduction.batch=2"}}},
        {"examples", {{"corpus", path("corpus.txt")}, {"length", "20"}, {"head", "0.1"}, {"out", path("examples.h5")}}},
        {"generate", with(one_prompt, {{"max_new_tokens", "4"}})},
        {"lens", with(one_prompt, {{"token", "c"}})},
        {"logits", with(one_prompt, {{"top", "3"}})},
        {"mask",
         {{"heads", "0.0,1.1"},
          {"task", "repeated"},
          {"method", "zero"},
          {"counts", "1"},
          {"seeds", "1"},
          {"count", "2"}}},
        {"patch", pair},
        {"paths", with(pair, {{"senders", "0.1"}, {"receivers", "logits"}})},
        {"reproduce", {{"EXPERIMENT", "gu2025"}}},
        {"spread", {{"text_file", path("corpus.txt")}, {"length", "12"}, {"out", path("spread.h5")}}},
        {"traits", {{"text_file", path("corpus.txt")}, {"length", "12"}, {"out", path("traits.h5")}}},
        {"route",
         {{"text_file", path("corpus.txt")},
          {"candidate", "window:window=4"},
          {"length", "12"},
          {"out", path("route.h5")}}},
        {"steer", with(one_prompt, {{"positive", "aa"}, {"negative", "bb"}, {"layers", "1"}, {"coefficient", "2"}})},
        // Its prompts are about people, and a vocabulary of letters has no names.
        {"survey", {{"out", path("refused.h5")}}, "names are single tokens"},
        {"weights", {{"singular", "0.1"}, {"out", path("weights.h5")}}},
    };
  }

  static void check_refusal(MethodsView& view, const QString& refusal) {
    QVERIFY(view.answer()->error.has_value() && !view.answer()->complete);
    QVERIFY2(view.result().messages().contains(refusal), qPrintable(view.result().messages()));
    QVERIFY(view.answer()->file.empty());
    QVERIFY(button(view, "Run")->isEnabled());
  }

  // A file of so many different pairs of five letters.
  std::string many_pairs(int count) const {
    QByteArray lines = "clean,corrupted,answer,wrong\n";
    for (int i = 0; i < count; ++i) {
      const auto letter = [](int n) { return static_cast<char>('a' + n % 26); };
      const char a = letter(i), b = letter(i + 1 + i / 26), c = letter(i + 7 + i / 52), d = letter(i + 11 + i / 52);
      const char clean[] = {a, b, c, a, b, ',', a, b, d, a, b, ',', c, ',', d, '\n'};
      lines.append(clean, sizeof clean);
    }
    const std::string file = path("many.csv");
    write(QString::fromStdString(file), lines);
    return file;
  }

  // Presses Run, and Cancel when the first cells are finished. Where the run was finished by then, tries again with
  // more work.
  void cancel_in_the_middle(Workspace& workspace, MethodsView& view) const {
    for (int pairs = 400; !view.answer() || view.answer()->complete; pairs *= 2) {
      fill(view, {{"task", many_pairs(pairs)}, {"force", pairs == 400 ? "false" : "true"}});
      button(view, "Run")->click();
      QVERIFY(view.running());
      const auto some_done = [&workspace] {
        const std::vector<JobStatus> jobs = workspace.engine().jobs();
        return !jobs.empty() && jobs[0].running && jobs[0].done > 0;
      };
      QTRY_VERIFY(some_done() || !view.running());
      button(view, "Cancel")->click();
      QTRY_VERIFY(!view.running());
    }
  }

private Q_SLOTS:
  void initTestCase() {
    model_ = long_model("tiny", "llama");
    QVERIFY(!model_.empty());
    write(QString::fromStdString(path("pairs.csv")),
          "clean,corrupted,answer,wrong\nabcab,abdab,c,d\nxyzxy,xywxy,z,w\n");
    write(QString::fromStdString(path("corpus.txt")), QByteArray("the cat sat on the mat. ").repeated(20));
    // What bench growth writes of one length.
    write(QString::fromStdString(path("growth.json")),
          R"({"what": "forward", "model": "tiny", "dtype": "float32", "machine": "one", "batch": 1, "skipped": [],
              "peak_flop_per_s": 1e9, "peak_bytes_per_s": 1e9, "rows": [{"axis": "tokens", "tokens": 8, "heads": 4,
              "layers": 2, "seconds": 0.5, "memory_bytes": 1024, "flop": 1e6, "bytes": 1e6, "flop_per_s": 2e6,
              "bytes_per_s": 2e6, "flop_share": 0.002, "bytes_share": 0.002}]})");
  }

  // ---- Running

  void every_method_has_a_row() {
    const std::vector<Row> known = rows();
    const auto has_row = [&](const std::string& id) {
      return std::any_of(known.begin(), known.end(), [&](const Row& row) { return id == row.id; });
    };
    const auto all = methods::all_methods();
    for (const auto& method : all)
      QVERIFY2(has_row(method->info().id), method->info().id);
    QCOMPARE(known.size(), all.size());
  }

  void a_method_runs_through_its_form_data() {
    QTest::addColumn<QString>("id");
    QTest::addColumn<Values>("values");
    QTest::addColumn<QString>("refusal");
    for (const Row& row : rows())
      QTest::newRow(row.id) << QString::fromLatin1(row.id) << row.values << QString::fromLatin1(row.refusal);
  }
  void a_method_runs_through_its_form() {
    QFETCH(QString, id);
    QFETCH(Values, values);
    QFETCH(QString, refusal);
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
    if (!refusal.isEmpty()) return check_refusal(view, refusal);
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
                                    while (!*release && !job.control.cancel.cancelled())
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

  void a_cancelled_run_is_gone_on_with() {
    Workspace workspace;
    open(workspace, model_);
    MethodsView view(workspace, nullptr);
    view.choose("ablate");
    fill(view, {{"out", path("part.h5")}, {"resumable", "true"}});
    cancel_in_the_middle(workspace, view);
    QVERIFY(view.answer()->error && view.answer()->error->code == ErrorCode::cancelled);
    QCOMPARE(view.answer()->file, path("part.h5")); // what was done is there
    const auto effects = [](const std::string& file) {
      const auto reader = store::ResultReader::open(file);
      const auto array = reader.ok() ? reader->array("/ablation/ablate/effects") : reader.error();
      return array.ok() ? array->values : std::vector<double>();
    };
    const auto is_missing = [](double value) { return std::isnan(value); };
    const std::vector<double> part = effects(path("part.h5"));
    QVERIFY(std::any_of(part.begin(), part.end(), is_missing) && !std::all_of(part.begin(), part.end(), is_missing));
    QTRY_VERIFY(view.resumes());
    QVERIFY(button(view, "Resume")->toolTip().contains(QStringLiteral("cells are finished")));
    fill(view, {{"seed", "1"}}); // that would be another run
    QVERIFY(!view.resumes() && button(view, "Run"));
    fill(view, {{"seed", "0"}});
    QTRY_VERIFY(view.resumes());
    button(view, "Resume")->click();
    QTRY_VERIFY(!view.running());
    QVERIFY2(view.answer()->complete, qPrintable(view.result().messages()));
    const QJsonObject said = QJsonDocument::fromJson(QByteArray::fromStdString(view.answer()->json)).object();
    QVERIFY(said[QStringLiteral("resumed")].toInt() > 0);
    QCOMPARE(said[QStringLiteral("finished")].toInt(), said[QStringLiteral("cells")].toInt());
    QVERIFY(!QFile::exists(QString::fromStdString(path("part.h5.journal"))));
    fill(view, {{"out", path("whole.h5")}, {"force", "false"}});
    QVERIFY(!view.resumes());
    run(view);
    const std::vector<double> whole = effects(path("whole.h5"));
    QCOMPARE(whole.size(), part.size());
    QVERIFY(std::none_of(whole.begin(), whole.end(), is_missing));
    QCOMPARE(effects(path("part.h5")), whole);
  }

  void what_cells_cannot_do_is_said_at_its_field() {
    Workspace workspace;
    open(workspace, model_);
    MethodsView view(workspace, nullptr);
    view.choose("ablate");
    fill(view, with(answers, {{"out", path("cells.h5")}, {"resumable", "true"}}));
    run(view); // the prompt is not of a task
    QVERIFY(view.panel().editor("task").problem().contains(QStringLiteral("task")));
    fill(view, {{"prompt", ""}, {"task", path("pairs.csv")}, {"together", "true"}});
    run(view);
    QVERIFY(view.panel().editor("together").problem().contains(QStringLiteral("cells")));
    fill(view, {{"together", "false"}});
    run(view);
    QVERIFY2(!view.answer()->error, qPrintable(view.result().messages()));
    fill(view, {{"together", "true"}});
    button(view, "Estimate")->click();
    QTRY_VERIFY(!view.running());
    QVERIFY(view.estimate().isEmpty() && !view.panel().editor("together").problem().isEmpty());
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
