// SPDX-License-Identifier: GPL-3.0-or-later
// The patching view and the lens view on a small random model, against core.
#include <QMenu>
#include <QSignalSpy>
#include <QToolButton>

#include <algorithm>
#include <cmath>

#include "app/gui/files/file_state.h"
#include "app/gui/files/patching_file.h"
#include "app/gui/style/theme.h"
#include "app/gui/views/lens/layer_bars.h"
#include "app/gui/views/lens/lens_view.h"
#include "app/gui/views/patching/pair_editor.h"
#include "app/gui/views/patching/patching_view.h"
#include "app/gui/views/patching/token_rows.h"
#include "core/analysis/direct_logit_attribution.h"
#include "core/analysis/logit_lens.h"
#include "core/sweeps/attribution_patching.h"
#include "tests/gui/copied_command.h"
#include "tests/gui/menus.h"
#include "tests/gui/patience.h"
#include "tests/gui/tiny_model_folder.h"
#include "tests/sweeps/plain_sweeps.h"

namespace headscope::gui {
namespace {

using test::numbers_of;
using test::run_copied;

const QString clean_text = QStringLiteral("abcdefgh"), corrupt_text = QStringLiteral("abxdefyh");

std::vector<std::int64_t> ids_of(const std::vector<TokenInfo>& tokens) {
  std::vector<std::int64_t> ids;
  for (const TokenInfo& token : tokens)
    ids.push_back(token.id);
  return ids;
}

QColor pixel(CellMap& map, Cell cell) {
  const QImage image = map.viewport()->grab().toImage();
  const QRectF rect = map.cell_rect(cell);
  return image.pixelColor((rect.topLeft() + QPointF(3, 3)).toPoint());
}

bool close(QColor a, QColor b) {
  return std::abs(a.red() - b.red()) + std::abs(a.green() - b.green()) + std::abs(a.blue() - b.blue()) <= 6;
}

} // namespace

class PatchingTest : public QObject {
  Q_OBJECT

  test::TinyModelFolder folder_;
  std::unique_ptr<Engine> engine_; // of the test itself

  struct Opened {
    Opened(const QString& model, bool lens) : patching(workspace, nullptr), lens_view(workspace, nullptr) {
      workspace.open_model({model.toStdString(), "float32", "cpu"});
      View& view = lens ? static_cast<View&>(lens_view) : patching;
      view.resize(900, 800);
      view.show();
      [&] {
        QTRY_VERIFY(workspace.model().has_value());
        workspace.set_prompt({clean_text.toStdString(), false, true});
        QTRY_COMPARE(workspace.prompt().tokens().size(), static_cast<std::size_t>(clean_text.size()));
        QTRY_VERIFY(workspace.settled() && view.settled());
      }();
    }
    Workspace workspace;
    PatchingView patching;
    LensView lens_view;
  };

  // Computes the map with core, the plain way, for the pair that the view has read.
  std::vector<double> reference(const PatchMap& map, const QString& answer, const QString& wrong) {
    PatchPair pair{ids_of(map.clean), ids_of(map.corrupt), {}};
    for (const auto& [text, ids] : {std::pair(&answer, &pair.answers.answer), {&wrong, &pair.answers.wrong}})
      ids->push_back(*answer_token(*engine_->model().tokenizer, text->toStdString()));
    PatchingOptions options;
    options.site = *parse_hook_point(map.settings.site);
    options.axes = *parse_name<PatchAxes>(map.settings.axes, "axes");
    options.metric = *parse_name<MetricKind>(map.settings.metric, "metric");
    options.noising = map.settings.noising;
    const auto result = patch_activations_plainly(*engine_, {pair}, options);
    return result.ok() ? result->restored : std::vector<double>();
  }

private Q_SLOTS:
  void initTestCase() {
    apply_theme(Theme::light, 1.0);
    QVERIFY(folder_.ok());
    LoadOptions options;
    options.require_tokenizer = true;
    auto model = load_model(folder_.path().toStdString(), options);
    QVERIFY2(model.ok(), model.ok() ? "" : model.error().to_string().c_str());
    engine_ = std::make_unique<Engine>(*model);
  }

