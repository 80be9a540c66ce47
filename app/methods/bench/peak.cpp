// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/methods/bench/peak.h"

#include <algorithm>

#include <ATen/ATen.h>

#include "app/methods/bench/measure.h"
#include "core/model/guard.h"

namespace headscope::methods {
namespace {

constexpr int least_runs = 3, most_runs = 30;
constexpr double enough_seconds = 0.5;

Result<double> best_seconds(const at::Device& device, const RunControl& control, const std::function<void()>& work) {
  double best = 0.0, sum = 0.0;
  for (int i = 0; i < most_runs && (i < least_runs || sum < enough_seconds); ++i) {
    if (control.cancel.cancelled()) return make_error(ErrorCode::cancelled, "interrupted");
    control.report("measuring the peak", i, most_runs);
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

Result<Peak> measure_peak(const at::Device& device, at::ScalarType dtype, const RunControl& control) {
  return guarded("measuring the peak", [&]() -> Result<Peak> {
    Peak peak;
    peak.product_size = device.is_cuda() ? 8192 : 2048;
    const auto options = at::TensorOptions().dtype(dtype).device(device);
    {
      const at::Tensor a = at::randn({peak.product_size, peak.product_size}, options), b = at::randn_like(a);
      at::Tensor c = at::empty_like(a);
      HS_ASSIGN(const double seconds, best_seconds(device, control, [&] { at::mm_out(c, a, b); }));
      const auto n = static_cast<double>(peak.product_size);
      peak.flop_per_s = 2.0 * n * n * n / seconds;
    }
    peak.copied_bytes = std::int64_t{1} << (device.is_cuda() ? 30 : 28);
    const at::Tensor from = at::ones({peak.copied_bytes}, options.dtype(at::kByte));
    at::Tensor to = at::zeros_like(from);
    HS_ASSIGN(const double seconds, best_seconds(device, control, [&] { to.copy_(from); }));
    peak.bytes_per_s = 2.0 * static_cast<double>(peak.copied_bytes) / seconds;
    return peak;
  });
}

} // namespace headscope::methods
