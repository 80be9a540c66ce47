// SPDX-License-Identifier: GPL-3.0-or-later
// headscope bench growth
#include <algorithm>
#include <charconv>
#include <cstdio>

#include "app/cli/bench/bench.h"
#include "app/cli/bench/bench_model.h"
#include "app/cli/bench/growth.h"
#include "app/cli/bench/measure.h"
#include "app/cli/bench/plot.h"
#include "app/cli/bench/run_file.h"
#include "app/cli/progress.h"
#include "app/cli/values.h"
#include "app/runs/result_parts.h"
#include "core/base/plain_text.h"

namespace headscope::cli {
namespace {

struct GrowthOptions {
  BenchModelOptions model;
  std::string what = "forward", tokens = "1024,2048,4096", heads, layers, out, plot;
  std::int64_t batch = 1, sweep_heads = 24, tokens_per_run = 0;
  bool force = false;
};

Result<std::vector<std::int64_t>> parse_numbers(const std::string& text, const char* option) {
  std::vector<std::int64_t> numbers;
  for (std::size_t at = 0; at < text.size();) {
    std::size_t end = std::min(text.find(',', at), text.size());
    std::int64_t number = 0;
    const auto parsed = std::from_chars(text.data() + at, text.data() + end, number);
    if (parsed.ec != std::errc{} || parsed.ptr != text.data() + end || number < 1)
      return make_error(ErrorCode::invalid_argument,
                        "must be whole numbers from 1 on with commas between them, not '" + text + "'", {}, option);
    numbers.push_back(number);
    at = end + 1;
  }
  return numbers;
}

void print_table(const GrowthRun& run) {
  std::printf("%s, batch of %lld, on %s\npeak: %.4g GFLOP/s, %.4g GB/s\n",
              plain_text(run.what + " of " + run.model + ", " + run.dtype).c_str(), static_cast<long long>(run.batch),
              plain_text(run.machine).c_str(), run.peak.flop_per_s / 1e9, run.peak.bytes_per_s / 1e9);
  std::vector<std::vector<std::string>> lines = {
      {"varied", "tokens", "heads", "layers", "seconds", "MiB", "GFLOP/s", "of peak", "GB/s", "of peak"}};
  for (const GrowthRow& row : run.rows)
    lines.push_back({row.axis, std::to_string(row.tokens), std::to_string(row.heads), std::to_string(row.layers),
                     fixed(row.seconds, 4), fixed(static_cast<double>(row.memory_bytes) / (1 << 20), 1),
                     fixed(row.flop_per_s() / 1e9, 1), fixed(100.0 * row.flop_per_s() / run.peak.flop_per_s, 1) + " %",
                     fixed(row.bytes_per_s() / 1e9, 2),
                     fixed(100.0 * row.bytes_per_s() / run.peak.bytes_per_s, 1) + " %"});
  std::printf("%s", aligned(lines).c_str());
  for (const std::string& line : run.skipped)
    std::printf("left out: %s\n", plain_text(line).c_str());
}

Status run_growth(const GrowthOptions& options, const Console& console) {
  GrowthPlan plan;
  HS_ASSIGN(plan.what, parse_growth_kind(options.what));
  HS_ASSIGN(const auto tokens, parse_numbers(options.tokens, "--tokens"));
  HS_ASSIGN(const auto heads, parse_numbers(options.heads, "--heads"));
  HS_ASSIGN(const auto layers, parse_numbers(options.layers, "--layers"));
  if (tokens.empty()) return make_error(ErrorCode::invalid_argument, "names no number", {}, "--tokens");
  if (!options.out.empty()) HS_TRY(check_run_file(options.out, options.force));
  if (!options.plot.empty()) HS_TRY(check_plot(options.plot));
  HS_ASSIGN(const auto model,
            load_bench_model(options.model, console, *std::max_element(tokens.begin(), tokens.end())));
  HS_ASSIGN(const auto attention, open_attention(*model, options.model.model));
  plan.batch = options.batch;
  plan.sweep_heads = options.sweep_heads;
  plan.tokens_per_run = options.tokens_per_run;
  plan.rows = growth_rows(model->config, tokens, heads, layers);
  GrowthRun run;
  run.machine = device_name(model->device);
  run.model = model->identity.name;
  run.dtype = dtype_name(model->dtype);
  run.what = options.what;
  run.batch = options.batch;
  HS_ASSIGN(run.peak, measure_peak(model->device, model->dtype, console.task()));
  const Status measured = measure_growth(model, attention, plan, console.task(), run);
  finish_progress();
  const bool cancelled = !measured.ok() && measured.error().code == ErrorCode::cancelled;
  if (!measured.ok() && !cancelled) return measured.error();
  if (!options.out.empty()) HS_TRY(save_run(run, options.out, options.force, console, measured.ok()));
  if (!options.plot.empty()) {
    HS_ASSIGN(const auto pictures, plot_growth({run}, options.plot, options.force));
    for (const std::string& picture : pictures)
      console.note("wrote " + picture);
  }
  if (cancelled) return make_error(ErrorCode::cancelled, "interrupted; what was measured until then is kept");
  if (console.json)
    console.print(to_json(run));
  else
    print_table(run);
  return {};
}

} // namespace

void add_bench_growth(CLI::App& bench, Commands& commands) {
  CLI::App* command =
      add_command(bench, commands, "growth", "Measure time and memory against tokens, heads and layers",
                  "headscope bench growth --shape gpt2 --tokens 256,512,1024 --layers 3,6,12 --plot growth.svg");
  auto options = std::make_shared<GrowthOptions>();
  add_bench_model_options(*command, options->model);
  command->add_option("--what", options->what, "forward, statistics (of every attention pattern) or sweep")
      ->capture_default_str();
  command->add_option("--tokens", options->tokens, "Lengths of a prompt, with all heads and layers")
      ->capture_default_str();
  command->add_option("--heads", options->heads, "Numbers of heads in a layer, with the first of --tokens");
  command->add_option("--layers", options->layers, "Numbers of layers, with the first of --tokens");
  command->add_option("--batch", options->batch, "Prompts")->capture_default_str()->check(at_least(1));
  command->add_option("--sweep-heads", options->sweep_heads, "Heads that a sweep takes out, evenly over the layers")
      ->capture_default_str()
      ->check(at_least(1));
  command
      ->add_option("--tokens-per-run", options->tokens_per_run,
                   "Of a sweep: tokens that go through at once; 0: by device")
      ->capture_default_str()
      ->check(at_least(0));
  command->add_option("--out,-o", options->out, "Write the run to a .json or .h5 file");
  command->add_option("--plot", options->plot, "Draw it: growth.svg gives growth-tokens-seconds.svg and so on");
  command->add_flag("--force", options->force, "Replace existing files");
  command->callback([&commands, options] {
    commands.chosen = [options](const Console& console) { return run_growth(*options, console); };
  });
}

} // namespace headscope::cli
