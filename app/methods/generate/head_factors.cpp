// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/methods/generate/head_factors.h"

#include <cmath>

#include "core/store/result_reader.h"

namespace headscope::methods {

Result<std::vector<Intervention>> scale_by(const HeadFactors& factors, const Model& model) {
  std::vector<Intervention> list;
  if (factors.file.empty()) return list;
  const auto at_file = [&](const Error& error) {
    return make_error(error.code, error.message, factors.file, error.field.empty() ? "--scale-from" : error.field);
  };
  auto reader = store::ResultReader::open(factors.file);
  if (!reader.ok()) return at_file(reader.error());
  const auto of = reader->model();
  if (!of.ok()) return at_file(of.error());
  const std::string sha256 = store::text_attribute(*of, "sha256");
  if (!sha256.empty() && sha256 != model.identity.sha256())
    return make_error(ErrorCode::mismatch, "is a result of another model", factors.file, "--scale-from");
  auto array = reader->array(factors.array);
  if (!array.ok()) return at_file(make_error(array.error().code, array.error().message, {}, "--scale-array"));
  const std::int64_t heads = model.config.n_heads;
  if (array->spec.shape != std::vector<std::int64_t>{model.config.n_layers, heads})
    return make_error(ErrorCode::mismatch, factors.array + " is no array [layer, head] of this model", factors.file,
                      "--scale-array");
  for (std::size_t i = 0; i < array->values.size(); ++i) {
    const double factor = array->values[i];
    if (!std::isfinite(factor))
      return make_error(ErrorCode::mismatch, factors.array + " holds values that are no numbers", factors.file,
                        "--scale-array");
    if (factor == 1.0) continue;
    Intervention scale;
    scale.site = {HookPoint::z, static_cast<int>(static_cast<std::int64_t>(i) / heads)};
    scale.kind = InterventionKind::scale;
    scale.head = static_cast<std::int64_t>(i) % heads;
    scale.factor = factor;
    scale.phase = factors.phase;
    list.push_back(std::move(scale));
  }
  return list;
}

} // namespace headscope::methods
