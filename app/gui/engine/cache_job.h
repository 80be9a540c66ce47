// SPDX-License-Identifier: GPL-3.0-or-later
// What the engine keeps so that maps and ablations of the same prompt need no new run: q and k of layers, residuals.
// Jobs of the engine's thread.
#pragma once

#include <cstddef>

namespace headscope::gui {

struct EngineState;

constexpr std::size_t standard_cache_bytes = std::size_t{1} << 30;

struct CacheUse {
  std::size_t bytes = 0;
  std::size_t layers = 0; // whose q and k are kept
};

CacheUse cache_use(const EngineState& state);
// The most bytes that q and k of layers may take; what is too much goes at once, the oldest first.
CacheUse limit_cache(EngineState& state, std::size_t bytes);
CacheUse clear_cache(EngineState& state);

} // namespace headscope::gui
