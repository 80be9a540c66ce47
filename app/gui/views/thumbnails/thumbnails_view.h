// SPDX-License-Identifier: GPL-3.0-or-later
// The attention of all heads on the prompt at one glance. Layers are computed one at a time, those that are seen first,
// and dropped when the view is hidden.
#pragma once

#include <map>
#include <memory>

#include "app/gui/engine/thumbnail_job.h"
#include "app/gui/views/view.h"

namespace headscope::gui {

class ThumbnailSheet;

class ThumbnailsView : public View {
  Q_OBJECT
public:
  ThumbnailsView(Workspace& workspace, QWidget* parent);

  ThumbnailSheet& sheet() { return *sheet_; }
  // All maps on one page; of layers that were not seen there are none.
  std::optional<ViewExport> exported() const override;

protected:
  void showEvent(QShowEvent* event) override;
  void hideEvent(QHideEvent* event) override;
  void changeEvent(QEvent* event) override;

private:
  void begin(); // with the model and the prompt that there are now
  void stop();
  void fetch_next();
  void take(const LayerThumbnails& layer);
  void open(HeadId head);

  ThumbnailSheet* sheet_;
  std::map<int, LayerThumbnails> layers_;
  std::shared_ptr<const std::vector<std::int64_t>> tokens_; // of the maps that are shown
  int fetching_ = -1;                                       // the layer; -1: none
};

} // namespace headscope::gui
