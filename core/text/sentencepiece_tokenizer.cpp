// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/text/sentencepiece_tokenizer.h"

#include <sentencepiece_processor.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "core/base/text_file.h"
#include "core/text/added_tokens.h"
#include "core/text/bpe.h"
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
    for (AddedToken token : options_.added) {
      const int known = processor_->PieceToId(token.content);
      const bool own = known >= 0 && processor_->IdToPiece(known) == token.content;
      token.id = own ? known : std::max<std::int64_t>(processor_->GetPieceSize(), added_.limit());
      added_.add(token);
    }
    bos_ = named(options_.bos, processor_->bos_id());
    eos_ = named(options_.eos, processor_->eos_id());
    unk_ = named(options_.unk, processor_->unk_id());
    pad_ = named(options_.pad, processor_->pad_id());
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
      if (!added_.find(id)) {
        run.push_back(static_cast<int>(id));
      } else if (!skip_special || !is_special(id)) {
        flush();
        out += piece(id);
      }
    }
    flush();
    return out;
  }

  std::string piece(std::int64_t id) const override {
    if (const AddedToken* token = added_.find(id)) return token->content;
    return known(id) ? processor_->IdToPiece(static_cast<int>(id)) : std::string();
  }

  std::string text(std::int64_t id) const override {
    std::string out = piece(id);
    if (added_.find(id)) return out;
    if (known(id) && processor_->IsByte(static_cast<int>(id)))
      return std::string(1, static_cast<char>(byte_of_piece(out)));
    replace_all(out, "\xE2\x96\x81", " ");
    return out;
  }

  std::optional<std::int64_t> id_of_piece(std::string_view piece) const override {
    if (const AddedToken* token = added_.find(piece)) return token->id;
    const int id = processor_->PieceToId(piece); // the unknown token's when there is no such piece
    if (id < 0 || processor_->IdToPiece(id) != piece) return std::nullopt;
    return id;
  }

  std::int64_t vocab_size() const override {
    return std::max<std::int64_t>(processor_->GetPieceSize(), added_.limit());
  }
  std::optional<std::int64_t> bos() const override { return bos_; }
  std::optional<std::int64_t> eos() const override { return eos_; }
  std::vector<std::int64_t> end_ids() const override {
    return options_.ends.empty() ? Tokenizer::end_ids() : options_.ends;
  }
  std::optional<std::int64_t> unk() const override { return unk_; }
  std::optional<std::int64_t> pad() const override { return pad_; }
  bool is_special(std::int64_t id) const override {
    const AddedToken* token = added_.find(id);
    return token && token->special;
  }
  const std::string& chat_template() const override { return options_.chat_template; }
  std::string chat_template_file() const override { return options_.chat_file; }
  std::string kind() const override { return unigram_ ? "SentencePiece Unigram" : "SentencePiece BPE"; }

private:
  bool known(std::int64_t id) const {
    return (id >= 0 && id < processor_->GetPieceSize()) || added_.find(id) != nullptr;
  }
  // The token of that content, otherwise the model's own.
  std::optional<std::int64_t> named(const std::string& content, int own) const {
    const auto id = content.empty() ? std::nullopt : id_of_piece(content);
    return id ? id : defined(own);
  }

  std::unique_ptr<Processor> processor_;
  SentencePieceOptions options_;
  AddedTokens added_;
  std::optional<std::int64_t> bos_, eos_, unk_, pad_;
  bool unigram_ = false; // scores of a BPE model are whole numbers: minus the rank
};

} // namespace

namespace {

Result<std::unique_ptr<Processor>> open_model(const std::string& path) {
  HS_ASSIGN(const std::string bytes, read_regular_file(path));
  auto processor = std::make_unique<Processor>();
  const auto status = processor->LoadFromSerializedProto(bytes);
  if (!status.ok())
    return make_error(ErrorCode::corrupt, "is not a SentencePiece model (" + status.ToString() + ")", path);
  return processor;
}

bool is_bpe(const Processor& processor) { // scores of a BPE model are whole numbers: minus the rank
  for (int id = 0; id < processor.GetPieceSize(); ++id)
    if (processor.GetScore(id) != std::floor(processor.GetScore(id))) return false;
  return true;
}

// Reads protobuf's wire format, only for the types of pieces, which the library does not provide.
class Wire {
public:
  explicit Wire(std::string_view bytes) : bytes_(bytes) {}

