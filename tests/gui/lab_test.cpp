// SPDX-License-Identifier: GPL-3.0-or-later
// The attention lab on a tiny model: mechanisms for chosen heads by click and by text, all views under the plan in
// force, nothing of another plan that looks current, undo, the session and the command line.
#include <QComboBox>
#include <QLabel>
#include <QLineEdit>
#include <QPushButton>
#include <QTemporaryDir>
#include <QToolButton>

#include "app/gui/engine/attention_map.h"
#include "app/gui/engine/generate_job.h"
#include "app/gui/engine/predict_job.h"
#include "app/gui/forms/method_form.h"
#include "app/gui/models/prompt_values.h"
#include "app/gui/views/attention/attention_view.h"
#include "app/gui/views/lab/lab_view.h"
#include "app/gui/views/lab/mechanism_form.h"
#include "app/gui/views/lens/lens_view.h"
#include "app/gui/views/map/trace_strip.h"
#include "app/gui/views/methods/field_editor.h"
#include "app/gui/views/origin/origin_mark.h"
#include "app/gui/window/export_dialog.h"
#include "app/gui/window/main_window.h"
#include "app/gui/window/session.h"
#include "tests/gui/copied_command.h"
#include "tests/gui/menus.h"
#include "tests/gui/patience.h"
#include "tests/gui/tiny_model.h"

namespace headscope::gui {

class LabTest : public QObject {
  Q_OBJECT
private:
  QTemporaryDir folder_;
  std::unique_ptr<MainWindow> window_;

  std::string tiny() const { return make_tiny_model(folder_.filePath(QStringLiteral("tiny")).toStdString()); }
  Workspace& workspace() { return window_->workspace(); }
  template <class V> V& view(const char* id) { return dynamic_cast<V&>(*window_->view(QString::fromLatin1(id))); }
  LabView& lab() { return view<LabView>("lab"); }
  std::string plan() { return workspace().attention().plan(); }
  void look(const char* id) {
    window_->raise_view(QString::fromLatin1(id));
    QTRY_VERIFY(window_->view(QString::fromLatin1(id))->watched());
    QCoreApplication::processEvents();
    QTRY_VERIFY(workspace().settled() && window_->view(QString::fromLatin1(id))->settled());
    QTRY_VERIFY(workspace().settled());
  }
  QStringList marks(const char* id, bool dimmed) {
    QStringList texts;
    for (const OriginMark* mark : window_->view(QString::fromLatin1(id))->findChildren<OriginMark*>())
      if (dimmed ? mark->outdated() : !mark->text().isEmpty()) texts.append(mark->text());
    return texts;
  }
  void click(const char* button) {
    auto* found = lab().findChild<QPushButton*>(QString::fromLatin1(button));
    QVERIFY2(found && found->isEnabled(), button);
    found->click();
  }
  void set(const std::string& text) {
    workspace().set_attention(text);
    QTRY_COMPARE(plan(), text);
    QTRY_VERIFY(workspace().settled());
  }

private Q_SLOTS:
  void initTestCase() {
    qputenv("HEADSCOPE_PLUGINS", HEADSCOPE_BINARY_DIR "/tests/plugins/mechanisms");
    window_ = std::make_unique<MainWindow>(folder_.filePath(QStringLiteral("session.json")));
    window_->resize(1400, 900);
    window_->show();
    QVERIFY(QTest::qWaitForWindowExposed(window_.get(), test::patience_ms));
    workspace().open_model({tiny(), "float32", "cpu"});
    QTRY_VERIFY(workspace().model().has_value());
    workspace().set_prompt({"the first of them", false, true});
    QTRY_VERIFY(workspace().live());
    workspace().selection().set_head({1, 2});
    look("lab");
  }
  void init() {
    set({});
    workspace().undo().clear();
    workspace().selection().set_head({1, 2});
    look("lab");
  }
  void cleanupTestCase() { window_.reset(); }

