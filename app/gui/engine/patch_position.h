// SPDX-License-Identifier: GPL-3.0-or-later
// Activation patching of each head at one position alone. Only the .cpp files of this folder include it.
#pragma once

#include "core/sweeps/patching.h"

namespace headscope::gui {

// What patch_activations() gives with axes layer_position_head, of this position alone; other cells are not measured.
// invalid_argument for a position that the pair does not have, errors else as of patch_activations().
Result<PatchingResult> patch_heads_at(const Engine& engine, const PatchPair& pair, PatchingOptions options,
                                      std::int64_t position, const RunControl& control,
                                      const PatchingCallback& callback);

} // namespace headscope::gui
