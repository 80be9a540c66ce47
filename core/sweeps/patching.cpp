// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/sweeps/patching.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <sstream>

#include <ATen/ATen.h>

#include "core/model/guard.h"
#include "core/sweeps/patch_plan.h"

namespace headscope {
namespace {

class Sweep {
public:
  Sweep(const Engine& engine, const PatchingOptions& options, const PatchPlan& plan, const RunControl& control,
        const PatchingCallback& callback, PatchingResult& result)
      : engine_(engine), options_(options), plan_(plan), control_(control), callback_(callback), result_(result) {}

  Status run() {
    HS_TRY(measure_unpatched());
    std::int64_t most_cells = 0;
    for (const auto& row : plan_.clean)
      most_cells = std::max(most_cells, cell_count(row));
    for (const auto& row : plan_.clean)
      total_ += cell_count(row) * static_cast<std::int64_t>(plan_.layers.size());
    for (const auto& chunk :
         chunk_rows(plan_.clean, most_cells, tokens_per_run(options_.tokens_per_run, engine_), false))
      HS_TRY(patch_chunk(chunk));
    return {};
  }

private:
  std::int64_t cell_count(const std::vector<std::int64_t>& row) const {
    return static_cast<std::int64_t>(plan_.cells(static_cast<std::int64_t>(row.size())).size());
  }

  Status measure_unpatched() {
    for (const auto& chunk : chunk_rows(plan_.clean, 1, tokens_per_run(options_.tokens_per_run, engine_), false)) {
      HS_ASSIGN(const Judge judge, judge_of(engine_, plan_, chunk, control_.cancel));
      std::vector<std::int64_t> rows(chunk.size());
      for (std::size_t i = 0; i < rows.size(); ++i)
        rows[i] = static_cast<std::int64_t>(i);
      for (const bool clean : {true, false}) {
        const TokenRows tokens = select_rows(clean ? plan_.clean : plan_.corrupt, chunk);
        HS_ASSIGN(const at::Tensor logits, last_logits(engine_, tokens, control_.cancel));
        HS_ASSIGN(const std::vector<double> values, judge.values(logits, rows));
        for (std::size_t i = 0; i < chunk.size(); ++i)
          (clean ? result_.clean : result_.corrupt)[static_cast<std::size_t>(chunk[i])] = values[i];
      }
    }
    return options_.part_of_batch ? Status{} : check_difference(result_);
  }

  Status patch_chunk(const std::vector<std::int64_t>& chunk) {
    HS_ASSIGN(const Judge judge, judge_of(engine_, plan_, chunk, control_.cancel));
    LayerWalk source(engine_, select_rows(plan_.source(), chunk), control_.cancel);
    LayerWalk destination(engine_, select_rows(plan_.destination(), chunk), control_.cancel);
    std::vector<std::vector<PatchCell>> cells;
    for (const std::int64_t pair : chunk)
      cells.push_back(plan_.cells(static_cast<std::int64_t>(plan_.clean[static_cast<std::size_t>(pair)].size())));
    for (const int layer : plan_.layers) {
      HS_ASSIGN(const at::Tensor activation, source.capture({plan_.site, layer}));
      std::vector<Variant> variants;
      for (std::size_t slot = 0; slot < chunk.size(); ++slot)
        for (const PatchCell& cell : cells[slot])
          variants.push_back({static_cast<std::int64_t>(slot),
                              plan_.intervention(layer, cell, activation.select(0, static_cast<std::int64_t>(slot)))});
      HS_ASSIGN(const std::vector<double> values,
                measure_variants(engine_, destination, layer, variants, judge,
                                 tokens_per_run(options_.tokens_per_run, engine_), control_.cancel));
      auto value = values.begin();
      for (std::size_t slot = 0; slot < chunk.size(); ++slot)
        for (const PatchCell& cell : cells[slot])
          keep_patched(result_, chunk[slot], layer, cell, *value++);
      done_ += static_cast<std::int64_t>(variants.size());
      control_.report("patching activations", done_, total_);
      if (callback_) HS_TRY(callback_({chunk, layer, &result_}));
    }
    return {};
  }

