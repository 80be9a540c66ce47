// SPDX-License-Identifier: GPL-3.0-or-later
// Rows that come in at later layers of a run, with activations of an earlier one or as copies of its own rows, get what
// they would get in a run of their own.
#include <gtest/gtest.h>

#include "core/engine/engine.h"
#include "tests/engine/golden.h"

namespace headscope {
namespace {

class Joins : public testing::TestWithParam<std::string> {
protected:
  Joins() : engine_(load_golden(GetParam())) {
    whole_.batch = batch_of(read_golden(GetParam()).at("tokens").narrow(0, 0, 1));
    for (int layer = 0; layer < layers(); ++layer)
      for (const HookPoint point : {HookPoint::resid_pre, HookPoint::z})
        whole_.capture.push_back({point, layer});
    clean_ = *engine_.run(whole_);
  }

  int layers() const { return static_cast<int>(engine_.config().n_layers); }

  ResidualStart start(int layer, bool with_z) const {
    ResidualStart out{layer, *clean_.cache.get({HookPoint::resid_pre, layer})};
    if (with_z) out.z = *clean_.cache.get({HookPoint::z, layer});
    return out;
  }

  // A run whose row `layer` enters at that layer and has head 1 of it changed.
  RunRequest joined(const Intervention& change, bool with_z, LogitRows logits) const {
    RunRequest request;
    request.batch.tokens = whole_.batch.tokens.repeat({layers(), 1});
    request.logits = logits;
    for (int layer = 0; layer < layers(); ++layer) {
      if (layer == 0)
        request.start = start(layer, with_z);
      else
        request.joins.push_back(start(layer, with_z));
      request.interventions.push_back(change);
      request.interventions.back().site.layer = layer;
      request.interventions.back().row = layer;
    }
    return request;
  }

  // The same as copies of row 0, which is the prompt itself: row `layer` + 1 leaves it at that layer.
  RunRequest copied(const Intervention& change, bool at_z, LogitRows logits) const {
    RunRequest request;
    request.batch.tokens = whole_.batch.tokens.repeat({layers() + 1, 1});
    request.logits = logits;
    for (int layer = 0; layer < layers(); ++layer) {
      request.copies.push_back({layer, {0}, at_z});
      request.interventions.push_back(change);
      request.interventions.back().site.layer = layer;
      request.interventions.back().row = layer + 1;
    }
    return request;
  }

  void expect_rows_of_their_own(const Intervention& change, bool with_z) {
    for (const LogitRows logits : {LogitRows::all, LogitRows::last}) {
      const auto together = engine_.run(joined(change, with_z, logits));
      ASSERT_TRUE(together.ok()) << together.error().to_string();
      const auto copies = engine_.run(copied(change, with_z, logits));
      ASSERT_TRUE(copies.ok()) << copies.error().to_string();
      const at::Tensor clean = logits == LogitRows::all ? clean_.logits : clean_.logits.select(1, -1);
      EXPECT_LT(max_error(copies->logits[0], clean[0]), 2e-5);
      for (int layer = 0; layer < layers(); ++layer) {
        RunRequest alone;
        alone.batch = whole_.batch;
        alone.logits = logits;
        alone.interventions = {change};
        alone.interventions[0].site.layer = layer;
        const auto expected = engine_.run(alone);
        ASSERT_TRUE(expected.ok()) << expected.error().to_string();
        EXPECT_LT(max_error(together->logits[layer], expected->logits[0]), 2e-5) << layer;
        EXPECT_LT(max_error(copies->logits[layer + 1], expected->logits[0]), 2e-5) << layer;
        if (logits == LogitRows::all) {
          EXPECT_GT(max_error(expected->logits, clean_.logits), 1e-4) << layer;
        }
      }
    }
  }

