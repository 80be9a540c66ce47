// SPDX-License-Identifier: GPL-3.0-or-later
// One [[step]] of an experiment: a method on a task, cut into cells. Its keys are the options of the method.
#pragma once

#include <memory>
#include <string>

#include "app/experiments/toml_table.h"
#include "app/methods/base/method.h"

namespace headscope::experiments {

struct Step {
  std::string name; // of its group in the result file
  std::string task; // label of a [[task]]; empty: none
  std::unique_ptr<methods::Method> method;
  std::unique_ptr<methods::Cells> cells; // reads the method's options

  const char* id() const { return method->info().id; }
};

// Reads the options that its method has; the name, method and task too. Files are looked for beside `experiment`.
Result<std::unique_ptr<Step>> read_step(TomlTable& table, const std::string& experiment);

// One key. A value out of its bounds, or that is none of the choices, is an error at its key.
void read_option(TomlTable& table, const methods::Option& option);

} // namespace headscope::experiments
