// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernels/cpu/hip_keys.h"

#if defined(__x86_64__)
#include <bit>

#include "kernels/cpu/hip_rows.h"
#include "kernels/cpu/sparse_avx2.h"
#endif

namespace headscope::kernels {

#if defined(__x86_64__)
namespace {

using avx2::panel_queries;
using avx2::tile_keys;

// Sorts by falling score, then by rising place in the list.
std::uint64_t sort_key(float score, std::size_t place) {
  const auto bits = std::bit_cast<std::uint32_t>(score + 0.0f); // -0 becomes 0
  const std::uint32_t rising = bits & 0x80000000u ? ~bits : bits | 0x80000000u;
  return static_cast<std::uint64_t>(~rising) << 32 | place;
}

class HipPass {
public:
  HipPass(const AttentionProblem& problem, const HipOptions& options)
      : problem_(problem), options_(options), d_(problem.d_head), nodes_(static_cast<std::size_t>(options.nodes())),
        tile_(floats(tile_keys * panel_queries)), k_(floats(tile_keys * d_)) {
    const std::int64_t queries = (options.block_q + 1) / 2;
    panels_ = (queries + panel_queries - 1) / panel_queries;
    q_ = floats(panels_ * panel_queries * d_);
    slots_.resize(static_cast<std::size_t>(panels_ * panel_queries));
  }

  std::vector<std::int64_t> choose(const HipBlock& block) {
    take_queries(block);
    scored_ = 0;
    const std::int64_t blocks = block.key_blocks(options_), nodes = options_.nodes();
    runs_.clear();
    for (std::int64_t node = 0; node < nodes; ++node)
      runs_.push_back({blocks * node / nodes, blocks * (node + 1) / nodes - blocks * node / nodes});
    want_begins();
    score_wanted(block);
    scores_ = found_;
    bool sorted = false;
    for (; std::any_of(runs_.begin(), runs_.end(), [](const Run& run) { return run.count > 1; }); sorted = true)
      halve(block, sorted);
    want_begins();
    std::sort(wanted_.begin(), wanted_.end());
    return wanted_;
  }

  // Products of queries and keys that the last choice took.
  std::int64_t scored() const { return scored_; }

private:
  struct Run {
    std::int64_t begin, count; // key blocks
  };

  static std::vector<float> floats(std::int64_t count) { return std::vector<float>(static_cast<std::size_t>(count)); }

  void want_begins() {
    wanted_.clear();
    for (const Run& run : runs_)
      wanted_.push_back(run.begin);
  }

  void take_queries(const HipBlock& block) {
    for (std::int64_t row = 0; row < panels_ * panel_queries; ++row) {
      const std::int64_t query = std::min(block.begin + 2 * row, (block.end - 1 - block.begin) / 2 * 2 + block.begin);
      slots_[static_cast<std::size_t>(row)] = static_cast<std::int32_t>(problem_.variant.query_offset + query);
      float* const panel = q_.data() + row / panel_queries * panel_queries * d_ + row % panel_queries;
      const std::int64_t at = block.head.query_at(problem_, query);
      for (std::int64_t i = 0; i < d_; ++i)
        panel[i * panel_queries] = element_at(problem_.q, problem_.element, at + i);
    }
  }

  // Scores the key blocks `wanted_` into `found_`.
  void score_wanted(const HipBlock& block) {
    found_.assign(wanted_.size(), avx2::hidden_score);
    std::int64_t count = 0, queries = (block.end - block.begin + 1) / 2;
    for (std::size_t i = 0; i < wanted_.size(); ++i)
      for (std::int64_t key = wanted_[i] * options_.block_k; key < (wanted_[i] + 1) * options_.block_k; ++key) {
        if (key >= block.end_slot) break;
        const std::int64_t at = block.head.key_at(problem_, key);
        float* const copy = k_.data() + count * d_;
        if (problem_.element == Element::f32) std::copy_n(static_cast<const float*>(problem_.k) + at, d_, copy);
        for (std::int64_t n = 0; problem_.element != Element::f32 && n < d_; ++n)
          copy[n] = element_at(problem_.k, problem_.element, at + n);
        keys_[count] = static_cast<std::int32_t>(key), owner_[count] = i;
        scored_ += queries;
        if (++count == tile_keys) score_tile(count), count = 0;
      }
    if (count > 0) score_tile(count);
  }

