// SPDX-License-Identifier: GPL-3.0-or-later
// Nothing looks current that is of something else: while the engine is held up, each view that shows numbers of the
// prompt, the model or the ablated heads before says so; afterwards none does.
#include <atomic>

#include <QComboBox>
#include <QFile>
#include <QJsonDocument>
#include <QLineEdit>
#include <QSpinBox>
#include <QTabWidget>
#include <QTemporaryDir>
#include <QTreeWidget>

#include "app/gui/views/ablation/ablation_view.h"
#include "app/gui/views/attention/attention_view.h"
#include "app/gui/views/circuit/circuit_view.h"
#include "app/gui/views/circuit/discover_bar.h"
#include "app/gui/views/circuit/graph_canvas.h"
#include "app/gui/views/detectors/detector_options.h"
#include "app/gui/views/detectors/detectors_view.h"
#include "app/gui/views/grid/grid_view.h"
#include "app/gui/views/grid/sweep_bar.h"
#include "app/gui/views/origin/origin_mark.h"
#include "app/gui/views/patching/pair_editor.h"
#include "app/gui/views/patching/patching_view.h"
#include "app/gui/window/job_list.h"
#include "app/gui/window/main_window.h"
#include "app/gui/window/session.h"
#include "core/base/partial_file.h"
#include "tests/gui/patience.h"
#include "tests/gui/tiny_model.h"

namespace headscope::gui {
namespace {

// Keeps the engine's thread from everything else while it lives.
class Held {
public:
  explicit Held(Workspace& workspace) : workspace_(workspace) {
    auto begun = begun_;
    job_ = workspace.engine().post<int>({QStringLiteral("held"), QStringLiteral("Held up")}, &workspace,
                                        [begun](EngineState&, const JobContext<int>& job) -> Result<int> {
                                          *begun = true;
                                          while (!job.control.cancel.cancelled())
                                            std::this_thread::yield();
                                          return make_error(ErrorCode::cancelled, "cancelled");
                                        },
                                        {});
    while (!*begun_)
      std::this_thread::yield();
  }
  ~Held() { workspace_.engine().cancel(job_); }
  Held(const Held&) = delete;
  Held& operator=(const Held&) = delete;

private:
  Workspace& workspace_;
  std::shared_ptr<std::atomic<bool>> begun_ = std::make_shared<std::atomic<bool>>(false);
  JobId job_ = 0;
};

} // namespace

class OriginTest : public QObject {
  Q_OBJECT
private:
  QTemporaryDir folder_;
  std::unique_ptr<MainWindow> window_;

