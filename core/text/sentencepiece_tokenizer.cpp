// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/text/sentencepiece_tokenizer.h"

#include <sentencepiece_processor.h>

#include <utility>

#include "core/base/text_file.h"
#include "core/text/added_tokens.h"
#include "core/text/decoder.h"
#include "core/text/normalizer.h"
#include "core/text/unicode.h"

namespace headscope::text {

namespace {

using Processor = sentencepiece::SentencePieceProcessor;

std::optional<std::int64_t> defined(int id) { return id < 0 ? std::nullopt : std::optional<std::int64_t>(id); }

class SentencePiece : public Tokenizer {
public:
  SentencePiece(std::unique_ptr<Processor> processor, SentencePieceOptions options)
      : processor_(std::move(processor)), options_(std::move(options)) {
    for (int id = 0; id < processor_->GetPieceSize(); ++id) {
      unigram_ =
          unigram_ || (processor_->GetScore(id) != 0.0F &&
                       processor_->GetScore(id) != static_cast<float>(static_cast<long>(processor_->GetScore(id))));
      if (!processor_->IsControl(id)) continue;
      AddedToken token;
      token.id = id;
      token.content = processor_->IdToPiece(id);
      token.special = true;
      added_.add(token);
    }
    added_.index([](const std::string& content) { return content; });
  }

  Result<std::vector<std::int64_t>> encode(std::string_view utf8, TokenizeOptions options) const override {
    std::string storage;
    const std::string_view text = valid_utf8(utf8, storage);
    std::vector<std::int64_t> ids;
    if (options.add_special && options_.add_bos && bos()) ids.push_back(*bos());
    for (const auto& part : added_.split(text, false, options.parse_special)) {
      if (part.id >= 0) {
        ids.push_back(part.id);
        continue;
      }
      std::vector<int> found;
      const auto status = processor_->Encode(text.substr(part.span.begin, part.span.end - part.span.begin), &found);
      if (!status.ok()) return make_error(ErrorCode::internal, "SentencePiece: " + status.ToString());
      ids.insert(ids.end(), found.begin(), found.end());
    }
    if (options.add_special && options_.add_eos && eos()) ids.push_back(*eos());
    return ids;
  }

  std::string decode(std::span<const std::int64_t> ids, bool skip_special) const override {
    std::string out;
    std::vector<int> run;
    const auto flush = [&] {
      std::string text;
      if (!run.empty() && processor_->Decode(run, &text).ok()) out += text;
      run.clear();
    };
    for (const std::int64_t id : ids) {
      if (!known(id)) continue;
      if (!is_special(id)) {
        run.push_back(static_cast<int>(id));
      } else if (!skip_special) {
        flush();
        out += piece(id);
      }
    }
    flush();
    return out;
  }

  std::string piece(std::int64_t id) const override {
    return known(id) ? processor_->IdToPiece(static_cast<int>(id)) : std::string();
  }

  std::string text(std::int64_t id) const override {
    std::string out = piece(id);
    if (is_special(id)) return out;
    if (known(id) && processor_->IsByte(static_cast<int>(id)))
      return std::string(1, static_cast<char>(byte_of_piece(out)));
    replace_all(out, "\xE2\x96\x81", " ");
    return out;
  }

  std::optional<std::int64_t> id_of_piece(std::string_view piece) const override {
    const int id = processor_->PieceToId(piece); // the unknown token's when there is no such piece
    if (id < 0 || processor_->IdToPiece(id) != piece) return std::nullopt;
    return id;
  }

  std::int64_t vocab_size() const override { return processor_->GetPieceSize(); }
  std::optional<std::int64_t> bos() const override { return defined(processor_->bos_id()); }
  std::optional<std::int64_t> eos() const override { return defined(processor_->eos_id()); }
  std::optional<std::int64_t> unk() const override { return defined(processor_->unk_id()); }
  std::optional<std::int64_t> pad() const override { return defined(processor_->pad_id()); }
  bool is_special(std::int64_t id) const override { return added_.find(id) != nullptr; }
  const std::string& chat_template() const override { return options_.chat_template; }
  std::string kind() const override { return unigram_ ? "SentencePiece Unigram" : "SentencePiece BPE"; }

private:
  bool known(std::int64_t id) const { return id >= 0 && id < vocab_size(); }

  std::unique_ptr<Processor> processor_;
  SentencePieceOptions options_;
  AddedTokens added_;
  bool unigram_ = false; // scores of a BPE model are whole numbers: minus the rank
};

} // namespace

Result<std::unique_ptr<Tokenizer>> load_sentencepiece(const std::string& path, SentencePieceOptions options) {
  HS_ASSIGN(const std::string bytes, read_regular_file(path));
  auto processor = std::make_unique<Processor>();
  const auto status = processor->LoadFromSerializedProto(bytes);
  if (!status.ok()) {
    return make_error(ErrorCode::corrupt, "is not a SentencePiece model (" + status.ToString() + ")", path);
  }
  return std::unique_ptr<Tokenizer>(std::make_unique<SentencePiece>(std::move(processor), std::move(options)));
}

} // namespace headscope::text
