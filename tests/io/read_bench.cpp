// SPDX-License-Identifier: GPL-3.0-or-later
// io_bench MODEL [THREADS ...]: how fast a model's weights become floats, into memory that is already allocated.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>

#include "core/io/checkpoint.h"

namespace {

using Clock = std::chrono::steady_clock;
double seconds_since(Clock::time_point begin) { return std::chrono::duration<double>(Clock::now() - begin).count(); }

} // namespace

int main(int argc, char** argv) {
  if (argc < 2) return 2;
  const auto begin = Clock::now();
  const auto checkpoint = headscope::Checkpoint::open(argv[1]);
  const double opened = seconds_since(begin);
  if (!checkpoint.ok()) {
    std::fprintf(stderr, "%s\n", checkpoint.error().to_string().c_str());
    return 1;
  }
  std::int64_t elements = 0;
  for (const auto& info : checkpoint->tensors())
    elements += info.elements();
  std::vector<float> out(static_cast<std::size_t>(elements), 1.0F);
  std::printf("opened in %.1f ms; %.3f GB stored, %.3f GB of float32\n", opened * 1e3,
              static_cast<double>(checkpoint->total_bytes()) / 1e9, static_cast<double>(elements) * 4e-9);
  for (int i = 2; i < argc || i == 2; ++i) {
    const int threads = i < argc ? std::atoi(argv[i]) : 1;
    headscope::Workers workers(threads);
    for (const auto type : {headscope::io::ElementType::f32, headscope::io::ElementType::bf16}) {
      double best = 1e9;
      for (int pass = 0; pass < 7; ++pass) {
        const auto start = Clock::now();
        std::int64_t at = 0;
        for (const auto& info : checkpoint->tensors()) {
          auto* to = reinterpret_cast<char*>(out.data()) + at * (type == headscope::io::ElementType::f32 ? 4 : 2);
          if (!checkpoint->read(info.name, to, type, workers).ok()) return 1;
          at += info.elements();
        }
        best = std::min(best, seconds_since(start));
      }
      const bool wide = type == headscope::io::ElementType::f32;
      std::printf("%d thread(s) to %-8s %.3f s: %.2f GB/s read, %.2f GB/s written\n", threads,
                  wide ? "float32" : "bfloat16", best, static_cast<double>(checkpoint->total_bytes()) / 1e9 / best,
                  static_cast<double>(elements) * (wide ? 4e-9 : 2e-9) / best);
    }
  }
}