  Workspace& workspace() { return window_->workspace(); }
  void settle() {
    QTRY_VERIFY(workspace().settled());
    for (const char* id : {"ablation", "attention", "hierarchy", "lens"})
      QTRY_VERIFY(window_->view(QString::fromLatin1(id))->settled());
    QTRY_VERIFY(workspace().settled());
  }
  // Of the marks of a view those that dim something.
  QStringList dimmed(const char* id) {
    QStringList texts;
    for (const OriginMark* mark : window_->view(QString::fromLatin1(id))->findChildren<OriginMark*>())
      if (mark->outdated()) texts.append(mark->text());
    return texts;
  }
  QStringList said(const char* id) {
    QStringList texts;
    for (const OriginMark* mark : window_->view(QString::fromLatin1(id))->findChildren<OriginMark*>())
      if (!mark->text().isEmpty()) texts.append(mark->text());
    return texts;
  }
  template <class T> static T& part(const MainWindow& window, const char* id) {
    return dynamic_cast<T&>(*window.view(QString::fromLatin1(id)));
  }
  static const HeadScores* score(Workspace& workspace, const char* beginning) {
    for (const HeadScores& scores : workspace.scores().all())
      if (scores.id.starts_with(beginning)) return &scores;
    return nullptr;
  }
  static std::vector<float> values_of(Workspace& workspace, const char* beginning) {
    const HeadScores* scores = score(workspace, beginning);
    return scores ? scores->values : std::vector<float>();
  }
  static QStringList kinds_in(const QString& index) {
    QFile file(index);
    QStringList kinds;
    if (file.open(QIODevice::ReadOnly))
      for (const QJsonValue& entry : QJsonDocument::fromJson(file.readAll()).array())
        kinds.append(entry.toObject()[QStringLiteral("kind")].toString());
    kinds.sort();
    return kinds;
  }
  // Only the view that lies on top computes: each is brought up and waited for.
  void look_at_all() {
    for (const char* id : {"attention", "hierarchy", "lens", "ablation"}) {
      window_->raise_view(QString::fromLatin1(id));
      QTRY_VERIFY(window_->view(QString::fromLatin1(id))->watched());
      QCoreApplication::processEvents();
      settle();
    }
  }

private Q_SLOTS:
  void initTestCase() {
    window_ = std::make_unique<MainWindow>(folder_.filePath(QStringLiteral("session.json")));
    window_->resize(1280, 800);
    window_->show();
    QVERIFY(QTest::qWaitForWindowExposed(window_.get(), test::patience_ms));
    workspace().open_model({make_tiny_model(folder_.filePath(QStringLiteral("tiny")).toStdString()), "float32", "cpu"});
    QTRY_VERIFY(workspace().model().has_value());
    workspace().set_prompt({"the first of them", false, true});
    QTRY_VERIFY(workspace().live());
    workspace().selection().set_head({1, 2});
    look_at_all();
  }
  void cleanupTestCase() { window_.reset(); }

  void what_is_in_force_is_not_dimmed() {
    for (const char* id : {"ablation", "attention", "hierarchy", "lens"})
      QCOMPARE(said(id), QStringList());
  }

  void numbers_of_other_ablated_heads_are_dimmed() {
    {
      const Held held(workspace());
      workspace().ablation().toggle({0, 1});
      QCoreApplication::processEvents();
      QVERIFY(!dimmed("ablation").isEmpty());
      for (const QString& text : dimmed("ablation"))
        QCOMPARE(text, QStringLiteral("Of the model without ablated heads"));
      QVERIFY(!dimmed("hierarchy").isEmpty());
      // The lens is of the clean model always, and says so.
      QCOMPARE(dimmed("lens"), QStringList());
      QVERIFY(said("lens").contains(QStringLiteral("Of the clean model: 0.1 not ablated here")));
    }
    look_at_all();
    for (const char* id : {"ablation", "attention", "hierarchy"})
      QCOMPARE(said(id), QStringList());
  }

  void maps_are_of_the_ablated_model_unless_the_clean_one_is_chosen() {
    window_->raise_view(QStringLiteral("attention"));
    auto& view = dynamic_cast<AttentionView&>(*window_->view(QStringLiteral("attention")));
    const auto map = [&] {
      settle();
      const MapCanvas* canvas = view.grid().canvases().front();
      const auto tile = canvas->map()->tile({0, 0, 0});
      return tile ? tile->max : std::vector<float>();
    };
    const std::vector<float> ablated = map();
    view.set_of(MapLibrary::Of::clean);
    const std::vector<float> clean = map();
    QCOMPARE(said("attention"), QStringList{QStringLiteral("Of the clean model: 0.1 not ablated here")});
    view.set_of(MapLibrary::Of::difference);
    const std::vector<float> difference = map();
    QCOMPARE(ablated.size(), clean.size());
    QCOMPARE(ablated.size(), difference.size());
    float largest = 0.0F;
    for (std::size_t i = 0; i < ablated.size(); ++i) {
      if (clean[i] == masked_weight) {
        QCOMPARE(difference[i], masked_weight);
        continue;
      }
      QVERIFY(std::abs(difference[i] - (ablated[i] - clean[i])) < 1e-6F);
      largest = std::max(largest, std::abs(difference[i]));
    }
    QVERIFY(largest > 1e-4F); // head 0.1 does change what layer 1 sees
    view.set_of(MapLibrary::Of::ablated);
    workspace().ablation().clear();
    settle();
    QCOMPARE(map(), clean);
  }

