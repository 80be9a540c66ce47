// SPDX-License-Identifier: GPL-3.0-or-later
// Normalizers of tokenizer.json: text to text, before it is split.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.h"
#include "core/text/regex.h"

namespace headscope::text {

class Normalizer {
public:
  virtual ~Normalizer() = default;
  // Refuses to make more than `most` bytes.
  virtual Status apply(std::string& utf8, std::size_t most) const = 0;
};
using Normalizers = std::vector<std::unique_ptr<Normalizer>>;

enum class UnicodeForm { nfc, nfd, nfkc, nfkd };

std::unique_ptr<Normalizer> normalize_form(UnicodeForm form);
std::unique_ptr<Normalizer> normalize_lowercase();
std::unique_ptr<Normalizer> normalize_strip_accents();
std::unique_ptr<Normalizer> normalize_strip(bool left, bool right);
std::unique_ptr<Normalizer> normalize_prepend(std::string prefix);
std::unique_ptr<Normalizer> normalize_replace(std::string literal, std::string content);
std::unique_ptr<Normalizer> normalize_replace(Regex pattern, std::string content);
std::unique_ptr<Normalizer> normalize_byte_level();
// Does BERT's first two steps: removes control characters and turns white space into spaces; puts spaces around Chinese
// characters.
std::unique_ptr<Normalizer> normalize_clean_text();
std::unique_ptr<Normalizer> normalize_chinese();
std::unique_ptr<Normalizer> normalize_strip_nonspacing(); // marks of the category Mn
// `charsmap` is SentencePiece's compiled rules: the size of a double array, the array, and NUL-terminated replacements.
Result<std::unique_ptr<Normalizer>> normalize_precompiled(std::string_view charsmap);

// The size that a text of that many bytes may grow to; see limits.h.
std::size_t most_normalized(std::size_t bytes);

// Replaces every occurrence of `literal` with `content`.
void replace_all(std::string& text, std::string_view literal, std::string_view content);

} // namespace headscope::text
