// SPDX-License-Identifier: GPL-3.0-or-later
#include <hdf5.h>

#include "core/store/result_file.h"

namespace headscope::store {

std::string hdf5_version() {
  unsigned major = 0, minor = 0, release = 0;
  H5get_libversion(&major, &minor, &release);
  return std::to_string(major) + "." + std::to_string(minor) + "." + std::to_string(release);
}

} // namespace headscope::store
