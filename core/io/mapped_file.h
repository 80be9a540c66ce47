// SPDX-License-Identifier: GPL-3.0-or-later
// A file's bytes, mapped read-only. If another program truncates the file meanwhile, this process ends, with a message
// where core/io/mapped_fault.h is in use.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>

#include "core/base/result.h"

namespace headscope::io {

class MappedFile {
public:
  // Errors: not_found, out_of_memory, or io with the system's reason. An empty file gives an empty span.
  static Result<MappedFile> open(const std::string& path);

  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;
  ~MappedFile();

  std::span<const std::uint8_t> bytes() const { return {data_, size_}; }
  const std::string& path() const { return path_; }

  // Returns corrupt when the file has been written to, cut or lengthened since it was opened. Its name may meanwhile be
  // that of another file: these bytes stay those of the first one.
  Status check_unchanged() const;
  // The SHA-256 of the mapped file, whatever its name is now; it is computed once. Errors: those of check_unchanged(),
  // io, and cancelled when proceed(bytes so far) returns false.
  Result<std::string> sha256(const std::function<bool(std::int64_t)>& proceed = {}) const;

  // Says that this many bytes have been read and will not be needed soon: every few megabytes all pages are returned to
  // the system, which reads them again if needed. May be called from any thread.
  void have_read(std::size_t length) const;
  // Says that a range is about to be read from front to back.
  void will_read(std::size_t begin, std::size_t length) const;

private:
  // Properties that change whenever a file is written to.
  struct Stamp {
    std::int64_t size = 0, seconds = 0, nanoseconds = 0;
    bool operator==(const Stamp&) const = default;
  };
  static Stamp stamp_of(int fd);
  MappedFile(std::string path, int fd, std::size_t size) : path_(std::move(path)), fd_(fd), size_(size) {}
  void advise(std::size_t begin, std::size_t length, int advice) const;

  std::string path_;
  int fd_ = -1;
  const std::uint8_t* data_ = nullptr;
  std::size_t size_ = 0;
  Stamp stamp_;
  mutable std::atomic<std::size_t> read_ = 0; // since pages last went back
};

} // namespace headscope::io
