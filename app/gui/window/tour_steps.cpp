// SPDX-License-Identifier: GPL-3.0-or-later
#include <cmath>

#include "app/gui/views/detectors/detectors_view.h"
#include "app/gui/views/grid/grid_view.h"
#include "app/gui/views/grid/score_panel.h"
#include "app/gui/window/main_window.h"
#include "app/gui/window/prompt_bar.h"
#include "app/gui/window/prompt_examples.h"
#include "app/gui/window/tour.h"

namespace headscope::gui {
namespace {

const char induction_score[] = "run/induction";

QString tr(const char* text) { return QCoreApplication::translate("Tour", text); }

std::optional<HeadId> strongest(const Workspace& workspace) {
  const HeadScores* scores = workspace.scores().find(induction_score);
  if (!scores) return std::nullopt;
  HeadId best;
  double most = -INFINITY;
  for (int layer = 0; layer < scores->n_layers; ++layer)
    for (int head = 0; head < scores->n_heads; ++head)
      if (const double value = static_cast<double>(scores->at({layer, head})); value > most) {
        most = value;
        best = {layer, head};
      }
  return std::isfinite(most) ? std::optional(best) : std::nullopt;
}

void score_heads(MainWindow& window) {
  auto& detectors = dynamic_cast<DetectorsView&>(*window.view(QStringLiteral("detectors")));
  detectors.tick("induction", true);
  detectors.run_ticked();
  detectors.tick("induction", false);
}

void select_strongest(MainWindow& window) {
  auto& grid = dynamic_cast<GridView&>(*window.view(QStringLiteral("grid")));
  if (!grid.grids().empty()) grid.grids().front()->choose(QString::fromLatin1(induction_score));
  if (const auto head = strongest(window.workspace())) window.workspace().selection().set_head(*head);
}

void ablate_selected(MainWindow& window) {
  Workspace& workspace = window.workspace();
  if (const auto head = workspace.selection().head(); head && !workspace.ablation().find(*head))
    workspace.ablation().toggle(*head);
}

} // namespace

std::vector<TourStep> tour_steps(MainWindow& window) {
  const auto view = [&window](const char* id) {
    return [&window, id = QString::fromLatin1(id)]() -> QWidget* {
      if (window.workspace().model()) window.raise_view(id);
      return window.workspace().model() ? static_cast<QWidget*>(window.view(id)) : window.centralWidget();
    };
  };
  const auto prompt = [&window]() -> QWidget* {
    return window.workspace().model() ? window.findChild<PromptBar*>() : window.centralWidget();
  };
  return {
      {QStringLiteral("model"),
       tr("Everything here is about one model. SmolLM2 is small enough for any computer; opening it takes a few "
          "seconds."),
       prompt,
       [&window] {
         if (!window.workspace().model()) window.open_path(QStringLiteral("smollm2"));
       }},
      {QStringLiteral("prompt"),
       tr("The prompt. Take ten words in no order, and the same ten again: what comes next can only be known from the "
          "first time."),
       prompt,
       [&window] { window.findChild<PromptBar*>()->take_text(prompt_example(QStringLiteral("induction")).text); }},
      {QStringLiteral("score"),
       tr("Each cell is a head: layers down, heads across. A detector scores how far a head looks back to what "
          "followed "
          "the same token before; that is called induction."),
       view("grid"), [&window] { score_heads(window); }},
      {QStringLiteral("select"),
       tr("The brightest cell is the strongest induction head. A click selects a head for all views."), view("grid"),
       [&window] { select_strongest(window); }},
      {QStringLiteral("attention"),
       tr("Its attention map: rows of the second ten words are bright where the word stands that followed the first "
          "time, a stripe beside the diagonal."),
       view("attention")},
      {QStringLiteral("ablate"),
       tr("Is the head needed? The key A ablates it: from then on it writes nothing. Compare the next token before and "
          "after."),
       view("ablation"), [&window] { ablate_selected(window); }},
      {QStringLiteral("end"),
       tr("Ctrl+Z puts the head back. F1 explains the view that you are in, with formulas and papers; Help lists all "
          "keys."),
       view("ablation")}};
}

} // namespace headscope::gui
