// SPDX-License-Identifier: GPL-3.0-or-later
// Hierarchical memory: one vector is stored of every segment, and their mean by how well they answer stands around the
// next segment.
#include <cmath>
#include <deque>

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>

#include "core/context_managers/context_manager.h"

namespace headscope::contexts {
namespace {

struct HmtOptions {
  std::int64_t sensory, memories, project, seed;
  bool mean, centred;
};

class SegmentMemory : public Memory {
public:
  SegmentMemory(const Reader& reader, const HmtOptions& options) : reader_(reader), options_(options) {}

  Result<Surroundings> around(const Ids& asked, const Ids& prior) override {
    Surroundings out;
    out.recall.assign(static_cast<std::size_t>(stored_), 0.0);
    if (memories_.empty()) return out;
    HS_ASSIGN(const at::Tensor states, reader_.states(asked));
    HS_ASSIGN(const at::Tensor embeddings, reader_.embeddings(asked));
    const at::Tensor stored = at::stack(std::vector<at::Tensor>(memories_.begin(), memories_.end()));
    const at::Tensor scores = answer_scores(projected(states.mean(0)), projected(stored), options_.centred); // [memory]
    const at::Tensor weights = scores.softmax(-1).unsqueeze(0);
    const at::Tensor wide = weights.to(at::kDouble).contiguous();
    const std::size_t first = out.recall.size() - memories_.size();
    for (std::size_t i = 0; i < memories_.size(); ++i)
      out.recall[first + i] = wide.const_data_ptr<double>()[i];
    const Piece memory{{}, sized_as(at::matmul(weights, stored), embeddings)};
    Reading& reading = out.readings.front();
    reading.before = {memory};
    const std::int64_t kept = std::min(options_.sensory, std::ssize(prior));
    if (kept > 0) reading.before.push_back({Ids(prior.end() - kept, prior.end()), {}});
    reading.after = {memory};
    return out;
  }

  Status store(const Stored& segment) override {
    const bool behind = segment.after_states.defined() && segment.after_states.size(0) > 0;
    const at::Tensor& last = behind ? segment.after_states : segment.states;
    memories_.push_back(options_.mean ? segment.states.mean(0) : last.select(0, last.size(0) - 1));
    if (std::ssize(memories_) > options_.memories) memories_.pop_front();
    ++stored_;
    return {};
  }

private:
  // By a fixed random matrix in place of the trained one, to coordinates of the same size.
  at::Tensor projected(const at::Tensor& rows) {
    if (options_.project == 0) return rows;
    if (!matrix_.defined())
      matrix_ = at::randn({rows.size(1), options_.project},
                          at::make_generator<at::CPUGeneratorImpl>(static_cast<std::uint64_t>(options_.seed)),
                          at::TensorOptions(at::kFloat)) /
                std::sqrt(static_cast<double>(rows.size(1)));
    return at::matmul(rows, matrix_);
  }

  const Reader& reader_;
  HmtOptions options_;
  std::deque<at::Tensor> memories_; // [d_model] each, the newest last
  std::int64_t stored_ = 0;
  at::Tensor matrix_;
};

class Hmt : public ContextManager {
public:
  explicit Hmt(const mechanisms::OptionValues& values)
      : options_{values.at("sensory"), values.at("memories"),     values.at("project"),
                 values.at("seed"),    values.at("summary") == 1, values.at("centre") == 0} {}
  std::unique_ptr<Memory> open(const Reader& reader) const override {
    return std::make_unique<SegmentMemory>(reader, options_);
  }

private:
  HmtOptions options_;
};

} // namespace

extern const ManagerDefinition hmt = {
    .info = {.id = "hmt",
             .title = "HMT: one memory a segment",
             .what =
                 "of every segment a vector is stored: the state behind it, or the mean of its tokens. The mean state "
                 "of what asks is compared with the stored vectors; their mean by the softmax of these scores stands "
                 "before and behind the next segment, which begins with `sensory` tokens of the one before",
             .cost = "O(T (L + N)), N memories",
             .reference = "OswaldHe/HMT-pytorch; arXiv 2405.06067",
             .equals_full = "a text of one segment",
             .training =
                 "the original trains the summary's embedding and the projections of query and keys; here they "
                 "are the identity or random (`project`), and what asks is what stands before the segment and not "
                 "its first half, which would tell that half's predictions what comes",
             .options = {{.name = "sensory",
                          .value = 32,
                          .least = 0,
                          .help = "tokens of the segment before that are read again"},
                         {.name = "memories", .value = 300, .least = 1, .help = "vectors kept, the newest"},
                         {.name = "summary",
                          .value = 0,
                          .help = "what is stored: the last state or the mean of all",
                          .choices = {"last", "mean"}},
                         {.name = "project",
                          .value = 0,
                          .least = 0,
                          .help = "dimensions of a random projection of query and keys; 0: none"},
                         {.name = "seed", .value = 0, .least = 0, .help = "of the projection"},
                         {.name = "centre",
                          .value = 0,
                          .help = "whether what all memories have in common is taken off before they are compared",
                          .choices = {"yes", "no"}}}},
    .make = make<Hmt>};

} // namespace headscope::contexts
