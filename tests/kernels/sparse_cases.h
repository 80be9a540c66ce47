// SPDX-License-Identifier: GPL-3.0-or-later
// The table of shapes that sparse attention is tested on, on the CPU (sparse_attention_test.cpp) and on the GPU
// (sparse_check_cuda.cpp), with runs of keys for each, and how two results are compared. No GoogleTest, no CUDA.
#pragma once

#include "kernels/sparse_attention.h"
#include "tests/kernels/attention_cases.h"

namespace headscope::kernels::sparse_cases {

using attention_cases::make_input;

enum class Pattern { all, window, pieces, pairs, singles, every_other_block, nothing };

struct Case {
  attention_cases::Case shape;
  Pattern pattern;
  std::int64_t block_q = 64, sinks = 0, window = 0;
  bool shared = false;       // by all rows and heads
  bool scattered = false;    // blocks of queries that are no neighbours, some of them short
  std::int64_t per_slot = 1; // queries at a slot
};

inline std::vector<Case> table() {
  return {
      {{"one token", 1, 2, 1, 64, 1, 0}, Pattern::all},
      {{"shorter than a block", 1, 3, 3, 64, 23, 0}, Pattern::all, 64},
      {{"all keys, grouped", 2, 6, 2, 64, 257, 0}, Pattern::all, 64},
      {{"pieces, blocks of 32", 1, 4, 2, 128, 333, 0}, Pattern::pieces, 32},
      {{"pieces, blocks of 128", 1, 2, 2, 128, 300, 0}, Pattern::pieces, 128},
      {{"pieces, blocks of 200", 1, 2, 1, 64, 450, 0}, Pattern::pieces, 200},
      {{"pieces, blocks of 16", 2, 2, 1, 96, 100, 0}, Pattern::pieces, 16},
      {{"a block for each query", 1, 4, 2, 64, 70, 0}, Pattern::pieces, 1},
      {{"a block for each query, both windows, head dim 40", 1, 2, 1, 40, 120, 0, 50, 20.0}, Pattern::window, 1, 3, 30},
      {{"pairs as HiP's, head dim 80", 1, 2, 1, 80, 900, 0}, Pattern::pairs, 32},
      {{"runs of one key", 1, 4, 4, 128, 500, 0}, Pattern::singles, 64},
      {{"runs of one key, head dim 96", 1, 2, 1, 96, 201, 0}, Pattern::singles, 32},
      {{"head dim 256, soft cap", 1, 2, 1, 256, 321, 0, 0, 50.0}, Pattern::pieces, 64},
      {{"head dim 256, blocks of 32", 1, 2, 2, 256, 99, 0}, Pattern::pairs, 32},
      {{"head dim 40", 1, 2, 2, 40, 130, 0}, Pattern::pieces, 64},
      {{"soft cap that bites", 1, 2, 2, 64, 140, 0, 0, 2.0}, Pattern::pieces, 32},
      {{"sinks and a window", 1, 4, 2, 64, 700, 0}, Pattern::window, 64, 4, 100, true},
      {{"sinks and a window, blocks of 128", 1, 2, 2, 128, 513, 0}, Pattern::window, 128, 4, 60, true},
      {{"a window of 1", 1, 1, 1, 64, 90, 0}, Pattern::window, 32, 0, 1, true},
      {{"the model's window", 1, 4, 2, 128, 400, 0, 100}, Pattern::pieces, 64},
      {{"both windows, soft cap, padding", 3, 4, 2, 64, 333, 0, 120, 30.0, {0, 17, 200}}, Pattern::window, 64, 3, 50},
      {{"left padding", 3, 2, 2, 64, 300, 0, 0, 0.0, {5, 0, 299}}, Pattern::pieces, 64},
      {{"decode, one query", 2, 4, 2, 128, 1, 777, 0, 0.0, {0, 130}}, Pattern::pieces, 64},
      {{"decode, one query, sinks and a window", 1, 4, 2, 64, 1, 777}, Pattern::window, 64, 4, 300, true},
      {{"decode, chunk", 1, 4, 4, 64, 150, 451}, Pattern::pairs, 32},
      {{"blocks without keys", 1, 2, 1, 64, 260, 0}, Pattern::every_other_block, 64},
      {{"no keys at all", 1, 2, 1, 128, 50, 0}, Pattern::nothing, 32},
      {{"1,500 tokens, many runs", 1, 2, 1, 64, 1500, 0}, Pattern::singles, 64},
      {{"scattered queries", 1, 2, 1, 64, 300, 0}, Pattern::pieces, 32, 0, 0, false, true},
      {{"scattered queries, blocks of 128", 2, 4, 2, 128, 517, 0, 0, 30.0}, Pattern::pieces, 128, 0, 0, false, true},
      {{"scattered queries, shared, padding, both windows", 2, 2, 2, 64, 333, 0, 150, 0.0, {9, 0}},
       Pattern::pieces,
       64,
       3,
       40,
       true,
       true},
      {{"scattered queries, one a block, head dim 40", 1, 2, 1, 40, 90, 13}, Pattern::pieces, 1, 0, 0, false, true},
      {{"three queries a slot, scattered", 1, 2, 2, 128, 390, 50}, Pattern::pieces, 64, 0, 0, false, true, 3},
      {{"five queries a slot, the model's window", 1, 4, 2, 96, 405, 0, 30},
       Pattern::pieces,
       32,
       0,
       0,
       false,
       false,
       5},
      {{"head dim 256, scattered", 1, 2, 2, 256, 210, 0}, Pattern::pieces, 64, 0, 0, false, true, 2},
      {{"slots before the first key", 1, 2, 1, 64, 200, -40}, Pattern::pieces, 64},
  };
}

// The runs of one block; some of them reach behind what its queries may see.
inline std::vector<KeyRun> runs_of(const Case& c, std::int64_t block, std::mt19937& random) {
  const std::int64_t keys = c.shape.query_offset + c.shape.queries; // more than slots where these are shared
  const std::int64_t first = c.shape.query_offset + block * c.block_q, end = std::min(first + c.block_q, keys);
  const auto run = [](std::int64_t from, std::int64_t to) {
    return KeyRun{static_cast<std::int32_t>(from), static_cast<std::int32_t>(to)};
  };
  const auto scattered = [&](std::int64_t least, std::int64_t most_length, std::int64_t most_gap) {
    std::vector<KeyRun> runs;
    std::int64_t at = static_cast<std::int64_t>(random()) % (most_gap + 1);
    while (at < keys) {
      const std::int64_t length = least + static_cast<std::int64_t>(random()) % (most_length - least + 1);
      runs.push_back(run(at, std::min(at + length, keys)));
      at += length + static_cast<std::int64_t>(random()) % (most_gap + 1);
    }
    return runs;
  };
  switch (c.pattern) {
  case Pattern::all: return {run(0, end)};
  case Pattern::window: {
    const std::int64_t from =
        std::max<std::int64_t>(c.sinks + 200 * (c.shape.key_begin.empty() ? 0 : 1), first - c.window + 1);
    return from >= end ? std::vector<KeyRun>{run(0, end)}
                       : std::vector<KeyRun>{run(0, std::min(from, c.sinks + 200)), run(from, end)};
  }
  case Pattern::pieces: return scattered(0, 90, 60);
  case Pattern::pairs: return scattered(2, 2, 9);
  case Pattern::singles: return scattered(1, 1, 3);
  case Pattern::every_other_block: return block % 2 == 0 ? std::vector<KeyRun>{} : scattered(1, 40, 40);
  case Pattern::nothing: return {};
  }
  return {};
}

// Owns what a SparseProblem points to.
struct Input {
  Case c;
  attention_cases::Input qk;
  std::vector<std::uint8_t> v;
  std::vector<KeyRun> runs;
  std::vector<std::int64_t> first, last;
  std::vector<std::int32_t> order;
  SparseProblem problem;

