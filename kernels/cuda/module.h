// SPDX-License-Identifier: GPL-3.0-or-later
// What libheadscope_cuda.so offers to a program that opens it at run time. No CUDA header is needed to call it.
#pragma once

#include "kernels/cuda/attention_statistics.h"
#include "kernels/cuda/block_choice.h"
#include "kernels/cuda/elementwise.h"
#include "kernels/cuda/sparse_attention.h"

namespace headscope::kernels::cuda {

struct Module {
  int version; // of this struct
  int (*use_device)(int index);
  const char* (*describe)(int error);
  decltype(&kernels::cuda::can_run) can_run;
  decltype(&kernels::cuda::attention_lse) attention_lse;
  decltype(&kernels::cuda::attention_bound) attention_bound;
  decltype(&kernels::cuda::attention_statistics) attention_statistics;
  decltype(&kernels::cuda::rms_norm) rms_norm;
  decltype(&kernels::cuda::gated) gated;
  decltype(&kernels::cuda::rotary) rotary;
  decltype(&kernels::cuda::split_halves) split_halves;
  decltype(&kernels::cuda::split_activated) split_activated;
  decltype(&kernels::cuda::add_rows) add_rows;
  decltype(&kernels::cuda::can_run_sparse) can_run_sparse;
  decltype(&kernels::cuda::sparse_attention) sparse_attention;
  decltype(&kernels::cuda::can_run_hip) can_run_hip;
  decltype(&kernels::cuda::hip_keys) hip_keys;
  decltype(&kernels::cuda::can_choose_blocks) can_choose_blocks;
  decltype(&kernels::cuda::choose_blocks) choose_blocks;
};

constexpr int module_version = 5;

// The one symbol to look up: a function without arguments that returns the module.
constexpr const char* module_symbol = "headscope_cuda_module";
using ModuleFunction = const Module* (*)();

} // namespace headscope::kernels::cuda
