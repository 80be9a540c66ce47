// SPDX-License-Identifier: GPL-3.0-or-later
// Questions that people come with, answered in the window by mouse and keys alone: which heads matter for a prompt,
// where induction heads are, where information is, and by which circuit a task is solved.
#include <algorithm>

#include <QComboBox>
#include <QFile>
#include <QLabel>
#include <QListWidget>
#include <QPlainTextEdit>
#include <QSlider>
#include <QStyle>
#include <QTableView>

#include "app/gui/models/head_filter.h"
#include "app/gui/views/attention/attention_view.h"
#include "app/gui/views/cell_map/cell_map.h"
#include "app/gui/views/circuit/circuit_view.h"
#include "app/gui/views/circuit/discover_bar.h"
#include "app/gui/views/circuit/graph_canvas.h"
#include "app/gui/views/detectors/detectors_view.h"
#include "app/gui/views/detectors/evidence_panel.h"
#include "app/gui/views/grid/grid_view.h"
#include "app/gui/views/grid/head_grid.h"
#include "app/gui/views/grid/score_panel.h"
#include "app/gui/views/grid/sweep_bar.h"
#include "app/gui/views/patching/patching_view.h"
#include "tests/gui/real_tasks.h"

namespace headscope::gui::test {
namespace {

const QString prompt = QStringLiteral("When Mary and John went to the store, John gave a drink to");

class ResearchTask : public RealTask {
protected:
  GridView& grid() { return the_view<GridView>("grid"); }

