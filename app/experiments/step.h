// SPDX-License-Identifier: GPL-3.0-or-later
// One [[step]] of an experiment: a method on a task, divided into cells. Its keys are the method's options.
#pragma once

#include <memory>
#include <string>

#include "app/methods/base/method.h"
#include "core/io/toml_table.h"

namespace headscope::experiments {

struct Step {
  std::string name; // of its group in the result file
  std::string task; // label of a [[task]]; empty: none
  std::unique_ptr<methods::Method> method;
  std::unique_ptr<methods::Cells> cells; // reads the method's options

  const char* id() const { return method->info().id; }
};

// Reads name, method, task and the method's options. Files are searched beside `experiment`.
Result<std::unique_ptr<Step>> read_step(TomlTable& table, const std::string& experiment);

// Reads one key. A value outside its bounds or choices is an error at the key.
void read_option(TomlTable& table, const methods::Option& option);

} // namespace headscope::experiments
