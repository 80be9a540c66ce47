// SPDX-License-Identifier: GPL-3.0-or-later
// Local, global and segment-boundary heads: attention mass by the sentences and paragraphs of plain text.
#include <algorithm>

#include <ATen/ATen.h>

#include "core/model/guard.h"
#include "core/store/column_values.h"
#include "core/text/text_units.h"
#include "plugins/detectors/builtin.h"
#include "plugins/detectors/text_rows.h"

namespace headscope {
namespace {

struct Kind {
  const char *id, *title, *description;
  double threshold;
};
constexpr Kind kinds[] = {
    {"local", "Local heads", "Share of the attention that stays within the sentence of the query, on plain text", 0.6},
    {"global", "Global heads",
     "Share of the attention that goes to other paragraphs than that of the query (the first token aside), on plain "
     "text",
     0.5},
    {"boundary", "Segment-boundary heads",
     "Share of the attention that goes to the last tokens of sentences, on plain text", 0.3},
};

// One text; its first token is separate, since it draws attention by its position.
struct Piece {
  std::vector<std::int64_t> tokens;
  std::vector<std::int64_t> begins;     // of the sentences, the first token's own one first
  std::vector<std::int64_t> paragraphs; // of each sentence
  std::int64_t length() const { return std::ssize(tokens); }
  std::int64_t end(std::size_t sentence) const {
    return sentence + 1 < begins.size() ? begins[sentence + 1] : length();
  }
};

Piece cut(std::vector<std::int64_t> tokens, const Tokenizer& tokenizer) {
  std::vector<UnitToken> units;
  for (const std::int64_t token : tokens)
    units.push_back({tokenizer.text(token), tokenizer.is_special(token)});
  const std::vector<UnitLevel> levels = unit_begins(units, true);
  Piece piece;
  piece.tokens = std::move(tokens);
  std::int64_t paragraph = -1;
  for (std::size_t i = 0; i < levels.size(); ++i) {
    if (levels[i] < UnitLevel::sentence) continue;
    paragraph += levels[i] >= UnitLevel::paragraph ? 1 : 0;
    piece.begins.push_back(static_cast<std::int64_t>(i));
    piece.paragraphs.push_back(paragraph);
  }
  return piece;
}

// Shares of the attention of all queries but the first, each [layer, head].
struct Shares {
  at::Tensor local, global, boundary, first;
};

class TextDetector : public Detector {
public:
  explicit TextDetector(const Kind& kind) : kind_(kind) {}

  std::string id() const override { return kind_.id; }
  std::string title() const override { return kind_.title; }
  std::string description() const override { return kind_.description; }
  std::string reference() const override { return "Attention mass by text unit; units as in core/text/text_units.h"; }

  std::vector<OptionSpec> options() const override {
    return {
        {"threshold", kind_.threshold, "heads with at least this share are named", {}, 0.0},
        {"tokens", std::int64_t{192}, "tokens in a text", {}, 16},
        {"texts", std::int64_t{6}, "number of texts", {}, 1},
        {"bos", std::string("auto"), "begin each text as the tokenizer begins a prompt", {"auto", "off"}},
        {"seed", std::int64_t{0}, "of the generated text", {}, 0},
        text_option(),
    };
  }

  Status check(const Engine& engine) const override {
    if (!engine.model().tokenizer)
      return make_error(ErrorCode::unsupported, "the model has no tokenizer to read text with", {}, id());
    return {};
  }

  Status check_options(const OptionSet& options) const override { return check_own_text(options, id()); }