  void numbers_of_another_prompt_are_dimmed() {
    look_at_all();
    workspace().set_prompt({"a second one", false, true});
    QTRY_COMPARE(workspace().prompt().beginning(), QStringLiteral("a second one"));
    {
      const Held held(workspace());
      workspace().prompt().set_live({"a third", false, true},
                                    {workspace().prompt().tokens().begin(), workspace().prompt().tokens().begin() + 5});
      for (const char* id : {"ablation", "lens", "grid"}) {
        QVERIFY2(!dimmed(id).isEmpty(), id);
        for (const QString& text : dimmed(id))
          QVERIFY2(text.startsWith(QStringLiteral("Of another prompt: ")), qPrintable(text));
      }
    }
    look_at_all();
    for (const char* id : {"ablation", "attention", "hierarchy", "lens"})
      QCOMPARE(said(id), QStringList());
  }

  void numbers_of_other_answers_are_dimmed_and_all_views_have_the_same() {
    window_->view(QStringLiteral("lens"))->findChild<QTabWidget*>()->setCurrentIndex(1); // logit attribution
    look_at_all();
    {
      const Held held(workspace());
      workspace().answers().set({"q", "r"});
      QCoreApplication::processEvents();
      for (const char* id : {"ablation", "lens"})
        QCOMPARE(dimmed(id), QStringList{QStringLiteral("Of other answers than those that are typed")});
      QStringList shown;
      for (const char* id : {"ablation", "lens", "patching"})
        for (const QLineEdit* edit : window_->view(QString::fromLatin1(id))->findChildren<QLineEdit*>())
          if (edit->text() == QStringLiteral("q") || edit->text() == QStringLiteral("r")) shown.append(edit->text());
      QCOMPARE(shown, (QStringList{QStringLiteral("q"), QStringLiteral("r"), QStringLiteral("q"), QStringLiteral("r"),
                                   QStringLiteral("q"), QStringLiteral("r")}));
    }
    look_at_all();
    for (const char* id : {"ablation", "attention", "hierarchy", "lens"})
      QCOMPARE(said(id), QStringList());
    const auto& view = dynamic_cast<const AblationView&>(*window_->view(QStringLiteral("ablation")));
    QCOMPARE(view.prediction()->answer.text, std::string("q"));
    workspace().answers().set({});
    look_at_all();
  }

  void prompts_are_undone() {
    workspace().undo().clear();
    workspace().set_prompt({"one", false, true});
    QTRY_COMPARE(workspace().prompt().request().text, std::string("one"));
    workspace().set_prompt({"two", false, true});
    QTRY_COMPARE(workspace().prompt().request().text, std::string("two"));
    workspace().undo().undo();
    QTRY_COMPARE(workspace().prompt().request().text, std::string("one"));
    workspace().undo().redo();
    QTRY_COMPARE(workspace().prompt().request().text, std::string("two"));
    settle();
  }

  void jobs_are_listed_with_their_prompt_and_cancelled_one_by_one() {
    settle();
    auto* jobs = window_->findChild<JobList*>();
    QVERIFY(jobs);
    const Held held(workspace());
    workspace().engine().post<int>({QStringLiteral("other"), QStringLiteral("Something else")}, this,
                                   [](EngineState&, const JobContext<int>&) { return Result<int>(1); }, {});
    jobs->open_above(*window_);
    QTreeWidget& list = jobs->list();
    QTRY_COMPARE(list.topLevelItemCount(), 2);
    QCOMPARE(list.topLevelItem(0)->text(0), QStringLiteral("Held up"));
    QCOMPARE(list.topLevelItem(1)->text(0), QStringLiteral("Something else"));
    QCOMPARE(list.topLevelItem(1)->text(1), QStringLiteral("two"));
    QCOMPARE(list.topLevelItem(1)->text(2), QStringLiteral("waits"));
    auto* cancel = qobject_cast<QAbstractButton*>(list.itemWidget(list.topLevelItem(1), 4));
    QVERIFY(cancel);
    QTest::mouseClick(cancel, Qt::LeftButton);
    QTRY_COMPARE(list.topLevelItemCount(), 1);
    jobs->hide();
  }

