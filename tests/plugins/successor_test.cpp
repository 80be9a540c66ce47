// SPDX-License-Identifier: GPL-3.0-or-later
// Successor scores: a head planted in the weights, and the circuit against plain loops.
#include <cmath>

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/prompts/ordinal_lists.h"
#include "plugins/detectors/builtin.h"
#include "plugins/detectors/effective_embedding.h"
#include "tests/engine/tiny_model.h"
#include "tests/prompts/word_tokenizer.h"

namespace headscope {
namespace {

constexpr std::int64_t vocabulary = 400;

// One-hot embeddings, an MLP that is the identity, and one permutation of tokens, `next`, in W_V or W_O:
// of four heads on two K/V heads, 0 writes the token itself, 1 and 2 the next one, 3 the next but one.
std::shared_ptr<Model> planted_model(const at::Tensor& next) {
  auto model = std::make_shared<Model>();
  ModelConfig& config = model->config;
  config.n_layers = 1;
  config.n_heads = 4;
  config.n_kv_heads = 2;
  config.d_model = config.d_head = config.d_vocab = vocabulary;
  config.d_mlp = 2 * vocabulary;
  config.gated_mlp = false;
  config.activation = Activation::relu;
  config.layers.resize(1);
  const at::Tensor one = at::eye(vocabulary);
  model->weights.w_e = model->weights.w_u = one;
  BlockWeights block;
  block.w_in = at::cat({one, -one}, 0);
  block.w_out = at::cat({one, -one}, 1);
  // Rows of w_qkv are outputs: v of K/V head 0 is x, of head 1 x's successor; W_O's columns are inputs.
  const at::Tensor none = at::zeros({vocabulary, vocabulary});
  block.w_qkv = at::cat({none, none, none, none, none, none, one, next}, 0);
  block.w_o = at::cat({one, next, one, next}, 1);
  model->weights.blocks.push_back(block);
  return model;
}

// [to, from]: 1 where the tokenizer's lists go from one word to the other.
at::Tensor successor_matrix(const Tokenizer& tokenizer) {
  at::Tensor next = at::zeros({vocabulary, vocabulary});
  for (const OrdinalList& list : ordinal_lists()) {
    const TokenList tokens = tokenise_list(list, tokenizer);
    for (const OrdinalPair& pair : tokens.pairs)
      next[tokens.tokens[static_cast<std::size_t>(pair.to)]][tokens.tokens[static_cast<std::size_t>(pair.from)]] = 1.0;
  }
  return next;
}

const ScoreMap& map_named(const DetectorResult& result, const std::string& name) {
  for (const ScoreMap& map : result.maps)
    if (map.name == name) return map;
  throw std::runtime_error("no map " + name);
}

TEST(Successor, APlantedHeadIsFoundOnItsSharedKeyValueHead) {
  // Some words are one token in two lists: "I" is a letter and a numeral, so numerals are excluded, and so are
  // abbreviated months, which share "May".
  std::set<std::string> cut;
  for (const std::size_t list : {6U, 8U})
    for (const std::string& word : ordinal_lists()[list].words)
      if (word.size() > 1 && word != "May") cut.insert(" " + word);
  auto tokenizer = std::make_shared<test::WordTokenizer>(cut);
  const auto model = planted_model(successor_matrix(*tokenizer));
  model->tokenizer = tokenizer;
  ASSERT_LE(tokenizer->vocab_size(), vocabulary);
  const auto detector = make_successor_detector();
  const auto result = detector->run({Engine(model), OptionSet(detector->options()), {}, {}});
  ASSERT_TRUE(result.ok()) << result.error().to_string();
  EXPECT_THAT(result->scores, testing::ElementsAre(testing::Lt(0.01F), 1.0F, 1.0F, testing::Lt(0.05F)));
  EXPECT_EQ(map_named(*result, "list_days").values[1], 1.0F);
  EXPECT_EQ(map_named(*result, "list_numbers").values[0], 0.0F);
  const std::vector<HeadId> expected = {{0, 1}, {0, 2}};
  EXPECT_EQ(result->heads, expected);
  // 199 numbers, 19 number words, 9 ordinals, 7 days, 12 months, 6 abbreviated days, 25 letters.
  EXPECT_EQ(std::get<std::int64_t>(*store::find_attribute(result->findings, "pairs")), 277);
  EXPECT_EQ(std::get<std::int64_t>(*store::find_attribute(result->findings, "pairs_roman_numerals")), 0);
  EXPECT_EQ(std::get<std::string>(*store::find_attribute(result->findings, "effective_embedding")), "MLP0(W_E[t])");
  const auto dropped = std::get<std::vector<std::string>>(*store::find_attribute(result->findings, "dropped"));
  EXPECT_EQ(dropped.size(), 11U + 19U);
  EXPECT_THAT(dropped, testing::Contains("month_abbreviations: Jan -> Feb: ' Jan' is 2 tokens"));
  EXPECT_THAT(result->message, testing::HasSubstr("30 pairs are not single tokens"));
}

TEST(Successor, ATokenizerWithoutSuchWordsGivesNoScores) {
  class Letters : public test::WordTokenizer {
    Result<std::vector<std::int64_t>> encode(std::string_view text, TokenizeOptions) const override {
      return std::vector<std::int64_t>(text.size() + 1, 1);
    }
  };
  const auto model = test::tiny_model("llama");
  model->tokenizer = std::make_shared<Letters>();
  const auto detector = make_successor_detector();
  const auto result = detector->run({Engine(model), OptionSet(detector->options()), {}, {}});
  ASSERT_TRUE(result.ok()) << result.error().to_string();
  for (const float score : result->scores)
    EXPECT_TRUE(std::isnan(score));
  EXPECT_TRUE(result->heads.empty());
  EXPECT_THAT(result->message, testing::HasSubstr("no scores"));
}

// ---- The circuit against loops in double precision.

using Vector = std::vector<double>;

Vector row(const at::Tensor& matrix, std::int64_t i) {
  const at::Tensor line = matrix[i].to(at::kDouble).contiguous();
  return {line.data_ptr<double>(), line.data_ptr<double>() + line.numel()};
}

double at_index(const at::Tensor& vector, std::size_t i) {
  return vector.defined() ? vector[static_cast<std::int64_t>(i)].item<double>() : 0.0;
}

Vector times(const at::Tensor& weight, const Vector& x, const at::Tensor& bias) { // W x + b
  Vector out;
  for (std::int64_t i = 0; i < weight.size(0); ++i) {
    const Vector w = row(weight, i);
    double sum = at_index(bias, static_cast<std::size_t>(i));
    for (std::size_t j = 0; j < x.size(); ++j)
      sum += w[j] * x[j];
    out.push_back(sum);
  }
  return out;
}

double activate(Activation activation, double x) {
  switch (activation) {
  case Activation::gelu: return x * 0.5 * std::erfc(-x / std::sqrt(2.0));
  case Activation::gelu_tanh: return 0.5 * x * (1 + std::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
  case Activation::relu: return std::max(x, 0.0);
  case Activation::silu: return x / (1 + std::exp(-x));
  }
  return NAN;
}

Vector normed(const ModelConfig& config, const NormWeights& norm, Vector x) {
  double mean = 0.0, square = 0.0;
  for (const double v : x)
    mean += v / static_cast<double>(x.size());
  if (config.norm == NormKind::rms_norm) mean = 0.0;
  for (const double v : x)
    square += (v - mean) * (v - mean) / static_cast<double>(x.size());
  for (std::size_t i = 0; i < x.size(); ++i)
    x[i] = (x[i] - mean) / std::sqrt(square + config.norm_eps) * norm.w[static_cast<std::int64_t>(i)].item<double>() +
           at_index(norm.b, i);
  return x;
}

Vector mlp(const ModelConfig& config, const BlockWeights& block, const Vector& x) {
  const Vector in = times(block.w_in, x, block.b_in);
  Vector hidden;
  for (std::size_t i = 0; i < static_cast<std::size_t>(config.d_mlp); ++i)
    hidden.push_back(activate(config.activation, in[i]) *
                     (config.gated_mlp ? in[i + static_cast<std::size_t>(config.d_mlp)] : 1.0));
  return times(block.w_out, hidden, block.b_out);
}

void add_to(Vector& x, const Vector& y) {
  for (std::size_t i = 0; i < x.size(); ++i)
    x[i] += y[i];
}

struct Case {
  std::string family;
  bool ln2, residual, biases, final_norm;
};
class Circuit : public testing::TestWithParam<Case> {};

// Logit of token t from token s through head h of layer 1, all by the definition.
double expected_logit(const Model& model, const Case& how, std::int64_t s, std::int64_t h, std::int64_t t) {
  const ModelConfig& config = model.config;
  const BlockWeights &first = model.weights.blocks[0], &block = model.weights.blocks[1];
  Vector e = row(model.weights.w_e, s);
  for (double& v : e)
    v *= config.embed_scale;
  Vector x = mlp(config, first, how.ln2 ? normed(config, first.ln2, e) : e);
  if (how.ln2 && config.post_norms) x = normed(config, first.ln2_post, x);
  if (how.residual) add_to(x, e);
  const std::int64_t d = config.d_head, kv = h / (config.n_heads / config.n_kv_heads);
  const std::int64_t v_row = (config.n_heads + config.n_kv_heads + kv) * d;
  const bool biased = how.biases && block.b_qkv.defined();
  const Vector v = times(block.w_qkv.narrow(0, v_row, d), x, biased ? block.b_qkv.narrow(0, v_row, d) : at::Tensor());
  Vector out = times(block.w_o.narrow(1, h * d, d), v, how.biases ? block.b_o : at::Tensor());
  if (how.final_norm) out = normed(config, model.weights.ln_final, out);
  const Vector u = row(model.weights.w_u, t);
  double sum = 0.0;
  for (std::size_t i = 0; i < u.size(); ++i)
    sum += u[i] * out[i];
  return sum;
}

TEST_P(Circuit, IsTheDefinitionsProduct) {
  const Case& how = GetParam();
  const auto model = test::tiny_model(how.family);
  const std::vector<std::int64_t> sources = {3, 17, 41}, candidates = {5, 3, 49};
  const at::Tensor x = effective_embedding(*model, at::tensor(sources, at::kLong), {how.ln2, how.residual});
  const at::Tensor logits =
      read_out(*model, head_outputs(*model, 1, x, how.biases), at::tensor(candidates, at::kLong), how.final_norm);
  ASSERT_EQ(logits.sizes(), (at::IntArrayRef{4, 3, 3}));
  for (std::int64_t h = 0; h < 4; ++h)
    for (std::int64_t s = 0; s < 3; ++s)
      for (std::int64_t t = 0; t < 3; ++t) {
        const double expected = expected_logit(*model, how, sources[static_cast<std::size_t>(s)], h,
                                               candidates[static_cast<std::size_t>(t)]);
        EXPECT_NEAR(logits[h][s][t].item<double>(), expected, 1e-5 * std::max(1.0, std::abs(expected)))
            << h << " " << s << " " << t;
      }
}

INSTANTIATE_TEST_SUITE_P(
    Families, Circuit,
    testing::Values(Case{"gpt2", false, false, false, false}, Case{"gpt2", true, true, true, true},
                    Case{"llama", false, false, false, false}, Case{"llama", true, false, true, false},
                    Case{"llama", false, true, false, true}, Case{"gpt_neox", false, false, true, false},
                    Case{"gemma", false, false, false, false}, Case{"gemma", true, true, false, true}),
    [](const auto& test) {
      const Case& c = test.param;
      return c.family + (c.ln2 ? "_ln2" : "") + (c.residual ? "_residual" : "") + (c.biases ? "_biases" : "") +
             (c.final_norm ? "_final_norm" : "");
    });

TEST(EffectiveEmbedding, SaysWhatItDoesForAModel) {
  const ModelConfig llama = test::tiny_config("llama"), gemma = test::tiny_config("gemma");
  EXPECT_EQ(describe_embedding(llama, {false, false}), "MLP0(W_E[t])");
  EXPECT_EQ(describe_embedding(llama, {true, true}), "MLP0(ln2(W_E[t])) + W_E[t]");
  EXPECT_EQ(describe_embedding(gemma, {true, false}), "ln2_post(MLP0(ln2(4.000000 W_E[t])))");
}

TEST(Successor, ReducedPrecisionRunsWithEveryOption) {
  const auto model = test::tiny_model("gpt2");
  for (const bool on : {false, true}) {
    auto half = std::make_shared<Model>(*model);
    const auto to_half = [](at::Tensor& w) {
      if (w.defined()) w = w.to(at::kBFloat16);
    };
    to_half(half->weights.w_e);
    to_half(half->weights.w_u);
    to_half(half->weights.ln_final.w);
    to_half(half->weights.ln_final.b);
    for (BlockWeights& block : half->weights.blocks)
      for (at::Tensor* w : {&block.w_qkv, &block.b_qkv, &block.w_o, &block.b_o, &block.w_in, &block.b_in, &block.w_out,
                            &block.b_out, &block.ln2.w, &block.ln2.b})
        to_half(*w);
    const at::Tensor tokens = at::tensor({1, 2, 3}, at::kLong);
    const auto logits = [&](const Model& m) {
      return read_out(m, head_outputs(m, 2, effective_embedding(m, tokens, {on, on}), on), tokens, on);
    };
    const at::Tensor exact = logits(*model), rounded = logits(*half);
    EXPECT_LT((exact - rounded).abs().max().item<double>(), 0.05 * exact.abs().max().item<double>());
  }
}

TEST(Successor, ACancelledRunKeepsItsLayers) {
  const auto model = planted_model(at::eye(vocabulary));
  model->config.n_layers = 3;
  model->config.layers.resize(3);
  model->weights.blocks.resize(3, model->weights.blocks[0]);
  model->tokenizer = std::make_shared<test::WordTokenizer>();
  RunControl control;
  control.progress = [cancel = control.cancel](const Progress& progress) {
    EXPECT_EQ(progress.total, 3);
    if (progress.done == 1) cancel.cancel();
  };
  const auto detector = make_successor_detector();
  const auto part = detector->run({Engine(model), OptionSet(detector->options()), {}, control});
  ASSERT_TRUE(part.ok()) << part.error().to_string();
  EXPECT_FALSE(part->complete);
  EXPECT_EQ(part->scores[part->index(1, 0)], 0.0F);
  EXPECT_TRUE(std::isnan(part->scores[part->index(2, 0)]));
  const auto nothing = detector->run({Engine(model), OptionSet(detector->options()), {}, control});
  ASSERT_FALSE(nothing.ok());
  EXPECT_EQ(nothing.error().code, ErrorCode::cancelled);
}

} // namespace
} // namespace headscope
