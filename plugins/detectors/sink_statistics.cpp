// SPDX-License-Identifier: GPL-3.0-or-later
#include "plugins/detectors/sink_statistics.h"

#include <algorithm>

#include <ATen/ATen.h>

#include "core/store/column_values.h"

namespace headscope {
namespace {

constexpr std::int64_t most_rows = 1000;

std::vector<float> floats(const at::Tensor& by_head) {
  const at::Tensor flat = by_head.to(at::kFloat).contiguous().flatten();
  const float* begin = flat.const_data_ptr<float>();
  return {begin, begin + flat.numel()};
}

} // namespace

SinkStatistics::SinkStatistics(const ModelConfig& config, std::int64_t length)
    : n_layers_(config.n_layers), n_heads_(config.n_heads), length_(length) {}

void SinkStatistics::add(const AttentionStatistics& layer) {
  if (!current_.defined()) current_ = at::zeros({n_layers_, n_heads_, length_}, at::kDouble);
  current_[layer.layer] = layer.key_sum[0].cpu(); // [head, key]
}

void SinkStatistics::finish_text() {
  alphas_.push_back(current_ / at::arange(length_, 0, -1, at::kDouble)); // T - k queries can see key k
  current_ = at::Tensor();
}

at::Tensor SinkStatistics::stacked() const { return at::stack(alphas_); }

std::vector<float> SinkStatistics::rate_at(std::int64_t k, double epsilon) const {
  return floats((stacked().select(3, k) > epsilon).to(at::kDouble).mean(0));
}

std::vector<float> SinkStatistics::mean_at(std::int64_t k) const { return floats(stacked().select(3, k).mean(0)); }

std::vector<float> SinkStatistics::later_rate(double theta, std::int64_t end) const {
  if (end <= 1) return std::vector<float>(static_cast<std::size_t>(n_layers_ * n_heads_), 0.0F);
  return floats((stacked().slice(3, 1, end).amax(3) > theta).to(at::kDouble).mean(0));
}

std::vector<float> SinkStatistics::later_max(std::int64_t end) const {
  if (end <= 1) return std::vector<float>(static_cast<std::size_t>(n_layers_ * n_heads_), 0.0F);
  return floats(stacked().slice(3, 1, end).amax(3).mean(0));
}

double SinkStatistics::share_at(std::int64_t k, double epsilon) const {
  return (stacked().select(3, k) > epsilon).to(at::kDouble).mean().item<double>();
}

double SinkStatistics::overall_mean(std::int64_t k) const { return stacked().select(3, k).mean().item<double>(); }

store::Table SinkStatistics::later_table(double theta, std::int64_t end) const {
  struct Row {
    std::int64_t text = 0, layer = 0, head = 0, key = 0;
    double alpha = 0.0;
  };
  std::vector<Row> rows;
  std::int64_t all = 0;
  if (end > 1) {
    const at::Tensor later = stacked().slice(3, 1, end);
    const at::Tensor found = (later > theta).nonzero();
    const at::Tensor order = later.masked_select(later > theta).argsort(0, /*descending=*/true);
    all = order.size(0);
    for (std::int64_t i = 0; i < std::min(order.size(0), most_rows); ++i) {
      const at::Tensor place = found[order[i].item<std::int64_t>()];
      const auto at_axis = [&](std::int64_t axis) { return place[axis].item<std::int64_t>(); };
      rows.push_back({.text = at_axis(0),
                      .layer = at_axis(1),
                      .head = at_axis(2),
                      .key = at_axis(3) + 1,
                      .alpha = later[at_axis(0)][at_axis(1)][at_axis(2)][at_axis(3)].item<double>()});
    }
  }
  const auto column = [&](auto member) { return store::column_values(rows, member); };
  store::Table table;
  table.columns = {{"text", column(&Row::text), "1", "index of the prompt sink-N"},
                   {"layer", column(&Row::layer), "1", "layer"},
                   {"head", column(&Row::head), "1", "head"},
                   {"key", column(&Row::key), "token", "position of the sink"},
                   {"alpha", column(&Row::alpha), "1", "a_k"}};
  table.attributes = {{"found", all}}; // more than the rows, which are the largest
  return table;
}

} // namespace headscope
