// SPDX-License-Identifier: GPL-3.0-or-later
// Limits on the depth, size and length of anything that Headscope reads from a file or runs for one.
//
// One policy for all readers: JSON, TOML, templates, tokenizer components and regular expressions. Each bound is far
// above what real files need and well below what would exhaust the stack, memory or a user's patience. A reader that
// meets one says which bound and where; see docs/limits.md.
#pragma once

#include <cstddef>
#include <cstdint>

namespace headscope::limits {

// The depth of nested objects, lists, expressions or components. Published files stay below 20.
inline constexpr int nesting = 500;

// The size of a file that is read as a whole: prompts, tokenizers, indexes. The largest published tokenizer.json has 40
// MB.
inline constexpr std::size_t text_file_bytes = std::size_t{1} << 30;

// The most steps that the sweeps of one experiment's step may expand to.
inline constexpr std::size_t sweep_steps = 10'000;

// For one chat template: operations, and bytes of any value that it makes and of its output. A conversation of 100,000
// tokens takes some 1e5 operations and half a megabyte.
inline constexpr std::int64_t template_steps = 20'000'000;
inline constexpr std::size_t template_bytes = std::size_t{64} << 20;

// For one regular expression on one text: backtracking steps per byte, and the minimum that any text gets.
inline constexpr std::uint32_t regex_steps_per_byte = 1'000;
inline constexpr std::uint32_t regex_least_steps = 10'000'000;

// For normalizers and decoders: output bytes per input byte, and the minimum that any text gets. Unicode's own forms
// need at most 18.
inline constexpr std::size_t normalized_growth = 64;
inline constexpr std::size_t normalized_least_bytes = std::size_t{1} << 20;

// For a result file: nested groups, names in one group, attributes of one object and bytes of one attribute; the values
// of one array in memory, its texts, one of its chunks, and chunks that are read at once.
inline constexpr int result_depth = 32;
inline constexpr std::size_t result_names = std::size_t{1} << 20;
inline constexpr std::size_t result_attributes = 4096;
inline constexpr std::size_t result_attribute_bytes = std::size_t{16} << 20;
inline constexpr std::size_t result_array_bytes = std::size_t{1} << 30;
inline constexpr std::size_t result_text_bytes = std::size_t{256} << 20;
inline constexpr std::size_t result_chunk_bytes = std::size_t{64} << 20;
inline constexpr std::size_t result_chunks = std::size_t{1} << 20;

} // namespace headscope::limits
