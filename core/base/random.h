// SPDX-License-Identifier: GPL-3.0-or-later
// Random choices that are the same on every platform: splitmix64 (Steele, Lea and Flood 2014). The output of the
// standard library's distributions depends on the implementation.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <utility>
#include <vector>

namespace headscope {

class Random {
public:
  explicit Random(std::uint64_t seed) : state_(seed) {}

  std::uint64_t next() {
    state_ += 0x9E3779B97F4A7C15ull;
    std::uint64_t z = state_;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
    return z ^ (z >> 31);
  }

  // Uniform in [0, count); count > 0.
  std::size_t below(std::size_t count) {
    const std::uint64_t n = count;
    const std::uint64_t limit = std::numeric_limits<std::uint64_t>::max() / n * n; // above it, small values repeat
    std::uint64_t value = next();
    while (value >= limit)
      value = next();
    return static_cast<std::size_t>(value % n);
  }

  template <typename T> const T& pick(const std::vector<T>& items) { return items[below(items.size())]; }

  template <typename T> void shuffle(std::vector<T>& items) {
    for (std::size_t i = items.size(); i > 1; --i)
      std::swap(items[i - 1], items[below(i)]);
  }

private:
  std::uint64_t state_;
};

} // namespace headscope