  void score_tile(std::int64_t count) {
    const std::int64_t window = problem_.variant.window;
    std::int32_t reach[tile_keys];
    std::fill_n(reach, count,
                window > 0 ? static_cast<std::int32_t>(std::min<std::int64_t>(window, 1 << 30)) : 1 << 30);
    const bool whole = window == 0 && *std::max_element(keys_, keys_ + count) <= slots_[0];
    for (std::int64_t panel = 0; panel < panels_; ++panel) {
      avx2::key_scores(q_.data() + panel * panel_queries * d_, d_, k_.data(), count, 1.0f, tile_.data());
      if (!whole) avx2::hide(tile_.data(), keys_, reach, count, slots_.data() + panel * panel_queries);
      float best[tile_keys];
      avx2::largest_of_lanes(tile_.data(), count, best);
      for (std::int64_t i = 0; i < count; ++i)
        found_[owner_[i]] = std::max(found_[owner_[i]], best[i]);
    }
  }

  // Splits every run and keeps the best halves; `sorted`: whether the runs are in the order of their scores.
  void halve(const HipBlock& block, bool sorted) {
    wanted_.clear(), firsts_.clear(), seconds_.clear(), parents_.clear();
    for (std::size_t i = 0; i < nodes_; ++i) {
      firsts_.push_back(sort_key(scores_[i], i));
      if (runs_[i].count <= 1) continue;
      parents_.push_back(i);
      wanted_.push_back(runs_[i].begin + (runs_[i].count + 1) / 2);
    }
    score_wanted(block);
    for (std::size_t i = 0; i < parents_.size(); ++i)
      seconds_.push_back(sort_key(found_[i], nodes_ + i));
    if (!sorted) std::sort(firsts_.begin(), firsts_.end());
    std::sort(seconds_.begin(), seconds_.end());
    std::vector<Run> kept(nodes_);
    std::vector<float> scores(nodes_);
    for (std::size_t i = 0, a = 0, b = 0; i < nodes_; ++i) {
      const bool first = b == seconds_.size() || firsts_[a] < seconds_[b];
      const std::size_t place = (first ? firsts_[a++] : seconds_[b++]) & 0xffffffffu;
      const Run& run = runs_[first ? place : parents_[place - nodes_]];
      const std::int64_t half = (run.count + 1) / 2;
      kept[i] = first ? Run{run.begin, half} : Run{run.begin + half, run.count - half};
      scores[i] = first ? scores_[place] : found_[place - nodes_];
    }
    runs_ = std::move(kept), scores_ = std::move(scores);
  }

  const AttentionProblem& problem_;
  const HipOptions& options_;
  std::int64_t d_, panels_ = 0, scored_ = 0;
  std::size_t nodes_;
  std::vector<float> q_, tile_, k_, scores_, found_;
  std::vector<std::int32_t> slots_;
  std::vector<Run> runs_;
  std::vector<std::int64_t> wanted_;
  std::vector<std::uint64_t> firsts_, seconds_;
  std::vector<std::size_t> parents_;
  std::int32_t keys_[tile_keys];
  std::size_t owner_[tile_keys];
};

} // namespace
#endif

void hip_keys(const AttentionProblem& problem, const HipOptions& options, const HipKeys& out, std::int64_t begin,
              std::int64_t end) {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
    HipPass pass(problem, options);
    for (std::int64_t number = begin; number < end; ++number) {
      const HipBlock block(problem, options, number);
      const bool chooses = block.chooses(options);
      write_runs(block, options, chooses ? pass.choose(block) : std::vector<std::int64_t>{}, out);
      if (out.scored && chooses) out.scored[number] += pass.scored();
    }
    return;
  }
#endif
  hip_keys_reference(problem, options, out, begin, end);
}

} // namespace headscope::kernels