  Engine engine_;
  RunRequest whole_;
  RunResult clean_;
};

TEST_P(Joins, WithAHeadTakenOut) {
  const Intervention zero{.site = {HookPoint::z, 0}, .head = 1};
  expect_rows_of_their_own(zero, true);
  expect_rows_of_their_own(zero, false);
}

TEST_P(Joins, WithAHeadThatAttendsEvenly) {
  expect_rows_of_their_own({.site = {HookPoint::pattern, 0}, .kind = InterventionKind::uniform, .head = 1}, false);
}

TEST_P(Joins, SaysWhatDoesNotGoTogether) {
  const Intervention zero{.site = {HookPoint::z, 0}, .head = 1};
  const auto error_of = [&](const auto& change) {
    RunRequest bad = joined(zero, true, LogitRows::last);
    change(bad);
    const auto result = engine_.run(bad);
    return result.ok() ? std::string("none") : result.error().field;
  };
  EXPECT_EQ(error_of([](RunRequest&) {}), "none");
  EXPECT_EQ(error_of([](RunRequest& r) { r.joins.pop_back(); }), "start.resid"); // a row of tokens too many
  EXPECT_EQ(error_of([](RunRequest& r) { r.joins.back().layer = 0; }), "joins");
  EXPECT_EQ(error_of([](RunRequest& r) { r.joins.back().layer = 100; }), "joins");
  EXPECT_EQ(error_of([](RunRequest& r) { r.joins.back().z = r.start->z.narrow(1, 0, 2); }), "joins.z");
  EXPECT_EQ(error_of([](RunRequest& r) { r.start.reset(); }), "joins");
  EXPECT_EQ(error_of([&](RunRequest& r) { r.stop_layer = layers(); }), "joins");
  EXPECT_EQ(error_of([&](RunRequest& r) { r.batch.left_pad.assign(static_cast<std::size_t>(layers()), 1); }), "joins");
  // Before its row is there, and at what the row leaves out.
  EXPECT_EQ(error_of([](RunRequest& r) { r.interventions.back().site.layer = 0; }), "blocks.0.attn.hook_z");
  EXPECT_EQ(error_of([](RunRequest& r) { r.interventions.back().site = {HookPoint::q, 1}; }), "blocks.1.attn.hook_q");
}

// Shorter rows, and several copies of each at a layer.
TEST_P(Joins, CopiesArePaddedAsTheirRows) {
  const int layer = layers() - 1;
  const at::Tensor tokens = whole_.batch.tokens;
  const std::int64_t length = tokens.size(1);
  RunRequest request;
  request.batch.tokens = tokens.repeat({5, 1});
  request.batch.right_pad = {0, 2, 2, 0, 2};
  request.logits = LogitRows::last;
  request.copies = {{layer, {1, 0, 1}, true}};
  for (int row = 2; row < 5; ++row)
    request.interventions.push_back({.site = {HookPoint::z, layer}, .head = row == 4 ? 0 : 1, .row = row});
  const auto together = engine_.run(request);
  ASSERT_TRUE(together.ok()) << together.error().to_string();
  for (int row = 0; row < 5; ++row) {
    RunRequest alone;
    alone.batch.tokens = tokens.narrow(1, 0, length - request.batch.right_pad[static_cast<std::size_t>(row)]);
    alone.logits = LogitRows::last;
    if (row >= 2) {
      alone.interventions = {request.interventions[static_cast<std::size_t>(row - 2)]};
      alone.interventions[0].row.reset();
    }
    EXPECT_LT(max_error(together->logits[row], engine_.run(alone)->logits[0]), 2e-5) << row;
  }
}

TEST_P(Joins, SaysWhichCopiesCannotBe) {
  const auto error_of = [&](const auto& change) {
    RunRequest bad = copied({.site = {HookPoint::z, 0}, .head = 1}, true, LogitRows::last);
    change(bad);
    const auto result = engine_.run(bad);
    return result.ok() ? std::string("none") : result.error().field;
  };
  EXPECT_EQ(error_of([](RunRequest&) {}), "none");
  EXPECT_EQ(error_of([](RunRequest& r) { r.copies.back().of = {99}; }), "copies");
  EXPECT_EQ(error_of([](RunRequest& r) { r.copies.front().of = {1}; }), "copies"); // itself
  EXPECT_EQ(error_of([](RunRequest& r) { r.copies.back().layer = 0; }), "copies");
  EXPECT_EQ(error_of([](RunRequest& r) { r.copies.back().layer = 100; }), "copies");
  EXPECT_EQ(error_of([](RunRequest& r) { r.copies.back().of.assign(99, 0); }), "copies"); // no row of its own is left
  EXPECT_EQ(error_of([&](RunRequest& r) { r.start = start(0, false); }), "copies");
  EXPECT_EQ(error_of([&](RunRequest& r) { r.stop_layer = layers(); }), "copies");
  EXPECT_EQ(error_of([](RunRequest& r) {
              r.batch.right_pad.assign(static_cast<std::size_t>(r.batch.tokens.size(0)), 0);
              r.batch.right_pad.back() = 1;
            }),
            "copies");
  EXPECT_EQ(error_of([](RunRequest& r) { r.interventions.back().site.layer = 0; }), "blocks.0.attn.hook_z");
  EXPECT_EQ(error_of([](RunRequest& r) { r.interventions.back().site = {HookPoint::q, 1}; }), "blocks.1.attn.hook_q");
}

INSTANTIATE_TEST_SUITE_P(Architectures, Joins,
                         testing::Values("gpt2", "gpt_neox", "llama", "llama_dynamic", "gemma2", "gemma3", "opt"),
                         [](const auto& test) { return test.param; });

} // namespace
} // namespace headscope