  // Every mechanism has fields for its options, with its defaults and what it costs.
  void mechanisms_have_fields() {
    auto* choice = lab().form().findChild<QComboBox*>(QStringLiteral("mechanism"));
    QVERIFY(choice->count() >= 8);
    QVERIFY(choice->findData(QStringLiteral("full")) < 0);
    for (const MechanismCard& card : list_mechanisms()) {
      lab().form().choose(QString::fromStdString(card.id));
      QCOMPARE(lab().form().spec(), card.id);
      for (const MechanismField& option : card.options) {
        const FieldEditor* field = lab().form().field(option.name);
        QVERIFY(field);
        QCOMPARE(field->text().toStdString(), option.standard);
      }
      QVERIFY(!card.what.empty() && !card.cost.empty());
    }
    lab().form().choose(QStringLiteral("landmark"));
    lab().form().field("gate")->set_text(QStringLiteral("grouped"));
    lab().form().field("block")->set_text(QStringLiteral("8"));
    QCOMPARE(lab().form().spec(), std::string("landmark:block=8,gate=grouped"));
  }

  // One of a plugin is listed behind them once it is found, and computes heads as any other.
  void mechanisms_of_plugins_are_listed_and_applied() {
    auto* choice = lab().form().findChild<QComboBox*>(QStringLiteral("mechanism"));
    QTRY_VERIFY(choice->findData(QStringLiteral("fade")) > 0);
    QCOMPARE(choice->findData(QStringLiteral("fade")), choice->count() - 1);
    lab().form().choose(QStringLiteral("fade"));
    lab().form().field("slope")->set_text(QStringLiteral("0.5"));
    click("apply-selected");
    QTRY_COMPARE(plan(), std::string("fade:slope=0.5@heads=1.2"));
    QCOMPARE(workspace().attention().heads(), (std::vector<HeadId>{{1, 2}}));
    QVERIFY(lab().problem().isEmpty());
  }

