// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/gui/views/view_list.h"

namespace headscope::gui {

const std::vector<ViewKind>& all_views() {
  static const std::vector<ViewKind> views = {
      {QStringLiteral("patching"), Place::center, make_patching_view},
      {QStringLiteral("lens"), Place::center, make_lens_view},
      {QStringLiteral("circuit"), Place::center, make_circuit_view},
  };
  return views;
}

} // namespace headscope::gui
