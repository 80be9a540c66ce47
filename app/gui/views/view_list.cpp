// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/gui/views/view_list.h"

namespace headscope::gui {

const std::vector<ViewKind>& all_views() {
  static const std::vector<ViewKind> views = {
      {QStringLiteral("attention"), Place::center, make_attention_view},
      {QStringLiteral("hierarchy"), Place::center, make_hierarchy_view},
  };
  return views;
}

} // namespace headscope::gui