  Result<DetectorResult> run(const DetectorRun& run) const override {
    return guarded("finding " + id() + " heads", [&] { return measure(run); });
  }

private:
  Result<DetectorResult> measure(const DetectorRun& run) const {
    HS_ASSIGN(std::vector<Piece> pieces, texts(run));
    std::vector<Shares> shares;
    for (const Piece& piece : pieces) {
      run.control.report(id() + " heads", std::ssize(shares), std::ssize(pieces));
      auto measured = shares_of(run, piece);
      if (!measured.ok() && measured.error().code == ErrorCode::cancelled && !shares.empty()) break;
      if (!measured.ok()) return measured.error();
      shares.push_back(std::move(measured).value());
    }
    run.control.report(id() + " heads", std::ssize(shares), std::ssize(pieces));
    const bool complete = shares.size() == pieces.size();
    pieces.resize(shares.size());
    DetectorResult result = summarise(run, pieces, shares);
    HS_ASSIGN(const store::Attributes text, text_findings(run));
    result.findings.insert(result.findings.end(), text.begin(), text.end());
    result.complete = complete;
    return result;
  }

  static Result<std::vector<Piece>> texts(const DetectorRun& run) {
    const Tokenizer& tokenizer = *run.engine.model().tokenizer;
    HS_ASSIGN(auto rows,
              text_rows(run, run.options.integer("texts"), run.options.integer("tokens"),
                        static_cast<std::uint64_t>(run.options.integer("seed")), run.options.text("bos") == "auto"));
    std::vector<Piece> pieces;
    for (auto& row : rows)
      pieces.push_back(cut(std::move(row), tokenizer));
    return pieces;
  }

  // Sentences are spans of the statistics, as many per run as these allow.
  static Result<Shares> shares_of(const DetectorRun& run, const Piece& piece) {
    const ModelConfig& config = run.engine.config();
    const auto zeros = [&] { return at::zeros({config.n_layers, config.n_heads}, at::kDouble); };
    Shares out{zeros(), zeros(), zeros(), zeros()};
    const auto queries = static_cast<double>(piece.length() - 1);
    for (std::size_t first = 0; first < piece.begins.size(); first += kernels::max_spans) {
      const std::size_t last = std::min(piece.begins.size(), first + kernels::max_spans);
      AttentionStatisticsRequest wanted;
      wanted.key_sum = first == 0;
      for (std::size_t s = first; s < last; ++s)
        wanted.spans.push_back({piece.begins[s], piece.end(s)});
      wanted.done = [&](const AttentionStatistics& layer) {
        const at::Tensor mass = layer.span_mass[0].to(at::kCPU, at::kDouble); // [head, span, query]
        for (std::size_t s = first; s < last; ++s)
          add_span(piece, s, mass.select(1, static_cast<std::int64_t>(s - first)), layer.layer, out);
        if (wanted.key_sum) add_keys(piece, layer.key_sum[0].cpu(), layer.layer, out);
      };
      RunRequest request;
      request.batch = TokenBatch::single(piece.tokens);
      request.until = LogitRows::none;
      request.statistics = &wanted;
      request.cancel = run.control.cancel;
      HS_TRY(run.engine.run(request));
    }
    for (at::Tensor* sum : {&out.local, &out.global, &out.boundary, &out.first})
      sum->div_(queries);
    return out;
  }

  // `mass`: attention on the sentence's keys [head, query].
  static void add_span(const Piece& piece, std::size_t sentence, const at::Tensor& mass, int layer, Shares& out) {
    if (sentence == 0) {
      out.first[layer] += mass.slice(1, 1).sum(1);
      return;
    }
    out.local[layer] += mass.slice(1, piece.begins[sentence], piece.end(sentence)).sum(1);
    std::int64_t after = piece.end(sentence); // of its paragraph
    for (std::size_t s = sentence; s < piece.begins.size() && piece.paragraphs[s] == piece.paragraphs[sentence]; ++s)
      after = piece.end(s);
    out.global[layer] += mass.slice(1, after).sum(1);
  }

  static void add_keys(const Piece& piece, const at::Tensor& key_sum, int layer, Shares& out) { // [head, key]
    for (std::size_t s = 1; s + 1 < piece.begins.size(); ++s)
      out.boundary[layer] += key_sum.select(1, piece.end(s) - 1);
  }

