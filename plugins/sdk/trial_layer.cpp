// SPDX-License-Identifier: GPL-3.0-or-later
#include "plugins/sdk/trial_layer.h"

#include <cmath>
#include <cstdlib>

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include "core/engine/rotary.h"

namespace headscope::mechanisms::trial {
namespace {

constexpr double theta = 10000.0;

at::Tensor rotated(const at::Tensor& x, const at::Tensor& positions) {
  const RotaryConfig rotary{test_d, theta, {}, {}};
  return apply_rotary(x, rotary_tables(rotary, positions, {1}, at::kFloat));
}

} // namespace

at::Device test_device() {
  const char* name = std::getenv("HEADSCOPE_TEST_DEVICE");
  return at::Device(name ? name : "cpu");
}

Layer random_layer(const Shape& shape, std::int64_t seed) {
  at::set_num_threads(1); // small tensors gain nothing from more
  at::manual_seed(static_cast<std::uint64_t>(seed));
  Layer layer;
  const std::int64_t t = shape.tokens;
  layer.rows.unrotated_q = 1.5 * at::randn({2, t, test_heads, test_d});
  layer.rows.unrotated_k = 1.5 * at::randn({2, t, test_kv, test_d});
  at::Tensor positions = at::arange(t).unsqueeze(0).repeat({2, 1});
  for (std::size_t row = 0; row < shape.left.size(); ++row)
    positions[static_cast<std::int64_t>(row)] =
        (positions[static_cast<std::int64_t>(row)] - shape.left[row]).clamp_min(0);
  layer.rows.all_q = layer.input.q = rotated(layer.rows.unrotated_q, positions);
  layer.input.k = rotated(layer.rows.unrotated_k, positions);
  layer.input.v = at::randn({2, t, test_kv, test_d});
  layer.rows.w_o = at::randn({24, test_heads * test_d});
  layer.input.scale = 1.0 / std::sqrt(static_cast<double>(test_d));
  layer.input.softcap = shape.softcap;
  layer.input.mask.window = shape.window;
  layer.input.mask.key_begin = shape.left;
  for (const std::int64_t pad : shape.right)
    layer.rows.end.push_back(t - pad);
  const at::Device device = test_device();
  for (at::Tensor* x : {&layer.input.q, &layer.input.k, &layer.input.v, &layer.rows.all_q, &layer.rows.unrotated_q,
                        &layer.rows.unrotated_k, &layer.rows.w_o})
    *x = x->to(device);
  layer.rows.rotate = [](const at::Tensor& x, const at::Tensor& at, std::int64_t) {
    return rotated(x.unsqueeze(2), at.unsqueeze(0)).squeeze(2);
  };
  return layer;
}

Layer part_of(const Layer& layer, std::int64_t tokens, std::int64_t queries_from) {
  Layer part = layer;
  part.input.q = layer.input.q.narrow(1, queries_from, tokens - queries_from);
  for (at::Tensor* x : {&part.input.k, &part.input.v, &part.rows.all_q, &part.rows.unrotated_q, &part.rows.unrotated_k})
    *x = x->narrow(1, 0, tokens);
  part.input.mask.query_offset = queries_from;
  return part;
}

Vector rotated_plainly(const Vector& x, std::int64_t position) {
  const std::size_t half = x.size() / 2;
  Vector out(x.size());
  for (std::size_t i = 0; i < half; ++i) {
    const double angle =
        static_cast<double>(position) * std::pow(theta, -2.0 * static_cast<double>(i) / static_cast<double>(x.size()));
    out[i] = x[i] * std::cos(angle) - x[i + half] * std::sin(angle);
    out[i + half] = x[i + half] * std::cos(angle) + x[i] * std::sin(angle);
  }
  return out;
}

Rows plain_rows(const at::Tensor& x) {
  const at::Tensor part = x.to(at::kCPU, at::kDouble).contiguous();
  Rows rows;
  for (std::int64_t i = 0; i < part.size(0); ++i)
    rows.emplace_back(part[i].const_data_ptr<double>(), part[i].const_data_ptr<double>() + part.size(1));
  return rows;
}

PlainHead plain_head(const Layer& layer, const Shape& shape, std::int64_t row, std::int64_t head) {
  const std::int64_t begin = shape.left.empty() ? 0 : shape.left[static_cast<std::size_t>(row)];
  const std::int64_t end = layer.rows.end.empty() ? shape.tokens : layer.rows.end[static_cast<std::size_t>(row)];
  const auto rows_of = [&](const at::Tensor& x, std::int64_t which) {
    return plain_rows(x[row].narrow(0, begin, end - begin).select(1, which));
  };
  const std::int64_t kv = head / (test_heads / test_kv);
  PlainHead out;
  out.unrotated_q = rows_of(layer.rows.unrotated_q, head);
  out.unrotated_k = rows_of(layer.rows.unrotated_k, kv);
  out.v = rows_of(layer.input.v, kv);
  for (std::int64_t i = 0; i < end - begin; ++i) {
    out.q.push_back(rotated_plainly(PlainHead::at(out.unrotated_q, i), i));
    out.k.push_back(rotated_plainly(PlainHead::at(out.unrotated_k, i), i));
  }
  out.w_o = plain_rows(layer.rows.w_o.narrow(1, head * test_d, test_d).t());
  out.head = head;
  out.rotate = rotated_plainly;
  out.scale = layer.input.scale;
  out.softcap = shape.softcap;
  out.window = shape.window;
  return out;
}

at::Tensor mixed_by(const Rows& pattern, const Rows& v) {
  const auto tensor = [](const Rows& rows) {
    at::Tensor out = at::empty({std::ssize(rows), std::ssize(rows.front())}, at::kDouble);
    for (std::int64_t i = 0; i < out.size(0); ++i)
      for (std::int64_t j = 0; j < out.size(1); ++j)
        out[i][j] = rows[static_cast<std::size_t>(i)][static_cast<std::size_t>(j)];
    return out;
  };
  return at::matmul(tensor(pattern), tensor(v));
}

double largest_difference(const at::Tensor& a, const at::Tensor& b) {
  if (a.sizes() != b.sizes()) return INFINITY;
  const double worst = (a.to(at::kCPU, at::kDouble) - b.to(at::kCPU, at::kDouble)).abs().max().item<double>();
  return std::isnan(worst) ? INFINITY : worst;
}

} // namespace headscope::mechanisms::trial
