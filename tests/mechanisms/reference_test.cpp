// SPDX-License-Identifier: GPL-3.0-or-later
// Each mechanism as it runs equals its reference in double-precision loops; equals full attention where it says so; and
// is causal and incremental where it says so (the tests of CAB, github.com/Shark-NLP/CAB).
#include "tests/mechanisms/heads.h"

namespace headscope::mechanisms {
namespace {

const std::vector<std::string> specs = {"full",
                                        "window:window=7",
                                        "streaming:sinks=2,window=5",
                                        "streaming:sinks=0,window=9",
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
                                        "longheads:chunk=4,chunks=3,begin=0"};

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
  for (std::int64_t row = 0; row < 2; ++row)
    for (std::int64_t head = 0; head < test_heads; ++head) {
      const PlainHead plain = plain_head(layer, shape, row, head);
      const at::Tensor expected = mixed_by(mechanism.reference(plain), plain.v);
      const std::int64_t begin = shape.left.empty() ? 0 : shape.left[static_cast<std::size_t>(row)];
      const at::Tensor got = z[row].narrow(0, begin, plain.tokens()).select(1, head);
      EXPECT_LT(largest_difference(got, expected), 1e-5) << shape.tokens << " tokens, row " << row << ", head " << head;
    }
}

TEST_P(Mechanisms, RunsAsItsReference) {
  const auto parsed = parse_specs(GetParam());
  ASSERT_TRUE(parsed.ok()) << parsed.error().to_string();
  const AttentionPlan plan(GetParam(),
                           {{{&parsed->front().definition->info, parsed->front().mechanism, {0, 1, 2, 3}}}});
  for (const Shape& shape : shapes) {
    const Layer layer = random_layer(shape);
    const at::Tensor z = plan.run_rows(layer.input, layer.rows);
    EXPECT_FALSE(z.isnan().any().item<bool>());
    expect_as_reference(*parsed->front().mechanism, layer, shape, z);
  }
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
    EXPECT_LT(largest_difference(pattern.sum(-1), at::ones({2, test_heads, shape.tokens})), 1e-5);
    for (std::int64_t row = 0; row < 2; ++row) {
      const std::int64_t begin = shape.left.empty() ? 0 : shape.left[static_cast<std::size_t>(row)];
      const std::int64_t end = layer.rows.end.empty() ? shape.tokens : layer.rows.end[static_cast<std::size_t>(row)];
      const at::Tensor v = layer.input.v[row].repeat_interleave(test_heads / test_kv, 1).transpose(0, 1);
      const at::Tensor mixed = at::matmul(pattern[row], v).transpose(0, 1);
      for (const at::Tensor& other : {seen[row], mixed})
        EXPECT_LT(largest_difference(z[row].narrow(0, begin, end - begin), other.narrow(0, begin, end - begin)), 1e-5);
    }
  }
}

TEST_P(Mechanisms, LeavesOtherHeadsAlone) {
  const Shape shape{.tokens = 80, .left = {0, 11}};
  const Layer layer = random_layer(shape);
  const auto all = plan_of(GetParam()), one = plan_of(GetParam() + "@heads=0.2");
  if (one->parts(0).empty()) return; // full
  const at::Tensor full = default_attention().run(layer.input), z = one->run_rows(layer.input, layer.rows);
  EXPECT_LT(largest_difference(z.select(2, 2), all->run_rows(layer.input, layer.rows).select(2, 2)), 1e-6);
  for (const std::int64_t head : {0, 1, 3})
    EXPECT_LT(largest_difference(z.select(2, head), full.select(2, head)), 1e-6);
}

// CAB's causality test: z_i of the whole input is z_i of the input cut after i. HiP chooses keys for whole blocks of
// queries, so there the cut is at the end of a block.
TEST_P(Mechanisms, IsCausalAtItsBorders) {
  const Shape shape{.tokens = 72};
  const Layer layer = random_layer(shape);
  const auto plan = plan_of(GetParam());
  if (plan->parts(0).empty()) return; // full
  const bool blocks = GetParam().starts_with("hip");
  const std::int64_t step = blocks ? 8 : 1;
  const at::Tensor whole = plan->run_rows(layer.input, layer.rows);
  for (std::int64_t cut = 40; cut < shape.tokens; cut += step) {
    if (blocks && cut % (GetParam().find("block_q=32") != std::string::npos ? 32 : 8) != 0) continue;
    Layer part = layer;
    for (at::Tensor* x : {&part.input.q, &part.input.k, &part.input.v, &part.rows.q, &part.rows.k})
      *x = x->narrow(1, 0, cut);
    const at::Tensor z = plan->run_rows(part.input, part.rows);
    EXPECT_LT((z.select(1, cut - 1) - whole.select(1, cut - 1)).abs().sum().item<double>(), 1e-4) << cut;
  }
}

// CAB's incremental test: one query at a time behind a cache.
TEST_P(Mechanisms, GoesOnFromACache) {
  const Shape shape{.tokens = 70, .left = {0, 9}};
  const Layer layer = random_layer(shape);
  const auto plan = plan_of(GetParam());
  if (plan->parts(0).empty()) return; // full
  const at::Tensor whole = plan->run_rows(layer.input, layer.rows);
  for (std::int64_t at = 20; at < shape.tokens; at += 7) {
    AttentionInput step = layer.input;
    step.q = layer.input.q.narrow(1, at, 1);
    step.k = layer.input.k.narrow(1, 0, at + 1);
    step.v = layer.input.v.narrow(1, 0, at + 1);
    step.mask.query_offset = at;
    if (plan->needs(0).whole_rows)
      EXPECT_ANY_THROW((void)plan->run_rows(step, {}));
    else
      EXPECT_LT(largest_difference(plan->run_rows(step, {}).select(1, 0), whole.select(1, at)), 1e-5) << at;
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
    for (at::Tensor* x : {&part.input.q, &part.input.k, &part.input.v})
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
                         testing::Values("window:window=60", "streaming:sinks=4,window=56", "halo:block=64,halo=0",
                                         "halo:block=8,halo=60", "strided:stride=1", "topk:k=60", "hip:k=20,window=40",
                                         "landmark:block=10,top=4", "landmark:block=60,top=0",
                                         "landmark:block=30,top=3,gate=grouped", "longheads:begin=60",
                                         "longheads:chunk=15,chunks=4,begin=0"));

// And is another just below those parameters.
TEST(EqualsFull, NotBelow) {
  const Layer layer = random_layer({.tokens = 60});
  const at::Tensor full = default_attention().run(layer.input);
  for (const char* spec : {"window:window=50", "streaming:sinks=4,window=50", "halo:block=8,halo=40",
                           "strided:stride=2", "topk:k=40", "hip:k=10,window=32", "landmark:block=10,top=2",
                           "landmark:block=10,top=4,gate=grouped", "longheads:chunk=10,chunks=4,begin=0"})
    EXPECT_GT(largest_difference(plan_of(spec)->run_rows(layer.input, layer.rows), full), 1e-3) << spec;
}

} // namespace
} // namespace headscope::mechanisms
