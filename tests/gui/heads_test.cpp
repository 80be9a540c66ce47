// SPDX-License-Identifier: GPL-3.0-or-later
// Prompt bar, head grid and ablation panel on a tiny model: keys, clicks, pixels by content, equality with core.
#include <QAbstractItemModelTester>
#include <QClipboard>
#include <QLabel>
#include <QLineEdit>
#include <QSignalSpy>
#include <QSpinBox>
#include <QTableView>
#include <QTemporaryDir>
#include <QTextEdit>

#include "app/gui/models/head_list_model.h"
#include "app/gui/views/ablation/ablation_controls.h"
#include "app/gui/views/ablation/ablation_view.h"
#include "app/gui/views/ablation/text_pair.h"
#include "app/gui/views/grid/grid_view.h"
#include "app/gui/views/grid/head_grid.h"
#include "app/gui/views/grid/score_panel.h"
#include "app/gui/window/prompt_bar.h"
#include "app/gui/window/prompt_edit.h"
#include "app/gui/window/token_strip.h"
#include "tests/gui/patience.h"
#include "tests/gui/tiny_model.h"

namespace headscope::gui {
namespace {

HeadScores planted_scores() {
  HeadScores scores;
  scores.id = "detector/planted";
  scores.title = "Planted";
  scores.n_layers = 3;
  scores.n_heads = 4;
  scores.values.assign(12, 0.0F);
  scores.values[1 * 4 + 2] = 1.0F;
  scores.values[2 * 4 + 0] = 0.6F;
  scores.values[2 * 4 + 3] = std::nanf("");
  scores.threshold = 0.5;
  return scores;
}

std::vector<TokenInfo> many_tokens(int count) {
  std::vector<TokenInfo> tokens;
  for (int i = 0; i < count; ++i)
    tokens.push_back({i, "Ġw", " word" + std::to_string(i % 10), i == 0});
  return tokens;
}

QColor color_at(QWidget& widget, const QPoint& point) { return widget.grab().toImage().pixelColor(point); }

} // namespace

class HeadsTest : public QObject {
  Q_OBJECT
private:
  QTemporaryDir folder_;

  void open_tiny(Workspace& workspace) {
    const std::string path = make_tiny_model(folder_.filePath(QStringLiteral("tiny")).toStdString());
    connect(&workspace, &Workspace::failed, this, [](const QString& what, const Error& error) {
      QFAIL(qPrintable(what + QString::fromStdString(error.to_string())));
    });
    workspace.open_model({path, "float32", "cpu"});
    QTRY_VERIFY(workspace.model().has_value());
  }

  static void give_prompt(Workspace& workspace, const std::string& text) {
    workspace.set_prompt({text, false, true});
    QTRY_VERIFY(workspace.live() && workspace.engine().idle());
  }

private Q_SLOTS:
  void initTestCase() { apply_theme(Theme::dark, 1.0); }

  // ---- Models

  void the_list_of_heads_is_a_model() {
    HeadListModel model;
    const QAbstractItemModelTester tester(&model, QAbstractItemModelTester::FailureReportingMode::QtTest);
    model.set_scores(planted_scores(), {});
    QCOMPARE(model.rowCount(), 12);
    QCOMPARE(model.head_at(0), (HeadId{1, 2})); // by rank at first
    QCOMPARE(model.data(model.index(0, HeadListModel::score_column), Qt::DisplayRole).toString(),
             QStringLiteral("1.0000"));
    model.sort(HeadListModel::head_column, Qt::DescendingOrder);
    QCOMPARE(model.head_at(0), (HeadId{2, 3}));
    model.sort(HeadListModel::score_column, Qt::DescendingOrder);
    QCOMPARE(model.head_at(1), (HeadId{2, 0}));
    QCOMPARE(model.head_at(11), (HeadId{2, 3})); // not measured: last in either order
    model.sort(HeadListModel::score_column, Qt::AscendingOrder);
    QCOMPARE(model.head_at(11), (HeadId{2, 3}));
    model.set_ablated({{{1, 2}, AblationMethod::zero, Phase::both}});
    const QString state =
        model.data(model.index(model.row_of({1, 2}), HeadListModel::state_column), Qt::DisplayRole).toString();
    QVERIFY(state.contains(QStringLiteral("ablated")) && state.contains(QStringLiteral("threshold")));
    model.set_scores({}, {});
    QCOMPARE(model.rowCount(), 0);
  }

