// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/methods/bench/measure.h"

#include <algorithm>
#include <chrono>
#include <fstream>
#include <vector>

#include <ATen/Parallel.h>
#include <c10/core/CachingDeviceAllocator.h>
#include <c10/core/impl/VirtualGuardImpl.h>
#include <dlfcn.h>
#include <malloc.h>

namespace headscope::methods {
namespace {

constexpr double long_seconds = 3.0;
constexpr int timed_runs = 3;

// A field of /proc/self/status in bytes; 0 where there is none.
std::int64_t process_bytes(const std::string& field) {
  std::ifstream status("/proc/self/status");
  for (std::string word; status >> word;)
    if (word == field + ":") {
      std::int64_t kib = 0;
      status >> kib;
      return kib * 1024;
    }
  return 0;
}

class PeakMemory {
public:
  explicit PeakMemory(const at::Device& device) : device_(device) {
    if (device_.is_cuda()) {
      c10::getDeviceAllocator(device_.type())->resetPeakStats(device_.index());
      before_ = stats().current;
      return;
    }
    malloc_trim(0); // freed memory that the process keeps would hide what the work needs
    std::ofstream("/proc/self/clear_refs") << "5";
    before_ = process_bytes("VmRSS");
  }
  std::int64_t above() const {
    return std::max<std::int64_t>(0, (device_.is_cuda() ? stats().peak : process_bytes("VmHWM")) - before_);
  }

private:
  c10::CachingAllocator::Stat stats() const {
    return c10::getDeviceAllocator(device_.type())->getDeviceStats(device_.index()).allocated_bytes[0];
  }

  at::Device device_;
  std::int64_t before_ = 0;
};

void wait_for(const at::Device& device) {
  if (device.is_cuda()) c10::impl::VirtualGuardImpl(device.type()).synchronizeDevice(device.index());
}

// LibTorch's CUDA library has opened the driver already; nothing here is linked to it.
std::string gpu_name(int index) {
  char name[128] = "CUDA device";
  void* driver = dlopen("libcuda.so.1", RTLD_LAZY | RTLD_NOLOAD);
  if (!driver) return name;
  if (auto* get = reinterpret_cast<int (*)(char*, int, int)>(dlsym(driver, "cuDeviceGetName")))
    get(name, static_cast<int>(sizeof name), index);
  dlclose(driver);
  return name;
}

std::string cpu_name() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);)
    if (line.rfind("model name", 0) == 0 && line.find(": ") != std::string::npos)
      return line.substr(line.find(": ") + 2);
  return "CPU";
}

} // namespace

Result<Measured> measure_once(const at::Device& device, const std::function<Status()>& work) {
  wait_for(device);
  const PeakMemory memory(device);
  const auto begin = std::chrono::steady_clock::now();
  HS_TRY(work());
  wait_for(device);
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  return Measured{seconds, memory.above()};
}

Result<Measured> measure(const at::Device& device, const std::function<Status()>& work) {
  HS_ASSIGN(Measured measured, measure_once(device, work));
  if (measured.seconds > long_seconds) return measured;
  std::vector<double> seconds; // the first run is not counted, since thread pools and kernels start in it
  for (int i = 0; i < timed_runs; ++i) {
    HS_ASSIGN(const Measured again, measure_once(device, work));
    seconds.push_back(again.seconds);
    measured.memory_bytes = std::max(measured.memory_bytes, again.memory_bytes);
  }
  std::nth_element(seconds.begin(), seconds.begin() + timed_runs / 2, seconds.end());
  measured.seconds = seconds[timed_runs / 2];
  return measured;
}

std::string device_name(const at::Device& device) {
  if (device.is_cuda()) return gpu_name(device.index());
  const int threads = at::get_num_threads();
  return cpu_name() + ", " + std::to_string(threads) + (threads == 1 ? " thread" : " threads");
}

} // namespace headscope::methods