  std::vector<HeadId> strongest() {
    return in_window([this] {
      const HeadScores* scores = grid().grids().front()->scores();
      must(scores && scores->id.starts_with("sweep/"), QStringLiteral("the sweep is not the score shown"));
      return ranked_heads(*scores);
    });
  }
  void wait_for_sweep() {
    until("the sweep to begin and to end", [this] {
      const HeadScores* scores = grid().grids().front()->scores();
      return scores && scores->id.starts_with("sweep/") && !grid().sweep_bar().running();
    });
    settle();
  }
  void tab_to(const char* what, const std::function<bool()>& there) {
    constexpr int most = 40; // stops of the window
    for (int i = 0; i < most && !in_window(there); ++i)
      hand().key("Tab");
    must(in_window(there), QString::fromLatin1(what));
  }
  void click_head(HeadId head) {
    HeadGrid& cells =
        in_window([this]() -> std::reference_wrapper<HeadGrid> { return grid().grids().front()->grid(); });
    hand().click(cells, [&] { return cells.cell_rect(head).center(); });
    until("the head to be selected", [&] { return workspace().selection().head() == head; });
  }
  std::size_t ablated() {
    return in_window([this] { return workspace().ablation().heads().size(); });
  }
};

TEST_F(ResearchTask, WhichHeadsMatterForThisPrompt) {
  open_window();
  open_model(planted_model());
  type_prompt(prompt);
  go_to_tab("grid");
  click_button(grid().sweep_bar(), QStringLiteral("Sweep heads"));
  wait_for_sweep();
  const std::vector<HeadId> best = strongest();
  ASSERT_GE(best.size(), 3U);
  for (std::size_t i = 0; i < 3; ++i) {
    click_head(best[i]);
    hand().key("a");
    until("the head to be ablated", [&] { return workspace().ablation().heads().size() == i + 1; });
  }
  settle();
  hand().key("ctrl+z");
  until("the last one to be put back", [this] { return workspace().ablation().heads().size() == 2; });
  settle();
  EXPECT_EQ(ablated(), 2U);
  expect_clicks(8);
}

// Found by a detector, looked at in the map of its evidence, and exported as a figure with its numbers.
TEST_F(ResearchTask, WhereInductionHeadsAre) {
  open_window();
  open_model(planted_model());
  auto& view = the_view<DetectorsView>("detectors");
  go_to_tab("detectors");
  auto* list = find_named<QListWidget>(view, "Detectors");
  hand().click(*list->viewport(), [list] { // its tick
    for (int i = 0; i < list->count(); ++i)
      if (list->item(i)->text().startsWith(QStringLiteral("Induction"))) {
        list->scrollToItem(list->item(i));
        const QRect row = list->visualItemRect(list->item(i));
        return QPoint(row.left() + list->style()->pixelMetric(QStyle::PM_IndicatorWidth) / 2 + 4, row.center().y());
      }
    return QPoint();
  });
  click_button(view, QStringLiteral("Run"));
  until("the detector to run", [&] { return view.answers().contains("induction"); });
  settle();
  auto* heads = find_named<QTableView>(view, "Strongest heads");
  hand().click(*heads->viewport(), [heads] { return heads->visualRect(heads->model()->index(0, 1)).center(); });
  until("the planted head to be selected", [this] { return workspace().selection().head() == HeadId{2, 4}; });
  settle();
  click_button(view.evidence(), QStringLiteral("Show"));
  until("its query and key to be pinned",
        [this] { return workspace().selection().query() && workspace().selection().key(); });
  settle();
  in_window([&] {
    const EvidenceRow& row = view.evidence().model().row(0);
    EXPECT_EQ(workspace().selection().query(), row.query);
    EXPECT_EQ(workspace().selection().key(), row.key);
  });
  go_to_tab("attention");
  auto& attention = the_view<AttentionView>("attention");
  until("its map", [&] { return attention.settled() && !attention.grid().canvases().empty(); });
  hand().key("ctrl+0"); // the keyboard goes back to the detectors
  until("the detectors to have the keyboard", [&] { return view.isAncestorOf(QApplication::focusWidget()); });
  export_view(file({}), QStringLiteral("induction"));
  for (const char* ending : {"png", "svg"})
    EXPECT_TRUE(QFile::exists(file(QStringLiteral("induction.") + QString::fromLatin1(ending)))) << ending;
  expect_clicks(8);
}

TEST_F(ResearchTask, FromAPatchedPositionToItsHead) {
  open_window();
  open_model(planted_model());
  type_prompt(prompt);
  auto& view = the_view<PatchingView>("patching");
  go_to_tab("patching");
  auto* corrupt = find_named<QPlainTextEdit>(view, "Corrupt prompt");
  hand().click(*corrupt->viewport());
  hand().key("ctrl+a");
  hand().type(QString(prompt).replace(QStringLiteral("John gave"), QStringLiteral("Mary gave")));
  hand().key("ctrl+Return");
  until("the map", [&] { return view.measured() && view.measured()->complete; });
  settle();
  const auto best = [&] {
    const auto& restored = view.measured()->restored;
    const auto n = static_cast<std::size_t>(view.measured()->n_columns);
    const auto at = static_cast<std::size_t>(std::max_element(restored.begin(), restored.end()) - restored.begin());
    return Cell{static_cast<int>(at / n), static_cast<int>(at % n)};
  };
  const auto click_cell = [&](Cell cell) {
    hand().click(*view.map().viewport(), [&] { return view.map().cell_rect(cell).center().toPoint(); });
    until("the cell to be chosen", [&] { return view.map().current() == cell; });
  };
  click_cell(in_window(best));
  click_button(view, QStringLiteral("Patch the heads here"));
  until("the map of heads", [&] { return view.measured() && view.measured()->complete && view.measured()->by_head(); });
  settle();
  const Cell head = in_window(best);
  click_cell(head);
  until("the head to be selected", [&] { return workspace().selection().head() == HeadId{head.row, head.col}; });
  settle();
  expect_clicks(6);
}

// Found on a pair of the task, cut down to its strongest edges, one of them patched again, and exported.
TEST_F(ResearchTask, ByWhichCircuitATaskIsSolved) {
  open_window();
  open_model(planted_model());
  auto& patching = the_view<PatchingView>("patching");
  go_to_tab("patching");
  click_button(patching, QStringLiteral("From a task"));
  hand().click_action(QStringLiteral("ioi"));
  until("the pair", [this] { return workspace().pair().has_value(); });
  settle();
  auto& view = the_view<CircuitView>("circuit");
  go_to_tab("circuit");
  EXPECT_EQ(in_window([&] { return find_named<QComboBox>(view.discover(), "Method")->currentText(); }),
            QStringLiteral("eap_ig_inputs"));
  click_button(view.discover(), QStringLiteral("Discover"));
  until("the circuit", [&] { return !view.discover().running() && view.canvas().edge_count() > 0; });
  settle();
  const std::size_t before = in_window([&] { return view.canvas().edge_count(); });
  auto* slider = find_named<QSlider>(view, "Edge threshold");
  hand().click(*slider, [slider] { return QPoint(slider->width() * 9 / 10, slider->height() / 2); });
  until("fewer edges", [&] { return view.canvas().edge_count() < before; });
  settle();
  hand().click(*view.canvas().viewport(),
               [&] { return view.canvas().mapFromScene(view.canvas().edge_at_share(0, 0.5)); });
  until("an edge to be chosen", [&] { return view.canvas().current_edge() >= 0; });
  auto* details = in_window([&] { return view.findChild<QLabel*>(QStringLiteral("details")); });
  until("what patching it does", [&] { return details->text().contains(QStringLiteral("Patched, it takes")); });
  settle();
  export_view(file({}), QStringLiteral("circuit"));
  EXPECT_TRUE(QFile::exists(file(QStringLiteral("circuit.svg"))));
  expect_clicks(10);
}

// The first question without a mouse.
TEST_F(ResearchTask, WhichHeadsMatterByTheKeyboardAlone) {
  open_window();
  open_model(planted_model(), By::keys);
  type_prompt(prompt);
  hand().key("ctrl+1");
  until("the grid to have the keyboard", [this] { return grid().isAncestorOf(QApplication::focusWidget()); });
  tab_to("the button", [this] {
    const auto* button = qobject_cast<QAbstractButton*>(QApplication::focusWidget());
    return button && button->text() == QStringLiteral("Sweep heads");
  });
  hand().key("space");
  wait_for_sweep();
  HeadGrid& cells = in_window([this]() -> std::reference_wrapper<HeadGrid> { return grid().grids().front()->grid(); });
  tab_to("the map of heads", [&cells] { return QApplication::focusWidget() == &cells; });
  const std::vector<HeadId> best = strongest();
  for (std::size_t i = 0; i < 3; ++i) {
    const HeadId from = in_window([this] { return *workspace().selection().head(); });
    const int down = best[i].layer - from.layer, right = static_cast<int>(best[i].head) - static_cast<int>(from.head);
    hand().keys(down < 0 ? "Up" : "Down", std::abs(down));
    hand().keys(right < 0 ? "Left" : "Right", std::abs(right));
    until("the head to be selected", [&] { return workspace().selection().head() == best[i]; });
    hand().key("a");
    until("the head to be ablated", [&] { return workspace().ablation().heads().size() == i + 1; });
  }
  hand().key("ctrl+z");
  until("the last one to be put back", [this] { return workspace().ablation().heads().size() == 2; });
  settle();
  expect_clicks(0);
}

} // namespace
} // namespace headscope::gui::test
