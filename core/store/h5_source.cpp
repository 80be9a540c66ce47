// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/store/h5_source.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <functional>
#include <iterator>
#include <new>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace headscope::store::h5 {

namespace {

// Reads zeros beyond the end of the file.
bool read_file(int fd, std::uint64_t address, unsigned char* out, std::size_t size) {
  while (size > 0) {
    const ssize_t n = ::pread(fd, out, size, static_cast<off_t>(address));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return false;
    if (n == 0) {
      std::memset(out, 0, size);
      return true;
    }
    address += static_cast<std::uint64_t>(n);
    out += n;
    size -= static_cast<std::size_t>(n);
  }
  return true;
}

Error system_error(const std::string& path) {
  if (errno == ENOENT) return make_error(ErrorCode::not_found, "does not exist", path);
  return make_error(ErrorCode::io, std::string("cannot be read: ") + std::strerror(errno), path);
}

} // namespace

Result<std::unique_ptr<Source>> Source::open(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK); // a pipe would wait for a writer
  if (fd < 0) return system_error(path);
  std::unique_ptr<Source> source(new Source(path, fd));
  HS_TRY(source->prepare());
  return source;
}

Source::~Source() { ::close(fd_); }

Status Source::prepare() {
  struct stat info {};
  if (::fstat(fd_, &info) != 0) return system_error(path_);
  if (!S_ISREG(info.st_mode)) return make_error(ErrorCode::invalid_argument, "is not a regular file", path_);
  if (info.st_size == 0) return make_error(ErrorCode::corrupt, "is empty", path_);
  std::array<unsigned char, 8> head{};
  if (!read_file(fd_, 0, head.data(), head.size())) return system_error(path_);
  constexpr std::array<unsigned char, 8> kSignature = {0x89, 'H', 'D', 'F', '\r', '\n', 0x1a, '\n'};
  if (head != kSignature) return make_error(ErrorCode::corrupt, "is not an HDF5 file (wrong signature)", path_);
  content_ = static_cast<std::uint64_t>(info.st_size);
  HS_ASSIGN(checksums_, read_checksums(fd_, content_, path_));
  if (!checksums_) return {};
  content_ = checksums_->content;
  verified_.resize(checksums_->sums.size());
  return {};
}

Error Source::damage() const {
  return make_error(ErrorCode::corrupt,
                    "is damaged: it is not what was written (a checksum does not match); take another copy or run the "
                    "command that made it again",
                    path_);
}

bool Source::verify(std::uint64_t address, std::size_t size) {
  if (!checksums_ || size == 0) return true;
  const std::uint64_t end = std::min(content_, address + size);
  for (std::uint64_t i = address / Checksums::block; i * Checksums::block < end; ++i) {
    if (verified_[i]) continue;
    if (!block_matches(fd_, *checksums_, i)) {
      damaged_ = true;
      return false;
    }
    verified_[i] = true;
  }
  return true;
}

Status Source::verify_small() {
  constexpr std::uint64_t small = std::uint64_t{64} << 20;
  if (checksums_ && content_ <= small && !verify(0, content_)) return damage();
  return {};
}

bool Source::read(std::uint64_t address, unsigned char* out, std::size_t size) {
  if (address + size < address) return false;
  if (!verify(address, size)) return false;
  const std::size_t inside = address >= content_ ? 0 : std::min<std::uint64_t>(size, content_ - address);
  std::memset(out + inside, 0, size - inside);
  return read_file(fd_, address, out, inside);
}

namespace {

struct SourceFile {
  H5FD_t base{}; // first: HDF5 sees only this
  Source* source = nullptr;
};

SourceFile& self(H5FD_t* file) { return *reinterpret_cast<SourceFile*>(file); }
const SourceFile& self(const H5FD_t* file) { return *reinterpret_cast<const SourceFile*>(file); }

H5FD_t* open_file(const char* /*name*/, unsigned /*flags*/, hid_t access, haddr_t /*maxaddr*/) {
  const void* info = H5Pget_driver_info(access);
  if (info == nullptr) return nullptr;
  auto* file = new (std::nothrow) SourceFile;
  if (file == nullptr) return nullptr;
  file->source = *static_cast<Source* const*>(info);
  return &file->base;
}

herr_t close_file(H5FD_t* file) {
  delete &self(file);
  return 0;
}

int compare(const H5FD_t* a, const H5FD_t* b) {
  const std::less<const Source*> before;
  return before(self(a).source, self(b).source) ? -1 : before(self(b).source, self(a).source) ? 1 : 0;
}

herr_t query(const H5FD_t* /*file*/, unsigned long* flags) {
  if (flags != nullptr)
    *flags = H5FD_FEAT_ACCUMULATE_METADATA | H5FD_FEAT_DATA_SIEVE | H5FD_FEAT_DEFAULT_VFD_COMPATIBLE;
  return 0;
}

haddr_t get_eoa(const H5FD_t* file, H5FD_mem_t /*type*/) { return self(file).source->allocated; }
haddr_t get_eof(const H5FD_t* file, H5FD_mem_t /*type*/) { return self(file).source->content(); }
herr_t set_eoa(H5FD_t* file, H5FD_mem_t /*type*/, haddr_t address) {
  self(file).source->allocated = address;
  return 0;
}

herr_t read(H5FD_t* file, H5FD_mem_t /*type*/, hid_t /*transfer*/, haddr_t address, std::size_t size, void* buffer) {
  return self(file).source->read(address, static_cast<unsigned char*>(buffer), size) ? 0 : -1;
}

herr_t write(H5FD_t* /*file*/, H5FD_mem_t /*type*/, hid_t /*transfer*/, haddr_t /*address*/, std::size_t /*size*/,
             const void* /*buffer*/) {
  return -1;
}

H5FD_class_t make_class() {
  H5FD_class_t driver{};
  driver.name = "headscope-reader";
  driver.maxaddr = (haddr_t{1} << 62U) - 1;
  driver.fc_degree = H5F_CLOSE_WEAK;
  driver.fapl_size = sizeof(Source*);
  driver.open = open_file;
  driver.close = close_file;
  driver.cmp = compare;
  driver.query = query;
  driver.get_eoa = get_eoa;
  driver.set_eoa = set_eoa;
  driver.get_eof = get_eof;
  driver.read = read;
  driver.write = write;
  constexpr H5FD_mem_t kMap[H5FD_MEM_NTYPES] = H5FD_FLMAP_DICHOTOMY;
  std::copy(std::begin(kMap), std::end(kMap), std::begin(driver.fl_map));
  return driver;
}

} // namespace

bool use_source(hid_t file_access, Source* source) {
  static const H5FD_class_t driver = make_class();
  static const hid_t id = H5FDregister(&driver);
  return id >= 0 && H5Pset_driver(file_access, id, static_cast<const void*>(&source)) >= 0;
}

} // namespace headscope::store::h5
