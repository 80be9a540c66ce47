// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/analysis/top_examples.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include <ATen/ATen.h>

#include "core/analysis/activation_dump.h"
#include "core/engine/finite_logits.h"
#include "core/model/guard.h"
#include "core/model/weights.h"

namespace headscope {
namespace {

// Computes responses [batch, pos] on the CPU.
Result<at::Tensor> responses(const Engine& engine, const Response& response, const TokenRows& texts,
                             const CancelToken& cancel) {
  RunRequest run;
  run.batch = TokenBatch::pad(texts, TokenBatch::Side::right);
  run.cancel = cancel;
  run.until = BeforeLayer{response.site.layer + 1};
  if (response.site.point == HookPoint::final_normalized || response.site.point == HookPoint::final_scale)
    run.until = LogitRows::last; // the final norm comes with the logits
  at::Tensor values;
  run.hooks.push_back({response.site, [&](HookSite, at::Tensor x) {
                         values = response.value(x).to(at::kCPU, at::kFloat).contiguous();
                         return x;
                       }});
  HS_TRY(engine.run(run));
  return values;
}

class Collector {
public:
  Collector(const ExamplesOptions& options, Examples& out) : options_(options), out_(out) {}

  // Returns false for a value that is not finite.
  bool add(std::int64_t text, std::vector<float> values) {
    const std::int64_t skip = std::min<std::int64_t>(options_.skip, std::ssize(values));
    const auto begin = values.begin() + skip;
    if (!std::all_of(begin, values.end(), [](float value) { return std::isfinite(value); })) return false;
    if (begin == values.end()) return true;
    const auto peak = std::max_element(begin, values.end());
    all_.insert(all_.end(), begin, values.end());
    positive_ += std::count_if(begin, values.end(), [](float value) { return value > 0.0F; });
    const std::int64_t at = peak - values.begin();
    const float value = *peak;
    keep({text, at, value, std::move(values)});
    return true;
  }

  void finish() {
    std::sort(all_.begin(), all_.end());
    out_.tokens = std::ssize(all_);
    out_.positive = all_.empty() ? std::numeric_limits<double>::quiet_NaN()
                                 : static_cast<double>(positive_) / static_cast<double>(all_.size());
    for (const double quantile : options_.quantiles)
      out_.quantiles.push_back(quantile_of(all_, quantile));
  }

private:
  void keep(ExampleText one) {
    const auto place = std::upper_bound(out_.top.begin(), out_.top.end(), one,
                                        [](const ExampleText& a, const ExampleText& b) { return a.value > b.value; });
    out_.top.insert(place, std::move(one));
    if (std::ssize(out_.top) > options_.top) out_.top.pop_back();
  }

  const ExamplesOptions& options_;
  Examples& out_;
  std::vector<float> all_;
  std::int64_t positive_ = 0;
};

} // namespace

Response neuron_response(int layer, std::int64_t neuron) {
  return {{HookPoint::mlp_post, layer}, [neuron](const at::Tensor& x) { return x.select(-1, neuron).to(at::kFloat); }};
}

Response head_response(const Model& model, const HeadId& head) {
  const BlockWeights& block = model.weights.blocks[static_cast<std::size_t>(head.layer)];
  const at::Tensor writes = view_w_o(model.config, block)[head.head].to(at::kFloat);
  return {{HookPoint::z, head.layer}, [writes, number = head.head](const at::Tensor& z) {
            return z.select(2, number).to(at::kFloat).matmul(writes).norm(2, -1);
          }};
}

Response direction_response(HookSite site, const at::Tensor& direction) {
  return {site, [direction](const at::Tensor& x) { return x.to(at::kFloat).matmul(direction.to(x.device())); }};
}

double quantile_of(const std::vector<float>& rising, double quantile) {
  if (rising.empty()) return std::numeric_limits<double>::quiet_NaN();
  const double place = quantile * static_cast<double>(rising.size() - 1);
  const auto below = static_cast<std::size_t>(place);
  const std::size_t above = std::min(below + 1, rising.size() - 1);
  const double low = rising[below], high = rising[above];
  return low + (place - static_cast<double>(below)) * (high - low);
}

Result<Examples> strongest_examples(const Engine& engine, const Response& response, const TokenRows& texts,
                                    const ExamplesOptions& options, const RunControl& control) {
  return guarded("looking for texts", [&]() -> Result<Examples> {
    HS_TRY(check_rows(texts, engine, "text"));
    Examples out;
    Collector collector(options, out);
    for (const auto& [begin, end] : neighbours_together(texts, tokens_per_run(options.tokens_per_run, engine))) {
      control.report("texts", out.texts, std::ssize(texts));
      const TokenRows some(texts.begin() + static_cast<std::ptrdiff_t>(begin),
                           texts.begin() + static_cast<std::ptrdiff_t>(end));
      const auto values = responses(engine, response, some, control.cancel);
      if (control.cancel.cancelled()) break;
      if (!values.ok()) return values.error();
      for (std::size_t i = 0; i < some.size(); ++i) {
        const float* row = (*values)[static_cast<std::int64_t>(i)].const_data_ptr<float>();
        if (!collector.add(static_cast<std::int64_t>(begin + i), {row, row + some[i].size()}))
          return not_finite(engine.model());
      }
      out.texts = static_cast<std::int64_t>(end);
    }
    control.report("texts", out.texts, std::ssize(texts));
    out.complete = out.texts == std::ssize(texts);
    collector.finish();
    return out;
  });
}

} // namespace headscope
