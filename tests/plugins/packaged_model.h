// SPDX-License-Identifier: GPL-3.0-or-later
// A packaged model with the reference scores of tests/golden/generate_detectors.py.
#pragma once

#include <cmath>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "core/model/model_store.h"
#include "plugins/detectors/builtin.h"

namespace headscope::test {

using Settings = std::vector<std::pair<std::string, std::string>>;

class PackagedModelTest : public testing::Test {
protected:
  static void load(const std::string& name) {
    std::ifstream in(HEADSCOPE_GOLDEN_DIR "/detectors/" + name + ".json");
    golden = nlohmann::json::parse(in);
    const std::string path = HEADSCOPE_SOURCE_DIR "/build/models/" + golden.at("model").get<std::string>();
    if (path == loaded) return; // by the suite before
    delete std::exchange(engine, nullptr);
    loaded.clear();
    known.clear();
    if (!std::filesystem::exists(path)) return;
    auto model = load_model(path, {});
    ASSERT_TRUE(model.ok()) << model.error().to_string();
    engine = new Engine(std::move(model).value());
    loaded = path;
  }

  void SetUp() override {
    if (!engine) GTEST_SKIP() << "build/models has no " << golden.at("model") << "; run scripts/bootstrap";
  }

  // Text, where one is read, is the licence's. Results are computed once and reused.
  static const DetectorResult& detect(const std::string& id, const Settings& set = {}) {
    auto found = known.find({id, set});
    if (found == known.end()) found = known.emplace(std::pair(id, set), detect_anew(id, set)).first;
    return found->second;
  }

  static DetectorResult detect_anew(const std::string& id, const Settings& set) {
    for (const auto& detector : builtin_detectors()) {
      if (detector->id() != id) continue;
      EXPECT_TRUE(detector->check(*engine).ok()) << id;
      OptionSet options(detector->options());
      for (const auto& [name, value] : set)
        EXPECT_TRUE(options.set(name, value).ok()) << name;
      auto result = detector->run({*engine, options, HEADSCOPE_SOURCE_DIR "/LICENSE", {}});
      if (!result.ok()) throw std::runtime_error(result.error().to_string());
      return std::move(result).value();
    }
    throw std::runtime_error("no detector " + id);
  }

  // Every head of every layer.
  static void expect_scores(const std::vector<float>& scores, const nlohmann::json& expected, double tolerance,
                            const std::string& what) {
    ASSERT_EQ(expected.size(), static_cast<std::size_t>(engine->config().n_layers)) << what;
    const std::size_t heads = expected.at(0).size();
    ASSERT_EQ(scores.size(), expected.size() * heads) << what;
    for (std::size_t layer = 0; layer < expected.size(); ++layer)
      for (std::size_t head = 0; head < heads; ++head) {
        const double reference = expected[layer][head].get<double>();
        EXPECT_NEAR(scores[layer * heads + head], reference, tolerance) << what << " " << layer << "." << head;
      }
  }

  // A rate may differ from the reference only where a text is on its threshold to within rounding: `expected` holds the
  // rates, and those of a threshold a little higher and a little lower.
  static void expect_rates(const std::vector<float>& rates, const nlohmann::json& expected, const std::string& what) {
    const std::size_t heads = expected.at(0).at(0).size();
    int loose = 0;
    for (std::size_t i = 0; i < rates.size(); ++i) {
      const auto at = [&](int k) { return expected[k][i / heads][i % heads].get<double>(); };
      EXPECT_GE(rates[i], at(1) - 1e-6) << what << " " << i / heads << "." << i % heads;
      EXPECT_LE(rates[i], at(2) + 1e-6) << what << " " << i / heads << "." << i % heads;
      loose += at(2) > at(1) + 1e-6 ? 1 : 0;
    }
    EXPECT_LE(loose, 3) << what;
  }

  static const std::vector<float>& map_named(const DetectorResult& result, const std::string& name) {
    for (const ScoreMap& map : result.maps)
      if (map.name == name) return map.values;
    throw std::runtime_error("no map " + name);
  }

  static void expect_stripes() {
    for (const char* id : {"induction", "previous", "duplicate"}) {
      const DetectorResult result = detect(id);
      const auto& tokens = golden.at("stripes").at("tokens");
      ASSERT_EQ(result.prompts.size(), tokens.size());
      for (std::size_t i = 0; i < tokens.size(); ++i)
        for (std::size_t j = 0; j < tokens[i].size(); ++j)
          ASSERT_EQ(result.prompts[i].token_ids[j], tokens[i][j].get<std::int64_t>());
      expect_scores(result.scores, golden.at("stripes").at(id), 1e-4, id);
    }
  }

  static void expect_sinks() {
    const auto& expected = golden.at("sink");
    const DetectorResult result = detect("sink"), paper = detect("sink", {{"theta", "5/T"}});
    ASSERT_EQ(result.prompts.size(), 20U);
    EXPECT_EQ(result.prompts.back().token_ids, expected.at("tokens").get<std::vector<std::int64_t>>());
    expect_rates(result.scores, expected.at("rate"), "rate of the first token");
    expect_scores(map_named(result, "alpha_first"), expected.at("alpha_first"), 1e-4, "alpha of the first token");
    expect_rates(map_named(result, "later_rate"), expected.at("later_rate"), "rate of later sinks");
    expect_rates(map_named(paper, "later_rate"), expected.at("later_rate_5_T"), "rate of later sinks, 5/T");
    expect_scores(map_named(result, "later_alpha"), expected.at("later_alpha"), 1e-4, "alpha of later sinks");
    const auto& columns = result.tables.at(0).table.columns;
    const auto& rates = std::get<std::vector<double>>(columns.at(1).values);
    const auto& means = std::get<std::vector<double>>(columns.at(2).values);
    ASSERT_EQ(rates.size(), expected.at("by_key_rate").size());
    for (std::size_t k = 0; k < rates.size(); ++k) {
      EXPECT_NEAR(means[k], expected["by_key_mean"][k].get<double>(), 1e-5) << k;
      EXPECT_NEAR(rates[k], expected["by_key_rate"][k].get<double>(), 1e-3) << k;
    }
  }

  static void expect_successors(const std::string& key, const Settings& set) {
    const auto& expected = golden.at(key);
    const DetectorResult result = detect("successor", set);
    for (const auto& [list, pairs] : expected.at("pairs").items()) {
      const auto* found = store::find_attribute(result.findings, "pairs_" + list);
      ASSERT_NE(found, nullptr) << list;
      EXPECT_EQ(std::get<std::int64_t>(*found), pairs.get<std::int64_t>()) << list;
      if (pairs.get<std::int64_t>() > 0)
        expect_scores(map_named(result, "list_" + list), expected.at(list), 1e-6, key + " " + list);
    }
    expect_scores(result.scores, expected.at("pooled"), 1e-6, key + " pooled");
  }

  static inline nlohmann::json golden;
  // The engine of the model that was loaded last, kept until the process ends.
  static inline Engine* engine = nullptr;
  static inline std::string loaded;
  static inline std::map<std::pair<std::string, Settings>, DetectorResult> known;
};

} // namespace headscope::test
