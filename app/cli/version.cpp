// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/cli/version.h"

#include "app/runs/result_parts.h"
#include "core/engine/device.h"
#include "core/store/result_file.h"

namespace headscope::cli {

std::string version_text() {
  return "headscope " + headscope_version() + "\nLibTorch " + libtorch_version() + "\nHDF5 " + store::hdf5_version() +
         "\n" + describe_cuda();
}

} // namespace headscope::cli
