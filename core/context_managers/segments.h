// SPDX-License-Identifier: GPL-3.0-or-later
// Reads a text in segments under a context manager.
#pragma once

#include <vector>

#include "core/base/run_control.h"
#include "core/context_managers/context_manager.h"
#include "core/engine/engine.h"

namespace headscope::contexts {

struct Segment {
  std::int64_t begin = 0, end = 0; // of the text
  Ids asked;                       // by which the memory is asked; empty: the segment before
};

// Segments of a length; the last may be shorter.
std::vector<Segment> segments_of(std::int64_t tokens, std::int64_t length);

struct ManagedRun {
  at::Tensor resid;                        // after the last block, before the final norm, [pos, d_model] on the CPU
  std::int64_t tokens_read = 0;            // and vectors, over all readings
  std::vector<std::vector<double>> recall; // [segment][earlier segment]
  std::vector<double> surprise;            // [pos], or empty
  double seconds = 0.0;
};

// Reads the text under the engine's attention. Where it begins with the model's BOS, every reading does. Positions of
// the result are those of the text, each from the reading of its own segment. Returns mismatch, at "segment", where a
// segment with what stands around it is longer than the model's context.
Result<ManagedRun> read_in_segments(const Engine& engine, const ContextManager& manager, const Ids& tokens,
                                    const std::vector<Segment>& segments, const RunControl& control);

} // namespace headscope::contexts
