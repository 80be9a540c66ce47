// SPDX-License-Identifier: GPL-3.0-or-later
// The folders that are searched for plugins.
#pragma once

#include <string>
#include <vector>

namespace headscope::plugin {

// The folders in order: ../lib/headscope/plugins beside the program, the folders of HEADSCOPE_PLUGINS (separated by
// colons), and $XDG_DATA_HOME/headscope/plugins or ~/.local/share/headscope/plugins where there is one.
std::vector<std::string> plugin_folders();

// The folder ../lib/headscope/python beside the program, which is prepended to a Python plugin's PYTHONPATH.
std::string python_folder();

} // namespace headscope::plugin