  // What a mechanism chose is drawn over the map of its head, or below it, and exported with it; the view knows no
  // mechanism.
  void what_a_mechanism_chose_is_drawn_and_exported_data() {
    QTest::addColumn<QString>("spec");
    QTest::addColumn<QString>("title");
    for (const auto& [spec, title] : std::initializer_list<std::pair<const char*, const char*>>{
             {"topk:k=3", "Keys that are visited"},
             {"hip:k=4,window=4,block_q=2,block_k=1", "Tree: runs kept after halving 1 of 2"},
             {"hyper:exact=4,block=2,sample=0", "Hash blocks, halving 1"},
             {"routing:clusters=3,keys=6", "Clusters of keys"},
             {"longheads:chunk=3,chunks=4,begin=4", "Chunks that queries chose"},
             {"landmark:block=4,top=1", "Blocks that queries chose by their mean key"},
             {"hcam:chunk=4,top=1", "Recall: the weight of each chunk"},
             {"halo:block=4,halo=1", "Blocks"},
             {"moh:top=2", "Gates: the heads that a token uses"},
             {"titans", "Surprise: the gradient of ‖M k − v‖² before the token is learned"},
             {"titans", "Recall: cosine of M k and v at the end of the text"},
             {"linear", "State: ‖Σ φ(k) vᵀ‖ after each token"}})
      QTest::addRow("%s: %.20s", spec, title) << QString::fromUtf8(spec) << QString::fromUtf8(title);
  }
  void what_a_mechanism_chose_is_drawn_and_exported() {
    QFETCH(QString, spec);
    QFETCH(QString, title);
    auto& attention = view<AttentionView>("attention");
    look("attention");
    QVERIFY(attention.overlays().isEmpty());
    set((spec + QStringLiteral("@layers=1")).toStdString());
    look("attention");
    QTRY_VERIFY2(attention.overlays().contains(title), qPrintable(attention.overlays().join(u'\n')));
    attention.set_overlay({});
    const QImage without = attention.grid().grab().toImage();
    const auto plain = attention.exported();
    attention.set_overlay(title);
    QCoreApplication::processEvents();
    const auto& chosen = attention.grid().canvases().front()->explanation();
    QVERIFY(chosen && chosen->title == title.toStdString());
    const bool numbers = chosen->kind == mechanisms::ExplanationKind::numbers;
    QCOMPARE(attention.trace().isVisible(), numbers);
    if (numbers) {
      QCOMPARE(attention.trace().trace().title, chosen->title);
      const MapCanvas& map = *attention.grid().canvases().front();
      if (!chosen->by_distance) { // below its column
        const double column = map.mapToGlobal(map.cell_rect({9, 7}).center().toPoint()).x();
        QVERIFY(std::abs(attention.trace().mapToGlobal(QPoint(0, 0)).x() + attention.trace().place_of(7) - column) <=
                1);
      }
      QCOMPARE(attention.trace().index_at(attention.trace().place_of(5)), std::optional<std::int64_t>(5));
    } else {
      QVERIFY(attention.grid().grab().toImage() != without);
    }
    const auto with = attention.exported();
    QVERIFY(plain && with);
    const Result<QImage> before = picture_of(*plain, false, 1.0), after = picture_of(*with, false, 1.0);
    QVERIFY2(after.ok(), after.ok() ? "" : after.error().to_string().c_str());
    QVERIFY(before.ok() && *before != *after);
    // A head that the plan leaves alone says nothing.
    workspace().selection().set_head({0, 1});
    look("attention");
    QTRY_VERIFY(attention.overlays().isEmpty() && !attention.grid().canvases().front()->explanation());
    QVERIFY(!attention.trace().isVisible());
    workspace().selection().set_head({1, 2});
    look("attention");
    QTRY_VERIFY(attention.grid().canvases().front()->explanation()); // the choice stays
    attention.set_overlay({});
  }

  void a_mechanism_is_applied_to_heads_layers_and_all_and_taken_back() {
    lab().form().choose(QStringLiteral("window"));
    lab().form().field("window")->set_text(QStringLiteral("3"));
    click("apply-selected");
    QTRY_COMPARE(plan(), std::string("window:window=3@heads=1.2"));
    QCOMPARE(workspace().attention().heads(), (std::vector<HeadId>{{1, 2}}));
    lab().form().choose(QStringLiteral("topk"));
    lab().form().field("k")->set_text(QStringLiteral("2"));
    click("apply-layers");
    QTRY_COMPARE(plan(), std::string("topk:k=2@layers=1"));
    click("full-selected");
    QTRY_COMPARE(plan(), std::string("topk:k=2@heads=1.0-1,1.3"));
    workspace().selection().set_heads({{0, 1}, {1, 2}});
    lab().form().choose(QStringLiteral("strided"));
    click("apply-selected");
    QTRY_COMPARE(plan(), std::string("strided@heads=0.1,1.2;topk:k=2@heads=1.0-1,1.3"));
    QCOMPARE(lab().findChild<QLineEdit*>(QStringLiteral("plan"))->text().toStdString(), plan());
    click("apply-all");
    QTRY_COMPARE(plan(), std::string("strided"));
    click("full-all");
    QTRY_VERIFY(workspace().attention().full());
    workspace().undo().undo();
    QCOMPARE(plan(), std::string("strided"));
    workspace().undo().undo();
    QCOMPARE(plan(), std::string("strided@heads=0.1,1.2;topk:k=2@heads=1.0-1,1.3"));
    workspace().undo().redo();
    QCOMPARE(plan(), std::string("strided"));
  }

