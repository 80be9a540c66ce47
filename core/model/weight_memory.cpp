// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/model/weight_memory.h"

#include <algorithm>
#include <cstdint>

#include <ATen/ATen.h>
#include <sys/mman.h>

namespace headscope {
namespace {

constexpr std::size_t huge_page = std::size_t{2} << 20;
// The size of a mapping, of which only what is written takes memory. It is small enough that weights which are folded
// and replaced, layer by layer, do not keep many others alive.
constexpr std::size_t mapping_bytes = std::size_t{32} << 20;
constexpr std::size_t alignment = 64;

std::size_t rounded_up(std::size_t bytes, std::size_t to) { return (bytes + to - 1) / to * to; }

} // namespace

struct WeightMemory::Mapping {
  explicit Mapping(std::size_t asked)
      : bytes(asked + huge_page),
        base(::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)) {
    TORCH_CHECK(base != MAP_FAILED, "not enough memory for ", asked, " bytes of weights");
    const auto address = reinterpret_cast<std::uintptr_t>(base);
    begin = static_cast<char*>(base) + (rounded_up(address, huge_page) - address);
    size = asked;
    ::madvise(begin, size, MADV_HUGEPAGE); // a kernel without them serves small pages
  }
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;
  ~Mapping() {
    if (base != MAP_FAILED) ::munmap(base, bytes);
  }

  std::size_t bytes;
  void* base;
  char* begin = nullptr; // at a huge page
  std::size_t size = 0;
};

at::Tensor WeightMemory::empty(at::IntArrayRef shape, at::ScalarType dtype) {
  const auto options = at::TensorOptions().dtype(dtype);
  const std::size_t bytes = static_cast<std::size_t>(c10::multiply_integers(shape)) * c10::elementSize(dtype);
  if (bytes == 0) return at::empty(shape, options);
  if (!mapping_ || mapping_->size - used_ < bytes) {
    mapping_ = std::make_shared<Mapping>(rounded_up(std::max(bytes, mapping_bytes), huge_page));
    used_ = 0;
  }
  char* begin = mapping_->begin + used_;
  used_ = std::min(mapping_->size, rounded_up(used_ + bytes, alignment));
  return at::from_blob(
      begin, shape, [mapping = mapping_](void*) {}, options);
}

} // namespace headscope
