// SPDX-License-Identifier: GPL-3.0-or-later
// headscope bench compare: two saved growth runs, row by row.
#include <algorithm>
#include <cstdio>
#include <optional>

#include "app/cli/bench/bench.h"
#include "app/cli/bench/plot.h"
#include "app/cli/bench/run_file.h"
#include "app/cli/values.h"
#include "core/base/plain_text.h"

namespace headscope::cli {
namespace {

struct CompareOptions {
  std::string first, second, plot;
  bool force = false;
};

struct Pair {
  GrowthRow first, second;
  double time_ratio() const { return second.seconds / first.seconds; }
  // NaN where the first takes none.
  double memory_ratio() const {
    return static_cast<double>(second.memory_bytes) / static_cast<double>(first.memory_bytes);
  }
};

std::vector<Pair> matching(const GrowthRun& first, const GrowthRun& second) {
  std::vector<Pair> pairs;
  for (const GrowthRow& row : first.rows) {
    const auto same = std::find_if(second.rows.begin(), second.rows.end(), [&](const GrowthRow& other) {
      return other.axis == row.axis && other.tokens == row.tokens && other.heads == row.heads &&
             other.layers == row.layers;
    });
    if (same != second.rows.end()) pairs.push_back({row, *same});
  }
  return pairs;
}

Status check_comparable(const GrowthRun& first, const GrowthRun& second, const std::string& file) {
  if (first.what != second.what)
    return make_error(ErrorCode::mismatch, "measured " + second.what + ", the other " + first.what, file, "what");
  if (first.batch != second.batch)
    return make_error(ErrorCode::mismatch,
                      "has a batch of " + std::to_string(second.batch) + ", the other of " +
                          std::to_string(first.batch),
                      file, "batch");
  return {};
}

nlohmann::json side(const GrowthRun& run) {
  return {{"machine", run.machine}, {"model", run.model}, {"dtype", run.dtype}};
}

void print_table(const GrowthRun& first, const GrowthRun& second, const std::vector<Pair>& pairs) {
  const auto name = [](const GrowthRun& run) {
    return plain_text(run.model + ", " + run.dtype + ", on " + run.machine);
  };
  std::printf("A: %s\nB: %s\n", name(first).c_str(), name(second).c_str());
  std::vector<std::vector<std::string>> lines = {
      {"varied", "tokens", "heads", "layers", "A s", "B s", "B / A", "A MiB", "B MiB", "B / A"}};
  const auto mebibytes = [](std::int64_t bytes) { return fixed(static_cast<double>(bytes) / (1 << 20), 1); };
  for (const Pair& pair : pairs)
    lines.push_back({pair.first.axis, std::to_string(pair.first.tokens), std::to_string(pair.first.heads),
                     std::to_string(pair.first.layers), fixed(pair.first.seconds, 4), fixed(pair.second.seconds, 4),
                     fixed(pair.time_ratio(), 2), mebibytes(pair.first.memory_bytes),
                     mebibytes(pair.second.memory_bytes), fixed(pair.memory_ratio(), 2)});
  std::printf("%s", aligned(lines).c_str());
}

Status run_compare(const CompareOptions& options, const Console& console) {
  if (!options.plot.empty()) HS_TRY(check_plot(options.plot));
  HS_ASSIGN(const GrowthRun first, read_run(options.first));
  HS_ASSIGN(const GrowthRun second, read_run(options.second));
  HS_TRY(check_comparable(first, second, options.second));
  const std::vector<Pair> pairs = matching(first, second);
  if (pairs.empty())
    return make_error(ErrorCode::mismatch, "has no row with the tokens, heads and layers of one of " + options.first,
                      options.second, "rows");
  if (!options.plot.empty()) {
    std::vector<GrowthRun> runs = {first, second};
    if (options.first == options.second) runs.pop_back(); // a picture of one run
    HS_ASSIGN(const auto pictures, plot_growth(runs, options.plot, options.force));
    for (const std::string& picture : pictures)
      console.note("wrote " + picture);
  }
  if (!console.json) {
    print_table(first, second, pairs);
    return {};
  }
  nlohmann::json rows = nlohmann::json::array();
  for (const Pair& pair : pairs)
    rows.push_back({{"axis", pair.first.axis},
                    {"tokens", pair.first.tokens},
                    {"heads", pair.first.heads},
                    {"layers", pair.first.layers},
                    {"seconds", {pair.first.seconds, pair.second.seconds}},
                    {"memory_bytes", {pair.first.memory_bytes, pair.second.memory_bytes}},
                    {"time_ratio", number(pair.time_ratio())},
                    {"memory_ratio", number(pair.memory_ratio())}});
  console.print({{"what", first.what},
                 {"batch", first.batch},
                 {"a", side(first)},
                 {"b", side(second)},
                 {"rows", rows},
                 {"only_in_a", first.rows.size() - pairs.size()},
                 {"only_in_b", second.rows.size() - pairs.size()}});
  return {};
}

} // namespace

void add_bench_compare(CLI::App& bench, Commands& commands) {
  CLI::App* command = add_command(bench, commands, "compare", "Compare two runs of bench growth, B over A",
                                  "headscope bench compare before.json after.json");
  auto options = std::make_shared<CompareOptions>();
  command->add_option("A", options->first, "A .json or .h5 file of bench growth")->required();
  command->add_option("B", options->second, "Another")->required();
  command->add_option("--plot", options->plot, "Draw both: growth.svg gives growth-tokens-seconds.svg and so on");
  command->add_flag("--force", options->force, "Replace existing files");
  command->callback([&commands, options] {
    commands.chosen = [options](const Console& console) { return run_compare(*options, console); };
  });
}

} // namespace headscope::cli
