// SPDX-License-Identifier: GPL-3.0-or-later
// Makes Headscope's own detectors a plugin like any other.
#include "plugins/detectors/builtin.h"
#include "plugins/sdk/plugin.h"

HEADSCOPE_DETECTOR_PLUGIN(headscope::builtin_detectors())
