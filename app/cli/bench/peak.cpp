// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/cli/bench/peak.h"

#include <algorithm>
#include <cstdio>

#include <ATen/ATen.h>

#include "app/cli/bench/bench.h"
#include "app/cli/bench/measure.h"
#include "app/cli/model_options.h"
#include "app/cli/progress.h"
#include "app/runs/result_parts.h"
#include "core/engine/device.h"
#include "core/model/guard.h"

namespace headscope::cli {
namespace {

constexpr int least_runs = 3, most_runs = 30;
constexpr double enough_seconds = 0.5;

Result<double> best_seconds(const at::Device& device, const TaskContext& task, const std::function<void()>& work) {
  double best = 0.0, sum = 0.0;
  for (int i = 0; i < most_runs && (i < least_runs || sum < enough_seconds); ++i) {
    if (task.cancel.cancelled()) return make_error(ErrorCode::cancelled, "interrupted");
    task.report("measuring the peak", i, most_runs);
    HS_ASSIGN(const Measured measured, measure_once(device, [&]() -> Status {
                work();
                return {};
              }));
    sum += measured.seconds;
    best = i == 0 ? measured.seconds : std::min(best, measured.seconds);
  }
  return best;
}

} // namespace

Result<Peak> measure_peak(const at::Device& device, at::ScalarType dtype, const TaskContext& task) {
  return guarded("measuring the peak", [&]() -> Result<Peak> {
    Peak peak;
    peak.product_size = device.is_cuda() ? 8192 : 2048;
    const auto options = at::TensorOptions().dtype(dtype).device(device);
    {
      const at::Tensor a = at::randn({peak.product_size, peak.product_size}, options), b = at::randn_like(a);
      at::Tensor c = at::empty_like(a);
      HS_ASSIGN(const double seconds, best_seconds(device, task, [&] { at::mm_out(c, a, b); }));
      const auto n = static_cast<double>(peak.product_size);
      peak.flop_per_s = 2.0 * n * n * n / seconds;
    }
    peak.copied_bytes = std::int64_t{1} << (device.is_cuda() ? 30 : 28);
    const at::Tensor from = at::ones({peak.copied_bytes}, options.dtype(at::kByte));
    at::Tensor to = at::zeros_like(from);
    HS_ASSIGN(const double seconds, best_seconds(device, task, [&] { to.copy_(from); }));
    peak.bytes_per_s = 2.0 * static_cast<double>(peak.copied_bytes) / seconds;
    return peak;
  });
}

namespace {

Status run_peak(const ModelOptions& options, const Console& console) {
  HS_ASSIGN(const LoadOptions how, load_options(options, console));
  HS_ASSIGN(const Peak peak, measure_peak(how.device, how.dtype, console.task()));
  finish_progress();
  const std::string machine = device_name(how.device);
  if (console.json) {
    console.print({{"machine", machine},
                   {"dtype", dtype_name(how.dtype)},
                   {"flop_per_s", peak.flop_per_s},
                   {"bytes_per_s", peak.bytes_per_s},
                   {"product_size", peak.product_size},
                   {"copied_bytes", peak.copied_bytes}});
    return {};
  }
  std::printf("%s\n%.4g GFLOP/s, a %lld x %lld product of %s\n%.4g GB/s, a copy of %lld MiB (read and written)\n",
              machine.c_str(), peak.flop_per_s / 1e9, static_cast<long long>(peak.product_size),
              static_cast<long long>(peak.product_size), dtype_name(how.dtype), peak.bytes_per_s / 1e9,
              static_cast<long long>(peak.copied_bytes >> 20));
  return {};
}

} // namespace

void add_bench_peak(CLI::App& bench, Commands& commands) {
  CLI::App* command = add_command(bench, commands, "peak", "Measure the arithmetic and the memory rate of a device",
                                  "headscope bench peak --device cuda --dtype bfloat16 --json");
  auto options = std::make_shared<ModelOptions>();
  add_device_options(*command, *options);
  command->callback([&commands, options] {
    commands.chosen = [options](const Console& console) { return run_peak(*options, console); };
  });
}

} // namespace headscope::cli
