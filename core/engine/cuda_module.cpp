// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/engine/cuda_module.h"

#include <filesystem>

#include <dlfcn.h>

#include "core/base/log.h"

namespace headscope {
namespace {

namespace fs = std::filesystem;
constexpr const char* file = "libheadscope_cuda.so";

struct Opened {
  const kernels::cuda::Module* module = nullptr;
  CudaModuleState state;
};

std::string last_problem() {
  const char* text = dlerror();
  return text ? text : "it cannot be opened";
}

// Opens this file; returns false where it does not exist.
bool open_at(const fs::path& path, Opened& out) {
  std::error_code error;
  if (path.has_parent_path() && !fs::exists(path, error)) return false;
  void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  const std::string problem = library ? "" : last_problem();
  // A bare name is searched for in the system's folders; finding none there is not a problem.
  if (!library && !path.has_parent_path() && problem.find("No such file") != std::string::npos) return false;
  out.state = {CudaModuleState::Kind::refused, path.string(), problem};
  if (!library) return true;
  void* symbol = dlsym(library, kernels::cuda::module_symbol);
  if (!symbol) {
    out.state.reason = "it is no module of Headscope's";
    return true;
  }
  const auto* module = reinterpret_cast<kernels::cuda::ModuleFunction>(symbol)();
  if (module->version != kernels::cuda::module_version) {
    out.state.reason = "it is of version " + std::to_string(module->version) + ", this program needs " +
                       std::to_string(kernels::cuda::module_version) + "; build both from the same source";
    return true;
  }
  out = {module, {CudaModuleState::Kind::loaded, path.string(), {}}};
  return true;
}

Opened open_module() {
  std::error_code error;
  const fs::path folder = fs::read_symlink("/proc/self/exe", error).parent_path();
  Opened refused;
  for (const fs::path& path : {folder / file, folder.parent_path() / "lib" / file, fs::path(file)}) {
    Opened opened;
    if (!open_at(path, opened)) continue;
    if (opened.module) return opened;
    if (refused.state.file.empty()) refused = opened;
  }
  if (!refused.state.file.empty())
    log::warning(refused.state.file + " is not used: " + refused.state.reason +
                 ". Work on a GPU goes on without Headscope's own kernels, more slowly");
  return refused;
}

const Opened& opened() {
  static const Opened once = open_module();
  return once;
}

} // namespace

const kernels::cuda::Module* cuda_module() { return opened().module; }

const CudaModuleState& cuda_module_state() { return opened().state; }

} // namespace headscope
