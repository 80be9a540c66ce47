// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/methods/reproduce/reproduce_parts.h"

#include "app/methods/base/values.h"
#include "app/methods/detect/detect_run.h"

namespace headscope::methods {

Result<std::optional<DetectorResult>> detected(const Engine& engine, const std::string& id,
                                               const std::vector<std::string>& set, const std::string& haystack,
                                               const Context& context) {
  DetectOptions options;
  options.detectors = {id};
  options.set = set;
  HS_ASSIGN(const auto plan, plan_detectors(options));
  if (!plan.front().detector->check(engine).ok()) return std::optional<DetectorResult>{};
  HS_ASSIGN(DetectorOutcomes outcomes, run_detectors(plan, engine, haystack, context, nullptr));
  if (outcomes.failed) return *outcomes.failed;
  if (outcomes.list.empty()) return make_error(ErrorCode::cancelled, "interrupted before anything was measured");
  return std::move(outcomes.list.front().result);
}

nlohmann::json finding(const DetectorResult& result, const std::string& name) {
  const store::AttributeValue* value = store::find_attribute(result.findings, name);
  if (!value) return nullptr;
  if (const auto* real = std::get_if<double>(value)) return number(*real);
  if (const auto* whole = std::get_if<std::int64_t>(value)) return *whole;
  if (const auto* text = std::get_if<std::string>(value)) return *text;
  return nullptr;
}

std::string share_text(std::int64_t part, std::size_t whole) {
  return std::to_string(part) + " of " + std::to_string(whole) + " (" +
         fixed(100.0 * static_cast<double>(part) / static_cast<double>(whole), 1) + " %)";
}

} // namespace headscope::methods
