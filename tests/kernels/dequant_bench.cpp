// SPDX-License-Identifier: GPL-3.0-or-later
// Prints, for each tensor type, how many gigabytes of float32 one core makes a second: reference and fast form.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <vector>

#include "kernels/cpu/dequant.h"

namespace {

using headscope::kernels::QuantType;
using Form = void (*)(QuantType, const void*, std::size_t, float*);

// Best of several passes over data that stays in the cache, as in a loader that works in small steps.
double rate(Form form, QuantType type, const std::vector<unsigned char>& blocks, std::vector<float>& out) {
  double best = 0;
  for (int pass = 0; pass < 7; ++pass) {
    const auto begin = std::chrono::steady_clock::now();
    for (int i = 0; i < 100; ++i)
      form(type, blocks.data(), out.size(), out.data());
    const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - begin;
    best = std::max(best, 100.0 * 4.0 * static_cast<double>(out.size()) / taken.count() / 1e9);
  }
  return best;
}

} // namespace

int main() {
  std::printf("type     reference  fast  (GB/s of float32, one core)\n");
  for (std::uint32_t number = 0; number <= 30; ++number) {
    const auto* layout = headscope::kernels::quant_layout(number);
    if (!layout) continue;
    std::vector<float> out(16384);
    std::vector<unsigned char> blocks(out.size() / layout->block_size * layout->block_bytes, 0x35);
    const auto type = static_cast<QuantType>(number);
    std::printf("%-8s %9.2f %6.2f\n", layout->name, rate(headscope::kernels::dequantise_reference, type, blocks, out),
                rate(headscope::kernels::dequantise, type, blocks, out));
  }
}
