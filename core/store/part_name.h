// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <string>

#include "core/base/result.h"

namespace headscope::store {

// An error unless `name` can be the name of a part of a result file: not empty, not '.' or '..', without '/', NUL and
// line feeds. Ask before the work of which it names the result.
Status check_part_name(const std::string& name, const std::string& file = {}, const std::string& field = {});

} // namespace headscope::store
