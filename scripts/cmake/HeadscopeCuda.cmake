# SPDX-License-Identifier: GPL-3.0-or-later
# CUDA is used by one module (libheadscope_cuda.so) that is opened at run time when a GPU is asked for.
if(NOT DEFINED CMAKE_CUDA_ARCHITECTURES)
  set(CMAKE_CUDA_ARCHITECTURES 80-real 90-real 90-virtual)
endif()
enable_language(CUDA)
find_package(CUDAToolkit 13.0 REQUIRED)
set(CMAKE_CUDA_STANDARD 17) # CMake 3.25 knows no CUDA C++20 for this compiler
set(CMAKE_CUDA_STANDARD_REQUIRED ON)
