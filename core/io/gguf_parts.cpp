// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/io/gguf_parts.h"

#include <array>
#include <cstdio>
#include <filesystem>

namespace headscope {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t most_parts = 99999; // as the names have five digits

// The ending of a part's name: "-00002-of-00003.gguf".
std::string ending(std::int64_t part, std::int64_t count) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "-%05d-of-%05d.gguf", static_cast<int>(part + 1), static_cast<int>(count));
  return text.data();
}

Status check_part(const GgufFile& file, std::int64_t part, std::int64_t count) {
  if (file.integer("split.count").value_or(0) != count || file.integer("split.no").value_or(-1) != part)
    return make_error(ErrorCode::corrupt,
                      "is not part " + std::to_string(part + 1) + " of " + std::to_string(count) + " as its name says",
                      file.path(), "split.no");
  return {};
}

Status check_count(const std::vector<GgufFile>& parts) {
  const auto expected = parts.front().integer("split.tensors.count");
  std::int64_t there = 0;
  for (const GgufFile& part : parts)
    there += std::ssize(part.tensors());
  if (!expected || *expected == there) return {};
  return make_error(ErrorCode::corrupt,
                    "says " + std::to_string(*expected) + " tensors, the parts have " + std::to_string(there),
                    parts.front().path(), "split.tensors.count");
}

} // namespace

Result<std::vector<GgufFile>> open_gguf_parts(const std::string& path) {
  HS_ASSIGN(GgufFile given, GgufFile::open(path));
  const std::int64_t count = given.integer("split.count").value_or(0), own = given.integer("split.no").value_or(0);
  std::vector<GgufFile> parts;
  if (count <= 1) {
    parts.push_back(std::move(given));
    return parts;
  }
  if (count > most_parts || own < 0 || own >= count)
    return make_error(ErrorCode::corrupt, "is no part of " + std::to_string(count), path, "split.no");
  const std::string own_ending = ending(own, count), name = fs::path(path).filename().string();
  if (!name.ends_with(own_ending))
    return make_error(ErrorCode::not_found,
                      "is part " + std::to_string(own + 1) + " of " + std::to_string(count) +
                          " of a model; the others are found by its name, which must end in " + own_ending,
                      path);
  const std::string stem = path.substr(0, path.size() - own_ending.size());
  for (std::int64_t part = 0; part < count; ++part) {
    const std::string beside = stem + ending(part, count);
    std::error_code error;
    if (!fs::exists(beside, error))
      return make_error(ErrorCode::not_found,
                        "is part " + std::to_string(own + 1) + " of " + std::to_string(count) + "; " +
                            fs::path(beside).filename().string() + " is missing beside it",
                        path);
    HS_ASSIGN(GgufFile file, GgufFile::open(beside));
    HS_TRY(check_part(file, part, count));
    parts.push_back(std::move(file));
  }
  HS_TRY(check_count(parts));
  return parts;
}

} // namespace headscope
