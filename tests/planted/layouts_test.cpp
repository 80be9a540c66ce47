// SPDX-License-Identifier: GPL-3.0-or-later
// Every detector, with its default options, finds the planted heads and no others, wherever they are.
#include <array>

#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include "tests/planted/evaluate.h"

namespace headscope::test {
namespace {

struct Shape {
  int layers, heads, kv_heads;
};

constexpr std::array shapes = {Shape{3, 5, 1}, Shape{3, 5, 5}, Shape{3, 6, 2}, Shape{4, 4, 2},
                               Shape{4, 4, 4}, Shape{5, 3, 1}, Shape{3, 6, 6}, Shape{4, 5, 5},
                               Shape{3, 4, 2}, Shape{6, 3, 3}, Shape{4, 6, 3}};
constexpr std::array noise_levels = {0.0, 0.025, 0.05, 0.075, 0.1}; // up to what docs/planted-models.md promises
constexpr int groups = 13, layouts_in_group = 4;

plant::PlantOptions options_of(int layout) {
  const Shape& shape = shapes[static_cast<std::size_t>(layout) % shapes.size()];
  plant::PlantOptions options;
  options.seed = static_cast<std::uint64_t>(1000 + layout);
  options.layers = shape.layers;
  options.heads = shape.heads;
  options.kv_heads = shape.kv_heads;
  options.noise = noise_levels[static_cast<std::size_t>(layout) % noise_levels.size()];
  return options;
}

class Layouts : public testing::TestWithParam<int> {};

TEST_P(Layouts, EveryDetectorFindsThePlantedHeadsAndNoOthers) {
  at::set_num_threads(1);
  for (int i = 0; i < layouts_in_group; ++i) {
    const plant::PlantOptions options = options_of(GetParam() * layouts_in_group + i);
    const PlantedModel model(options);
    int compared = 0;
    for (const auto& detector : builtin_detectors()) {
      const auto kind = kind_of(*detector);
      if (!kind) continue;
      ++compared;
      EXPECT_FALSE(model.planted(*kind).empty());
      EXPECT_EQ(to_text(heads_of(detect(model.engine(), *detector))), to_text(model.planted(*kind)))
          << detector->id() << ", seed " << options.seed << ", " << options.layers << " layers of " << options.heads
          << " heads, " << options.kv_heads << " of keys, noise " << options.noise;
    }
    EXPECT_EQ(compared, 10); // every target, and S-inhibition heads, which name movers need
  }
}

INSTANTIATE_TEST_SUITE_P(Random, Layouts, testing::Range(0, groups));

// Otherwise the test above would say little about where heads are.
TEST(Layout, DiffersFromSeedToSeed) {
  std::map<plant::Kind, std::set<std::pair<int, int>>> places;
  for (int layout = 0; layout < groups * layouts_in_group; ++layout) {
    plant::PlantOptions options;
    options.seed = static_cast<std::uint64_t>(1000 + layout);
    for (const plant::PlantedHead& head : expect_value(plant::draw_layout(options)))
      places[head.kind].insert({head.layer, head.head});
  }
  for (const auto& [kind, seen] : places)
    EXPECT_GE(seen.size(), 12U) << plant::kind_id(kind);
}

TEST(Layout, EveryHeadIsSomethingOnce) {
  for (const Shape& shape : shapes) {
    plant::PlantOptions options;
    options.layers = shape.layers;
    options.heads = shape.heads;
    options.kv_heads = shape.kv_heads;
    const auto heads = expect_value(plant::draw_layout(options));
    ASSERT_EQ(heads.size(), static_cast<std::size_t>(shape.layers * shape.heads));
    std::set<plant::Kind> kinds;
    for (std::size_t i = 0; i < heads.size(); ++i) {
      EXPECT_EQ(heads[i].layer * shape.heads + heads[i].head, static_cast<int>(i));
      kinds.insert(heads[i].kind);
    }
    for (int kind = 0; !plant::is_distractor(static_cast<plant::Kind>(kind)); ++kind)
      EXPECT_EQ(kinds.count(static_cast<plant::Kind>(kind)), 1U) << plant::kind_id(static_cast<plant::Kind>(kind));
  }
}

TEST(Layout, TheSmallestShapeFitsForEverySeed) {
  plant::PlantOptions options;
  options.layers = 3;
  options.heads = 4;
  options.kv_heads = 4;
  for (options.seed = 0; options.seed < 300; ++options.seed)
    EXPECT_TRUE(plant::draw_layout(options).ok()) << options.seed;
}

TEST(Layout, RefusesShapesThatCannotBe) {
  const auto field = [](int layers, int heads, int kv_heads, double noise) -> std::string {
    plant::PlantOptions options;
    options.layers = layers;
    options.heads = heads;
    options.kv_heads = kv_heads;
    options.noise = noise;
    const auto drawn = plant::draw_layout(options);
    if (drawn.ok()) return "none";
    EXPECT_EQ(drawn.error().code, ErrorCode::invalid_argument);
    return drawn.error().field;
  };
  EXPECT_EQ(field(4, 8, 2, 0.0), "none");
  EXPECT_EQ(field(2, 8, 2, 0.0), "layers");
  EXPECT_EQ(field(65, 8, 2, 0.0), "layers");
  EXPECT_EQ(field(4, 0, 1, 0.0), "heads");
  EXPECT_EQ(field(3, 3, 3, 0.0), "heads");
  EXPECT_EQ(field(12, 2, 1, 0.0), "none");
  EXPECT_EQ(field(4, 8, 3, 0.0), "kv_heads");
  EXPECT_EQ(field(4, 8, 0, 0.0), "kv_heads");
  EXPECT_EQ(field(4, 8, 2, -0.1), "noise");
  EXPECT_EQ(field(4, 8, 2, std::numeric_limits<double>::quiet_NaN()), "noise");
}

} // namespace
} // namespace headscope::test
