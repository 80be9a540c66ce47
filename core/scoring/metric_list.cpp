// SPDX-License-Identifier: GPL-3.0-or-later
#include <array>

#include "core/scoring/metric_definition.h"
#include "core/scoring/metric_files.h" // made of the files of core/scoring/metrics

namespace headscope {

const MetricInfo& info(MetricKind metric) { return (*metric).info; }

template <> std::span<const Named<MetricKind>> names_of<MetricKind>() {
  static const auto names = [] {
    std::array<Named<MetricKind>, std::size(metrics::files)> out{};
    for (std::size_t i = 0; i < out.size(); ++i)
      out[i] = {MetricKind(metrics::files[i]), metrics::files[i]->info.name, metrics::files[i]->info.what};
    return out;
  }();
  return names;
}

Status check_has_gradient(MetricKind metric, const std::string& otherwise) {
  if (info(metric).has_gradient) return {};
  return make_error(ErrorCode::invalid_argument, std::string(to_string(metric)) + " has no gradient; " + otherwise, {},
                    "metric");
}

} // namespace headscope
