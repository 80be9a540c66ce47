// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/methods/steer/steer_vector.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <filesystem>
#include <limits>

#include <ATen/ATen.h>

#include "core/base/npy_header.h"
#include "core/base/partial_file.h"
#include "core/base/text_file.h"
#include "core/model/guard.h"
#include "core/prompts/prompt_file.h"
#include "core/store/array_file.h"

namespace headscope::methods {
namespace {

Error bad(std::string message, const char* flag) {
  return make_error(ErrorCode::invalid_argument, std::move(message), {}, flag);
}

bool whole_number(std::string_view text, int& value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size() && value >= 0 && !text.empty();
}

Result<std::vector<SteeringTarget>> places_of(const SteerVectorOptions& options, const ModelConfig& config) {
  HS_ASSIGN(const HookPoint point, parse_hook_point(options.site));
  std::vector<SteeringTarget> targets;
  if (options.heads.empty()) {
    HS_ASSIGN(const std::vector<int> layers, parse_layers(options.layers, config.n_layers));
    for (const int layer : layers)
      targets.push_back({{point, layer}, {}, {}});
  } else {
    const auto heads = parse_heads(options.heads, config.n_layers, config.n_heads);
    if (!heads.ok()) return make_error(heads.error().code, heads.error().message, {}, "--heads");
    for (const HeadId& head : *heads)
      targets.push_back({{point, head.layer}, head.head, {}});
  }
  const Status known = check_targets(targets, config);
  if (!known.ok())
    return make_error(known.error().code, known.error().message, {}, std::string("--").append(known.error().field));
  return targets;
}

Result<TokenRows> encode_texts(const Engine& engine, std::vector<std::string> texts, const std::string& file,
                               const PromptOptions& how, const char* flag) {
  if (!file.empty()) {
    HS_ASSIGN(const auto rows, read_prompt_file(file));
    for (const PromptRow& row : rows)
      texts.push_back(row.prompt);
  }
  TokenRows out;
  for (const std::string& text : texts) {
    const auto ids = encode_prompt(engine, text, how);
    if (!ids.ok()) return make_error(ids.error().code, ids.error().message, {}, flag);
    out.push_back(*ids);
  }
  return out;
}

Status vectors_from_texts(const Engine& engine, const SteerVectorOptions& options, const PromptOptions& how,
                          std::int64_t tokens_per_run, const Context& context, std::vector<SteeringTarget>& targets) {
  HS_ASSIGN(const TokenRows positive, encode_texts(engine, options.positive, options.positive_file, how, "--positive"));
  HS_ASSIGN(const TokenRows negative, encode_texts(engine, options.negative, options.negative_file, how, "--negative"));
  const Status found =
      set_difference_of_means(engine, positive, negative, options.read_at, tokens_per_run, targets, context.control());
  context.finish_progress();
  if (found.ok() || found.error().field != "positive") return found;
  return make_error(found.error().code, found.error().message, {}, "--positive");
}

std::string shape_text(const std::vector<std::int64_t>& shape) {
  std::string text = "[";
  for (std::size_t i = 0; i < shape.size(); ++i)
    text.append(i ? ", " : "").append(std::to_string(shape[i]));
  return text.append("]");
}

// Returns the file's array as [vector, d].
Result<at::Tensor> fitting_rows(const store::NumberArray& array, const std::string& file, std::int64_t wanted_rows,
                                std::int64_t width, bool heads) {
  const bool one = array.shape.size() == 1 && array.shape[0] == width;
  const bool many = array.shape.size() == 2 && array.shape[0] == wanted_rows && array.shape[1] == width;
  if (!one && !many)
    return make_error(ErrorCode::mismatch,
                      std::string("has the shape ")
                          .append(shape_text(array.shape))
                          .append("; wanted is ")
                          .append(shape_text({width}))
                          .append(" or ")
                          .append(shape_text({wanted_rows, width}))
                          .append(heads ? ", a row for each of the heads" : ", a row for each layer of the model"),
                      file, "--vector");
  return at::tensor(array.values, at::kFloat).view({-1, width});
}

Status vectors_from_file(const SteerVectorOptions& options, const ModelConfig& config,
                         std::vector<SteeringTarget>& targets) {
  HS_ASSIGN(const store::NumberArray array, store::read_array_file(options.file, {}));
  return guarded("reading the vector", [&]() -> Status {
    const bool heads = !options.heads.empty();
    const std::int64_t rows = heads ? std::ssize(targets) : config.n_layers;
    HS_ASSIGN(const at::Tensor all,
              fitting_rows(array, options.file, rows, heads ? config.d_head : config.d_model, heads));
    for (std::size_t i = 0; i < targets.size(); ++i) {
      const std::int64_t row = heads ? static_cast<std::int64_t>(i) : targets[i].site.layer;
      targets[i].vector = all.select(0, array.shape.size() == 1 ? 0 : row).clone();
      const bool usable = targets[i].vector.isfinite().all().item<bool>() && targets[i].vector.ne(0).any().item<bool>();
      if (usable) continue;
      return make_error(
          ErrorCode::invalid_argument,
          std::string("has no vector for ").append(target_name(targets[i])).append(": it must be finite and not 0"),
          options.file, "--vector");
    }
    return {};
  });
}

std::string npy_bytes(const at::Tensor& values) {
  std::string bytes = npy_header("<f4", values.sizes().vec());
  const at::Tensor whole = values.contiguous();
  bytes.append(static_cast<const char*>(whole.const_data_ptr()), whole.nbytes());
  return bytes;
}

} // namespace

void list_vector_options(OptionList& list, SteerVectorOptions& options) {
  list.add_choice("site", options.site,
                  {{"resid_pre", "the residual before a layer"},
                   {"resid_mid", "the residual between attention and MLP"},
                   {"resid_post", "the residual after a layer"},
                   {"attn_out", "what attention writes"},
                   {"mlp_out", "what the MLP writes"},
                   {"z", "the heads of --heads, before the output matrix"}},
                  "Which activation is steered")
      .from("0.2");
  list.add("layers", options.layers, "Layers that are steered: 12, 10-12,15 or all; not with z").from("0.2");
  list.add("heads", options.heads, "Heads that are steered, at z (18.6,17.3)").from("0.2");
  list.add(
          "vector", options.file,
          "The vector: a .npy file of [d_model], or [n_layers, d_model] with a row for each layer; at z [d_head], or a "
          "row for each of the heads")
      .from("0.2")
      .reads_file();
  list.add("positive", options.positive,
           "A text that has what the vector stands for; may be repeated. The vector is then the mean activation of "
           "these texts less that of the negative ones")
      .from("0.2");
  list.add("negative", options.negative, "A text that has not; may be repeated").from("0.2");
  list.add("positive_file", options.positive_file, "A file of positive texts: .csv, .jsonl, .json or .txt")
      .from("0.2")
      .reads_file();
  list.add("negative_file", options.negative_file, "A file of negative texts").from("0.2").reads_file();
  list.add_choice("read_at", options.read_at, "Where the activation of a text is read").from("0.2");
  list.add("normalize", options.normalize, "Divide each vector by its norm, so that coefficients are norms")
      .from("0.2");
  list.add("save_vector", options.save, "Write the vectors to this new .npy file").from("0.2").writes_file("*.npy");
}

Status check_vector_options(const SteerVectorOptions& options, bool needed) {
  const bool heads = options.site == "z";
  if (heads && options.heads.empty()) return bad("z is steered by head; give 18.6 or several", "--heads");
  if (!heads && !options.heads.empty()) return bad("goes with --site z", "--heads");
  if (heads && !options.layers.empty()) return bad("does not go with --site z; the heads say their layers", "--layers");
  if (!heads && options.layers.empty()) return bad("is required: the layers to steer, e.g. 12", "--layers");
  if (!needed) {
    if (!options.file.empty()) return bad("scaling an activation takes no vector", "--vector");
    if (options.from_texts()) return bad("scaling an activation takes no vector", "--positive");
    if (!options.save.empty()) return bad("scaling an activation has no vector", "--save-vector");
    return {};
  }
  if (!options.file.empty() && options.from_texts()) return bad("give a vector or texts, not both", "--vector");
  if (options.file.empty() && !options.from_texts())
    return bad("there is no vector; give --vector FILE.npy, or --positive and --negative texts", "--vector");
  if (options.from_texts() && options.positive.empty() && options.positive_file.empty())
    return bad("is required beside negative texts", "--positive");
  if (options.from_texts() && options.negative.empty() && options.negative_file.empty())
    return bad("is required beside positive texts", "--negative");
  if (!options.file.empty() && !options.file.ends_with(".npy")) return bad("must be a .npy file", "--vector");
  for (const std::string& file : {options.file, options.positive_file, options.negative_file})
    if (!file.empty()) HS_TRY(check_readable(file));
  if (options.save.empty()) return {};
  if (!options.save.ends_with(".npy")) return bad("must be a .npy file", "--save-vector");
  if (std::error_code error; !std::filesystem::exists(options.save, error)) return {};
  return make_error(ErrorCode::already_exists, "exists already", options.save, "--save-vector");
}

Result<std::vector<int>> parse_layers(const std::string& text, int n_layers) {
  std::vector<int> layers;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find(',', begin), text.size());
    const std::string part = text.substr(begin, end - begin);
    const std::size_t dash = part.find('-');
    int first = 0, last = n_layers - 1;
    if (part != "all") {
      const bool range = dash != std::string::npos;
      if (!whole_number(part.substr(0, dash), first) || !whole_number(range ? part.substr(dash + 1) : part, last) ||
          first > last)
        return bad(std::string("must be layers as 12, 10-12,15 or all, not '").append(part).append("'"), "--layers");
      if (last >= n_layers)
        return bad(std::string("the model has layers 0 to ")
                       .append(std::to_string(n_layers - 1))
                       .append(", not ")
                       .append(std::to_string(last)),
                   "--layers");
    }
    for (int layer = first; layer <= last; ++layer)
      layers.push_back(layer);
    begin = end + 1;
  }
  std::sort(layers.begin(), layers.end());
  layers.erase(std::unique(layers.begin(), layers.end()), layers.end());
  return layers;
}

