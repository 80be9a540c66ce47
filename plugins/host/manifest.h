// SPDX-License-Identifier: GPL-3.0-or-later
// The JSON file beside a plugin, read before the plugin is opened. docs/plugin-guide.md lists its fields.
#pragma once

#include <cstdint>
#include <string>

#include "core/base/result.h"
#include "plugins/host/abi.h"

namespace headscope::plugin {

enum class Kind : std::uint8_t { detector, mechanism, python_detector };
const char* to_string(Kind kind); // "detector", "mechanism", "python-detector"

struct Manifest {
  std::string file; // the manifest itself
  std::string id;
  Kind kind = Kind::detector;
  std::string module; // the shared module or the Python file, beside the manifest
  AbiTag abi;         // of modules
};

// Returns corrupt, naming the field, for a file that is not a manifest; mismatch when the plugin was made for another
// SDK, whose kinds and fields may be others; not_found when the module is missing.
Result<Manifest> read_manifest(const std::string& file);

// Returns mismatch when the module was made with another toolchain.
Status check_toolchain(const Manifest& manifest, const AbiTag& own = own_abi());

// Whether a text has only lower-case letters, digits, '-' and '_': ids become part of option names and of paths in
// result files.
bool is_id(const std::string& text);

} // namespace headscope::plugin
