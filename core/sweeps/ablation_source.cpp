// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/sweeps/ablation_source.h"

#include <algorithm>

#include <ATen/ATen.h>

#include "core/base/random.h"
#include "core/model/guard.h"

namespace headscope {
namespace {

// A mask [row, pos, 1, 1] that keeps padding out of sums: 1 at the tokens of each row, 0 in its padding.
at::Tensor token_mask(const TokenBatch& batch) {
  at::Tensor mask = at::ones({batch.tokens.size(0), batch.tokens.size(1)}, at::kDouble);
  for (std::size_t i = 0; i < batch.right_pad.size(); ++i)
    if (batch.right_pad[i] > 0)
      mask.select(0, static_cast<std::int64_t>(i))
          .narrow(0, mask.size(1) - batch.right_pad[i], batch.right_pad[i])
          .zero_();
  return mask.view({mask.size(0), mask.size(1), 1, 1});
}

std::int64_t longest(const TokenRows& rows) {
  std::size_t length = 0;
  for (const auto& row : rows)
    length = std::max(length, row.size());
  return static_cast<std::int64_t>(length);
}

at::Tensor rows_at(const at::Tensor& x, const std::vector<std::int64_t>& positions) {
  return x.index_select(0, at::tensor(positions, at::kLong).to(x.device()));
}

// Sums of z over the reference prompts, from which the means are taken.
class ZSums {
public:
  ZSums(const ModelConfig& config, std::int64_t longest_reference, bool by_position)
      : sums_(static_cast<std::size_t>(config.n_layers)), by_position_(by_position),
        counts_(at::zeros({longest_reference, 1, 1}, at::kDouble)) {}

  void count(const TokenBatch& batch) { counts_.narrow(0, 0, batch.tokens.size(1)).add_(token_mask(batch).sum(0)); }

  void add(int layer, const at::Tensor& z, const TokenBatch& batch) {
    at::Tensor& sum = sums_[static_cast<std::size_t>(layer)];
    if (!sum.defined()) sum = at::zeros({counts_.size(0), z.size(2), z.size(3)}, at::kDouble);
    // A product with the mask would keep inf and NaN in the padding.
    const at::Tensor kept = at::where(token_mask(batch) > 0, z.to(at::kCPU, at::kDouble), 0.0);
    sum.narrow(0, 0, z.size(1)).add_(kept.sum(0));
  }

