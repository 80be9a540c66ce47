// SPDX-License-Identifier: GPL-3.0-or-later
// Reads one array of numbers from a file of another program: NumPy's .npy, or a dataset of an HDF5 file.
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

// Chooses by the ending: .npy (versions 1 and 2; little-endian f4 or f8, C order), otherwise HDF5 (any numeric type).
// Errors: not_found (no such file or dataset), unsupported (another type or order), corrupt.
Result<NumberArray> read_array_file(const std::string& path, const std::string& dataset);

} // namespace headscope::store
