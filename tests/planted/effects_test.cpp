// SPDX-License-Identifier: GPL-3.0-or-later
// What planted heads do, measured with the engine and no detector: what they attend to, and what they add to the
// logits.
#include <fstream>
#include <iterator>

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "core/engine/generate.h"
#include "core/prompts/haystack.h"
#include "core/prompts/tasks/ioi.h"
#include "tests/planted/evaluate.h"

namespace headscope::test {
namespace {

using Ids = std::vector<std::int64_t>;

// One prompt, seen at its last token.
class LastToken {
public:
  LastToken(const Engine& engine, const Ids& ids) : engine_(engine) {
    RunRequest request;
    request.batch = TokenBatch::single(ids);
    request.until = LogitRows::last;
    for (int layer = 0; layer < engine.config().n_layers; ++layer)
      for (const HookPoint point : {HookPoint::pattern, HookPoint::result})
        request.capture.push_back({point, layer});
    request.capture.push_back({HookPoint::final_scale, -1});
    run_ = expect_value(engine.run(request));
  }

  at::Tensor logits() const { return run_.logits[0]; }
  double attention(int layer, int head, std::int64_t key) const {
    return expect_value(run_.cache.get({HookPoint::pattern, layer}))[0][head][-1][key].item<double>();
  }
  at::Tensor result(int layer, int head) const {
    return expect_value(run_.cache.get({HookPoint::result, layer}))[0][-1][head];
  }
  // What the head adds to direction . logits, with the final norm's scale held fixed. `direction`: [d_vocab].
  double effect(int layer, int head, const at::Tensor& direction) const {
    const double scale = expect_value(run_.cache.get({HookPoint::final_scale, -1}))[0][-1][0].item<double>();
    const Model& model = engine_.model();
    return at::dot(at::matmul(model.weights.w_u, result(layer, head) * model.weights.ln_final.w), direction)
               .item<double>() /
           scale;
  }

private:
  const Engine& engine_;
  RunResult run_;
};

class PlantedEffects : public testing::TestWithParam<std::uint64_t> {
protected:
  static plant::PlantOptions options() {
    plant::PlantOptions options;
    options.seed = GetParam();
    options.noise = 0.1;
    return options;
  }

  void SetUp() override { at::set_num_threads(1); }

  Ids encode(const std::string& text) const { return expect_value(tokenizer().encode(text)); }
  std::int64_t token(const std::string& text) const {
    const Ids ids = expect_value(tokenizer().encode(text, {false, false}));
    if (ids.size() != 1) throw std::runtime_error("'" + text + "' is no single token");
    return ids.front();
  }
  const Tokenizer& tokenizer() const { return *model_.engine().model().tokenizer; }
  // +1 at a token, -1 in all at the others.
  at::Tensor against(std::int64_t right, const Ids& others) const {
    at::Tensor direction = at::zeros({model_.engine().config().d_vocab});
    for (const std::int64_t other : others)
      direction[other] -= 1.0 / static_cast<double>(others.size());
    direction[right] += 1.0;
    return direction;
  }

  // Heads whose mean over prompts of measure(prompt, layer, head) is at least `least`.
  template <typename Measure>
  HeadSet heads_with(const std::vector<LastToken>& prompts, double least, const Measure& measure) const {
    HeadSet out;
    for (int layer = 0; layer < model_.engine().config().n_layers; ++layer)
      for (int head = 0; head < model_.engine().config().n_heads; ++head) {
        double sum = 0.0;
        for (std::size_t i = 0; i < prompts.size(); ++i)
          sum += measure(i, prompts[i], layer, head);
        if (sum / static_cast<double>(prompts.size()) >= least) out.insert({layer, head});
      }
    return out;
  }

