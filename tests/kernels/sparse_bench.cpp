// SPDX-License-Identifier: GPL-3.0-or-later
// sparse_attention_bench [TOKENS] [THREADS]: how long attention over chosen keys takes on the CPU against torch's
// scaled_dot_product_attention over all of them, for a layer of SmolLM2-135M's shape (9 heads on 3 K/V heads of 64,
// float32), in one run, medians of 7. Prints a line of JSON for each.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <vector>

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <c10/core/GradMode.h>

#include "core/engine/sparse_attention.h"

namespace headscope {
namespace {

constexpr std::int64_t heads = 9, kv_heads = 3, d_head = 64;

struct Times {
  double wall, cpu; // cpu: of all threads together, which other programs disturb less
};

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

template <typename Call> Times times_of(const Call& call) {
  std::vector<double> wall, cpu;
  for (int i = 0; i < 8; ++i) {
    const auto begin = std::chrono::steady_clock::now();
    const std::clock_t cpu_begin = std::clock();
    call();
    if (i == 0) continue;
    cpu.push_back(static_cast<double>(std::clock() - cpu_begin) / CLOCKS_PER_SEC);
    wall.push_back(std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count());
  }
  return {median(wall), median(cpu)};
}

// `pairs`: of a query and a key whose product is needed, and as many with values.
void report(const char* name, std::int64_t tokens, const Times& times, double pairs) {
  std::printf("{\"tokens\": %lld, \"attention\": \"%s\", \"seconds\": %.4f, \"cpu_seconds\": %.4f, \"gflops\": %.1f}\n",
              static_cast<long long>(tokens), name, times.wall, times.cpu,
              4 * static_cast<double>(d_head) * pairs / times.wall / 1e9);
  std::fflush(stdout);
}

// Query-key pairs of whole query blocks over their runs.
double pairs_of(const VisitedKeys& keys) {
  const auto lengths = (keys.runs.select(1, 1) - keys.runs.select(1, 0)).to(at::kLong);
  const at::Tensor before = at::constant_pad_nd(lengths.cumsum(0), {1, 0});
  const auto ends = [&](const at::Tensor& at) { return before.gather(0, at.reshape({-1})); };
  return (ends(keys.last) - ends(keys.first)).sum().to(at::kDouble).item<double>() * static_cast<double>(keys.block_q);
}

// Eight of the earlier chunks of 64 keys, others for each query.
VisitedKeys chunks_of_each(std::int64_t tokens) {
  std::vector<std::vector<kernels::KeyRun>> runs;
  for (std::int64_t query = 0; query < tokens; ++query) {
    const auto chunks = static_cast<std::int32_t>(query / 64 + 1);
    std::vector<kernels::KeyRun>& mine = runs.emplace_back();
    for (std::int32_t i = 0; i < std::min(chunks, 8); ++i) {
      const std::int32_t chunk = i * chunks / std::min(chunks, 8);
      mine.push_back({64 * chunk, 64 * chunk + 64});
    }
  }
  return visited_keys(runs, 1, at::kCPU);
}

void bench(std::int64_t tokens) {
  const auto random = [&](std::int64_t n) { return at::randn({1, tokens, n, d_head}).transpose(1, 2); };
  SparseAttentionInput in;
  in.q = random(heads), in.k = random(kv_heads), in.v = random(kv_heads);
  in.scale = 1.0 / std::sqrt(static_cast<double>(d_head));
  const auto t = static_cast<double>(tokens);
  report("torch, all keys", tokens,
         times_of([&] { (void)at::scaled_dot_product_attention(in.q, in.k, in.v, {}, 0.0, true, in.scale, true); }),
         heads * t * (t + 1) / 2);
  const VisitedKeys all = streaming_keys(tokens, 0, 0, tokens, at::kCPU);
  report("ours, all keys", tokens, times_of([&] { (void)sparse_attention(in, all); }), heads * t * (t + 1) / 2);
  const VisitedKeys streaming = streaming_keys(tokens, 0, 4, 1020, at::kCPU);
  const double recent = std::min(t, 1024.0);
  report("streaming 4 + 1020", tokens, times_of([&] { (void)sparse_attention(in, streaming); }),
         heads * (recent * (recent + 1) / 2 + (t - recent) * recent));
  const VisitedKeys chunks = chunks_of_each(tokens);
  report("8 chunks of 64 keys, others for each query", tokens, times_of([&] { (void)sparse_attention(in, chunks); }),
         heads * pairs_of(chunks));
  for (const kernels::HipOptions& options : {kernels::HipOptions{512, 128, 32, 2, 0}, {1024, 256, 32, 2, 0}}) {
    const VisitedKeys keys = *hip_keys(in, options);
    const double pairs = pairs_of(keys);
    report(options.k == 512 ? "HiP 512 + 128, choice" : "HiP 1024 + 256, choice", tokens,
           times_of([&] { (void)hip_keys(in, options); }), 0);
    report(options.k == 512 ? "HiP 512 + 128, attention" : "HiP 1024 + 256, attention", tokens,
           times_of([&] { (void)sparse_attention(in, keys); }), pairs);
  }
}

} // namespace
} // namespace headscope

int main(int argc, char** argv) {
  const c10::NoGradGuard no_gradients;
  at::set_num_threads(argc > 2 ? std::atoi(argv[2]) : 2);
  at::manual_seed(1);
  headscope::bench(argc > 1 ? std::atoll(argv[1]) : 8192);
}