  void filters_leave_what_they_say() {
    const HeadScores scores = planted_scores();
    const auto count = [&](const HeadFilter& filter) {
      const auto wanted = matching_heads(scores, filter);
      return std::count(wanted.begin(), wanted.end(), true);
    };
    QCOMPARE(count({}), 12);
    QCOMPARE(count({0.5, 0, false, {}}), 2);
    QCOMPARE(count({std::nullopt, 0, true, {}}), 2);
    QCOMPARE(count({std::nullopt, 1, false, {}}), 1);
    QCOMPARE(count({std::nullopt, 0, false, "2."}), 4);
    QCOMPARE(count({std::nullopt, 1, false, "2."}), 1);
    QVERIFY(matching_heads(scores, {std::nullopt, 1, false, "2."})[8]); // 2.0
    HeadScores effects = scores;
    effects.diverging = true;
    effects.values[5] = -2.0F;
    QCOMPARE(ranked_heads(effects).front(), (HeadId{1, 1}));
    QVERIFY(matching_heads(effects, {1.5, 0, false, {}})[5]);
  }

  // ---- The map

  void a_known_head_has_its_colour() {
    HeadGrid grid;
    grid.resize(400, 300);
    grid.set_scores(planted_scores(), std::vector<bool>(12, true), 2);
    const auto expect = [&](HeadId head, double value) {
      const QPoint corner = grid.cell_rect(head).topLeft() + QPoint(4, 4);
      QCOMPARE(color_at(grid, corner).rgb(), value_color(grid.scale(), value).rgb());
    };
    expect({1, 2}, 1.0);
    expect({2, 0}, static_cast<double>(0.6F));
    expect({0, 0}, 0.0);
    QVERIFY(value_color(grid.scale(), 1.0) != value_color(grid.scale(), 0.0));
    // An outline over the threshold, in the colour of text; none below it.
    QCOMPARE(color_at(grid, grid.cell_rect({1, 2}).topLeft() + QPoint(6, 0)).rgb(), inks().text.rgb());
    QVERIFY(color_at(grid, grid.cell_rect({0, 1}).topLeft() + QPoint(6, 0)).rgb() != inks().text.rgb());
    // An ablated head is struck through.
    const QRect cell = grid.cell_rect({0, 3}).adjusted(1, 1, -2, -2);
    grid.set_ablated({{0, 3}});
    QCOMPARE(color_at(grid, cell.topLeft() + QPoint(6, 0)).rgb(), inks().warning.rgb());
  }

  void clicks_and_keys_select_heads() {
    Workspace workspace;
    workspace.scores().put(planted_scores());
    ScorePanel panel(workspace);
    panel.resize(500, 400);
    panel.show();
    HeadGrid& grid = panel.grid();
    QTRY_VERIFY(!grid.cell_rect({0, 0}).isEmpty());
    QTest::mouseClick(&grid, Qt::LeftButton, Qt::NoModifier, grid.cell_rect({1, 2}).center());
    QCOMPARE(*workspace.selection().head(), (HeadId{1, 2}));
    QTest::mouseClick(&grid, Qt::LeftButton, Qt::ControlModifier, grid.cell_rect({2, 0}).center());
    QCOMPARE(workspace.selection().heads().size(), 2U);
    QVERIFY(!workspace.selection().isolated());
    QTest::mouseDClick(&grid, Qt::LeftButton, Qt::NoModifier, grid.cell_rect({2, 0}).center());
    QVERIFY(workspace.selection().isolated());
    QCOMPARE(workspace.selection().heads().size(), 1U);
    QTest::mouseMove(&grid, grid.cell_rect({1, 2}).center());
    const auto labels = panel.findChildren<QLabel*>();
    QTRY_VERIFY(std::any_of(labels.begin(), labels.end(),
                            [](const QLabel* label) { return label->text() == QStringLiteral("Head 1.2: 1"); }));
  }

