// SPDX-License-Identifier: GPL-3.0-or-later
// Steered attention and scaled heads against transformers, on multi-head and grouped-query attention.
#include "tests/engine/golden.h"

namespace headscope {
namespace {

Intervention steer(int layer, std::int64_t head, std::vector<std::int64_t> keys, double share,
                   std::vector<std::int64_t> queries) {
  return {.site = {HookPoint::pattern, layer},
          .kind = InterventionKind::steer,
          .head = head,
          .positions = std::move(queries),
          .factor = share,
          .keys = std::move(keys)};
}

class Steering : public testing::TestWithParam<std::string> {
protected:
  // Logits at [begin, end) of every row.
  void check(const std::string& name, std::vector<Intervention> changes, std::int64_t begin, std::int64_t end) {
    RunRequest request;
    request.batch = batch_of(golden_.at("tokens"));
    const auto before = engine_.run(request);
    request.interventions = std::move(changes);
    const auto after = engine_.run(request);
    ASSERT_TRUE(after.ok()) << name << ": " << after.error().to_string();
    const auto at = [&](const at::Tensor& logits) { return logits.slice(1, begin, end).reshape_as(golden_.at(name)); };
    EXPECT_LT(max_error(at(after->logits), golden_.at(name)), 1e-4) << name;
    EXPECT_GT(max_error(at(before->logits), golden_.at(name)), 1e-3) << name << " changes nothing";
  }

  Engine engine_{load_golden(GetParam())};
  Tensors golden_ = read_golden("steering_" + GetParam());
};

TEST_P(Steering, EqualsTransformersWithChangedWeights) {
  check("steer_last", {steer(1, 2, {1, 4}, 1.0, {17})}, 17, 18);
  Intervention mixed = steer(0, 1, {2, 6}, 0.4, {8, 12});
  mixed.value = at::tensor({3.0, 1.0});
  check("mix_two_queries", {mixed}, 8, 13);
  check("all_queries", {steer(1, 3, {3, 7}, 0.7, {})}, 17, 18);
  check("two_heads_one_scaled",
        {steer(1, 0, {5}, 1.0, {17}),
         steer(1, 2, {5, 9}, 1.0, {17}),
         {.site = {HookPoint::z, 0}, .kind = InterventionKind::scale, .head = 3, .factor = 2.5}},
        17, 18);
}

// One token after the other from a cache must give what the whole prompt gives.
TEST_P(Steering, IsTheSameInDecodeSteps) {
  KvCache cache;
  RunRequest request;
  request.past = KvPast::append_to(cache);
  request.interventions = {steer(1, 2, {1, 4}, 1.0, {17})};
  const at::Tensor tokens = golden_.at("tokens");
  request.batch = batch_of(tokens.slice(1, 0, 17));
  ASSERT_TRUE(engine_.run(request).ok());
  request.batch = batch_of(tokens.slice(1, 17, 18));
  const auto last = engine_.run(request);
  ASSERT_TRUE(last.ok()) << last.error().to_string();
  EXPECT_LT(max_error(last->logits.select(1, 0), golden_.at("steer_last")), 1e-4);
}

INSTANTIATE_TEST_SUITE_P(Architectures, Steering, testing::Values("gpt2", "llama"),
                         [](const auto& test) { return test.param; });

TEST(SteeringErrors, SayWhatIsWrong) {
  const Engine engine(load_golden("llama"));
  const auto refused = [&](Intervention change) {
    RunRequest request;
    request.batch = TokenBatch::single({1, 2, 3});
    request.interventions = {std::move(change)};
    return engine.run(request).error().message;
  };
  EXPECT_NE(refused(steer(1, 2, {}, 1.0, {})).find("names no key"), std::string::npos);
  EXPECT_NE(refused(steer(1, 2, {0}, 1.5, {})).find("0 to 1"), std::string::npos);
  Intervention change = steer(1, 2, {0, 1}, 1.0, {});
  change.value = at::tensor({1.0});
  EXPECT_NE(refused(change).find("one weight a key"), std::string::npos);
  change.value = at::tensor({1.0, -1.0});
  EXPECT_NE(refused(change).find("positive"), std::string::npos);
  change.value = at::Tensor();
  change.site.point = HookPoint::z;
  EXPECT_NE(refused(change).find("hook_pattern"), std::string::npos);
}

} // namespace
} // namespace headscope