Result<std::vector<SteeringTarget>> steering_targets(const Engine& engine, const SteerVectorOptions& options,
                                                     const PromptOptions& how, bool needed, std::int64_t tokens_per_run,
                                                     const Context& context) {
  HS_ASSIGN(std::vector<SteeringTarget> targets, places_of(options, engine.config()));
  if (!needed) return targets;
  if (options.file.empty())
    HS_TRY(vectors_from_texts(engine, options, how, tokens_per_run, context, targets));
  else
    HS_TRY(vectors_from_file(options, engine.config(), targets));
  if (options.normalize)
    for (SteeringTarget& target : targets)
      target.vector = target.vector / target.vector.norm();
  return targets;
}

Status save_vectors(const std::string& path, const std::vector<SteeringTarget>& targets, int n_layers) {
  return guarded("writing the vectors", [&]() -> Status {
    at::Tensor all = targets.front().vector;
    if (targets.size() > 1) {
      const bool heads = targets.front().head.has_value();
      all = at::full({heads ? std::ssize(targets) : n_layers, all.size(0)}, std::numeric_limits<double>::quiet_NaN(),
                     at::kFloat);
      for (std::size_t i = 0; i < targets.size(); ++i)
        all.select(0, heads ? static_cast<std::int64_t>(i) : targets[i].site.layer).copy_(targets[i].vector);
    }
    const Status written = write_file(path, npy_bytes(all), false);
    if (written.ok()) return {};
    return make_error(written.error().code, written.error().message, path, "--save-vector");
  });
}

double vector_norm(const std::vector<SteeringTarget>& targets) {
  double squares = 0.0;
  for (const SteeringTarget& target : targets) {
    if (!target.vector.defined()) return std::numeric_limits<double>::quiet_NaN();
    squares += target.vector.to(at::kDouble).square().sum().item<double>();
  }
  return std::sqrt(squares);
}

} // namespace headscope::methods
