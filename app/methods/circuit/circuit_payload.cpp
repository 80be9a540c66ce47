// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/methods/circuit/circuit_payload.h"

namespace headscope::methods {

nlohmann::json to_payload(const Curve& curve) {
  nlohmann::json points = nlohmann::json::array();
  for (const CurvePoint& p : curve.points)
    points.push_back({p.share, p.asked, p.edges, p.metric, p.faithfulness, p.without});
  return {{"model", curve.model}, {"empty", curve.empty}, {"points", std::move(points)},
          {"cpr", curve.cpr},     {"cmd", curve.cmd},     {"complete", curve.complete}};
}

Curve curve_from_payload(const nlohmann::json& payload) {
  Curve curve;
  curve.model = payload.at("model");
  curve.empty = payload.at("empty");
  for (const nlohmann::json& p : payload.at("points"))
    curve.points.push_back({p.at(0), p.at(1), p.at(2), p.at(3), p.at(4), p.at(5)});
  curve.cpr = payload.at("cpr");
  curve.cmd = payload.at("cmd");
  curve.complete = payload.at("complete");
  return curve;
}

} // namespace headscope::methods
