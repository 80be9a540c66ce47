// SPDX-License-Identifier: GPL-3.0-or-later
// The table of shapes that the attention statistics are tested on, on the CPU (attention_test.cpp) and on the GPU
// (attention_check_cuda.cpp), random inputs for each, and how two results are compared. No GoogleTest, no CUDA.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <random>
#include <string>
#include <vector>

#include "kernels/attention_statistics.h"
#include "kernels/cpu/float_types.h"

namespace headscope::kernels::attention_cases {

struct Case {
  const char* name;
  std::int64_t batch, heads, kv_heads, d_head, queries, query_offset;
  std::int64_t window = 0;
  double softcap = 0.0;
  std::vector<std::int64_t> key_begin = {};
  int top_k = 8;
  std::int64_t pool_block = 64;
};

inline std::vector<Case> table() {
  return {
      {"one token", 1, 2, 1, 64, 1, 0},
      {"head dim 32", 1, 3, 3, 32, 193, 0},
      {"head dim 40", 1, 2, 2, 40, 130, 0},
      {"head dim 64, grouped", 2, 6, 2, 64, 257, 0},
      {"head dim 80, top 16", 1, 2, 1, 80, 129, 0, 0, 0.0, {}, 16},
      {"head dim 96, top 1", 1, 2, 2, 96, 255, 0, 0, 0.0, {}, 1},
      {"head dim 128, blocks of 128", 1, 4, 1, 128, 513, 0, 0, 0.0, {}, 16, 128},
      {"head dim 192", 1, 2, 1, 192, 200, 0},
      {"head dim 256, soft cap", 1, 2, 1, 256, 321, 0, 0, 50.0},
      {"soft cap that bites", 1, 2, 2, 64, 140, 0, 0, 2.0},
      {"window of 100", 1, 4, 2, 128, 700, 0, 100},
      {"window of 1", 1, 1, 1, 64, 90, 0, 1},
      {"window, soft cap, padding", 3, 4, 2, 64, 333, 0, 64, 30.0, {0, 17, 200}},
      {"left padding", 3, 2, 2, 64, 300, 0, 0, 0.0, {5, 0, 299}},
      {"decode, one query", 2, 4, 2, 128, 1, 777, 0, 0.0, {0, 130}},
      {"decode, chunk", 1, 4, 4, 64, 150, 451, 0, 0.0, {3}},
      {"decode, chunk and window", 1, 2, 1, 128, 77, 600, 130},
      {"1,100 tokens, grouped", 1, 4, 2, 64, 1100, 0},
      {"2,048 tokens", 1, 2, 1, 128, 2048, 0, 0, 0.0, {}, 16, 256},
  };
}

// Owns what an AttentionProblem points to: q and k as [batch, pos, head, d_head], padded between positions.
struct Input {
  Case shape;
  Element element;
  std::vector<std::uint8_t> q, k;
  AttentionProblem problem;
  std::vector<KeySpan> spans;
  std::vector<std::int64_t> distances;
};

inline void put(std::vector<std::uint8_t>& bytes, Element element, std::int64_t index, float value) {
  const std::uint16_t half = element == Element::bf16 ? float_to_bf16(value) : float_to_f16(value);
  if (element == Element::f32)
    std::memcpy(bytes.data() + 4 * index, &value, 4);
  else
    std::memcpy(bytes.data() + 2 * index, &half, 2);
}

// Normal values, and a first key that draws more attention than others.
inline Input make_input(const Case& shape, Element element, unsigned seed = 20250201) {
  Input input{shape, element, {}, {}, {}, {}, {}};
  AttentionProblem& p = input.problem;
  p.element = element;
  p.batch = shape.batch, p.heads = shape.heads, p.kv_heads = shape.kv_heads, p.d_head = shape.d_head;
  p.queries = shape.queries;
  p.keys = shape.query_offset + shape.queries;
  p.variant.scale = 1.0 / std::sqrt(static_cast<double>(shape.d_head));
  p.variant.softcap = shape.softcap;
  p.variant.window = shape.window;
  p.variant.query_offset = shape.query_offset;
  p.q_strides = {p.queries * (p.heads * p.d_head + 8), p.heads * p.d_head + 8, p.d_head};
  p.k_strides = {p.keys * (p.kv_heads * p.d_head + 16), p.kv_heads * p.d_head + 16, p.d_head};
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  const std::size_t width = element == Element::f32 ? 4 : 2;
  const auto fill = [&](std::vector<std::uint8_t>& bytes, std::int64_t count) {
    bytes.resize(width * static_cast<std::size_t>(count));
    for (std::int64_t i = 0; i < count; ++i)
      put(bytes, element, i, normal(random));
  };
  fill(input.q, p.batch * p.q_strides.batch);
  fill(input.k, p.batch * p.k_strides.batch);
  for (std::int64_t b = 0; b < p.batch; ++b) {
    const std::int64_t first = shape.key_begin.empty() ? 0 : shape.key_begin[static_cast<std::size_t>(b)];
    for (std::int64_t h = 0; h < p.heads; ++h)
      for (std::int64_t i = 0; i < p.queries; ++i)
        put(input.q, element, b * p.q_strides.batch + i * p.q_strides.pos + h * p.d_head, 2.0f);
    for (std::int64_t h = 0; h < p.kv_heads; ++h)
      put(input.k, element, b * p.k_strides.batch + first * p.k_strides.pos + h * p.d_head,
          2.0f * std::sqrt(static_cast<float>(p.d_head)));
  }
  const std::int64_t keys = p.keys;
  input.spans = {{0, 1}, {keys / 3, keys / 2 + 1}, {0, keys}, {keys - 1, keys}};
  input.distances = {0, 1, keys / 2, 63, keys};
  return input;
}

// Points into the input, which must not move after it.
inline void attach(Input& input) {
  input.problem.q = input.q.data();
  input.problem.k = input.k.data();
  input.problem.key_begin = input.shape.key_begin.empty() ? nullptr : input.shape.key_begin.data();
}

// Every output, in host memory.
struct Output {
  std::vector<float> lse, entropy, span_mass, top_weight, pool_max;
  std::vector<double> key_sum, stripe, pool_sum;
  std::vector<std::int32_t> top_key;

