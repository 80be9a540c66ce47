// SPDX-License-Identifier: GPL-3.0-or-later
// What mechanisms say of their choices is what their references do: of random q and k, query by query and key by key.
#include <set>

#include "core/mechanisms/explain.h"
#include "tests/mechanisms/heads.h"

namespace headscope::mechanisms {
namespace {

const Shape shape = {.tokens = 70};

struct Explained {
  std::vector<Explanation> all;
  Rows pattern; // of the reference
  PlainHead head;

  const Explanation& named(const std::string& beginning) const {
    for (const Explanation& each : all)
      if (each.title.starts_with(beginning)) return each;
    throw std::runtime_error("there is no " + beginning);
  }
  double weight(std::int64_t i, std::int64_t j) const {
    return pattern[static_cast<std::size_t>(i)][static_cast<std::size_t>(j)];
  }
};

// Of a head of the first row; all heads are of one part.
Explained explained(const std::string& spec, std::int64_t head = 1) {
  const Layer layer = random_layer(shape);
  const auto plan = plan_of(spec);
  const OpenPart open(layer.input, layer.rows, 0, plan->parts(0).front());
  std::vector<PlainHead> heads;
  for (std::int64_t h = 0; h < test_heads; ++h)
    heads.push_back(plain_head(layer, shape, 0, h));
  const Mechanism& mechanism = *plan->parts(0).front().mechanism;
  return {explain_head(mechanism, open.row.text, head), mechanism.references(heads)[static_cast<std::size_t>(head)],
          heads[static_cast<std::size_t>(head)]};
}

// The regions' values by query and key; 0 where there is none, and where the key comes later.
Rows cells_of(const Explanation& of) {
  Rows cells(static_cast<std::size_t>(shape.tokens), Vector(static_cast<std::size_t>(shape.tokens), 0.0));
  for (const Explanation::Region& region : of.regions)
    for (std::int64_t i = region.query_begin; i < region.query_end; ++i)
      for (std::int64_t j = region.key_begin; j < std::min(region.key_end, i + 1); ++j)
        cells[static_cast<std::size_t>(i)][static_cast<std::size_t>(j)] += region.value;
  return cells;
}

void each_pair(const std::function<void(std::int64_t i, std::int64_t j)>& call) {
  for (std::int64_t i = 0; i < shape.tokens; ++i)
    for (std::int64_t j = 0; j <= i; ++j)
      call(i, j);
}

class Visits : public testing::TestWithParam<const char*> {};

TEST_P(Visits, AreThoseOfTheReference) {
  const Explained of = explained(GetParam());
  const Rows cells = cells_of(of.all.front());
  each_pair([&](std::int64_t i, std::int64_t j) {
    EXPECT_EQ(cells[static_cast<std::size_t>(i)][static_cast<std::size_t>(j)], of.weight(i, j) > 0.0 ? 1.0 : 0.0)
        << i << ", " << j;
  });
}

INSTANTIATE_TEST_SUITE_P(Explained, Visits,
                         testing::Values("window:window=7", "streaming:sinks=2,window=5", "topk:k=6",
                                         "hip:k=8,window=8,block_q=4,block_k=2", "halo:block=8,halo=3",
                                         "moh:router=norm,shared=0,top=2", "longheads:chunk=4,chunks=5,begin=8",
                                         "routing:clusters=3,keys=9"));

// The last level is what is visited beside the window; each level lies within the one before.
TEST(Explain, TheTreeOfHip) {
  const Explained of = explained("hip:k=8,window=8,block_q=4,block_k=2");
  std::vector<Rows> levels;
  for (const Explanation& each : of.all)
    if (each.title.starts_with("Tree")) levels.push_back(cells_of(each));
  ASSERT_GE(levels.size(), 3U);
  bool narrower = false;
  each_pair([&](std::int64_t i, std::int64_t j) {
    const auto at = [&](const Rows& rows) { return rows[static_cast<std::size_t>(i)][static_cast<std::size_t>(j)]; };
    const std::int64_t end = std::min<std::int64_t>((i / 4 + 1) * 4, shape.tokens), older = end - 8;
    if (older <= 8 || j >= older) return;
    EXPECT_EQ(at(levels.front()), 1.0);
    EXPECT_EQ(at(levels.back()) > 0.0, of.weight(i, j) > 0.0) << i << ", " << j;
    for (std::size_t level = 1; level < levels.size(); ++level) {
      EXPECT_LE(at(levels[level]), at(levels[level - 1]));
      narrower = narrower || at(levels[level]) < at(levels[level - 1]);
    }
  });
  EXPECT_TRUE(narrower);
}

// Without a sample a query sees of an earlier half the keys of its own block alone.
TEST(Explain, TheBlocksOfHyper) {
  const Explained of = explained("hyper:exact=8,block=4,sample=0,projections=4");
  int depths = 0;
  for (const Explanation& each : of.all) {
    if (each.kind != ExplanationKind::groups) continue;
    ++depths;
    // The parts of this depth, each of which is halved.
    std::vector<Range> parts = {{0, shape.tokens}};
    for (int depth = 1; depth < depths; ++depth) {
      std::vector<Range> halves;
      for (const Range part : parts) {
        const std::int64_t middle = part.begin + part.count() / 2;
        if (part.count() > 8) halves.insert(halves.end(), {{part.begin, middle}, {middle, part.end}});
      }
      parts = halves;
    }
    for (const Range part : parts) {
      if (part.count() <= 8) continue;
      const std::int64_t middle = part.begin + part.count() / 2;
      for (std::int64_t i = middle; i < part.end; ++i)
        for (std::int64_t j = part.begin; j < middle; ++j) {
          const std::int64_t query = each.query_groups[static_cast<std::size_t>(i)],
                             key = each.key_groups[static_cast<std::size_t>(j)];
          EXPECT_GE(query, 0);
          EXPECT_EQ(of.weight(i, j) > 0.0, query == key) << each.title << ": " << i << ", " << j;
        }
    }
  }
  EXPECT_EQ(depths, 4);
}

TEST(Explain, TheClustersOfRouting) {
  const Explained of = explained("routing:clusters=4,keys=70");
  const Explanation& clusters = of.named("Clusters");
  EXPECT_GT(std::set<std::int64_t>(clusters.key_groups.begin(), clusters.key_groups.end()).size(), 1U);
  const Explained few = explained("routing:clusters=4,keys=9");
  const Explanation& held = few.named("Clusters");
  int pairs = 0;
  each_pair([&](std::int64_t i, std::int64_t j) {
    if (held.key_groups[static_cast<std::size_t>(j)] != held.query_groups[static_cast<std::size_t>(i)]) return;
    ++pairs;
    EXPECT_GT(few.weight(i, j), 0.0) << i << ", " << j;
  });
  EXPECT_GT(pairs, 20);
}

TEST(Explain, TheChunksOfLongHeads) {
  const Explained of = explained("longheads:chunk=4,chunks=5,begin=8");
  const Rows cells = cells_of(of.named("Chunks that"));
  each_pair([&](std::int64_t i, std::int64_t j) {
    if (i < 8) return;
    EXPECT_EQ(cells[static_cast<std::size_t>(i)][static_cast<std::size_t>(j)] > 0.0, of.weight(i, j) > 0.0);
  });
  EXPECT_EQ(of.named("Chunks").boundaries.size() + of.all.back().boundaries.size(), 17U);
}

TEST(Explain, TheBlocksOfLandmarks) {
  const Explained of = explained("landmark:block=8,top=2");
  const Rows cells = cells_of(of.named("Blocks that"));
  each_pair([&](std::int64_t i, std::int64_t j) {
    const bool always = j < 8 || j / 8 == i / 8;
    EXPECT_EQ(cells[static_cast<std::size_t>(i)][static_cast<std::size_t>(j)] > 0.0 || always, of.weight(i, j) > 0.0);
  });
}

// The weight of a chunk is the sum of its keys' weights.
TEST(Explain, TheRecallOfHcam) {
  const Explained of = explained("hcam:chunk=8,top=2");
  const Rows cells = cells_of(of.named("Recall"));
  for (std::int64_t i = 0; i < shape.tokens; ++i)
    for (std::int64_t chunk = 0; chunk <= i / 8; ++chunk) {
      double sum = 0.0;
      for (std::int64_t j = chunk * 8; j < std::min((chunk + 1) * 8, i + 1); ++j)
        sum += of.weight(i, j);
      EXPECT_NEAR(cells[static_cast<std::size_t>(i)][static_cast<std::size_t>(chunk * 8)], sum, 1e-5);
    }
}

TEST(Explain, TheGatesOfMoh) {
  for (const char* spec : {"moh:router=norm,shared=1,top=1", "moh:router=oracle,shared=0,top=2"})
    for (std::int64_t head = 0; head < test_heads; ++head) {
      const Explained of = explained(spec, head);
      const Explanation& gates = of.named("Gates");
      ASSERT_EQ(gates.rows, (std::vector<std::string>{"0.0", "0.1", "0.2", "0.3"}));
      for (std::int64_t i = 0; i < shape.tokens; ++i)
        EXPECT_EQ(gates.values[static_cast<std::size_t>(head)][static_cast<std::size_t>(i)],
                  of.weight(i, 0) > 0.0 ? 1.0 : 0.0);
    }
}

// By a memory in loops.
TEST(Explain, TheSurpriseOfTitans) {
  const Explained of = explained("titans:theta=0.3,eta=0.4,alpha=0.05");
  const Vector& surprise = of.named("Surprise").values.front();
  const std::size_t d = of.head.k.front().size();
  Rows memory(d, Vector(d, 0.0)), step = memory;
  Rows keys;
  for (std::size_t t = 0; t < of.head.k.size(); ++t) {
    Vector key = of.head.k[t];
    const double size = std::sqrt(dot(key, key));
    for (double& x : key)
      x /= size;
    keys.push_back(key);
    double wrong = 0.0;
    for (std::size_t e = 0; e < d; ++e) {
      const double off = dot(memory[e], key) - of.head.v[t][e];
      wrong += off * off;
      for (std::size_t f = 0; f < d; ++f)
        step[e][f] = 0.4 * step[e][f] - 0.6 * off * key[f];
    }
    EXPECT_NEAR(surprise[t], 2.0 * std::sqrt(wrong), 1e-4 * (1.0 + surprise[t]));
    for (std::size_t e = 0; e < d; ++e)
      for (std::size_t f = 0; f < d; ++f)
        memory[e][f] = 0.95 * memory[e][f] + step[e][f];
  }
  const Explanation& recall = of.named("Recall");
  EXPECT_TRUE(recall.by_distance);
  const Vector& v = of.head.v[of.head.v.size() - 4];
  Vector found;
  for (std::size_t e = 0; e < d; ++e)
    found.push_back(dot(memory[e], keys[keys.size() - 4]));
  EXPECT_NEAR(recall.values.front()[3], dot(found, v) / std::sqrt(dot(found, found) * dot(v, v)), 1e-4);
}

TEST(Explain, TheStateOfLinearAttention) {
  const Explained of = explained("linear");
  const std::size_t d = of.head.k.front().size();
  Rows state(d, Vector(d, 0.0));
  for (std::size_t t = 0; t < of.head.k.size(); ++t) {
    double sum = 0.0;
    for (std::size_t e = 0; e < d; ++e)
      for (std::size_t f = 0; f < d; ++f) {
        const double k = of.head.k[t][e];
        state[e][f] += (k > 0.0 ? k + 1.0 : std::exp(k)) * of.head.v[t][f];
        sum += state[e][f] * state[e][f];
      }
    const double told = of.named("State").values.front()[t];
    EXPECT_NEAR(told, std::sqrt(sum), 1e-4 * (1.0 + told));
  }
  const Explanation& decay = of.named("Mean weight by distance");
  double mean = 0.0;
  for (std::int64_t i = 2; i < shape.tokens; ++i)
    mean += of.weight(i, i - 2) / static_cast<double>(shape.tokens - 2);
  EXPECT_NEAR(decay.values[0][2], mean, 1e-6);
  EXPECT_GT(decay.values[1][1], decay.values[1][2]);
}

// With beta = 0 a sink keeps nothing.
TEST(Explain, TheSinksOfAct) {
  const Explained of = explained("act:theta=0.03,beta=0");
  const Explanation& sinks = of.named("Sinks");
  int found = 0;
  for (std::int64_t j = 0; j < shape.tokens; ++j) {
    const bool sink = sinks.key_groups[static_cast<std::size_t>(j)] >= 0;
    found += sink;
    for (std::int64_t i = std::max<std::int64_t>(j, 10); i < shape.tokens; ++i)
      EXPECT_EQ(of.weight(i, j) == 0.0, sink) << i << ", " << j;
  }
  EXPECT_GT(found, 0);
}

TEST(Explain, TheSpansOfABoost) {
  const std::vector<std::int64_t> groups = explained("boost:spans=3-5,other=7").named("Keys whose").key_groups;
  EXPECT_EQ(std::vector(groups.begin(), groups.begin() + 9),
            (std::vector<std::int64_t>{-1, -1, -1, 0, 0, 0, -1, 1, -1}));
}

} // namespace
} // namespace headscope::mechanisms