  Input(const Case& shape, Element element) : c(shape), qk(make_input(shape.shape, element)) {
    attention_cases::attach(qk);
    problem.scores = qk.problem;
    std::mt19937 random(7);
    std::normal_distribution<float> normal;
    const AttentionProblem& p = problem.scores;
    problem.v_strides = {p.keys * (p.kv_heads * p.d_head + 8), p.kv_heads * p.d_head + 8, p.d_head};
    v.resize((element == Element::f32 ? 4 : 2) * static_cast<std::size_t>(p.batch * problem.v_strides.batch));
    for (std::int64_t i = 0; i < p.batch * problem.v_strides.batch; ++i)
      attention_cases::put(v, element, i, normal(random));
    problem.keys.block_q = c.block_q, problem.sinks = c.sinks, problem.window = c.window;
    problem.per_slot = c.per_slot;
    const std::int64_t lists = c.shared ? 1 : p.batch * p.heads;
    if (c.scattered) scatter(lists, random);
    const std::int64_t blocks = problem.blocks();
    for (std::int64_t list = 0; list < lists; ++list)
      for (std::int64_t block = 0; block < blocks; ++block) {
        first.push_back(std::ssize(runs));
        for (const KeyRun& run : runs_of(c, block, random))
          runs.push_back(run);
        last.push_back(std::ssize(runs));
      }
    problem.keys.head_step = c.shared ? 0 : blocks, problem.keys.row_step = c.shared ? 0 : p.heads * blocks;
    problem.v = v.data();
    problem.keys.runs = runs.data(), problem.keys.first = first.data(), problem.keys.last = last.data();
  }
  Input(const Input&) = delete;
  Input& operator=(const Input&) = delete;

private:
  // Deals the queries out to blocks by chance; one block stays empty.
  void scatter(std::int64_t lists, std::mt19937& random) {
    const std::int64_t queries = problem.scores.queries, blocks = 2 + 3 * queries / (2 * c.block_q);
    const std::int64_t places = blocks * c.block_q;
    for (std::int64_t list = 0; list < lists; ++list) {
      std::vector<std::vector<std::int32_t>> dealt(static_cast<std::size_t>(blocks));
      for (std::int64_t query = 0; query < queries; ++query) {
        std::size_t to = 0;
        do
          to = 1 + random() % static_cast<std::size_t>(blocks - 1);
        while (std::ssize(dealt[to]) == c.block_q);
        dealt[to].push_back(static_cast<std::int32_t>(query));
      }
      for (std::vector<std::int32_t>& block : dealt) {
        block.resize(static_cast<std::size_t>(c.block_q), -1);
        order.insert(order.end(), block.begin(), block.end());
      }
    }
    problem.order.list = order.data(), problem.order.places = places;
    problem.order.head_step = c.shared ? 0 : places,
    problem.order.row_step = c.shared ? 0 : problem.scores.heads * places;
  }
};

struct Output {
  std::vector<std::uint8_t> z; // [batch, query, head, d_head] with room between positions
  std::vector<float> lse;
  HeadStrides strides;
  Element element;

