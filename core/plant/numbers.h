// SPDX-License-Identifier: GPL-3.0-or-later
// Random numbers and powers that have the same bits on every machine: splitmix64 (Steele, Lea and Flood 2014), and no
// function of the C library except the square root, which IEEE 754 rounds exactly.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace headscope::plant {

class Splitmix {
public:
  explicit Splitmix(std::uint64_t seed) : state_(seed) {}

  // Each purpose has a stream of its own, so that a choice added in one place changes no other.
  Splitmix(std::uint64_t seed, std::uint64_t purpose) : state_(seed) {
    state_ = next() ^ (purpose * 0xD6E8FEB86659FD93u);
  }

  std::uint64_t next() {
    state_ += 0x9E3779B97F4A7C15u;
    std::uint64_t z = state_;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
  }

  // A number in [0, count), for count from 1 to 2^32.
  std::size_t below(std::size_t count) { return static_cast<std::size_t>(((next() >> 32) * count) >> 32); }

  // A nearly normal number of mean 0 and variance 1: the sum of eight uniform numbers of 16 bits each.
  double normal() {
    std::int64_t sum = 0;
    for (int word = 0; word < 2; ++word) {
      const std::uint64_t bits = next();
      for (int shift = 0; shift < 64; shift += 16)
        sum += static_cast<std::int64_t>((bits >> shift) & 0xFFFF);
    }
    constexpr double mean = 8 * 65535 / 2.0;
    const double deviation = std::sqrt(8 * (65536.0 * 65536.0 - 1) / 12);
    return (static_cast<double>(sum) - mean) / deviation;
  }

  template <typename T> void shuffle(std::vector<T>& items) {
    for (std::size_t i = items.size(); i > 1; --i)
      std::swap(items[i - 1], items[below(i)]);
  }

private:
  std::uint64_t state_;
};

struct Turn {
  double cosine = 1.0, sine = 0.0;
};

// The cosine and sine of an angle of a few radians at most, by their series.
inline Turn turn(double angle) {
  double term = 1.0;
  Turn out{0.0, 0.0};
  for (int n = 0; n < 60; ++n) {
    const double sign = n % 4 < 2 ? 1.0 : -1.0;
    (n % 2 == 0 ? out.cosine : out.sine) += sign * term;
    term = term * angle / (n + 1);
  }
  return out;
}

} // namespace headscope::plant
