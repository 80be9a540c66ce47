// SPDX-License-Identifier: GPL-3.0-or-later
// Attention statistics: the plain double form against sums over a whole pattern written out by hand, the fast form
// against the plain one over a table of shapes.
#include <cstring>

#include <gtest/gtest.h>

#include "kernels/cpu/attention_statistics.h"
#include "tests/kernels/attention_cases.h"

namespace headscope::kernels {
namespace {

using namespace attention_cases;

constexpr double float32_tolerance = 1e-5;

// Two queries, three keys, one dimension, worked out on paper: scores ln of 1, 2, 5.
TEST(AttentionStatistics, WorkedOutByHand) {
  const float q[] = {1.0f, 1.0f}, k[] = {0.0f, std::log(2.0f), std::log(5.0f)};
  AttentionProblem problem;
  problem.q = q, problem.k = k;
  problem.q_strides = problem.k_strides = {0, 1, 1};
  problem.d_head = 1, problem.queries = 2, problem.keys = 3;
  problem.variant.query_offset = 1;
  const std::int64_t distances[] = {1, 2};
  const KeySpan spans[] = {{1, 3}};
  std::vector<double> key_sum(3), stripe(2), pool_sum(1);
  std::vector<float> lse(2), entropy(2), span(2), weight(4), pool_max(1);
  std::vector<std::int32_t> key(4);
  AttentionStatistics out;
  out.lse = lse.data(), out.key_sum = key_sum.data(), out.entropy = entropy.data();
  out.distances = distances, out.distance_count = 2, out.stripe = stripe.data();
  out.spans = spans, out.span_count = 1, out.span_mass = span.data();
  out.top_k = 2, out.top_key = key.data(), out.top_weight = weight.data();
  out.pool_block = 64, out.pool_sum = pool_sum.data(), out.pool_max = pool_max.data();
  for (const auto form : {attention_statistics_reference, attention_statistics}) {
    form(problem, out, 0, 1);
    EXPECT_NEAR(lse[0], std::log(3.0), 1e-6);
    EXPECT_NEAR(lse[1], std::log(8.0), 1e-6);
    EXPECT_NEAR(key_sum[0], 1.0 / 3 + 1.0 / 8, 1e-6);
    EXPECT_NEAR(key_sum[1], 2.0 / 3 + 2.0 / 8, 1e-6);
    EXPECT_NEAR(key_sum[2], 5.0 / 8, 1e-6);
    EXPECT_NEAR(entropy[0], std::log(3.0) - 2.0 / 3 * std::log(2.0), 1e-6);
    EXPECT_NEAR(stripe[0], (1.0 / 3 + 2.0 / 8) / 2, 1e-6);
    EXPECT_NEAR(stripe[1], 1.0 / 8, 1e-6); // only the second query has a key two before it
    EXPECT_NEAR(span[0], 2.0 / 3, 1e-6);
    EXPECT_NEAR(span[1], 7.0 / 8, 1e-6);
    EXPECT_EQ(key, (std::vector<std::int32_t>{1, 0, 2, 1}));
    EXPECT_NEAR(weight[2], 5.0 / 8, 1e-6);
    EXPECT_NEAR(pool_sum[0], 2.0, 1e-6);
    EXPECT_NEAR(pool_max[0], 2.0 / 3, 1e-6);
  }
}

TEST(AttentionStatistics, FastEqualsReference) {
  print_header();
  for (const Case& shape : table())
    for (const Element element : {Element::f32, Element::bf16, Element::f16}) {
      if (element != Element::f32 && shape.queries > 1000) continue; // read alike; the reference is slow
      Input input = make_input(shape, element);
      attach(input);
      Output truth(input), fast(input);
      const std::int64_t heads = shape.batch * shape.heads;
      attention_statistics_reference(input.problem, truth.pointers(input), 0, heads);
      attention_statistics(input.problem, fast.pointers(input), 0, heads);
      const Errors errors = compare(fast, truth, shape.top_k);
      print(shape, element, errors);
      EXPECT_LT(errors.largest(), float32_tolerance) << shape.name;
      EXPECT_EQ(errors.top_keys, 0) << shape.name;
    }
}

TEST(AttentionStatistics, HeadsApartEqualHeadsTogether) {
  const Case shape{"", 2, 4, 2, 64, 150, 20, 70, 0.0, {0, 30}};
  Input input = make_input(shape, Element::f32);
  attach(input);
  Output together(input), apart(input);
  attention_statistics(input.problem, together.pointers(input), 0, 8);
  for (std::int64_t head = 7; head >= 0; --head)
    attention_statistics(input.problem, apart.pointers(input), head, head + 1);
  EXPECT_EQ(together.key_sum, apart.key_sum);
  EXPECT_EQ(together.lse, apart.lse);
  EXPECT_EQ(together.entropy, apart.entropy);
  EXPECT_EQ(together.top_key, apart.top_key);
  EXPECT_EQ(together.pool_sum, apart.pool_sum);
  EXPECT_EQ(together.stripe, apart.stripe);
}

// Equal weights: the latest keys come first, whichever form.
TEST(AttentionStatistics, TiesGoToTheLatestKey) {
  const Case shape{"", 1, 1, 1, 64, 100, 0};
  Input input = make_input(shape, Element::f32);
  std::fill(input.q.begin(), input.q.end(), std::uint8_t{0});
  attach(input);
  for (const auto form : {attention_statistics_reference, attention_statistics}) {
    Output out(input);
    form(input.problem, out.pointers(input), 0, 1);
    for (std::int32_t rank = 0; rank < 8; ++rank)
      EXPECT_EQ(out.top_key[static_cast<std::size_t>(99 * 8 + rank)], 99 - rank);
    EXPECT_EQ(out.top_key[8 * 2 + 3], -1); // the third query has three keys
  }
}

TEST(AttentionStatistics, PyramidKeepsSumAndLargest) {
  const std::vector<double> sums = {1, 2, 3, 4, 5, 6, 7, 8, 9};
  const std::vector<float> largest = {1, 2, 3, 4, 5, 6, 7, 8, 9};
  std::vector<double> next_sum(4, -1);
  std::vector<float> next_max(4, -1);
  coarsen_sum(sums.data(), 3, 3, next_sum.data());
  coarsen_max(largest.data(), 3, 3, next_max.data());
  EXPECT_EQ(next_sum, (std::vector<double>{12, 9, 15, 9}));
  EXPECT_EQ(next_max, (std::vector<float>{5, 6, 8, 9}));
}

} // namespace
} // namespace headscope::kernels
