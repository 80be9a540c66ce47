// SPDX-License-Identifier: GPL-3.0-or-later
// cuda_attention_bench TOKENS [LAYERS] [HEADS] [D_HEAD]: how long the two passes of the attention statistics take for
// random bfloat16 q and k, a layer's heads at a time, LAYERS times (default: the Llama-7B shape, 32 layers x 32 heads,
// 128). Prints one line of JSON for each set of outputs. tests/bench/peers/attention_statistics.py compares with torch.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <random>

#include "kernels/cpu/float_types.h"
#include "kernels/cuda/attention_statistics.h"
#include "tests/kernels/device_memory.h"

namespace headscope::kernels {
namespace {

struct Shape {
  std::int64_t tokens = 4096, layers = 32, heads = 32, d_head = 128;
};

std::vector<std::uint16_t> random_values(std::size_t count, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  std::vector<std::uint16_t> some(std::size_t{1} << 22), values(count);
  for (std::uint16_t& value : some)
    value = float_to_bf16(normal(random));
  for (std::size_t i = 0; i < count; ++i) // repeats after an odd length, not with the positions
    values[i] = some[i % (some.size() - 3)];
  return values;
}

class Bench {
public:
  explicit Bench(const Shape& shape)
      : shape_(shape), q_(random_values(elements(), 1)), k_(random_values(elements(), 2)), lse_(4 * rows()),
        bound_(4 * rows()), key_sum_(8 * rows()), entropy_(4 * rows()), stripe_(8 * heads() * 3), span_(4 * rows() * 2),
        top_key_(4 * rows() * max_top_k), top_weight_(4 * rows() * max_top_k), block_(pool_unit) {
    while (blocks_of(shape.tokens, block_) > 256) // the whole map in 256 x 256 blocks, each of which can be zoomed
      block_ *= 2;
    const auto cells = static_cast<std::size_t>(blocks_of(shape.tokens, block_) * blocks_of(shape.tokens, block_));
    pool_sum_ = std::make_unique<DeviceMemory>(8 * heads() * cells);
    pool_max_ = std::make_unique<DeviceMemory>(4 * heads() * cells);
    problem_.q = q_.as<void>(), problem_.k = k_.as<void>();
    problem_.element = Element::bf16;
    problem_.heads = problem_.kv_heads = shape.heads, problem_.d_head = shape.d_head;
    problem_.queries = problem_.keys = shape.tokens;
    problem_.q_strides =
        problem_.k_strides = {shape.tokens * shape.heads * shape.d_head, shape.heads * shape.d_head, shape.d_head};
    problem_.variant.scale = 1.0 / std::sqrt(static_cast<double>(shape.d_head));
  }

  // Milliseconds of one call, the median of some.
  template <typename Call> double time(const Call& call) const {
    std::vector<float> times;
    call();
    cudaEvent_t begin, end;
    require(cudaEventCreate(&begin), "event");
    require(cudaEventCreate(&end), "event");
    const int repeats = shape_.tokens > 40000 ? 3 : 11;
    for (int i = 0; i < repeats; ++i) {
      require(cudaEventRecord(begin), "event");
      call();
      require(cudaEventRecord(end), "event");
      require(cudaEventSynchronize(end), "run");
      float taken = 0.0f;
      require(cudaEventElapsedTime(&taken, begin, end), "event");
      times.push_back(taken);
    }
    cudaEventDestroy(begin);
    cudaEventDestroy(end);
    std::sort(times.begin(), times.end());
    return static_cast<double>(times[times.size() / 2]);
  }

  double time_lse(int top_k) const {
    return time([&] {
      require(cuda::attention_lse(problem_, lse_.as<float>(), bound_.as<float>(), top_k, nullptr), "log-sum-exp");
    });
  }
  double time_bound(int top_k) const {
    return time([&] { require(cuda::attention_bound(problem_, bound_.as<float>(), top_k, nullptr), "bound"); });
  }
  double time_statistics(const AttentionStatistics& out) const {
    return time([&] {
      require(cuda::attention_statistics(problem_, lse_.as<float>(), bound_.as<float>(), out, nullptr), "statistics");
    });
  }

  void add_sums(AttentionStatistics& out) const {
    out.key_sum = key_sum_.as<double>(), out.entropy = entropy_.as<float>();
  }
  void add_marks(AttentionStatistics& out) const {
    static const std::int64_t distances[] = {1, shape_.tokens / 2 - 1, shape_.tokens / 2};
    static const KeySpan spans[] = {{shape_.tokens / 2, shape_.tokens / 2 + 40}, {0, 4}};
    out.distances = distances, out.distance_count = 3, out.stripe = stripe_.as<double>();
    out.spans = spans, out.span_count = 2, out.span_mass = span_.as<float>();
  }
  void add_top(AttentionStatistics& out, int k) const {
    out.top_k = k, out.top_key = top_key_.as<std::int32_t>(), out.top_weight = top_weight_.as<float>();
  }
  void add_map(AttentionStatistics& out) const {
    out.pool_block = block_, out.pool_sum = pool_sum_->as<double>(), out.pool_max = pool_max_->as<float>();
  }

  // Prints seconds for all layers, and the rate of the products that this pass needs at least.
  void print(const char* name, double milliseconds) const {
    const double t = static_cast<double>(shape_.tokens);
    const double flops = t * (t + 1) * static_cast<double>(shape_.heads * shape_.d_head);
    std::printf("{\"tokens\": %lld, \"pass\": \"%s\", \"seconds\": %.5f, \"tflops\": %.1f}\n",
                static_cast<long long>(shape_.tokens), name, milliseconds * static_cast<double>(shape_.layers) / 1e3,
                flops / milliseconds / 1e9);
  }

private:
  std::size_t heads() const { return static_cast<std::size_t>(shape_.heads); }
  std::size_t rows() const { return heads() * static_cast<std::size_t>(shape_.tokens); }
  std::size_t elements() const { return rows() * static_cast<std::size_t>(shape_.d_head); }

  Shape shape_;
  DeviceMemory q_, k_, lse_, bound_, key_sum_, entropy_, stripe_, span_, top_key_, top_weight_;
  std::unique_ptr<DeviceMemory> pool_sum_, pool_max_;
  std::int64_t block_;
  AttentionProblem problem_;
};

} // namespace
} // namespace headscope::kernels

int main(int argc, char** argv) {
  using namespace headscope::kernels;
  Shape shape;
  std::int64_t* const given[] = {&shape.tokens, &shape.layers, &shape.heads, &shape.d_head};
  for (int i = 1; i < argc && i <= 4; ++i)
    *given[i - 1] = std::atoll(argv[i]);
  const Bench bench(shape);
  bench.print("log-sum-exp", bench.time_lse(8));
  AttentionStatistics out;
  bench.add_sums(out);
  bench.print("key sums and entropy", bench.time_statistics(out));
  bench.add_marks(out);
  bench.add_map(out);
  bench.print("and stripes, spans, map", bench.time_statistics(out));
  bench.add_top(out, 8);
  bench.print("and top 8", bench.time_statistics(out));
  bench.print("bound alone", bench.time_bound(8));
  bench.print("and top 8 by it", bench.time_statistics(out));
  bench.time_lse(16); // its bound
  bench.add_top(out, 16);
  bench.print("and top 16", bench.time_statistics(out));
}
