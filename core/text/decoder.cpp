// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/text/decoder.h"

#include <algorithm>
#include <utility>

#include "core/text/normalizer.h"
#include "core/text/unicode.h"

namespace headscope::text {

std::string byte_level_bytes(std::string_view piece) {
  std::string out;
  out.reserve(piece.size());
  for (std::string_view rest = piece; !rest.empty();) {
    const CodePoint c = first_code_point(rest);
    const int byte = char_to_byte(c.value);
    if (byte < 0) return std::string(piece);
    out.push_back(static_cast<char>(byte));
    rest.remove_prefix(c.length);
  }
  return out;
}

int byte_of_piece(std::string_view piece) {
  if (piece.size() != 6 || !piece.starts_with("<0x") || piece[5] != '>') return -1;
  const auto digit = [](char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    return -1;
  };
  const int high = digit(piece[3]);
  const int low = digit(piece[4]);
  return high < 0 || low < 0 ? -1 : high * 16 + low;
}

namespace {

std::string join(const std::vector<std::string>& pieces) {
  std::string out;
  for (const std::string& piece : pieces)
    out += piece;
  return out;
}

class ByteLevel : public Decoder {
public:
  Status apply(std::vector<std::string>& pieces) const override {
    std::string bytes;
    for (const std::string& piece : pieces)
      bytes += byte_level_bytes(piece);
    std::string storage;
    std::string text(valid_utf8(bytes, storage));
    pieces.assign(1, std::move(text));
    return {};
  }
};

// Decodes a run of byte pieces as one text if it is UTF-8, otherwise as one U+FFFD per byte.
class ByteFallback : public Decoder {
public:
  Status apply(std::vector<std::string>& pieces) const override {
    std::vector<std::string> out;
    std::string run;
    for (std::string& piece : pieces) {
      const int byte = byte_of_piece(piece);
      if (byte >= 0) {
        run.push_back(static_cast<char>(byte));
        continue;
      }
      flush(run, out);
      out.push_back(std::move(piece));
    }
    flush(run, out);
    pieces = std::move(out);
    return {};
  }

private:
  static void flush(std::string& run, std::vector<std::string>& out) {
    if (run.empty()) return;
    std::string storage;
    if (valid_utf8(run, storage).data() == run.data())
      out.push_back(run);
    else
      out.insert(out.end(), run.size(), "\xEF\xBF\xBD");
    run.clear();
  }
};

class Fuse : public Decoder {
public:
  Status apply(std::vector<std::string>& pieces) const override {
    std::string text = join(pieces);
    pieces.assign(1, std::move(text));
    return {};
  }
};

class Strip : public Decoder {
public:
  Strip(std::string character, std::size_t start, std::size_t stop)
      : character_(std::move(character)), start_(start), stop_(stop) {}
  Status apply(std::vector<std::string>& pieces) const override {
    for (std::string& piece : pieces) {
      std::string_view rest = piece;
      for (std::size_t i = 0; i < start_ && rest.starts_with(character_); ++i)
        rest.remove_prefix(character_.size());
      for (std::size_t i = 0; i < stop_ && rest.ends_with(character_); ++i)
        rest.remove_suffix(character_.size());
      piece = std::string(rest);
    }
    return {};
  }

private:
  std::string character_;
  std::size_t start_;
  std::size_t stop_;
};

class Replace : public Decoder {
public:
  explicit Replace(std::unique_ptr<Normalizer> rule) : rule_(std::move(rule)) {}
  Status apply(std::vector<std::string>& pieces) const override {
    std::size_t before = 0;
    for (const std::string& piece : pieces)
      before += piece.size();
    std::size_t left = most_normalized(before);
    for (std::string& piece : pieces) {
      HS_TRY(rule_->apply(piece, left));
      left -= std::min(left, piece.size());
    }
    return {};
  }

private:
  std::unique_ptr<Normalizer> rule_;
};

class Metaspace : public Decoder {
public:
  Metaspace(std::string replacement, bool drop_first) : replacement_(std::move(replacement)), drop_first_(drop_first) {}
  Status apply(std::vector<std::string>& pieces) const override {
    for (std::size_t i = 0; i < pieces.size(); ++i) {
      replace_all(pieces[i], replacement_, i == 0 && drop_first_ ? "" : " ");
    }
    return {};
  }

private:
  std::string replacement_;
  bool drop_first_;
};

class WordPiece : public Decoder {
public:
  WordPiece(std::string prefix, bool cleanup) : prefix_(std::move(prefix)), cleanup_(cleanup) {}
  Status apply(std::vector<std::string>& pieces) const override {
    for (std::size_t i = 0; i < pieces.size(); ++i) {
      std::string& piece = pieces[i];
      if (i > 0 && piece.starts_with(prefix_))
        piece.erase(0, prefix_.size());
      else if (i > 0)
        piece.insert(piece.begin(), ' ');
      if (cleanup_) clean(piece);
    }
    return {};
  }

private:
  static void clean(std::string& piece) {
    static constexpr std::pair<const char*, const char*> rules[] = {
        {" .", "."},   {" ?", "?"},           {" !", "!"},   {" ,", ","},     {" ' ", "'"},   {" n't", "n't"},
        {" 'm", "'m"}, {" do not", " don't"}, {" 's", "'s"}, {" 've", "'ve"}, {" 're", "'re"}};
    for (const auto& [from, to] : rules)
      replace_all(piece, from, to);
  }
  std::string prefix_;
  bool cleanup_;
};

} // namespace

std::unique_ptr<Decoder> decode_word_piece(std::string prefix, bool cleanup) {
  return std::make_unique<WordPiece>(std::move(prefix), cleanup);
}
std::unique_ptr<Decoder> decode_byte_level() { return std::make_unique<ByteLevel>(); }
std::unique_ptr<Decoder> decode_byte_fallback() { return std::make_unique<ByteFallback>(); }
std::unique_ptr<Decoder> decode_fuse() { return std::make_unique<Fuse>(); }
std::unique_ptr<Decoder> decode_strip(std::string character, std::size_t start, std::size_t stop) {
  return std::make_unique<Strip>(std::move(character), start, stop);
}
std::unique_ptr<Decoder> decode_replace(std::string literal, std::string content) {
  return std::make_unique<Replace>(normalize_replace(std::move(literal), std::move(content)));
}
std::unique_ptr<Decoder> decode_replace(Regex pattern, std::string content) {
  return std::make_unique<Replace>(normalize_replace(std::move(pattern), std::move(content)));
}
std::unique_ptr<Decoder> decode_metaspace(std::string replacement, bool drop_first) {
  return std::make_unique<Metaspace>(std::move(replacement), drop_first);
}

} // namespace headscope::text
