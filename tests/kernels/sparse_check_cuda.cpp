// SPDX-License-Identifier: GPL-3.0-or-later
// cuda_sparse_check: sparse attention, HiP's choice of keys and the choice of blocks on the GPU, against the double
// references, over the shapes of the tests on the CPU; each twice, with the same bits. Exits with 1 where something is
// wrong, with 2 without a GPU.
#include <cstdlib>
#include <cstring>

#include "kernels/cpu/hip_keys.h"
#include "kernels/cpu/sparse_attention.h"
#include "kernels/cuda/block_choice.h"
#include "kernels/cuda/sparse_attention.h"
#include "tests/kernels/block_choice_cases.h"
#include "tests/kernels/device_memory.h"
#include "tests/kernels/hip_cases.h"
#include "tests/kernels/sparse_cases.h"

namespace headscope::kernels {
namespace {

const char* name_of(Element element) {
  return element == Element::f32 ? "f32" : element == Element::bf16 ? "bf16" : "f16";
}

// A weight is rounded to the element type before it multiplies v, and so is z: half a unit in the last of 8 or 11 bits
// each. Sums are in float32. float16 weights below 2^-14 lose more: 2^-25 each, of at most some thousand keys.
sparse_cases::Tolerance tolerance_of(Element element) {
  if (element == Element::f32) return {0.0, 1e-5};
  const double unit = element == Element::bf16 ? 0x1p-8 : 0x1p-11;
  return {unit, unit + (element == Element::f16 ? 1e-4 : 1e-5)};
}

void run_on_gpu(const sparse_cases::Input& input, sparse_cases::Output& result) {
  const DeviceMemory q(input.qk.q), k(input.qk.k), v(input.v), key_begin(input.c.shape.key_begin), runs(input.runs),
      first(input.first), last(input.last), order(input.order), z(result.z), lse(result.lse);
  SparseProblem problem = input.problem;
  problem.scores.q = q.as<void>(), problem.scores.k = k.as<void>(), problem.v = v.as<void>();
  problem.scores.key_begin = input.c.shape.key_begin.empty() ? nullptr : key_begin.as<std::int64_t>();
  problem.keys.runs = runs.as<KeyRun>();
  if (input.c.scattered) problem.order.list = order.as<std::int32_t>();
  problem.keys.first = first.as<std::int64_t>(), problem.keys.last = last.as<std::int64_t>();
  require(cuda::sparse_attention(problem, {z.as<void>(), result.strides, lse.as<float>()}, nullptr), "attention");
  require(cudaDeviceSynchronize(), "run");
  z.copy_to(result.z), lse.copy_to(result.lse);
}

bool check(const sparse_cases::Case& c, Element element) {
  using namespace sparse_cases;
  Input wide(c, element);
  make_wide(wide, false);
  Output truth(wide.problem);
  sparse_attention_reference(wide.problem, truth.pointers(), 0, wide.problem.pieces());
  make_wide(wide, true);
  Output sizes(wide.problem);
  sparse_attention_reference(wide.problem, sizes.pointers(), 0, wide.problem.pieces());
  const Input input(c, element);
  Output got(input.problem), again(input.problem);
  run_on_gpu(input, got);
  run_on_gpu(input, again);
  const Errors errors = compare(got, truth, sizes, input.problem.scores, tolerance_of(element));
  const bool repeats = got.z == again.z && got.lse == again.lse;
  const bool good = errors.z <= 1.0 && errors.lse < 1e-5 && repeats;
  std::printf("%-40s %-5s z %6.3f of what it may be, lse %8.1e%s%s\n", c.shape.name, name_of(element), errors.z,
              errors.lse, repeats ? "" : ", runs differ", good ? "" : "  WRONG");
  return good;
}

bool check(const hip_cases::Case& c, Element element) {
  using namespace hip_cases;
  const Input input(c, element);
  const AttentionProblem& p = input.qk.problem;
  Chosen truth(c, p), got(c, p);
  hip_keys_reference(p, c.options, truth.pointers(), 0, std::ssize(truth.first));
  const DeviceMemory q(input.qk.q), k(input.qk.k), runs(got.runs), first(got.first), last(got.last);
  AttentionProblem problem = p;
  problem.q = q.as<void>(), problem.k = k.as<void>();
  const HipKeys out{runs.as<KeyRun>(), first.as<std::int64_t>(), last.as<std::int64_t>()};
  require(cuda::hip_keys(problem, c.options, out, nullptr), "HiP");
  require(cudaDeviceSynchronize(), "run");
  runs.copy_to(got.runs), first.copy_to(got.first), last.copy_to(got.last);
  int wrong = 0;
  for (std::size_t block = 0; block < truth.first.size(); ++block)
    wrong += got.of(block) != truth.of(block) ? 1 : 0;
  std::printf("%-40s %-5s %d of %d blocks WRONG\n", c.shape.name, name_of(element), wrong,
              static_cast<int>(truth.first.size()));
  return wrong == 0;
}

bool check(const block_choice_cases::Case& c, Element element) {
  const block_choice_cases::Input input(c, element);
  const std::vector<std::int64_t> truth = block_choice_cases::chosen_plainly(c);
  std::vector<std::int64_t> got(truth.size(), -77);
  const DeviceMemory scores(input.bytes), out(got);
  BlockScores problem = input.problem;
  problem.scores = scores.as<void>();
  require(cuda::choose_blocks(problem, out.as<std::int64_t>(), nullptr), "choice of blocks");
  require(cudaDeviceSynchronize(), "run");
  out.copy_to(got);
  std::printf("%-40s %-5s blocks chosen %s\n", c.name, name_of(element), got == truth ? "rightly" : "WRONG");
  return got == truth;
}

} // namespace
} // namespace headscope::kernels

// With a number, runs only the shapes of fewer queries, since compute-sanitizer takes a hundred times as long.
int main(int argc, char** argv) {
  using namespace headscope::kernels;
  const std::int64_t most = argc > 1 ? std::atoll(argv[1]) : std::int64_t{1} << 40;
  print_device();
  bool good = true;
  for (const Element element : {Element::f32, Element::bf16, Element::f16}) {
    for (const sparse_cases::Case& c : sparse_cases::table())
      if (c.shape.queries < most) good = check(c, element) && good;
    for (const hip_cases::Case& c : hip_cases::table())
      if (c.shape.queries < most) good = check(c, element) && good;
    for (const block_choice_cases::Case& c : block_choice_cases::table())
      if (c.queries < most) good = check(c, element) && good;
  }
  std::printf(good ? "all within tolerance\n" : "WRONG\n");
  return good ? 0 : 1;
}
