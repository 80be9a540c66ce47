// SPDX-License-Identifier: GPL-3.0-or-later
// The method `bench compare`: compares two saved growth runs row by row.
#include <algorithm>

#include "app/methods/base/values.h"
#include "app/methods/bench/bench.h"
#include "app/methods/bench/plot.h"
#include "app/methods/bench/run_file.h"
#include "core/base/plain_text.h"

namespace headscope::methods {
namespace {

struct CompareOptions {
  std::string first, second, plot;
  bool force = false;
};

struct Pair {
  GrowthRow first, second;
  double time_ratio() const { return second.seconds / first.seconds; }
  // The ratio of peak memory; NaN where the first run takes none.
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

std::string text_of(const GrowthRun& first, const GrowthRun& second, const std::vector<Pair>& pairs) {
  const auto name = [](const GrowthRun& run) {
    return plain_text(run.model + ", " + run.dtype + ", on " + run.machine);
  };
  std::vector<std::vector<std::string>> lines = {
      {"varied", "tokens", "heads", "layers", "A s", "B s", "B / A", "A MiB", "B MiB", "B / A"}};
  const auto mebibytes = [](std::int64_t bytes) { return fixed(static_cast<double>(bytes) / (1 << 20), 1); };
  for (const Pair& pair : pairs)
    lines.push_back({pair.first.axis, std::to_string(pair.first.tokens), std::to_string(pair.first.heads),
                     std::to_string(pair.first.layers), fixed(pair.first.seconds, 4), fixed(pair.second.seconds, 4),
                     fixed(pair.time_ratio(), 2), mebibytes(pair.first.memory_bytes),
                     mebibytes(pair.second.memory_bytes), fixed(pair.memory_ratio(), 2)});
  return printed("A: %s\nB: %s\n", name(first).c_str(), name(second).c_str()) + aligned(lines);
}

nlohmann::json to_json(const GrowthRun& first, const GrowthRun& second, const std::vector<Pair>& pairs) {
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
  return {{"what", first.what},
          {"batch", first.batch},
          {"a", side(first)},
          {"b", side(second)},
          {"rows", rows},
          {"only_in_a", first.rows.size() - pairs.size()},
          {"only_in_b", second.rows.size() - pairs.size()}};
}

class BenchCompare : public Method {
public:
  const MethodInfo& info() const override {
    static const MethodInfo info = {.id = "bench compare",
                                    .summary = "Compare two runs of bench growth, B over A",
                                    .example = "headscope bench compare before.json after.json",
                                    .needs_tokenizer = false,
                                    .needs_model = false,
                                    .output = Output::none};
    return info;
  }

  void options(OptionList& list) override {
    list.add("A", options_.first, "A .json or .h5 file of bench growth").without_flag().must().reads_file();
    list.add("B", options_.second, "Another").without_flag().must().reads_file();
    list.add("plot", options_.plot, "Draw both: growth.svg gives growth-tokens-seconds.svg and so on")
        .writes_file("*.svg *.png *.pdf");
    list.add("force", options_.force, "Replace existing files");
  }

  Status check_options() override { return options_.plot.empty() ? Status{} : check_plot(options_.plot); }

  Result<Report> run_alone(const Context& context) override {
    HS_ASSIGN(const GrowthRun first, read_run(options_.first));
    HS_ASSIGN(const GrowthRun second, read_run(options_.second));
    HS_TRY(check_comparable(first, second, options_.second));
    const std::vector<Pair> pairs = matching(first, second);
    if (pairs.empty())
      return make_error(ErrorCode::mismatch, "has no row with the tokens, heads and layers of one of " + options_.first,
                        options_.second, "rows");
    HS_TRY(draw(first, second, context));
    return Report{to_json(first, second, pairs), text_of(first, second, pairs)};
  }

private:
  Status draw(const GrowthRun& first, const GrowthRun& second, const Context& context) const {
    if (options_.plot.empty()) return {};
    std::vector<GrowthRun> runs = {first, second};
    if (options_.first == options_.second) runs.pop_back(); // a picture of one run
    HS_ASSIGN(const auto pictures, plot_growth(runs, options_.plot, options_.force));
    for (const std::string& picture : pictures)
      context.note("wrote " + picture);
    return {};
  }

  CompareOptions options_;
};

} // namespace

std::unique_ptr<Method> make_bench_compare() { return std::make_unique<BenchCompare>(); }

} // namespace headscope::methods
