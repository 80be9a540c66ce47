// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/methods/base/method.h"

namespace headscope::methods {

Result<Report> Method::run(const Work&) {
  return make_error(ErrorCode::internal, std::string(info().id) + " does not run on a model");
}

Result<Report> Method::run_alone(const Context&) {
  return make_error(ErrorCode::internal, std::string(info().id) + " needs a model");
}

} // namespace headscope::methods
