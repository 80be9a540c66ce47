// SPDX-License-Identifier: GPL-3.0-or-later
// Used in builds without Qt, so that --plot says what is missing.
#include "app/methods/bench/plot.h"

namespace headscope::methods {

Status check_plot(const std::string& path) {
  return make_error(
      ErrorCode::unsupported,
      "this build has no Qt and draws no figures; write --out FILE.json here, and on a machine whose build "
      "has, draw it by bench compare FILE.json FILE.json --plot",
      path, "--plot");
}

Result<std::vector<std::string>> plot_growth(const std::vector<GrowthRun>& /*runs*/, const std::string& path,
                                             bool /*overwrite*/) {
  return check_plot(path).error();
}

} // namespace headscope::methods
