// SPDX-License-Identifier: GPL-3.0-or-later
// Where plugins are looked for.
#pragma once

#include <string>
#include <vector>

namespace headscope::plugin {

// In this order: ../lib/headscope/plugins beside the program, the folders of HEADSCOPE_PLUGINS (with colons between
// them), and $XDG_DATA_HOME/headscope/plugins or ~/.local/share/headscope/plugins where there is one.
std::vector<std::string> plugin_folders();

// ../lib/headscope/python beside the program: what is put before a Python plugin's PYTHONPATH.
std::string python_folder();

} // namespace headscope::plugin
