// SPDX-License-Identifier: GPL-3.0-or-later
// The method `bench growth`: time and memory against tokens, heads and layers.
#include <algorithm>
#include <cmath>

#include "app/methods/base/values.h"
#include "app/methods/bench/bench.h"
#include "app/methods/bench/bench_model.h"
#include "app/methods/bench/growth.h"
#include "app/methods/bench/measure.h"
#include "app/methods/bench/plot.h"
#include "app/methods/bench/run_file.h"
#include "app/runs/result_parts.h"
#include "core/base/plain_text.h"

namespace headscope::methods {
namespace {

struct GrowthOptions {
  BenchModelOptions model;
  GrowthKind what = GrowthKind::forward;
  std::vector<std::int64_t> tokens = {1024, 2048, 4096}, heads, layers;
  std::string out, plot;
  std::int64_t batch = 1, sweep_heads = 24, tokens_per_run = 0;
  bool force = false;
};

std::string percent(double share) { return fixed(100.0 * share, 1) + (std::isnan(share) ? "" : " %"); }

std::string text_of(const GrowthRun& run) {
  std::vector<std::vector<std::string>> lines = {
      {"varied", "tokens", "heads", "layers", "seconds", "MiB", "GFLOP/s", "of peak", "GB/s", "of peak"}};
  for (const GrowthRow& row : run.rows)
    lines.push_back({row.axis, std::to_string(row.tokens), std::to_string(row.heads), std::to_string(row.layers),
                     fixed(row.seconds, 4), fixed(static_cast<double>(row.memory_bytes) / (1 << 20), 1),
                     fixed(row.flop_per_s() / 1e9, 1), percent(row.flop_per_s() / run.peak.flop_per_s),
                     fixed(row.bytes_per_s() / 1e9, 2), percent(row.bytes_per_s() / run.peak.bytes_per_s)});
  std::string text =
      printed("%s, batch of %lld, on %s\npeak: %.4g GFLOP/s, %.4g GB/s\n",
              plain_text(run.what + " of " + run.model + ", " + run.dtype).c_str(), static_cast<long long>(run.batch),
              plain_text(run.machine).c_str(), run.peak.flop_per_s / 1e9, run.peak.bytes_per_s / 1e9) +
      aligned(lines);
  for (const std::string& line : run.skipped)
    text.append("left out: ").append(plain_text(line)).append("\n");
  return text;
}

// Starts a run with nothing measured.
GrowthRun begin_run(const Model& model, const GrowthOptions& options) {
  GrowthRun run;
  run.machine = device_name(model.device);
  run.model = model.identity.name;
  run.dtype = dtype_name(model.dtype);
  run.what = name_of(options.what);
  if (const std::string& attention = options.model.model.attention; attention != "default")
    run.what += " under " + attention;
  run.batch = options.batch;
  return run;
}

Status save_and_draw(const GrowthRun& run, const GrowthOptions& options, const Context& context, bool complete) {
  if (!options.out.empty()) HS_TRY(save_run(run, options.out, options.force, context, complete));
  if (options.plot.empty()) return {};
  HS_ASSIGN(const auto pictures, plot_growth({run}, options.plot, options.force));
  for (const std::string& picture : pictures)
    context.note("wrote " + picture);
  return {};
}

class BenchGrowth : public Method {
public:
  const MethodInfo& info() const override {
    static const MethodInfo info = {
        .id = "bench growth",
        .summary = "Measure time and memory against tokens, heads and layers",
        .example = "headscope bench growth --shape gpt2 --tokens 256,512,1024 --layers 3,6,12 --plot growth.svg",
        .needs_tokenizer = false,
        .needs_model = false,
        .output = Output::none};
    return info;
  }

  void options(OptionList& list) override {
    list_bench_model_options(list, options_.model);
    list.add_choice("what", options_.what, "What is measured");
    list.add("tokens", options_.tokens, "Lengths of a prompt, with all heads and layers")
        .in("token")
        .at_least(1)
        .by_comma();
    list.add("heads", options_.heads, "Numbers of heads in a layer, with the first of --tokens").at_least(1).by_comma();
    list.add("layers", options_.layers, "Numbers of layers, with the first of --tokens").at_least(1).by_comma();
    list.add("batch", options_.batch, "Prompts").in("prompt").at_least(1);
    list.add("sweep_heads", options_.sweep_heads, "Heads that a sweep ablates, evenly over the layers").at_least(1);
    list.add("tokens_per_run", options_.tokens_per_run, "Of a sweep: tokens that go through at once; 0: by device")
        .in("token")
        .at_least(0);
    list.add("out", options_.out, "Write the run to a .json or .h5 file").flags({"-o"}).writes_file("*.json *.h5");
    list.add("plot", options_.plot, "Draw it: growth.svg gives growth-tokens-seconds.svg and so on")
        .writes_file("*.svg *.png *.pdf");
    list.add("force", options_.force, "Replace existing files");
  }

  Status check_options() override {
    if (options_.tokens.empty()) return make_error(ErrorCode::invalid_argument, "names no number", {}, "--tokens");
    if (!options_.out.empty()) HS_TRY(check_run_file(options_.out, options_.force));
    if (!options_.plot.empty()) HS_TRY(check_plot(options_.plot));
    return check_bench_model(options_.model);
  }

  Result<Report> run_alone(const Context& context) override {
    HS_ASSIGN(const auto model, load_bench_model(options_.model, context, *std::ranges::max_element(options_.tokens)));
    HS_ASSIGN(const auto attention, open_attention(*model, options_.model.model));
    GrowthPlan plan{options_.what, options_.batch, options_.sweep_heads, options_.tokens_per_run,
                    growth_rows(model->config, options_.tokens, options_.heads, options_.layers)};
    GrowthRun run = begin_run(*model, options_);
    HS_ASSIGN(run.peak, measure_peak(model->device, model->dtype, context.control()));
    const Status measured = measure_growth(model, attention, std::move(plan), context.control(), run);
    context.finish_progress();
    const bool cancelled = !measured.ok() && measured.error().code == ErrorCode::cancelled;
    if (!measured.ok() && !cancelled) return measured.error();
    HS_TRY(save_and_draw(run, options_, context, measured.ok()));
    if (cancelled) return make_error(ErrorCode::cancelled, "interrupted; what was measured until then is kept");
    return Report{to_json(run), text_of(run)};
  }

private:
  GrowthOptions options_;
};

} // namespace

std::unique_ptr<Method> make_bench_growth() { return std::make_unique<BenchGrowth>(); }

} // namespace headscope::methods
