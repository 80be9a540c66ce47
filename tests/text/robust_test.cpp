// SPDX-License-Identifier: GPL-3.0-or-later
// Long inputs stay linear, and one tokenizer serves many threads.
#include <atomic>
#include <chrono>
#include <functional>
#include <thread>

#include "tests/text/golden.h"
#include "tests/timed.h"

namespace headscope::text {
namespace {

double seconds(const std::function<void()>& work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

std::string repeat(std::string_view unit, std::size_t bytes) {
  std::string out;
  while (out.size() < bytes)
    out += unit;
  return out;
}

// Quadratic work on a megabyte would take minutes.
TEST(Robust, OneMegabyteOfOneThing) {
  for (const std::string name : {"gpt2", "llama3", "qwen2", "smollm", "llama2", "gemma", "unigram_bytes"}) {
    const auto tokenizer = load(golden_path(name));
    for (const std::string_view unit :
         {"a", " ", "\n", "1", "=", "\xE4\xBB\x8A", "\xF0\x9F\x98\x80", "\xCC\x81", "\xFF", "ab ", "<|im_", " \n"}) {
      const std::string text = repeat(unit, 1 << 20);
      Ids ids;
      const double took = seconds([&] { ids = encode(*tokenizer, text); });
      EXPECT_FALSE(ids.empty()) << name << " " << unit; // few, where a normalizer fuses the spaces
      if (test::timed()) {
        EXPECT_LT(took, 5.0) << name << " '" << unit << "'";
      }
    }
  }
}

TEST(Robust, ByteLevelDecodeGivesTheTextBack) {
  for (const std::string name : {"gpt2", "llama3", "smollm"}) {
    const auto tokenizer = load(golden_path(name));
    for (const auto& entry : golden("texts.json")) {
      const auto text = entry.get<std::string>();
      EXPECT_EQ(tokenizer->decode(encode(*tokenizer, text)), text) << name << entry;
    }
  }
}

TEST(Robust, ManyThreads) {
  for (const std::string name : {"llama3", "gemma", "unigram"}) {
    const auto tokenizer = load(golden_path(name));
    const auto texts = golden("texts.json");
    const auto rows = golden(name + "/golden.json")["rows"];
    std::atomic<int> wrong = 0;
    std::vector<std::thread> threads;
    for (std::size_t t = 0; t < 4; ++t) {
      threads.emplace_back([&, t] {
        for (std::size_t i = 0; i < texts.size(); ++i) {
          const std::size_t at = (i * 7 + t * 31) % texts.size();
          const auto ids = tokenizer->encode(texts[at].get<std::string>());
          if (!ids.ok() || *ids != rows[at]["ids"].get<Ids>()) ++wrong;
        }
      });
    }
    for (auto& thread : threads)
      thread.join();
    EXPECT_EQ(wrong, 0) << name;
  }
}

} // namespace
} // namespace headscope::text
