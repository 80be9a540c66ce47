// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/gui/maps/map_library.h"

#include <algorithm>

#include "app/gui/engine/attention_map.h"
#include "app/gui/files/stored_attention.h"
#include "app/gui/maps/worker_map.h"

namespace headscope::gui {
namespace {

constexpr std::size_t kept_maps = 24;
// Bytes of tiles in a visible map, and in one that is not visible.
constexpr std::size_t map_bytes = std::size_t{192} << 20, old_map_bytes = std::size_t{16} << 20;

QString heads_text(const std::vector<HeadId>& heads) {
  QStringList labels;
  for (const HeadId& head : heads)
    labels.append(QString::fromStdString(head_name(head)));
  return labels.join(QStringLiteral(", "));
}

} // namespace

MapLibrary::MapLibrary(Workspace& workspace, QObject* parent) : QObject(parent), workspace_(workspace) {
  connect(&workspace, &Workspace::model_changed, this, &MapLibrary::forget);
  connect(&workspace, &Workspace::result_changed, this, &MapLibrary::forget);
  connect(&workspace.prompt(), &PromptState::changed, this, &MapLibrary::forget);
  connect(&workspace.ablation(), &AblationState::changed, this, [this] {
    if (follows_ablation() && workspace_.live()) forget();
  });
  connect(&workspace.attention(), &AttentionState::changed, this, [this] {
    if (of_ != Of::full && workspace_.live()) forget();
  });
}

void MapLibrary::set_of(Of of) {
  if (of == of_) return;
  of_ = of;
  forget();
}

Origin MapLibrary::origin() const {
  const bool follows = follows_ablation() && workspace_.live();
  Origin origin = workspace_.origin({true, follows});
  if (of_ == Of::full) origin.attention.reset();
  return origin;
}

void MapLibrary::forget() {
  kept_.clear();
  tokens_.reset();
  Q_EMIT changed();
}

MapLibrary::Choice MapLibrary::map_of(const std::vector<HeadId>& heads) {
  if (!workspace_.model() && !workspace_.result())
    return {nullptr, tr("Open a model and type a prompt, or open a result file.")};
  if (heads.empty()) return {nullptr, tr("Select a head to see its attention.")};
  const auto found = std::find_if(kept_.begin(), kept_.end(), [&](const Kept& kept) { return kept.heads == heads; });
  if (found != kept_.end()) {
    kept_.splice(kept_.begin(), kept_, found);
    kept_.front().map->set_budget(map_bytes);
    return {kept_.front().map, {}};
  }
  Choice choice = workspace_.live() ? live_map(heads) : stored_map(heads);
  if (choice.map) keep(heads, choice.map);
  return choice;
}

std::shared_ptr<MapSource> MapLibrary::keep(const std::vector<HeadId>& heads, std::shared_ptr<MapSource> map) {
  for (const Kept& kept : kept_)
    if (kept.map.use_count() == 1) kept.map->set_budget(old_map_bytes);
  kept_.push_front({heads, std::move(map)});
  if (kept_.size() > kept_maps) kept_.pop_back();
  return kept_.front().map;
}

MapLibrary::Choice MapLibrary::live_map(const std::vector<HeadId>& heads) {
  if (!tokens_) tokens_ = std::make_shared<const std::vector<std::int64_t>>(workspace_.prompt().ids());
  AttentionRequest request{tokens_, heads, {}, {}};
  if (follows_ablation()) request.ablation = workspace_.ablation().input();
  if (of_ != Of::full) request.plan = workspace_.attention().plan();
  if (of_ == Of::difference) request.less = AttentionRequest::Less::clean;
  if (of_ == Of::from_full) request.less = AttentionRequest::Less::full;
  using Map = WorkerMap<EngineState>;
  Map::Read read;
  read.tile = [request](EngineState& state, TileKey key, const RunControl& control, const auto& partial) {
    return attention_tile(state, request, key, control, partial);
  };
  read.units = [request](EngineState& state, const std::vector<std::int64_t>& begins, const RunControl& control) {
    return attention_units(state, request, begins, control);
  };
  const QString title = tr("Attention of %1").arg(heads_text(heads));
  return {std::make_shared<Map>(workspace_.engine(), request.shape(), title, std::move(read)), {}};
}

MapLibrary::Choice MapLibrary::stored_map(const std::vector<HeadId>& heads) {
  if (!workspace_.result()) return {nullptr, tr("Type a prompt to see where its tokens look.")};
  const std::string& prompt = workspace_.prompt().stored_id();
  const auto& all = workspace_.result()->attention;
  const auto map = std::find_if(all.begin(), all.end(), [&](const StoredMap& m) { return m.prompt == prompt; });
  const QString instead =
      workspace_.model() ? tr("Type a prompt to see it live.") : tr("Open its model to see it live.");
  if (map == all.end())
    return {nullptr, tr("The result file holds no attention maps of this prompt.") + QChar::Space + instead};
  StoredAttention request{workspace_.result()->path, prompt, {}, {map->n_query, map->n_key}};
  for (const HeadId& head : heads) {
    const auto place = std::find(map->heads.begin(), map->heads.end(), head);
    if (place == map->heads.end())
      return {nullptr, tr("The result file holds no map of head %1, only of %2.")
                               .arg(QString::fromStdString(head_name(head)), heads_text(map->heads)) +
                           QChar::Space + instead};
    request.maps.push_back(place - map->heads.begin());
  }
  using Map = WorkerMap<FileState>;
  Map::Read read;
  read.tile = [request](FileState& state, TileKey key, const RunControl& control, const auto& partial) {
    return stored_tile(state, request, key, control, partial);
  };
  read.units = [request](FileState& state, const std::vector<std::int64_t>& begins, const RunControl& control) {
    return stored_units(state, request, begins, control);
  };
  const QString title = tr("Reading head %1").arg(heads_text(heads));
  return {std::make_shared<Map>(workspace_.files(), request.shape, title, std::move(read)), {}};
}

} // namespace headscope::gui
