// SPDX-License-Identifier: GPL-3.0-or-later
// Every task under the tokenizers of the packaged models, checked with the tokenizer itself.
#include <filesystem>

#include <gtest/gtest.h>

#include "core/io/checkpoint.h"
#include "core/prompts/tasks/task.h"

namespace headscope {
namespace {

struct Packaged {
  const char* file;
  bool bos;
};

void PrintTo(const Packaged& packaged, std::ostream* out) { *out << packaged.file; }

class TaskAlignment : public testing::TestWithParam<Packaged> {
protected:
  void SetUp() override {
    const std::string path = std::string(HEADSCOPE_SOURCE_DIR "/build/models/") + GetParam().file;
    if (!std::filesystem::exists(path)) GTEST_SKIP() << path << " is missing; run scripts/bootstrap";
    const auto checkpoint = Checkpoint::open(path);
    ASSERT_TRUE(checkpoint.ok()) << checkpoint.error().to_string();
    auto loaded = load_tokenizer_gguf(*checkpoint->gguf());
    ASSERT_TRUE(loaded.ok()) << loaded.error().to_string();
    tokenizer = std::move(loaded).value();
  }
  std::unique_ptr<Tokenizer> tokenizer;
};

std::size_t differences(const PatchPair& pair) {
  std::size_t count = 0;
  for (std::size_t i = 0; i < pair.clean.size(); ++i)
    count += pair.clean[i] != pair.corrupt[i] ? 1 : 0;
  return count;
}

std::size_t times(const std::string& text, const std::string& word) {
  std::size_t count = 0;
  for (std::size_t at = text.find(word); at != std::string::npos; at = text.find(word, at + 1))
    ++count;
  return count;
}

// How many tokens a corrupted prompt changes: hand-counted from the tasks' definitions, for words of one token.
std::size_t expected_differences(const std::string& name, const std::string& counterfactual,
                                 const TaskExample& example) {
  if (name == "graph") return times(example.clean, example.answer[0]) + times(example.clean, example.wrong[0]);
  if (name == "ioi") return counterfactual == "abc" ? 3 : 1;
  if (name == "greater_than") return 2; // both digits, or fewer where a digit is the same
  if (name == "docstring") return counterfactual == "def_doc" ? 6 : counterfactual == "def" ? 4 : 2;
  if (name == "colored_objects") return counterfactual == "object" ? 1 : 3;
  if (name == "multiple_choice") return counterfactual == "swap" ? 2 : 1;
  if (name == "successor") return 3;
  return 1;
}

TEST_P(TaskAlignment, EveryTaskAndCounterfactual) {
  for (const TaskKind& kind : task_kinds()) {
    for (const std::string_view counterfactual : kind.counterfactuals) {
      SCOPED_TRACE(std::string(kind.name) + " " + std::string(counterfactual));
      const TaskRequest request{std::string(kind.name), std::string(counterfactual), {}, 50, 11};
      const auto set = make_task(*tokenizer, request);
      ASSERT_TRUE(set.ok()) << set.error().to_string();
      ASSERT_EQ(set->cases.size(), 50u);
      EXPECT_LT(set->dropped.size(), 100u);
      std::size_t exact = 0;
      for (const TaskCase& each : set->cases) {
        SCOPED_TRACE(each.example.clean);
        const PatchPair& pair = each.tokens;
        ASSERT_EQ(pair.clean.size(), pair.corrupt.size());
        EXPECT_EQ(tokenizer->decode(pair.clean, true), each.example.clean);
        EXPECT_EQ(tokenizer->decode(pair.corrupt, true), each.example.corrupted);
        EXPECT_EQ(GetParam().bos, tokenizer->is_special(pair.clean.front()));
        EXPECT_EQ(pair.answers.answer.size(), each.example.answer.size());
        for (std::size_t i = 0; i < pair.answers.answer.size(); ++i)
          EXPECT_EQ(tokenizer->text(pair.answers.answer[i]), each.example.answer[i]);
        for (std::size_t i = 0; i < pair.answers.wrong.size(); ++i)
          EXPECT_EQ(tokenizer->text(pair.answers.wrong[i]), each.example.wrong[i]);
        exact += differences(pair) == expected_differences(request.name, request.counterfactual, each.example) ? 1 : 0;
      }
      EXPECT_GT(exact, 25u); // the rest: words of several tokens, and the digit or word that stays
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Models, TaskAlignment,
                         testing::Values(Packaged{"SmolLM2-135M-Instruct.Q4_1.gguf", false},
                                         Packaged{"gemma-3-270m-q4_k_m.gguf", true}),
                         [](const auto& each) { return std::string(each.index == 0 ? "SmolLM2" : "Gemma3"); });

} // namespace
} // namespace headscope
