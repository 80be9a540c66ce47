// SPDX-License-Identifier: GPL-3.0-or-later
// A masking experiment of a result file (/masking/NAME), and its chart.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "app/figures/figure.h"
#include "app/figures/table.h"
#include "core/store/result_file.h"

namespace headscope {

struct MaskingCurve {
  std::string name, task, method, phase, metric, units, ranking;
  double clean = 0.0;               // with nothing masked
  std::vector<std::int64_t> counts; // of masked heads
  std::vector<double> masked;       // the strongest, one a count
  std::vector<double> random;       // [count, seed]
  std::int64_t seeds = 0;

  struct Control {
    double mean = 0.0, low = 0.0, high = 0.0; // over the seeds that were measured; NaN: none
  };
  Control control(std::size_t count) const;
};

// Returns corrupt, with the dataset, where the parts do not fit each other.
Result<MaskingCurve> read_masking(const store::ResultReader& reader, const std::string& name);

figures::LineFigure masking_figure(const MaskingCurve& curve, const std::string& model);
figures::Table masking_table(const MaskingCurve& curve);

} // namespace headscope
