// SPDX-License-Identifier: GPL-3.0-or-later
// The block-mask language: each example in resources/attention has the matrix that the paper's words give, written out
// here by arithmetic on token numbers; and faulty files are refused with their place.
#include <array>

#include <ATen/ATen.h>
#include <gmock/gmock.h>

#include "core/mechanisms/block_mask.h"
#include "core/mechanisms/spec.h"
#include "tests/folder_test.h"

namespace headscope::mechanisms {
namespace {

using Expected = std::function<bool(std::int64_t layer, std::int64_t query, std::int64_t key)>;

struct Example {
  const char* file;
  std::int64_t tokens;
  Expected sees;
};

std::int64_t tnt_patch(std::int64_t word) { return (word - 5) / 8 / 4 * 2 + (word - 5) % 8 / 4; }

bool tnt(std::int64_t, std::int64_t q, std::int64_t k) {
  if (q < 5 || k < 5) return q < 5 && k < 5;
  return tnt_patch(q) == tnt_patch(k);
}

// 0: relation, 1 and 2: prompts, 3 and 4: shots.
std::int64_t cut_block(std::int64_t token) {
  return token < 8 ? 0 : token < 16 ? 1 : token < 24 ? 2 : token < 40 ? 3 : 4;
}

bool cut2next(std::int64_t, std::int64_t q, std::int64_t k) {
  constexpr std::array<std::array<bool, 5>, 5> sees = {{{true, false, false, true, true},
                                                        {false, true, false, true, false},
                                                        {false, false, true, false, true},
                                                        {true, true, false, true, true},
                                                        {true, false, true, true, true}}};
  return sees[static_cast<std::size_t>(cut_block(q))][static_cast<std::size_t>(cut_block(k))];
}

bool hgarn(std::int64_t, std::int64_t q, std::int64_t k) {
  const auto activity = [](std::int64_t token) { return token < 3 ? token : (token - 3) / 4; };
  return (q < 3 && k < 3) || activity(q) == activity(k);
}

const std::vector<Example> examples = {
    {"smith", 100,
     [](std::int64_t layer, std::int64_t q, std::int64_t k) {
       return q / 32 == k / 32 || (layer >= 6 && q % 32 == 0 && k % 32 == 0);
     }},
    {"tnt", 69, tnt},
    {"partcrafter", 64,
     [](std::int64_t layer, std::int64_t q, std::int64_t k) { return layer % 2 == 0 || q / 16 == k / 16; }},
    {"cut2next", 56, cut2next},
    {"sentences", 90,
     [](std::int64_t, std::int64_t q, std::int64_t k) {
       return (q % 12 == 0 && k % 12 == 0) || std::abs(q / 12 - k / 12) <= 1;
     }},
    {"hgarn", 15, hgarn}};

// Groups of queries with their runs see what the rules say, key by key, and every query is in one group.
void expect_groups_as_rules(const BlockMask& mask, std::int64_t layer, std::int64_t head, Range queries) {
  std::vector<bool> found(static_cast<std::size_t>(queries.count()));
  for (const QueryGroup& group : mask.groups(layer, head, queries))
    for (const std::int32_t query : group.queries) {
      ASSERT_FALSE(found[static_cast<std::size_t>(query)]);
      found[static_cast<std::size_t>(query)] = true;
      std::vector<bool> sees(static_cast<std::size_t>(queries.end));
      std::int32_t last = -1;
      for (const kernels::KeyRun& run : group.runs) {
        ASSERT_GT(run.begin, last); // ascending, and joined where they touch
        ASSERT_GT(run.end, run.begin);
        last = run.end;
        std::fill(sees.begin() + run.begin, sees.begin() + run.end, true);
      }
      for (std::int64_t key = 0; key < queries.end; ++key)
        ASSERT_EQ(sees[static_cast<std::size_t>(key)], mask.sees(layer, head, queries.begin + query, key))
            << "layer " << layer << ", head " << head << ": " << queries.begin + query << " sees " << key;
    }
  EXPECT_THAT(found, testing::Each(true));
}

class MaskExamples : public testing::TestWithParam<Example> {};

TEST_P(MaskExamples, AreTheMatricesOfTheirPapers) {
  const Example& example = GetParam();
  const auto mask = BlockMask::read(std::string(HEADSCOPE_RESOURCE_DIR) + "/attention/" + example.file + ".toml");
  ASSERT_TRUE(mask.ok()) << mask.error().to_string();
  for (std::int64_t layer = 0; layer < 9; ++layer) {
    const at::Tensor tile = mask->sees(layer, 0, {0, example.tokens}, at::kCPU);
    for (std::int64_t q = 0; q < example.tokens; ++q)
      for (std::int64_t k = 0; k < example.tokens; ++k) {
        const bool expected = example.sees(layer, q, k);
        ASSERT_EQ(mask->sees(layer, 0, q, k), expected) << "layer " << layer << ": " << q << " sees " << k;
        ASSERT_EQ(tile[q][k].item<bool>(), expected) << "layer " << layer << ": " << q << " sees " << k;
      }
    expect_groups_as_rules(*mask, layer, 0, {0, example.tokens});
  }
}

INSTANTIATE_TEST_SUITE_P(All, MaskExamples, testing::ValuesIn(examples),
                         [](const auto& chosen) { return std::string(chosen.param.file); });

class MaskFiles : public test::FolderTest {
protected:
  std::string error_of(const std::string& mechanism, const std::string& text) const {
    const auto parsed = parse_specs(mechanism + ":file=" + write("mask.toml", text), MechanismList::built_in());
    if (parsed.ok()) return "";
    EXPECT_EQ(parsed.error().file, (folder / "mask.toml").string()); // where the fault is
    EXPECT_EQ(parsed.error().field, "file");                         // of the option
    return parsed.error().to_string();
  }
};

TEST_F(MaskFiles, FirstRuleThatFitsWins) {
  EXPECT_EQ(error_of("blocks", "[[segments]]\nkind = 'a'\nevery = 4\n[[rules]]\nquery = 'a'\nkey = 'any'\nheads = [1]\n"
                               "sees = false\n[[rules]]\nquery = 'any'\nkey = 'a'\nwhich = 'other'\n"),
            "");
  const auto mask = BlockMask::read((folder / "mask.toml").string());
  ASSERT_TRUE(mask.ok());
  EXPECT_FALSE(mask->sees(0, 1, 9, 1)); // head 1 sees nothing
  EXPECT_TRUE(mask->sees(0, 0, 9, 5));  // "any" has number 0, and 5 lies in segment 1
  EXPECT_FALSE(mask->sees(0, 0, 9, 1));
}

TEST_F(MaskFiles, OfAnyRulesBecomeRuns) {
  const std::string kinds =
      "[[segments]]\nkind = 'a'\nevery = 4\nfrom = 3\n[[segments]]\nkind = 'b'\nspans = ['0-9+30-35', "
      "'11-12+20', '40-60']\n[[segments]]\nkind = 'c'\ngrid = { width = 6, rows = 2, columns = 3 }\n";
  for (const char* otherwise : {"hidden", "seen"})
    for (const char* which : {"any", "same", "previous", "other"})
      for (const char* within : {"", "within = 0\n", "within = 1\n", "within = 3\n"})
        for (const char* pair : {"query = 'a'\nkey = 'a'\n", "query = 'b'\nkey = 'a'\n", "query = 'any'\nkey = 'b'\n",
                                 "query = 'c'\nkey = 'any'\n", "query = 'c'\nkey = 'c'\n"}) {
          const std::string text =
              "otherwise = '" + std::string(otherwise) + "'\n" + kinds +
              "[[rules]]\nquery = 'b'\nkey = 'c'\nheads = [1]\nwhich = 'previous'\nsees = false\n" + "[[rules]]\n" +
              pair + "which = '" + which + "'\n" + within +
              "[[rules]]\nquery = 'c'\nkey = 'a'\nlayers = 'odd'\nsees = false\n";
          const auto mask = BlockMask::read(write("mask.toml", text));
          ASSERT_TRUE(mask.ok()) << mask.error().to_string();
          for (const std::int64_t head : {0, 1})
            expect_groups_as_rules(*mask, head, head, {head * 17, 66});
        }
}

// A chain of 1,500 nodes: adding a hop at a time to a table of all pairs would take hours.
TEST_F(MaskFiles, OfLargeGraphsTakeNoTime) {
  std::string text;
  for (int node = 0; node < 1500; ++node)
    text += "[[nodes]]\nname = 'n" + std::to_string(node) + "'\ntokens = '" + std::to_string(node) + "'\n" +
            (node > 0 ? "to = ['n" + std::to_string(node - 1) + "']\n" : "");
  EXPECT_TRUE(
      parse_specs("graph:hops=1000000000000,file=" + write("graph.toml", text), MechanismList::built_in()).ok());
}

TEST_F(MaskFiles, AreRefusedWithTheirPlace) {
  const std::string kind = "[[segments]]\nkind = 'a'\nevery = 4\n", rule = "[[rules]]\nquery = 'a'\nkey = 'a'\n";
  const std::vector<std::pair<std::string, std::string>> faults = {
      {"", "[[rules]]"},
      {kind, "[[rules]]"},
      {kind + "[[rules]]\nquery = 'b'\nkey = 'a'\n", "must be any or a, not 'b'"},
      {kind + rule + "which = 'next'\n", "must be any, same, previous or other, not 'next'"},
      {kind + rule + "layers = 'prime'\n", "even or odd"},
      {kind + rule + "layers = []\n", "must be a list"},
      {kind + rule + "heads = [-1]\n", "must be a list"},
      {kind + rule + "colour = 1\n", "colour"},
      {"[[segments]]\nkind = 'a'\n" + rule, "every, spans and grid"},
      {"[[segments]]\nkind = 'a'\nevery = 0\n" + rule, "at least 1"},
      {"[[segments]]\nkind = 'a'\nspans = ['9-3']\n" + rule, "must be positions"},
      {"[[segments]]\nkind = 'a'\ngrid = { rows = 2 }\n" + rule, "width"},
      {kind + kind + rule, "stands twice"},
      {"otherwise = 'maybe'\n" + kind + rule, "hidden or seen"},
      {"[[segments\n", "line 1"}};
  for (const auto& [text, message] : faults)
    EXPECT_THAT(error_of("blocks", text), testing::HasSubstr(message)) << text;
  for (const auto& [text, message] : faults)
    EXPECT_THAT(error_of("blocks", text), testing::HasSubstr("mask.toml")) << text;
  EXPECT_THAT(error_of("graph", "[[nodes]]\nname = 'a'\ntokens = '0-3'\nto = ['b']\n"),
              testing::HasSubstr("no node is called 'b'"));
  EXPECT_THAT(error_of("graph", "[[nodes]]\nname = 'a'\ntokens = 'x'\n"), testing::HasSubstr("must be positions"));
  EXPECT_THAT(error_of("graph", "x = 1\n"), testing::HasSubstr("mask.toml"));
  EXPECT_THAT(error_of("conv", "part,channel,w0,w1,w2\nz,0,0,0,1\n"), testing::HasSubstr("line 2"));
  EXPECT_THAT(error_of("conv", "part,channel,w0,w1,w2\nq,0,0,0\n"), testing::HasSubstr("line 2"));
  EXPECT_FALSE(parse_specs("blocks:file=/nowhere/mask.toml", MechanismList::built_in()).ok());
  EXPECT_FALSE(parse_specs("blocks", MechanismList::built_in()).ok());
}

} // namespace
} // namespace headscope::mechanisms
