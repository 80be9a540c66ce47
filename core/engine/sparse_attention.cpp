// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/engine/sparse_attention.h"

#include <algorithm>
#include <memory>

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include "core/engine/in_parallel.h"
#include "core/engine/kernel_problem.h"
#include "kernels/cpu/block_choice.h"
#include "kernels/cpu/hip_keys.h"
#include "kernels/cpu/sparse_attention.h"

namespace headscope {
namespace {

constexpr std::int64_t pieces_at_once = 4; // that a thread takes: they differ in cost, so few
constexpr std::int64_t streaming_block = 128;

bool wants_gradient(const SparseAttentionInput& in) {
  return c10::GradMode::is_enabled() && (in.q.requires_grad() || in.k.requires_grad() || in.v.requires_grad());
}

// Whether the kernels can read these at all; what a GPU needs besides, its module says.
bool readable(const SparseAttentionInput& in) {
  const bool same = in.k.scalar_type() == in.q.scalar_type() && in.v.scalar_type() == in.q.scalar_type();
  return same && element_of(in.q.scalar_type()) && !wants_gradient(in) && (in.q.is_cpu() || in.q.is_cuda());
}

// The kernels have the heads behind the positions.
at::Tensor positions_first(const at::Tensor& x) { return x.transpose(1, 2); }

KernelScores scores_of(const SparseAttentionInput& in) {
  return {positions_first(in.q),
          positions_first(in.k),
          {in.scale, in.softcap.value_or(0.0), in.window.value_or(0), in.query_offset},
          in.key_begin};
}

// The kernels' problem, with the tensors that its pointers refer to.
struct Job {
  Job(const SparseAttentionInput& in, const VisitedKeys& keys)
      : scores(scores_of(in)), v(aligned(positions_first(in.v.detach()))) {
    problem.per_slot = in.per_slot;
    problem.scores = scores.problem;
    problem.v = v.const_data_ptr(), problem.v_strides = {v.stride(0), v.stride(1), v.stride(2)};
    set_keys(keys);
  }

  void set_keys(const VisitedKeys& keys) {
    runs = keys.runs.contiguous(), first = keys.first.contiguous(), last = keys.last.contiguous();
    problem.sinks = keys.sinks, problem.window = keys.window;
    kernels::KeyRuns& to = problem.keys;
    to.runs = reinterpret_cast<const kernels::KeyRun*>(runs.const_data_ptr<std::int32_t>());
    to.first = first.const_data_ptr<std::int64_t>(), to.last = last.const_data_ptr<std::int64_t>();
    to.block_q = keys.block_q;
    to.head_step = first.size(1) > 1 ? first.size(2) : 0;
    to.row_step = first.size(0) > 1 ? first.size(1) * first.size(2) : 0;
    if (keys.order.defined()) set_order(keys.order);
  }

  void set_order(const at::Tensor& places) {
    order = places.contiguous();
    kernels::QueryOrder& to = problem.order;
    to.list = order.const_data_ptr<std::int32_t>();
    to.places = order.size(2);
    to.head_step = order.size(1) > 1 ? order.size(2) : 0;
    to.row_step = order.size(0) > 1 ? order.size(1) * order.size(2) : 0;
  }

