// SPDX-License-Identifier: GPL-3.0-or-later
// A file's bytes, mapped read-only. They are the file's own: whoever truncates it meanwhile ends this process.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "core/base/result.h"

namespace headscope::io {

class MappedFile {
public:
  // not_found, or io with the system's reason. An empty file gives an empty span.
  static Result<MappedFile> open(const std::string& path);

  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;
  ~MappedFile();

  std::span<const std::uint8_t> bytes() const { return {data_, size_}; }
  const std::string& path() const { return path_; }

  // So many bytes have been read and will not be soon again: every few megabytes all pages go back to the system, which
  // reads them again when they are touched again. From any thread.
  void have_read(std::size_t length) const;
  // Says that a range is about to be read from front to back.
  void will_read(std::size_t begin, std::size_t length) const;

private:
  MappedFile(std::string path, const std::uint8_t* data, std::size_t size)
      : path_(std::move(path)), data_(data), size_(size) {}
  void advise(std::size_t begin, std::size_t length, int advice) const;

  std::string path_;
  const std::uint8_t* data_ = nullptr;
  std::size_t size_ = 0;
  mutable std::atomic<std::size_t> read_ = 0; // since pages last went back
};

} // namespace headscope::io
