// SPDX-License-Identifier: GPL-3.0-or-later
#include "plugins/host/probe.h"

#include <cstdlib>
#include <filesystem>
#include <sstream>

#include "core/base/child_process.h"
#include "plugins/host/module.h"
#include "plugins/host/verdict_cache.h"

namespace headscope::plugin {
namespace {

namespace fs = std::filesystem;

// Marks lines of the child that name a step; the verdict is a line of JSON.
constexpr const char* step_mark = "step: ";

Verdict refusal(std::string reason) { return {false, std::move(reason), {}}; }

// Reads the child's last step, and its verdict where it got that far.
Verdict read_answer(const ChildOutcome& outcome, const ChildRequest& request) {
  std::string step = "starting", line;
  std::istringstream lines(outcome.out);
  while (std::getline(lines, line)) {
    if (line.rfind(step_mark, 0) == 0) step = line.substr(std::string(step_mark).size());
    if (auto verdict = parse_verdict(line); verdict && outcome.good()) return std::move(*verdict);
  }
  const std::string said = last_lines(outcome.err, 3);
  return refusal("a process that tried it " + how_it_ended(outcome, request) + " while " + step +
                 (said.empty() ? "" : "; it said: " + said));
}

} // namespace

std::string standard_probe_program() {
  std::error_code error;
  return (fs::read_symlink("/proc/self/exe", error).parent_path() / "headscope").string();
}

std::string standard_cache_folder() {
  if (const char* cache = std::getenv("XDG_CACHE_HOME"); cache && *cache)
    return std::string(cache) + "/headscope/plugins";
  if (const char* home = std::getenv("HOME"); home && *home) return std::string(home) + "/.cache/headscope/plugins";
  return {};
}

Verdict probe(const Manifest& manifest, const ProbeOptions& options) {
  std::error_code error;
  if (!fs::exists(options.program, error))
    return refusal("cannot be tried in a process of its own: there is no " + options.program);
  const VerdictCache cache(options.cache, manifest, options.program);
  if (!options.fresh)
    if (auto known = cache.read()) return std::move(*known);
  ChildRequest request;
  request.command = {options.program, "plugins", "probe", manifest.file};
  request.time_limit = options.time_limit;
  const auto outcome = run_child(request);
  if (!outcome.ok()) return refusal("cannot be tried in a process of its own: " + outcome.error().to_string());
  Verdict verdict = read_answer(*outcome, request);
  // A timeout may be due to a busy machine, so it is not remembered.
  if (!outcome->timed_out) cache.write(verdict);
  return verdict;
}

void probe_here(const Manifest& manifest, std::FILE* answers, bool steps) {
  const auto objects = open_module(manifest, [&](const char* step) {
    if (!steps) return;
    std::fprintf(answers, "%s%s\n", step_mark, step);
    std::fflush(answers);
  });
  Verdict verdict;
  verdict.good = objects.ok();
  if (objects.ok())
    verdict.provides = objects->ids();
  else
    verdict.reason = objects.error().message;
  std::fprintf(answers, "%s\n", to_line(verdict).c_str());
  std::fflush(answers);
}

} // namespace headscope::plugin
