// SPDX-License-Identifier: GPL-3.0-or-later
// ACT (Yu et al. 2406.15765, GATECH-EIC/ACT): attention on later sinks is scaled down and given to the other keys, in
// heads that are found by calibrating one head at a time.
#pragma once

#include <cstdint>
#include <vector>

#include "core/sweeps/masking.h"

namespace headscope {

struct SinkCalibrationOptions {
  double beta = 0.4;               // factor of the weights on sinks
  double theta = 0.1;              // a_k above this is a sink; 0: 5/T of each task, as in the paper
  int first_layer = 2;             // of the search
  int skip_last = 1;               // layers at the end that are not searched; the authors: 2 to 30 of 32
  double search = 0.5;             // share of the tasks that heads are chosen on; the others are held out
  std::int64_t tokens_per_run = 0; // 0: what suits the device
};

struct SinkCalibration {
  std::int64_t n_layers = 0, n_heads = 0;
  std::vector<double> effects; // mean score with the head calibrated minus without, on the search tasks [layer, head];
                               // NaN: not searched
  std::vector<HeadId> chosen;  // those above 0, strongest first
  double clean_search = 0.0;
  double clean = 0.0, calibrated = 0.0; // mean score of the held-out tasks without and with all chosen heads; NaN: none
  bool complete = false;
};

// Needs at least two tasks judged by log_prob. Returns invalid_argument for bad options.
Result<SinkCalibration> calibrate_sinks(const Engine& engine, const std::vector<MaskPrompt>& tasks,
                                        const SinkCalibrationOptions& options, const RunControl& control = {});

} // namespace headscope