  KernelScores scores;
  at::Tensor v, runs, first, last, order;
  kernels::SparseProblem problem;
};

} // namespace

std::optional<SparseAttentionOutput> sparse_attention(const SparseAttentionInput& in, const VisitedKeys& keys) {
  if (!readable(in)) return std::nullopt;
  const Job job(in, keys);
  const kernels::AttentionProblem& p = job.problem.scores;
  const auto options = in.q.options().requires_grad(false);
  // Several queries of a slot are mixed next, a head at a time.
  const bool by_head = in.per_slot > 1;
  const at::Tensor room = by_head ? at::empty({p.batch, p.heads, p.queries, p.d_head}, options)
                                  : at::empty({p.batch, p.queries, p.heads, p.d_head}, options);
  const at::Tensor z = by_head ? positions_first(room) : room; // [batch, query, head, d_head]
  SparseAttentionOutput result{z.transpose(1, 2), at::empty({p.batch, p.heads, p.queries}, options.dtype(at::kFloat))};
  const kernels::SparseOutput out{
      z.mutable_data_ptr(), {z.stride(0), z.stride(1), z.stride(2)}, result.log_sum_exp.mutable_data_ptr<float>()};
  if (in.q.is_cpu()) {
    in_parallel(job.problem.pieces(), pieces_at_once,
                [&](std::int64_t begin, std::int64_t end) { kernels::sparse_attention(job.problem, out, begin, end); });
    return result;
  }
  const bool done = on_gpu(in.q, "attention over chosen keys goes", [&](const auto& module, void* stream) {
    return module.can_run_sparse(job.problem, out) ? std::optional(module.sparse_attention(job.problem, out, stream))
                                                   : std::nullopt;
  });
  return done ? std::optional(result) : std::nullopt;
}

std::optional<VisitedKeys> hip_keys(const SparseAttentionInput& in, const kernels::HipOptions& options,
                                    AttentionCost* cost) {
  if (!readable(in) || !in.key_begin.empty()) return std::nullopt;
  const KernelScores scores = scores_of(in);
  const kernels::AttentionProblem& p = scores.problem;
  const std::int64_t blocks = kernels::blocks_of(p.queries, options.block_q);
  const auto integers = in.q.options().requires_grad(false).dtype(at::kLong);
  VisitedKeys keys;
  keys.block_q = options.block_q;
  const at::Tensor scored = cost ? at::zeros({p.batch, p.heads, blocks}, integers) : at::Tensor{};
  keys.first = at::empty({p.batch, p.heads, blocks}, integers), keys.last = at::empty_like(keys.first);
  keys.runs = at::empty({p.batch * p.heads * blocks * options.most_runs(), 2}, integers.dtype(at::kInt));
  const kernels::HipKeys out{reinterpret_cast<kernels::KeyRun*>(keys.runs.mutable_data_ptr<std::int32_t>()),
                             keys.first.mutable_data_ptr<std::int64_t>(), keys.last.mutable_data_ptr<std::int64_t>(),
                             cost ? scored.mutable_data_ptr<std::int64_t>() : nullptr};
  bool done = in.q.is_cpu();
  if (done)
    in_parallel(p.batch * p.heads * blocks, pieces_at_once,
                [&](std::int64_t begin, std::int64_t end) { kernels::hip_keys(p, options, out, begin, end); });
  else
    done = on_gpu(in.q, "HiP's choice of keys goes", [&](const auto& module, void* stream) {
      return module.can_run_hip(p, options) ? std::optional(module.hip_keys(p, options, out, stream)) : std::nullopt;
    });
  if (!done) return std::nullopt;
  if (cost) {
    const auto sum = scored.sum().item<std::int64_t>();
    cost->scored += sum;
    cost->bytes += sum * p.d_head * in.k.element_size();
  }
  return keys;
}

at::Tensor choose_blocks(const at::Tensor& scores, kernels::BlockScores options) {
  const at::Tensor read = (element_of(scores.scalar_type()) ? scores : scores.to(at::kFloat)).detach().contiguous();
  options.scores = read.const_data_ptr(), options.element = *element_of(read.scalar_type());
  options.heads = read.size(0), options.queries = read.size(1), options.blocks = read.size(2);
  const auto integers = read.options().dtype(at::kLong);
  at::Tensor out = at::empty({options.heads, options.queries, options.choices}, integers);
  const auto choose = [&](std::int64_t* to) {
    in_parallel(options.heads * options.queries, 1024,
                [&](std::int64_t begin, std::int64_t end) { kernels::choose_blocks(options, to, begin, end); });
  };
  const bool done =
      read.is_cuda() && on_gpu(read, "the choice of blocks goes", [&](const auto& module, void* stream) {
        return module.can_choose_blocks(options)
                   ? std::optional(module.choose_blocks(options, out.mutable_data_ptr<std::int64_t>(), stream))
                   : std::nullopt;
      });
  if (done) return out;
  const at::Tensor host = read.cpu();
  at::Tensor chosen = at::empty(out.sizes(), at::kLong);
  options.scores = host.const_data_ptr();
  choose(chosen.mutable_data_ptr<std::int64_t>());
  return chosen.to(out.device());
}

VisitedKeys visited_keys(const std::vector<std::vector<kernels::KeyRun>>& runs, std::int64_t block_q,
                         at::Device device) {
  std::vector<std::int32_t> flat;
  std::vector<std::int64_t> offset = {0};
  for (const auto& block : runs) {
    for (const kernels::KeyRun& run : block)
      flat.insert(flat.end(), {run.begin, run.end});
    offset.push_back(std::ssize(flat) / 2);
  }
  const auto blocks = std::ssize(runs);
  const at::Tensor offsets = at::tensor(offset, at::kLong).to(device).view({1, 1, -1});
  VisitedKeys keys;
  keys.runs = at::tensor(flat, at::kInt).view({offset.back(), 2}).to(device);
  keys.first = offsets.narrow(2, 0, blocks), keys.last = offsets.narrow(2, 1, blocks);
  keys.block_q = block_q;
  return keys;
}

VisitedKeys streaming_keys(std::int64_t queries, std::int64_t query_offset, std::int64_t sinks, std::int64_t window,
                           at::Device device) {
  std::vector<std::vector<kernels::KeyRun>> runs;
  for (std::int64_t begin = 0; begin < queries; begin += streaming_block) {
    const auto end = static_cast<std::int32_t>(query_offset + std::min(begin + streaming_block, queries));
    const auto recent = static_cast<std::int32_t>(std::max<std::int64_t>(0, query_offset + begin - window + 1));
    const auto first = static_cast<std::int32_t>(std::min<std::int64_t>(sinks, recent));
    runs.push_back({{0, first}, {recent, end}});
  }
  VisitedKeys keys = visited_keys(runs, streaming_block, device);
  keys.sinks = sinks, keys.window = window;
  return keys;
}

} // namespace headscope