  void the_session_is_saved_as_it_changes() {
    const QString file = folder_.filePath(QStringLiteral("session.json"));
    workspace().selection().set_head({0, 3});
    QTRY_COMPARE(read_session(file).heads, (std::vector<HeadId>{{0, 3}}));
    workspace().ablation().toggle({1, 1});
    QTRY_COMPARE(read_session(file).ablated.size(), 1U);
    QCOMPARE(read_session(file).prompt.text, std::string("two"));
    workspace().ablation().clear();
    settle();
  }

  // Ended as by a kill: nothing is told to save. The numbers come back as they were, and dimmed where they are of
  // something else than what is in force by then.
  void results_come_back_without_having_been_saved() {
    const QString file = folder_.filePath(QStringLiteral("kept.json"));
    const QString index = folder_.filePath(QStringLiteral("kept-results/index.json"));
    const std::string model = workspace().model()->path;
    std::vector<float> swept, restored, detected;
    std::size_t edges = 0;
    {
      MainWindow window(file);
      window.resize(1280, 800);
      window.show();
      Workspace& workspace = window.workspace();
      workspace.open_model({model, "float32", "cpu"});
      QTRY_VERIFY(workspace.model().has_value());
      workspace.set_prompt({"Mary and John", false, true});
      QTRY_VERIFY(workspace.live() && workspace.settled());
      auto& bar = part<GridView>(window, "grid").sweep_bar();
      bar.sweep();
      QTRY_VERIFY(!bar.running() && workspace.settled());
      swept = values_of(workspace, "sweep/");

      auto& patching = part<PatchingView>(window, "patching");
      patching.editor().set_texts(QStringLiteral("Mary and John"), QStringLiteral("Mary and Joan"));
      patching.run();
      QTRY_VERIFY(patching.measured() && patching.measured()->complete && workspace.settled());
      restored = patching.measured()->restored;
      auto& detectors = part<DetectorsView>(window, "detectors");
      for (auto* box : detectors.options("induction").findChildren<QSpinBox*>())
        if (box->accessibleName() == QStringLiteral("n")) box->setValue(12); // fits into the context
      detectors.tick("induction", true);

      detectors.run_ticked();
      QTRY_VERIFY(detectors.answers().contains("induction") && workspace.settled());
      detected = detectors.answers().at("induction").result->scores;

      auto& circuit = part<CircuitView>(window, "circuit");
      window.raise_view(QStringLiteral("circuit"));
      circuit.discover().run();
      QTRY_VERIFY(!circuit.discover().running() && workspace.settled() && !circuit.graph().empty());
      edges = circuit.graph().base().edges.size();
      circuit.canvas().set_selected({0});
      circuit.annotate_selected(QStringLiteral("seen"));
      QTRY_COMPARE(kinds_in(index), (QStringList{QStringLiteral("circuit"), QStringLiteral("detector"),
                                                 QStringLiteral("patching"), QStringLiteral("sweep")}));
      QTRY_COMPARE(read_session(file).pair.corrupt, std::string("Mary and Joan"));
      QTRY_VERIFY(read_session(file).prompt.text == "Mary and John" && workspace.settled());
    }
    MainWindow window(file);
    window.show();
    Workspace& workspace = window.workspace();
    window.restore_session();
    QTRY_VERIFY(workspace.live() && workspace.settled());
    QVERIFY(!swept.empty() && values_of(workspace, "sweep/") == swept);
    const auto& patching = part<PatchingView>(window, "patching");
    QTRY_VERIFY(patching.measured() && workspace.settled());
    QVERIFY(patching.measured()->restored == restored);
    QCOMPARE(patching.measured()->clean.front().text, std::string("<s>"));
    QCOMPARE(part<PatchingView>(window, "patching").editor().prompts().corrupt, std::string("Mary and Joan"));
    const auto& answers = part<DetectorsView>(window, "detectors").answers();
    QVERIFY(answers.contains("induction") && answers.at("induction").result->scores == detected);
    QVERIFY(!answers.at("induction").result->prompts.empty());
    window.raise_view(QStringLiteral("circuit"));
    auto& circuit = part<CircuitView>(window, "circuit");
    QTRY_VERIFY(!circuit.graph().empty() && workspace.settled());
    QCOMPARE(circuit.graph().base().edges.size(), edges);
    QCOMPARE(circuit.graph().edits().notes.size(), 1U);
    // The sweep is of the prompt that is in force, until there is another.
    const auto sweep_is_outdated = [&] {
      const HeadScores* scores = score(workspace, "sweep/");
      return scores && !why_outdated(*scores->origin, workspace.in_force()).isEmpty();
    };
    QVERIFY(!sweep_is_outdated());
    workspace.set_prompt({"another", false, true});
    QTRY_VERIFY(sweep_is_outdated());
  }

