// SPDX-License-Identifier: GPL-3.0-or-later
// The method `bench peak`: the arithmetic and the memory rate of a device.
#include "app/methods/base/values.h"
#include "app/methods/bench/bench.h"
#include "app/methods/bench/measure.h"
#include "app/methods/bench/peak.h"
#include "app/methods/inputs/model_options.h"
#include "app/runs/result_parts.h"

namespace headscope::methods {
namespace {

class BenchPeak : public Method {
public:
  const MethodInfo& info() const override {
    static const MethodInfo info = {.id = "bench peak",
                                    .summary = "Measure the arithmetic and the memory rate of a device",
                                    .example = "headscope bench peak --device cuda --dtype bfloat16 --json",
                                    .needs_tokenizer = false,
                                    .needs_model = false,
                                    .output = Output::none};
    return info;
  }

  void options(OptionList& list) override { list_device_options(list, options_); }

  Result<Report> run_alone(const Context& context) override {
    HS_ASSIGN(const LoadOptions how, load_options(options_, context));
    HS_ASSIGN(const Peak peak, measure_peak(how.device, how.dtype, context.control()));
    const std::string machine = device_name(how.device);
    const auto size = static_cast<long long>(peak.product_size);
    return Report{
        {{"machine", machine},
         {"dtype", dtype_name(how.dtype)},
         {"flop_per_s", peak.flop_per_s},
         {"bytes_per_s", peak.bytes_per_s},
         {"product_size", peak.product_size},
         {"copied_bytes", peak.copied_bytes}},
        printed("%s\n%.4g GFLOP/s, a %lld x %lld product of %s\n%.4g GB/s, a copy of %lld MiB (read and written)\n",
                machine.c_str(), peak.flop_per_s / 1e9, size, size, dtype_name(how.dtype), peak.bytes_per_s / 1e9,
                static_cast<long long>(peak.copied_bytes >> 20))};
  }

private:
  ModelOptions options_;
};

} // namespace

std::unique_ptr<Method> make_bench_peak() { return std::make_unique<BenchPeak>(); }

} // namespace headscope::methods
