// SPDX-License-Identifier: GPL-3.0-or-later
// The graph detector on a head that follows the edges of each text, among heads that attend at random, evenly, to the
// token before, and to the first token.
#include <map>

#include <ATen/ATen.h>
#include <gmock/gmock.h>

#include "core/prompts/graph_prompt.h"
#include "core/text/token_offsets.h"
#include "plugins/detectors/builtin.h"
#include "tests/engine/tiny_model.h"
#include "tests/prompts/word_tokenizer.h"

namespace headscope {
namespace {

constexpr int graphs = 12, nodes = 7, more = 2;

// Layer 1, head 2 attends from a name evenly to the earlier names of its neighbours in other statements, and to the
// first token where there are none. The texts are those that the detector draws.
class Follower : public AttentionBackend {
public:
  Follower(const Tokenizer& tokenizer, bool unrelated) {
    Random random(0);
    for (int i = 0; i < graphs; ++i) {
      const Graph graph = random_graph(random, nodes, more);
      const GraphText text = write_graph(graph, draw_writing(random, graph, GraphForm::edges));
      if (unrelated) random_graph(random, nodes, more);
      patterns_.push_back(follow(graph, text, tokenizer));
    }
  }

  const char* name() const override { return "follower"; }
  bool signed_weights = false;

  at::Tensor run(const AttentionInput& in) const override {
    if (in.layer == 0) ++text_;
    const std::int64_t n = in.q.size(1), heads = in.q.size(2);
    at::manual_seed(static_cast<std::uint64_t>(100 * text_ + in.layer));
    const at::Tensor hidden = at::ones({n, n}).triu(1).to(at::kBool);
    at::Tensor pattern = (2.0 * at::randn({1, heads, n, n})).masked_fill(hidden, -1e30).softmax(-1);
    if (in.layer == 1) {
      pattern.select(1, 2).copy_(patterns_.at(static_cast<std::size_t>(text_)));
      pattern.select(1, 0).copy_(at::zeros({n, n}).masked_fill(hidden, -1e30).softmax(-1));
      pattern.select(1, 1).copy_(at::cat({at::eye(1, n), at::eye(n).narrow(0, 0, n - 1)}));
      pattern.select(1, 3).zero_().select(2, 0).fill_(1.0);
    }
    if (signed_weights) pattern = -pattern;
    if (in.observer && (!in.observer->wants || in.observer->wants(in.layer))) in.observer->tile({in.layer, 0, pattern});
    return at::zeros_like(in.q);
  }

private:
  static at::Tensor follow(const Graph& graph, const GraphText& text, const Tokenizer& tokenizer) {
    const auto ids = tokenizer.encode(text.text, {true, false}).value();
    const auto offsets = token_offsets(tokenizer, text.text, ids).value();
    const auto place = [&](const GraphText::Mention& each) {
      return tokens_over(offsets, each.begin, each.end).end - 1;
    };
    at::Tensor pattern = at::zeros({std::ssize(ids), std::ssize(ids)});
    for (const GraphText::Mention& query : text.mentions)
      for (const GraphText::Mention& key : text.mentions)
        if (place(key) < place(query) && key.statement != query.statement &&
            graph.edges[static_cast<std::size_t>(query.node)][static_cast<std::size_t>(key.node)])
          pattern[place(query)][place(key)] = 1.0;
    pattern.select(1, 0).add_((pattern.sum(1) == 0).to(at::kFloat));
    return pattern / pattern.sum(1, true);
  }

  std::vector<at::Tensor> patterns_;
  mutable std::int64_t text_ = -1;
};

Result<DetectorResult> try_to_detect(const std::map<std::string, std::string>& set, bool signed_weights = false) {
  auto model = test::tiny_model("llama");
  model->tokenizer = std::make_shared<test::WordTokenizer>();
  model->weights.w_e = at::randn({200, model->config.d_model});
  const bool unrelated = set.contains("unrelated");
  const auto follower = std::make_shared<Follower>(*model->tokenizer, unrelated);
  follower->signed_weights = signed_weights;
  const Engine engine(model, follower);
  const auto detector = make_graph_detector();
  OptionSet options(detector->options());
  EXPECT_TRUE(options.set("graphs", std::to_string(graphs)).ok());
  EXPECT_TRUE(options.set("nodes", std::to_string(nodes)).ok());
  EXPECT_TRUE(options.set("shuffles", "199").ok());
  for (const auto& [name, value] : set)
    EXPECT_TRUE(options.set(name, value).ok()) << name;
  return detector->run({engine, options, "", {}});
}

DetectorResult detect(const std::map<std::string, std::string>& set) {
  auto result = try_to_detect(set);
  EXPECT_TRUE(result.ok()) << result.error().to_string();
  return std::move(result).value();
}

const std::vector<float>& map_of(const DetectorResult& result, const std::string& name) {
  for (const ScoreMap& each : result.maps)
    if (each.name == name) return each.values;
  throw std::runtime_error("no map " + name);
}

TEST(GraphDetector, FindsTheHeadThatFollowsEdgesAndNoOther) {
  const DetectorResult found = detect({});
  EXPECT_THAT(found.heads, testing::ElementsAre(HeadId{1, 2}));
  const std::size_t at = found.index(1, 2);
  EXPECT_FLOAT_EQ(map_of(found, "share")[at], 1.0F);
  EXPECT_FLOAT_EQ(map_of(found, "hop_2")[at], 0.0F);
  EXPECT_FLOAT_EQ(map_of(found, "p")[at], 1.0F / 200.0F);
  EXPECT_LT(map_of(found, "expected")[at], 0.6F);
  EXPECT_TRUE(std::isnan(found.scores[found.index(1, 3)])); // it looks at no node
}

TEST(GraphDetector, FindsNoneByAGraphThatIsNotTheTexts) {
  EXPECT_THAT(detect({{"unrelated", "on"}}).heads, testing::IsEmpty());
}

TEST(GraphDetector, RefusesWeightsThatHaveNoShares) {
  const auto refused = try_to_detect({}, true);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, ErrorCode::unsupported);
}

TEST(GraphPrompt, SaysTheGraph) {
  Random random(4);
  const Graph graph = random_graph(random, 6, 2);
  int edges = 0;
  for (int a = 0; a < 6; ++a)
    for (int b = 0; b < a; ++b)
      edges += graph.edges[static_cast<std::size_t>(a)][static_cast<std::size_t>(b)] ? 1 : 0;
  EXPECT_EQ(edges, 5 + 2);
  for (const auto& row : hops(graph))
    for (const int each : row)
      EXPECT_GE(each, 0); // connected
  for (const GraphForm form : {GraphForm::edges, GraphForm::adjacency, GraphForm::sentences}) {
    const GraphWriting writing = draw_writing(random, graph, form);
    const GraphText text = write_graph(graph, writing);
    std::set<std::pair<int, int>> said;
    for (const GraphText::Mention& a : text.mentions) {
      EXPECT_EQ(text.text.substr(a.begin, a.end - a.begin), writing.names[static_cast<std::size_t>(a.node)]);
      for (const GraphText::Mention& b : text.mentions)
        if (form != GraphForm::adjacency && a.statement == b.statement && a.node < b.node)
          said.insert({a.node, b.node});
    }
    for (const auto& [a, b] : said)
      EXPECT_TRUE(graph.edges[static_cast<std::size_t>(a)][static_cast<std::size_t>(b)]);
    EXPECT_EQ(said.size(), form == GraphForm::adjacency ? 0U : 7U);
  }
}

} // namespace
} // namespace headscope
