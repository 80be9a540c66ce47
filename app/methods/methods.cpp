// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/methods/methods.h"

#include "app/methods/inputs/model_options.h"
#include "app/methods/makers.h"

namespace headscope::methods {

std::vector<std::unique_ptr<Method>> all_methods() {
  std::vector<std::unique_ptr<Method>> methods;
  for (const auto make : makers)
    methods.push_back(make());
  return methods;
}

Result<std::unique_ptr<Method>> make_method(const std::string& id) {
  std::string known;
  for (const auto make : makers) {
    std::unique_ptr<Method> method = make();
    if (id == method->info().id) return method;
    known += (known.empty() ? "" : ", ") + std::string(method->info().id);
  }
  return make_error(ErrorCode::not_found, "there is no method '" + id + "'; there are " + known, {}, "method");
}

namespace {

const char* to_string(Output output) {
  switch (output) {
  case Output::none: return "none";
  case Output::optional: return "optional";
  case Output::required: break;
  }
  return "required";
}

} // namespace

nlohmann::json describe(Method& method) {
  const MethodInfo& info = method.info();
  OptionList inputs, options, model;
  method.inputs(inputs);
  method.options(options);
  ModelOptions how;
  if (info.needs_model) list_model_options(model, how);
  nlohmann::json general = nlohmann::json::array(); // without those that the method has itself
  for (nlohmann::json& option : model.to_json())
    if (!options.find(option["name"].get<std::string>())) general.push_back(std::move(option));
  return {{"id", info.id},
          {"summary", info.summary},
          {"example", info.example},
          {"since", info.since},
          {"needs_model", info.needs_model},
          {"result_file", to_string(info.output)},
          {"in_experiments", method.cells() != nullptr},
          {"model", general},
          {"inputs", inputs.to_json()},
          {"options", options.to_json()}};
}

} // namespace headscope::methods
