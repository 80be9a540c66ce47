// SPDX-License-Identifier: GPL-3.0-or-later
// Tiles of a pooled map and sums by unit against the same arithmetic done in full; units of texts.
#include <cmath>
#include <limits>
#include <random>

#include <gtest/gtest.h>

#include "app/gui/maps/text_units.h"
#include "app/gui/maps/tile.h"
#include "app/gui/maps/unit_mass.h"

namespace headscope::gui {
namespace {

// A whole map in memory.
struct Full {
  MapShape shape;
  std::vector<float> weights;

  Full(std::int64_t n_query, std::int64_t n_key, unsigned seed) : shape{n_query, n_key} {
    std::mt19937 random(seed);
    std::uniform_real_distribution<float> unit(0.0F, 1.0F);
    for (std::int64_t i = 0; i < n_query * n_key; ++i)
      weights.push_back(unit(random));
  }
  float& at(std::int64_t q, std::int64_t k) { return weights[static_cast<std::size_t>(q * shape.n_key + k)]; }
  // Puts arbitrary values above the diagonal, which must never be read.
  ReadBlock reader() {
    return [this](const Block& block, std::span<float> out) -> Status {
      EXPECT_EQ(out.size(), static_cast<std::size_t>(block.rows() * block.cols()));
      for (std::int64_t q = block.q_begin; q < block.q_end; ++q)
        for (std::int64_t k = block.k_begin; k < block.k_end; ++k)
          out[static_cast<std::size_t>((q - block.q_begin) * block.cols() + k - block.k_begin)] =
              k <= shape.last_key(q) ? at(q, k) : 1e9F;
      return {};
    };
  }
};

struct Pooled {
  double max = -1.0, mean = -1.0;
};

Pooled brute_force(Full& map, int level, std::int64_t row, std::int64_t col) {
  double sum = 0.0, max = -1.0;
  std::int64_t seen = 0, measured = 0;
  for (std::int64_t q = row << level; q < std::min(map.shape.n_query, (row + 1) << level); ++q)
    for (std::int64_t k = col << level; k < std::min(map.shape.n_key, (col + 1) << level); ++k) {
      if (k - q > map.shape.n_key - map.shape.n_query) continue;
      ++seen;
      const double weight = map.at(q, k);
      if (std::isnan(weight)) continue;
      ++measured;
      sum += weight;
      max = std::max(max, weight);
    }
  if (seen == 0) return {masked_weight, masked_weight};
  const double nan = std::numeric_limits<double>::quiet_NaN();
  return measured == 0 ? Pooled{nan, nan} : Pooled{max, sum / static_cast<double>(measured)};
}

void expect_same(double a, double b, const std::string& where) {
  if (std::isnan(a) || std::isnan(b))
    EXPECT_EQ(std::isnan(a), std::isnan(b)) << where;
  else
    EXPECT_NEAR(a, b, 1e-6) << where;
}

void expect_pyramid(Full& map) {
  for (int level = 0; level < level_count(map.shape); ++level) {
    const std::int64_t rows = level_cells(map.shape.n_query, level), cols = level_cells(map.shape.n_key, level);
    for (std::int64_t tile_row = 0; tile_row * tile_side < rows; ++tile_row)
      for (std::int64_t tile_col = 0; tile_col * tile_side < cols; ++tile_col) {
        const auto tile = pool_tile(map.shape, {level, tile_row, tile_col}, map.reader(), {}, {});
        ASSERT_TRUE(tile.ok()) << tile.error().to_string();
        ASSERT_EQ(tile->rows, std::min(tile_side, rows - tile_row * tile_side));
        ASSERT_EQ(tile->cols, std::min(tile_side, cols - tile_col * tile_side));
        for (std::int64_t r = 0; r < tile->rows; r += 7)
          for (std::int64_t c = 0; c < tile->cols; c += 5) {
            const Pooled expected = brute_force(map, level, tile_row * tile_side + r, tile_col * tile_side + c);
            const std::string where =
                "level " + std::to_string(level) + " at " + std::to_string(r) + ", " + std::to_string(c);
            expect_same(tile->at(r, c, Pooling::max), expected.max, where);
            expect_same(tile->at(r, c, Pooling::mean), expected.mean, where);
          }
      }
  }
}

TEST(MapTiles, PyramidIsTheBruteForcePyramid) {
  Full map(1300, 1300, 1);
  EXPECT_EQ(level_count(map.shape), 4); // 1300, 650, 325, 163
  expect_pyramid(map);
}

TEST(MapTiles, MoreKeysThanQueries) {
  Full map(300, 517, 2);
  expect_pyramid(map);
}

TEST(MapTiles, WhatIsNotMeasuredStaysSo) {
  Full map(600, 600, 3);
  for (std::int64_t k = 0; k < 600; ++k)
    map.at(401, k) = std::numeric_limits<float>::quiet_NaN(); // one row of a pooled pair
  for (std::int64_t q = 128; q < 160; ++q)
    for (std::int64_t k = 32; k < 64; ++k)
      map.at(q, k) = std::numeric_limits<float>::quiet_NaN(); // whole pooled cells
  expect_pyramid(map);
}

TEST(MapTiles, HighestLeavesOutWhatIsMasked) {
  Full map(300, 300, 4);
  map.at(250, 10) = 5.0F;
  const auto tile = pool_tile(map.shape, {1, 0, 0}, map.reader(), {}, {});
  ASSERT_TRUE(tile.ok());
  EXPECT_FLOAT_EQ(tile->highest_max, 5.0F);
  EXPECT_LT(tile->highest_mean, 3.0F);
}

// A map of 10^10 weights: only a block and a tile are held at once.
TEST(MapTiles, ReadsBlocksOfAMegabyteHoweverLargeTheTile) {
  const MapShape shape{100000, 100000};
  std::size_t largest = 0;
  std::int64_t read = 0;
  const ReadBlock reader = [&](const Block& block, std::span<float> out) -> Status {
    largest = std::max(largest, out.size());
    read += block.rows() * block.cols();
    std::fill(out.begin(), out.end(), 0.5F);
    return {};
  };
  const auto tile = pool_tile(shape, {4, 0, 0}, reader, {}, {}); // 4,096 x 4,096 weights
  ASSERT_TRUE(tile.ok());
  EXPECT_LE(largest * sizeof(float), std::size_t{1} << 20);
  EXPECT_LT(read, 4096 * 4096 * 2 / 3) << "blocks above the diagonal are not read";
}

TEST(MapTiles, CancelAndErrorsComeThrough) {
  RunControl control;
  control.cancel.cancel();
  Full map(300, 300, 5);
  EXPECT_EQ(pool_tile(map.shape, {}, map.reader(), control, {}).error().code, ErrorCode::cancelled);
  const ReadBlock broken = [](const Block&, std::span<float>) -> Status {
    return make_error(ErrorCode::corrupt, "is broken", "x.h5");
  };
  EXPECT_EQ(pool_tile(map.shape, {}, broken, {}, {}).error().file, "x.h5");
}

TEST(UnitMass, IsTheMeanOverQueriesOfTheSumOverKeys) {
  Full map(700, 700, 6);
  const std::vector<std::int64_t> begins = {0, 1, 5, 300, 301, 650};
  const auto mass = sum_units(map.shape, begins, map.reader(), {});
  ASSERT_TRUE(mass.ok()) << mass.error().to_string();
  for (std::size_t i = 0; i < begins.size(); ++i)
    for (std::size_t j = 0; j < begins.size(); ++j) {
      const auto end = [&](std::size_t u) { return u + 1 < begins.size() ? begins[u + 1] : std::int64_t{700}; };
      double sum = 0.0;
      for (std::int64_t q = begins[i]; q < end(i); ++q)
        for (std::int64_t k = begins[j]; k < std::min(end(j), q + 1); ++k)
          sum += static_cast<double>(map.at(q, k));
      const double expected =
          j > i ? static_cast<double>(masked_weight) : sum / static_cast<double>(end(i) - begins[i]);
      EXPECT_NEAR(mass->values[i * begins.size() + j], expected, 1e-4 * std::max(1.0, expected)) << i << ", " << j;
    }
}

TEST(UnitMass, RefusesWhatIsNoDivision) {
  Full map(10, 10, 7);
  for (const auto& begins : std::vector<std::vector<std::int64_t>>{{}, {1}, {0, 3, 3}, {0, 10}})
    EXPECT_EQ(sum_units(map.shape, begins, map.reader(), {}).error().code, ErrorCode::invalid_argument);
  Full wide(5, 10, 8);
  EXPECT_EQ(sum_units(wide.shape, {0}, wide.reader(), {}).error().code, ErrorCode::unsupported);
}

// ---- Texts

std::vector<TokenInfo> tokens_of(const std::vector<std::string>& texts) {
  std::vector<TokenInfo> tokens;
  for (const std::string& text : texts)
    tokens.push_back({0, text, text, false});
  return tokens;
}

// Makes one token per byte, so that borders are where the text alone puts them.
std::vector<TokenInfo> bytes_of(const std::string& text) {
  std::vector<TokenInfo> tokens;
  for (const char c : text)
    tokens.push_back({0, std::string(1, c), std::string(1, c), false});
  return tokens;
}

std::vector<std::string> texts_of(const std::vector<TokenInfo>& tokens, UnitLevel level) {
  UnitList list(unit_begins(tokens, false));
  list.show(level);
  std::vector<std::string> texts;
  for (const Unit& unit : list.units()) {
    std::string text;
    for (std::int64_t i = unit.begin; i < unit.end; ++i)
      text += tokens[static_cast<std::size_t>(i)].text;
    texts.push_back(text);
  }
  return texts;
}

using Texts = std::vector<std::string>;

TEST(TextUnits, WordsSentencesParagraphsSections) {
  const auto tokens = bytes_of("One two. \"Three?\" Four!\nfive\n\nSix.\n\n\nSeven\n# Head\nEight");
  EXPECT_EQ(texts_of(tokens, UnitLevel::word), (Texts{"One", " two.", " \"Three?\"", " Four!\n", "five\n\n",
                                                      "Six.\n\n\n", "Seven\n", "#", " Head\n", "Eight"}));
  EXPECT_EQ(texts_of(tokens, UnitLevel::sentence),
            (Texts{"One two.", " \"Three?\"", " Four!\n", "five\n\n", "Six.\n\n\n", "Seven\n", "# Head\n", "Eight"}));
  EXPECT_EQ(texts_of(tokens, UnitLevel::paragraph),
            (Texts{"One two. \"Three?\" Four!\nfive\n\n", "Six.\n\n\n", "Seven\n", "# Head\n", "Eight"}));
  EXPECT_EQ(texts_of(tokens, UnitLevel::section),
            (Texts{"One two. \"Three?\" Four!\nfive\n\nSix.\n\n\n", "Seven\n", "# Head\nEight"}));
}

TEST(TextUnits, CarriageReturns) {
  const auto tokens = bytes_of("One.\r\nTwo.\r\n\r\nThree.\r\n\r\n\r\nFour");
  EXPECT_EQ(texts_of(tokens, UnitLevel::paragraph), (Texts{"One.\r\nTwo.\r\n\r\n", "Three.\r\n\r\n\r\n", "Four"}));
  EXPECT_EQ(texts_of(tokens, UnitLevel::section), (Texts{"One.\r\nTwo.\r\n\r\nThree.\r\n\r\n\r\n", "Four"}));
  EXPECT_EQ(texts_of(bytes_of("a\r\rb"), UnitLevel::paragraph), (Texts{"a\r\r", "b"}));
}

TEST(TextUnits, WideScripts) {
  EXPECT_EQ(texts_of(tokens_of({"今日", "は。", "元気", "？", "はい"}), UnitLevel::sentence),
            (Texts{"今日は。", "元気？", "はい"}));
  EXPECT_EQ(texts_of(tokens_of({"「はい。", "」", "と"}), UnitLevel::sentence), (Texts{"「はい。」", "と"}));
}

// A token that holds a border, one that is only white space, one that is a part of a character.
TEST(TextUnits, TokensAcrossBorders) {
  EXPECT_EQ(texts_of(tokens_of({"Stop", ". ", "Go", "."}), UnitLevel::sentence), (Texts{"Stop. ", "Go."}));
  EXPECT_EQ(texts_of(tokens_of({"Stop", ".", " Go", " on"}), UnitLevel::sentence), (Texts{"Stop.", " Go on"}));
  EXPECT_EQ(texts_of(tokens_of({"a", " ", " b"}), UnitLevel::word), (Texts{"a", "  b"}));
  EXPECT_EQ(texts_of(tokens_of({"x", " \xF0\x9F", "\x98\x80", " y"}), UnitLevel::word),
            (Texts{"x", " \xF0\x9F\x98\x80", " y"}));
}

TEST(TextUnits, SpecialTokensStandAlone) {
  auto tokens = tokens_of({"<bos>", "Hello", " there.", "<end>", "Yes"});
  tokens[0].special = tokens[3].special = true;
  EXPECT_EQ(texts_of(tokens, UnitLevel::section), (Texts{"<bos>", "Hello there.<end>Yes"}));
  EXPECT_EQ(texts_of(tokens, UnitLevel::word), (Texts{"<bos>", "Hello", " there.", "<end>", "Yes"}));
  EXPECT_EQ(texts_of(tokens_of({"<|begin|>", "Hi"}), UnitLevel::section), (Texts{"<|begin|>", "Hi"}));
}

TEST(TextUnits, TheFirstTokenApart) {
  const auto begins = unit_begins(tokens_of({"When", " Mary"}), true);
  EXPECT_EQ(begins, (std::vector<UnitLevel>{UnitLevel::section, UnitLevel::section}));
}

// Whatever the text: every level covers all tokens in order, and each unit lies within one of the next level.
TEST(TextUnits, NestedAndCoveringForAnyBytes) {
  const std::vector<std::string> pieces = {" ",    "\n",   "\r\n", "a",    "B.",           "!",  "?\"",
                                           "# ",   "\n\n", "",     "\xF0", "\x9F\x98\x80", "。", "\t",
                                           "\xFF", "<",    ">",    "日本", "\u3000"};
  std::mt19937 random(9);
  for (int round = 0; round < 300; ++round) {
    std::vector<std::string> texts;
    for (std::size_t i = 0; i < 1 + random() % 40; ++i)
      texts.push_back(pieces[random() % pieces.size()] + pieces[random() % pieces.size()]);
    UnitList list(unit_begins(tokens_of(texts), round % 2 == 0));
    std::vector<std::int64_t> larger;
    for (int level = static_cast<int>(UnitLevel::section); level >= 0; --level) {
      list.show(static_cast<UnitLevel>(level));
      ASSERT_EQ(list.units().size(), list.count(static_cast<UnitLevel>(level)));
      std::int64_t covered = 0;
      for (const Unit& unit : list.units()) {
        ASSERT_EQ(unit.begin, covered);
        ASSERT_GT(unit.end, unit.begin);
        covered = unit.end;
      }
      ASSERT_EQ(covered, static_cast<std::int64_t>(texts.size()));
      const std::vector<std::int64_t> begins = list.begins();
      ASSERT_TRUE(std::includes(begins.begin(), begins.end(), larger.begin(), larger.end()));
      larger = begins;
    }
  }
}

TEST(UnitList, ExpandsInPlaceAndCollapsesAgain) {
  const auto tokens = bytes_of("Ab cd. Ef.\n\nGh");
  UnitList list(unit_begins(tokens, false));
  ASSERT_EQ(list.units().size(), 1U);
  ASSERT_TRUE(list.expand(0)); // the section has two paragraphs
  ASSERT_EQ(list.units().size(), 2U);
  ASSERT_TRUE(list.expand(0)); // of which the first has two sentences
  ASSERT_EQ(list.units().size(), 3U);
  EXPECT_EQ(list.units()[0], (Unit{0, 6, UnitLevel::sentence}));
  EXPECT_EQ(list.units()[2].level, UnitLevel::paragraph);
  ASSERT_TRUE(list.expand(2)); // one sentence of one word: its tokens at once
  ASSERT_EQ(list.units().size(), 4U);
  EXPECT_FALSE(list.expand(3)); // a token
  EXPECT_EQ(list.index_of(5), 0U);
  EXPECT_EQ(list.index_of(6), 1U);
  ASSERT_TRUE(list.collapse(1)); // the sentence: back to its paragraph
  ASSERT_EQ(list.units().size(), 3U);
  EXPECT_EQ(list.units()[0], (Unit{0, 12, UnitLevel::paragraph}));
  ASSERT_TRUE(list.collapse(1)); // a token: its word
  EXPECT_EQ(list.units()[1].end, 14);
  ASSERT_TRUE(list.collapse(0));
  ASSERT_EQ(list.units().size(), 1U);
  EXPECT_FALSE(list.collapse(0));
}

} // namespace
} // namespace headscope::gui
