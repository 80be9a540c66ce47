// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/gui/files/head_arrays.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace headscope::gui {
namespace {

using store::Node;

constexpr std::int64_t most_cells = std::int64_t{1} << 24; // of an array that is read

// A group, and what stands above its arrays.
struct Place {
  const Node* group = nullptr;
  std::vector<std::string> names; // "ablation", "zero"
};

// The array that a group is about: it is called as the group.
const char* main_array(const std::string& folder) {
  if (folder == "detectors") return "scores";
  if (folder == "ablation") return "mean";
  if (folder == "patching") return "restored";
  return "";
}

bool is_numbers(const Node& node) {
  return !node.is_group && (node.dtype == store::DType::float16 || node.dtype == store::DType::float32 ||
                            node.dtype == store::DType::float64);
}

// K/V heads are fewer than the heads of the grid.
bool is_of_heads(const Node& node, const FileModel& model) {
  const std::size_t n = node.axes.size();
  if (!is_numbers(node) || n < 2 || node.shape.size() != n || node.axes[n - 2] != "layer" || node.axes[n - 1] != "head")
    return false;
  const std::int64_t layers = node.shape[n - 2], heads = node.shape[n - 1];
  if (layers <= 0 || heads <= 0 || layers * heads > most_cells) return false;
  return (model.n_layers == 0 || layers == model.n_layers) && (model.n_heads == 0 || heads == model.n_heads);
}

bool is_by_prompt(const Node& node, const FileModel& model) {
  return node.axes.size() == 3 && (node.axes[0] == "prompt" || node.axes[0] == "pair") && is_of_heads(node, model) &&
         node.shape[0] > 0 && node.shape[0] <= most_cells / (node.shape[1] * node.shape[2]);
}

// One map a mechanism, which the axis names.
bool is_by_mechanism(const Node& node, const FileModel& model) {
  return node.axes.size() == 3 && node.axes[0] == "mechanism" && is_of_heads(node, model) && node.shape[0] > 0 &&
         node.shape[0] <= most_cells / (node.shape[1] * node.shape[2]);
}

std::string joined(const std::vector<std::string>& names, const char* between) {
  std::string text;
  for (const std::string& name : names) {
    if (!text.empty()) text += between;
    text += name;
  }
  return text;
}

// "logit_attribution" as "Logit attribution".
std::string in_words(std::string name) {
  std::replace(name.begin(), name.end(), '_', ' ');
  if (!name.empty()) name.front() = static_cast<char>(std::toupper(static_cast<unsigned char>(name.front())));
  return name;
}

// "detector/induction", "ablation/zero", "logit_attribution/heads", "detector/retrieval/hits" of its evidence.
std::string id_of(const Place& place, const Node& array) {
  std::vector<std::string> names = place.names;
  if (names.front() == "detectors") {
    names.front() = "detector";
    std::erase(names, "evidence");
  }
  if (array.name != main_array(place.names.front())) names.push_back(array.name);
  return joined(names, "/");
}

std::string title_of(const Place& place, const Node& array) {
  std::vector<std::string> names = place.names;
  const std::string folder = names.front();
  const bool main = array.name == main_array(folder);
  if (folder == "detectors") {
    const std::string title = main ? store::text_attribute(place.group->attributes, "title") : "";
    if (!title.empty()) return title;
    return main ? names[1] : names[1].append(": ").append(array.name);
  }
  const store::AttributeValue* estimated = store::find_attribute(place.group->attributes, "estimated");
  std::string title = in_words(folder);
  if (estimated && *estimated == store::AttributeValue(true)) title += " (estimate)";
  names.erase(names.begin());
  if (!main) names.push_back(array.name);
  return title.append(": ").append(joined(names, ", "));
}

std::string description_of(const Place& place, const Node& array) {
  std::string text = store::text_attribute(array.attributes, "description");
  if (text.empty()) text = store::text_attribute(array.attributes, "long_name");
  const store::Attributes& group = place.group->attributes;
  const std::string method = store::text_attribute(group, "method"), metric = store::text_attribute(group, "metric");
  if (place.names.front() == "ablation")
    text = std::string("Change of ")
               .append(metric)
               .append(" with the head ablated (")
               .append(method)
               .append("), mean over the prompts that were measured");
  else if (!metric.empty() && text.find(metric) == std::string::npos)
    text.append(text.empty() ? "" : ", ").append(metric);
  if (array.axes.size() == 3 && array.axes[0] != "mechanism")
    text.append("; mean over ").append(std::to_string(array.shape[0])).append(" ").append(array.axes[0]).append("s");
  return text;
}

// Over the first axis, of those that were measured.
std::vector<float> mean_by_head(const std::vector<double>& values, std::size_t cells) {
  std::vector<float> out;
  for (std::size_t cell = 0; cell < cells; ++cell) {
    double sum = 0.0, measured = 0.0;
    for (std::size_t at = cell; at < values.size(); at += cells)
      if (!std::isnan(values[at])) {
        sum += values[at];
        measured += 1.0;
      }
    out.push_back(static_cast<float>(measured > 0.0 ? sum / measured : std::numeric_limits<double>::quiet_NaN()));
  }
  return out;
}

class Search {
public:
  Search(const store::ResultReader& reader, const FileModel& model, const std::string& path)
      : reader_(reader), model_(model), path_(path) {}

