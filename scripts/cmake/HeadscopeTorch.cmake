# SPDX-License-Identifier: GPL-3.0-or-later
# LibTorch from the PyPI wheel, imported by hand: only c10 and torch_cpu are linked, so neither a CUDA
# toolkit nor a GPU is needed to build or start. CUDA support is a module opened at run time.

if(NOT EXISTS "${HEADSCOPE_TORCH_ROOT}/lib/libtorch_cpu.so")
  message(FATAL_ERROR "LibTorch is not in ${HEADSCOPE_TORCH_ROOT}. Run scripts/bootstrap, or set HEADSCOPE_TORCH_ROOT.")
endif()

add_library(headscope_torch INTERFACE)
# -idirafter: torch ships its own fmt and other headers, which must never shadow the system's.
target_compile_options(headscope_torch INTERFACE
  "SHELL:-idirafter ${HEADSCOPE_TORCH_ROOT}/include"
  "SHELL:-idirafter ${HEADSCOPE_TORCH_ROOT}/include/torch/csrc/api/include")
target_link_libraries(headscope_torch INTERFACE
  "${HEADSCOPE_TORCH_ROOT}/lib/libtorch_cpu.so" "${HEADSCOPE_TORCH_ROOT}/lib/libc10.so")
# libtorch_cpu.so depends on libcudart and others through its own RPATH; they are not ours to resolve.
target_link_options(headscope_torch INTERFACE -Wl,--allow-shlib-undefined)
