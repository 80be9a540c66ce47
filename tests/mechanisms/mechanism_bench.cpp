// SPDX-License-Identifier: GPL-3.0-or-later
// mechanism_bench DEVICE SHAPE TOKENS [SPEC ...]: how long mechanisms take for the attention of one layer, against full
// attention as the engine computes it, and what they count. SHAPE: smollm2 (9 heads on 3 K/V heads of 64, float32) or
// llama-7b (32 heads of 128, bfloat16); random normal q, k and v. With "dense" behind TOKENS also the form that makes
// the pattern. Prints a line of JSON each: seconds, medians of 5 (of 3 for the pattern), and of all threads together.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <functional>
#include <string>
#include <vector>

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <c10/core/GradMode.h>

#include "core/engine/device.h"
#include "core/engine/rotary.h"
#include "core/mechanisms/plan.h"

namespace headscope::mechanisms {
namespace {

struct BenchShape {
  std::int64_t heads, kv_heads, d_head;
  at::ScalarType type;
};

struct BenchLayer {
  AttentionInput input;
  AttentionRows rows;
};

BenchLayer random_layer(const BenchShape& shape, std::int64_t tokens, const at::Device& device) {
  const RotaryConfig rotary{shape.d_head, 10000.0, {}, {}};
  const auto options = at::TensorOptions().dtype(shape.type).device(device);
  const auto rotated = [=](const at::Tensor& x, const at::Tensor& at) {
    return apply_rotary(x, rotary_tables(rotary, at.unsqueeze(0), {1}, x.scalar_type()));
  };
  BenchLayer out;
  const at::Tensor positions = at::arange(tokens, at::TensorOptions().dtype(at::kLong).device(device));
  out.rows.unrotated_q = at::randn({1, tokens, shape.heads, shape.d_head}, options);
  out.rows.unrotated_k = at::randn({1, tokens, shape.kv_heads, shape.d_head}, options);
  out.rows.all_q = out.input.q = rotated(out.rows.unrotated_q, positions);
  out.input.k = rotated(out.rows.unrotated_k, positions);
  out.input.v = at::randn({1, tokens, shape.kv_heads, shape.d_head}, options);
  out.input.scale = 1.0 / std::sqrt(static_cast<double>(shape.d_head));
  out.rows.rotate = [=](const at::Tensor& x, const at::Tensor& at, std::int64_t) { // x: [head, pos, d_head]
    return rotated(x.unsqueeze(2), at).squeeze(2);
  };
  return out;
}

struct Times {
  double wall, cpu;
};

Times times_of(int repeats, const at::Device& device, const std::function<at::Tensor()>& call) {
  std::vector<double> wall, cpu;
  for (int i = 0; i <= repeats; ++i) {
    const auto begin = std::chrono::steady_clock::now();
    const std::clock_t cpu_begin = std::clock();
    const at::Tensor z = call();
    if (device.is_cuda()) (void)z.select(1, 0).sum().item<float>(); // waits
    if (i == 0) continue;
    cpu.push_back(static_cast<double>(std::clock() - cpu_begin) / CLOCKS_PER_SEC);
    wall.push_back(std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count());
  }
  std::sort(wall.begin(), wall.end()), std::sort(cpu.begin(), cpu.end());
  return {wall[wall.size() / 2], cpu[cpu.size() / 2]};
}

void report(const std::string& name, std::int64_t tokens, const Times& times, const AttentionCost& cost) {
  std::printf("{\"tokens\": %lld, \"attention\": \"%s\", \"seconds\": %.5f, \"cpu_seconds\": %.4f, \"scored\": %lld, "
              "\"attended\": %lld}\n",
              static_cast<long long>(tokens), name.c_str(), times.wall, times.cpu, static_cast<long long>(cost.scored),
              static_cast<long long>(cost.attended));
  std::fflush(stdout);
}

at::Tensor by_pattern(const BenchLayer& layer, const PlanPart& part) {
  const OpenPart open(layer.input, layer.rows, 0, part);
  std::vector<at::Tensor> z;
  for_each_tile(open.row, [&](Range queries) {
    const Tile tile = open.tile(queries);
    const at::Tensor v = values_of(tile, open.row.text.v);
    z.push_back(at::matmul(weights_of(tile).to(v.scalar_type()), v));
  });
  return at::cat(z, 1).transpose(0, 1).unsqueeze(0);
}

int bench(const at::Device& device, const BenchShape& shape, std::int64_t tokens, bool dense,
          const std::vector<std::string>& specs) {
  const BenchLayer layer = random_layer(shape, tokens, device);
  ModelConfig config;
  config.n_layers = 1, config.n_heads = shape.heads, config.n_kv_heads = shape.kv_heads;
  const auto all =
      static_cast<double>(shape.heads) * static_cast<double>(tokens) * (static_cast<double>(tokens) + 1) / 2;
  const AttentionCost full{static_cast<std::int64_t>(all), static_cast<std::int64_t>(all), 0};
  report("full", tokens, times_of(5, device, [&] { return default_attention().run(layer.input); }), full);
  for (const std::string& spec : specs) {
    const auto plan = AttentionPlan::parse(spec, config, MechanismList::built_in());
    if (!plan.ok()) {
      std::fprintf(stderr, "%s\n", plan.error().to_string().c_str());
      return 1;
    }
    AttentionCost cost;
    AttentionRows counted = layer.rows;
    counted.cost = &cost;
    (void)(*plan)->run_rows(layer.input, counted);
    report(spec, tokens, times_of(5, device, [&] { return (*plan)->run_rows(layer.input, layer.rows); }), cost);
    if (!dense) continue;
    const PlanPart& part = (*plan)->parts(0).front();
    report(spec + " by its pattern", tokens, times_of(3, device, [&] { return by_pattern(layer, part); }), {});
  }
  return 0;
}

} // namespace
} // namespace headscope::mechanisms

int main(int argc, char** argv) {
  using namespace headscope::mechanisms;
  if (argc < 4) return std::fprintf(stderr, "mechanism_bench DEVICE SHAPE TOKENS [dense] [SPEC ...]\n"), 1;
  const c10::NoGradGuard no_gradients;
  at::set_num_threads(2);
  at::manual_seed(1);
  const bool llama = std::string(argv[2]) == "llama-7b";
  const BenchShape shape = llama ? BenchShape{32, 32, 128, at::kBFloat16} : BenchShape{9, 3, 64, at::kFloat};
  std::vector<std::string> specs(argv + 4, argv + argc);
  const bool dense = !specs.empty() && specs.front() == "dense";
  if (dense) specs.erase(specs.begin());
  return bench(at::Device(argv[1]), shape, std::atoll(argv[3]), dense, specs);
}