  // What does not fit leaves the plan that is in force, and says why.
  void a_plan_is_typed() {
    auto* text = lab().findChild<QLineEdit*>(QStringLiteral("plan"));
    text->setText(QStringLiteral("window:window=4@layers=1"));
    QTest::keyClick(text, Qt::Key_Return);
    QTRY_COMPARE(plan(), std::string("window:window=4@layers=1"));
    for (const char* bad : {"window:window=0", "nothing", "window@layers=7", "window:size=3", "window;topk"}) {
      text->setText(QString::fromLatin1(bad));
      QTest::keyClick(text, Qt::Key_Return);
      QTRY_VERIFY2(!lab().problem().isEmpty(), bad);
      QTRY_VERIFY(workspace().settled());
      QCOMPARE(plan(), std::string("window:window=4@layers=1"));
      lab().set_text(QStringLiteral("window:window=4@layers=1"));
      QTRY_VERIFY(workspace().settled() && lab().problem().isEmpty());
    }
  }

  // Before and after, as a run of their own gives them.
  void the_next_token_is_shown_before_and_after() {
    QTRY_VERIFY(lab().prediction().has_value());
    QCOMPARE(lab().prediction()->kl, 0.0);
    set("window:window=2");
    look("lab");
    const Prediction shown = *lab().prediction();
    QVERIFY(shown.kl > 1e-5);
    auto state = make_engine_state();
    QVERIFY(open_model(*state, {tiny(), "float32", "cpu"}, {}).ok());
    PredictRequest request;
    request.tokens = workspace().prompt().ids();
    const auto full = predict(*state, request, {});
    const auto held = under_plan(*state, "window:window=2");
    const auto planned = predict(*state, request, {});
    QVERIFY(full.ok() && planned.ok());
    QCOMPARE(shown.clean_diff, full->clean_diff);
    for (const PredictedToken& token : shown.top) {
      for (const PredictedToken& other : full->top)
        if (other.token.id == token.token.id) QCOMPARE(token.clean, other.clean);
      for (const PredictedToken& other : planned->top)
        if (other.token.id == token.token.id) QCOMPARE(token.ablated, other.clean);
    }
    QCOMPARE(marks("lab", false), QStringList());
    QVERIFY(lab().command().contains(QStringLiteral("--attention 'window:window=2'")));
    QVERIFY(!test::run_copied(lab().command()).isEmpty());
  }

  void maps_are_under_the_plan_of_full_attention_or_the_difference() {
    look("attention");
    auto& attention = view<AttentionView>("attention");
    const auto map = [&] {
      look("attention");
      const auto tile = attention.grid().canvases().front()->map()->tile({0, 0, 0});
      return tile ? tile->max : std::vector<float>();
    };
    const std::vector<float> before = map();
    set("window:window=2@heads=0.1,1.2");
    const std::vector<float> planned = map();
    attention.set_of(MapLibrary::Of::full);
    const std::vector<float> full = map();
    QCOMPARE(full, before);
    QCOMPARE(marks("attention", false), QStringList{QStringLiteral("Without the attention plan in force")});
    QCOMPARE(marks("attention", true), QStringList());
    attention.set_of(MapLibrary::Of::from_full);
    const std::vector<float> difference = map();
    QCOMPARE(marks("attention", false), QStringList());
    const auto n = static_cast<std::size_t>(workspace().prompt().tokens().size());
    for (std::size_t q = 0; q < n; ++q)
      for (std::size_t k = 0; k <= q; ++k) {
        const std::size_t at = q * n + k;
        if (q - k >= 2) QCOMPARE(planned[at], 0.0F);
        QVERIFY(std::abs(difference[at] - (planned[at] - full[at])) < 1e-6F);
      }
    attention.set_of(MapLibrary::Of::ablated);
    set({});
    QCOMPARE(map(), before);
  }

