// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/analysis/activation_dump.h"

#include <algorithm>

#include <ATen/ATen.h>

#include "core/model/guard.h"

namespace headscope {
namespace {

std::int64_t width_of(HookPoint point, const ModelConfig& config) {
  switch (point) {
  case HookPoint::final_scale:
  case HookPoint::ln1_scale:
  case HookPoint::ln2_scale: return 1;
  case HookPoint::q:
  case HookPoint::k:
  case HookPoint::v:
  case HookPoint::rot_q:
  case HookPoint::rot_k:
  case HookPoint::z: return config.d_head;
  case HookPoint::mlp_pre:
  case HookPoint::mlp_pre_linear:
  case HookPoint::mlp_post: return config.d_mlp;
  default: return config.d_model;
  }
}

// The texts [begin, end) of a request.
struct Part {
  std::size_t begin = 0, end = 0;
  std::int64_t first_token = 0; // of all that are kept
};

// The indices of the kept tokens of these texts in their padded batch, flattened to one list of tokens.
at::Tensor places_in_batch(const DumpRequest& request, const Part& part, std::int64_t slots) {
  std::vector<std::int64_t> places;
  for (std::size_t text = part.begin; text < part.end; ++text) {
    const std::int64_t first = static_cast<std::int64_t>(text - part.begin) * slots;
    if (request.positions.empty())
      for (std::int64_t i = 0; i < std::ssize(request.texts[text]); ++i)
        places.push_back(first + i);
    else
      for (const std::int64_t position : request.positions[text])
        places.push_back(first + position);
  }
  return at::tensor(places, at::kLong);
}

at::Tensor kept_rows(const at::Tensor& x, const at::Tensor& places, const WantedSite& wanted) {
  at::Tensor rows = x.flatten(0, 1).index_select(0, places.to(x.device()));
  if (!wanted.heads.empty()) rows = rows.index_select(1, at::tensor(wanted.heads, at::kLong).to(x.device()));
  return rows.to(at::kCPU, at::kFloat).contiguous();
}

// Runs only as far as the last wanted point; logits are computed only where the final norm, which comes with them, is
// wanted.
RunRequest request_up_to(const std::vector<WantedSite>& sites) {
  RunRequest run;
  int end = 0;
  for (const WantedSite& wanted : sites)
    end = std::max(end, wanted.site.layer + 1);
  const bool final_norm = std::any_of(sites.begin(), sites.end(), [](const WantedSite& wanted) {
    return wanted.site.point == HookPoint::final_scale || wanted.site.point == HookPoint::final_normalized;
  });
  run.until = final_norm ? RunEnd(LogitRows::last) : BeforeLayer{end};
  return run;
}

Status run_part(const Engine& engine, const DumpRequest& request, const Part& part, const ActivationRows& take,
                const CancelToken& cancel) {
  RunRequest run = request_up_to(request.sites);
  const TokenRows texts(request.texts.begin() + static_cast<std::ptrdiff_t>(part.begin),
                        request.texts.begin() + static_cast<std::ptrdiff_t>(part.end));
  run.batch = TokenBatch::pad(texts, TokenBatch::Side::right);
  run.cancel = cancel;
  const at::Tensor places = places_in_batch(request, part, run.batch.tokens.size(1));
  if (places.numel() == 0) return {};
  for (std::size_t i = 0; i < request.sites.size(); ++i)
    run.hooks.push_back({request.sites[i].site, [&, i](HookSite, at::Tensor x) {
                           const Status taken = take(i, part.first_token, kept_rows(x, places, request.sites[i]));
                           if (!taken.ok()) throw ErrorException(taken.error());
                           return x;
                         }});
  HS_TRY(engine.run(run));
  return {};
}

Status check_request(const DumpRequest& request, const Engine& engine) {
  HS_TRY(check_rows(request.texts, engine, "text"));
  for (const WantedSite& wanted : request.sites)
    if (hook_axes(wanted.site.point) == HookAxes::head_query_key)
      return make_error(ErrorCode::unsupported, "has a value for every pair of positions", {}, hook_name(wanted.site));
  if (!request.positions.empty() && request.positions.size() != request.texts.size())
    return make_error(ErrorCode::invalid_argument, "must be given for every text", {}, "positions");
  for (std::size_t text = 0; text < request.positions.size(); ++text)
    for (const std::int64_t position : request.positions[text])
      if (position < 0 || position >= std::ssize(request.texts[text]))
        return make_error(ErrorCode::invalid_argument,
                          std::string("text ")
                              .append(std::to_string(text))
                              .append(" has no position ")
                              .append(std::to_string(position)),
                          {}, "positions");
  return {};
}

} // namespace

std::vector<std::int64_t> token_shape(const ModelConfig& config, const WantedSite& wanted) {
  const std::int64_t width = width_of(wanted.site.point, config);
  const HookAxes axes = hook_axes(wanted.site.point);
  if (axes == HookAxes::pos_d) return {width};
  const std::int64_t all = axes == HookAxes::pos_kv_head_d ? config.n_kv_heads : config.n_heads;
  return {wanted.heads.empty() ? all : std::ssize(wanted.heads), width};
}

std::vector<std::pair<std::size_t, std::size_t>> neighbours_together(const TokenRows& rows, std::int64_t budget) {
  std::vector<std::pair<std::size_t, std::size_t>> parts;
  std::int64_t longest = 0;
  for (std::size_t row = 0; row < rows.size(); ++row) {
    longest = std::max(longest, std::ssize(rows[row]));
    const bool fits = !parts.empty() && longest * (static_cast<std::int64_t>(row - parts.back().first) + 1) <= budget;
    if (!fits) {
      parts.emplace_back(row, row);
      longest = std::ssize(rows[row]);
    }
    parts.back().second = row + 1;
  }
  return parts;
}

Result<std::int64_t> dump_activations(const Engine& engine, const DumpRequest& request, const ActivationRows& take,
                                      const RunControl& control) {
  return guarded("collecting activations", [&]() -> Result<std::int64_t> {
    HS_TRY(check_request(request, engine));
    const auto all = std::ssize(request.texts);
    std::int64_t done = 0, tokens = 0;
    for (const auto& [begin, end] :
         neighbours_together(request.texts, tokens_per_run(request.tokens_per_run, engine))) {
      control.report("activations", done, all);
      if (control.cancel.cancelled()) return done;
      const Status ran = run_part(engine, request, {begin, end, tokens}, take, control.cancel);
      if (!ran.ok() && was_cancelled(ran.error())) return done;
      HS_TRY(ran);
      for (std::size_t text = begin; text < end; ++text)
        tokens += request.kept(text);
      done = static_cast<std::int64_t>(end);
    }
    control.report("activations", done, all);
    return done;
  });
}

void TokenStatistics::add(const at::Tensor& rows) {
  const at::Tensor x = rows.to(at::kDouble);
  if (!sum_.defined()) {
    sum_ = at::zeros(x.sizes().slice(1), at::kDouble);
    squares_ = at::zeros_like(sum_);
    if (with_products_) products_ = at::zeros_like(sum_).unsqueeze(-1).repeat_interleave(x.size(-1), -1);
  }
  sum_ += x.sum(0);
  squares_ += x.square().sum(0);
  tokens_ += x.size(0);
  if (!with_products_) return;
  const at::Tensor by_head = x.dim() == 3 ? x.transpose(0, 1) : x;
  products_ += at::matmul(by_head.transpose(-2, -1), by_head);
}

} // namespace headscope