  void patching_gives_what_core_gives_data() {
    QTest::addColumn<QString>("site");
    QTest::addColumn<QString>("axes");
    QTest::addColumn<QString>("metric");
    QTest::addColumn<bool>("noising");
    QTest::newRow("residual") << QStringLiteral("resid_pre") << QStringLiteral("layer_position")
                              << QStringLiteral("logit_diff") << false;
    QTest::newRow("heads") << QStringLiteral("z") << QStringLiteral("layer_head") << QStringLiteral("logit_diff")
                           << false;
    QTest::newRow("noise") << QStringLiteral("mlp_out") << QStringLiteral("layer_position")
                           << QStringLiteral("prob_diff") << true;
    QTest::newRow("keys") << QStringLiteral("k") << QStringLiteral("layer_head") << QStringLiteral("kl_divergence")
                          << false;
  }

  void patching_gives_what_core_gives() {
    QFETCH(const QString, site);
    QFETCH(const QString, axes);
    QFETCH(const QString, metric);
    QFETCH(const bool, noising);
    Opened opened(folder_.path(), false);
    PatchingView& view = opened.patching;
    view.editor().set_texts(clean_text, corrupt_text);
    opened.workspace.answers().set({"q", "r"});
    view.editor().set_settings({site.toStdString(), axes.toStdString(), metric.toStdString(), noising});
    view.run();
    QTRY_VERIFY(view.measured() && view.measured()->complete);
    const PatchMap& map = *view.measured();
    QCOMPARE(map.n_layers, 2);
    QCOMPARE(map.n_columns, axes == QStringLiteral("layer_head") ? (site == QStringLiteral("k") ? 2 : 4) : 8);
    const std::vector<double> wanted = reference(map, QStringLiteral("q"), QStringLiteral("r"));
    QCOMPARE(map.restored.size(), wanted.size());
    for (std::size_t i = 0; i < wanted.size(); ++i)
      QVERIFY2(std::abs(static_cast<double>(map.restored[i]) - wanted[i]) < 1e-4,
               qPrintable(QString::number(wanted[i])));
    // The cell that restores most has the colour of its value.
    const auto most = std::max_element(map.restored.begin(), map.restored.end()) - map.restored.begin();
    const Cell cell{static_cast<int>(most) / map.n_columns, static_cast<int>(most) % map.n_columns};
    QVERIFY(close(pixel(view.map(), cell),
                  value_color(view.map().content().scale, map.restored[static_cast<std::size_t>(most)])));
  }

  // ---- Estimates, heads at a position, and the command lines of both

  static void measure(PatchingView& view, const PatchSettings& settings) {
    view.editor().set_texts(clean_text, corrupt_text);
    view.editor().set_settings(settings);
    view.run();
    QTRY_VERIFY(view.measured() && view.measured()->complete && view.measured()->settings == settings);
  }

  // The pair that the view has read, as core takes it.
  static PatchPair pair_of(const Workspace& workspace) { return patch_pair(*workspace.pair()); }

  void an_exact_map_by_head_is_a_score_and_a_command() {
    Opened opened(folder_.path(), false);
    PatchSettings settings;
    settings.site = "z";
    settings.axes = "layer_head";
    measure(opened.patching, settings);
    const HeadScores* scores = opened.workspace.scores().find("patch/z");
    QVERIFY(scores && scores->diverging);
    QCOMPARE(scores->values, opened.patching.measured()->restored);
    const QJsonObject printed = run_copied(opened.patching.command());
    QCOMPARE(numbers_of(printed[QStringLiteral("restored")]), scores->values);
    QVERIFY(!printed[QStringLiteral("estimated")].toBool());
    // By position there is nothing for the head grid.
    opened.workspace.scores().clear();
    measure(opened.patching, {});
    QVERIFY(opened.workspace.scores().all().empty());
    QCOMPARE(numbers_of(run_copied(opened.patching.command())[QStringLiteral("restored")]),
             opened.patching.measured()->restored);
  }

