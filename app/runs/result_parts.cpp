// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/runs/result_parts.h"

#include <torch/headeronly/version.h>

#include "core/model/dtype.h"

namespace headscope {

std::string headscope_version() { return HEADSCOPE_VERSION; }
std::string libtorch_version() { return TORCH_VERSION; }

const char* dtype_name(at::ScalarType dtype) { return name_of(dtype); }

store::Attributes model_attributes(const Model& model) {
  const ModelConfig& config = model.config;
  return {
      {"name", model.identity.name},
      {"architecture", config.architecture},
      {"path", model.identity.path},
      {"sha256", model.identity.sha256()},
      {"format", model.identity.format},
      {"quantisation", model.identity.quantisation},
      {"dtype", std::string(dtype_name(model.dtype))},
      {"device", model.device.str()},
      {"n_layers", config.n_layers},
      {"n_heads", config.n_heads},
      {"n_kv_heads", config.n_kv_heads},
      {"d_model", config.d_model},
      {"d_head", config.d_head},
      {"d_mlp", config.d_mlp},
      {"d_vocab", config.d_vocab},
      {"n_ctx", config.n_ctx},
  };
}

Status store_model(store::ResultWriter& writer, const Model& model, const store::Attributes& load_options) {
  HS_TRY(writer.set_model(model_attributes(model)));
  return writer.set_options("model", load_options);
}

store::Prompt prompt_of(const Model& model, const std::string& id, const std::vector<std::int64_t>& ids) {
  store::Prompt prompt;
  prompt.id = id;
  prompt.token_ids = ids;
  if (model.tokenizer) prompt.text = model.tokenizer->decode(ids);
  for (const std::int64_t token : ids) {
    prompt.token_pieces.push_back(model.tokenizer ? model.tokenizer->piece(token) : std::to_string(token));
    if (model.tokenizer) prompt.token_texts.push_back(model.tokenizer->text(token));
  }
  return prompt;
}

store::Prompt prompt_of(const Model& model, const std::string& id, const std::vector<std::int64_t>& ids,
                        const Answers& answers) {
  store::Prompt prompt = prompt_of(model, id, ids);
  for (const auto& [tokens, ids_name, texts_name] :
       {std::tuple(&answers.answer, "answer_ids", "answers"), {&answers.wrong, "wrong_ids", "wrongs"}}) {
    std::vector<std::string> texts;
    for (const std::int64_t token : *tokens)
      texts.push_back(model.tokenizer ? model.tokenizer->text(token) : std::to_string(token));
    prompt.attributes.push_back({ids_name, *tokens});
    prompt.attributes.push_back({texts_name, texts});
  }
  return prompt;
}

Status store_task(store::ResultWriter& writer, const Model& model, const std::string& label, const TaskSet& task) {
  for (std::size_t i = 0; i < task.cases.size(); ++i) {
    const PatchPair& pair = task.cases[i].tokens;
    const std::string id = label + "-" + std::to_string(i);
    HS_TRY(writer.add_prompt(prompt_of(model, id, pair.clean, pair.answers)));
    HS_TRY(writer.add_prompt(prompt_of(model, id + "-corrupt", pair.corrupt, pair.answers)));
  }
  return {};
}

namespace {

Status write_map(store::ResultWriter& writer, const std::string& detector, const DetectorResult& result,
                 const ScoreMap& map) {
  store::ArraySpec spec;
  spec.axes = {{"layer", {}}, {"head", {}}};
  spec.shape = {result.n_layers, result.n_heads};
  spec.units = map.units;
  spec.long_name = map.description;
  return writer.add_array(store::evidence_path(detector, map.name), spec, std::span<const float>(map.values));
}

} // namespace

namespace {

// Stores a prompt. Detectors of other authors may use the same name; the later prompt then also gets its detector's
// name.
Status write_prompt(store::ResultWriter& writer, const std::string& detector, store::Prompt prompt) {
  Status status = writer.add_prompt(prompt);
  if (status.ok() || status.error().code != ErrorCode::already_exists) return status;
  prompt.id = detector + "-" + prompt.id;
  return writer.add_prompt(prompt);
}

} // namespace

namespace {

// Names a prompt. A detector's evidence calls its prompts ID-N; where its group has another name, they begin with that.
std::string prompt_name(const std::string& prompt, const std::string& detector, const std::string& group) {
  return prompt.rfind(detector + "-", 0) == 0 ? group + prompt.substr(detector.size()) : prompt;
}

} // namespace

Status write_detector(store::ResultWriter& writer, const Detector& detector, const OptionSet& options,
                      const std::string& haystack, const DetectorResult& result, const std::string& name) {
  const std::string id = name.empty() ? detector.id() : name;
  store::Attributes used = options.attributes();
  used.push_back({"haystack", haystack.empty() ? std::string("generated from the seed") : haystack});
  HS_TRY(writer.set_options(id, used));
  for (store::Prompt prompt : result.prompts) {
    prompt.id = prompt_name(prompt.id, detector.id(), id);
    HS_TRY(write_prompt(writer, id, std::move(prompt)));
  }
  store::DetectorScores scores;
  scores.name = id;
  scores.n_layers = result.n_layers;
  scores.n_heads = result.n_heads;
  scores.scores = result.scores;
  scores.units = result.units;
  scores.description = result.description;
  scores.threshold = result.threshold;
  scores.heads = result.heads;
  scores.attributes = result.findings;
  scores.attributes.push_back({"title", detector.title()});
  scores.attributes.push_back({"reference", detector.reference()});
  scores.attributes.push_back({"complete", result.complete});
  if (!result.message.empty()) scores.attributes.push_back({"message", result.message});
  if (!result.conditions.empty()) {
    std::vector<std::string> unnamed;
    for (const DetectorResult::Unnamed& each : result.unnamed)
      unnamed.push_back(head_name(each.head) + " " + each.why);
    scores.attributes.push_back({"conditions", result.conditions});
    scores.attributes.push_back({"unnamed", unnamed});
  }
  HS_TRY(writer.add_scores(scores));
  for (const ScoreMap& map : result.maps)
    HS_TRY(write_map(writer, id, result, map));
  for (const DetectorResult::NamedTable& table : result.tables)
    HS_TRY(writer.add_table(store::evidence_path(id, table.name), table.table));
  return {};
}

} // namespace headscope
