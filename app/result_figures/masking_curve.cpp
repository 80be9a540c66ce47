// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/result_figures/masking_curve.h"

#include <algorithm>
#include <cmath>

namespace headscope {

MaskingCurve::Control MaskingCurve::control(std::size_t count) const {
  Control out{0.0, INFINITY, -INFINITY};
  double measured = 0.0;
  for (std::size_t seed = 0; seed < static_cast<std::size_t>(seeds); ++seed) {
    const double value = random[count * static_cast<std::size_t>(seeds) + seed];
    if (std::isnan(value)) continue;
    out = {out.mean + value, std::min(out.low, value), std::max(out.high, value)};
    measured += 1.0;
  }
  if (measured == 0.0) return {NAN, NAN, NAN};
  out.mean /= measured;
  return out;
}

Result<MaskingCurve> read_masking(const store::ResultReader& reader, const std::string& name) {
  const std::string group = "/masking/" + name;
  HS_ASSIGN(const store::Attributes attributes, reader.attributes(group));
  HS_ASSIGN(const store::Array counts, reader.array(group + "/count"));
  HS_ASSIGN(const store::Array masked, reader.array(group + "/masked"));
  HS_ASSIGN(const store::Array random, reader.array(group + "/random"));
  MaskingCurve curve{name,
                     store::text_attribute(attributes, "task"),
                     store::text_attribute(attributes, "method"),
                     store::text_attribute(attributes, "phase"),
                     store::text_attribute(attributes, "metric"),
                     store::text_attribute(attributes, "units"),
                     store::text_attribute(attributes, "ranking"),
                     NAN,
                     {},
                     masked.values,
                     random.values,
                     0};
  for (const double count : counts.values)
    curve.counts.push_back(static_cast<std::int64_t>(count));
  if (const auto* value = store::find_attribute(attributes, "clean"))
    if (const auto* clean = std::get_if<double>(value)) curve.clean = *clean;
  if (curve.masked.size() != curve.counts.size())
    return make_error(ErrorCode::corrupt, "has another length than count", {}, group + "/masked");
  if (random.spec.shape.size() != 2 || random.spec.shape[0] != std::ssize(curve.counts) || random.spec.shape[1] < 1)
    return make_error(ErrorCode::corrupt, "must be [count, seed]", {}, group + "/random");
  curve.seeds = random.spec.shape[1];
  return curve;
}

figures::LineFigure masking_figure(const MaskingCurve& curve, const std::string& model) {
  figures::LineFigure figure;
  figure.title = "Masking the strongest heads: " + curve.task + ", " + curve.method + ", " + curve.phase;
  figure.subtitle = model + (model.empty() ? "" : ", ") + "heads by " + curve.ranking;
  figure.x_axis = "heads masked";
  figure.y_axis = curve.metric + (curve.units == "1" ? "" : " (" + curve.units + ")");
  figures::Series strongest{"strongest", {}, curve.masked, {}, {}},
      random{"random, same layers: mean and range of " + std::to_string(curve.seeds), {}, {}, {}, {}};
  for (std::size_t i = 0; i < curve.counts.size(); ++i) {
    strongest.x.push_back(static_cast<double>(curve.counts[i]));
    const MaskingCurve::Control control = curve.control(i);
    random.y.push_back(control.mean);
    random.error_low.push_back(std::isnan(control.mean) ? 0.0 : control.mean - control.low);
    random.error_high.push_back(std::isnan(control.mean) ? 0.0 : control.high - control.mean);
  }
  random.x = strongest.x;
  figure.series = {std::move(strongest), std::move(random)};
  if (std::isfinite(curve.clean)) figure.rules.push_back({curve.clean, "nothing masked", false});
  return figure;
}

figures::Table masking_table(const MaskingCurve& curve) {
  figures::Table table;
  table.columns = {"heads", "strongest"};
  for (std::int64_t seed = 0; seed < curve.seeds; ++seed)
    table.columns.push_back("random_" + std::to_string(seed));
  const auto seeds = static_cast<std::ptrdiff_t>(curve.seeds);
  for (std::size_t i = 0; i < curve.counts.size(); ++i) {
    table.values.push_back(static_cast<double>(curve.counts[i]));
    table.values.push_back(curve.masked[i]);
    const auto row = curve.random.begin() + static_cast<std::ptrdiff_t>(i) * seeds;
    table.values.insert(table.values.end(), row, row + seeds);
  }
  return table;
}

} // namespace headscope
