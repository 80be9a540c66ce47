// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/methods/examples/target.h"

#include <filesystem>

#include <ATen/ATen.h>

#include "core/analysis/activation_dump.h"
#include "core/base/text_file.h"
#include "core/store/array_file.h"

namespace headscope::methods {
namespace {

Error wrong(const char* flag, std::string message, ErrorCode code = ErrorCode::invalid_argument) {
  return make_error(code, std::move(message), {}, flag);
}

// Reads "3.120", i.e. one of `count` items in a layer.
Result<HeadId> one_of_layer(const std::string& text, const char* flag, const ModelConfig& config, std::int64_t count) {
  const std::optional<HeadId> id = read_head_name(text);
  if (!id) return wrong(flag, std::string("'").append(text).append("' is not of the form LAYER.NUMBER"));
  if (id->layer < 0 || id->layer >= config.n_layers || id->head < 0 || id->head >= count)
    return wrong(flag, std::string("layers are 0 to ")
                           .append(std::to_string(config.n_layers - 1))
                           .append(", numbers 0 to ")
                           .append(std::to_string(count - 1)));
  return *id;
}

Result<Target> neuron_target(const TargetOptions& options, const ModelConfig& config) {
  if (!config.has_mlp()) return wrong("--neuron", "the model has no MLP", ErrorCode::unsupported);
  HS_ASSIGN(const HeadId id, one_of_layer(options.neuron, "--neuron", config, config.d_mlp));
  Target target{std::string("neuron-").append(head_name(id)), {}, "1", neuron_response(id.layer, id.head)};
  target.what = std::string("neuron ").append(head_name(id));
  return target;
}

Result<Target> head_target(const TargetOptions& options, const Model& model) {
  HS_ASSIGN(const HeadId id, one_of_layer(options.head, "--head", model.config, model.config.n_heads));
  Target target{std::string("head-").append(head_name(id)), {}, "1", head_response(model, id)};
  target.what = std::string("norm of what head ").append(head_name(id)).append(" writes");
  return target;
}

Result<HookSite> site_of(const TargetOptions& options, const ModelConfig& config) {
  HookSite site;
  if (const auto point = parse_hook_point(options.at); point.ok()) {
    if (!options.layer) return wrong("--layer", std::string("is needed: the layer of --at ").append(options.at));
    if (*options.layer >= config.n_layers)
      return wrong("--layer", std::string("the model has layers 0 to ").append(std::to_string(config.n_layers - 1)));
    site = {*point, static_cast<int>(*options.layer)};
    const auto named = parse_hook_name(hook_name(site), config); // whether the model has it
    if (!named.ok()) return wrong("--at", named.error().message, named.error().code);
  } else {
    const auto named = parse_hook_name(options.at, config);
    if (!named.ok()) return wrong("--at", named.error().message, named.error().code);
    site = *named;
  }
  if (hook_axes(site.point) != HookAxes::pos_d) return wrong("--at", "must be a point without a head axis");
  return site;
}

Result<Target> direction_target(const TargetOptions& options, const Model& model) {
  HS_ASSIGN(const HookSite site, site_of(options, model.config));
  HS_ASSIGN(store::NumberArray numbers, store::read_array_file(options.direction, {}));
  const std::int64_t width = token_shape(model.config, {site}).back();
  if (std::ssize(numbers.values) != width)
    return make_error(ErrorCode::mismatch,
                      std::string("has ")
                          .append(std::to_string(numbers.values.size()))
                          .append(" numbers; ")
                          .append(hook_name(site))
                          .append(" has ")
                          .append(std::to_string(width)),
                      options.direction, "--direction");
  const at::Tensor direction = at::tensor(numbers.values).to(model.device);
  const std::string stem = std::filesystem::path(options.direction).stem().string();
  Target target{std::string("direction-").append(stem), {}, "1", direction_response(site, direction)};
  target.what = std::string("direction ").append(stem);
  return target;
}

} // namespace

Status check_target(const TargetOptions& options) {
  const int given =
      (options.neuron.empty() ? 0 : 1) + (options.head.empty() ? 0 : 1) + (options.direction.empty() ? 0 : 1);
  if (given != 1) return wrong("--neuron", "give one of --neuron, --head and --direction");
  if (options.direction.empty()) return {};
  if (!options.direction.ends_with(".npy")) return wrong("--direction", "must be a .npy file");
  return check_readable(options.direction);
}

Result<Target> make_target(const TargetOptions& options, const Model& model) {
  auto target = !options.neuron.empty() ? neuron_target(options, model.config)
                : !options.head.empty() ? head_target(options, model)
                                        : direction_target(options, model);
  if (target.ok()) target->what.append(" (").append(hook_name(target->response.site)).append(")");
  return target;
}

} // namespace headscope::methods
