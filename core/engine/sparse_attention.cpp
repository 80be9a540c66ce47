// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/engine/sparse_attention.h"

#include <algorithm>
#include <memory>

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include "core/base/log.h"
#include "core/engine/cuda_module.h"
#include "core/engine/in_parallel.h"
#include "kernels/cpu/hip_keys.h"
#include "kernels/cpu/sparse_attention.h"

namespace headscope {
namespace {

constexpr std::int64_t pieces_at_once = 4; // that a thread takes: they differ in cost, so few
constexpr std::int64_t streaming_block = 128;

std::optional<kernels::Element> element_of(at::ScalarType type) {
  if (type == at::kFloat) return kernels::Element::f32;
  if (type == at::kBFloat16) return kernels::Element::bf16;
  if (type == at::kHalf) return kernels::Element::f16;
  return std::nullopt;
}

bool wants_gradient(const SparseAttentionInput& in) {
  return c10::GradMode::is_enabled() && (in.q.requires_grad() || in.k.requires_grad() || in.v.requires_grad());
}

// Whether the kernels can read these at all; what a GPU needs besides, its module says.
bool readable(const SparseAttentionInput& in) {
  const bool same = in.k.scalar_type() == in.q.scalar_type() && in.v.scalar_type() == in.q.scalar_type();
  return same && element_of(in.q.scalar_type()) && !wants_gradient(in) && (in.q.is_cpu() || in.q.is_cuda());
}

// [batch, head, pos, d_head] as the kernels need it: last axis contiguous, everything at multiples of 16 bytes.
at::Tensor aligned(const at::Tensor& x) {
  const std::int64_t per_step = 16 / static_cast<std::int64_t>(x.element_size());
  const bool whole = x.stride(0) % per_step == 0 && x.stride(1) % per_step == 0 && x.stride(2) % per_step == 0 &&
                     reinterpret_cast<std::uintptr_t>(x.const_data_ptr()) % 16 == 0;
  return x.stride(3) == 1 && whole ? x : x.contiguous();
}

kernels::HeadStrides strides_of(const at::Tensor& x) { return {x.stride(0), x.stride(2), x.stride(1)}; }

// The kernels' problem, with the tensors that its pointers refer to.
struct Job {
  explicit Job(const SparseAttentionInput& in) : q(aligned(in.q.detach())), k(aligned(in.k.detach())) {
    kernels::AttentionProblem& p = problem.scores;
    p.q = q.const_data_ptr(), p.k = k.const_data_ptr();
    p.q_strides = strides_of(q), p.k_strides = strides_of(k);
    p.element = *element_of(q.scalar_type());
    p.batch = q.size(0), p.heads = q.size(1), p.kv_heads = k.size(1), p.d_head = q.size(3);
    p.queries = q.size(2), p.keys = k.size(2);
    p.variant.scale = in.scale;
    p.variant.softcap = in.softcap.value_or(0.0);
    p.variant.window = in.window.value_or(0);
    p.variant.query_offset = in.query_offset;
    if (in.key_begin.empty()) return;
    key_begin = at::tensor(in.key_begin, at::kLong).to(q.device());
    p.key_begin = key_begin.const_data_ptr<std::int64_t>();
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
  }

  at::Tensor q, k, v, key_begin, runs, first, last;
  kernels::SparseProblem problem;
};

// Calls work(module, stream) on the GPU of x, which returns an error number, or nullopt where the module has no kernel.
// Returns whether it was done.
template <typename Work> bool on_gpu(const at::Tensor& x, const char* what, const Work& work) {
  const kernels::cuda::Module* module = cuda_module();
  if (!module) return false;
  const c10::impl::VirtualGuardImpl guard(x.device().type());
  void* const stream = guard.getStreamNativeHandle(guard.getStream(x.device()));
  std::optional<int> error = module->use_device(x.device().index());
  if (*error == 0) error = work(*module, stream);
  if (error.value_or(0) != 0)
    log::warning(std::string(what) + " goes a slower way, the GPU refused: " + module->describe(*error));
  return error == 0;
}

} // namespace

std::optional<SparseAttentionOutput> sparse_attention(const SparseAttentionInput& in, const VisitedKeys& keys) {
  if (!readable(in)) return std::nullopt;
  Job job(in);
  job.v = aligned(in.v.detach());
  job.problem.v = job.v.const_data_ptr(), job.problem.v_strides = strides_of(job.v);
  job.set_keys(keys);
  const kernels::AttentionProblem& p = job.problem.scores;
  const auto options = in.q.options().requires_grad(false);
  const at::Tensor z = at::empty({p.batch, p.queries, p.heads, p.d_head}, options);
  SparseAttentionOutput result{z.transpose(1, 2), at::empty({p.batch, p.heads, p.queries}, options.dtype(at::kFloat))};
  const kernels::SparseOutput out{
      z.mutable_data_ptr(), {z.stride(0), z.stride(1), z.stride(2)}, result.log_sum_exp.mutable_data_ptr<float>()};
  if (in.q.is_cpu()) {
    in_parallel(job.problem.pieces(), pieces_at_once,
                [&](std::int64_t begin, std::int64_t end) { kernels::sparse_attention(job.problem, out, begin, end); });
    return result;
  }
  const bool done = on_gpu(in.q, "attention over chosen keys", [&](const auto& module, void* stream) {
    return module.can_run_sparse(job.problem, out) ? std::optional(module.sparse_attention(job.problem, out, stream))
                                                   : std::nullopt;
  });
  return done ? std::optional(result) : std::nullopt;
}

std::optional<VisitedKeys> hip_keys(const SparseAttentionInput& in, const kernels::HipOptions& options) {
  if (!readable(in) || !in.key_begin.empty()) return std::nullopt;
  const Job job(in);
  const kernels::AttentionProblem& p = job.problem.scores;
  const std::int64_t blocks = kernels::blocks_of(p.queries, options.block_q);
  const auto integers = in.q.options().requires_grad(false).dtype(at::kLong);
  VisitedKeys keys;
  keys.block_q = options.block_q;
  keys.first = at::empty({p.batch, p.heads, blocks}, integers), keys.last = at::empty_like(keys.first);
  keys.runs = at::empty({p.batch * p.heads * blocks * options.most_runs(), 2}, integers.dtype(at::kInt));
  const kernels::HipKeys out{reinterpret_cast<kernels::KeyRun*>(keys.runs.mutable_data_ptr<std::int32_t>()),
                             keys.first.mutable_data_ptr<std::int64_t>(), keys.last.mutable_data_ptr<std::int64_t>()};
  if (in.q.is_cpu()) {
    in_parallel(p.batch * p.heads * blocks, pieces_at_once,
                [&](std::int64_t begin, std::int64_t end) { kernels::hip_keys(p, options, out, begin, end); });
    return keys;
  }
  const bool done = on_gpu(in.q, "HiP's choice of keys", [&](const auto& module, void* stream) {
    return module.can_run_hip(p, options) ? std::optional(module.hip_keys(p, options, out, stream)) : std::nullopt;
  });
  return done ? std::optional(keys) : std::nullopt;
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
