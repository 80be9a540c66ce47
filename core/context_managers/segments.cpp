// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/context_managers/segments.h"

#include <algorithm>
#include <chrono>
#include <numeric>

#include <ATen/ATen.h>

#include "core/model/guard.h"

namespace headscope::contexts {
namespace {

at::Tensor state_of(const at::Tensor& resid) { return resid / resid.pow(2).mean(-1, true).sqrt().clamp_min(1e-12); }

// The model as readings and managers use it.
class EngineReader : public Reader {
public:
  // `first`: the BOS that every reading begins with, or empty.
  EngineReader(const Engine& engine, Ids first, CancelToken cancel)
      : engine_(engine), first_(std::move(first)), cancel_(std::move(cancel)) {}

  Result<at::Tensor> states(const Ids& tokens) const override {
    HS_ASSIGN(const at::Tensor resid, read({{tokens, {}}}));
    return state_of(resid);
  }

  Result<at::Tensor> embeddings(const Ids& tokens) const override {
    const HookSite site{HookPoint::embed};
    RunRequest request;
    request.batch = TokenBatch::single(tokens);
    request.until = BeforeLayer{0};
    request.capture = {site};
    request.cancel = cancel_;
    HS_ASSIGN(const RunResult result, engine_.run(request));
    HS_ASSIGN(const at::Tensor found, result.cache.get(site));
    return found[0].to(at::kCPU, at::kFloat);
  }

  // The residuals after the last block of these pieces one after the other, [pos, d_model], without BOS.
  Result<at::Tensor> read(const std::vector<Piece>& pieces) const {
    RunRequest request;
    Ids tokens = first_;
    for (const Piece& piece : pieces) {
      if (piece.vectors.defined()) put(request, std::ssize(tokens), piece.vectors);
      tokens.insert(tokens.end(), piece.tokens.begin(), piece.tokens.end());
      if (piece.vectors.defined()) tokens.insert(tokens.end(), static_cast<std::size_t>(piece.size()), 0);
    }
    const std::int64_t longest = engine_.config().n_ctx;
    if (std::ssize(tokens) > longest)
      return make_error(ErrorCode::mismatch,
                        "with what stands around it has " + std::to_string(tokens.size()) +
                            " tokens, and the model's context " + std::to_string(longest),
                        {}, "segment");
    request.batch = TokenBatch::single(tokens);
    request.until = BeforeLayer{static_cast<int>(engine_.config().n_layers)};
    request.cancel = cancel_;
    HS_ASSIGN(const RunResult result, engine_.run(request));
    const auto skipped = std::ssize(first_);
    return result.resid[0].narrow(0, skipped, std::ssize(tokens) - skipped).to(at::kCPU, at::kFloat);
  }

private:
  // Vectors take the place of the embeddings of placeholders.
  static void put(RunRequest& request, std::int64_t begin, const at::Tensor& vectors) {
    Intervention set;
    set.site = {HookPoint::embed};
    set.kind = InterventionKind::set;
    set.positions.resize(static_cast<std::size_t>(vectors.size(0)));
    std::iota(set.positions.begin(), set.positions.end(), begin);
    set.value = vectors.unsqueeze(0);
    request.interventions.push_back(std::move(set));
  }

  const Engine& engine_;
  Ids first_;
  CancelToken cancel_;
};

std::int64_t size_of(const std::vector<Piece>& pieces) {
  return std::accumulate(pieces.begin(), pieces.end(), std::int64_t{0},
                         [](std::int64_t sum, const Piece& piece) { return sum + piece.size(); });
}

// A segment's own residuals by all readings, and the states behind it by the first.
struct Mixed {
  at::Tensor resid, after_states;
};

Result<Mixed> read_around(const EngineReader& reader, const Ids& own, const Surroundings& around,
                          std::int64_t& tokens_read) {
  Mixed mixed;
  for (const Reading& reading : around.readings) {
    std::vector<Piece> pieces = reading.before;
    pieces.push_back({own, {}});
    pieces.insert(pieces.end(), reading.after.begin(), reading.after.end());
    HS_ASSIGN(const at::Tensor resid, reader.read(pieces));
    const std::int64_t before = size_of(reading.before), count = std::ssize(own);
    const at::Tensor part = resid.narrow(0, before, count) * reading.weight;
    if (!mixed.resid.defined())
      mixed = {part, state_of(resid.narrow(0, before + count, size_of(reading.after)))};
    else
      mixed.resid = mixed.resid + part;
    tokens_read += resid.size(0);
  }
  return mixed;
}

// The BOS that a text begins with, or nothing.
Ids first_of(const Engine& engine, const Ids& tokens) {
  const auto& tokenizer = engine.model().tokenizer;
  const auto bos = tokenizer ? tokenizer->bos() : std::nullopt;
  return bos && !tokens.empty() && tokens.front() == *bos ? Ids{*bos} : Ids{};
}

} // namespace

std::vector<Segment> segments_of(std::int64_t tokens, std::int64_t length) {
  std::vector<Segment> segments;
  for (std::int64_t begin = 0; begin < tokens; begin += length)
    segments.push_back({begin, std::min(begin + length, tokens), {}});
  return segments;
}

Result<ManagedRun> read_in_segments(const Engine& engine, const ContextManager& manager, const Ids& tokens,
                                    const std::vector<Segment>& segments, const RunControl& control) {
  return guarded("reading in segments", [&]() -> Result<ManagedRun> {
    const auto start = std::chrono::steady_clock::now();
    const Ids first = first_of(engine, tokens);
    const EngineReader reader(engine, first, control.cancel);
    const std::unique_ptr<Memory> memory = manager.open(reader);
    ManagedRun run;
    std::vector<at::Tensor> parts;
    Ids prior;
    for (std::size_t i = 0; i < segments.size(); ++i) {
      control.report("reading segments", static_cast<std::int64_t>(i), std::ssize(segments));
      const Segment& segment = segments[i];
      // The BOS of the text stands before its first segment as before every other.
      const std::int64_t skipped = segment.begin == 0 ? std::ssize(first) : 0;
      const Ids own(tokens.begin() + segment.begin + skipped, tokens.begin() + segment.end);
      HS_ASSIGN(const Surroundings around, memory->around(segment.asked.empty() ? prior : segment.asked, prior));
      HS_ASSIGN(const Mixed mixed, read_around(reader, own, around, run.tokens_read));
      run.recall.push_back(around.recall);
      if (skipped > 0) {
        HS_ASSIGN(const at::Tensor alone, EngineReader(engine, {}, control.cancel).read({{first, {}}}));
        parts.push_back(alone);
      }
      parts.push_back(mixed.resid);
      HS_TRY(memory->store({own, state_of(mixed.resid), mixed.after_states}));
      prior = own;
    }
    run.resid = at::cat(parts);
    run.surprise = memory->surprise();
    if (!run.surprise.empty()) run.surprise.insert(run.surprise.begin(), first.size(), 0.0);
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
    run.seconds = took.count();
    return run;
  });
}

} // namespace headscope::contexts
