// SPDX-License-Identifier: GPL-3.0-or-later
// Dynamic scaling takes a prompt's rotary base from that prompt's own length, as transformers does for it alone,
// whatever runs beside it. (The parity tests check the numbers of a single prompt.)
#include "core/engine/generate.h"
#include "tests/engine/golden.h"

namespace headscope {
namespace {

class DynamicRotary : public testing::Test {
protected:
  DynamicRotary() : engine_(load_golden("llama_dynamic")) { // 12 positions, factor 4
    const at::Tensor tokens = read_golden("llama_dynamic").at("tokens").reshape({-1});
    for (const std::int64_t length : {18, 7, 15, 12})
      rows_.emplace_back(tokens.const_data_ptr<std::int64_t>(), tokens.const_data_ptr<std::int64_t>() + length);
  }
  at::Tensor logits(const TokenBatch& batch) const {
    RunRequest request;
    request.batch = batch;
    request.until = LogitRows::last;
    return engine_.run(request).value().logits;
  }
  Engine engine_;
  std::vector<std::vector<std::int64_t>> rows_;
};

TEST_F(DynamicRotary, RowsDoNotSeeTheirNeighbours) {
  for (const auto side : {TokenBatch::Side::left, TokenBatch::Side::right}) {
    const at::Tensor together = logits(TokenBatch::pad(rows_, side));
    for (std::size_t row = 0; row < rows_.size(); ++row)
      EXPECT_LT(max_error(together[static_cast<std::int64_t>(row)], logits(TokenBatch::single(rows_[row]))[0]), 2e-5)
          << row;
  }
}

// A prompt whose last token is run as a decode step has the base of the whole prompt from its first token on.
TEST_F(DynamicRotary, AsADecodeStep) {
  for (const std::vector<std::int64_t>& row : rows_) {
    KvCache cache;
    RunRequest request;
    request.past = KvPast::append_to(cache, std::ssize(row));
    request.batch = TokenBatch::single({row.begin(), row.end() - 1});
    ASSERT_TRUE(engine_.run(request).ok());
    request.batch = TokenBatch::single({row.back()});
    request.until = LogitRows::last;
    EXPECT_LT(max_error(engine_.run(request).value().logits, logits(TokenBatch::single(row))), 2e-5) << row.size();
  }
}

TEST_F(DynamicRotary, GenerationSplitsThePromptWithoutChangingIt) {
  GenerateOptions options;
  options.max_new_tokens = 4;
  const auto whole = generate(engine_, rows_[0], options);
  options.last_prompt_token_decodes = true;
  const auto split = generate(engine_, rows_[0], options);
  ASSERT_TRUE(whole.ok() && split.ok());
  EXPECT_EQ(whole->tokens, split->tokens);
}

} // namespace
} // namespace headscope
