// SPDX-License-Identifier: GPL-3.0-or-later
// The only header that knows spdlog. It must never be included together with a torch header in one place
// where torch's include folder comes first: torch ships another fmt.
#pragma once

#include <string>

namespace headscope::log {

enum class Level { debug, info, warning, error, off };

void set_level(Level level);
// Adds a file that receives every message; messages always go to standard error as well.
void add_file(const std::string& path);
void debug(const std::string& message);
void info(const std::string& message);
void warning(const std::string& message);
void error(const std::string& message);

} // namespace headscope::log
