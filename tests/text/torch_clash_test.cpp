// SPDX-License-Identifier: GPL-3.0-or-later
// SentencePiece (with protobuf-lite inside) works in a process that has libtorch_cpu.so (with protobuf inside).
#include <ATen/ops/ones.h>
#include <ATen/ops/sum.h>

#include "tests/text/golden.h"

namespace headscope::text {
namespace {

TEST(TorchAndSentencePiece, ShareAProcess) {
  EXPECT_EQ(at::ones({2, 3}).sum().item<float>(), 6.0F);
  for (const std::string kind : {"unigram", "bpe"}) {
    const auto tokenizer = load(golden_path("sentencepiece/" + kind + ".model"));
    ASSERT_TRUE(tokenizer);
    const auto expected = golden("sentencepiece/" + kind + ".json");
    for (const auto& row : expected["rows"]) {
      EXPECT_EQ(encode(*tokenizer, row["text"].get<std::string>()), row["ids"].get<Ids>());
    }
  }
  EXPECT_EQ(at::ones({4}).sum().item<float>(), 4.0F);
}

} // namespace
} // namespace headscope::text
