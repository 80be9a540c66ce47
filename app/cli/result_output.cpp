// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/cli/result_output.h"

#include "app/cli/progress.h"
#include "app/cli/version.h"

namespace headscope::cli {

void add_output_options(CLI::App& command, OutputOptions& options, bool required) {
  auto* out = command.add_option("--out,-o", options.path, "The HDF5 result file to write");
  if (required) out->required();
  command.add_flag("--force", options.force, "Replace an existing file");
}

Result<std::optional<store::ResultWriter>> open_output(const OutputOptions& options, const Console& console,
                                                       const std::vector<std::int64_t>& seeds) {
  if (options.path.empty()) return std::optional<store::ResultWriter>{};
  store::ResultOptions how;
  how.overwrite = options.force;
  how.provenance = {headscope_version(), libtorch_version(), console.command_line, seeds};
  HS_ASSIGN(store::ResultWriter writer, store::ResultWriter::create(options.path, how));
  return std::optional<store::ResultWriter>(std::move(writer));
}

Status store_model(store::ResultWriter& writer, const Model& model, const ModelOptions& options) {
  const ModelConfig& config = model.config;
  HS_TRY(writer.set_model({
      {"name", model.identity.name},
      {"architecture", config.architecture},
      {"path", model.identity.path},
      {"sha256", model.identity.sha256},
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
  }));
  return writer.set_options("model", option_attributes(options));
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

Status write_detector(store::ResultWriter& writer, const Detector& detector, const OptionSet& options,
                      const std::string& haystack, const DetectorResult& result) {
  const std::string id = detector.id();
  store::Attributes used = options.attributes();
  used.push_back({"haystack", haystack.empty() ? std::string("generated from the seed") : haystack});
  HS_TRY(writer.set_options(id, used));
  for (const store::Prompt& prompt : result.prompts)
    HS_TRY(writer.add_prompt(prompt));
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
  HS_TRY(writer.add_scores(scores));
  for (const ScoreMap& map : result.maps)
    HS_TRY(write_map(writer, id, result, map));
  for (const DetectorResult::NamedTable& table : result.tables)
    HS_TRY(writer.add_table(store::evidence_path(id, table.name), table.table));
  return {};
}

Status finish_output(std::optional<store::ResultWriter>& writer, const OutputOptions& options, const Console& console,
                     bool complete) {
  finish_progress();
  if (writer) {
    HS_TRY(writer->commit(complete));
    console.note((complete ? "wrote " : "wrote what was done until the interruption to ") + options.path);
  }
  if (!complete) return make_error(ErrorCode::cancelled, "interrupted");
  return {};
}

} // namespace headscope::cli