  explicit Output(const Input& input) {
    const AttentionProblem& p = input.problem;
    const auto heads = static_cast<std::size_t>(p.batch * p.heads), queries = static_cast<std::size_t>(p.queries);
    const auto cells = static_cast<std::size_t>(blocks_of(p.queries, input.shape.pool_block) *
                                                blocks_of(p.keys, input.shape.pool_block));
    const float poison = -77.0f; // every value must be written
    lse.assign(heads * queries, poison);
    entropy.assign(heads * queries, poison);
    span_mass.assign(heads * queries * input.spans.size(), poison);
    top_weight.assign(heads * queries * static_cast<std::size_t>(input.shape.top_k), poison);
    top_key.assign(top_weight.size(), -77);
    key_sum.assign(heads * static_cast<std::size_t>(p.keys), poison);
    stripe.assign(heads * input.distances.size(), poison);
    pool_sum.assign(heads * cells, poison);
    pool_max.assign(heads * cells, poison);
  }

  AttentionStatistics pointers(const Input& input) {
    AttentionStatistics out;
    out.lse = lse.data();
    out.key_sum = key_sum.data();
    out.entropy = entropy.data();
    out.distances = input.distances.data();
    out.distance_count = static_cast<int>(input.distances.size());
    out.stripe = stripe.data();
    out.spans = input.spans.data();
    out.span_count = static_cast<int>(input.spans.size());
    out.span_mass = span_mass.data();
    out.top_k = input.shape.top_k;
    out.top_key = top_key.data();
    out.top_weight = top_weight.data();
    out.pool_block = input.shape.pool_block;
    out.pool_sum = pool_sum.data();
    out.pool_max = pool_max.data();
    return out;
  }
};

// The largest |a - b| / (|b| + floor); infinite where one of them is NaN or their difference is infinite.
template <typename T> double difference(const std::vector<T>& a, const std::vector<T>& b, double floor) {
  double largest = 0.0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (a[i] == b[i]) continue;
    const double error = std::abs(static_cast<double>(a[i] - b[i])) / (std::abs(static_cast<double>(b[i])) + floor);
    largest = error <= 1e300 ? std::max(largest, error) : HUGE_VAL;
  }
  return largest;
}

struct Errors {
  double lse, key_sum, entropy, stripe, span_mass, top_weight, pool_sum, pool_max;
  std::int64_t top_keys; // keys that differ though their weights are not nearly equal

  double largest() const {
    return std::max({lse, key_sum, entropy, stripe, span_mass, top_weight, pool_sum, pool_max});
  }
};

// Keys of one query may change places where their weights differ by less than this share.
constexpr double near_tie = 1e-4;

inline std::int64_t wrong_keys(const Output& got, const Output& truth, int top_k) {
  std::int64_t wrong = 0;
  for (std::size_t i = 0; i < got.top_key.size(); ++i) {
    if (got.top_key[i] == truth.top_key[i]) continue;
    const auto rank = static_cast<int>(i % static_cast<std::size_t>(top_k));
    const double weight = truth.top_weight[i];
    const auto ties = [&](std::size_t other) { return std::abs(truth.top_weight[other] - weight) < near_tie * weight; };
    const bool before = rank > 0 && ties(i - 1), after = rank + 1 < top_k && ties(i + 1);
    // The last place may be a tie with a key that got none.
    const bool last = rank + 1 == top_k && std::abs(got.top_weight[i] - weight) < near_tie * weight;
    wrong += before || after || last ? 0 : 1;
  }
  return wrong;
}

inline Errors compare(const Output& got, const Output& truth, int top_k) {
  return {difference(got.lse, truth.lse, 1.0),
          difference(got.key_sum, truth.key_sum, 1e-6),
          difference(got.entropy, truth.entropy, 0.1),
          difference(got.stripe, truth.stripe, 1e-6),
          difference(got.span_mass, truth.span_mass, 1e-6),
          difference(got.top_weight, truth.top_weight, 1e-6),
          difference(got.pool_sum, truth.pool_sum, 1e-6),
          difference(got.pool_max, truth.pool_max, 1e-6),
          wrong_keys(got, truth, top_k)};
}

inline void print_header() {
  std::printf("%-30s %-5s %8s %8s %8s %8s %8s %8s %8s %8s %s\n", "relative error", "type", "lse", "key_sum", "entropy",
              "stripe", "span", "top", "pool_sum", "pool_max", "wrong keys");
}

inline void print(const Case& shape, Element element, const Errors& e) {
  std::printf("%-30s %-5s %8.1e %8.1e %8.1e %8.1e %8.1e %8.1e %8.1e %8.1e %lld\n", shape.name,
              element == Element::f32    ? "f32"
              : element == Element::bf16 ? "bf16"
                                         : "f16",
              e.lse, e.key_sum, e.entropy, e.stripe, e.span_mass, e.top_weight, e.pool_sum, e.pool_max,
              static_cast<long long>(e.top_keys));
}

} // namespace headscope::kernels::attention_cases
