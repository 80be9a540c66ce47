// SPDX-License-Identifier: GPL-3.0-or-later
// One array of numbers out of somebody else's file: NumPy's .npy, or a dataset of an HDF5 file.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/base/result.h"

namespace headscope::store {

struct NumberArray {
  std::vector<std::int64_t> shape;
  std::vector<float> values; // row-major
};

// By the ending: .npy (versions 1 and 2; little-endian f4 or f8, C order), else HDF5 (any type of numbers).
// Errors: not_found (no such file or dataset), unsupported (another type or order), corrupt.
Result<NumberArray> read_array_file(const std::string& path, const std::string& dataset);

} // namespace headscope::store
