// SPDX-License-Identifier: GPL-3.0-or-later
#include <cmath>

#include <ATen/ATen.h>

#include "core/base/or_list.h"
#include "core/context_managers/context_manager.h"
#include "core/context_managers/manager_files.h" // made of the files of core/context_managers/managers

namespace headscope::contexts {

std::span<const ManagerDefinition* const> all_managers() { return files; }

Result<std::shared_ptr<const ContextManager>> parse_manager(const std::string& spec) {
  const std::string id = spec.substr(0, spec.find(':'));
  std::vector<std::string> ids;
  for (const ManagerDefinition* each : files) {
    ids.emplace_back(each->info.id);
    if (id != each->info.id) continue;
    const auto& options = each->info.options;
    mechanisms::OptionValues values = mechanisms::defaults_of(options);
    if (spec.size() > id.size()) {
      HS_ASSIGN(values, mechanisms::parse_options(id, options, spec.substr(id.size() + 1)));
    }
    return each->make(values);
  }
  return make_error(ErrorCode::invalid_argument, "'" + id + "' is no context manager; there are " + or_list(ids));
}

at::Tensor answer_scores(const at::Tensor& query, const at::Tensor& stored, bool centred) {
  const at::Tensor common = centred ? stored.mean(0) : at::zeros_like(query);
  return at::mv(stored - common, query - common) / std::sqrt(static_cast<double>(query.size(0)));
}

at::Tensor sized_as(const at::Tensor& vectors, const at::Tensor& embeddings) {
  const at::Tensor size = embeddings.norm(2, {-1}).mean();
  return vectors / vectors.norm(2, {-1}, true).clamp_min(1e-12) * size;
}

} // namespace headscope::contexts
