// SPDX-License-Identifier: GPL-3.0-or-later
// Result files, one HDF5 file per run: the public interface of this folder. The schema is docs/file-format.md.
//
// HS_ASSIGN(auto out, store::ResultWriter::create("run.h5", {.provenance = {...}}));
// HS_TRY(out.set_model(...));
// HS_TRY(out.add_scores(scores));
// HS_TRY(out.commit(!context.cancel.cancelled()));
#pragma once

#include "core/store/result_reader.h" // IWYU pragma: export
#include "core/store/result_types.h"  // IWYU pragma: export
#include "core/store/result_writer.h" // IWYU pragma: export

namespace headscope::store {

// Root attributes `format` and `format_version`. A reader takes every version up to its own.
inline constexpr const char* kFormatName = "headscope-result";
inline constexpr int kFormatVersion = 1;

// The version of the HDF5 library in use: "1.10.8".
std::string hdf5_version();

} // namespace headscope::store
