// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/gui/views/view_list.h"

namespace headscope::gui {

const std::vector<ViewKind>& all_views() {
  static const std::vector<ViewKind> views = {
      {QStringLiteral("grid"), Place::left, make_grid_view},
      {QStringLiteral("ablation"), Place::center, make_ablation_view},
      {QStringLiteral("detectors"), Place::center, make_detectors_view},
      {QStringLiteral("runs"), Place::center, make_runs_view},
  };
  return views;
}

} // namespace headscope::gui
