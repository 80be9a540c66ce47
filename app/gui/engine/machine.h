// SPDX-License-Identifier: GPL-3.0-or-later
// What this program and this machine have to run models with.
#pragma once

#include <string>
#include <vector>

namespace headscope::gui {

struct NamedChoice {
  std::string name;
  std::string what; // one sentence
};
std::vector<NamedChoice> dtype_choices(); // number types that a model can compute in
// The devices of this machine by the driver's files; whether LibTorch can use a GPU shows when a model opens on it.
std::vector<std::string> device_names();
// Of Headscope, LibTorch and HDF5, and what there is of CUDA; may be called from any thread.
std::vector<NamedChoice> component_versions();

} // namespace headscope::gui
