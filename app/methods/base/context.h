// SPDX-License-Identifier: GPL-3.0-or-later
// What a face gives a method for its run: a way to be cancelled, and receivers of progress and notes.
#pragma once

#include <functional>
#include <string>

#include "core/base/run_control.h"

namespace headscope::methods {

struct Context {
  CancelToken cancel;
  ProgressFn progress;                                // empty: progress is not shown
  std::function<void()> progress_ended;               // before text of another kind appears; may be empty
  std::function<void(const std::string&)> note_line;  // may be empty
  std::function<void(const std::string&)> warn_line;  // may be empty
  std::function<void(const std::string&)> text_piece; // where text is wanted while it is generated; may be empty
  std::string command_line;                           // for the provenance of results
  int steps = 0; // the steps of a method that does several things in turn; 0: not known
  mutable int step = 0;

  void note(const std::string& line) const;
  // Warns of something that a reader of the numbers must know.
  void warn(const std::string& line) const;
  void begin_step() const { ++step; } // progress then says "[2/5]" where `steps` is set
  RunControl control() const;
  void finish_progress() const;
  // The same context without progress and notes, for parts whose own progress would confuse.
  Context silent() const;
};

} // namespace headscope::methods
