// SPDX-License-Identifier: GPL-3.0-or-later
// Sparse attention: the plain double form against a softmax over a whole row written out by hand, the fast form against
// the plain one over a table of shapes.
#include <gtest/gtest.h>

#include "kernels/cpu/sparse_attention.h"
#include "tests/kernels/sparse_cases.h"

namespace headscope::kernels {
namespace {

using namespace sparse_cases;

constexpr double float32_tolerance = 1e-5;

// What rounding z to the element type does (half a unit in the last of 8 or 11 bits), besides float32 arithmetic.
Tolerance tolerance_of(Element element) {
  return {element == Element::f32 ? 0.0 : element == Element::bf16 ? 0x1p-8 : 0x1p-11, float32_tolerance};
}

struct Truth {
  Output z, sizes;
};

Truth truth_of(const Case& c, Element element) {
  Input input(c, element);
  make_wide(input, false);
  Output z(input.problem);
  sparse_attention_reference(input.problem, z.pointers(), 0, input.problem.pieces());
  make_wide(input, true);
  Output sizes(input.problem);
  sparse_attention_reference(input.problem, sizes.pointers(), 0, input.problem.pieces());
  return {z, sizes};
}

// Four keys of one dimension, scores ln of 1, 2, 5, 4; two blocks of one query.
TEST(SparseAttention, WorkedOutByHand) {
  const float q[] = {1.0f, 1.0f}, k[] = {0.0f, std::log(2.0f), std::log(5.0f), std::log(4.0f)};
  const float v[] = {1.0f, 10.0f, 100.0f, 1000.0f};
  const KeyRun runs[] = {{0, 1}, {2, 3}, {1, 1}, {1, 4}};
  const std::int64_t first[] = {0, 2}, last[] = {2, 4};
  SparseProblem problem;
  problem.scores.q = q, problem.scores.k = k, problem.v = v;
  problem.scores.q_strides = problem.scores.k_strides = problem.v_strides = {0, 1, 1};
  problem.scores.d_head = 1, problem.scores.queries = 2, problem.scores.keys = 4;
  problem.scores.variant.query_offset = 2;
  problem.keys.runs = runs, problem.keys.first = first, problem.keys.last = last, problem.keys.block_q = 1;
  for (const auto form : {sparse_attention_reference, sparse_attention}) {
    float z[2] = {}, lse[2] = {};
    form(problem, {z, {0, 1, 1}, lse}, 0, 2);
    EXPECT_NEAR(z[0], (1.0 * 1 + 5 * 100) / 6, 1e-4);
    EXPECT_NEAR(lse[0], std::log(6.0), 1e-6);
    EXPECT_NEAR(z[1], (2.0 * 10 + 5 * 100 + 4 * 1000) / 11, 1e-3);
    EXPECT_NEAR(lse[1], std::log(11.0), 1e-6);
    problem.window = 2, problem.sinks = 1; // the first query loses nothing, the second key 1
    form(problem, {z, {0, 1, 1}, lse}, 0, 2);
    EXPECT_NEAR(z[0], (1.0 * 1 + 5 * 100) / 6, 1e-4);
    EXPECT_NEAR(z[1], (5.0 * 100 + 4 * 1000) / 9, 1e-3);
    problem.window = 0;
  }
}

// The rule of what is seen, written out once more, and a softmax over all keys.
TEST(SparseAttention, ReferenceEqualsWholeRows) {
  for (const Case& c : table()) {
    if (c.shape.queries > 400) continue;
    const Input input(c, Element::f32);
    const AttentionProblem& p = input.problem.scores;
    Output out(input.problem);
    sparse_attention_reference(input.problem, out.pointers(), 0, input.problem.pieces());
    const auto* q = static_cast<const float*>(p.q);
    const auto* k = static_cast<const float*>(p.k);
    const auto* v = static_cast<const float*>(input.problem.v);
    for (std::int64_t at = 0; at < p.batch * p.heads * p.queries; at += 7) {
      const std::int64_t i = at % p.queries, h = at / p.queries % p.heads, b = at / p.queries / p.heads;
      const std::int64_t slot = c.shape.query_offset + i / c.per_slot, kv = h / (p.heads / p.kv_heads);
      const std::int64_t begin = c.shape.key_begin.empty() ? 0 : c.shape.key_begin[static_cast<std::size_t>(b)];
      const std::int64_t lists = c.shared ? 0 : b * p.heads + h, blocks = input.problem.blocks();
      std::int64_t place_of_i = i; // in the list of queries
      for (std::int64_t at_place = 0; c.scattered && at_place < blocks * c.block_q; ++at_place)
        if (input.order[static_cast<std::size_t>(lists * blocks * c.block_q + at_place)] == i) place_of_i = at_place;
      const auto list = static_cast<std::size_t>(lists * blocks + place_of_i / c.block_q);
      std::vector<bool> chosen(static_cast<std::size_t>(p.keys));
      for (auto run = input.first[list]; run < input.last[list]; ++run)
        for (auto j = input.runs[static_cast<std::size_t>(run)].begin;
             j < input.runs[static_cast<std::size_t>(run)].end; ++j)
          chosen[static_cast<std::size_t>(j)] = true;
      double sum = 0.0, z = 0.0;
      for (std::int64_t j = begin; j <= slot; ++j) {
        if (!chosen[static_cast<std::size_t>(j)]) continue;
        if (c.shape.window > 0 && slot - j >= c.shape.window) continue;
        if (c.window > 0 && j - begin >= c.sinks && slot - j >= c.window) continue;
        double dot = 0.0;
        for (std::int64_t n = 0; n < p.d_head; ++n)
          dot += static_cast<double>(q[b * p.q_strides.batch + i * p.q_strides.pos + h * p.q_strides.head + n]) *
                 static_cast<double>(k[b * p.k_strides.batch + j * p.k_strides.pos + kv * p.k_strides.head + n]);
        double score = dot * p.variant.scale;
        if (c.shape.softcap > 0.0) score = c.shape.softcap * std::tanh(score / c.shape.softcap);
        sum += std::exp(score);
        z += std::exp(score) *
             static_cast<double>(v[b * input.problem.v_strides.batch + j * input.problem.v_strides.pos +
                                   kv * input.problem.v_strides.head + p.d_head - 1]);
      }
      const std::int64_t place = b * out.strides.batch + i * out.strides.pos + (h + 1) * p.d_head - 1;
      if (sum == 0.0) {
        EXPECT_EQ(out.at(place), 0.0) << c.shape.name;
        EXPECT_EQ(out.lse[static_cast<std::size_t>(at)], -INFINITY) << c.shape.name;
      } else {
        EXPECT_NEAR(out.at(place), z / sum, 1e-6) << c.shape.name << " query " << i;
        EXPECT_NEAR(out.lse[static_cast<std::size_t>(at)], std::log(sum), 1e-5) << c.shape.name;
      }
    }
  }
}

TEST(SparseAttention, FastEqualsReference) {
  for (const Case& c : table())
    for (const Element element : {Element::f32, Element::bf16, Element::f16}) {
      if (element != Element::f32 && c.shape.queries > 400) continue; // read alike; the reference is slow
      const Truth truth = truth_of(c, element);
      const Input input(c, element);
      Output fast(input.problem);
      sparse_attention(input.problem, fast.pointers(), 0, input.problem.pieces());
      const Errors errors = compare(fast, truth.z, truth.sizes, input.problem.scores, tolerance_of(element));
      EXPECT_LE(errors.z, 1.0) << c.shape.name << ", element " << static_cast<int>(element);
      EXPECT_LT(errors.lse, float32_tolerance) << c.shape.name << ", element " << static_cast<int>(element);
    }
}

TEST(SparseAttention, PiecesApartEqualPiecesTogether) {
  const Case c{{"", 2, 4, 2, 64, 150, 20}, Pattern::pieces, 32};
  const Input input(c, Element::f32);
  Output together(input.problem), apart(input.problem);
  sparse_attention(input.problem, together.pointers(), 0, input.problem.pieces());
  for (std::int64_t piece = input.problem.pieces() - 1; piece >= 0; --piece)
    sparse_attention(input.problem, apart.pointers(), piece, piece + 1);
  EXPECT_EQ(together.z, apart.z);
  EXPECT_EQ(together.lse, apart.lse);
}

} // namespace
} // namespace headscope::kernels
