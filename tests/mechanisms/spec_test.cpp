// SPDX-License-Identifier: GPL-3.0-or-later
// How mechanisms and plans are written, and what is said of mistakes.
#include "tests/mechanisms/heads.h"

namespace headscope::mechanisms {
namespace {

ModelConfig small() {
  ModelConfig config;
  config.n_layers = 6;
  config.n_heads = 4;
  config.n_kv_heads = 2;
  return config;
}

std::string field_of(const std::string& spec) {
  const auto plan = AttentionPlan::parse(spec, small(), MechanismList::built_in());
  if (plan.ok()) return "none";
  EXPECT_NE(plan.error().message.find(spec.substr(0, spec.find(';'))), std::string::npos) << plan.error().message;
  return plan.error().field;
}

std::vector<std::int64_t> heads_at(const AttentionPlan& plan, int layer) {
  return plan.parts(layer).empty() ? std::vector<std::int64_t>{} : plan.parts(layer).front().heads;
}

TEST(Specs, NameHeads) {
  using List = std::vector<std::int64_t>;
  const auto all = plan_of("hip:k=64,window=32", small());
  EXPECT_EQ(heads_at(*all, 5), (List{0, 1, 2, 3}));
  const auto layers = plan_of("window@layers=1-2,5", small());
  EXPECT_EQ(heads_at(*layers, 0), List{});
  EXPECT_EQ(heads_at(*layers, 2), (List{0, 1, 2, 3}));
  EXPECT_EQ(heads_at(*layers, 5), (List{0, 1, 2, 3}));
  const auto heads = plan_of("topk:k=8@heads=3.1,0.2-3", small());
  EXPECT_EQ(heads_at(*heads, 3), List{1});
  EXPECT_EQ(heads_at(*heads, 0), (List{2, 3}));
  const auto two = plan_of("window@layers=0;topk@heads=1.1", small());
  EXPECT_STREQ(two->parts(0).front().info->id, "window");
  EXPECT_STREQ(two->parts(1).front().info->id, "topk");
  EXPECT_TRUE(plan_of("full", small())->needs(3).mechanism.empty());
}

TEST(Specs, SayWhatIsWrong) {
  EXPECT_EQ(field_of("hip:kk=3"), "kk");
  EXPECT_EQ(field_of("hip:k=3x"), "k");
  EXPECT_EQ(field_of("hip:k="), "k");
  EXPECT_EQ(field_of("hip:k=0"), "k");
  EXPECT_EQ(field_of("hip:k=4,k=5"), "k");
  EXPECT_EQ(field_of("hip:k=3"), "k"); // no multiple of block_k
  EXPECT_EQ(field_of("hip:window=8"), "window");
  EXPECT_EQ(field_of("hip:k=99999999999999999999"), "k");
  EXPECT_EQ(field_of("landmark:gate=soft"), "gate");
  EXPECT_EQ(field_of("longheads:chunks=2"), "chunks");
  EXPECT_EQ(field_of("window:"), "window");
  EXPECT_EQ(field_of("full:k=1"), "k");
  EXPECT_EQ(field_of("window@layers=6"), "heads");
  EXPECT_EQ(field_of("window@layers=1.2"), "layers");
  EXPECT_EQ(field_of("window@layers="), "layers");
  EXPECT_EQ(field_of("window@heads=1.9"), "heads");
  EXPECT_EQ(field_of("window@rows=1"), "");
  EXPECT_EQ(field_of("nothing"), "");
  EXPECT_EQ(field_of("boost:alpha=much"), "alpha");
  EXPECT_EQ(field_of("boost:alpha=inf"), "alpha");
  EXPECT_EQ(field_of("boost:spans=9-3"), "spans");
  EXPECT_EQ(field_of("act:beta=1.5"), "beta");
  EXPECT_EQ(field_of("act:theta=-0.1"), "theta");
  EXPECT_EQ(field_of("hyper:projections=17"), "projections");
  EXPECT_EQ(field_of("hyper:sample=65537"), "sample");
  EXPECT_EQ(field_of("boost:alpha=1e39"), "alpha"); // more than a float32 holds
  EXPECT_EQ(field_of("boost:beta=-1e39"), "beta");
  EXPECT_EQ(field_of("longheads:chunk=1099511627776"), "chunk");
  EXPECT_EQ(field_of("longheads:chunks=1099511627776"), "chunks");
  EXPECT_EQ(field_of("blocks"), "file");
  EXPECT_EQ(field_of("window@layers=1;topk@heads=1.1"), "heads");
}

TEST(Specs, EveryMechanismRunsAtItsDefaults) {
  const MechanismList list = MechanismList::built_in();
  for (const SharedDefinition& each : list.all()) {
    const auto parsed = parse_specs(each->info.id, MechanismList::built_in());
    // A mask has no default: it is in a file.
    EXPECT_EQ(parsed.ok(), std::string(each->info.id) != "blocks" && std::string(each->info.id) != "graph");
  }
  EXPECT_STREQ(list.all().front()->info.id, "full");
  EXPECT_EQ(ids_of("mine:x=1@heads=1.1;window@layers=2;topk"), (std::vector<std::string>{"mine", "window", "topk"}));
}

} // namespace
} // namespace headscope::mechanisms
