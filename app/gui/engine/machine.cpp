// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/gui/engine/machine.h"

#include <filesystem>

#include "app/runs/result_parts.h"
#include "core/engine/device.h"
#include "core/model/dtype.h"
#include "core/store/result_file.h"

namespace headscope::gui {

std::vector<NamedChoice> dtype_choices() {
  std::vector<NamedChoice> choices;
  for (const Named<at::ScalarType>& dtype : names_of<at::ScalarType>())
    choices.push_back({dtype.name, dtype.what});
  return choices;
}

std::vector<std::string> device_names() {
  std::vector<std::string> names = {"cpu"};
  std::error_code error;
  for (int i = 0; std::filesystem::exists("/dev/nvidia" + std::to_string(i), error); ++i)
    names.push_back(i == 0 ? "cuda" : "cuda:" + std::to_string(i));
  return names;
}

std::vector<NamedChoice> component_versions() {
  return {{"Headscope", headscope_version()},
          {"LibTorch", libtorch_version()},
          {"HDF5", store::hdf5_version()},
          {"CUDA", describe_cuda()}};
}

} // namespace headscope::gui
