// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/gui/views/view_list.h"

namespace headscope::gui {

const std::vector<ViewKind>& all_views() {
  static const std::vector<ViewKind> views = {
      {QStringLiteral("grid"), DockColumn::left, make_grid_view},
      {QStringLiteral("attention"), DockColumn::center, make_attention_view},
      {QStringLiteral("thumbnails"), DockColumn::left, make_thumbnails_view},
      {QStringLiteral("hierarchy"), DockColumn::center, make_hierarchy_view},
      {QStringLiteral("ablation"), DockColumn::right, make_ablation_view},
      {QStringLiteral("patching"), DockColumn::center, make_patching_view},
      {QStringLiteral("lens"), DockColumn::center, make_lens_view},
      {QStringLiteral("circuit"), DockColumn::center, make_circuit_view},
      {QStringLiteral("methods"), DockColumn::center, make_methods_view},
      {QStringLiteral("detectors"), DockColumn::right, make_detectors_view},
      {QStringLiteral("lab"), DockColumn::right, make_lab_view},
      {QStringLiteral("runs"), DockColumn::left, make_runs_view},
  };
  return views;
}

} // namespace headscope::gui
