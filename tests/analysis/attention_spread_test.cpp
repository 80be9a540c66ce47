// SPDX-License-Identifier: GPL-3.0-or-later
// Where heads look, on patterns that a backend makes: heads at fixed offsets, even ones, and ones that look at a class.
#include <cmath>

#include <gmock/gmock.h>

#include "core/analysis/attention_spread.h"
#include "core/text/token_class.h"
#include "tests/engine/tiny_model.h"

namespace headscope {
namespace {

// Head 0: 2 tokens back (the first where there is none). Head 1: evenly on all. Head 2: the token itself and the one
// before by 3/4 and 1/4. Head 3: 6 tokens back, by a weight of `sign`.
class Planted : public AttentionBackend {
public:
  const char* name() const override { return "planted"; }
  at::Tensor run(const AttentionInput& in) const override {
    const std::int64_t n = in.q.size(1);
    at::Tensor pattern = at::zeros({in.q.size(0), in.q.size(2), n, n});
    for (std::int64_t i = 0; i < n; ++i) {
      pattern.select(1, 0).select(1, i).select(1, std::max<std::int64_t>(i - 2, 0)).fill_(1.0);
      pattern.select(1, 1).select(1, i).narrow(1, 0, i + 1).fill_(1.0 / static_cast<double>(i + 1));
      pattern.select(1, 2).select(1, i).select(1, i).fill_(i == 0 ? 1.0 : 0.75);
      if (i > 0) pattern.select(1, 2).select(1, i).select(1, i - 1).fill_(0.25);
      pattern.select(1, 3).select(1, i).select(1, std::max<std::int64_t>(i - 6, 0)).fill_(sign);
    }
    if (in.edit_pattern) in.edit_pattern(pattern);
    return at::zeros_like(in.q);
  }
  double sign = 1.0;
};

constexpr std::int64_t tokens = 24, skip = 8;

SpreadRequest request() {
  SpreadRequest out;
  out.tokens = test::tiny_tokens(tokens, 1);
  out.skip = skip;
  out.width = 4;
  out.keys = {1, 2, 4, 100};
  out.n_classes = 3; // even and odd positions; none of the third
  for (int i = 0; i < tokens; ++i)
    out.classes.push_back(i % 2);
  return out;
}

TEST(AttentionSpread, OfPlantedHeadsIsExact) {
  const Engine engine(test::tiny_model("llama"), std::make_shared<Planted>());
  const auto found = measure_spread(engine, request(), {});
  ASSERT_TRUE(found.ok()) << found.error().to_string();
  const auto n_heads = static_cast<std::size_t>(engine.config().n_heads);
  ASSERT_EQ(found->distance.size(), n_heads * 3);
  for (std::size_t layer = 0; layer < 3; ++layer) {
    const auto at = [&](const std::vector<double>& values, std::size_t head, std::size_t row = 0) {
      return values[(row * 3 + layer) * n_heads + head];
    };
    EXPECT_NEAR(at(found->distance, 0), 2.0, 1e-6);
    EXPECT_NEAR(at(found->distance_spread, 0), 0.0, 1e-6);
    EXPECT_NEAR(at(found->distance, 2), 0.25, 1e-6);
    EXPECT_NEAR(at(found->distance_spread, 2), std::sqrt(0.75 * 0.25), 1e-6);
    EXPECT_NEAR(at(found->distance, 3), 6.0, 1e-6);
    double even = 0.0; // query i attends to distances 0 .. i alike
    for (std::int64_t i = skip; i < tokens; ++i)
      even += static_cast<double>(i) / 2.0 / static_cast<double>(tokens - skip);
    EXPECT_NEAR(at(found->distance, 1), even, 1e-5);
    // In rows of four, six tokens back are one row and two columns, and two rows and two columns for half of the
    // queries each.
    EXPECT_NEAR(at(found->grid_distance, 3), (std::sqrt(5.0) + std::sqrt(8.0)) / 2.0, 1e-6);
    EXPECT_NEAR(at(found->keys_kl, 0, 0), 0.0, 1e-6); // one key suffices
    EXPECT_NEAR(at(found->keys_kl, 2, 0), -std::log(0.75), 1e-6);
    EXPECT_NEAR(at(found->keys_kl, 2, 1), 0.0, 1e-6);
    for (std::size_t head = 0; head < 4; ++head)
      for (std::size_t k = 1; k < 4; ++k)
        EXPECT_LE(at(found->keys_kl, head, k), at(found->keys_kl, head, k - 1) + 1e-9);
    // An even number of tokens back is a token of the same class.
    EXPECT_NEAR(at(found->class_mass, 0, 0 * 3 + 0), 1.0, 1e-6);
    EXPECT_NEAR(at(found->class_mass, 0, 0 * 3 + 1), 0.0, 1e-6);
    EXPECT_NEAR(at(found->class_mass, 2, 1 * 3 + 0), 0.25, 1e-6);
    EXPECT_TRUE(std::isnan(at(found->class_mass, 0, 2 * 3 + 0)));
  }
}

TEST(AttentionSpread, WhatHasNoDistanceIsRefused) {
  const auto planted = std::make_shared<Planted>();
  planted->sign = -1.0;
  const Engine engine(test::tiny_model("llama"), planted);
  const auto found = measure_spread(engine, request(), {});
  ASSERT_FALSE(found.ok());
  EXPECT_EQ(found.error().code, ErrorCode::unsupported);
  SpreadRequest none = request();
  none.skip = tokens;
  EXPECT_EQ(measure_spread(engine, none, {}).error().field, "skip");
}

TEST(TokenClasses, GoByCharacters) {
  using enum TokenClass;
  const std::vector<UnitToken> text = {{"<s>", true},   {"The", false},  {" can", false}, {"not", false},
                                       {",", false},    {" 12", false},  {"3", false},    {"\n\n", false},
                                       {"  ", false},   {"\"wo", false}, {"rd", false},   {" =", false},
                                       {"\xff", false}, {"x", false},    {"naïve", false}};
  EXPECT_THAT(token_classes(text),
              testing::ElementsAre(special, word, word, word_part, punctuation, number, number, line, space,
                                   punctuation, word_part, punctuation, punctuation, word, word_part));
}

} // namespace
} // namespace headscope