  // The share of a head that attends to every key alike.
  double uniform_share(const Piece& piece) const {
    double sum = 0.0;
    for (std::int64_t query = 1; query < piece.length(); ++query) {
      const auto sentence = static_cast<std::size_t>(std::upper_bound(piece.begins.begin(), piece.begins.end(), query) -
                                                     piece.begins.begin() - 1);
      std::int64_t keys = 0;
      if (id() == "local") keys = query - piece.begins[sentence] + 1;
      for (std::size_t s = 1; s < piece.begins.size() && id() != "local"; ++s) {
        const bool other = piece.paragraphs[s] < piece.paragraphs[sentence];
        if (id() == "global" && other) keys += piece.end(s) - piece.begins[s];
        if (id() == "boundary" && s + 1 < piece.begins.size() && piece.end(s) - 1 <= query) ++keys;
      }
      sum += static_cast<double>(keys) / static_cast<double>(query + 1);
    }
    return sum / static_cast<double>(piece.length() - 1);
  }

  DetectorResult summarise(const DetectorRun& run, const std::vector<Piece>& pieces,
                           const std::vector<Shares>& shares) const {
    DetectorResult result = empty_result(run.engine);
    const auto mean = [&](at::Tensor Shares::*share) {
      at::Tensor sum = at::zeros_like(shares.front().*share);
      for (const Shares& one : shares)
        sum += one.*share;
      const at::Tensor flat = (sum / static_cast<double>(shares.size())).to(at::kFloat).contiguous();
      return std::vector<float>(flat.const_data_ptr<float>(), flat.const_data_ptr<float>() + flat.numel());
    };
    at::Tensor Shares::*const score = id() == "local"    ? &Shares::local
                                      : id() == "global" ? &Shares::global
                                                         : &Shares::boundary;
    result.scores = mean(score);
    result.description = kind_.description;
    result.threshold = run.options.number("threshold");
    result.maps = {{"first_token", "share of the attention that goes to the first token", "1", mean(&Shares::first)}};
    double uniform = 0.0;
    std::int64_t sentences = 0;
    for (const Piece& piece : pieces) {
      uniform += uniform_share(piece) / static_cast<double>(pieces.size());
      sentences += std::ssize(piece.begins) - 1;
    }
    result.findings = {{"texts", std::ssize(pieces)}, {"sentences", sentences}, {"uniform", uniform}};
    name_heads(result);
    add_evidence(run, pieces, result);
    return result;
  }

  void add_evidence(const DetectorRun& run, const std::vector<Piece>& pieces, DetectorResult& result) const {
    const Tokenizer& tokenizer = *run.engine.model().tokenizer;
    struct Row {
      std::int64_t text = 0, begin = 0, end = 0, paragraph = 0;
    };
    std::vector<Row> rows;
    for (std::size_t i = 0; i < pieces.size(); ++i) {
      const Piece& piece = pieces[i];
      store::Prompt prompt;
      prompt.id = id() + "-" + std::to_string(i);
      prompt.token_ids = piece.tokens;
      prompt.text = tokenizer.decode(piece.tokens);
      for (const std::int64_t token : piece.tokens)
        prompt.token_pieces.push_back(tokenizer.piece(token));
      result.prompts.push_back(std::move(prompt));
      for (std::size_t s = 0; s < piece.begins.size(); ++s)
        rows.push_back({.text = static_cast<std::int64_t>(i),
                        .begin = piece.begins[s],
                        .end = piece.end(s),
                        .paragraph = piece.paragraphs[s]});
    }
    const auto column = [&](std::int64_t Row::*member) { return store::column_values(rows, member); };
    store::Table table;
    table.columns = {
        {"text", column(&Row::text), "1", "the prompt is " + id() + "-N"},
        {"begin", column(&Row::begin), "token", "first token of a sentence; the text's first token stands alone"},
        {"end", column(&Row::end), "token", "one past its last"},
        {"paragraph", column(&Row::paragraph), "1", "in which it is"}};
    result.tables.push_back({"sentences", std::move(table)});
  }

  const Kind& kind_;
};

} // namespace

std::unique_ptr<Detector> make_text_detector(const std::string& id) {
  for (const Kind& kind : kinds)
    if (id == kind.id) return std::make_unique<TextDetector>(kind);
  return nullptr;
}

} // namespace headscope
