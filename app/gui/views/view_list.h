// SPDX-License-Identifier: GPL-3.0-or-later
// All views of the window, in the order of the menu.
#pragma once

#include <vector>

#include "app/gui/views/view.h"

namespace headscope::gui {

// A view's column in the layout that Reset layout gives; views in one place are tabs.
enum class DockColumn { left, center, right };

struct ViewKind {
  QString id;
  DockColumn place;
  View* (*make)(Workspace&, QWidget* parent);
};

const std::vector<ViewKind>& all_views();

// One function per view, each in the folder of its name.
View* make_grid_view(Workspace& workspace, QWidget* parent);
View* make_attention_view(Workspace& workspace, QWidget* parent);
View* make_thumbnails_view(Workspace& workspace, QWidget* parent);
View* make_hierarchy_view(Workspace& workspace, QWidget* parent);
View* make_ablation_view(Workspace& workspace, QWidget* parent);
View* make_patching_view(Workspace& workspace, QWidget* parent);
View* make_lens_view(Workspace& workspace, QWidget* parent);
View* make_circuit_view(Workspace& workspace, QWidget* parent);
View* make_methods_view(Workspace& workspace, QWidget* parent);
View* make_lab_view(Workspace& workspace, QWidget* parent);
View* make_detectors_view(Workspace& workspace, QWidget* parent);
View* make_runs_view(Workspace& workspace, QWidget* parent);

} // namespace headscope::gui
