// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/gui/files/result_summary.h"

#include <algorithm>
#include <filesystem>

#include "app/gui/files/file_state.h"

namespace headscope::gui {
namespace {

std::int64_t whole_number(const store::Attributes& attributes, const char* name) {
  const store::AttributeValue* value = store::find_attribute(attributes, name);
  const auto* number = value ? std::get_if<std::int64_t>(value) : nullptr;
  constexpr std::int64_t most = 1 << 16; // a file may say anything
  return number ? std::clamp<std::int64_t>(*number, 0, most) : 0;
}

HeadScores detector_scores(const store::DetectorScores& stored, const std::string& path) {
  HeadScores scores;
  scores.id = "detector/" + stored.name;
  scores.title = store::text_attribute(stored.attributes, "title");
  if (scores.title.empty()) scores.title = stored.name;
  scores.description = stored.description;
  scores.units = stored.units;
  scores.n_layers = static_cast<int>(stored.n_layers);
  scores.n_heads = static_cast<int>(stored.n_heads);
  scores.values = stored.scores;
  scores.threshold = stored.threshold;
  scores.source = path;
  return scores;
}

HeadScores ablation_scores(const store::Ablation& stored, const std::string& path) {
  HeadScores scores;
  scores.id = "ablation/" + stored.spec.name;
  scores.title = "Ablation: " + stored.spec.name;
  scores.description = "Change of " + stored.spec.metric + " with the head ablated (" + stored.spec.method +
                       "), mean over " + std::to_string(stored.spec.prompts.size()) + " prompts";
  scores.units = stored.spec.units;
  scores.n_layers = static_cast<int>(stored.spec.n_layers);
  scores.n_heads = static_cast<int>(stored.spec.n_heads);
  scores.values = stored.mean;
  scores.diverging = true;
  scores.source = path;
  return scores;
}

constexpr std::size_t most_cells = std::size_t{1} << 22; // of a map by head

// Adds further maps of a detector: its [layer, head] arrays of evidence.
Status add_maps(const store::ResultReader& reader, const std::string& detector, ResultSummary& summary) {
  const std::string group = "/detectors/" + detector + "/evidence";
  HS_ASSIGN(const auto names, reader.list(group));
  for (const std::string& name : names) {
    const auto array = reader.array(group + "/" + name);
    if (!array.ok()) continue; // a table
    const store::ArraySpec& spec = array->spec;
    if (array->values.empty() || array->values.size() > most_cells) continue;
    if (spec.axes.size() != 2 || spec.axes[0].name != "layer" || spec.axes[1].name != "head") continue;
    HeadScores scores;
    scores.id = "detector/" + detector + "/" + name;
    scores.title = detector + ": " + name;
    scores.description = spec.long_name;
    scores.units = spec.units;
    scores.n_layers = static_cast<int>(spec.shape[0]);
    scores.n_heads = static_cast<int>(spec.shape[1]);
    scores.values.assign(array->values.begin(), array->values.end());
    scores.source = summary.path;
    summary.scores.push_back(std::move(scores));
  }
  return {};
}

Status read_scores(const store::ResultReader& reader, ResultSummary& summary) {
  for (const std::string& name : summary.detectors) {
    HS_ASSIGN(const store::DetectorScores scores, reader.scores(name));
    summary.scores.push_back(detector_scores(scores, summary.path));
    HS_TRY(add_maps(reader, name, summary));
  }
  for (const std::string& name : summary.ablations) {
    HS_ASSIGN(const store::Ablation ablation, reader.ablation(name));
    summary.scores.push_back(ablation_scores(ablation, summary.path));
  }
  return {};
}

Result<StoredPrompt> read_prompt(const store::ResultReader& reader, const std::string& id) {
  HS_ASSIGN(const store::Prompt stored, reader.prompt(id));
  StoredPrompt prompt{id, stored.text, {}};
  for (std::size_t i = 0; i < stored.token_ids.size(); ++i)
    prompt.tokens.push_back({stored.token_ids[i], stored.token_pieces[i],
                             stored.token_texts.empty() ? stored.token_pieces[i] : stored.token_texts[i], false});
  return prompt;
}

Status read_attention(const store::ResultReader& reader, ResultSummary& summary) {
  HS_ASSIGN(const auto names, reader.list("/attention"));
  for (const std::string& name : names) {
    HS_ASSIGN(const store::AttentionSpec spec, reader.attention(name));
    StoredMap map{spec.prompt, {}, spec.n_query, spec.n_key};
    map.heads = spec.heads;
    summary.attention.push_back(std::move(map));
  }
  return {};
}

} // namespace

std::shared_ptr<FileState> make_file_state() { return std::make_shared<FileState>(); }

Result<store::ResultReader*> FileState::reader(const std::string& path) {
  const auto found = open.find(path);
  if (found != open.end()) return &found->second;
  HS_ASSIGN(store::ResultReader opened, store::ResultReader::open(path));
  return &open.emplace(path, std::move(opened)).first->second;
}

Result<ResultSummary> open_result(FileState& state, const std::string& path, const RunControl& control) {
  ResultSummary summary;
  std::error_code failed;
  summary.path = std::filesystem::absolute(path, failed).lexically_normal().string();
  state.open.erase(summary.path); // it may have been replaced on disk
  HS_ASSIGN(const store::ResultReader* reader, state.reader(summary.path));
  summary.info = reader->info();
  if (reader->exists("/model")) {
    HS_ASSIGN(summary.model, reader->model());
  }
  summary.n_layers = static_cast<int>(whole_number(summary.model, "n_layers"));
  summary.n_heads = static_cast<int>(whole_number(summary.model, "n_heads"));
  HS_ASSIGN(summary.detectors, reader->list("/detectors"));
  HS_ASSIGN(summary.ablations, reader->list("/ablation"));
  HS_ASSIGN(summary.patchings, reader->list("/patching"));
  HS_ASSIGN(summary.graphs, reader->list("/graph"));
  HS_TRY(read_scores(*reader, summary));
  HS_TRY(read_attention(*reader, summary));
  HS_ASSIGN(const auto prompts, reader->list("/prompts"));
  for (const std::string& id : prompts) {
    if (control.cancel.cancelled()) return make_error(ErrorCode::cancelled, "cancelled");
    HS_ASSIGN(StoredPrompt prompt, read_prompt(*reader, id));
    summary.prompts.push_back(std::move(prompt));
  }
  return summary;
}

} // namespace headscope::gui