  at::Tensor mean(int layer) const {
    const at::Tensor& sum = sums_[static_cast<std::size_t>(layer)];
    return by_position_ ? sum / counts_ : sum.sum(0) / counts_.sum();
  }

private:
  std::vector<at::Tensor> sums_; // [pos, head_index, d_head]
  bool by_position_;
  at::Tensor counts_; // [pos, 1, 1]
};

} // namespace

const TokenRows& reference_rows(const HeadAblationOptions& options, const TokenRows& prompts) {
  return options.reference.empty() ? prompts : options.reference;
}

Result<std::vector<std::int64_t>> choose_donors(const TokenRows& prompts, const TokenRows& reference,
                                                std::uint64_t seed) {
  Random random(seed);
  std::vector<std::int64_t> donors;
  for (std::size_t i = 0; i < prompts.size(); ++i) {
    std::vector<std::int64_t> others, same_length;
    for (std::size_t j = 0; j < reference.size(); ++j) {
      if (reference[j] == prompts[i]) continue;
      others.push_back(static_cast<std::int64_t>(j));
      if (reference[j].size() == prompts[i].size()) same_length.push_back(static_cast<std::int64_t>(j));
    }
    if (others.empty())
      return make_error(ErrorCode::mismatch,
                        "there is no other prompt to take prompt " + std::to_string(i) + "'s activations from", {},
                        "reference");
    donors.push_back(random.pick(same_length.empty() ? others : same_length));
  }
  return donors;
}

Result<std::vector<double>> replaced_shares(const TokenRows& prompts, const TokenRows& reference,
                                            const std::vector<std::int64_t>& donors, Phase phase) {
  std::vector<double> shares;
  for (std::size_t i = 0; i < donors.size(); ++i) {
    const auto length = static_cast<std::int64_t>(prompts[i].size());
    const auto donor = static_cast<std::int64_t>(reference[static_cast<std::size_t>(donors[i])].size());
    const std::vector<std::int64_t> positions = phase_positions(phase, length);
    const auto replaced = std::count_if(positions.begin(), positions.end(),
                                        [&](std::int64_t position) { return position + donor >= length; });
    if (replaced == 0)
      return make_error(ErrorCode::mismatch,
                        "prompt " + std::to_string(i) + " has " + std::to_string(length) +
                            " tokens and the prompt that it takes activations from has " + std::to_string(donor) +
                            ": aligned from the end, nothing of it would be replaced in phase " + to_string(phase) +
                            "; give longer reference prompts",
                        {}, "reference");
    shares.push_back(static_cast<double>(replaced) / static_cast<double>(positions.size()));
  }
  return shares;
}

std::vector<std::int64_t> phase_positions(Phase phase, std::int64_t length) {
  std::vector<std::int64_t> positions;
  for (std::int64_t p = phase == Phase::decode ? length - 1 : 0; p < length - (phase == Phase::prefill ? 1 : 0); ++p)
    positions.push_back(p);
  return positions;
}

Result<AblationSource> AblationSource::prepare(const Engine& engine, const TokenRows& prompts,
                                               const HeadAblationOptions& options, const std::vector<int>& layers,
                                               const RunControl& control) {
  AblationSource source(engine, options, reference_rows(options, prompts), control.cancel);
  if (options.method == AblationMethod::mean) HS_TRY(source.compute_means(layers, longest(prompts), control));
  if (options.method == AblationMethod::resample) {
    HS_ASSIGN(source.donors_, choose_donors(prompts, *source.reference_, options.seed));
  }
  return source;
}

Status AblationSource::compute_means(const std::vector<int>& layers, std::int64_t longest_prompt,
                                     const RunControl& control) {
  if (options_->mean_by_position && longest_prompt > longest(*reference_))
    return make_error(ErrorCode::mismatch,
                      "a prompt has " + std::to_string(longest_prompt) + " tokens, but no reference prompt more than " +
                          std::to_string(longest(*reference_)) + ", so there is no mean for its last positions",
                      {}, "reference");
  return guarded("computing mean activations", [&]() -> Status {
    ZSums sums(engine_->config(), longest(*reference_), options_->mean_by_position);
    std::int64_t done = 0;
    for (const auto& chunk : chunk_rows(*reference_, 1, tokens_per_run(options_->tokens_per_run, *engine_), false)) {
      LayerWalk walk(*engine_, select_rows(*reference_, chunk), cancel_);
      sums.count(walk.batch());
      for (const int layer : layers) {
        HS_ASSIGN(const at::Tensor z, walk.capture({HookPoint::z, layer}));
        sums.add(layer, z, walk.batch());
      }
      done += static_cast<std::int64_t>(chunk.size());
      control.report("averaging heads", done, static_cast<std::int64_t>(reference_->size()));
    }
    means_.resize(static_cast<std::size_t>(engine_->config().n_layers));
    for (const int layer : layers)
      means_[static_cast<std::size_t>(layer)] = sums.mean(layer).to(engine_->model().device, engine_->model().dtype);
    return {};
  });
}

void AblationSource::begin_chunk(const std::vector<std::int64_t>& chunk) {
  if (donors_.empty()) return;
  chunk_donors_.clear();
  for (const std::int64_t prompt : chunk)
    chunk_donors_.push_back(donors_[static_cast<std::size_t>(prompt)]);
  donor_walk_.emplace(*engine_, select_rows(*reference_, chunk_donors_), cancel_);
}

Status AblationSource::begin_layer(int layer) {
  if (!donor_walk_) return {};
  HS_ASSIGN(donor_z_, donor_walk_->capture({HookPoint::z, layer}));
  return {};
}

void AblationSource::set_from_donor(std::size_t slot, std::int64_t length, HeadId head,
                                    Intervention& intervention) const {
  const auto donor_length =
      static_cast<std::int64_t>((*reference_)[static_cast<std::size_t>(chunk_donors_[slot])].size());
  std::vector<std::int64_t> from;
  for (const std::int64_t position : phase_positions(options_->phase, length)) {
    if (position + donor_length < length) continue; // before the donor begins
    intervention.positions.push_back(position);
    from.push_back(position + donor_length - length);
  }
  if (!from.empty())
    intervention.value = rows_at(donor_z_.select(0, static_cast<std::int64_t>(slot)).select(1, head.head), from);
}

std::optional<Intervention> AblationSource::intervention(std::size_t slot, std::int64_t length, HeadId head) const {
  Intervention intervention;
  intervention.site = {HookPoint::z, head.layer};
  intervention.head = head.head;
  if (options_->phase != Phase::both) intervention.positions = phase_positions(options_->phase, length);
  switch (options_->method) {
  case AblationMethod::zero: break;
  case AblationMethod::uniform:
    intervention.site.point = HookPoint::pattern;
    intervention.kind = InterventionKind::uniform;
    break;
  case AblationMethod::mean: {
    intervention.kind = InterventionKind::set;
    const at::Tensor& mean = means_[static_cast<std::size_t>(head.layer)];
    if (options_->mean_by_position) {
      intervention.positions = phase_positions(options_->phase, length);
      intervention.value = rows_at(mean.select(1, head.head), intervention.positions);
    } else {
      intervention.value = mean.select(0, head.head);
    }
    break;
  }
  case AblationMethod::resample:
    intervention.kind = InterventionKind::set;
    intervention.positions.clear();
    set_from_donor(slot, length, head, intervention);
    if (intervention.positions.empty()) return std::nullopt;
    break;
  }
  return intervention;
}

} // namespace headscope
