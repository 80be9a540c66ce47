// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/methods/detect/detect_run.h"

#include <algorithm>
#include <filesystem>

#include "app/runs/result_parts.h"
#include "core/base/text_file.h"
#include "core/prompts/haystack.h"
#include "plugins/host/plugin_host.h"

namespace headscope::methods {

void list_detect_options(OptionList& list, DetectOptions& options) {
  list.add("detectors", options.detectors, "Names, comma-separated, or all; the page of detect names them").by_comma();
  list.add("set", options.set, "An option of a detector: NAME.OPTION=VALUE; may be repeated");
  list.add("haystack", options.haystack, "A text file or folder to read text from (default: generated from a seed)")
      .reads_file();
}

Status check_haystack(const std::string& haystack) {
  if (haystack.empty()) return {};
  const Status there = check_readable(haystack);
  if (there.ok()) return {};
  return make_error(there.error().code, there.error().message, haystack, "--haystack");
}

namespace {

// Splits names, each kept once. A text may hold several, as in an experiment's file or a quoted word.
std::vector<std::string> split_names(const std::vector<std::string>& texts) {
  std::vector<std::string> names;
  for (const std::string& text : texts) {
    std::string name;
    for (const char c : text + ",") {
      if (c != ',' && c != ' ') {
        name += c;
        continue;
      }
      if (!name.empty() && std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
      name.clear();
    }
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

// Checks only options that were set: defaults are the detector's own and cannot be wrong before a model is loaded.
Status check_options(const DetectorPlan& plan) {
  const std::vector<OptionSpec>& specs = plan.options.specs();
  const bool any = std::any_of(specs.begin(), specs.end(), [&](const auto& s) { return plan.options.is_set(s.name); });
  const Status fit = any ? plan.detector->check_options(plan.options) : Status();
  if (fit.ok()) return {};
  const Error& error = fit.error();
  return make_error(error.code, error.message, error.file,
                    "--set " + (error.field.empty() ? plan.detector->id() : error.field));
}

} // namespace

void note_refused_plugins(const Context& context) {
  const auto host = plugin::PluginHost::load();
  for (const std::string& warning : host.warnings())
    context.note(warning);
  for (const plugin::PluginEntry& entry : host.entries())
    if (!entry.loaded) context.note("the plugin " + entry.id + " was refused; headscope plugins list says why");
}

Result<std::vector<DetectorPlan>> plan_detectors(const DetectOptions& options) {
  const auto host = plugin::PluginHost::load();
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
  for (const DetectorPlan& entry : plan)
    HS_TRY(check_options(entry));
  return plan;
}

void place_option_files(DetectOptions& options, const std::function<std::string(const std::string&)>& where) {
  if (options.set.empty()) return;
  const auto host = plugin::PluginHost::load();
  for (std::string& text : options.set) {
    const auto dot = text.find('.'), equals = text.find('=');
    if (dot == std::string::npos || equals == std::string::npos || dot > equals) continue;
    const auto found = host.detector(text.substr(0, dot));
    if (!found.ok()) continue; // reported where the plan is made
    const std::string name = text.substr(dot + 1, equals - dot - 1), value = text.substr(equals + 1);
    for (const OptionSpec& spec : (*found)->options())
      if (spec.name == name && names_file(spec, value)) text.replace(equals + 1, value.size(), where(value));
  }
}

Result<std::vector<std::string>> file_hashes(const std::vector<DetectorPlan>& plan) {
  std::vector<std::string> hashes;
  for (const DetectorPlan& entry : plan)
    for (const OptionSpec& spec : entry.options.specs()) {
      if (!spec.file || !names_file(spec, entry.options.text(spec.name))) continue;
      std::error_code error; // a differently spelled word is not a file; a missing file was already an error
      if (!std::filesystem::exists(entry.options.text(spec.name), error)) continue;
      HS_ASSIGN(std::string hash, haystack_sha256(entry.options.text(spec.name)));
      hashes.push_back(std::move(hash));
    }
  return hashes;
}

bool defaults_do_not_fit(const DetectorPlan& plan, const Error& error) {
  const std::string own = plan.detector->id() + ".";
  return error.code == ErrorCode::invalid_argument && error.field.compare(0, own.size(), own) == 0 &&
         !plan.options.is_set(error.field.substr(own.size(), error.field.find(':') - own.size()));
}

std::vector<std::int64_t> seeds_of(const std::vector<DetectorPlan>& plan) {
  std::vector<std::int64_t> seeds;
  for (const DetectorPlan& entry : plan)
    for (const OptionSpec& spec : entry.options.specs())
      if (spec.name == "seed") seeds.push_back(entry.options.integer(spec.name));
  return seeds;
}

namespace {

// Whether a write failed for this detector only, i.e. not because the disk is full.
bool is_only_this_part(const Error& error) {
  return error.code == ErrorCode::invalid_argument || error.code == ErrorCode::already_exists;
}

} // namespace

Result<DetectorOutcomes> run_detectors(const std::vector<DetectorPlan>& plan, const Engine& engine,
                                       const std::string& haystack, const Context& context,
                                       store::ResultWriter* writer) {
  DetectorOutcomes outcomes;
  for (const DetectorPlan& entry : plan) {
    context.begin_step();
    DetectorOutcome outcome{entry.detector->id(), entry.detector->title(), std::nullopt, {}};
    const auto pass_over = [&](const std::string& why, const std::string& said) {
      context.note(outcome.id + ": " + said + why);
      outcome.skipped = why;
      outcomes.list.push_back(std::move(outcome));
    };
    if (const Status fits = entry.detector->check(engine); !fits.ok()) {
      pass_over(fits.error().message, "skipped, ");
      continue;
    }
    auto result = entry.detector->run({engine, entry.options, haystack, context.control()});
    context.finish_progress();
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
    if (!result->message.empty()) context.note(outcome.id + ": " + result->message);
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

} // namespace headscope::methods
