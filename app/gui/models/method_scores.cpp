// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/gui/models/method_scores.h"

#include <cmath>

#include <QCoreApplication>

#include "app/gui/forms/method_form.h"
#include "core/base/sha256.h"

namespace headscope::gui {
namespace {

QString tr(const char* text) { return QCoreApplication::translate("method_scores", text); }

QString number(double value) { return QString::number(value, 'g', 4).replace(QLatin1Char('-'), QChar(0x2212)); }

// Of a map made here and now, both signs of which mean something.
HeadScores live_scores(int n_layers, int n_heads, const std::vector<double>& values) {
  HeadScores scores;
  scores.n_layers = n_layers;
  scores.n_heads = n_heads;
  scores.values.assign(values.begin(), values.end());
  scores.diverging = true;
  scores.source = "live";
  return scores;
}

QString answers_text(const std::string& answer, const std::string& wrong) {
  if (answer.empty()) return {};
  const QString right = QString::fromStdString(answer), other = QString::fromStdString(wrong);
  return wrong.empty() ? tr(" of “%1”").arg(right) : tr(" of “%1” against “%2”").arg(right, other);
}

} // namespace

std::string sweep_id(const SweepRequest& request) {
  std::string all = request.model.model;
  all.append("\n").append(request.model.dtype).append("\n").append(request.model.attention);
  for (const auto& [name, value] : request.method.values)
    all.append("\n").append(name).append("=").append(value);
  for (const std::int64_t token : request.tokens)
    all.append(" ").append(std::to_string(token));
  std::string id = "sweep/";
  return id.append(sha256_hex(all.data(), all.size()), 0, 12);
}

HeadScores sweep_scores(const HeadSweep& sweep, const std::string& id, const QString& prompts) {
  HeadScores scores = live_scores(sweep.n_layers, sweep.n_heads, sweep.mean_effects());
  const QString metric = QString::fromStdString(sweep.metric), method = QString::fromStdString(sweep.method);
  scores.id = id;
  scores.title = tr("Sweep: %1, %2, %3").arg(metric, method, prompts).toStdString();
  QString text =
      tr("Change of %1%2 with the head ablated (%3)").arg(metric, answers_text(sweep.answer, sweep.wrong), method);
  text += sweep.n_prompts == 1 ? tr(", on the prompt %1").arg(prompts)
                               : tr(", mean over %1 prompts of %2").arg(sweep.n_prompts).arg(prompts);
  if (sweep.n_prompts == 1 && std::isfinite(sweep.clean.front()))
    text += tr("; %1 with nothing ablated").arg(number(sweep.clean.front()));
  if (!sweep.complete) text += tr("; not complete");
  scores.description = text.toStdString();
  scores.units = sweep.units;
  scores.model_sha256 = sweep.model.sha256;
  scores.command = sweep.request.command_line;
  return scores;
}

HeadScores attribution_scores(const AttributionMap& map, const QString& prompt) {
  HeadScores scores = live_scores(map.n_layers, map.n_heads, map.heads);
  scores.id = "live/logit_attribution";
  scores.title = tr("Direct logit attribution, %1").arg(prompt).toStdString();
  scores.description = tr("What the head adds by itself to the logit difference%1 at the last token of %2")
                           .arg(answers_text(map.answer.text, map.wrong.text), prompt)
                           .toStdString();
  scores.units = "logit";
  return scores;
}

std::string attribution_command(const AttributionMap& map, std::map<std::string, std::string> prompt,
                                const CommandModel& model) {
  prompt["answer"] = map.answer.text;
  prompt["wrong"] = map.wrong.text;
  const auto request = filled_request("attribute", prompt, model);
  return request.ok() ? request->command_line : std::string();
}

std::string patch_command(const PatchPrompts& prompts, const PatchPairInfo& pair, const PatchSettings& settings,
                          const CommandModel& model) {
  std::map<std::string, std::string> values = {
      {"clean", prompts.clean}, {"corrupt", prompts.corrupt}, {"answer", prompts.answer}, {"wrong", prompts.wrong},
      {"site", settings.site},  {"axes", settings.axes},      {"metric", settings.metric}};
  if (prompts.answer.empty() && pair.answer) values["answer"] = pair.answer->text;
  if (prompts.wrong.empty() && pair.wrong) values["wrong"] = pair.wrong->text;
  if (settings.position) values["axes"] = name_of(PatchAxes::layer_position_head);
  if (!prompts.add_special) values["no_bos"] = "true";
  if (settings.noising) values["noising"] = "true";
  if (settings.estimate) values["estimate"] = "true";
  const auto request = filled_request("patch", values, model);
  return request.ok() ? request->command_line : std::string();
}

std::string edge_command(const PatchPairInfo& pair, const EdgeRef& edge, bool shares_kv, const CommandModel& model) {
  if (!pair.prompts || !pair.answer || !pair.wrong) return {};
  std::map<std::string, std::string> values = {{"clean", pair.prompts->clean},
                                               {"corrupt", pair.prompts->corrupt},
                                               {"answer", pair.answer->text},
                                               {"wrong", pair.wrong->text},
                                               {"senders", sender_name(edge)},
                                               {"receivers", receiver_name(edge, shares_kv)},
                                               {"direct", "true"}};
  if (!pair.prompts->add_special) values["no_bos"] = "true";
  const auto request = filled_request("paths", values, model);
  return request.ok() ? request->command_line : std::string();
}

std::optional<HeadScores> patch_scores(const PatchMap& map, const ModelInfo& model) {
  if (!map.by_head() || map.n_columns != model.n_heads || map.n_layers != model.n_layers) return std::nullopt;
  HeadScores scores = live_scores(map.n_layers, map.n_columns, {map.restored.begin(), map.restored.end()});
  const QString site = QString::fromStdString(map.settings.site), metric = QString::fromStdString(map.settings.metric);
  const QString what = map.settings.noising ? tr("left") : tr("restored");
  scores.id = map.settings.estimate ? "patch-estimate/" : "patch/";
  scores.id += map.settings.site;
  const QString kind = map.settings.estimate ? tr("Patching (estimate)") : tr("Patching");
  QString place;
  if (map.settings.position) {
    place = tr(", position %1").arg(*map.settings.position);
    scores.id.append("/").append(std::to_string(*map.settings.position));
  }
  scores.title = tr("%1: %2%3, %4").arg(kind, site, place, metric).toStdString();
  scores.description =
      (map.settings.estimate
           ? tr("Estimate by attribution patching of the share of %1 that is %2 with the head's %3 patched")
           : tr("Share of %1 that is %2 with the head's %3 patched"))
          .arg(metric, what, site)
          .toStdString();
  if (map.settings.position) scores.description += tr(", at this position alone").toStdString();
  scores.model_sha256 = model.sha256;
  scores.command = map.command;
  return scores;
}

} // namespace headscope::gui
