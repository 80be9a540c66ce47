// SPDX-License-Identifier: GPL-3.0-or-later
// attention_bench [TOKENS]: how long the attention statistics of one head take on one core, float32, head dimensions 64
// and 128, all statistics with the top 8; and the rate of the products that they need at least.
#include <chrono>
#include <cstdio>
#include <cstdlib>

#include "kernels/cpu/attention_statistics.h"
#include "tests/kernels/attention_cases.h"

int main(int argc, char** argv) {
  using namespace headscope::kernels;
  const std::int64_t tokens = argc > 1 ? std::atoll(argv[1]) : 4096;
  for (const std::int64_t d_head : {64, 128}) {
    attention_cases::Case shape{"", 1, 1, 1, d_head, tokens, 0};
    while (blocks_of(tokens, shape.pool_block) > 256)
      shape.pool_block *= 2;
    attention_cases::Input input = attention_cases::make_input(shape, Element::f32);
    attention_cases::attach(input);
    attention_cases::Output output(input);
    AttentionStatistics everything = output.pointers(input);
    AttentionStatistics sums;
    sums.lse = everything.lse, sums.key_sum = everything.key_sum, sums.entropy = everything.entropy;
    for (const auto* out : {&sums, &everything}) {
      double best = 1e9;
      for (int pass = 0; pass < 3; ++pass) {
        const auto begin = std::chrono::steady_clock::now();
        attention_statistics(input.problem, *out, 0, 1);
        best = std::min(best, std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count());
      }
      const double flops = static_cast<double>(tokens) * static_cast<double>(tokens + 1) * static_cast<double>(d_head);
      std::printf("{\"tokens\": %lld, \"d_head\": %lld, \"outputs\": \"%s\", \"seconds\": %.4f, \"gflops\": %.1f}\n",
                  static_cast<long long>(tokens), static_cast<long long>(d_head),
                  out == &sums ? "key sums and entropy" : "all, top 8", best, flops / best / 1e9);
    }
  }
}
