// SPDX-License-Identifier: GPL-3.0-or-later
#include "plugins/host/python/python_detector.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <sstream>
#include <utility>

#include <nlohmann/json.hpp>
#include <unistd.h>

#include "core/base/child_process.h"
#include "core/base/text_file.h"
#include "core/model/guard.h"
#include "core/prompts/haystack.h"
#include "plugins/host/folders.h"
#include "plugins/host/json_fields.h"
#include "plugins/host/python/answer.h"
#include "plugins/host/python/exchange.h"

namespace headscope::plugin {
namespace {

namespace fs = std::filesystem;

struct Spec {
  std::string id, title, description, reference, units, script;
  std::chrono::milliseconds time_limit{600000};
  std::vector<OptionSpec> options;
};

std::string python_program() {
  const char* set = std::getenv("HEADSCOPE_PYTHON");
  return set && *set ? set : "python3";
}

bool is_there(const std::string& program) {
  if (program.find('/') != std::string::npos) return ::access(program.c_str(), X_OK) == 0;
  const char* path = std::getenv("PATH");
  std::istringstream folders(path ? path : "");
  for (std::string folder; std::getline(folders, folder, ':');)
    if (::access((folder + "/" + program).c_str(), X_OK) == 0) return true;
  return false;
}

Result<OptionValue> default_of(const nlohmann::json& option, const JsonFields& fields) {
  if (!option.contains("default")) return fields.wrong("default", "is missing");
  const nlohmann::json& value = option.at("default");
  if (value.is_boolean()) return OptionValue(value.get<bool>());
  if (value.is_number_integer()) return OptionValue(value.get<std::int64_t>());
  if (value.is_number()) return OptionValue(value.get<double>());
  if (value.is_string()) return OptionValue(value.get<std::string>());
  return fields.wrong("default", "must be true or false, a number or a text");
}

// Whether the option's text names a file or folder.
Result<bool> is_file(const nlohmann::json& option, const JsonFields& fields, const OptionSpec& spec) {
  if (!option.contains("file")) return false;
  if (!option.at("file").is_boolean()) return fields.wrong("file", "must be true or false");
  const bool file = option.at("file").get<bool>();
  if (file && !std::holds_alternative<std::string>(spec.standard))
    return fields.wrong("file", "is for an option whose default is a text");
  return file;
}

Result<std::vector<OptionSpec>> read_options(const nlohmann::json& json, const std::string& file) {
  const JsonFields top(json, file);
  HS_ASSIGN(const double threshold, top.number("threshold"));
  std::vector<OptionSpec> options = {{"threshold", threshold, "heads with at least this score are named"}};
  if (!json.contains("options")) return options;
  if (!json.at("options").is_array()) return top.wrong("options", "must be a list");
  for (const nlohmann::json& option : json.at("options")) {
    const JsonFields fields(option, file, "options.");
    OptionSpec spec;
    HS_ASSIGN(spec.name, fields.text("name"));
    if (!is_id(spec.name)) return fields.wrong("name", "must be of lower-case letters, digits, - and _");
    if (std::any_of(options.begin(), options.end(), [&](const OptionSpec& other) { return other.name == spec.name; }))
      return fields.wrong("name", "there are two options '" + spec.name + "'");
    HS_ASSIGN(spec.standard, default_of(option, fields));
    HS_ASSIGN(spec.help, fields.text_or("help", ""));
    HS_ASSIGN(spec.least, fields.number_or("least", spec.least));
    HS_ASSIGN(spec.file, is_file(option, fields, spec));
    options.push_back(std::move(spec));
  }
  return options;
}

Result<Spec> read_spec(const Manifest& manifest) {
  HS_ASSIGN(const nlohmann::json json, read_json(manifest.file));
  const JsonFields fields(json, manifest.file);
  Spec spec;
  spec.id = manifest.id;
  spec.script = manifest.module;
  HS_ASSIGN(spec.title, fields.text("title"));
  HS_ASSIGN(spec.description, fields.text("description"));
  HS_ASSIGN(spec.reference, fields.text_or("reference", "a plugin"));
  HS_ASSIGN(spec.units, fields.text_or("units", "1"));
  HS_ASSIGN(const double seconds, fields.number_or("timeout_s", 600.0));
  if (!(seconds > 0.0 && seconds < 1e6)) return fields.wrong("timeout_s", "must be seconds, more than 0");
  spec.time_limit = std::chrono::milliseconds(static_cast<std::int64_t>(seconds * 1000.0));
  HS_ASSIGN(spec.options, read_options(json, manifest.file));
  return spec;
}

// Makes paths absolute, since the script runs in its own folder.
std::string from_anywhere(const std::string& path) { return path.empty() ? path : fs::absolute(path).string(); }

// A temporary folder for one exchange, removed at its end.
class Scratch {
public:
  static Result<Scratch> make() {
    std::error_code error;
    std::string name = (fs::temp_directory_path(error) / "headscope-XXXXXX").string();
    if (!::mkdtemp(name.data())) return make_error(ErrorCode::io, "no folder can be made for the exchange", name);
    return Scratch(std::move(name));
  }
  Scratch(Scratch&& other) noexcept : path_(std::exchange(other.path_, {})) {}
  Scratch& operator=(Scratch&&) = delete;
  ~Scratch() {
    std::error_code error;
    if (!path_.empty()) fs::remove_all(path_, error);
  }
  std::string file(const std::string& name) const { return path_ + "/" + name; }

private:
  explicit Scratch(std::string path) : path_(std::move(path)) {}
  std::string path_;
};

class PythonDetector : public Detector {
public:
  explicit PythonDetector(Spec spec) : spec_(std::move(spec)) {}

