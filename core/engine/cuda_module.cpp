// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/engine/cuda_module.h"

#include <filesystem>

#include <dlfcn.h>

namespace headscope {
namespace {

namespace fs = std::filesystem;
constexpr const char* file = "libheadscope_cuda.so";

void* open_library() {
  std::error_code error;
  const fs::path folder = fs::read_symlink("/proc/self/exe", error).parent_path();
  for (const fs::path& path : {folder / file, folder.parent_path() / "lib" / file, fs::path(file)}) {
    if (path.has_parent_path() && !fs::exists(path, error)) continue;
    if (void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL)) return library;
  }
  return nullptr;
}

const kernels::cuda::Module* open_module() {
  void* library = open_library();
  void* symbol = library ? dlsym(library, kernels::cuda::module_symbol) : nullptr;
  if (!symbol) return nullptr;
  const auto* module = reinterpret_cast<kernels::cuda::ModuleFunction>(symbol)();
  return module->version == kernels::cuda::module_version ? module : nullptr;
}

} // namespace

const kernels::cuda::Module* cuda_module() {
  static const kernels::cuda::Module* const module = open_module();
  return module;
}

} // namespace headscope