  void live_scores_come_to_the_grid() {
    Workspace workspace;
    open_tiny(workspace);
    GridView view(workspace, nullptr);
    view.resize(700, 500);
    view.show();
    give_prompt(workspace, "Mary and John");
    QTRY_VERIFY(workspace.scores().find("live/entropy") != nullptr);
    const HeadScores* sink = workspace.scores().find("live/sink_mass");
    QVERIFY(sink && sink->n_layers == 2 && sink->n_heads == 4);
    for (const float value : sink->values)
      QVERIFY(value > 0.0F && value <= 1.0F);
    QCOMPARE(view.grids().front()->score_id(), QStringLiteral("live/sink_mass"));
    QVERIFY(view.add_grid()->score_id() != QStringLiteral("live/sink_mass"));
    QVERIFY(view.exported().has_value());
    QVERIFY(std::holds_alternative<figures::PanelFigure>(view.exported()->figure));
  }

  // ---- The prompt bar

  void a_long_prompt_is_laid_out_only_where_it_is_seen() {
    TokenStrip strip;
    strip.resize(800, strip.sizeHint().height());
    strip.show();
    QElapsedTimer clock;
    clock.start();
    strip.set_tokens(many_tokens(8000), 8000, 8000);
    QVERIFY(strip.laid_out() > 5 && strip.laid_out() < 60);
    QVERIFY(!strip.chip_rect(0).isEmpty());
    strip.scroll_to(7999);
    QVERIFY(strip.laid_out() < 60);
    const QRect last = strip.chip_rect(7999);
    QVERIFY(!last.isEmpty() && last.right() <= strip.viewport()->width());
    strip.scroll_to(4000);
    QVERIFY(!strip.chip_rect(4000).isEmpty());
    QCOMPARE(strip.token_at(strip.chip_rect(4000).center()), 4000);
  }

  void enter_takes_the_prompt_and_chips_pin_tokens() {
    Workspace workspace;
    PromptBar bar(workspace);
    bar.resize(900, 160);
    bar.show();
    open_tiny(workspace);
    auto* edit = bar.findChild<PromptEdit*>();
    auto* strip = bar.findChild<TokenStrip*>();
    QTest::keyClicks(edit, QStringLiteral("Mary and"));
    QTest::keyClick(edit, Qt::Key_Return);
    QTRY_COMPARE(workspace.prompt().tokens().size(), 9U); // BOS and eight characters
    QCOMPARE(edit->toPlainText(), QStringLiteral("Mary and"));
    QCOMPARE(strip->count(), 9U);
    QVERIFY(workspace.prompt().tokens().front().special);
    QTest::mouseClick(strip->viewport(), Qt::LeftButton, Qt::NoModifier, strip->chip_rect(3).center());
    QCOMPARE(workspace.selection().query(), std::optional<int>(3));
    QTest::mouseClick(strip->viewport(), Qt::LeftButton, Qt::ShiftModifier, strip->chip_rect(1).center());
    QCOMPARE(workspace.selection().key(), std::optional<int>(1));
    QCOMPARE(color_at(*strip->viewport(), strip->chip_rect(3).topLeft() + QPoint(4, 2)).rgb(), inks().accent.rgb());
    QTest::mouseClick(strip->viewport(), Qt::LeftButton, Qt::NoModifier, strip->chip_rect(3).center());
    QCOMPARE(workspace.selection().query(), std::nullopt);
  }

