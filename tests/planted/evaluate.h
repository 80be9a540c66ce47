// SPDX-License-Identifier: GPL-3.0-or-later
// A planted model, and what the detectors find in it.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <set>
#include <stdexcept>
#include <string>

#include "core/plant/plant.h"
#include "plugins/detectors/builtin.h"
#include "tests/new_folder.h"

namespace headscope::test {

using HeadSet = std::set<std::pair<int, int>>; // layer, head

template <typename T> T expect_value(Result<T> result) {
  if (!result.ok()) throw std::runtime_error(result.error().to_string());
  return std::move(result).value();
}

// A planted model in a folder of its own, which is removed with it.
class PlantedModel {
public:
  explicit PlantedModel(const plant::PlantOptions& options)
      : folder_(test::new_folder()), plant_(expect_value(plant::write_plant(folder_.string(), options, true))) {
    LoadOptions load;
    load.threads = 1;
    load.require_tokenizer = true;
    engine_ = std::make_unique<Engine>(expect_value(load_model(folder_.string(), load)));
  }
  PlantedModel(const PlantedModel&) = delete;
  PlantedModel& operator=(const PlantedModel&) = delete;
  ~PlantedModel() {
    engine_.reset();
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }

  const Engine& engine() const { return *engine_; }
  const std::string folder() const { return folder_.string(); }
  const std::vector<plant::PlantedHead>& heads() const { return plant_.heads; }

  // The heads of a kind by the ground truth, in the same form as those found.
  HeadSet planted(plant::Kind kind) const {
    HeadSet out;
    for (const plant::PlantedHead& head : plant::heads_to_find(plant_.heads, kind))
      out.insert({head.layer, head.head});
    return out;
  }

private:
  std::filesystem::path folder_;
  plant::Plant plant_;
  std::unique_ptr<Engine> engine_;
};

// Runs a detector with its default options.
inline DetectorResult detect(const Engine& engine, const Detector& detector) {
  const OptionSet options(detector.options());
  return expect_value(detector.run({engine, options, {}, {}}));
}

inline HeadSet heads_of(const DetectorResult& result) {
  HeadSet out;
  for (const HeadId& head : result.heads)
    out.insert({static_cast<int>(head.layer), static_cast<int>(head.head)});
  return out;
}

inline std::string to_text(const HeadSet& heads) {
  std::string text;
  for (const auto& [layer, head] : heads)
    text += head_name({layer, head}) + " ";
  return text;
}

// The kind that a detector looks for; nothing for one of which no heads are planted.
inline std::optional<plant::Kind> kind_of(const Detector& detector) {
  for (int i = 0; static_cast<plant::Kind>(i) != plant::Kind::noise; ++i)
    if (detector.id() == plant::kind_id(static_cast<plant::Kind>(i))) return static_cast<plant::Kind>(i);
  return std::nullopt;
}

} // namespace headscope::test
