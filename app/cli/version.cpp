// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/cli/version.h"

#include <hdf5.h>
#include <torch/headeronly/version.h>

#include "core/engine/device.h"

namespace headscope::cli {

std::string headscope_version() { return HEADSCOPE_VERSION; }
std::string libtorch_version() { return TORCH_VERSION; }

std::string hdf5_version() {
  unsigned major = 0, minor = 0, release = 0;
  H5get_libversion(&major, &minor, &release);
  return std::to_string(major) + "." + std::to_string(minor) + "." + std::to_string(release);
}

std::string version_text() {
  return "headscope " + headscope_version() + "\nLibTorch " + libtorch_version() + "\nHDF5 " + hdf5_version() + "\n" +
         describe_cuda();
}

} // namespace headscope::cli