  // While the engine is held up, all that was made under the plan before says so.
  void numbers_of_another_plan_are_dimmed() {
    for (const char* id : {"attention", "lens", "ablation", "lab"})
      look(id);
    auto begun = std::make_shared<std::atomic<bool>>(false);
    set("topk:k=1");
    for (const char* id : {"attention", "lens", "ablation", "lab"}) {
      look(id);
      QCOMPARE(marks(id, true), QStringList());
    }
    const JobId job =
        workspace().engine().post<int>({QStringLiteral("held"), QStringLiteral("Held up")}, this,
                                       [begun](EngineState&, const JobContext<int>& context) -> Result<int> {
                                         *begun = true;
                                         while (!context.control.cancel.cancelled())
                                           std::this_thread::yield();
                                         return make_error(ErrorCode::cancelled, "cancelled");
                                       },
                                       {});
    QTRY_VERIFY(*begun);
    workspace().undo().undo(); // back to full attention
    QVERIFY(workspace().attention().full());
    for (const char* id : {"lens", "ablation", "lab", "grid"}) {
      QVERIFY2(!marks(id, true).isEmpty(), id);
      for (const QString& text : marks(id, true))
        QVERIFY2(text == QStringLiteral("Under another attention plan: topk:k=1"), qPrintable(text));
    }
    workspace().engine().cancel(job);
    for (const char* id : {"lens", "ablation", "lab", "grid"}) {
      look(id);
      QCOMPARE(marks(id, true), QStringList());
    }
  }

  void the_lens_and_the_scores_of_the_prompt_are_under_the_plan() {
    const auto largest = [&] { return workspace().scores().find("live/max_weight")->values; };
    look("grid");
    const std::vector<float> full = largest();
    set("window:window=1@heads=0.3");
    look("grid");
    QTRY_COMPARE(largest()[3], 1.0F); // a query that sees itself alone
    QCOMPARE(largest()[2], full[2]);
    look("lens");
    auto& lens = view<LensView>("lens");
    QTRY_VERIFY(lens.lens().has_value());
    const LensMap windowed = *lens.lens();
    set({});
    look("lens");
    QVERIFY(lens.lens()->entropy != windowed.entropy);
  }

  // The text under a plan is that of the command line.
  void text_is_generated_under_the_plan() {
    set("window:window=2");
    GenerateRequest request;
    request.tokens = workspace().prompt().ids();
    request.new_tokens = 12;
    std::optional<Continuation> text;
    workspace().engine().post<Continuation>({QStringLiteral("text"), QStringLiteral("Text")}, this,
                                            [request](EngineState& state, const JobContext<Continuation>& job) {
                                              return generate_text(state, request, job.control, {});
                                            },
                                            {[&](Result<Continuation> found) {
                                              QVERIFY(found.ok());
                                              text = std::move(*found);
                                            }});
    QTRY_VERIFY(text.has_value());
    auto values = prompt_values(workspace().prompt());
    values["max_new_tokens"] = "12";
    const auto said = filled_request("generate", values, command_model(workspace()));
    QVERIFY2(said.ok(), said.ok() ? "" : said.error().to_string().c_str());
    const QJsonObject printed = test::run_copied(QString::fromStdString(said->command_line));
    QCOMPARE(QString::fromStdString(text->text), printed[QStringLiteral("text")].toString());
  }

  void the_plan_is_seen_at_all_times_and_saved() {
    auto* button = window_->findChild<QToolButton*>(QStringLiteral("attention-plan"));
    QVERIFY(button && button->isHidden());
    set("window:window=5@layers=0");
    QVERIFY(!button->isHidden() && button->text().contains(QStringLiteral("window:window=5@layers=0")));
    const QString file = folder_.filePath(QStringLiteral("session.json"));
    QTRY_COMPARE(read_session(file).attention, plan());
    MainWindow again(file); // as after a restart
    again.show();
    again.restore_session();
    QTRY_COMPARE(again.workspace().attention().plan(), plan());
  }