  std::string id() const override { return spec_.id; }
  std::string title() const override { return spec_.title; }
  std::string description() const override { return spec_.description; }
  std::string reference() const override { return spec_.reference; }
  std::vector<OptionSpec> options() const override { return spec_.options; }
  Status check(const Engine&) const override { return {}; }

  Status check_options(const OptionSet& options) const override {
    for (const OptionSpec& spec : spec_.options) {
      if (!spec.file || options.text(spec.name).empty()) continue;
      const std::string& path = options.text(spec.name);
      if (const Status there = check_readable(path); !there.ok())
        return at_option(make_error(there.error().code, there.error().message, path), id() + "." + spec.name);
    }
    return {};
  }

  Result<DetectorResult> run(const DetectorRun& run) const override {
    return guarded("running " + spec_.script, [&] { return exchange(run); });
  }

private:
  Result<DetectorResult> exchange(const DetectorRun& run) const {
    HS_ASSIGN(const Scratch scratch, Scratch::make());
    nlohmann::json request = first_request(run);
    request["phase"] = "plan";
    HS_ASSIGN(const nlohmann::json planned, ask(run, scratch, request));
    HS_ASSIGN(const Plan plan, read_plan(planned, run.engine, spec_.script));
    HS_TRY(write_data(plan, run, scratch.file("data.h5")));
    request["phase"] = "score";
    request["data"] = scratch.file("data.h5");
    request["prompts"] = to_json(plan.prompts);
    HS_ASSIGN(const nlohmann::json answer, ask(run, scratch, request));
    HS_ASSIGN(DetectorResult result, read_answer(answer, run.engine.config(), spec_.script));
    result.units = spec_.units;
    if (result.description.empty()) result.description = spec_.description;
    result.threshold = run.options.number("threshold");
    result.prompts = plan.prompts;
    HS_TRY(add_hashes(run.options, result));
    name_heads(result);
    return result;
  }

  // Adds OPTION_sha256 for each file that an option names.
  Status add_hashes(const OptionSet& options, DetectorResult& result) const {
    for (const OptionSpec& spec : spec_.options) {
      if (!spec.file || options.text(spec.name).empty()) continue;
      HS_ASSIGN(const std::string hash, haystack_sha256(options.text(spec.name)));
      const std::string name = spec.name + "_sha256";
      std::erase_if(result.findings, [&](const store::Attribute& finding) { return finding.name == name; });
      result.findings.push_back({name, hash});
    }
    return {};
  }

  // Runs the script once: python3 SCRIPT REQUEST ANSWER.
  Result<nlohmann::json> ask(const DetectorRun& run, const Scratch& scratch, const nlohmann::json& request) const {
    const std::string phase = request.at("phase");
    const std::string in = scratch.file(phase + "-request.json"), out = scratch.file(phase + "-answer.json");
    run.control.report(spec_.id + ": " + phase, 0, 0);
    HS_TRY(write_json(in, request));
    ChildRequest child;
    child.command = {python_program(), fs::absolute(spec_.script).string(), in, out};
    const char* path = std::getenv("PYTHONPATH");
    child.environment["PYTHONPATH"] = python_folder() + (path && *path ? std::string(":") + path : "");
    child.environment["PYTHONDONTWRITEBYTECODE"] = "1";
    child.folder = fs::absolute(spec_.script).parent_path().string();
    child.time_limit = spec_.time_limit;
    child.cancel = run.control.cancel;
    HS_ASSIGN(const ChildOutcome outcome, run_child(child));
    if (!outcome.good()) {
      const std::string said = last_lines(outcome.err, 4);
      return make_error(ErrorCode::unsupported,
                        "the Python detector " + how_it_ended(outcome, child) + " in the phase '" + phase + "'" +
                            (said.empty() ? "" : "; it said: " + said),
                        spec_.script);
    }
    auto answer = read_json(out);
    if (answer.ok()) return answer;
    return make_error(ErrorCode::corrupt,
                      "the Python detector's answer in the phase '" + phase + "' " +
                          (answer.error().code == ErrorCode::not_found ? "is missing" : answer.error().message),
                      spec_.script);
  }

  nlohmann::json first_request(const DetectorRun& run) const {
    nlohmann::json request = {
        {"exchange", 1}, {"model", model_json(run.engine.model())}, {"haystack", from_anywhere(run.haystack)}};
    nlohmann::json options = nlohmann::json::object();
    for (const store::Attribute& option : run.options.attributes())
      std::visit([&](const auto& value) { options[option.name] = value; }, option.value);
    for (const OptionSpec& spec : spec_.options)
      if (spec.file) options[spec.name] = from_anywhere(run.options.text(spec.name));
    request["options"] = std::move(options);
    return request;
  }

  Spec spec_;
};

} // namespace

Result<std::shared_ptr<const Detector>> make_python_detector(const Manifest& manifest) {
  HS_ASSIGN(Spec spec, read_spec(manifest));
  const std::string python = python_program();
  if (!is_there(python))
    return make_error(ErrorCode::not_found,
                      "needs Python, and there is no " + python + "; install it or set HEADSCOPE_PYTHON",
                      manifest.module);
  return std::shared_ptr<const Detector>(std::make_shared<PythonDetector>(std::move(spec)));
}

} // namespace headscope::plugin
