// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernels/cpu/attention_statistics.h"

#include <vector>

#include "kernels/cpu/attention_rows.h"

#if defined(__x86_64__)
#include "kernels/cpu/attention_avx2.h"
#endif

namespace headscope::kernels {
namespace {

#if defined(__x86_64__)

constexpr std::int64_t block_rows = 48; // queries that share a packed panel of keys

// Processes one head, 48 queries at a time, and holds their scores against all their keys.
class HeadPass {
public:
  HeadPass(const AttentionProblem& problem, const AttentionStatistics& out)
      : problem_(problem), out_(out), q_(floats(block_rows * problem.d_head)),
        panel_(floats(avx2::panel_keys * problem.d_head)), rows_of_keys_(panel_.size()) {}

  void run(const HeadView& head) {
    clear_head(problem_, out_, head.index);
    std::int64_t query = 0;
    for (; query < problem_.queries && slot(query) < head.key_begin; ++query)
      clear_query(problem_, out_, head.index, query);
    for (; query < problem_.queries; query += block_rows)
      block(head, query, std::min(block_rows, problem_.queries - query));
    finish_stripes(problem_, out_, head);
  }

private:
  static std::vector<float> floats(std::int64_t count) { return std::vector<float>(static_cast<std::size_t>(count)); }

  std::int64_t slot(std::int64_t query) const { return problem_.variant.query_offset + query; }

  const float* as_floats(const void* data, std::int64_t at, float* copy) const {
    if (problem_.element == Element::f32) return static_cast<const float*>(data) + at;
    for (std::int64_t i = 0; i < problem_.d_head; ++i)
      copy[i] = element_at(data, problem_.element, at + i);
    return copy;
  }

  // Computes the scores of queries [begin, begin + count) against keys [first_, end_).
  void score(const HeadView& head, std::int64_t begin, std::int64_t count) {
    const AttentionVariant& variant = problem_.variant;
    const std::int64_t d = problem_.d_head;
    first_ = variant.first_key(slot(begin), head.key_begin);
    end_ = slot(begin + count - 1) + 1;
    stride_ = blocks_of(end_ - first_, avx2::panel_keys) * avx2::panel_keys;
    scores_.resize(static_cast<std::size_t>(block_rows * stride_));
    for (std::int64_t row = 0; row < count; ++row) {
      float* copy = q_.data() + row * d;
      const float* from = as_floats(problem_.q, head.query_at(problem_, begin + row), copy);
      if (from != copy) std::copy_n(from, d, copy);
    }
    for (std::int64_t key = first_; key < end_; key += avx2::panel_keys) {
      const std::int64_t keys = std::min(avx2::panel_keys, end_ - key);
      if (problem_.element == Element::f32) {
        avx2::pack_panel(static_cast<const float*>(problem_.k) + head.key_at(problem_, key), problem_.k_strides.pos,
                         keys, d, panel_.data());
      } else {
        for (std::int64_t i = 0; i < keys; ++i)
          as_floats(problem_.k, head.key_at(problem_, key + i), rows_of_keys_.data() + i * d);
        avx2::pack_panel(rows_of_keys_.data(), d, keys, d, panel_.data());
      }
      avx2::scores(q_.data(), count, d, panel_.data(), static_cast<float>(variant.scale),
                   scores_.data() + (key - first_), stride_);
    }
  }

  void block(const HeadView& head, std::int64_t begin, std::int64_t count) {
    score(head, begin, count);
    sums_.assign(static_cast<std::size_t>(end_ - first_), 0.0f);
    for (std::int64_t row = 0; row < count; ++row) {
      const std::int64_t key = problem_.variant.first_key(slot(begin + row), head.key_begin);
      float* weights = scores_.data() + row * stride_ + (key - first_);
      const std::int64_t keys = slot(begin + row) + 1 - key;
      if (problem_.variant.softcap > 0.0) avx2::soft_cap(weights, keys, static_cast<float>(problem_.variant.softcap));
      const avx2::SoftmaxSums softmax = avx2::softmax(weights, keys);
      const std::int64_t at = head.index * problem_.queries + begin + row;
      if (out_.lse) out_.lse[at] = static_cast<float>(softmax.lse);
      if (out_.entropy) out_.entropy[at] = static_cast<float>(softmax.entropy);
      if (out_.key_sum) avx2::add(weights, keys, sums_.data() + (key - first_));
      query_outputs(head, begin + row, weights, key, keys);
    }
    if (out_.key_sum) avx2::add(sums_.data(), end_ - first_, out_.key_sum + head.index * problem_.keys + first_);
  }