  const Engine& engine_;
  const PatchingOptions& options_;
  const PatchPlan& plan_;
  const RunControl& control_;
  const PatchingCallback& callback_;
  PatchingResult& result_;
  std::int64_t done_ = 0, total_ = 0; // cells
};

// A tenth of the mean absolute difference of the pairs; NaN where none was measured.
double small_difference(const PatchingResult& result) {
  double sum = 0.0, measured = 0.0;
  for (std::size_t i = 0; i < result.clean.size(); ++i)
    if (const double size = std::abs(result.clean[i] - result.corrupt[i]); std::isfinite(size)) {
      sum += size;
      measured += 1.0;
    }
  return 0.1 * sum / measured;
}

// The mean of clean - corrupt over the pairs that have the cell; NaN where none has it.
double difference_of_cell(const PatchingResult& result, std::size_t cell) {
  const std::size_t cells = result.patched.size() / result.clean.size();
  double sum = 0.0, measured = 0.0;
  for (std::size_t pair = 0; pair < result.clean.size(); ++pair)
    if (!std::isnan(result.patched[pair * cells + cell])) {
      sum += result.clean[pair] - result.corrupt[pair];
      measured += 1.0;
    }
  return sum / measured;
}

// Names a cell by the axes it has: "layer 1, position 5, head 2".
std::string cell_text(const PatchingResult& result, std::size_t cell) {
  const auto heads = static_cast<std::size_t>(result.n_heads), positions = static_cast<std::size_t>(result.n_positions);
  std::string text = "layer " + std::to_string(cell / heads / positions);
  if (result.axes != PatchAxes::layer_head) text += ", position " + std::to_string(cell / heads % positions);
  if (result.axes != PatchAxes::layer_position) text += ", head " + std::to_string(cell % heads);
  return text;
}

} // namespace

std::vector<double> PatchingResult::mean_restored() const {
  const std::int64_t cells = n_layers * n_positions * n_heads;
  if (average == PatchAverage::mean_of_ratios) return mean_over_first_axis(restored, n_pairs, cells);
  std::vector<double> out(static_cast<std::size_t>(cells));
  for (std::size_t cell = 0; cell < out.size(); ++cell) {
    double restores = 0.0, most = 0.0; // sums over the pairs that have this cell
    for (std::size_t pair = 0; pair < clean.size(); ++pair) {
      const double value = patched[pair * out.size() + cell];
      if (std::isnan(value)) continue;
      restores += value - corrupt[pair];
      most += clean[pair] - corrupt[pair];
    }
    out[cell] = most == 0.0 ? std::numeric_limits<double>::quiet_NaN() : restores / most;
  }
  return out;
}

std::vector<std::int64_t> PatchingResult::pairs_of_cell() const {
  const std::vector<double>& each = average == PatchAverage::mean_of_ratios ? restored : patched;
  std::vector<std::int64_t> out(static_cast<std::size_t>(n_layers * n_positions * n_heads));
  for (std::size_t i = 0; i < each.size(); ++i)
    if (!std::isnan(each[i])) ++out[i % out.size()];
  return out;
}

std::vector<std::int64_t> pairs_of_small_difference(const PatchingResult& result) {
  const double small = small_difference(result);
  std::vector<std::int64_t> pairs;
  for (std::size_t i = 0; i < result.clean.size(); ++i)
    if (std::abs(result.clean[i] - result.corrupt[i]) < small) pairs.push_back(static_cast<std::int64_t>(i));
  return pairs;
}

std::string small_difference_note(const PatchingResult& result) {
  const std::vector<std::int64_t> pairs = pairs_of_small_difference(result);
  if (pairs.empty()) return {};
  const auto difference = [&](std::int64_t pair) {
    return std::abs(result.clean[static_cast<std::size_t>(pair)] - result.corrupt[static_cast<std::size_t>(pair)]);
  };
  const std::int64_t least = *std::min_element(
      pairs.begin(), pairs.end(), [&](std::int64_t a, std::int64_t b) { return difference(a) < difference(b); });
  std::ostringstream text;
  text << pairs.size() << " of " << result.n_pairs << " pairs differ by less than a tenth of the mean difference (pair "
       << least << ": clean " << result.clean[static_cast<std::size_t>(least)] << ", corrupt "
       << result.corrupt[static_cast<std::size_t>(least)] << "); "
       << (result.average == PatchAverage::ratio_of_means
               ? "they weigh little in the ratio of means, but what each restores by itself says little"
               : "in the mean of ratios they weigh much: prefer ratio_of_means");
  return text.str();
}

std::vector<std::size_t> cells_of_small_difference(const PatchingResult& result) {
  std::vector<std::size_t> cells;
  if (result.average == PatchAverage::mean_of_ratios || result.clean.empty()) return cells;
  const double small = small_difference(result);
  for (std::size_t cell = 0; cell < result.patched.size() / result.clean.size(); ++cell)
    if (std::abs(difference_of_cell(result, cell)) < small) cells.push_back(cell);
  return cells;
}

std::string small_cells_note(const PatchingResult& result) {
  const std::vector<std::size_t> cells = cells_of_small_difference(result);
  if (cells.empty()) return {};
  const std::size_t least = *std::min_element(cells.begin(), cells.end(), [&](std::size_t a, std::size_t b) {
    return std::abs(difference_of_cell(result, a)) < std::abs(difference_of_cell(result, b));
  });
  const std::vector<std::int64_t> pairs = result.pairs_of_cell();
  std::ostringstream text;
  text << cells.size() << " of " << pairs.size()
       << " cells divide by less than a tenth of the mean size of the differences (" << cell_text(result, least)
       << ": clean less corrupt is " << difference_of_cell(result, least) << " on average, " << pairs[least] << " of "
       << result.n_pairs << " pairs); what they restore says little";
  return text.str();
}

std::string unequal_lengths_note(const std::vector<PatchPair>& pairs, PatchAxes axes) {
  if (axes == PatchAxes::layer_head || pairs.empty()) return {};
  const auto shorter = [](const PatchPair& a, const PatchPair& b) { return a.clean.size() < b.clean.size(); };
  const auto [least, most] = std::minmax_element(pairs.begin(), pairs.end(), shorter);
  const std::size_t shortest = least->clean.size(), longest = most->clean.size();
  if (shortest == longest) return {};
  const auto have_last =
      std::count_if(pairs.begin(), pairs.end(), [&](const PatchPair& pair) { return pair.clean.size() == longest; });
  std::ostringstream text;
  text << "pairs have " << shortest << " to " << longest << " tokens: ";
  if (longest - shortest > 1) text << "positions from " << shortest << " on are of some pairs only, ";
  text << "position " << longest - 1 << " is of " << have_last << " of " << pairs.size()
       << " pairs, and positions count from the first token";
  return text.str();
}

Result<PatchingResult> patch_activations(const Engine& engine, const std::vector<PatchPair>& pairs,
                                         const PatchingOptions& options, const RunControl& control,
                                         const PatchingCallback& callback) {
  return guarded("patching activations", [&]() -> Result<PatchingResult> {
    HS_ASSIGN(const PatchPlan plan, plan_patching(engine, pairs, options));
    PatchingResult result = empty_result(engine, plan);
    const Status status = Sweep(engine, options, plan, control, callback, result).run();
    if (!status.ok() && !was_cancelled(status.error())) return status.error();
    result.complete = status.ok();
    return result;
  });
}

} // namespace headscope