  Status look_into(const Place& place) {
    bool has_own = false;
    for (const Node& node : place.group->children)
      if (node.axes.size() == 2 && is_of_heads(node, model_)) {
        HS_TRY(take(place, node));
        has_own = true;
      }
    for (const Node& node : place.group->children) {
      if (!has_own && is_by_prompt(node, model_)) HS_TRY(take(place, node));
      if (is_by_mechanism(node, model_)) HS_TRY(take_each(place, node));
      if (!node.is_group) continue;
      Place inner{&node, place.names};
      inner.names.push_back(node.name);
      HS_TRY(look_into(inner));
    }
    return {};
  }

  std::vector<HeadScores> found;

private:
  Result<store::Array> read(const Place& place, const Node& node) const {
    return reader_.array(joined(place.names, "/").insert(0, 1, '/').append("/").append(node.name));
  }

  Status take(const Place& place, const Node& node) {
    HS_ASSIGN(const store::Array array, read(place, node));
    add(place, node, array, array.values);
    return {};
  }

  Status take_each(const Place& place, const Node& node) {
    HS_ASSIGN(const store::Array array, read(place, node));
    const std::int64_t cells = node.shape[1] * node.shape[2];
    const std::vector<std::string>& names = array.spec.axes[0].labels;
    for (std::int64_t i = 0; i < node.shape[0]; ++i) {
      const auto begin = array.values.begin() + i * cells;
      add(place, node, array, {begin, begin + cells});
      HeadScores& scores = found.back();
      scores.id.append("/").append(std::to_string(i));
      scores.title = in_words(node.name);
      if (i < std::ssize(names)) scores.title.append(": ").append(names[static_cast<std::size_t>(i)]);
    }
    return {};
  }

  void add(const Place& place, const Node& node, const store::Array& array, const std::vector<double>& values) {
    HeadScores scores;
    scores.id = id_of(place, node);
    scores.title = title_of(place, node);
    scores.description = description_of(place, node);
    scores.units = array.spec.units;
    scores.n_layers = static_cast<int>(node.shape[node.shape.size() - 2]);
    scores.n_heads = static_cast<int>(node.shape.back());
    scores.values = mean_by_head(values, static_cast<std::size_t>(scores.n_layers * scores.n_heads));
    const store::AttributeValue* threshold = store::find_attribute(node.attributes, "threshold");
    if (const auto* number = threshold ? std::get_if<double>(threshold) : nullptr) scores.threshold = *number;
    const bool change = place.names.front() == "ablation" || place.names.front() == "patching";
    const bool negative = std::any_of(scores.values.begin(), scores.values.end(), [](float v) { return v < 0.0F; });
    scores.diverging = change || (negative && place.names.front() != "detectors");
    scores.source = path_;
    scores.model_sha256 = model_.sha256;
    scores.command = reader_.info().provenance.command_line;
    found.push_back(std::move(scores));
  }

  const store::ResultReader& reader_;
  const FileModel& model_;
  const std::string& path_;
};

} // namespace

Result<std::vector<HeadScores>> head_arrays(const store::ResultReader& reader, const FileModel& model,
                                            const std::string& path) {
  HS_ASSIGN(const Node root, reader.tree());
  Search search(reader, model, path);
  const auto rank = [](const Node& node) { return node.name == "detectors" ? 0 : node.name == "ablation" ? 1 : 2; };
  for (const int wanted : {0, 1, 2})
    for (const Node& node : root.children)
      if (node.is_group && rank(node) == wanted) HS_TRY(search.look_into({&node, {node.name}}));
  return std::move(search.found);
}

} // namespace headscope::gui