  // `weights` are those of keys [key, key + keys).
  void query_outputs(const HeadView& head, std::int64_t query, const float* weights, std::int64_t key,
                     std::int64_t keys) {
    for (int i = 0; out_.stripe && i < out_.distance_count; ++i) {
      const std::int64_t to = slot(query) - out_.distances[i] - key;
      if (to >= 0 && to < keys) out_.stripe[head.index * out_.distance_count + i] += static_cast<double>(weights[to]);
    }
    for (int i = 0; out_.span_mass && i < out_.span_count; ++i) {
      const std::int64_t from = std::max<std::int64_t>(out_.spans[i].begin - key, 0);
      const std::int64_t to = std::min(out_.spans[i].end - key, keys);
      out_.span_mass[(head.index * out_.span_count + i) * problem_.queries + query] =
          from < to ? static_cast<float>(avx2::sum(weights + from, to - from)) : 0.0f;
    }
    if (out_.pool_block > 0) pool(head, query, weights, key, keys);
    if (out_.top_k > 0) top(head.index * problem_.queries + query, weights, key, keys);
  }

  void pool(const HeadView& head, std::int64_t query, const float* weights, std::int64_t key, std::int64_t keys) {
    const std::int64_t block = out_.pool_block, key_blocks = blocks_of(problem_.keys, block);
    const std::int64_t row = (head.index * blocks_of(problem_.queries, block) + query / block) * key_blocks;
    for (std::int64_t from = 0; from < keys;) {
      const std::int64_t cell = (key + from) / block, to = std::min(keys, (cell + 1) * block - key);
      if (out_.pool_sum) out_.pool_sum[row + cell] += avx2::sum(weights + from, to - from);
      if (out_.pool_max)
        out_.pool_max[row + cell] = std::max(out_.pool_max[row + cell], avx2::largest(weights + from, to - from));
      from = to;
    }
  }

  // Walks back from the latest key, skipping weights that are not above the smallest one kept.
  void top(std::int64_t at, const float* weights, std::int64_t key, std::int64_t keys) {
    std::int64_t best[max_top_k];
    int found = 0;
    float bound = -1.0f;
    for (std::int64_t i = avx2::last_above(weights, keys, bound); i >= 0; i = avx2::last_above(weights, i, bound)) {
      int place = found < out_.top_k ? found++ : out_.top_k - 1;
      for (; place > 0 && weights[best[place - 1]] < weights[i]; --place)
        best[place] = best[place - 1];
      best[place] = i;
      if (found == out_.top_k) bound = weights[best[found - 1]];
    }
    for (int i = 0; i < out_.top_k; ++i) {
      if (out_.top_key) out_.top_key[at * out_.top_k + i] = i < found ? static_cast<std::int32_t>(key + best[i]) : -1;
      if (out_.top_weight) out_.top_weight[at * out_.top_k + i] = i < found ? weights[best[i]] : 0.0f;
    }
  }

  const AttentionProblem& problem_;
  const AttentionStatistics& out_;
  std::vector<float> q_, panel_, rows_of_keys_, scores_, sums_;
  std::int64_t first_ = 0, end_ = 0, stride_ = 0;
};

#endif

template <typename T, typename Combine>
void coarsen(const T* in, std::int64_t rows, std::int64_t columns, T* out, Combine combine) {
  const std::int64_t out_columns = (columns + 1) / 2;
  for (std::int64_t row = 0; row < rows; ++row)
    for (std::int64_t column = 0; column < columns; ++column) {
      T& cell = out[row / 2 * out_columns + column / 2];
      const T value = in[row * columns + column];
      cell = row % 2 == 0 && column % 2 == 0 ? value : combine(cell, value);
    }
}

} // namespace

void attention_statistics(const AttentionProblem& problem, const AttentionStatistics& out, std::int64_t begin,
                          std::int64_t end) {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
    HeadPass pass(problem, out);
    for (std::int64_t head = begin; head < end; ++head)
      pass.run(HeadView(problem, head));
    return;
  }
#endif
  attention_statistics_reference(problem, out, begin, end);
}

void coarsen_sum(const double* in, std::int64_t query_blocks, std::int64_t key_blocks, double* out) {
  coarsen(in, query_blocks, key_blocks, out, [](double a, double b) { return a + b; });
}

void coarsen_max(const float* in, std::int64_t query_blocks, std::int64_t key_blocks, float* out) {
  coarsen(in, query_blocks, key_blocks, out, [](float a, float b) { return std::max(a, b); });
}

} // namespace headscope::kernels
