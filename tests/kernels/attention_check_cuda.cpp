// SPDX-License-Identifier: GPL-3.0-or-later
// cuda_attention_check: the table of shapes of attention_test.cpp on the GPU, against the double reference; each shape
// runs three times, with the bound of the first pass for its largest weights, with that of the pass for it alone, and
// with none, and must give the same bits. Exits with 1 where an
// error is too large or the two runs differ, with 2 without a GPU.
#include <cstdlib>
#include <cstring>

#include "kernels/cpu/attention_statistics.h"
#include "kernels/cuda/attention_statistics.h"
#include "tests/kernels/attention_cases.h"
#include "tests/kernels/device_memory.h"

namespace headscope::kernels {
namespace {

using namespace attention_cases;

constexpr double float32_tolerance = 1e-5, half_tolerance = 1e-3;

enum class Bound { of_first_pass, alone, none };

// Runs both passes on the GPU; starts from poisoned outputs.
void run_on_gpu(const Input& input, Bound which, Output& result) {
  const DeviceMemory q(input.q), k(input.k), key_begin(input.shape.key_begin);
  const DeviceMemory lse(result.lse), entropy(result.entropy), span_mass(result.span_mass),
      top_weight(result.top_weight), bound(result.lse), pool_max(result.pool_max), key_sum(result.key_sum),
      stripe(result.stripe), pool_sum(result.pool_sum), top_key(result.top_key);
  AttentionProblem problem = input.problem;
  problem.q = q.as<void>(), problem.k = k.as<void>();
  problem.key_begin = input.shape.key_begin.empty() ? nullptr : key_begin.as<std::int64_t>();
  AttentionStatistics out = result.pointers(input);
  out.key_sum = key_sum.as<double>(), out.entropy = entropy.as<float>(), out.stripe = stripe.as<double>();
  out.span_mass = span_mass.as<float>(), out.top_key = top_key.as<std::int32_t>();
  out.top_weight = top_weight.as<float>();
  out.pool_sum = pool_sum.as<double>(), out.pool_max = pool_max.as<float>();
  require(cuda::attention_lse(problem, lse.as<float>(), bound.as<float>(), out.top_k, nullptr), "log-sum-exp");
  if (which == Bound::alone) require(cuda::attention_bound(problem, bound.as<float>(), out.top_k, nullptr), "bound");
  require(cuda::attention_statistics(problem, lse.as<float>(), which == Bound::none ? nullptr : bound.as<float>(), out,
                                     nullptr),
          "statistics");
  require(cudaDeviceSynchronize(), "run");
  lse.copy_to(result.lse), entropy.copy_to(result.entropy), span_mass.copy_to(result.span_mass);
  top_weight.copy_to(result.top_weight), pool_max.copy_to(result.pool_max), key_sum.copy_to(result.key_sum);
  stripe.copy_to(result.stripe), pool_sum.copy_to(result.pool_sum), top_key.copy_to(result.top_key);
}

template <typename T> bool same_bits(const std::vector<T>& a, const std::vector<T>& b) {
  return std::memcmp(a.data(), b.data(), sizeof(T) * a.size()) == 0;
}

bool same(const Output& a, const Output& b) {
  return same_bits(a.lse, b.lse) && same_bits(a.key_sum, b.key_sum) && same_bits(a.entropy, b.entropy) &&
         same_bits(a.stripe, b.stripe) && same_bits(a.span_mass, b.span_mass) && same_bits(a.top_key, b.top_key) &&
         same_bits(a.top_weight, b.top_weight) && same_bits(a.pool_sum, b.pool_sum) &&
         same_bits(a.pool_max, b.pool_max);
}

bool check(const Case& shape, Element element) {
  Input input = make_input(shape, element);
  attach(input);
  Output truth(input), first(input), second(input), third(input);
  attention_statistics_reference(input.problem, truth.pointers(input), 0, shape.batch * shape.heads);
  run_on_gpu(input, Bound::of_first_pass, first);
  run_on_gpu(input, Bound::alone, second); // the bound makes it faster, and no other
  run_on_gpu(input, Bound::none, third);
  const Errors errors = compare(first, truth, shape.top_k);
  print(shape, element, errors);
  const bool repeats = same(first, second) && same(first, third);
  if (!repeats) std::printf("  runs differ\n");
  const double tolerance = element == Element::f32 ? float32_tolerance : half_tolerance;
  return repeats && errors.top_keys == 0 && errors.largest() < tolerance;
}

} // namespace
} // namespace headscope::kernels

// With a number, runs only the shapes of fewer queries, since compute-sanitizer takes a hundred times as long.
int main(int argc, char** argv) {
  using namespace headscope::kernels;
  const std::int64_t most = argc > 1 ? std::atoll(argv[1]) : std::int64_t{1} << 40;
  print_device();
  attention_cases::print_header();
  bool good = true;
  for (const attention_cases::Case& shape : attention_cases::table())
    for (const Element element : {Element::f32, Element::bf16, Element::f16})
      if (shape.queries < most) good = check(shape, element) && good;
  std::printf(good ? "all within tolerance\n" : "WRONG\n");
  return good ? 0 : 1;
}
