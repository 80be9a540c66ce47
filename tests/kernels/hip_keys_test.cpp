// SPDX-License-Identifier: GPL-3.0-or-later
// HiP's choice of keys: the plain form worked out by hand, the fast form against the plain one over a table of shapes.
// tests/mechanisms/sparse_test.cpp holds the plain form against the mechanism's own reference.
#include <gtest/gtest.h>

#include "kernels/cpu/hip_keys.h"
#include "tests/kernels/hip_cases.h"

namespace headscope::kernels {
namespace {

using namespace hip_cases;

// One query at slot 9 that sees keys 0 to 8 outside a window of 1; two nodes of one key each. Scores are the keys'
// values. Runs [0, 4), [4, 9) (5 keys). Halves: 0-1, 4-6, 2-3, 7-8 with scores of their first keys 1, 5, 9, 3: kept
// 2-3, 4-6. Halves: 2, 4-5, 3, 6: 9, 5, 0, 2: kept 2, 4-5. Halves: 2, 4, 5: 9, 5, 8: kept 2 and 5.
TEST(HipKeys, WorkedOutByHand) {
  const float k[] = {1, 0, 9, 0, 5, 8, 2, 3, 0, 0}, q[] = {1};
  AttentionProblem problem;
  problem.q = q, problem.k = k;
  problem.q_strides = problem.k_strides = {0, 1, 1};
  problem.d_head = 1, problem.queries = 1, problem.keys = 10;
  problem.variant.query_offset = 9;
  const HipOptions options{2, 1, 1, 1, 0};
  for (const auto form : {hip_keys_reference, hip_keys}) {
    KeyRun runs[4];
    std::int64_t first = -1, last = -1;
    form(problem, options, {runs, &first, &last}, 0, 1);
    ASSERT_EQ(first, 0);
    ASSERT_EQ(last, 3);
    EXPECT_EQ(runs[0].begin, 2);
    EXPECT_EQ(runs[0].end, 3);
    EXPECT_EQ(runs[1].begin, 5);
    EXPECT_EQ(runs[1].end, 6);
    EXPECT_EQ(runs[2].begin, 9);
    EXPECT_EQ(runs[2].end, 10);
  }
}

TEST(HipKeys, FastEqualsReference) {
  for (const Case& c : table())
    for (const Element element : {Element::f32, Element::bf16, Element::f16}) {
      if (element != Element::f32 && c.shape.queries > 1000) continue; // read alike; the reference is slow
      const Input input(c, element);
      const AttentionProblem& problem = input.qk.problem;
      Chosen truth(c, problem), fast(c, problem);
      hip_keys_reference(problem, c.options, truth.pointers(), 0, std::ssize(truth.first));
      hip_keys(problem, c.options, fast.pointers(), 0, std::ssize(fast.first));
      for (std::size_t block = 0; block < truth.first.size(); ++block) {
        ASSERT_FALSE(truth.of(block).empty()) << c.shape.name;
        ASSERT_EQ(fast.of(block), truth.of(block)) << c.shape.name << ", block " << block;
      }
    }
}

} // namespace
} // namespace headscope::kernels
