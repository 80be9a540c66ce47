// SPDX-License-Identifier: GPL-3.0-or-later
// The files written: the same bytes for the same options on every machine, and never over an existing model.
#include <fstream>
#include <iterator>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "core/base/sha256.h"
#include "tests/new_folder.h"
#include "tests/planted/evaluate.h"

namespace headscope::test {
namespace {

namespace fs = std::filesystem;

std::string bytes_of(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

class PlantFiles : public testing::Test {
protected:
  void SetUp() override { fs::remove_all(folder_); }
  void TearDown() override { fs::remove_all(folder_); }

  static plant::PlantOptions options() {
    plant::PlantOptions options;
    options.seed = 7;
    options.layers = 3;
    options.heads = 6;
    options.kv_heads = 3;
    options.noise = 0.1;
    return options;
  }

  // SHA-256 of each file, by its name.
  std::map<std::string, std::string> write(const std::string& name, const plant::PlantOptions& options) const {
    std::map<std::string, std::string> digests;
    for (const std::string& file : expect_value(plant::write_plant((folder_ / name).string(), options, false)).files)
      digests[fs::path(file).filename().string()] = expect_value(sha256_file(file));
    return digests;
  }

  const fs::path folder_ = test::new_folder();
};

// A change of these digests means that every seed gives another model; the figure in docs must then be made again.
TEST_F(PlantFiles, AreTheSameBytesEverywhere) {
  const std::map<std::string, std::string> expected = {
      {"config.json", "b68f20cf54005d0d98396d8891b344e4ba80ae58b419f948594e6670ea8dab6e"},
      {"model.safetensors", "36c062c19cd0e88e4d73b1e8d5a2add412f47180e28e7b27ae4eb83548f5a387"},
      {"planted.json", "bbe931097b3d5327cf8121213a9c1a7c9112d65f1ef1139df846752462d891cc"},
      {"tokenizer.json", "e3ac5823fdb299c912a246b3c052b271670f74469930ede3ca8ceff3bd53784e"},
      {"tokenizer_config.json", "f822828272b2fc4e341caba106b28f7b5e155f9f5c8e3821b98d4b8a8120b417"}};
  EXPECT_EQ(write("one", options()), expected);
}

TEST_F(PlantFiles, DependOnEveryOption) {
  const auto weights = [&](const std::string& name, const plant::PlantOptions& changed) {
    return write(name, changed).at("model.safetensors");
  };
  std::set<std::string> seen = {weights("a", options())};
  plant::PlantOptions changed = options();
  changed.seed = 8;
  EXPECT_TRUE(seen.insert(weights("b", changed)).second);
  changed = options();
  changed.noise = 0.2;
  EXPECT_TRUE(seen.insert(weights("c", changed)).second);
  changed = options();
  changed.kv_heads = 2;
  EXPECT_TRUE(seen.insert(weights("d", changed)).second);
}

TEST_F(PlantFiles, SayWhatIsPlanted) {
  const plant::Plant written = expect_value(plant::write_plant(folder_.string(), options(), false));
  const auto json = nlohmann::json::parse(bytes_of(folder_ / "planted.json"));
  EXPECT_EQ(json.at("options").at("seed"), 7);
  std::size_t named = json.at("noise_heads").size();
  for (const char* group : {"heads", "helpers", "distractors"})
    for (const auto& [kind, heads] : json.at(group).items())
      named += heads.size();
  // Heads of zero value at the first token are sinks and distractors at once.
  EXPECT_EQ(named, written.heads.size() + json.at("distractors").at("zero_value_first").size());
  for (const char* id : {"induction", "previous", "duplicate", "sink", "successor", "retrieval", "name_mover",
                         "correct_letter", "vision"})
    EXPECT_FALSE(json.at("heads").at(id).empty()) << id;
}

TEST_F(PlantFiles, AreNotReplacedUnlessAsked) {
  ASSERT_TRUE(plant::write_plant(folder_.string(), options(), false).ok());
  const auto again = plant::write_plant(folder_.string(), options(), false);
  ASSERT_FALSE(again.ok());
  EXPECT_EQ(again.error().code, ErrorCode::already_exists);
  EXPECT_TRUE(plant::write_plant(folder_.string(), options(), true).ok());
}

TEST_F(PlantFiles, AFolderThatCannotBeMadeIsAnError) {
  fs::create_directories(folder_);
  std::ofstream(folder_ / "file") << "x";
  const auto written = plant::write_plant((folder_ / "file" / "model").string(), options(), false);
  ASSERT_FALSE(written.ok());
  EXPECT_EQ(written.error().code, ErrorCode::io);
}

} // namespace
} // namespace headscope::test
