// SPDX-License-Identifier: GPL-3.0-or-later
// A tokenizer whose tokens are words with their leading space, except words that must be split in two.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "core/text/tokenizer.h"

namespace headscope::test {

class WordTokenizer : public Tokenizer {
public:
  explicit WordTokenizer(std::set<std::string> cut = {}) : cut_(std::move(cut)) {}

  Result<std::vector<std::int64_t>> encode(std::string_view utf8, TokenizeOptions options) const override {
    std::vector<std::int64_t> ids;
    if (options.add_special) ids.push_back(id_of("<s>"));
    for (std::size_t begin = 0; begin < utf8.size();) {
      std::size_t end = begin + 1;
      if (utf8[begin] != '.' && utf8[begin] != ',')
        while (end < utf8.size() && utf8[end] != ' ' && utf8[end] != '.' && utf8[end] != ',')
          ++end;
      const std::string piece(utf8.substr(begin, end - begin));
      if (cut_.contains(piece)) {
        ids.push_back(id_of(piece.substr(0, 2)));
        ids.push_back(id_of(piece.substr(2)));
      } else {
        ids.push_back(id_of(piece));
      }
      begin = end;
    }
    return ids;
  }

  std::string decode(std::span<const std::int64_t> ids, bool) const override {
    std::string out;
    for (const std::int64_t id : ids)
      out += text(id);
    return out;
  }
  std::string piece(std::int64_t id) const override { return text(id); }
  std::string text(std::int64_t id) const override {
    return id >= 0 && id < vocab_size() ? pieces_[static_cast<std::size_t>(id)] : "";
  }
  std::optional<std::int64_t> id_of_piece(std::string_view piece) const override { return id_of(std::string(piece)); }
  std::int64_t vocab_size() const override { return static_cast<std::int64_t>(pieces_.size()); }
  std::optional<std::int64_t> bos() const override { return id_of("<s>"); }
  std::optional<std::int64_t> eos() const override { return {}; }
  std::optional<std::int64_t> unk() const override { return {}; }
  std::optional<std::int64_t> pad() const override { return {}; }
  bool is_special(std::int64_t id) const override { return text(id) == "<s>"; }
  const std::string& chat_template() const override { return none_; }
  std::string kind() const override { return "words"; }

private:
  std::int64_t id_of(const std::string& piece) const {
    const auto [it, added] = ids_.emplace(piece, static_cast<std::int64_t>(pieces_.size()));
    if (added) pieces_.push_back(piece);
    return it->second;
  }

  std::set<std::string> cut_;
  std::string none_;
  mutable std::map<std::string, std::int64_t> ids_; // grows as it reads; tests use one thread
  mutable std::vector<std::string> pieces_;
};

} // namespace headscope::test