  PlantedModel model_{options()};
};

std::string text_of(const HeadSet& heads) { return to_text(heads); }

HeadSet both(const HeadSet& a, const HeadSet& b) {
  HeadSet out;
  for (const auto& head : a)
    if (b.count(head) != 0) out.insert(head);
  return out;
}

TEST_P(PlantedEffects, NameMoversLookAtTheIndirectObjectAndSayIt) {
  IoiOptions ioi;
  ioi.count = 12;
  ioi.seed = 3;
  const IoiTask task = expect_value(make_ioi_task(tokenizer(), ioi));
  EXPECT_TRUE(task.dropped.empty()); // every word is a token
  std::vector<LastToken> prompts;
  std::vector<at::Tensor> directions;
  for (const IoiCase& item : task.cases) {
    prompts.emplace_back(model_.engine(), item.clean_ids);
    directions.push_back(against(item.answer_id, {item.wrong_id}));
    EXPECT_EQ(prompts.back().logits().argmax().item<std::int64_t>(), item.answer_id) << item.clean;
  }
  const HeadSet look = heads_with(prompts, 0.5, [&](std::size_t i, const LastToken& at, int layer, int head) {
    return at.attention(layer, head, task.cases[i].io_position);
  });
  const HeadSet say = heads_with(prompts, 2.0, [&](std::size_t i, const LastToken& at, int layer, int head) {
    return at.effect(layer, head, directions[i]);
  });
  const HeadSet movers = model_.planted(plant::Kind::name_mover), gazers = model_.planted(plant::Kind::name_gazer);
  ASSERT_FALSE(movers.empty());
  ASSERT_FALSE(gazers.empty());
  EXPECT_EQ(text_of(say), text_of(movers));
  EXPECT_EQ(text_of(both(look, movers)), text_of(movers));
  EXPECT_EQ(text_of(both(look, gazers)), text_of(gazers)); // and yet say nothing
  EXPECT_EQ(look.size(), movers.size() + gazers.size());
}

TEST_P(PlantedEffects, CorrectLetterHeadsLookAtTheRightLetterAndSayIt) {
  const std::vector<std::string> wrong = {" dog", " horse", " owl"}, fruits = {" cherry", " plum"};
  const Ids letters = {token(" A"), token(" B"), token(" C"), token(" D")};
  std::vector<LastToken> prompts;
  std::vector<at::Tensor> directions;
  std::vector<std::int64_t> labels;
  for (const std::string& fruit : fruits)
    for (std::size_t right = 0; right < 4; ++right) {
      std::string text = "Question: Which of these is a fruit?\n";
      std::int64_t place = 0;
      for (std::size_t i = 0, next = 0; i < 4; ++i) {
        if (i == right) place = static_cast<std::int64_t>(encode(text).size());
        text += std::string(1, static_cast<char>('A' + i)) + ":" + (i == right ? fruit : wrong[next++]) + "\n";
      }
      prompts.emplace_back(model_.engine(), encode(text + "Answer:"));
      directions.push_back(against(letters[right], letters));
      labels.push_back(place);
      EXPECT_EQ(prompts.back().logits().argmax().item<std::int64_t>(), letters[right]) << text;
    }
  const HeadSet look = heads_with(prompts, 0.5, [&](std::size_t i, const LastToken& at, int layer, int head) {
    return at.attention(layer, head, labels[i]);
  });
  const HeadSet say = heads_with(prompts, 2.0, [&](std::size_t i, const LastToken& at, int layer, int head) {
    return at.effect(layer, head, directions[i]);
  });
  const HeadSet planted = model_.planted(plant::Kind::correct_letter);
  ASSERT_FALSE(planted.empty());
  EXPECT_EQ(text_of(look), text_of(planted));
  EXPECT_EQ(text_of(say), text_of(planted));
}

TEST_P(PlantedEffects, VisionHeadsChangeWithTheImageAndSayWhatItShows) {
  const std::string question = "What does the picture show? It is a";
  const LastToken without(model_.engine(), encode(question));
  const std::vector<std::string> shown = {"cat", "dog", "horse", "boat"};
  std::vector<LastToken> prompts;
  std::vector<at::Tensor> directions;
  for (const std::string& word : shown) {
    prompts.emplace_back(model_.engine(), encode("<image:" + word + ">" + question));
    Ids others;
    for (const std::string& other : shown)
      if (other != word) others.push_back(token(" " + other));
    directions.push_back(against(token(" " + word), others));
    EXPECT_EQ(tokenizer().text(prompts.back().logits().argmax().item<std::int64_t>()), " " + word);
  }
  const HeadSet change = heads_with(prompts, 3.5, [&](std::size_t, const LastToken& at, int layer, int head) {
    return (at.result(layer, head) - without.result(layer, head)).norm().item<double>();
  });
  const HeadSet look = heads_with(
      prompts, 0.5, [](std::size_t, const LastToken& at, int layer, int head) { return at.attention(layer, head, 1); });
  const HeadSet say = heads_with(prompts, 2.0, [&](std::size_t i, const LastToken& at, int layer, int head) {
    return at.effect(layer, head, directions[i]);
  });
  const HeadSet planted = model_.planted(plant::Kind::vision);
  ASSERT_FALSE(planted.empty());
  EXPECT_EQ(text_of(change), text_of(planted));
  EXPECT_EQ(text_of(look), text_of(planted));
  EXPECT_EQ(text_of(say), text_of(planted));
}

// The model answers from each needle, word for word; with its retrieval heads ablated it does not.
TEST_P(PlantedEffects, TheNeedleIsReallySaid) {
  for (const Needle& needle : default_needles()) {
    const Ids prompt = encode(generated_haystack(5, 600) + " " + needle.needle + " " + generated_haystack(6, 600) +
                              "\n\nQuestion: " + needle.question + "\nAnswer:");
    GenerateOptions generation;
    generation.max_new_tokens = 20;
    generation.on_token = [&](std::int64_t id) { return tokenizer().text(id) != "\n"; };
    const auto answer = [&] {
      return tokenizer().decode(expect_value(generate(model_.engine(), prompt, generation)).tokens);
    };
    EXPECT_EQ(answer(), " " + needle.real_needle + ".\n");
    for (const auto& [layer, head] : model_.planted(plant::Kind::retrieval)) {
      Intervention off;
      off.site = {HookPoint::z, layer};
      off.head = head;
      generation.interventions.push_back(off);
    }
    EXPECT_EQ(answer().find(needle.real_needle.substr(0, 10)), std::string::npos);
  }
}

TEST_P(PlantedEffects, DistractorsHaveOneHalfOfWhatTheyMimic) {
  const Needle needle = default_needles().front();
  const Ids ids =
      encode(generated_haystack(5, 600) + " " + needle.needle + "\nQuestion: " + needle.question + "\nAnswer:");
  const auto eat = std::find(ids.rbegin(), ids.rend(), token(" eat"));
  ASSERT_NE(eat, ids.rend());
  const std::vector<LastToken> prompts(1, LastToken(model_.engine(), ids));
  const LastToken& at = prompts.front();
  const auto each = [&](plant::Kind kind, const auto& check) {
    const HeadSet heads = model_.planted(kind);
    EXPECT_FALSE(heads.empty()) << plant::kind_id(kind);
    for (const auto& [layer, head] : heads)
      check(layer, head);
  };
  double strongest = 0.0;
  each(plant::Kind::retrieval,
       [&](int layer, int head) { strongest = std::max(strongest, at.result(layer, head).norm().item<double>()); });
  each(plant::Kind::needle_gazer, [&](int layer, int head) {
    EXPECT_GT(at.attention(layer, head, ids.rend() - eat - 1), 0.9);
    EXPECT_LT(at.result(layer, head).norm().item<double>(), 0.25 * strongest);
  });
  for (const auto& [layer, head] : model_.planted(plant::Kind::sink)) {
    EXPECT_GT(at.attention(layer, head, 0), 0.9);
  }
  each(plant::Kind::zero_value_first, [&](int layer, int head) {
    EXPECT_GT(at.attention(layer, head, 0), 0.9);
    EXPECT_LT(at.result(layer, head).norm().item<double>(), 0.25 * strongest);
  });
  each(plant::Kind::far_copier, [&](int layer, int head) {
    EXPECT_GT(at.attention(layer, head, static_cast<std::int64_t>(ids.size()) - 5), 0.9);
    EXPECT_GT(at.result(layer, head).norm().item<double>(), 1.0);
  });
}

TEST_P(PlantedEffects, ThePromptsOfPlantedJsonAreAnswered) {
  std::ifstream in(model_.folder() + "/planted.json");
  const auto json = nlohmann::json::parse(in);
  ASSERT_EQ(json.at("prompts").size(), 4U);
  for (const auto& [kind, list] : json.at("prompts").items())
    for (const auto& item : list) {
      const LastToken at(model_.engine(), encode(item.at("prompt").get<std::string>()));
      EXPECT_EQ(tokenizer().text(at.logits().argmax().item<std::int64_t>()), item.at("answer").get<std::string>())
          << kind;
    }
}

INSTANTIATE_TEST_SUITE_P(Seeds, PlantedEffects, testing::Values(1U, 2U, 3U));

} // namespace
} // namespace headscope::test
