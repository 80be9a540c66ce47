// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/sweeps/joint_replacement.h"

#include <algorithm>

#include <ATen/ATen.h>

#include "core/model/guard.h"
#include "core/sweeps/ablation_source.h"

namespace headscope {
namespace {

std::int64_t longest(const TokenRows& rows) {
  std::size_t length = 0;
  for (const auto& row : rows)
    length = std::max(length, row.size());
  return static_cast<std::int64_t>(length);
}

// Bool [row, pos] on the CPU: true at the positions of the phase.
at::Tensor phase_mask(const TokenRows& rows, Phase phase) {
  at::Tensor mask = at::zeros({std::ssize(rows), longest(rows)}, at::kBool);
  for (std::size_t row = 0; row < rows.size(); ++row) {
    const std::vector<std::int64_t> named = phase_positions(phase, std::ssize(rows[row])); // one after the other
    if (!named.empty())
      mask.select(0, static_cast<std::int64_t>(row)).narrow(0, named.front(), std::ssize(named)).fill_(true);
  }
  return mask;
}

// Gives `mask` [row, pos] as many axes as x [row, pos, ..] has.
at::Tensor like(const at::Tensor& mask, const at::Tensor& x) {
  std::vector<std::int64_t> shape = mask.sizes().vec();
  shape.resize(static_cast<std::size_t>(x.dim()), 1);
  return mask.view(shape).to(x.device());
}

// Sums activations over rows [pos, d..] in double, for means.
class Sums {
public:
  explicit Sums(std::int64_t positions) : counts_(at::zeros({positions}, at::kDouble)), positions_(positions) {}

  void count(const at::Tensor& mask) { counts_.narrow(0, 0, mask.size(1)).add_(mask.to(at::kDouble).sum(0)); }

  void add(HookSite site, const at::Tensor& x, const at::Tensor& mask) {
    at::Tensor& sum = sums_[site];
    std::vector<std::int64_t> shape = x.sizes().slice(1).vec();
    shape.front() = positions_;
    if (!sum.defined()) sum = at::zeros(shape, at::kDouble);
    // A product with the mask would keep inf and NaN in the padding.
    const at::Tensor wide = x.detach().to(at::kCPU, at::kDouble);
    sum.narrow(0, 0, x.size(1)).add_(at::where(like(mask, wide), wide, 0.0).sum(0));
  }

