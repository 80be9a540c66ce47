// SPDX-License-Identifier: GPL-3.0-or-later
// The tokenizers of the two packaged models against transformers. Skipped where the files are not there.
#include <chrono>

#include "core/io/gguf.h"
#include "tests/text/golden.h"
#include "tests/timed.h"

namespace headscope::text {
namespace {

using Clock = std::chrono::steady_clock;

double milliseconds(Clock::time_point since) {
  return std::chrono::duration<double, std::milli>(Clock::now() - since).count();
}

// English text of the size asked for.
std::string prose(std::size_t bytes) {
  std::ifstream in(std::string(HEADSCOPE_SOURCE_DIR) + "/LICENSE");
  const std::string unit((std::istreambuf_iterator<char>(in)), {});
  std::string out;
  while (!unit.empty() && out.size() < bytes)
    out += unit;
  out.resize(bytes);
  return out;
}

std::unique_ptr<Tokenizer> load_real(const std::string& name, double limit_ms) {
  const std::string path = std::string(HEADSCOPE_SOURCE_DIR) + "/build/models/" + name;
  if (!std::filesystem::exists(path)) return nullptr;
  const auto file = GgufFile::open(path);
  if (!file.ok()) {
    ADD_FAILURE() << file.error().to_string();
    return nullptr;
  }
  const auto start = Clock::now();
  auto tokenizer = load_tokenizer_gguf(*file);
  const double took = milliseconds(start);
  if (!tokenizer.ok()) {
    ADD_FAILURE() << tokenizer.error().to_string();
    return nullptr;
  }
  if (test::timed()) { // the aim is the limit in Release; ten times it is a defect
    EXPECT_LT(took, limit_ms * 10);
  }
  std::printf("[ MEASURED ] %s: tokenizer made in %.0f ms\n", name.c_str(), took);
  return *std::move(tokenizer);
}

void expect_speed(const Tokenizer& tokenizer) {
  const std::string text = prose(std::size_t{1} << 20);
  const auto start = Clock::now();
  const Ids ids = encode(tokenizer, text);
  const double took = milliseconds(start);
  if (test::timed()) {
    EXPECT_LT(took, 2000.0);
  }
  EXPECT_EQ(tokenizer.decode(ids, true), text);
  std::printf("[ MEASURED ] 1 MiB of English: %zu tokens, %.1f MB/s\n", ids.size(),
              static_cast<double>(text.size()) / 1e3 / took);
}

TEST(RealGguf, SmolLm2EqualsTransformers) {
  const auto tokenizer = load_real("SmolLM2-135M-Instruct.Q4_1.gguf", 150);
  if (!tokenizer) GTEST_SKIP() << "build/models has no SmolLM2";
  EXPECT_EQ(encode(*tokenizer, "The capital of France is"), (Ids{504, 3575, 282, 4649, 314}));
  const auto expected = golden("smollm2.json");
  expect_rows(*tokenizer, golden("texts.json"), expected["rows"]);
  expect_decodes(*tokenizer, expected["decodes"]);
  expect_invalid(*tokenizer, expected["invalid"]);
  EXPECT_EQ(tokenizer->vocab_size(), 49152);
  EXPECT_EQ(tokenizer->piece(4649), "ĠFrance");
  EXPECT_EQ(tokenizer->text(4649), " France");
  const auto conversations = golden("chat.json")["conversations"];
  EXPECT_EQ(expected["chat"].size(), 2 * conversations.size());
  for (const auto& row : expected["chat"]) {
    std::vector<ChatMessage> messages;
    for (const auto& message : conversations[row["conversation"].get<std::size_t>()])
      messages.push_back({message["role"], message["content"]});
    const auto chat = render_chat(*tokenizer, messages, row["prompt"].get<bool>());
    ASSERT_TRUE(chat.ok()) << chat.error().to_string();
    EXPECT_EQ(*chat, row["text"].get<std::string>());
    EXPECT_EQ(encode(*tokenizer, *chat, {.add_special = false}), row["ids"].get<Ids>()) << *chat;
  }
  expect_speed(*tokenizer);
}

TEST(RealGguf, Gemma3EqualsTransformers) {
  const auto tokenizer = load_real("gemma-3-270m-q4_k_m.gguf", 400);
  if (!tokenizer) GTEST_SKIP() << "build/models has no Gemma 3";
  const auto expected = golden("gemma3.json");
  expect_rows(*tokenizer, golden("texts.json"), expected["rows"]);
  expect_decodes(*tokenizer, expected["decodes"]);
  expect_invalid(*tokenizer, expected["invalid"]);
  EXPECT_EQ(tokenizer->vocab_size(), 262144);
  EXPECT_EQ(tokenizer->bos(), 2);
  expect_speed(*tokenizer);
}

} // namespace
} // namespace headscope::text