  void cells_have_menus() {
    Opened opened(folder_.path(), false);
    PatchingView& view = opened.patching;
    measure(view, {});
    QWidget& map = *view.map().viewport();
    QVERIFY(!test::menu_of(map)); // no cell is chosen
    view.map().set_current(Cell{1, 3});
    QVERIFY(test::use_menu(map, QStringLiteral("Copy the map as command")));
    QCOMPARE(QGuiApplication::clipboard()->text(), view.command());
    QVERIFY(test::use_menu(map, QStringLiteral("Patch the heads of this layer here"),
                           view.map().cell_rect({0, 4}).center().toPoint()));
    QTRY_VERIFY(view.measured() && view.measured()->complete && view.measured()->by_head());
    QCOMPARE(view.measured()->settings.position, std::optional<int>(4));
    QCOMPARE(view.measured()->settings.layer, std::optional<int>(0));
    QVERIFY(test::use_menu(map, QStringLiteral("Ablate"), view.map().cell_rect({0, 2}).center().toPoint()));
    QVERIFY(opened.workspace.ablation().find({0, 2}));
  }

  void an_estimate_is_called_one_and_says_what_was_patched() {
    Opened opened(folder_.path(), false);
    PatchSettings settings;
    settings.site = "z";
    settings.axes = "layer_head";
    settings.estimate = true;
    measure(opened.patching, settings);
    const PatchMap& map = *opened.patching.measured();
    PatchingOptions options;
    options.site = HookPoint::z;
    options.axes = PatchAxes::layer_head;
    const auto wanted = attribute_patches(*engine_, {pair_of(opened.workspace)}, options, {});
    QVERIFY(wanted.ok());
    QCOMPARE(map.restored.size(), wanted->estimated.restored.size());
    for (std::size_t i = 0; i < map.restored.size(); ++i)
      QVERIFY(std::abs(static_cast<double>(map.restored[i]) - wanted->estimated.restored[i]) < 1e-5);
    QCOMPARE(map.checked.size(), wanted->checked.size());
    QVERIFY(!map.checked.empty());
    const auto exact = patch_activations_plainly(*engine_, {pair_of(opened.workspace)}, options);
    for (const CheckedPatch& cell : map.checked) {
      const double value = exact->restored[exact->index(0, cell.layer, 0, cell.column)];
      QVERIFY(std::abs(cell.exact - value) < 1e-4);
    }
    const CellMap::Content& content = opened.patching.map().content();
    QCOMPARE(content.outlined.size() + content.warned.size(), map.checked.size());
    QVERIFY(opened.patching.message().contains(QStringLiteral("not patches")));
    Q_EMIT opened.patching.map().cell_hovered(Cell{map.checked.front().layer, map.checked.front().column});
    QVERIFY(opened.patching.message().contains(QStringLiteral("estimated")) &&
            opened.patching.message().contains(QStringLiteral("patched: ")));
    QVERIFY(std::get<figures::HeatmapFigure>(opened.patching.exported()->figure).title.starts_with("Estimate"));
    const HeadScores* scores = opened.workspace.scores().find("patch-estimate/z");
    QVERIFY(scores && QString::fromStdString(scores->title).contains(QStringLiteral("estimate")));
    QVERIFY(!opened.workspace.scores().find("patch/z")); // that would be an exact one
    const QJsonObject printed = run_copied(opened.patching.command());
    QVERIFY(printed[QStringLiteral("estimated")].toBool());
    QCOMPARE(numbers_of(printed[QStringLiteral("restored")]), map.restored);
  }

