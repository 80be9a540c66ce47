// SPDX-License-Identifier: GPL-3.0-or-later
// Rows that enter at later layers of a run, with activations of an earlier run or as copies of its own rows, get the
// same values as in a run of their own.
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

  RowGroup::Residual residual(int layer, bool with_z) const {
    RowGroup::Residual out{*clean_.cache.get({HookPoint::resid_pre, layer})};
    if (with_z) out.z = *clean_.cache.get({HookPoint::z, layer});
    return out;
  }

  // A run whose row `layer` enters at that layer and has head 1 of it changed.
  RunRequest joined(const Intervention& change, bool with_z, LogitRows logits) const {
    RunRequest request;
    request.batch.tokens = whole_.batch.tokens.repeat({layers(), 1});
    request.until = logits;
    for (int layer = 0; layer < layers(); ++layer) {
      request.rows.push_back(RowGroup::from_residual(layer, residual(layer, with_z)));
      request.interventions.push_back(change);
      request.interventions.back().site.layer = layer;
      request.interventions.back().row = layer;
    }
    return request;
  }

  // The same as copies of row 0, which is the prompt itself: row `layer` + 1 is copied at that layer.
  RunRequest copied(const Intervention& change, bool at_z, LogitRows logits) const {
    RunRequest request;
    request.batch.tokens = whole_.batch.tokens.repeat({layers() + 1, 1});
    request.until = logits;
    request.rows = {RowGroup::from_tokens()};
    for (int layer = 0; layer < layers(); ++layer) {
      request.rows.push_back(RowGroup::copies(layer, {0}, at_z));
      request.interventions.push_back(change);
      request.interventions.back().site.layer = layer;
      request.interventions.back().row = layer + 1;
    }
    return request;
  }

  // The prompt with head 1 of that layer changed, in a run of its own.
  RunRequest alone(const Intervention& change, int layer, RunEnd until) const {
    RunRequest request;
    request.batch = whole_.batch;
    request.until = until;
    request.interventions = {change};
    request.interventions[0].site.layer = layer;
    return request;
  }

  // The field that a run's error names.
  std::string error_of(const RunRequest& request) const {
    const auto result = engine_.run(request);
    return result.ok() ? "none" : result.error().field;
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
        const auto expected = engine_.run(alone(change, layer, logits));
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

// Runs the prompt itself, a residual of an earlier run, and copies of either at z and before, in one run.
TEST_P(Joins, RowsOfAllKindsTravelTogether) {
  const int last = layers() - 1;
  const Intervention zero{.site = {HookPoint::z, last}, .head = 1};
  const at::Tensor changed = engine_.run(alone(zero, last, LogitRows::all))->logits[0];
  EXPECT_GT(max_error(changed, clean_.logits[0]), 1e-4);
  for (const bool at_z : {false, true}) {
    RunRequest request;
    request.batch.tokens = whole_.batch.tokens.repeat({4, 1});
    request.rows = {RowGroup::from_tokens(), RowGroup::from_residual(0, residual(0, at_z)),
                    RowGroup::copies(last, {1, 0}, at_z)};
    for (const int row : {2, 3}) {
      request.interventions.push_back(zero);
      request.interventions.back().row = row;
    }
    const auto together = engine_.run(request);
    ASSERT_TRUE(together.ok()) << together.error().to_string();
    for (int row = 0; row < 4; ++row)
      EXPECT_LT(max_error(together->logits[row], row < 2 ? clean_.logits[0] : changed), 2e-5) << row;
  }
}

// Compares their residuals, where the run ends before a layer.
TEST_P(Joins, EndBeforeALayer) {
  const Intervention zero{.site = {HookPoint::z, 0}, .head = 1};
  RunRequest request = copied(zero, true, LogitRows::all);
  request.until = BeforeLayer{layers()};
  const auto together = engine_.run(request);
  ASSERT_TRUE(together.ok()) << together.error().to_string();
  EXPECT_FALSE(together->logits.defined());
  for (int layer = 0; layer < layers(); ++layer)
    EXPECT_LT(max_error(together->resid[layer + 1], engine_.run(alone(zero, layer, request.until))->resid[0]), 2e-5);
}

// Tokens of rows that do not enter from them have no meaning.
TEST_P(Joins, TokensOfOtherRowsAreShapeOnly) {
  const Intervention zero{.site = {HookPoint::z, 0}, .head = 1};
  RunRequest request = copied(zero, true, LogitRows::all);
  const auto expected = engine_.run(request);
  request.batch.tokens.slice(0, 1).fill_(-1);
  const auto result = engine_.run(request);
  ASSERT_TRUE(result.ok()) << result.error().to_string();
  EXPECT_EQ(max_error(result->logits, expected->logits), 0.0);
  request.batch.tokens.fill_(-1);
  EXPECT_EQ(error_of(request), "tokens");
}

TEST_P(Joins, SaysWhatDoesNotGoTogether) {
  const auto error_with = [&](const auto& change) {
    RunRequest bad = joined({.site = {HookPoint::z, 0}, .head = 1}, true, LogitRows::last);
    change(bad);
    return error_of(bad);
  };
  const std::string last = "rows[" + std::to_string(layers() - 1) + "]";
  const RowGroup::Residual from = residual(0, true);
  EXPECT_EQ(error_with([](RunRequest&) {}), "none");
  EXPECT_EQ(error_with([](RunRequest& r) { r.rows.pop_back(); }), "rows"); // a row of tokens too many
  EXPECT_EQ(error_with([&](RunRequest& r) { r.rows.back() = RowGroup::from_residual(0, from); }), last);
  EXPECT_EQ(error_with([&](RunRequest& r) { r.rows.back() = RowGroup::from_residual(100, from); }), last);
  EXPECT_EQ(error_with([&](RunRequest& r) { r.rows.front() = RowGroup::from_residual(-1, from); }), "rows[0]");
  EXPECT_EQ(error_with([&](RunRequest& r) {
              r.rows.back() = RowGroup::from_residual(layers() - 1, {from.resid, from.z.narrow(1, 0, 2)});
            }),
            last + ".z");
  EXPECT_EQ(error_with([&](RunRequest& r) {
              r.rows.back() = RowGroup::from_residual(layers() - 1, from.resid.narrow(1, 0, 2));
            }),
            last + ".resid");
  EXPECT_EQ(error_with([](RunRequest& r) { r.rows.front() = RowGroup::copies(0, {0}); }), "rows[0]");
  EXPECT_EQ(error_with([&](RunRequest& r) { // a row that no other group has
              r.rows.back() = RowGroup::from_tokens();
              r.batch.tokens = r.batch.tokens.slice(0, 1);
            }),
            last);
  EXPECT_EQ(error_with([&](RunRequest& r) { r.until = BeforeLayer{layers() - 1}; }), last);
  EXPECT_EQ(error_with([&](RunRequest& r) { r.until = BeforeLayer{layers() + 1}; }), "until");
  EXPECT_EQ(error_with([](RunRequest& r) { r.until = BeforeLayer{-1}; }), "until");
  EXPECT_EQ(error_with([&](RunRequest& r) { r.batch.left_pad.assign(static_cast<std::size_t>(layers()), 1); }), "rows");
  KvCache cache;
  EXPECT_EQ(error_with([&](RunRequest& r) { r.past = KvPast::append_to(cache); }), "rows");
  EXPECT_EQ(error_with([&](RunRequest& r) { r.past = KvPast::read(&cache); }), "rows");
  AttentionObserver observer;
  EXPECT_EQ(error_with([&](RunRequest& r) { r.observer = &observer; }), "rows");
  // Refused: before the row enters, and at points that the row skips.
  EXPECT_EQ(error_with([](RunRequest& r) { r.interventions.back().site.layer = 0; }), "blocks.0.attn.hook_z");
  EXPECT_EQ(error_with([](RunRequest& r) { r.interventions.back().site = {HookPoint::q, 1}; }), "blocks.1.attn.hook_q");
}

// Uses shorter rows, and several copies of each at a layer.
TEST_P(Joins, CopiesArePaddedAsTheirRows) {
  const int layer = layers() - 1;
  const at::Tensor tokens = whole_.batch.tokens;
  const std::int64_t length = tokens.size(1);
  RunRequest request;
  request.batch.tokens = tokens.repeat({5, 1});
  request.batch.right_pad = {0, 2, 2, 0, 2};
  request.until = LogitRows::last;
  request.rows = {RowGroup::from_tokens(), RowGroup::copies(layer, {1, 0, 1}, true)};
  for (int row = 2; row < 5; ++row)
    request.interventions.push_back({.site = {HookPoint::z, layer}, .head = row == 4 ? 0 : 1, .row = row});
  const auto together = engine_.run(request);
  ASSERT_TRUE(together.ok()) << together.error().to_string();
  for (int row = 0; row < 5; ++row) {
    RunRequest alone;
    alone.batch.tokens = tokens.narrow(1, 0, length - request.batch.right_pad[static_cast<std::size_t>(row)]);
    alone.until = LogitRows::last;
    if (row >= 2) {
      alone.interventions = {request.interventions[static_cast<std::size_t>(row - 2)]};
      alone.interventions[0].row.reset();
    }
    EXPECT_LT(max_error(together->logits[row], engine_.run(alone)->logits[0]), 2e-5) << row;
  }
}

TEST_P(Joins, SaysWhichCopiesCannotBe) {
  const auto error_with = [&](const auto& change) {
    RunRequest bad = copied({.site = {HookPoint::z, 0}, .head = 1}, true, LogitRows::last);
    change(bad);
    return error_of(bad);
  };
  const std::string last = "rows[" + std::to_string(layers()) + "]";
  const auto copy = [](int layer, std::vector<std::int64_t> of) {
    return RowGroup::copies(layer, std::move(of), true);
  };
  EXPECT_EQ(error_with([](RunRequest&) {}), "none");
  EXPECT_EQ(error_with([&](RunRequest& r) { r.rows.back() = copy(layers() - 1, {99}); }), last);
  EXPECT_EQ(error_with([&](RunRequest& r) { r.rows.back() = copy(layers() - 1, {-1}); }), last);
  EXPECT_EQ(error_with([&](RunRequest& r) { r.rows[1] = copy(0, {1}); }), "rows[1]"); // itself
  EXPECT_EQ(error_with([&](RunRequest& r) { r.rows.back() = copy(0, {0}); }), last);
  EXPECT_EQ(error_with([&](RunRequest& r) { r.rows.back() = copy(100, {0}); }), last);
  EXPECT_EQ(error_with([&](RunRequest& r) { // no row from tokens is left
              r.rows.back() = copy(layers() - 1, std::vector<std::int64_t>(99, 0));
            }),
            "rows");
  EXPECT_EQ(error_with([&](RunRequest& r) { r.until = BeforeLayer{layers() - 1}; }), last);
  EXPECT_EQ(error_with([](RunRequest& r) {
              r.batch.right_pad.assign(static_cast<std::size_t>(r.batch.tokens.size(0)), 0);
              r.batch.right_pad.back() = 1;
            }),
            last);
  EXPECT_EQ(error_with([](RunRequest& r) { r.interventions.back().site.layer = 0; }), "blocks.0.attn.hook_z");
  EXPECT_EQ(error_with([](RunRequest& r) { r.interventions.back().site = {HookPoint::q, 1}; }), "blocks.1.attn.hook_q");
}

INSTANTIATE_TEST_SUITE_P(Architectures, Joins,
                         testing::Values("gpt2", "gpt_neox", "llama", "llama_dynamic", "gemma2", "gemma3", "opt"),
                         [](const auto& test) { return test.param; });

} // namespace
} // namespace headscope
