// SPDX-License-Identifier: GPL-3.0-or-later
// The ways to name activations, heads and positions.
#include "app/methods/activations/which.h"

#include "tests/engine/tiny_model.h"
#include <gtest/gtest.h>

namespace headscope::methods {
namespace {

using Names = std::vector<std::string>;

Names found(const Which& which, const char* family = "llama") {
  const auto wanted = wanted_sites(which, test::tiny_config(family));
  if (!wanted.ok()) return {"error", wanted.error().field};
  Names names;
  for (const WantedSite& one : *wanted) {
    std::string name = hook_name(one.site);
    for (const std::int64_t head : one.heads)
      name.append(" ").append(std::to_string(head));
    names.push_back(std::move(name));
  }
  return names;
}

TEST(WhichSites, ShortAndWholeNamesAndPatterns) {
  EXPECT_EQ(found({"resid_pre"}),
            (Names{"blocks.0.hook_resid_pre", "blocks.1.hook_resid_pre", "blocks.2.hook_resid_pre"}));
  for (const char* name : {"z", "hook_z", "attn.hook_z", "blocks.*.attn.hook_z"})
    EXPECT_EQ(found({name}), (Names{"blocks.0.attn.hook_z", "blocks.1.attn.hook_z", "blocks.2.attn.hook_z"})) << name;
  EXPECT_EQ(found({"mlp_post, blocks.1.hook_attn_out,hook_embed", "1"}),
            (Names{"hook_embed", "blocks.1.hook_attn_out", "blocks.1.mlp.hook_post"}));
  EXPECT_EQ(found({"hook_pre", "0"}), Names{"blocks.0.mlp.hook_pre"});
  // A short ending matches points in blocks; the final norm's points need their full name.
  EXPECT_EQ(found({"hook_normalized", "2"}), (Names{"blocks.2.ln1.hook_normalized", "blocks.2.ln2.hook_normalized"}));
  EXPECT_EQ(found({"ln_final.hook_normalized"}), Names{"ln_final.hook_normalized"});
  EXPECT_EQ(found({"resid_mid", "0,2"}), (Names{"blocks.0.hook_resid_mid", "blocks.2.hook_resid_mid"}));
}

TEST(WhichSites, Heads) {
  // Llama's K/V heads are shared by two heads each.
  EXPECT_EQ(found({"z,v,resid_pre", "all", "1.3,1.2,1.0"}),
            (Names{"blocks.0.hook_resid_pre", "blocks.1.hook_resid_pre", "blocks.1.attn.hook_v 1 0",
                   "blocks.1.attn.hook_z 3 2 0", "blocks.2.hook_resid_pre"}));
  EXPECT_EQ(found({"z", "0", "1.3"}), (Names{"error", "--heads"}));
  EXPECT_EQ(found({"z", "all", "1.9"}), (Names{"error", "--heads"}));
}

TEST(WhichSites, WhatIsNotThere) {
  EXPECT_EQ(found({"hook_w"}), (Names{"error", "--names"}));
  EXPECT_EQ(found({"resid_mid"}, "gpt_neox"), (Names{"error", "--names"}));
  EXPECT_EQ(found({""}), (Names{"error", "--names"}));
  EXPECT_EQ(found({"z", "7"}), (Names{"error", "--layers"}));
  EXPECT_EQ(found({"z", "1.3"}), (Names{"error", "--layers"}));
  EXPECT_EQ(found({"blocks.0.attn.hook_z", "1"}), (Names{"error", "--layers"}));
}

TEST(WhichSites, PairsOfPositionsAreForAnotherCommand) {
  for (const char* name : {"pattern", "attn_scores", "blocks.0.attn.hook_pattern"}) {
    const auto refused = wanted_sites({name}, test::tiny_config("llama"));
    ASSERT_FALSE(refused.ok());
    EXPECT_NE(refused.error().message.find("headscope attention"), std::string::npos);
  }
  for (const std::string& name : found({"blocks.0.attn.*"}))
    EXPECT_EQ(name.find("pattern"), std::string::npos);
}

using Places = std::vector<std::int64_t>;

Places places(const char* text, std::int64_t length) {
  const auto parts = parse_positions(text);
  if (!parts.ok()) return {-1};
  const auto found_places = positions_in(*parts, length, "prompt-0");
  return found_places.ok() ? *found_places : Places{-2};
}

TEST(WhichPositions, AsPythonHasThem) {
  EXPECT_EQ(places("all", 3), (Places{0, 1, 2}));
  EXPECT_EQ(places("last", 3), Places{2});
  EXPECT_EQ(places("-1,0", 3), (Places{2, 0}));
  EXPECT_EQ(places("1:", 3), (Places{1, 2}));
  EXPECT_EQ(places(":-1", 3), (Places{0, 1}));
  EXPECT_EQ(places("-5:2", 3), (Places{0, 1}));
  EXPECT_EQ(places("5:", 3), Places{});
  EXPECT_EQ(places("2:1", 3), Places{});
  EXPECT_EQ(places("3", 3), Places{-2});
  EXPECT_EQ(places("-4", 3), Places{-2});
  for (const char* text : {"", "first", "1:2:3", "1-2", "1.5"})
    EXPECT_EQ(places(text, 3), Places{-1}) << text;
}

} // namespace
} // namespace headscope::methods