  void a_position_leads_to_its_heads_and_back() {
    Opened opened(folder_.path(), false);
    PatchingView& view = opened.patching;
    measure(view, {});
    const std::vector<float> before = view.measured()->restored;
    const auto buttons = view.findChildren<QToolButton*>();
    const auto button = [&](const QString& text) {
      return *std::find_if(buttons.begin(), buttons.end(), [&](const QToolButton* b) { return b->text() == text; });
    };
    QToolButton* heads = button(QStringLiteral("Patch the heads here"));
    QVERIFY(!heads->isVisible());
    Q_EMIT view.map().cell_clicked(Cell{1, 7});
    QVERIFY(heads->isVisible());
    Q_EMIT heads->menu()->aboutToShow();
    QCOMPARE(heads->menu()->actions().size(), 2);
    heads->menu()->actions()[1]->trigger();
    QTRY_VERIFY(view.measured()->by_head() && view.measured()->complete);
    PatchingOptions options;
    options.site = HookPoint::z;
    options.axes = PatchAxes::layer_position_head;
    const auto wanted = patch_activations_plainly(*engine_, {pair_of(opened.workspace)}, options);
    QVERIFY(wanted.ok());
    const PatchMap all = *view.measured();
    QCOMPARE(all.n_columns, 4);
    double largest = 0.0;
    for (int layer = 0; layer < 2; ++layer)
      for (int head = 0; head < 4; ++head) {
        const double value = wanted->restored[wanted->index(0, layer, 7, head)];
        QVERIFY(std::abs(static_cast<double>(all.restored[static_cast<std::size_t>(layer * 4 + head)]) - value) < 1e-4);
        largest = std::max(largest, std::abs(value));
      }
    QVERIFY(largest > 1e-3); // it is at the last token that something is restored
    QVERIFY(opened.workspace.scores().find("patch/z/7"));
    // The copied command gives all positions, this one among them.
    const QJsonArray layers = run_copied(view.command())[QStringLiteral("restored")].toArray();
    for (int layer = 0; layer < 2; ++layer) {
      const std::vector<float> printed = numbers_of(layers[layer].toArray()[7]);
      for (std::size_t head = 0; head < 4; ++head)
        QVERIFY(std::abs(printed[head] - all.restored[static_cast<std::size_t>(layer) * 4 + head]) < 1e-5F);
    }
    view.back();
    QCOMPARE(view.measured()->restored, before);
    view.patch_heads_at(7, 1);
    QTRY_VERIFY(view.measured()->by_head() && view.measured()->complete);
    for (std::size_t i = 0; i < 8; ++i)
      QCOMPARE(std::isnan(view.measured()->restored[i]), i < 4); // only layer 1
  }

  void partial_maps_come_layer_by_layer() {
    auto state = make_engine_state();
    QVERIFY(open_model(*state, {folder_.path().toStdString(), "float32", "cpu"}, {}).ok());
    const auto pair = read_pair(*state, {"abcdefgh", "abxdefyh", "q", "r", true}, {});
    QVERIFY2(pair.ok(), pair.ok() ? "" : pair.error().to_string().c_str());
    std::vector<PatchMap> partial;
    const auto last = run_patching(*state, *pair, {}, {}, [&](PatchMap map) { partial.push_back(std::move(map)); });
    QVERIFY(last.ok() && last->complete);
    QVERIFY(!partial.empty());
    // After the first layer the first row is there with its final values, and no other.
    for (int column = 0; column < 8; ++column) {
      const auto at = static_cast<std::size_t>(column);
      QCOMPARE(partial[0].restored[at], last->restored[at]);
      QVERIFY(std::isnan(partial[0].restored[at + 8]));
    }
    RunControl cancelled;
    cancelled.cancel.cancel();
    const auto stopped = run_patching(*state, *pair, {}, cancelled, {});
    QVERIFY(!stopped.ok() || !stopped->complete);
  }

