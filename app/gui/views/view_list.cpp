// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/gui/views/view_list.h"

namespace headscope::gui {

const std::vector<ViewKind>& all_views() {
  static const std::vector<ViewKind> views = {
      {QStringLiteral("grid"), Place::left, make_grid_view},
      {QStringLiteral("attention"), Place::center, make_attention_view},
      {QStringLiteral("hierarchy"), Place::center, make_hierarchy_view},
      {QStringLiteral("ablation"), Place::right, make_ablation_view},
      {QStringLiteral("patching"), Place::center, make_patching_view},
      {QStringLiteral("lens"), Place::center, make_lens_view},
      {QStringLiteral("circuit"), Place::center, make_circuit_view},
      {QStringLiteral("methods"), Place::center, make_methods_view},
      {QStringLiteral("detectors"), Place::right, make_detectors_view},
      {QStringLiteral("runs"), Place::left, make_runs_view},
  };
  return views;
}

} // namespace headscope::gui