  // A window whose folder another one has keeps nothing there, and takes nothing of it.
  void two_windows_of_one_session_do_not_write_into_each_other() {
    QTemporaryDir folder;
    FileWorker files(QStringLiteral("files"), make_file_state());
    KeptResults first(files), second(files);
    first.open(folder.path());
    second.open(folder.path());
    QCOMPARE(first.folder(), folder.path());
    QVERIFY(second.folder() != folder.path());
    Origin of;
    of.model_sha256 = "a";
    const KeptResults::Write write = [](const std::string& path) { return write_file(path, "x", true); };
    second.put({QStringLiteral("sweep"), QStringLiteral("1"), {}, {}, of}, write);
    first.put({QStringLiteral("sweep"), QStringLiteral("1"), {}, {}, of}, write);
    first.put({QStringLiteral("sweep"), QStringLiteral("1"), QStringLiteral("later"), {}, of}, write);
    first.finish();
    QVERIFY(second.of(QStringLiteral("sweep"), "a").empty());
    QCOMPARE(kinds_in(folder.filePath(QStringLiteral("index.json"))), QStringList{QStringLiteral("sweep")});
    QCOMPARE(first.of(QStringLiteral("sweep"), "a").front().title, QStringLiteral("later"));
    QVERIFY(first.of(QStringLiteral("sweep"), "b").empty());
  }

  // Last: opens another model.
  void a_model_that_is_opened_ends_the_work_of_the_one_before() {
    look_at_all();
    std::optional<ErrorCode> code;
    std::atomic<bool> begun = false;
    workspace().engine().post<int>(JobSpec::lengthy({}, QStringLiteral("A sweep")), this,
                                   [&](EngineState&, const JobContext<int>& job) -> Result<int> {
                                     begun = true;
                                     for (std::int64_t i = 0; !job.control.cancel.cancelled(); ++i)
                                       job.control.report("sweeping", i, 0);
                                     return make_error(ErrorCode::cancelled, "cancelled");
                                   },
                                   {[&](const Result<int>& answer) { code = answer.error().code; }});
    QTRY_VERIFY(begun);
    const std::string before = workspace().model()->sha256;
    workspace().open_model(
        {make_tiny_model(folder_.filePath(QStringLiteral("other")).toStdString(), "gpt2"), "float32", "cpu"});
    QTRY_VERIFY(workspace().model()->sha256 != before);
    QTRY_VERIFY(code.has_value());
    QCOMPARE(*code, ErrorCode::cancelled);
    settle();
  }
};

} // namespace headscope::gui

QTEST_MAIN(headscope::gui::OriginTest)
#include "origin_test.moc"
