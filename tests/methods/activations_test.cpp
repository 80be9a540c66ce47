// SPDX-License-Identifier: GPL-3.0-or-later
// Activations that are handed out while the model runs, against what transformers gives; their statistics; a corpus cut
// into texts.
#include "core/analysis/activation_dump.h"
#include "core/prompts/corpus.h"
#include "tests/engine/golden.h"
#include "tests/prompts/word_tokenizer.h"

namespace headscope {
namespace {

constexpr double tolerance = 2e-4;

std::vector<std::int64_t> tokens_of(const at::Tensor& row) {
  return {row.const_data_ptr<std::int64_t>(), row.const_data_ptr<std::int64_t>() + row.numel()};
}

TokenRows golden_rows(const Tensors& golden) {
  return {tokens_of(golden.at("tokens")[0]), tokens_of(golden.at("tokens")[1])};
}

std::vector<WantedSite> all_sites(const ModelConfig& config) {
  std::vector<WantedSite> sites;
  for (const HookSite& site : hook_sites(config))
    if (hook_axes(site.point) != HookAxes::head_query_key) sites.push_back({site});
  return sites;
}

// Collects what was handed out for each site, [token, ...]. Rows must come in order.
std::vector<at::Tensor> collected(const Engine& engine, const DumpRequest& request) {
  std::vector<std::vector<at::Tensor>> pieces(request.sites.size());
  std::vector<std::int64_t> counts(request.sites.size(), 0);
  const auto done =
      dump_activations(engine, request, [&](std::size_t site, std::int64_t first, const at::Tensor& rows) -> Status {
        EXPECT_EQ(first, counts[site]);
        EXPECT_TRUE(rows.is_contiguous() && rows.device().is_cpu() && rows.scalar_type() == at::kFloat);
        EXPECT_EQ(rows.sizes().slice(1).vec(), token_shape(engine.config(), request.sites[site]));
        counts[site] += rows.size(0);
        pieces[site].push_back(rows);
        return {};
      });
  EXPECT_TRUE(done.ok()) << (done.ok() ? "" : done.error().to_string());
  EXPECT_EQ(done.ok() ? *done : -1, std::ssize(request.texts));
  std::vector<at::Tensor> out;
  for (const auto& some : pieces)
    out.push_back(some.empty() ? at::Tensor() : at::cat(some));
  return out;
}

class Dump : public testing::TestWithParam<std::string> {};

TEST_P(Dump, EveryHookPointIsWhatTransformersGives) {
  const Engine engine(load_golden(GetParam()));
  const Tensors golden = read_golden(GetParam());
  DumpRequest request;
  request.sites = all_sites(engine.config());
  request.texts = golden_rows(golden);
  const std::vector<at::Tensor> values = collected(engine, request);
  std::size_t compared = 0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    const auto wanted = golden.find(hook_name(request.sites[i].site));
    if (wanted == golden.end()) continue;
    EXPECT_LT(max_error(values[i], wanted->second.flatten(0, 1)), tolerance) << wanted->first;
    ++compared;
  }
  EXPECT_GE(compared, 8u * static_cast<std::size_t>(engine.config().n_layers));
}

// Earlier tokens do not see later ones, so that a shorter prompt has the first rows of the longer one.
TEST_P(Dump, PromptsOfSeveralLengthsAndSomeOfTheirTokens) {
  const Engine engine(load_golden(GetParam()));
  const Tensors golden = read_golden(GetParam());
  const std::vector<std::int64_t> first = golden_rows(golden)[0], second = golden_rows(golden)[1];
  DumpRequest request;
  for (const HookPoint point : {HookPoint::resid_post, HookPoint::z})
    request.sites.push_back({{point, 1}});
  request.sites.push_back({{HookPoint::final_normalized, -1}});
  request.sites.push_back({{HookPoint::z, 0}, {3, 1}});
  request.texts = {first, {second.begin(), second.begin() + 11}, {first.begin(), first.begin() + 3}, second};
  request.positions = {{17, 0}, {10}, {}, {0, 1, 2, 16}};
  for (const std::int64_t budget : {1, 30, 1000}) { // one text, two, and all at once
    request.tokens_per_run = budget;
    const std::vector<at::Tensor> values = collected(engine, request);
    for (std::size_t i = 0; i < values.size(); ++i) {
      const at::Tensor whole = golden.at(hook_name(request.sites[i].site));
      at::Tensor wanted =
          at::stack({whole[0][17], whole[0][0], whole[1][10], whole[1][0], whole[1][1], whole[1][2], whole[1][16]});
      if (i == 3) wanted = wanted.index_select(1, at::tensor(std::vector<std::int64_t>{3, 1}, at::kLong));
      EXPECT_LT(max_error(values[i], wanted), tolerance) << hook_name(request.sites[i].site) << " " << budget;
    }
  }
}

TEST_P(Dump, Statistics) {
  const Engine engine(load_golden(GetParam()));
  const Tensors golden = read_golden(GetParam());
  DumpRequest request;
  request.sites = {{{HookPoint::resid_mid, 0}}, {{HookPoint::z, 1}}};
  request.texts = golden_rows(golden);
  request.tokens_per_run = 1;
  std::vector<TokenStatistics> statistics(2, TokenStatistics(true));
  ASSERT_TRUE(dump_activations(engine, request, [&](std::size_t site, std::int64_t, const at::Tensor& rows) -> Status {
                statistics[site].add(rows);
                return {};
              }).ok());
  for (std::size_t i = 0; i < 2; ++i) {
    const at::Tensor x = golden.at(hook_name(request.sites[i].site)).flatten(0, 1).to(at::kDouble);
    EXPECT_EQ(statistics[i].tokens(), 36);
    EXPECT_LT(max_error(statistics[i].mean(), x.mean(0)), tolerance);
    EXPECT_LT(max_error(statistics[i].mean_square(), x.square().mean(0)), tolerance);
    const at::Tensor products = (x.unsqueeze(-1) * x.unsqueeze(-2)).mean(0);
    EXPECT_LT(max_error(statistics[i].second_moment(), products), tolerance);
  }
}

INSTANTIATE_TEST_SUITE_P(Models, Dump, testing::Values("gpt2", "llama"), [](const auto& test) { return test.param; });

TEST(DumpStops, WhereItIsCancelledAndWhereTheTakerFails) {
  const Engine engine(load_golden("llama"));
  DumpRequest request;
  request.sites = {{{HookPoint::resid_pre, 0}}, {{HookPoint::resid_pre, 1}}};
  request.texts = {{1, 2, 3}, {4, 5, 6}, {7, 8}};
  request.tokens_per_run = 3;
  RunControl control;
  const auto cancels = [&](std::size_t, std::int64_t first, const at::Tensor&) -> Status {
    if (first == 3) control.cancel.cancel();
    return {};
  };
  const auto done = dump_activations(engine, request, cancels, control);
  ASSERT_TRUE(done.ok()) << done.error().to_string();
  EXPECT_EQ(*done, 1);
  const auto fails = [](std::size_t, std::int64_t, const at::Tensor&) -> Status {
    return make_error(ErrorCode::io, "the disk is full", "a.h5");
  };
  const auto failed = dump_activations(engine, request, fails);
  ASSERT_FALSE(failed.ok());
  EXPECT_EQ(failed.error().code, ErrorCode::io);
  EXPECT_EQ(failed.error().file, "a.h5");
}

TEST(DumpStops, AtWhatItCannotHandOut) {
  const Engine engine(load_golden("llama"));
  const auto nothing = [](std::size_t, std::int64_t, const at::Tensor&) -> Status { return {}; };
  DumpRequest request;
  request.texts = {{1, 2, 3}};
  request.sites = {{{HookPoint::pattern, 0}}};
  EXPECT_EQ(dump_activations(engine, request, nothing).error().code, ErrorCode::unsupported);
  request.sites = {{{HookPoint::z, 0}}};
  request.positions = {{3}};
  EXPECT_FALSE(dump_activations(engine, request, nothing).ok());
}

TEST(Neighbours, KeepToTheBudgetAndToTheirOrder) {
  const TokenRows rows = {{1}, {1, 2, 3}, {1, 2}, {1, 2, 3, 4, 5, 6, 7}, {1}};
  using Parts = std::vector<std::pair<std::size_t, std::size_t>>;
  EXPECT_EQ(neighbours_together(rows, 6), (Parts{{0, 2}, {2, 3}, {3, 4}, {4, 5}}));
  EXPECT_EQ(neighbours_together(rows, 1000), (Parts{{0, 5}}));
  EXPECT_EQ(neighbours_together({}, 6), Parts{});
}

TEST(Corpora, AreCutIntoTexts) {
  const test::WordTokenizer tokenizer; // puts <s> before a text
  const auto cut = [&](std::int64_t length, std::int64_t most, bool bos) {
    auto corpus = cut_corpus(tokenizer, "one two three four five", {length, most, bos});
    EXPECT_TRUE(corpus.ok());
    std::vector<std::string> texts;
    for (const auto& ids : corpus->texts)
      texts.push_back(tokenizer.decode(ids, false));
    EXPECT_EQ(corpus->start(1), length - (bos ? 1 : 0));
    return texts;
  };
  using Words = std::vector<std::string>;
  EXPECT_EQ(cut(2, 0, false), (Words{"one two", " three four", " five"}));
  EXPECT_EQ(cut(3, 0, true), (Words{"<s>one two", "<s> three four", "<s> five"}));
  EXPECT_EQ(cut(2, 2, false), (Words{"one two", " three four"}));
  EXPECT_FALSE(cut_corpus(tokenizer, "one", {1, 0, true}).ok()); // no room beside <s>
  EXPECT_FALSE(cut_corpus(tokenizer, "", {}).ok());
}

} // namespace
} // namespace headscope
