// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/engine/attention_statistics.h"

#include <algorithm>
#include <optional>

#include <ATen/ATen.h>

#include "core/engine/attention.h"
#include "core/engine/in_parallel.h"
#include "core/engine/kernel_problem.h"
#include "core/engine/tile_statistics.h"
#include "kernels/cpu/attention_statistics.h"

namespace headscope {
namespace {

using kernels::blocks_of;

// The kernels' problem and outputs, with the tensors that their pointers refer to.
struct Job : KernelScores {
  Job(const AttentionInput& in, const AttentionStatisticsRequest& request)
      : KernelScores(in.q, in.k, {in.scale, in.softcap.value_or(0.0), in.mask.window.value_or(0), in.mask.query_offset},
                     in.mask.key_begin) {
    make_outputs(request);
  }

  kernels::AttentionStatistics out;
  AttentionStatistics result;

private:
  void make_outputs(const AttentionStatisticsRequest& request) {
    const std::int64_t batch = problem.batch, heads = problem.heads, queries = problem.queries;
    const auto make = [&](at::IntArrayRef sizes, at::ScalarType type) {
      return at::empty(sizes, q.options().dtype(type).requires_grad(false));
    };
    if (request.key_sum) {
      result.key_sum = make({batch, heads, problem.keys}, at::kDouble);
      out.key_sum = result.key_sum.mutable_data_ptr<double>();
    }
    if (request.entropy) {
      result.entropy = make({batch, heads, queries}, at::kFloat);
      out.entropy = result.entropy.mutable_data_ptr<float>();
    }
    if (!request.distances.empty()) {
      out.distances = request.distances.data(), out.distance_count = static_cast<int>(request.distances.size());
      result.stripe = make({batch, heads, out.distance_count}, at::kDouble);
      out.stripe = result.stripe.mutable_data_ptr<double>();
    }
    if (!request.spans.empty()) {
      out.spans = request.spans.data(), out.span_count = static_cast<int>(request.spans.size());
      result.span_mass = make({batch, heads, out.span_count, queries}, at::kFloat);
      out.span_mass = result.span_mass.mutable_data_ptr<float>();
    }
    if (request.top_k > 0) {
      out.top_k = request.top_k;
      result.top_key = make({batch, heads, queries, request.top_k}, at::kInt);
      result.top_weight = make({batch, heads, queries, request.top_k}, at::kFloat);
      out.top_key = result.top_key.mutable_data_ptr<std::int32_t>();
      out.top_weight = result.top_weight.mutable_data_ptr<float>();
    }
    if (request.pool_block > 0) {
      out.pool_block = request.pool_block;
      const at::DimVector map = {batch, heads, blocks_of(queries, out.pool_block),
                                 blocks_of(problem.keys, out.pool_block)};
      result.pool_sum = make(map, at::kDouble);
      result.pool_max = make(map, at::kFloat);
      out.pool_sum = result.pool_sum.mutable_data_ptr<double>();
      out.pool_max = result.pool_max.mutable_data_ptr<float>();
    }
  }
};

void run_on_cpu(const Job& job) {
  in_parallel(job.problem.batch * job.problem.heads, 1, [&](std::int64_t begin, std::int64_t end) {
    kernels::attention_statistics(job.problem, job.out, begin, end);
  });
}

// What the first pass hands on: the log-sum-exp and a bound for the largest weights.
struct FirstPass {
  at::Tensor lse, bound; // [batch, head, query]; bound: undefined where no largest weights are asked for
};

// Takes the sums from the forward's own attention where that computes them, and leaves its z in `z`; otherwise runs a
// pass of our own.
int first_pass(const kernels::cuda::Module& module, const Job& job, const AttentionInput& in, void* stream,
               FirstPass& out, at::Tensor& z) {
  const auto options = job.q.options().dtype(at::kFloat);
  const at::DimVector sizes = {job.problem.batch, job.problem.heads, job.problem.queries};
  if (job.out.top_k > 0) out.bound = at::empty(sizes, options);
  float* const bound = out.bound.defined() ? out.bound.mutable_data_ptr<float>() : nullptr;
  if (const auto both = attention_and_sums(in)) {
    z = both->z;
    out.lse = both->log_sum_exp.contiguous();
    return bound ? module.attention_bound(job.problem, bound, job.out.top_k, stream) : 0;
  }
  out.lse = at::empty(sizes, options);
  return module.attention_lse(job.problem, out.lse.mutable_data_ptr<float>(), bound, job.out.top_k, stream);
}

// Returns false where the module cannot do it; the caller then does it another way. Sets `z` where attention
// is computed on the way.
bool run_on_gpu(const Job& job, const AttentionInput& in, at::Tensor& z) {
  return on_gpu(job.q, "attention statistics go", [&](const auto& module, void* stream) -> std::optional<int> {
    if (!module.can_run(job.problem, job.out)) return std::nullopt;
    FirstPass first;
    const int error = first_pass(module, job, in, stream, first, z);
    if (error != 0) return error;
    return module.attention_statistics(job.problem, first.lse.const_data_ptr<float>(),
                                       first.bound.defined() ? first.bound.const_data_ptr<float>() : nullptr, job.out,
                                       stream);
  });
}

// Leaves `z` undefined where attention is not computed on the way.
std::optional<AttentionStatistics> by_kernels(const AttentionInput& in, const AttentionStatisticsRequest& request,
                                              at::Tensor& z) {
  if (in.need_scores || in.need_pattern || in.uniform.defined()) return std::nullopt; // the pattern may be another
  if (!element_of(in.q.scalar_type()) || in.k.scalar_type() != in.q.scalar_type()) return std::nullopt;
  if (!in.q.is_cpu() && !in.q.is_cuda()) return std::nullopt;
  Job job(in, request);
  if (in.q.is_cuda() && !run_on_gpu(job, in, z)) return std::nullopt;
  if (in.q.is_cpu()) run_on_cpu(job);
  return job.result;
}

// Counts, for each key [key], the queries of this run at or after it.
at::Tensor seen_by(const AttentionInput& in, const at::Tensor& like) {
  const at::Tensor key = at::arange(in.k.size(1), like.options());
  return in.mask.query_offset + in.q.size(1) - at::clamp_min(key, static_cast<double>(in.mask.query_offset));
}

// Reshapes [..., query_block, key_block], padded with zeros to even numbers, as [..., query_block / 2, 2, key_block /
// 2, 2].
at::Tensor in_pairs(const at::Tensor& map) {
  const std::int64_t rows = (map.size(-2) + 1) / 2, columns = (map.size(-1) + 1) / 2;
  const at::Tensor even = at::constant_pad_nd(map, {0, 2 * columns - map.size(-1), 0, 2 * rows - map.size(-2)}, 0.0);
  at::DimVector sizes(map.sizes().slice(0, static_cast<std::size_t>(map.dim() - 2)));
  for (const std::int64_t size : {rows, std::int64_t{2}, columns, std::int64_t{2}})
    sizes.push_back(size);
  return even.reshape(sizes);
}

} // namespace

Status check_statistics(const AttentionStatisticsRequest& request) {
  const auto wrong = [](const char* what, const char* field) {
    return make_error(ErrorCode::invalid_argument, what, {}, std::string("statistics.") + field);
  };
  if (!request.done) return wrong("nobody receives the statistics", "done");
  if (request.distances.size() > kernels::max_distances) return wrong("at most 16 stripes in one run", "distances");
  for (const std::int64_t distance : request.distances)
    if (distance < 0) return wrong("must not be negative", "distances");
  if (request.spans.size() > kernels::max_spans) return wrong("at most 16 spans in one run", "spans");
  for (const kernels::KeySpan& span : request.spans)
    if (span.begin < 0 || span.begin > span.end) return wrong("must begin at 0 or later and end after that", "spans");
  if (request.top_k < 0 || request.top_k > kernels::max_top_k) return wrong("must be from 0 to 16", "top_k");
  if (request.pool_block < 0 || request.pool_block % kernels::pool_unit != 0)
    return wrong("must be a multiple of 64", "pool_block");
  return {};
}

at::Tensor run_with_statistics(const AttentionBackend& backend, const AttentionInput& input,
                               const AttentionStatisticsRequest& request) {
  at::Tensor z;
  // The kernels compute the default pattern; that of another backend must come from that backend.
  std::optional<AttentionStatistics> statistics;
  if (&backend == &default_attention()) statistics = by_kernels(input, request, z);
  if (statistics) {
    if (!z.defined()) z = backend.run(input);
  } else {
    TileStatistics tiles(input, request);
    AttentionObserver observer;
    observer.tile = [&](const PatternTile& tile) {
      tiles.add(tile);
      if (input.observer && input.observer->tile) input.observer->tile(tile);
    };
    AttentionInput observed = input;
    observed.observer = &observer;
    z = backend.run(observed);
    statistics = tiles.finish();
  }
  statistics->layer = input.layer;
  if (statistics->key_sum.defined()) statistics->sink_mass = statistics->key_sum / seen_by(input, statistics->key_sum);
  request.done(*statistics);
  return z;
}

at::Tensor coarser_sum(const at::Tensor& pool_sum) { return in_pairs(pool_sum).sum(at::IntArrayRef{-3, -1}); }
at::Tensor coarser_max(const at::Tensor& pool_max) { return in_pairs(pool_max).amax(at::IntArrayRef{-3, -1}); }

} // namespace headscope
