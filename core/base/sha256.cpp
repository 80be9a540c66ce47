// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/base/sha256.h"

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>
#include <vector>

#include <openssl/evp.h>

namespace headscope {
namespace {

using DigestContext = std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)>;

DigestContext begin_sha256() {
  DigestContext context(EVP_MD_CTX_new(), &EVP_MD_CTX_free);
  EVP_DigestInit_ex(context.get(), EVP_sha256(), nullptr);
  return context;
}

std::string finish_hex(EVP_MD_CTX* context) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned int size = 0;
  EVP_DigestFinal_ex(context, digest.data(), &size);
  static constexpr char digits[] = "0123456789abcdef";
  std::string hex;
  for (unsigned int i = 0; i < size; ++i) {
    hex += digits[digest[i] >> 4U];
    hex += digits[digest[i] & 15U];
  }
  return hex;
}

} // namespace

std::string sha256_hex(const void* data, std::size_t size) {
  const DigestContext context = begin_sha256();
  EVP_DigestUpdate(context.get(), data, size);
  return finish_hex(context.get());
}

Result<std::string> sha256_file(const std::string& path, const std::function<bool(std::int64_t)>& proceed) {
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "rb"), &std::fclose);
  if (!file) return make_error(ErrorCode::io, std::string("cannot open: ") + std::strerror(errno), path);
  const DigestContext context = begin_sha256();
  std::vector<unsigned char> buffer(1U << 20U);
  std::int64_t done = 0;
  while (true) {
    const std::size_t got = std::fread(buffer.data(), 1, buffer.size(), file.get());
    EVP_DigestUpdate(context.get(), buffer.data(), got);
    if (got < buffer.size()) break;
    done += static_cast<std::int64_t>(got);
    if (proceed && !proceed(done)) return make_error(ErrorCode::cancelled, "hashing was cancelled", path);
  }
  if (std::ferror(file.get()))
    return make_error(ErrorCode::io, std::string("cannot read: ") + std::strerror(errno), path);
  return finish_hex(context.get());
}

Result<std::string> sha256_of(const std::function<Result<std::size_t>(void*, std::size_t)>& more) {
  const DigestContext context = begin_sha256();
  std::vector<unsigned char> buffer(1U << 20U);
  while (true) {
    HS_ASSIGN(const std::size_t got, more(buffer.data(), buffer.size()));
    if (got == 0) return finish_hex(context.get());
    EVP_DigestUpdate(context.get(), buffer.data(), got);
  }
}

} // namespace headscope