  struct Field {
    std::uint64_t number = 0, value = 0; // the value of a varint
    std::string_view bytes;              // of a message or a text
  };
  std::optional<Field> next() {
    Field field;
    const auto tag = varint();
    if (!tag) return std::nullopt;
    field.number = *tag >> 3;
    std::uint64_t size = 0;
    switch (*tag & 7) {
    case 0: {
      const auto value = varint();
      if (!value) return std::nullopt;
      field.value = *value;
      return field;
    }
    case 1: size = 8; break;
    case 5: size = 4; break;
    case 2: {
      const auto length = varint();
      if (!length) return std::nullopt;
      size = *length;
      break;
    }
    default: return std::nullopt;
    }
    if (size > bytes_.size()) return std::nullopt;
    field.bytes = bytes_.substr(0, size);
    bytes_.remove_prefix(size);
    return field;
  }

private:
  std::optional<std::uint64_t> varint() {
    std::uint64_t value = 0;
    for (int shift = 0; shift < 64 && !bytes_.empty(); shift += 7) {
      const auto byte = static_cast<unsigned char>(bytes_.front());
      bytes_.remove_prefix(1);
      value |= static_cast<std::uint64_t>(byte & 0x7F) << shift;
      if (byte < 0x80) return value;
    }
    return std::nullopt;
  }
  std::string_view bytes_;
};

// The type of each piece: 1 normal, 2 unknown, 3 control, 4 user-defined, 5 unused, 6 byte.
std::vector<std::uint64_t> types_of(std::string_view model) {
  std::vector<std::uint64_t> types;
  Wire fields(model);
  while (const auto field = fields.next()) {
    if (field->number != 1) continue;
    types.push_back(1);
    Wire piece(field->bytes);
    while (const auto part = piece.next())
      if (part->number == 3) types.back() = part->value;
  }
  return types;
}

// Adds control symbols as special tokens, and user-defined symbols as plain ones.
void add_own_tokens(const Processor& processor, PipelineParts& parts) {
  const std::vector<std::uint64_t> types = types_of(processor.serialized_model_proto());
  for (int id = 0; id < processor.GetPieceSize() && id < static_cast<int>(types.size()); ++id) {
    const std::uint64_t type = types[static_cast<std::size_t>(id)];
    if (type < 2 || type > 4) continue;
    AddedToken token;
    token.id = id;
    token.content = processor.IdToPiece(id);
    token.special = type != 4;
    parts.added.add(token);
  }
}

} // namespace

Result<std::optional<PipelineParts>> read_sentencepiece_bpe(const std::string& path, PrependScheme scheme) {
  HS_ASSIGN(const auto processor, open_model(path));
  if (!is_bpe(*processor)) return std::optional<PipelineParts>{};
  PipelineParts parts;
  parts.vocabulary = std::make_unique<Vocabulary>();
  parts.vocabulary->reserve(static_cast<std::size_t>(processor->GetPieceSize()));
  std::vector<std::int64_t> ids;
  std::vector<double> scores;
  for (int id = 0; id < processor->GetPieceSize(); ++id) {
    parts.vocabulary->set(id, processor->IdToPiece(id));
    ids.push_back(id);
    scores.push_back(static_cast<double>(processor->GetScore(id)));
  }
  BpeOptions options;
  options.fuse_unk = options.byte_fallback = true;
  options.unk = processor->unk_id();
  parts.model = make_bpe(*parts.vocabulary,
                         merges_from_vocabulary(*parts.vocabulary, ids, scores, EqualScores::by_length), options);
  HS_ASSIGN(auto step, split_metaspace("\xE2\x96\x81", scheme, false));
  parts.pre_tokenizers.push_back(std::move(step));
  parts.decoders.push_back(decode_replace("\xE2\x96\x81", " "));
  parts.decoders.push_back(decode_byte_fallback());
  parts.decoders.push_back(decode_fuse());
  if (scheme != PrependScheme::never) parts.decoders.push_back(decode_strip(" ", 1, 0));
  add_own_tokens(*processor, parts);
  parts.bos = defined(processor->bos_id());
  parts.eos = defined(processor->eos_id());
  parts.unk = defined(processor->unk_id());
  parts.pad = defined(processor->pad_id());
  parts.spelling = Spelling::metaspace;
  parts.kind = "SentencePiece BPE";
  return std::optional<PipelineParts>(std::move(parts));
}

Result<std::unique_ptr<Tokenizer>> load_sentencepiece(const std::string& path, SentencePieceOptions options) {
  HS_ASSIGN(auto processor, open_model(path));
  return std::unique_ptr<Tokenizer>(std::make_unique<SentencePiece>(std::move(processor), std::move(options)));
}

} // namespace headscope::text
