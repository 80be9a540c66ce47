// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <string>

#include "core/base/result.h"

namespace headscope::store {

// Returns an error unless `name` can name a part of a result file: not empty, not '.' or '..', without '/', NUL and
// line feeds. Call it before the work whose result it names.
Status check_part_name(const std::string& name, const std::string& file = {}, const std::string& field = {});

} // namespace headscope::store
