// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/methods/steer/steer_report.h"

#include <span>

#include <ATen/ATen.h>

#include "app/methods/base/values.h"
#include "app/methods/steer/steer_vector.h"
#include "core/store/column_values.h"

namespace headscope::methods {
namespace {

std::string decoded(const Model& model, const std::vector<std::int64_t>& ids) {
  return model.tokenizer->decode(ids, true);
}

nlohmann::json vectors_json(const std::vector<SteeringTarget>& targets) {
  nlohmann::json out = nlohmann::json::array();
  for (const SteeringTarget& target : targets) {
    out.push_back({{"layer", target.site.layer}, {"norm", number(vector_norm({target}))}});
    if (target.head) out.back()["head"] = *target.head;
  }
  return out;
}

nlohmann::json rows_json(const SteerOutcome& found) {
  nlohmann::json rows = nlohmann::json::array();
  const SteeringResult& result = found.result;
  const double clean = mean_over(result.clean);
  for (std::size_t i = 0; i < found.options.coefficients.size(); ++i) {
    nlohmann::json prompts = nlohmann::json::array();
    for (std::size_t prompt = 0; prompt < found.prompts.prompts.size(); ++prompt)
      prompts.push_back(number(result.steered[result.index(i, prompt)]));
    rows.push_back({{"coefficient", found.options.coefficients[i]},
                    {"metric", to_string(found.options.metric)},
                    {"value", number(result.mean(i))},
                    {"change", number(result.mean(i) - clean)},
                    {"prompts", std::move(prompts)}});
  }
  return rows;
}

nlohmann::json texts_json(const Model& model, const SteerOutcome& found) {
  nlohmann::json out = nlohmann::json::array();
  for (const SteeredText& text : found.texts) {
    nlohmann::json steered = nlohmann::json::array();
    for (std::size_t i = 0; i < text.steered.size(); ++i)
      steered.push_back({{"coefficient", found.options.coefficients[i]},
                         {"text", decoded(model, text.steered[i])},
                         {"ids", text.steered[i]}});
    out.push_back({{"prompt", text.prompt},
                   {"clean", {{"text", decoded(model, text.clean)}, {"ids", text.clean}}},
                   {"steered", std::move(steered)}});
  }
  return out;
}

std::string table_of(const SteerOutcome& found) {
  const std::string metric = to_string(found.options.metric);
  const double clean = mean_over(found.result.clean);
  std::vector<std::vector<std::string>> lines = {{"coefficient", metric, "change"}};
  lines.push_back({"none", value_text(clean), ""});
  for (std::size_t i = 0; i < found.options.coefficients.size(); ++i)
    lines.push_back({printed("%g", found.options.coefficients[i]), value_text(found.result.mean(i)),
                     value_text(found.result.mean(i) - clean)});
  std::string text = to_string(found.steering.operation);
  text.append(" at ").append(short_name(found.steering.targets.front().site.point)).append(" of");
  for (const SteeringTarget& target : found.steering.targets)
    text.append(" ").append(target_name(target));
  if (found.steering.targets.front().vector.defined())
    text.append(", norm ").append(value_text(vector_norm(found.steering.targets)));
  return text.append("\n").append(aligned(lines));
}

std::string texts_of(const Model& model, const SteerOutcome& found) {
  std::string out;
  for (const SteeredText& text : found.texts) {
    std::vector<std::vector<std::string>> lines = {{text.prompt, "continued"}};
    lines.push_back({"none", one_line(decoded(model, text.clean))});
    for (std::size_t i = 0; i < text.steered.size(); ++i)
      lines.push_back({printed("%g", found.options.coefficients[i]), one_line(decoded(model, text.steered[i]))});
    out.append("\n").append(aligned(lines));
  }
  return out;
}

Status store_vectors(store::ResultWriter& writer, const std::vector<SteeringTarget>& targets) {
  if (!targets.front().vector.defined()) return {};
  store::ArraySpec spec;
  spec.axes = {{"target", {}}, {"d", {}}};
  std::vector<float> values;
  for (const SteeringTarget& target : targets) {
    spec.axes.front().labels.push_back(target_name(target));
    const at::Tensor vector = target.vector.contiguous();
    values.insert(values.end(), vector.const_data_ptr<float>(), vector.const_data_ptr<float>() + vector.numel());
  }
  spec.shape = {std::ssize(targets), targets.front().vector.size(0)};
  spec.units = "1";
  spec.long_name = "the steering vector of each layer or head";
  return writer.add_array("/steering/vector", spec, std::span<const float>(values));
}

Status store_values(store::ResultWriter& writer, const SteerOutcome& found) {
  const std::vector<double>& coefficients = found.options.coefficients;
  store::ArraySpec spec;
  spec.dtype = store::DType::float64;
  spec.axes = {{"strength", {}}};
  spec.shape = {std::ssize(coefficients)};
  spec.units = "1";
  spec.long_name = "what the vector, or of scale the activation, is multiplied by";
  HS_TRY(writer.add_array("/steering/coefficients", spec, std::span(coefficients)));
  const store::Axis prompts{"prompt", found.prompts.ids};
  spec.dtype = store::DType::float32;
  spec.units = units_of(found.options.metric);
  spec.axes = {{"strength", {}}, prompts};
  spec.shape = {std::ssize(coefficients), found.result.n_prompts};
  spec.long_name = std::string(to_string(found.options.metric)).append(" after the prompt, steered");
  HS_TRY(writer.add_array("/steering/metric", spec, std::span(found.result.steered)));
  spec.axes = {prompts};
  spec.shape = {found.result.n_prompts};
  spec.long_name = std::string(to_string(found.options.metric)).append(" after the prompt, not steered");
  return writer.add_array("/steering/clean", spec, std::span(found.result.clean));
}

Status store_texts(store::ResultWriter& writer, const Model& model, const SteerOutcome& found) {
  struct Row {
    std::string prompt;
    std::int64_t steered = 0;
    double coefficient = 0.0;
    std::string text;
  };
  std::vector<Row> rows;
  for (const SteeredText& text : found.texts) {
    rows.push_back({text.prompt, 0, 0.0, decoded(model, text.clean)});
    for (std::size_t i = 0; i < text.steered.size(); ++i)
      rows.push_back({text.prompt, 1, found.options.coefficients[i], decoded(model, text.steered[i])});
  }
  const auto column = [&](auto member) { return store::column_values(rows, member); };
  return writer.add_table("/steering/texts",
                          {{{"prompt", column(&Row::prompt), "label", "the prompt that is continued"},
                            {"steered", column(&Row::steered), "1", "0: without steering"},
                            {"coefficient", column(&Row::coefficient), "1", "0 without steering"},
                            {"text", column(&Row::text), "label", "what the model writes, greedily"}},
                           {}});
}

} // namespace

Report steer_report(const Model& model, const SteerOutcome& found) {
  const SteeringResult& result = found.result;
  nlohmann::json json = {{"operation", to_string(found.steering.operation)},
                         {"vector_norm", number(vector_norm(found.steering.targets))},
                         {"vectors", vectors_json(found.steering.targets)},
                         {"clean", number(mean_over(result.clean))},
                         {"rows", rows_json(found)},
                         {"text", texts_json(model, found)},
                         {"complete", found.complete}};
  return Report{std::move(json), table_of(found).append(texts_of(model, found)), found.complete};
}

Status store_steering(store::ResultWriter& writer, const Model& model, const SteerOutcome& found,
                      const Context& context) {
  HS_TRY(store_prompts(writer, model, found.prompts, context));
  HS_TRY(store_vectors(writer, found.steering.targets));
  HS_TRY(store_values(writer, found));
  if (!found.texts.empty()) HS_TRY(store_texts(writer, model, found));
  std::vector<std::string> targets;
  for (const SteeringTarget& target : found.steering.targets)
    targets.push_back(target_name(target));
  return writer.set_attributes("/steering",
                               {{"operation", std::string(to_string(found.steering.operation))},
                                {"site", std::string(short_name(found.steering.targets.front().site.point))},
                                {"targets", targets},
                                {"metric", std::string(to_string(found.options.metric))}});
}

} // namespace headscope::methods