  std::map<HookSite, at::Tensor> means(bool by_position, const Model& model) const {
    std::map<HookSite, at::Tensor> out;
    for (const auto& [site, sum] : sums_) {
      std::vector<std::int64_t> shape(static_cast<std::size_t>(sum.dim()), 1);
      shape.front() = positions_;
      const at::Tensor mean = by_position ? sum / counts_.view(shape) : sum.sum(0) / counts_.sum();
      out[site] = mean.to(model.device, model.dtype);
    }
    return out;
  }

private:
  std::map<HookSite, at::Tensor> sums_;
  at::Tensor counts_;
  std::int64_t positions_;
};

// For each row of the chunk, the slots of its donor aligned with its own from the end [row, pos]; negative before the
// donor begins.
at::Tensor aligned_slots(const TokenRows& rows, const TokenRows& donors) {
  at::Tensor slots = at::arange(longest(rows), at::kLong).unsqueeze(0).repeat({std::ssize(rows), 1});
  for (std::size_t row = 0; row < rows.size(); ++row)
    slots.select(0, static_cast<std::int64_t>(row)).add_(std::ssize(donors[row]) - std::ssize(rows[row]));
  return slots;
}

// Reads x [donor, pos, d..] at those slots.
at::Tensor at_slots(const at::Tensor& x, const at::Tensor& slots) {
  const at::Tensor index = slots.clamp(0, x.size(1) - 1).to(x.device());
  std::vector<at::Tensor> rows;
  for (std::int64_t row = 0; row < x.size(0); ++row)
    rows.push_back(x.select(0, row).index_select(0, index.select(0, row)));
  return at::stack(rows);
}

// Returns x with `value`, or zeros, where `mask` is true; only at `indices` where there are any.
at::Tensor replaced(const at::Tensor& x, const at::Tensor& value, const at::Tensor& mask,
                    const std::vector<std::int64_t>& indices) {
  const at::Tensor whole = value.defined() ? value.to(x.options()).expand_as(x) : at::zeros_like(x);
  const at::Tensor fresh = mask.defined() ? at::where(like(mask, x), whole, x) : whole;
  if (indices.empty()) return fresh;
  const at::Tensor index = at::tensor(indices, at::kLong).to(x.device()); // heads are axis 2 as neurons are
  return x.index_copy(2, index, fresh.index_select(2, index));
}

} // namespace

JointReplacement::JointReplacement(const Engine& engine, const TokenRows& prompts, const HeadAblationOptions& options,
                                   const std::vector<HookSite>& sites, CancelToken cancel)
    : engine_(&engine), prompts_(&prompts), options_(&options), reference_(&reference_rows(options, prompts)),
      sites_(sites), cancel_(std::move(cancel)) {}

Result<JointReplacement> JointReplacement::prepare(const Engine& engine, const TokenRows& prompts,
                                                   const HeadAblationOptions& options,
                                                   const std::vector<HookSite>& sites, const RunControl& control) {
  JointReplacement made(engine, prompts, options, sites, control.cancel);
  if (options.method == AblationMethod::mean) HS_TRY(made.compute_means(control));
  if (options.method == AblationMethod::resample) {
    HS_ASSIGN(made.donors_, choose_donors(prompts, *made.reference_, options.seed));
  }
  return made;
}

Status JointReplacement::compute_means(const RunControl& control) {
  if (options_->mean_by_position && longest(*prompts_) > longest(*reference_))
    return make_error(ErrorCode::mismatch,
                      std::string("a prompt has ")
                          .append(std::to_string(longest(*prompts_)))
                          .append(" tokens, but no reference prompt more than ")
                          .append(std::to_string(longest(*reference_)))
                          .append(", so there is no mean for its last positions"),
                      {}, "reference");
  Sums sums(longest(*reference_));
  std::int64_t done = 0;
  for (const auto& chunk : chunk_rows(*reference_, 1, tokens_per_run(options_->tokens_per_run, *engine_), false)) {
    const TokenRows rows = select_rows(*reference_, chunk);
    const at::Tensor mask = phase_mask(rows, Phase::both);
    sums.count(mask);
    RunRequest request;
    request.batch = TokenBatch::pad(rows, TokenBatch::Side::right);
    request.until = LogitRows::none;
    request.split_matmul = true;
    request.cancel = cancel_;
    for (const HookSite& site : sites_)
      request.hooks.push_back({site, [&](HookSite here, at::Tensor x) {
                                 sums.add(here, x, mask);
                                 return x;
                               }});
    HS_TRY(engine_->run(request));
    done += std::ssize(chunk);
    control.report("averaging activations", done, std::ssize(*reference_));
  }
  values_ = sums.means(options_->mean_by_position, engine_->model());
  return {};
}

Status JointReplacement::begin_chunk(const std::vector<std::int64_t>& chunk) {
  rows_ = select_rows(*prompts_, chunk);
  mask_ = options_->phase == Phase::both ? at::Tensor() : phase_mask(rows_, options_->phase);
  if (donors_.empty()) return {};
  std::vector<std::int64_t> donors;
  for (const std::int64_t prompt : chunk)
    donors.push_back(donors_[static_cast<std::size_t>(prompt)]);
  return read_donors(select_rows(*reference_, donors));
}

Status JointReplacement::read_donors(const TokenRows& donors) {
  const at::Tensor slots = aligned_slots(rows_, donors);
  mask_ = phase_mask(rows_, options_->phase).logical_and(slots >= 0);
  RunRequest request;
  request.batch = TokenBatch::pad(donors, TokenBatch::Side::right);
  request.until = LogitRows::none;
  request.split_matmul = true;
  request.cancel = cancel_;
  for (const HookSite& site : sites_)
    request.hooks.push_back({site, [&](HookSite here, at::Tensor x) {
                               values_[here] = at_slots(x.detach(), slots);
                               return x;
                             }});
  HS_TRY(engine_->run(request));
  return {};
}

Hook JointReplacement::hook(HookSite site, const std::vector<std::int64_t>& indices) const {
  const auto found = values_.find(site);
  at::Tensor value = found == values_.end() ? at::Tensor() : found->second;
  if (options_->method == AblationMethod::mean && options_->mean_by_position)
    value = value.narrow(0, 0, longest(rows_));
  return {site, [value, mask = mask_, indices](HookSite, at::Tensor x) { return replaced(x, value, mask, indices); }};
}

void JointReplacement::add_uniform(int layer, const std::vector<std::int64_t>& heads,
                                   std::vector<Intervention>& list) const {
  for (const std::int64_t head : heads) {
    Intervention change;
    change.site = {HookPoint::pattern, layer};
    change.kind = InterventionKind::uniform;
    change.head = head;
    if (options_->phase == Phase::both) {
      list.push_back(std::move(change));
      continue;
    }
    for (std::size_t row = 0; row < rows_.size(); ++row) {
      change.row = static_cast<std::int64_t>(row);
      change.positions = phase_positions(options_->phase, std::ssize(rows_[row]));
      list.push_back(change);
    }
  }
}

} // namespace headscope
