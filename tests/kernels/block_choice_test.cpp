// SPDX-License-Identifier: GPL-3.0-or-later
// The choice of blocks against a whole sort.
#include <gtest/gtest.h>

#include "kernels/cpu/block_choice.h"
#include "tests/kernels/block_choice_cases.h"

namespace headscope::kernels {
namespace {

TEST(BlockChoice, IsTheBestByAWholeSort) {
  for (const Element element : {Element::f32, Element::bf16, Element::f16})
    for (const block_choice_cases::Case& c : block_choice_cases::table()) {
      const block_choice_cases::Input input(c, element);
      const std::vector<std::int64_t> expected = block_choice_cases::chosen_plainly(c);
      std::vector<std::int64_t> got(expected.size(), -77);
      const std::int64_t rows = c.heads * c.queries;
      choose_blocks(input.problem, got.data(), rows / 2, rows);
      choose_blocks(input.problem, got.data(), 0, rows / 2);
      EXPECT_EQ(got, expected) << c.name;
    }
}

} // namespace
} // namespace headscope::kernels
