// SPDX-License-Identifier: GPL-3.0-or-later
// Reads a text in segments under several context managers and measures each against the text as a whole.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "app/methods/base/context.h"
#include "app/methods/inputs/needle_input.h"
#include "core/context_managers/segments.h"

namespace headscope::methods {

struct ContextTask {
  std::vector<std::int64_t> ids; // the text
  std::int64_t segment = 512;    // tokens in each
  std::int64_t skip = 0;         // predictions that are left out
  std::vector<std::string> managers;
  NeedleTask needle;
};

struct ManagedResult {
  std::string manager; // as given
  double nll = 0.0;
  std::optional<double> kl; // from the whole text's predictions, where that fits the model
  double seconds = 0.0;
  std::int64_t tokens_read = 0;
  std::vector<double> recall;   // [segment, earlier segment], 0 where not earlier; empty of the whole text
  std::vector<double> surprise; // [pos], or empty
  struct Needle {
    double depth = 0.0;
    std::int64_t segment = 0;         // that has the needle
    std::optional<std::int64_t> rank; // of that segment by what the question recalls, from 1; none where all is equal
    double nll = 0.0;                 // mean loss of the answer's tokens, nats
  };
  std::vector<Needle> needles; // by depth
};

struct ManagedTexts {
  std::int64_t tokens = 0, segment = 0, skip = 0, segments = 0;
  std::optional<ManagedResult> whole; // the text at once, where it fits the model
  ManagedResult alone;                // segments that know nothing of each other
  std::vector<ManagedResult> managers;
  bool complete = true; // false: cancelled
};

// Returns invalid_argument, at --manager, where a spec is wrong, and at --segment where a segment does not fit.
Result<ManagedTexts> run_managers(const Engine& engine, const ContextTask& task, const Context& context);

} // namespace headscope::methods
