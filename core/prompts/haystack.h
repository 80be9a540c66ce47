// SPDX-License-Identifier: GPL-3.0-or-later
// Text to hide needles in, and needles, for retrieval heads (Wu et al. 2404.15574).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "core/base/result.h"

namespace headscope {

// Generates at least `min_bytes` of plain English sentences about everyday matters (a token is 4 to 5 bytes), in
// paragraphs. A seed gives the same text on every platform, and a longer text begins with the shorter one.
std::string generated_haystack(std::uint64_t seed, std::size_t min_bytes);

// Reads a text file, or all .txt and .md files of a folder and its subfolders in order of their paths, joined by a
// blank line. Errors: not_found, io, invalid_argument (no text), corrupt (not UTF-8 text).
Result<std::string> load_haystack(const std::string& path);

// The SHA-256 of a text file's bytes; for a folder, that of the text that load_haystack() makes of it.
Result<std::string> haystack_sha256(const std::string& path);

struct Needle {
  std::string name;
  std::string needle;      // the sentence put into the haystack
  std::string question;    // asked after the context
  std::string real_needle; // the part of the needle that answers the question; retrieval is scored on it
};

// Three facts that no model can know, each answered by copying words of its needle.
std::vector<Needle> default_needles();

} // namespace headscope