  void the_pair_is_read_as_it_is_typed() {
    Opened opened(folder_.path(), false);
    PatchingView& view = opened.patching;
    const QList<QPlainTextEdit*> edits = view.findChildren<QPlainTextEdit*>();
    QCOMPARE(edits.size(), 2);
    QCOMPARE(edits[0]->toPlainText(), clean_text); // from the window's prompt
    QTRY_VERIFY(view.message().contains(QStringLiteral("same")));
    edits[1]->setFocus();
    edits[1]->selectAll();
    QTest::keyClicks(edits[1], corrupt_text);
    QTRY_VERIFY(view.message().startsWith(QStringLiteral("Answer")));
    QCOMPARE(view.editor().tokens().differing(), std::vector<int>({2, 6}));
    QTest::keyClick(edits[1], Qt::Key_Z); // one more token
    QTRY_VERIFY(view.message().contains(QStringLiteral("8 tokens and the corrupt one 9")));
    QVERIFY(view.message().contains(QStringLiteral("a | b | x | d | e | f | y | h | z")));
    QTest::keyClick(edits[1], Qt::Key_Backspace);
    QTest::keyClick(edits[1], Qt::Key_Return, Qt::ControlModifier);
    QTRY_VERIFY(view.measured() && view.measured()->complete);
    opened.workspace.answers().set({"two letters", {}});
    QTRY_VERIFY(view.message().startsWith(QStringLiteral("The answer: ")));
  }

  void a_cell_selects_the_token_or_the_head() {
    Opened opened(folder_.path(), false);
    PatchingView& view = opened.patching;
    Selection& selection = opened.workspace.selection();
    view.editor().set_texts(clean_text, corrupt_text);
    view.run();
    QTRY_VERIFY(view.measured() && view.measured()->complete);
    const auto click = [&](Cell cell) {
      QTest::mouseClick(view.map().viewport(), Qt::LeftButton, {}, view.map().cell_rect(cell).center().toPoint());
    };
    click({1, 2});
    QCOMPARE(selection.query(), std::optional<int>(2));
    QCOMPARE(selection.head()->layer, 1);
    QTest::keyClick(&view.map(), Qt::Key_Right);
    QCOMPARE(selection.query(), std::optional<int>(3));
    Q_EMIT opened.workspace.patch_wanted({"z", PatchAxes::layer_head, 1, 3});
    QCOMPARE(selection.head(), std::optional<HeadId>({1, 3}));
    QTRY_VERIFY(view.measured()->by_head() && view.measured()->complete);
    QCOMPARE(view.map().current(), std::optional<Cell>({1, 3}));
    click({0, 2});
    QCOMPARE(selection.head(), std::optional<HeadId>({0, 2}));
    QVERIFY(view.exported().has_value());
  }

  void a_stored_map_is_shown() {
    const QTemporaryDir folder;
    const std::string path = folder.filePath(QStringLiteral("patch.h5")).toStdString();
    auto writer = store::ResultWriter::create(path, {});
    QVERIFY(writer.ok());
    store::Patching stored;
    stored.spec = {"resid_pre",
                   "resid_pre",
                   {"layer", "position"},
                   {2, 3},
                   "logit_diff",
                   3.0,
                   -1.0,
                   "logit",
                   {"a",
                    "\xC4\xA0"
                    "b",
                    "c"},
                   {"a",
                    "\xC4\xA0"
                    "x",
                    "c"},
                   {{"direction", std::string("denoising")}}};
    stored.restored = {0.0F, 1.0F, 0.25F, -0.5F, 0.75F, std::nanf("")};
    QVERIFY(writer->add_patching(stored).ok());
    QVERIFY(writer->commit().ok());
    Workspace workspace;
    PatchingView view(workspace, nullptr);
    view.resize(700, 700);
    view.show();
    workspace.open_result(QString::fromStdString(path));
    QTRY_VERIFY(view.measured().has_value());
    QCOMPARE(view.measured()->n_columns, 3);
    QCOMPARE(view.measured()->restored[4], 0.75F);
    QCOMPARE(view.measured()->clean[1].text, std::string(" b"));
    QCOMPARE(view.editor().tokens().differing(), std::vector<int>({1}));
    QVERIFY(close(pixel(view.map(), {0, 1}), value_color(view.map().content().scale, 1.0)));
    QVERIFY(close(pixel(view.map(), {1, 2}), inks().nan));
  }

