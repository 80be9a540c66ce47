// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/methods/patch/patch_store.h"

#include <algorithm>
#include <span>

#include "app/methods/base/values.h"
#include "app/runs/result_parts.h"
#include "core/store/column_values.h"

namespace headscope::methods {
namespace {

store::Table checked_table(const AttributionPatching& estimate) {
  const auto column = [&](auto of) { return store::column_values(estimate.checked, of); };
  const auto layer = [](const CheckedCell& cell) { return std::int64_t{cell.layer}; };
  const auto agrees = [](const CheckedCell& cell) { return std::int64_t{cell.agrees ? 1 : 0}; };
  return {{{"pair", column(&CheckedCell::pair), "index", "pair of prompts"},
           {"layer", column(layer), "index", "layer"},
           {"position", column(&CheckedCell::position), "index", "position on the axis of the array"},
           {"head", column(&CheckedCell::head), "index", "head on the axis of the array"},
           {"estimated", column(&CheckedCell::estimated), "1", "restored, by attribution"},
           {"exact", column(&CheckedCell::exact), "1", "restored, by patching"},
           {"agrees", column(agrees), "1", "1: near enough"}},
          {}};
}

using Row = std::vector<std::int64_t> PatchPair::*; // the clean or the corrupt prompt

// Whether every pair's token at the position is one of that pair's own answers (right or wrong).
bool all_among(const std::vector<PatchPair>& pairs, Row row, std::size_t at, std::vector<std::int64_t> Answers::*list) {
  return std::all_of(pairs.begin(), pairs.end(), [&](const PatchPair& pair) {
    const std::vector<std::int64_t>& own = pair.answers.*list;
    return at < (pair.*row).size() && std::find(own.begin(), own.end(), (pair.*row)[at]) != own.end();
  });
}

// Names a position: the token where all pairs have the same one, otherwise its role in all of them, or the position's
// number.
std::string position_name(const Model& model, const std::vector<PatchPair>& pairs, Row row, std::size_t at) {
  const std::vector<std::int64_t>& first = pairs.front().*row;
  const bool same = at < first.size() && std::all_of(pairs.begin(), pairs.end(), [&](const PatchPair& pair) {
                      return at < (pair.*row).size() && (pair.*row)[at] == first[at];
                    });
  if (same) return model.tokenizer->text(first[at]);
  if (all_among(pairs, row, at, &Answers::answer)) return "(answer)";
  if (all_among(pairs, row, at, &Answers::wrong)) return "(wrong answer)";
  return std::string("position ").append(std::to_string(at));
}

void store_tokens(const Model& model, const std::vector<PatchPair>& pairs, store::PatchingSpec& spec) {
  std::size_t length = 0;
  for (const PatchPair& pair : pairs)
    length = std::max(length, pair.clean.size());
  for (std::size_t i = 0; i < length; ++i) {
    spec.clean_tokens.push_back(position_name(model, pairs, &PatchPair::clean, i));
    spec.corrupt_tokens.push_back(position_name(model, pairs, &PatchPair::corrupt, i));
  }
}

// Stores what the averages are made of: the metric of every pair on both prompts, and of every patched cell.
Status store_each_pair(store::ResultWriter& writer, const std::string& folder, const store::PatchingSpec& patching,
                       const PatchingResult& result) {
  store::ArraySpec spec;
  spec.axes = {{"pair", {}}};
  spec.shape = {result.n_pairs};
  spec.units = patching.units;
  spec.dtype = store::DType::float64;
  spec.long_name = patching.metric + " of each pair's clean prompt";
  HS_TRY(writer.add_array(folder + "/pair_clean", spec, std::span(result.clean)));
  spec.long_name = patching.metric + " of each pair's corrupt prompt";
  HS_TRY(writer.add_array(folder + "/pair_corrupt", spec, std::span(result.corrupt)));
  for (std::size_t i = 0; i < patching.axes.size(); ++i) {
    spec.axes.push_back({patching.axes[i], {}});
    spec.shape.push_back(patching.shape[i]);
  }
  spec.dtype = store::DType::float32;
  spec.long_name = patching.metric + " of each pair with the cell patched";
  return writer.add_array(folder + "/pair_patched", spec, std::span(result.patched));
}

Status store_pairs_of_cell(store::ResultWriter& writer, const std::string& folder, const store::PatchingSpec& patching,
                           const PatchingResult& result) {
  const std::vector<std::int64_t> pairs = unequal_pairs_of_cell(result);
  if (pairs.empty()) return {};
  store::ArraySpec spec;
  for (const std::string& axis : patching.axes)
    spec.axes.push_back({axis, {}});
  spec.shape = patching.shape;
  spec.units = "1";
  spec.dtype = store::DType::int64;
  spec.long_name = "pairs that restored is made of";
  return writer.add_array(folder + "/pairs_of_cell", spec, std::span(pairs));
}

} // namespace

std::vector<std::int64_t> unequal_pairs_of_cell(const PatchingResult& result) {
  std::vector<std::int64_t> pairs = result.pairs_of_cell();
  const auto other = [&](std::int64_t count) { return count != pairs.front(); };
  return std::any_of(pairs.begin(), pairs.end(), other) ? pairs : std::vector<std::int64_t>{};
}

std::vector<std::string> axis_names(PatchAxes axes) {
  if (axes == PatchAxes::layer_position) return {"layer", "position"};
  if (axes == PatchAxes::layer_head) return {"layer", "head"};
  return {"layer", "position", "head"};
}

std::vector<std::int64_t> shape_of(const PatchingResult& result) {
  if (result.axes == PatchAxes::layer_position) return {result.n_layers, result.n_positions};
  if (result.axes == PatchAxes::layer_head) return {result.n_layers, result.n_heads};
  return {result.n_layers, result.n_positions, result.n_heads};
}

Status store_patching(store::ResultWriter& writer, const std::string& name, const Model& model,
                      const std::vector<PatchPair>& pairs, const std::string& task, const PatchingOptions& options,
                      const Patches& patches) {
  const PatchingResult& result = patches.result;
  store::Patching patching;
  patching.spec.name = name;
  patching.spec.site = short_name(result.site);
  patching.spec.axes = axis_names(result.axes);
  patching.spec.shape = shape_of(result);
  patching.spec.metric = to_string(options.metric);
  patching.spec.clean = mean_over(result.clean);
  patching.spec.corrupt = mean_over(result.corrupt);
  patching.spec.units = units_of(options.metric);
  patching.spec.attributes = {{"direction", std::string(options.noising ? "noising" : "denoising")},
                              {"estimated", patches.estimate.has_value()},
                              {"average", std::string(to_string(result.average))},
                              {"pairs", result.n_pairs},
                              {"task", task}};
  store_tokens(model, pairs, patching.spec);
  for (const double value : result.mean_restored())
    patching.restored.push_back(static_cast<float>(value));
  HS_TRY(writer.add_patching(patching));
  HS_TRY(store_each_pair(writer, "/patching/" + name, patching.spec, result));
  HS_TRY(store_pairs_of_cell(writer, "/patching/" + name, patching.spec, result));
  if (!patches.estimate) return {};
  return writer.add_table("/patching/" + patching.spec.name + "/checked", checked_table(*patches.estimate));
}

} // namespace headscope::methods
