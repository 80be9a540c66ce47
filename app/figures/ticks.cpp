// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/figures/ticks.h"

#include <algorithm>
#include <charconv>
#include <cmath>

namespace headscope::figures {

namespace {

constexpr const char* minus = "\xE2\x88\x92"; // U+2212

std::string with_minus(std::string text) {
  for (std::size_t at = text.find('-'); at != std::string::npos; at = text.find('-', at + 3)) {
    text.replace(at, 1, minus);
  }
  return text;
}

// mantissa x 10^exponent as "2×10⁻⁵" would need superscripts that few fonts have in full; "2e−5" is readable
// everywhere.
std::string format_scientific(double value, int digits) {
  char buffer[64];
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::scientific, digits).ptr;
  std::string text(buffer, end);
  const std::size_t e = text.find('e');
  const int exponent = std::stoi(text.substr(e + 1));
  return with_minus(text.substr(0, e) + "e" + std::to_string(exponent));
}

double nice_above(double raw) {
  const double power = std::pow(10.0, std::floor(std::log10(raw)));
  for (const double factor : {1.0, 2.0, 5.0}) {
    if (factor * power >= raw * (1 - 1e-9)) return factor * power;
  }
  return 10 * power;
}

std::string format_tick(double value, double step) {
  const double magnitude = std::max(std::abs(value), step);
  if (value != 0 && (magnitude >= 1e6 || step < 1e-5)) {
    const int digits =
        std::max(0, static_cast<int>(std::floor(std::log10(std::abs(value))) - std::floor(std::log10(step) + 1e-9)));
    return format_scientific(value, std::min(digits, 15));
  }
  return format_fixed(value, std::max(0, static_cast<int>(-std::floor(std::log10(step) + 1e-9))));
}

std::vector<Tick> multiples(double low, double high, double step) {
  std::vector<Tick> ticks;
  const double slack = step * 1e-6;
  const auto first = static_cast<std::int64_t>(std::ceil((low - slack) / step));
  const auto last = static_cast<std::int64_t>(std::floor((high + slack) / step));
  for (std::int64_t i = first; i <= last; ++i) {
    const double value = static_cast<double>(i) * step;
    ticks.push_back({value, format_tick(value, step)});
  }
  return ticks;
}

} // namespace

std::string format_fixed(double value, int decimals) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "∞" : std::string(minus) + "∞";
  if (std::abs(value) >= 1e15) return format_scientific(value, 2);
  char buffer[64];
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::fixed, decimals).ptr;
  std::string text(buffer, end);
  if (text.find_first_not_of("-0.") == std::string::npos && text.front() == '-') text.erase(0, 1);
  return with_minus(std::move(text));
}

int decimals_for_range(double range) {
  if (!(range > 0)) return 2;
  return std::clamp(static_cast<int>(2 - std::floor(std::log10(range) + 1e-9)), 0, 6);
}

std::int64_t nice_step(double least) {
  return least <= 1 ? 1 : static_cast<std::int64_t>(std::llround(nice_above(least)));
}

std::vector<Tick> linear_ticks(double low, double high, int max_count) {
  if (!(low < high) || max_count < 1) return {};
  const double magnitude = std::max(std::abs(low), std::abs(high));
  // Below this, labels of neighbouring ticks would not differ in a double's digits.
  if ((high - low) < magnitude * 1e-12) return {};
  double step = nice_above((high - low) / std::max(1, max_count));
  std::vector<Tick> ticks = multiples(low, high, step);
  while (static_cast<int>(ticks.size()) > max_count) {
    step = nice_above(step * 1.5);
    ticks = multiples(low, high, step);
  }
  return ticks;
}

std::vector<Tick> log_ticks(double low, double high, int max_count) {
  if (!(low > 0) || !(low < high) || max_count < 1) return {};
  const int first = static_cast<int>(std::floor(std::log10(low) + 1e-9));
  const int last = static_cast<int>(std::ceil(std::log10(high) - 1e-9));
  const auto collect = [&](std::initializer_list<double> factors, int stride) {
    std::vector<Tick> ticks;
    for (int exponent = first; exponent <= last; ++exponent) {
      if (exponent % stride != 0) continue;
      for (const double factor : factors) {
        const double value = factor * std::pow(10.0, exponent);
        if (value < low * (1 - 1e-9) || value > high * (1 + 1e-9)) continue;
        const bool plain = exponent >= -4 && exponent < 6;
        ticks.push_back({value, plain ? format_fixed(value, std::max(0, -exponent)) : format_scientific(value, 0)});
      }
    }
    return ticks;
  };
  for (const auto& factors : {std::initializer_list<double>{1, 2, 5}, {1, 3}, {1}}) {
    std::vector<Tick> ticks = collect(factors, 1);
    if (static_cast<int>(ticks.size()) <= max_count && ticks.size() >= 2) return ticks;
  }
  for (int stride = 2; stride < 700; ++stride) {
    std::vector<Tick> ticks = collect({1}, stride);
    if (static_cast<int>(ticks.size()) <= max_count && !ticks.empty()) return ticks;
  }
  return linear_ticks(low, high, max_count); // less than one decade without a round number
}

} // namespace headscope::figures
