// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/cli/detect_run.h"

#include <algorithm>
#include <cmath>

#include "app/cli/progress.h"
#include "app/cli/values.h"
#include "plugins/host/plugin_host.h"

namespace headscope::cli {

void add_detect_options(CLI::App& command, DetectOptions& options) {
  command.add_option("--detectors", options.detectors, "Names, comma-separated, or all; --list shows them")
      ->capture_default_str();
  command.add_option("--set", options.set, "An option of a detector: NAME.OPTION=VALUE; may be repeated")
      ->allow_extra_args(false);
  command.add_option("--haystack", options.haystack,
                     "A text file or folder to read text from (default: generated from a seed)");
}

namespace {

std::vector<std::string> split_names(const std::string& text) {
  std::vector<std::string> names;
  std::string name;
  for (const char c : text + ",") {
    if (c != ',' && c != ' ') {
      name += c;
      continue;
    }
    if (!name.empty() && std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
    name.clear();
  }
  return names;
}

Status set_option(std::vector<DetectorPlan>& plan, const std::string& text) {
  const auto dot = text.find('.'), equals = text.find('=');
  if (dot == std::string::npos || equals == std::string::npos || dot > equals)
    return make_error(ErrorCode::invalid_argument, "must be NAME.OPTION=VALUE, not '" + text + "'", {}, "--set");
  const std::string id = text.substr(0, dot);
  for (DetectorPlan& entry : plan) {
    if (entry.detector->id() != id) continue;
    Status status = entry.options.set(text.substr(dot + 1, equals - dot - 1), text.substr(equals + 1));
    if (status.ok()) return status;
    return make_error(status.error().code, status.error().message, {}, "--set " + id + "." + status.error().field);
  }
  return make_error(ErrorCode::not_found, "no detector '" + id + "' is chosen", {}, "--set");
}

} // namespace

Result<std::vector<DetectorPlan>> plan_detectors(const DetectOptions& options, const Console& console) {
  const auto host = plugin::PluginHost::load();
  for (const std::string& warning : host.warnings())
    console.note(warning);
  for (const plugin::PluginEntry& entry : host.entries())
    if (!entry.loaded) console.note("the plugin " + entry.id + " was refused; headscope plugins list says why");
  std::vector<std::string> names = split_names(options.detectors);
  std::vector<DetectorPlan> plan;
  const bool every = names == std::vector<std::string>{"all"};
  if (names.empty())
    return make_error(ErrorCode::invalid_argument, "names no detector; --list shows them", {}, "--detectors");
  if (every) names.clear();
  if (every)
    for (const auto& detector : host.detectors())
      names.push_back(detector->id());
  for (const std::string& name : names) {
    auto found = host.detector(name);
    if (!found.ok()) return make_error(found.error().code, found.error().message, found.error().file, "--detectors");
    OptionSet set((*found)->options());
    plan.push_back({std::move(*found), std::move(set), !every});
  }
  for (const std::string& text : options.set)
    HS_TRY(set_option(plan, text));
  return plan;
}

bool defaults_do_not_fit(const DetectorPlan& plan, const Error& error) {
  const std::string own = plan.detector->id() + ".";
  return error.code == ErrorCode::invalid_argument && error.field.compare(0, own.size(), own) == 0 &&
         !plan.options.is_set(error.field.substr(own.size()));
}

std::vector<std::int64_t> seeds_of(const std::vector<DetectorPlan>& plan) {
  std::vector<std::int64_t> seeds;
  for (const DetectorPlan& entry : plan)
    for (const OptionSpec& spec : entry.options.specs())
      if (spec.name == "seed") seeds.push_back(entry.options.integer(spec.name));
  return seeds;
}

namespace {

// A write that would succeed for another detector: the disk is not full.
bool is_only_this_part(const Error& error) {
  return error.code == ErrorCode::invalid_argument || error.code == ErrorCode::already_exists;
}

} // namespace

Result<DetectorOutcomes> run_detectors(const std::vector<DetectorPlan>& plan, const Engine& engine,
                                       const std::string& haystack, const Console& console,
                                       store::ResultWriter* writer) {
  DetectorOutcomes outcomes;
  for (const DetectorPlan& entry : plan) {
    console.begin_step();
    DetectorOutcome outcome{entry.detector->id(), entry.detector->title(), std::nullopt, {}};
    const auto pass_over = [&](const std::string& why, const std::string& said) {
      console.note(outcome.id + ": " + said + why);
      outcome.skipped = why;
      outcomes.list.push_back(std::move(outcome));
    };
    if (const Status fits = entry.detector->check(engine); !fits.ok()) {
      pass_over(fits.error().message, "skipped, ");
      continue;
    }
    auto result = entry.detector->run({engine, entry.options, haystack, console.task()});
    finish_progress();
    if (!result.ok() && result.error().code == ErrorCode::cancelled) {
      outcomes.complete = false;
      break;
    }
    const bool unfit = !result.ok() && plan.size() > 1 && defaults_do_not_fit(entry, result.error());
    if (!result.ok() && entry.named && !unfit) {
      Error error = result.error();
      if (error.field == "haystack" && error.file.empty()) error.file = haystack;
      if (plan.size() == 1) return error;
      if (!outcomes.failed) outcomes.failed = error;
    }
    if (!result.ok()) {
      pass_over((unfit ? "" : "failed: ") + result.error().to_string(), unfit ? "skipped, " : "");
      continue;
    }
    if (!result->message.empty()) console.note(outcome.id + ": " + result->message);
    Status written;
    if (writer) written = write_detector(*writer, *entry.detector, entry.options, haystack, *result);
    if (!written.ok() && is_only_this_part(written.error())) {
      if (!outcomes.failed) outcomes.failed = written.error();
      pass_over(written.error().to_string(), "its result cannot be stored: ");
      continue;
    }
    if (!written.ok()) outcomes.refused = written.error();
    outcomes.complete = result->complete && !outcomes.refused;
    outcome.result = std::move(*result);
    outcomes.list.push_back(std::move(outcome));
    if (!outcomes.complete) break;
  }
  const bool none = std::all_of(outcomes.list.begin(), outcomes.list.end(),
                                [](const DetectorOutcome& outcome) { return !outcome.result; });
  if (none && outcomes.failed) return *outcomes.failed;
  if (none && outcomes.complete)
    return make_error(ErrorCode::unsupported, outcomes.list.front().id + ": " + outcomes.list.front().skipped,
                      engine.model().identity.path, "--detectors");
  return outcomes;
}

nlohmann::json to_json(const DetectorOutcomes& outcomes) {
  nlohmann::json detectors = nlohmann::json::object();
  for (const DetectorOutcome& outcome : outcomes.list) {
    nlohmann::json& entry = detectors[outcome.id];
    if (!outcome.result) {
      entry = {{"skipped", outcome.skipped}};
      continue;
    }
    const DetectorResult& result = *outcome.result;
    nlohmann::json heads = nlohmann::json::array();
    for (const store::HeadIndex& head : result.heads)
      heads.push_back(store::head_label(head));
    entry["scores"] =
        matrix(result.scores, static_cast<std::size_t>(result.n_layers), static_cast<std::size_t>(result.n_heads));
    entry["heads"] = std::move(heads);
    entry["threshold"] = number(result.threshold);
    if (!result.conditions.empty()) {
      entry["conditions"] = result.conditions;
      entry["unnamed"] = nlohmann::json::object();
      for (const DetectorResult::Unnamed& each : result.unnamed)
        entry["unnamed"][store::head_label(each.head)] = each.why;
    }
    entry["complete"] = result.complete;
    entry["findings"] = store::to_json(result.findings);
    if (!result.message.empty()) entry["message"] = result.message;
  }
  nlohmann::json out = {{"detectors", detectors}, {"complete", outcomes.complete}};
  if (outcomes.failed) out["error"] = to_json(*outcomes.failed);
  return out;
}

namespace {

std::string scored(const DetectorResult& result, const store::HeadIndex& head) {
  return store::head_label(head) + " " + fixed(result.scores[result.index(head.layer, head.head)], 3);
}

// The highest scores that are positive, without the heads that the detector named.
std::vector<store::HeadIndex> highest_others(const DetectorResult& result) {
  std::vector<store::HeadIndex> order;
  for (std::size_t i = 0; i < result.scores.size(); ++i) {
    const auto heads = static_cast<std::size_t>(result.n_heads);
    const store::HeadIndex head{static_cast<int>(i / heads), static_cast<int>(i % heads)};
    const bool named = std::find(result.heads.begin(), result.heads.end(), head) != result.heads.end();
    if (!named && std::isfinite(result.scores[i]) && result.scores[i] > 0.0F) order.push_back(head);
  }
  const auto score = [&](const store::HeadIndex& head) { return result.scores[result.index(head.layer, head.head)]; };
  std::stable_sort(order.begin(), order.end(), [&](const auto& a, const auto& b) { return score(a) > score(b); });
  return order;
}

// Heads of the kind first; then the highest other scores, each with the condition that it fails if the threshold is
// not what keeps it out.
std::string heads_text(const DetectorResult& result, std::size_t most) {
  std::string text;
  std::size_t shown = 0;
  for (; shown < std::min(most, result.heads.size()); ++shown)
    text += (shown ? "  " : "") + scored(result, result.heads[shown]);
  const std::vector<store::HeadIndex> others = highest_others(result);
  if (text.empty() && others.empty()) return "no scores";
  if (shown == most || others.empty()) return text;
  text += text.empty() ? "none; others" : "; others";
  for (std::size_t i = 0; i < std::min(most - shown, others.size()); ++i) {
    text += (i ? "  " : " ") + scored(result, others[i]);
    for (const DetectorResult::Unnamed& each : result.unnamed)
      if (each.head == others[i]) text += " (" + each.why + ")";
  }
  return text;
}

std::string kind_text(const DetectorResult& result) {
  std::string text = std::to_string(result.heads.size()) + " heads >= " + fixed(result.threshold, 2);
  for (const std::string& condition : result.conditions)
    text += ", " + condition;
  return text;
}

} // namespace

std::string strongest_heads(const DetectorOutcomes& outcomes, std::size_t most) {
  std::vector<std::vector<std::string>> lines;
  for (const DetectorOutcome& outcome : outcomes.list)
    if (outcome.result)
      lines.push_back({outcome.title, heads_text(*outcome.result, most), "(" + kind_text(*outcome.result) + ")"});
  return aligned(lines);
}

} // namespace headscope::cli
