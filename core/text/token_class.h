// SPDX-License-Identifier: GPL-3.0-or-later
// What kind of text a token is, by its characters.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/text/text_units.h"

namespace headscope {

// `line`: white space with a line end. `number`: digits, also behind a space. `word`: begins a word, i.e. stands behind
// white space or punctuation. `word_part`: goes on with the word before it. What has characters of several kinds is of
// its first one that is not white space.
enum class TokenClass : std::uint8_t { special, line, space, number, punctuation, word, word_part };
constexpr std::size_t token_class_count = 7;

const char* token_class_name(TokenClass kind); // "word_part"

// The class of each token of a text.
std::vector<TokenClass> token_classes(const std::vector<UnitToken>& tokens);

} // namespace headscope