  // What a plan does to each head becomes scores of the grid, as the method compare measures it.
  void heads_are_measured_under_the_plan() {
    auto* measure = lab().findChild<QToolButton*>(QStringLiteral("measure"));
    QVERIFY(!measure->isEnabled());
    set("window:window=1@heads=1.2");
    look("lab");
    QVERIFY(measure->isEnabled());
    measure->click();
    const auto found = [&](const char* id) { return workspace().scores().find(id); };
    QTRY_VERIFY(found("comparison/mass_kept/0") && workspace().settled());
    const HeadScores& keys = *found("comparison/keys/0");
    QCOMPARE(keys.title, std::string("Keys: window:window=1@heads=1.2"));
    QCOMPARE(keys.values[6], 1.0F); // a query attends to itself alone
    QVERIFY(std::isnan(keys.values[5]));
    // The mean weight of a query on itself, under full attention: head 1.2 is the first that the plan changes.
    const auto tokens = std::make_shared<const std::vector<std::int64_t>>(workspace().prompt().ids());
    auto state = make_engine_state();
    QVERIFY(open_model(*state, {tiny(), "float32", "cpu"}, {}).ok());
    const auto full = attention_tile(*state, {tokens, {{1, 2}}, {}, {}}, {0, 0, 0}, {}, {});
    QVERIFY(full.ok());
    float kept = 0.0F;
    for (std::int64_t i = 0; i < full->rows; ++i)
      kept += full->at(i, i, Pooling::max) / static_cast<float>(full->rows);
    QVERIFY(std::abs(found("comparison/mass_kept/0")->values[6] - kept) < 1e-5F);
    QVERIFY(found("comparison/mass_kept/0")->origin->attention == std::string("window:window=1@heads=1.2"));
  }

  void weights_have_menus() {
    look("attention");
    auto& attention = view<AttentionView>("attention");
    MapCanvas& canvas = *attention.grid().canvases().front();
    workspace().selection().set_tokens(4, 2);
    QVERIFY(test::use_menu(canvas, QStringLiteral("Copy the weight")));
    const auto tile = canvas.map()->tile({0, 0, 0});
    QVERIFY(std::abs(QGuiApplication::clipboard()->text().toFloat() - tile->at(4, 2, Pooling::max)) < 1e-4F);
    QVERIFY(test::use_menu(canvas, QStringLiteral("Copy the map as command")));
    const QString command = QGuiApplication::clipboard()->text();
    QVERIFY(command.contains(QStringLiteral("--heads 1.2")));
    const QTemporaryDir out;
    const QJsonObject stored =
        test::run_copied(QString(command).replace(QStringLiteral("maps.h5"), out.filePath(QStringLiteral("maps.h5"))));
    QCOMPARE(stored[QStringLiteral("complete")].toBool(), true);
    QVERIFY(test::use_menu(canvas, QStringLiteral("Ablate")));
    QVERIFY(workspace().ablation().find({1, 2}));
    workspace().undo().undo();
    look("attention");
    const QPoint place = canvas.cell_rect({3, 1}).center().toPoint();
    QVERIFY(test::use_menu(canvas, QStringLiteral("Pin both"), place));
    QCOMPARE(*workspace().selection().query(), 3);
    QCOMPARE(*workspace().selection().key(), 1);
    QVERIFY(test::use_menu(canvas, QStringLiteral("Patch the residual"), place));
    QTRY_VERIFY(window_->view(QStringLiteral("patching"))->watched());
    workspace().selection().set_tokens({}, {});
  }

  // Last: opens another model, of which the plan is not.
  void another_model_attends_fully() {
    set("window:window=2@layers=1");
    workspace().open_model(
        {make_tiny_model(folder_.filePath(QStringLiteral("other")).toStdString(), "gpt2"), "float32", "cpu"});
    QTRY_VERIFY(workspace().attention().full());
    QTRY_VERIFY(workspace().settled());
  }
};

} // namespace headscope::gui

QTEST_MAIN(headscope::gui::LabTest)
#include "lab_test.moc"
