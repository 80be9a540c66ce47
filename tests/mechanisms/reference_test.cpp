// SPDX-License-Identifier: GPL-3.0-or-later
// Each mechanism as it runs equals its reference in double-precision loops; equals full attention where it says so; and
// is causal and incremental where it says so (the tests of CAB, github.com/Shark-NLP/CAB).
#include <algorithm>

#include "tests/mechanisms/heads.h"

namespace headscope::mechanisms {
namespace {

const std::string examples = HEADSCOPE_MECHANISM_EXAMPLES, resources = HEADSCOPE_RESOURCE_DIR "/attention";
const std::vector<std::string> specs = {"full",
                                        "window:window=7",
                                        "streaming:sinks=2,window=5",
                                        "streaming:sinks=0,window=9",
                                        "streaming:sinks=3,window=6,positions=cache",
                                        "halo:block=8,halo=3",
                                        "strided:stride=5,window=3,sinks=1",
                                        "topk:k=6",
                                        "hip:k=8,window=8,block_q=4,block_k=2",
                                        "hip:k=9,window=11,block_q=8,block_k=3,sinks=2",
                                        "hip:k=16,window=32,block_q=32,block_k=1",
                                        "landmark:block=8,top=2",
                                        "landmark:block=8,top=2,gate=grouped",
                                        "landmark:block=5,top=0,gate=grouped",
                                        "longheads:chunk=8,chunks=4,begin=20",
                                        "longheads:chunk=4,chunks=3,begin=0",
                                        "longheads:chunk=5,chunks=5,begin=40",
                                        "landmark:block=7,top=0",
                                        "halo:block=3,halo=20",
                                        "strided:stride=0,distances=2-3+30-50,window=5,sinks=3",
                                        "strided:stride=3,distances=4+20,window=2",
                                        "none",
                                        "boost:spans=3-9+20,alpha=0.7,other=30-33,beta=-0.4,from=12",
                                        "act:theta=0.03,beta=0.4",
                                        "moh:router=norm,shared=1,top=1",
                                        "moh:router=oracle,shared=0,top=2",
                                        "linear",
                                        "aaren:query=turned",
                                        "aaren:query=fixed",
                                        "hcam:chunk=8,top=2",
                                        "titans:theta=0.3,eta=0.4,alpha=0.05",
                                        "lowrank:rank=5",
                                        "routing:clusters=3,keys=9",
                                        "hyper:exact=16,block=4,sample=3,projections=4",
                                        "hyper:exact=8,block=8,sample=0,seed=4",
                                        "strided:stride=0,distances=1+4-6+20",
                                        "halo:block=2,halo=1,width=9",
                                        "conv:last=0.3,before_last=-0.2",
                                        "graph:hops=2,file=" + examples + "/example_graph.toml",
                                        "graph:hops=1,far=hidden,file=" + examples + "/example_graph.toml",
                                        "blocks:file=" + resources + "/sentences.toml",
                                        "blocks:file=" + resources + "/partcrafter.toml"};

const std::vector<Shape> shapes = {{.tokens = 1},
                                   {.tokens = 2},
                                   {.tokens = 5},
                                   {.tokens = 31},
                                   {.tokens = 64},
                                   {.tokens = 101},
                                   {.tokens = 67, .left = {0, 13}},
                                   {.tokens = 40, .left = {39, 3}},
                                   {.tokens = 67, .right = {9, 0}},
                                   {.tokens = 77, .window = 21},
                                   {.tokens = 77, .softcap = 2.0},
                                   {.tokens = 90, .left = {2, 20}, .window = 33, .softcap = 3.0}};

class Mechanisms : public testing::TestWithParam<std::string> {};

// Compares real queries of both rows with the reference of the mechanism.
void expect_as_reference(const Mechanism& mechanism, const Layer& layer, const Shape& shape, const at::Tensor& z) {
  for (std::int64_t row = 0; row < 2; ++row) {
    std::vector<PlainHead> heads;
    for (std::int64_t head = 0; head < test_heads; ++head)
      heads.push_back(plain_head(layer, shape, row, head));
    const std::vector<Rows> patterns = mechanism.references(heads);
    for (std::int64_t head = 0; head < test_heads; ++head) {
      const auto h = static_cast<std::size_t>(head);
      const at::Tensor expected = mixed_by(patterns[h], heads[h].v);
      const std::int64_t begin = shape.left.empty() ? 0 : shape.left[static_cast<std::size_t>(row)];
      const at::Tensor got = z[row].narrow(0, begin, heads[h].tokens()).select(1, head);
      EXPECT_LT(largest_difference(got, expected), 1e-5) << shape.tokens << " tokens, row " << row << ", head " << head;
    }
  }
}

TEST_P(Mechanisms, RunsAsItsReference) {
  const auto parsed = parse_specs(GetParam(), MechanismList::built_in());
  ASSERT_TRUE(parsed.ok()) << parsed.error().to_string();
  const AttentionPlan plan(
      GetParam(),
      {{{{parsed->front().definition, &parsed->front().definition->info}, parsed->front().mechanism, {0, 1, 2, 3}}}},
      test_heads);
  for (const Shape& shape : shapes) {
    const Layer layer = random_layer(shape);
    const at::Tensor z = plan.run_rows(layer.input, layer.rows);
    EXPECT_FALSE(z.isnan().any().item<bool>());
    expect_as_reference(*parsed->front().mechanism, layer, shape, z);
  }
}

Weights weights_of_spec(const std::string& spec) {
  return MechanismList::built_in().find(spec.substr(0, spec.find(':')))->info.weights;
}

// Whoever reads the pattern gets the one that makes z, whatever the size of its tiles.
TEST_P(Mechanisms, ShowsThePatternThatMakesZ) {
  const auto plan = plan_of(GetParam() + "@heads=0.1,0.2");
  for (const Shape& shape : shapes) {
    Layer layer = random_layer(shape);
    const at::Tensor z =
        plan->parts(0).empty() ? default_attention().run(layer.input) : plan->run_rows(layer.input, layer.rows);
    at::Tensor pattern;
    AttentionObserver observer;
    observer.tile = [&](const PatternTile& tile) {
      pattern = pattern.defined() ? at::cat({pattern, tile.pattern}, 2) : tile.pattern;
    };
    layer.input.observer = &observer;
    const at::Tensor seen = plan->run_rows(layer.input, layer.rows);
    const Weights weights = weights_of_spec(GetParam());
    if (weights == Weights::softmax) {
      EXPECT_LT(largest_difference(pattern.sum(-1), at::ones({2, test_heads, shape.tokens})), 1e-5);
    }
    EXPECT_TRUE(weights == Weights::signed_ || pattern.min().item<double>() >= 0.0);
    for (std::int64_t row = 0; row < 2; ++row) {
      const std::int64_t begin = shape.left.empty() ? 0 : shape.left[static_cast<std::size_t>(row)];
      const std::int64_t end = layer.rows.end.empty() ? shape.tokens : layer.rows.end[static_cast<std::size_t>(row)];
      const at::Tensor v = layer.input.v[row].repeat_interleave(test_heads / test_kv, 1).transpose(0, 1);
      const at::Tensor mixed = at::matmul(pattern[row], v).transpose(0, 1);
      // A convolution has values of its own, so its pattern does not mix the model's.
      for (const at::Tensor& other : {seen[row], GetParam().starts_with("conv") ? seen[row] : mixed})
        EXPECT_LT(largest_difference(z[row].narrow(0, begin, end - begin), other.narrow(0, begin, end - begin)), 1e-5);
    }
  }
}

// What a form says it costs: the keys attended are those of the reference's pattern, and no fewer are scored.
TEST_P(Mechanisms, CountsItsCost) {
  const auto parsed = parse_specs(GetParam(), MechanismList::built_in());
  const Shape shape{.tokens = 83, .left = {0, 12}};
  const Layer layer = random_layer(shape);
  const std::shared_ptr<const MechanismInfo> part_info(parsed->front().definition, &parsed->front().definition->info);
  const AttentionPlan plan(GetParam(), {{{part_info, parsed->front().mechanism, {0, 1, 2, 3}}}}, test_heads);
  AttentionCost cost;
  AttentionRows rows = layer.rows;
  rows.cost = &cost;
  (void)plan.run_rows(layer.input, rows);
  std::int64_t attended = 0;
  for (std::int64_t row = 0; row < 2; ++row) {
    std::vector<PlainHead> heads;
    for (std::int64_t head = 0; head < test_heads; ++head)
      heads.push_back(plain_head(layer, shape, row, head));
    for (const Rows& pattern : parsed->front().mechanism->references(heads))
      for (const Vector& of_query : pattern)
        attended += std::count_if(of_query.begin(), of_query.end(), [](double weight) { return weight != 0.0; });
  }
  // A mixture of heads computes those that it then leaves out.
  if (GetParam().starts_with("moh"))
    EXPECT_GE(cost.attended, attended);
  else
    EXPECT_EQ(cost.attended, attended);
  const bool state = GetParam() == "linear" || GetParam().starts_with("titans") || GetParam() == "aaren:query=fixed";
  EXPECT_TRUE(state || cost.scored >= cost.attended) << cost.scored << " scored, " << cost.attended << " attended";
  EXPECT_GE(cost.bytes, GetParam() == "none" ? 0 : 1);
}

TEST_P(Mechanisms, LeavesOtherHeadsAlone) {
  const Shape shape{.tokens = 80, .left = {0, 11}};
  const Layer layer = random_layer(shape);
  const auto all = plan_of(GetParam()), one = plan_of(GetParam() + "@heads=0.2");
  if (one->parts(0).empty()) return; // full
  const at::Tensor full = default_attention().run(layer.input), z = one->run_rows(layer.input, layer.rows);
  if (!GetParam().starts_with("moh")) { // whose heads compete
    EXPECT_LT(largest_difference(z.select(2, 2), all->run_rows(layer.input, layer.rows).select(2, 2)), 1e-5);
  }
  for (const std::int64_t head : {0, 1, 3})
    EXPECT_LT(largest_difference(z.select(2, head), full.select(2, head)), 1e-5);
}

// CAB's causality test: z_i of the whole input is z_i of the input cut after i. HiP chooses keys for whole blocks of
// queries, so there the cut is at the end of a block. What else looks at later tokens is not causal, and says so.
TEST_P(Mechanisms, IsCausalAtItsBorders) {
  const Shape shape{.tokens = 72};
  const Layer layer = random_layer(shape);
  const auto plan = plan_of(GetParam());
  if (plan->parts(0).empty()) return; // full
  const bool blocks = GetParam().starts_with("hip");
  const bool causal = blocks || plan->needs(0).queries != QueryScope::beside;
  const std::int64_t step = blocks ? 8 : 1;
  const at::Tensor whole = plan->run_rows(layer.input, layer.rows);
  double largest = 0.0;
  for (std::int64_t cut = 40; cut < shape.tokens; cut += step) {
    if (blocks && cut % (GetParam().find("block_q=32") != std::string::npos ? 32 : 8) != 0) continue;
    Layer part = layer;
    for (at::Tensor* x : {&part.input.q, &part.input.k, &part.input.v, &part.rows.all_q, &part.rows.unrotated_q,
                          &part.rows.unrotated_k})
      *x = x->narrow(1, 0, cut);
    const at::Tensor z = plan->run_rows(part.input, part.rows);
    const double difference = (z.select(1, cut - 1) - whole.select(1, cut - 1)).abs().sum().item<double>();
    largest = std::max(largest, difference);
    EXPECT_LT(difference, causal ? 1e-4 : INFINITY) << cut;
  }
  EXPECT_TRUE(causal || largest > 1e-3);
}

// The part of a layer up to and with position `at`, of which that one is the run's only query.
Layer step_of(const Layer& layer, std::int64_t at) {
  Layer step = layer;
  step.input.q = layer.input.q.narrow(1, at, 1);
  for (at::Tensor* x : {&step.input.k, &step.input.v, &step.rows.all_q, &step.rows.unrotated_q, &step.rows.unrotated_k})
    *x = x->narrow(1, 0, at + 1);
  step.input.mask.query_offset = at;
  return step;
}

// CAB's incremental test: one query at a time behind a cache. A step gives what the last query of the text up to it
// gets, which is that query of the whole text wherever no later one matters.
TEST_P(Mechanisms, GoesOnFromACache) {
  const Shape shape{.tokens = 70, .left = {0, 9}};
  const Layer layer = random_layer(shape);
  const auto plan = plan_of(GetParam());
  if (plan->parts(0).empty()) return; // full
  const LayerNeeds needs = plan->needs(0);
  const at::Tensor whole = plan->run_rows(layer.input, layer.rows);
  for (std::int64_t at = 20; at < shape.tokens; at += 7) {
    const Layer step = step_of(layer, at);
    const at::Tensor z = plan->run_rows(step.input, step.rows).select(1, 0);
    Layer cut = layer;
    for (at::Tensor* x :
         {&cut.input.q, &cut.input.k, &cut.input.v, &cut.rows.all_q, &cut.rows.unrotated_q, &cut.rows.unrotated_k})
      *x = x->narrow(1, 0, at + 1);
    EXPECT_LT(largest_difference(z, plan->run_rows(cut.input, cut.rows).select(1, at)), 1e-5) << at;
    EXPECT_LT(largest_difference(z, whole.select(1, at)), needs.queries == QueryScope::beside ? INFINITY : 1e-5) << at;
    if (needs.keeps_queries() || needs.before_rotary) {
      EXPECT_ANY_THROW((void)plan->run_rows(step.input, {}));
    }
  }
}

INSTANTIATE_TEST_SUITE_P(All, Mechanisms, testing::ValuesIn(specs), [](const auto& chosen) {
  std::string name = chosen.param;
  for (char& c : name)
    if (!std::isalnum(static_cast<unsigned char>(c))) c = '_';
  return name;
});

// HiP's choice for a block sees its later queries: cut within a block, a query's z is another.
TEST(Hip, IsNotCausalWithinABlock) {
  const Layer layer = random_layer({.tokens = 72});
  const auto plan = plan_of("hip:k=4,window=32,block_q=32,block_k=1");
  const at::Tensor whole = plan->run_rows(layer.input, layer.rows);
  double largest = 0.0;
  for (std::int64_t cut = 65; cut < 72; ++cut) {
    Layer part = layer;
    for (at::Tensor* x : {&part.input.q, &part.input.k, &part.input.v, &part.rows.all_q})
      *x = x->narrow(1, 0, cut);
    const at::Tensor z = plan->run_rows(part.input, part.rows);
    largest = std::max(largest, largest_difference(z.select(1, cut - 1), whole.select(1, cut - 1)));
  }
  EXPECT_GT(largest, 1e-2);
}

class EqualsFull : public testing::TestWithParam<const char*> {};

TEST_P(EqualsFull, WhereItSaysSo) {
  for (const Shape& shape : {Shape{.tokens = 60}, Shape{.tokens = 60, .left = {5, 0}, .window = 20, .softcap = 3.0}}) {
    const Layer layer = random_layer(shape);
    const at::Tensor z = plan_of(GetParam())->run_rows(layer.input, layer.rows);
    const at::Tensor full = default_attention().run(layer.input);
    EXPECT_LT(largest_difference(z, full), 1e-5);
  }
}

INSTANTIATE_TEST_SUITE_P(All, EqualsFull,
                         testing::Values("window:window=60", "streaming:sinks=4,window=56",
                                         "streaming:sinks=4,window=56,positions=cache", "halo:block=64,halo=0",
                                         "halo:block=8,halo=60", "strided:stride=1", "topk:k=60", "hip:k=20,window=40",
                                         "landmark:block=10,top=4", "landmark:block=60,top=0",
                                         "landmark:block=30,top=3,gate=grouped", "longheads:begin=60",
                                         "longheads:chunk=1000000000,begin=0", "longheads:chunk=15,chunks=4,begin=0",
                                         "boost:spans=3-9,alpha=0", "act:beta=1", "act:theta=1", "moh:shared=2,top=2",
                                         "moh:router=oracle,top=4", "hcam:chunk=60", "lowrank:rank=16",
                                         "routing:clusters=1,keys=60", "hyper:exact=60", "hyper:exact=4,block=60",
                                         "conv:last=0", "strided:stride=0,distances=0-59", "halo:block=8,width=8",
                                         "graph:hops=4,file=" HEADSCOPE_MECHANISM_EXAMPLES "/example_graph.toml"));

// And is another just below those parameters.
TEST(EqualsFull, NotBelow) {
  const Layer layer = random_layer({.tokens = 60});
  const at::Tensor full = default_attention().run(layer.input);
  for (const char* spec : {"window:window=50",
                           "streaming:sinks=4,window=50",
                           "halo:block=8,halo=40",
                           "strided:stride=2",
                           "topk:k=40",
                           "hip:k=10,window=32",
                           "landmark:block=10,top=2",
                           "landmark:block=10,top=4,gate=grouped",
                           "longheads:chunk=10,chunks=4,begin=0",
                           "boost:spans=3-9,alpha=0.1",
                           "act:theta=0.02,beta=0.9",
                           "moh:shared=2,top=1",
                           "hcam:chunk=30",
                           "lowrank:rank=15",
                           "routing:clusters=2,keys=30",
                           "hyper:exact=30,block=10",
                           "conv:last=0.05",
                           "strided:stride=0,distances=0-40",
                           "halo:block=4,halo=2,width=8",
                           "graph:hops=1,file=" HEADSCOPE_MECHANISM_EXAMPLES "/example_graph.toml"})
    EXPECT_GT(largest_difference(plan_of(spec)->run_rows(layer.input, layer.rows), full), 1e-3) << spec;
}

// With orthonormal keys, no momentum and no forgetting, a step of ½ stores v kᵀ: linear attention without its
// normaliser.
TEST(Titans, EqualsLinearAttentionOfOrthonormalKeys) {
  PlainHead head;
  at::manual_seed(5);
  head.q = plain_rows(at::randn({16, 16}));
  head.k = plain_rows(at::eye(16));
  head.v = plain_rows(at::randn({16, 16}));
  const auto titans = parse_specs("titans:theta=0.5,keys=plain", MechanismList::built_in());
  const Rows pattern = titans->front().mechanism->reference(head);
  for (std::size_t i = 0; i < 16; ++i)
    for (std::size_t j = 0; j < 16; ++j)
      EXPECT_NEAR(pattern[i][j], j <= i ? dot(head.q[i], head.k[j]) : 0.0, 1e-12);
}

// A boost raises a span's weight with alpha, whatever the sign of its scores.
TEST(Boost, RaisesTheSpanMonotonically) {
  const Layer layer = random_layer({.tokens = 50});
  const PlainHead head = plain_head(layer, {.tokens = 50}, 0, 1);
  double before = -1.0;
  for (const char* alpha : {"0", "0.3", "0.6", "1.5"}) {
    const auto boost = parse_specs(std::string("boost:spans=10-14,alpha=") + alpha, MechanismList::built_in());
    const Rows pattern = boost->front().mechanism->reference(head);
    double mass = 0.0;
    for (std::size_t key = 10; key < 15; ++key)
      mass += pattern[49][key];
    EXPECT_GT(mass, before) << alpha;
    before = mass;
  }
}

} // namespace
} // namespace headscope::mechanisms
