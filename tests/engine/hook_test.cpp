// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/engine/hook.h"

#include "tests/engine/golden.h"

namespace headscope {
namespace {

TEST(HookNames, RoundTrip) {
  for (const char* model : {"llama", "gpt2", "gpt_neox", "attn_only"}) {
    const auto loaded = load_golden(model);
    const auto sites = hook_sites(loaded->config);
    EXPECT_GT(sites.size(), 20u);
    for (const HookSite& site : sites)
      EXPECT_EQ(*parse_hook_name(hook_name(site), loaded->config), site) << hook_name(site);
  }
}

TEST(HookNames, DependOnTheArchitecture) {
  EXPECT_FALSE(parse_hook_name("blocks.0.hook_resid_mid", load_golden("gpt_neox")->config).ok());
  EXPECT_TRUE(parse_hook_name("blocks.0.hook_resid_mid", load_golden("gpt_neox_serial")->config).ok());
  EXPECT_FALSE(parse_hook_name("blocks.0.hook_mlp_out", load_golden("attn_only")->config).ok());
  EXPECT_FALSE(parse_hook_name("hook_pos_embed", load_golden("llama")->config).ok());
  EXPECT_FALSE(parse_hook_name("blocks.0.mlp.hook_pre_linear", load_golden("gpt2")->config).ok());
}

TEST(HookNames, GlobsAndMisses) {
  const auto config = load_golden("llama")->config;
  EXPECT_EQ(match_hook_names("blocks.*.attn.hook_z", config)->size(), 2u);
  EXPECT_EQ(match_hook_names("blocks.[0-1].hook_resid_pre, ln_final.hook_scale", config)->size(), 3u);
  const auto missing = match_hook_names("blocks.*.attn.hook_z,blocks.0.attn.hook_w", config);
  ASSERT_FALSE(missing.ok());
  EXPECT_NE(missing.error().message.find("blocks.0.attn.hook_"), std::string::npos) << missing.error().message;
  EXPECT_FALSE(match_hook_names("", config).ok());
}

TEST(HookPoints, ShortNames) {
  for (const char* name : {"resid_pre", "z", "pattern", "mlp_out", "q", "result"})
    EXPECT_STREQ(short_name(*parse_hook_point(name)), name);
  EXPECT_FALSE(parse_hook_point("embed").ok()); // not of a block
}

} // namespace
} // namespace headscope
