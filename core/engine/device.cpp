// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/engine/device.h"

#include <charconv>
#include <filesystem>
#include <mutex>

#include <ATen/ATen.h>
#include <ATen/Context.h>
#include <c10/core/impl/DeviceGuardImplInterface.h>
#include <c10/core/impl/VirtualGuardImpl.h>
#include <dlfcn.h>

#include "core/model/guard.h"

namespace headscope {
namespace {

namespace fs = std::filesystem;

// The folder that libtorch_cpu.so was loaded from: its CUDA library lies beside it.
fs::path torch_folder() {
  Dl_info info{};
  if (dladdr(reinterpret_cast<const void*>(&at::globalContext), &info) && info.dli_fname)
    return fs::path(info.dli_fname).parent_path();
  return {};
}

struct CudaLibrary {
  bool opened = false;
  std::string why_not;
};

CudaLibrary open_library() {
  CudaLibrary library;
  const fs::path beside = torch_folder() / "libtorch_cuda.so";
  std::error_code error;
  const std::string path = fs::exists(beside, error) ? beside.string() : "libtorch_cuda.so";
  library.opened = dlopen(path.c_str(), RTLD_NOW | RTLD_GLOBAL) != nullptr;
  if (!library.opened) {
    const char* reason = dlerror();
    library.why_not = reason ? reason : "unknown reason";
  }
  return library;
}

// Opens the library at most once per process: what it registers with torch cannot be undone.
const CudaLibrary& cuda_library() {
  static std::once_flag once;
  static CudaLibrary library;
  std::call_once(once, [] { library = open_library(); });
  return library;
}

int cuda_device_count() {
  const auto* guard = c10::impl::device_guard_impl_registry[static_cast<std::size_t>(c10::DeviceType::CUDA)].load();
  return guard ? guard->deviceCount() : 0;
}

Result<at::Device> open_cuda(const std::string& name, int index) {
  if (!cuda_library().opened)
    return make_error(ErrorCode::device,
                      "LibTorch's CUDA library cannot be opened (" + cuda_library().why_not +
                          "); on a machine with a GPU run scripts/bootstrap, or use --device cpu",
                      {}, name);
  const int count = cuda_device_count();
  if (count == 0)
    return make_error(ErrorCode::device, "there is no GPU or no driver on this machine; use --device cpu", {}, name);
  if (index >= count)
    return make_error(ErrorCode::device, "there are GPUs 0 to " + std::to_string(count - 1), {}, name);
  return at::Device(at::kCUDA, static_cast<at::DeviceIndex>(index));
}

} // namespace

Result<at::Device> open_device(const std::string& name) {
  if (name == "cpu") return at::Device(at::kCPU);
  int index = 0;
  const bool numbered = name.rfind("cuda:", 0) == 0;
  if (numbered) {
    const char* end = name.data() + name.size();
    const auto parsed = std::from_chars(name.data() + 5, end, index);
    if (parsed.ec != std::errc{} || parsed.ptr != end || index < 0 || index > 127) index = -1;
  }
  if ((name != "cuda" && !numbered) || index < 0)
    return make_error(ErrorCode::invalid_argument, "is no device; use cpu, cuda or cuda:N", {}, name);
  return guarded("opening the GPU", [&] { return open_cuda(name, index); });
}

at::Tensor queued_copy(const at::Tensor& x, const at::Device& device) {
  return x.to(device, x.scalar_type(), /*non_blocking=*/true);
}

QueuedRead::QueuedRead(const at::Tensor& x) : copy_(x) {
  if (x.is_cpu()) return;
  copy_ = at::empty(x.sizes(), x.options().device(at::kCPU).pinned_memory(true));
  copy_.copy_(x, /*non_blocking=*/true);
  const c10::impl::VirtualGuardImpl guard(x.device().type());
  arrived_.emplace(x.device().type());
  arrived_->record(guard.getStream(x.device()));
}

at::Tensor QueuedRead::wait() {
  if (arrived_) arrived_->synchronize();
  return copy_;
}

std::string describe_cuda() {
  if (!cuda_library().opened) return "CPU only: " + cuda_library().why_not;
  const int count = cuda_device_count();
  return count == 0 ? "CPU only: no GPU or no driver"
                    : "CUDA: " + std::to_string(count) + " GPU" + (count > 1 ? "s" : "");
}

} // namespace headscope