  void the_lens_shows_what_core_gives() {
    Opened opened(folder_.path(), true);
    LensView& view = opened.lens_view;
    QTRY_VERIFY(view.lens().has_value());
    const LensMap& map = *view.lens();
    LogitLensOptions options;
    options.top = 5;
    const auto wanted = logit_lens(*engine_, opened.workspace.prompt().ids(), options);
    QVERIFY(wanted.ok());
    QCOMPARE(map.n_rows, 3);
    QCOMPARE(map.n_positions, 8);
    QCOMPARE(map.top_ids, wanted->top_ids);
    QCOMPARE(map.top_probabilities, wanted->top_probabilities);
    const CellMap::Content& content = view.lens_map().content();
    QCOMPARE(content.texts[8 + 2], token_text(engine_->model().tokenizer->text(wanted->top_ids[(8 + 2) * 5])));
    QCOMPARE(content.values[10], static_cast<float>(wanted->top_probabilities[50]));
    auto* follow = view.findChild<QLineEdit*>(QStringLiteral("follow"));
    QTest::keyClicks(follow, QStringLiteral("q"));
    QTRY_VERIFY(view.lens()->followed.has_value());
    options.tokens = {view.lens()->followed->id};
    const auto followed = logit_lens(*engine_, opened.workspace.prompt().ids(), options);
    QCOMPARE(view.lens()->ranks, followed->token_ranks);
    QCOMPARE(view.lens_map().content().values[5], static_cast<float>(followed->token_probabilities[5]));
    QTest::mouseClick(view.lens_map().viewport(), Qt::LeftButton, {},
                      view.lens_map().cell_rect({1, 4}).center().toPoint());
    QCOMPARE(opened.workspace.selection().query(), std::optional<int>(4));
    QCOMPARE(opened.workspace.selection().head()->layer, 1);
  }

  void attribution_adds_up_and_is_core_s() {
    Opened opened(folder_.path(), true);
    LensView& view = opened.lens_view;
    view.findChild<QTabWidget*>()->setCurrentIndex(1);
    QTRY_VERIFY(view.attribution().has_value());
    const AttributionMap& map = *view.attribution();
    const auto wanted =
        attribute_logits(*engine_, {{opened.workspace.prompt().ids(), {{map.answer.id}, {map.wrong.id}}}});
    QVERIFY(wanted.ok());
    QCOMPARE(map.heads, wanted->heads);
    double sum = map.input + map.constant;
    for (int layer = 0; layer < map.n_layers; ++layer)
      sum += map.attention[static_cast<std::size_t>(layer)] + map.mlps[static_cast<std::size_t>(layer)];
    QVERIFY2(std::abs(sum - map.total) < 1e-4, qPrintable(QString::number(sum - map.total)));
    QVERIFY(map.total > 0); // the likeliest over the second
    // The largest bar is drawn in its colour and on its side of 0.
    LayerBars& bars = view.bars();
    const QRectF first = bars.bar_rect(0, false);
    QCOMPARE(first.center().y() < bars.bar_rect(-1, true).center().y(), map.attention[0] > 0);
    QTest::mouseClick(view.head_map().viewport(), Qt::LeftButton, {},
                      view.head_map().cell_rect({1, 2}).center().toPoint());
    QCOMPARE(opened.workspace.selection().head(), std::optional<HeadId>({1, 2}));
    QVERIFY(view.exported()->table.has_value());
  }

  void empty_views_say_what_to_do() {
    Workspace workspace;
    PatchingView patching(workspace, nullptr);
    LensView lens(workspace, nullptr);
    for (View* view : {static_cast<View*>(&patching), static_cast<View*>(&lens)}) {
      view->show();
      QVERIFY(!view->exported());
      bool says = false;
      for (const QLabel* label : view->findChildren<QLabel*>())
        says = says || (label->isVisible() && label->text().contains(QStringLiteral("Open a model")));
      QVERIFY(says);
    }
  }
};

} // namespace headscope::gui

QTEST_MAIN(headscope::gui::PatchingTest)
#include "patching_test.moc"
