// SPDX-License-Identifier: GPL-3.0-or-later
// Chunk memory: whole chunks of the past are found by their summaries and attended again.
#include <algorithm>

#include <ATen/ATen.h>

#include "core/context_managers/context_manager.h"

namespace headscope::contexts {
namespace {

struct HcamOptions {
  std::int64_t top, sensory;
  bool centred;
};

class ChunkMemory : public Memory {
public:
  ChunkMemory(const Reader& reader, const HcamOptions& options) : reader_(reader), options_(options) {}

  Result<Surroundings> around(const Ids& asked, const Ids& prior) override {
    Surroundings out;
    out.recall.assign(chunks_.size(), 0.0);
    const std::int64_t repeated = std::min(options_.sensory, std::ssize(prior));
    const Piece sensory{Ids(prior.end() - repeated, prior.end()), {}};
    if (chunks_.empty()) return out;
    HS_ASSIGN(const at::Tensor states, reader_.states(asked));
    const at::Tensor scores = answer_scores(states.mean(0), at::stack(summaries_), options_.centred);
    const auto [kept, which] = scores.topk(std::min(options_.top, std::ssize(chunks_)));
    const at::Tensor weights = kept.to(at::kDouble).softmax(0).contiguous(), chosen = which.contiguous();
    out.readings.clear();
    for (std::int64_t i = 0; i < weights.size(0); ++i) {
      const auto chunk = static_cast<std::size_t>(chosen.const_data_ptr<std::int64_t>()[i]);
      out.recall[chunk] = weights.const_data_ptr<double>()[i];
      Reading reading{{{chunks_[chunk], {}}}, {}, out.recall[chunk]};
      if (repeated > 0) reading.before.push_back(sensory);
      out.readings.push_back(std::move(reading));
    }
    return out;
  }

  Status store(const Stored& segment) override {
    chunks_.push_back(segment.tokens);
    summaries_.push_back(segment.states.mean(0));
    return {};
  }

private:
  const Reader& reader_;
  HcamOptions options_;
  std::vector<Ids> chunks_;
  std::vector<at::Tensor> summaries_; // [d_model] each
};

class Hcam : public ContextManager {
public:
  explicit Hcam(const mechanisms::OptionValues& values)
      : options_{values.at("top"), values.at("sensory"), values.at("centre") == 0} {}
  std::unique_ptr<Memory> open(const Reader& reader) const override {
    return std::make_unique<ChunkMemory>(reader, options_);
  }

private:
  HcamOptions options_;
};

} // namespace

extern const ManagerDefinition hcam = {
    .info = {.id = "hcam",
             .title = "HCAM: chunks found by their summaries",
             .what =
                 "of every segment its tokens and its mean state are kept. The `top` segments whose summaries score "
                 "highest against the mean state of what asks are attended again: the segment is read behind each of "
                 "them (and behind the last `sensory` tokens before it), and the results are mixed by the softmax of "
                 "the kept scores",
             .cost = "O(T top L)",
             .reference = "google-deepmind/hierarchical_transformer_memory; arXiv 2105.14039",
             .equals_full = "a text of one segment",
             .training = "the original trains projections of query and summaries and adds results to the residual "
                         "stream; here they are the identity, and the residuals after the last block are mixed",
             .options =
                 {{.name = "top", .value = 4, .least = 1, .help = "segments that are attended again"},
                  {.name = "sensory", .value = 0, .least = 0, .help = "tokens before the segment that are read again"},
                  {.name = "centre",
                   .value = 0,
                   .help = "whether what all summaries have in common is taken off before they are compared",
                   .choices = {"yes", "no"}}}},
    .make = make<Hcam>};

} // namespace headscope::contexts