  explicit Output(const SparseProblem& problem) : element(problem.scores.element) {
    const AttentionProblem& p = problem.scores;
    strides = {p.queries * (p.heads * p.d_head + 8), p.heads * p.d_head + 8, p.d_head};
    z.resize((element == Element::f32 ? 4 : 2) * static_cast<std::size_t>(p.batch * strides.batch));
    for (std::int64_t i = 0; i < p.batch * strides.batch; ++i)
      attention_cases::put(z, element, i, -77.0f); // every value must be written
    lse.assign(static_cast<std::size_t>(p.batch * p.heads * p.queries), -77.0f);
  }

  SparseOutput pointers() { return {z.data(), strides, lse.data()}; }

  double at(std::int64_t index) const {
    if (element == Element::f32) {
      float value = 0.0f;
      std::memcpy(&value, z.data() + 4 * index, 4);
      return static_cast<double>(value);
    }
    std::uint16_t bits = 0;
    std::memcpy(&bits, z.data() + 2 * index, 2);
    return static_cast<double>(element == Element::bf16 ? bf16_to_float(bits) : f16_to_float(bits));
  }
};

// The same numbers in float32, for a truth that is not rounded to half precision; `absolute`: with |v| in place of v,
// which gives the size of what is summed for each z.
inline void widen(std::vector<std::uint8_t>& bytes, Element element, bool absolute) {
  const std::vector<std::uint8_t> narrow = bytes;
  const std::size_t width = element == Element::f32 ? 4 : 2;
  bytes.resize(4 * narrow.size() / width);
  for (std::size_t i = 0; i < narrow.size() / width; ++i) {
    float value = 0.0f;
    std::uint16_t bits = 0;
    if (width == 4)
      std::memcpy(&value, narrow.data() + 4 * i, 4);
    else
      std::memcpy(&bits, narrow.data() + 2 * i, 2);
    if (width == 2) value = element == Element::bf16 ? bf16_to_float(bits) : f16_to_float(bits);
    if (absolute) value = std::abs(value);
    std::memcpy(bytes.data() + 4 * i, &value, 4);
  }
}

// Points `input` at float32 copies of its q, k and v.
inline void make_wide(Input& input, bool absolute) {
  const Element element = input.problem.scores.element;
  for (std::vector<std::uint8_t>* bytes : {&input.qk.q, &input.qk.k})
    widen(*bytes, element, false);
  widen(input.v, element, absolute);
  input.problem.scores.element = Element::f32;
  input.problem.scores.q = input.qk.q.data(), input.problem.scores.k = input.qk.k.data();
  input.problem.v = input.v.data();
}

// How far z may be from the truth: shares of |z| and of what is summed, sum over keys of weight |v|.
struct Tolerance {
  double of_z, of_sum;
};

struct Errors {
  double z = 0.0;   // the largest error over what it may be: at most 1 is right
  double lse = 0.0; // |error| / (1 + |lse|)
};

inline Errors compare(const Output& got, const Output& truth, const Output& sizes, const AttentionProblem& p,
                      const Tolerance& tolerance) {
  Errors errors;
  for (std::int64_t b = 0; b < p.batch; ++b)
    for (std::int64_t i = 0; i < p.queries; ++i)
      for (std::int64_t at = 0; at < p.heads * p.d_head; ++at) {
        const std::int64_t place = b * got.strides.batch + i * got.strides.pos + at;
        const double is = got.at(place), should = truth.at(place);
        const double may = tolerance.of_z * std::abs(should) + tolerance.of_sum * sizes.at(place) + 1e-30;
        const double error = is == should ? 0.0 : std::abs(is - should) / may;
        errors.z = error <= 1e300 ? std::max(errors.z, error) : HUGE_VAL;
      }
  errors.lse = attention_cases::difference(got.lse, truth.lse, 1.0);
  return errors;
}

} // namespace headscope::kernels::sparse_cases
