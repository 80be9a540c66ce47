// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernels/cpu/hip_keys.h"

#include "kernels/cpu/hip_rows.h"

namespace headscope::kernels {
namespace {

constexpr double no_score = -1e30; // of a key block that no query sees

struct Run {
  std::int64_t begin, count; // key blocks
  double score;
};

double score_of(const AttentionProblem& problem, const HipOptions& options, const HipBlock& block,
                std::int64_t key_block, std::int64_t& scored) {
  double best = no_score;
  for (std::int64_t query = block.begin; query < block.end; query += 2) {
    const std::int64_t slot = problem.variant.query_offset + query;
    for (std::int64_t key = key_block * options.block_k; key < (key_block + 1) * options.block_k; ++key) {
      scored += key < block.end_slot ? 1 : 0;
      if (key > slot || key < problem.variant.first_key(slot, 0)) continue;
      double dot = 0.0;
      for (std::int64_t i = 0; i < problem.d_head; ++i)
        dot += static_cast<double>(element_at(problem.q, problem.element, block.head.query_at(problem, query) + i)) *
               static_cast<double>(element_at(problem.k, problem.element, block.head.key_at(problem, key) + i));
      best = std::max(best, problem.variant.score(dot));
    }
  }
  return best;
}

std::vector<std::int64_t> choose(const AttentionProblem& problem, const HipOptions& options, const HipBlock& block,
                                 std::int64_t& scored) {
  const std::int64_t blocks = block.key_blocks(options), nodes = options.nodes();
  std::vector<Run> runs;
  for (std::int64_t node = 0; node < nodes; ++node)
    runs.push_back({blocks * node / nodes, blocks * (node + 1) / nodes - blocks * node / nodes, 0.0});
  while (std::any_of(runs.begin(), runs.end(), [](const Run& run) { return run.count > 1; })) {
    std::vector<Run> halves = runs;
    for (Run& half : halves)
      half.count = (half.count + 1) / 2;
    for (const Run& run : runs)
      if (run.count > 1) halves.push_back({run.begin + (run.count + 1) / 2, run.count / 2, 0.0});
    for (Run& half : halves)
      half.score = score_of(problem, options, block, half.begin, scored);
    std::stable_sort(halves.begin(), halves.end(), [](const Run& a, const Run& b) { return a.score > b.score; });
    halves.resize(static_cast<std::size_t>(nodes));
    runs = halves;
  }
  std::vector<std::int64_t> chosen(runs.size());
  std::transform(runs.begin(), runs.end(), chosen.begin(), [](const Run& run) { return run.begin; });
  std::sort(chosen.begin(), chosen.end());
  return chosen;
}

} // namespace

void hip_keys_reference(const AttentionProblem& problem, const HipOptions& options, const HipKeys& out,
                        std::int64_t begin, std::int64_t end) {
  for (std::int64_t number = begin; number < end; ++number) {
    const HipBlock block(problem, options, number);
    std::int64_t scored = 0; // first halves are scored again each time
    const bool chooses = block.chooses(options);
    write_runs(block, options, chooses ? choose(problem, options, block, scored) : std::vector<std::int64_t>{}, out);
    if (out.scored) out.scored[number] += scored;
  }
}

} // namespace headscope::kernels
