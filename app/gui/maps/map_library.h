// SPDX-License-Identifier: GPL-3.0-or-later
// Maps of one or several heads, from the open model or else from the open result file. The last few are kept, so that
// going back and forth between heads shows them at once.
#pragma once

#include <list>
#include <memory>

#include "app/gui/maps/map_source.h"
#include "app/gui/workspace/workspace.h"

namespace headscope::gui {

class MapLibrary : public QObject {
  Q_OBJECT
public:
  // Of which model live maps are: with the heads ablated that are, as it is, or what the ablation changes.
  // Under the attention plan, but for the last two: under full attention, or what the plan changes.
  enum class Of : quint8 { ablated, clean, difference, full, from_full };

  explicit MapLibrary(Workspace& workspace, QObject* parent = nullptr);

  struct Choice {
    std::shared_ptr<MapSource> map; // null: there is none
    QString why_not;                // then: what the user can do
  };
  // The mean of these heads over the current prompt.
  Choice map_of(const std::vector<HeadId>& heads);
  void set_of(Of of);
  // What maps are made of that map_of() gives now.
  Origin origin() const;

Q_SIGNALS:
  void changed(); // the prompt, the model or the file has changed: maps handed out before are outdated

private:
  struct Kept {
    std::vector<HeadId> heads;
    std::shared_ptr<MapSource> map;
  };
  void forget();
  bool follows_ablation() const { return of_ != Of::clean; }
  Choice live_map(const std::vector<HeadId>& heads);
  Choice stored_map(const std::vector<HeadId>& heads);
  std::shared_ptr<MapSource> keep(const std::vector<HeadId>& heads, std::shared_ptr<MapSource> map);

  Workspace& workspace_;
  Of of_ = Of::ablated;
  std::list<Kept> kept_; // newest first
  std::shared_ptr<const std::vector<std::int64_t>> tokens_;
};

} // namespace headscope::gui
