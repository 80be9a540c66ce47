// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/batch/ranks.h"

#include <cstdlib>
#include <filesystem>
#include <utility>

#include <dlfcn.h>

#include "core/batch/mpi_module.h"

namespace headscope {
namespace {

namespace fs = std::filesystem;

int number_in_environment(const char* name, int otherwise) {
  const char* text = std::getenv(name);
  return text && *text ? std::atoi(text) : otherwise;
}

const mpi::Module* open_module() {
  std::error_code error;
  const fs::path folder = fs::read_symlink("/proc/self/exe", error).parent_path();
  for (const fs::path& path : {folder / mpi::module_file, folder.parent_path() / "lib" / mpi::module_file}) {
    if (!fs::exists(path, error)) continue;
    // Opens the library globally, since Open MPI's own plugins search the whole process for its symbols.
    void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_GLOBAL);
    void* symbol = library ? dlsym(library, mpi::module_symbol) : nullptr;
    if (!symbol) continue;
    const mpi::Module* module = reinterpret_cast<mpi::ModuleFunction>(symbol)();
    if (module->version == mpi::module_version) return module;
  }
  return nullptr;
}

Error failed(const char* what) { return make_error(ErrorCode::io, std::string("MPI failed to ") + what); }

} // namespace

Result<Ranks> Ranks::join() {
  Ranks ranks;
  if (number_in_environment("OMPI_COMM_WORLD_SIZE", 1) <= 1) return ranks;
  ranks.module_ = open_module();
  if (!ranks.module_)
    return make_error(ErrorCode::unsupported,
                      std::string("mpirun started several processes, but ") + mpi::module_file +
                          " is not beside this program (it is built where Open MPI is installed); use --shard I/N and "
                          "headscope merge instead");
  if (ranks.module_->start(&ranks.rank_, &ranks.size_) != 0) return failed("start");
  ranks.local_rank_ = number_in_environment("OMPI_COMM_WORLD_LOCAL_RANK", ranks.rank_);
  ranks.local_size_ = number_in_environment("OMPI_COMM_WORLD_LOCAL_SIZE", ranks.size_);
  return ranks;
}

Ranks::Ranks(Ranks&& other) noexcept
    : module_(std::exchange(other.module_, nullptr)), rank_(other.rank_), size_(other.size_),
      local_rank_(other.local_rank_), local_size_(other.local_size_) {}

Ranks::~Ranks() {
  if (module_) module_->stop();
}

Result<std::vector<std::string>> Ranks::gather(const std::string& bytes) const {
  if (!module_) return std::vector<std::string>{bytes};
  const char* all = nullptr;
  const std::int64_t* sizes = nullptr;
  if (module_->gather(bytes.data(), static_cast<std::int64_t>(bytes.size()), &all, &sizes) != 0)
    return failed("gather results");
  std::vector<std::string> out;
  for (int i = 0; rank_ == 0 && i < size_; ++i) {
    out.emplace_back(all, static_cast<std::size_t>(sizes[i]));
    all += sizes[i];
  }
  return out;
}

Result<std::string> Ranks::broadcast(const std::string& bytes) const {
  if (!module_) return bytes;
  const char* received = nullptr;
  std::int64_t size = 0;
  if (module_->broadcast(bytes.data(), static_cast<std::int64_t>(bytes.size()), &received, &size) != 0)
    return failed("send to all");
  return std::string(received, static_cast<std::size_t>(size));
}

Result<int> Ranks::largest(int value) const {
  int result = value;
  if (module_ && module_->largest(value, &result) != 0) return failed("compare");
  return result;
}

void Ranks::abort(int code) const {
  if (module_) module_->abort(code);
}

} // namespace headscope