  void generated_text_can_be_stepped_through() {
    Workspace workspace;
    PromptBar bar(workspace);
    bar.show();
    open_tiny(workspace);
    give_prompt(workspace, "Mary");
    for (auto* box : bar.findChildren<QSpinBox*>())
      if (box->accessibleName() == QStringLiteral("New tokens")) box->setValue(6);
    const auto buttons = bar.findChildren<QPushButton*>();
    const auto generate = std::find_if(buttons.begin(), buttons.end(),
                                       [](const auto* button) { return button->text() == QStringLiteral("Generate"); });
    QVERIFY(generate != buttons.end());
    QTest::mouseClick(*generate, Qt::LeftButton);
    QTRY_COMPARE(workspace.prompt().tokens().size(), 11U);
    const std::vector<std::int64_t> all = workspace.prompt().ids();
    QCOMPARE(bar.generated_count(), 6);
    workspace.selection().set_tokens(10, 2);
    bar.step_to(2);
    QCOMPARE(workspace.prompt().tokens().size(), 7U);
    QCOMPARE(workspace.selection().query(), std::nullopt); // it stood behind the end
    QCOMPARE(bar.findChild<TokenStrip*>()->count(), 11U);  // the rest is still there
    bar.step_to(6);
    QCOMPARE(workspace.prompt().ids(), all);
    give_prompt(workspace, "John");
    QCOMPARE(bar.generated_count(), 0);
  }

  // ---- The ablation panel

  void the_panel_shows_what_core_computes_and_undo_takes_it_back() {
    Workspace workspace;
    open_tiny(workspace);
    AblationView view(workspace, nullptr);
    view.resize(600, 800);
    view.show();
    give_prompt(workspace, "Mary and John went");
    QTRY_VERIFY(view.prediction() && workspace.engine().idle());
    const double clean = view.prediction()->clean_diff;
    QCOMPARE(view.prediction()->kl, 0.0);
    view.controls().add_named(QStringLiteral("0.1, 1"));
    QCOMPARE(workspace.ablation().heads().size(), 5U);
    QTRY_VERIFY(view.prediction()->kl > 0.0 && workspace.engine().idle());
    QCOMPARE(view.prediction()->clean_diff, clean);
    QVERIFY(view.prediction()->ablated_diff != clean);
    QVERIFY(view.prediction()->cached);
    QCOMPARE(view.clean_text().tokens.size(), 24U);
    QCOMPARE(view.ablated_text().tokens.size(), 24U);
    workspace.undo().undo();
    QVERIFY(workspace.ablation().heads().empty());
    QTRY_VERIFY(view.prediction()->kl == 0.0 && workspace.engine().idle());
    workspace.undo().redo();
    QCOMPARE(workspace.ablation().heads().size(), 5U);
    workspace.ablation().set_method(AblationMethod::mean, Phase::decode);
    QTRY_VERIFY(view.prediction()->kl > 0.0 && workspace.engine().idle());
    view.controls().add_named(QStringLiteral("7.1")); // no such layer: said, and nothing changes
    QCOMPARE(workspace.ablation().heads().size(), 5U);
    QVERIFY(view.exported().has_value());
  }

  void the_first_difference_is_marked() {
    Continuation a, b;
    for (const auto& [id, text] :
         std::initializer_list<std::pair<int, const char*>>{{1, " Mary"}, {2, " and"}, {3, "<b>"}})
      a.tokens.push_back({id, text, text, false});
    b.tokens = {a.tokens[0], {9, " or", " or", false}};
    QCOMPARE(first_difference(a, b), 1U);
    QCOMPARE(first_difference(a, a), 3U);
    const QString marked = marked_text(a, 1, QColor(Qt::red));
    QVERIFY(marked.contains(QStringLiteral("> Mary<span")));
    QVERIFY(marked.contains(QStringLiteral("#ff0000")));
    QVERIFY(marked.contains(QStringLiteral("&lt;b&gt;")));
  }
};

} // namespace headscope::gui

QTEST_MAIN(headscope::gui::HeadsTest)
#include "heads_test.moc"
