// SPDX-License-Identifier: GPL-3.0-or-later
// Weight files assembled byte by byte, so that a test can make each of their fields wrong.
#pragma once

#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include <unistd.h>

#include <gtest/gtest.h>

namespace headscope::io {

inline const std::string golden_folder = std::string(HEADSCOPE_GOLDEN_DIR) + "/quant/";

// A folder of this test's own, removed at its end.
class TemporaryFolder {
public:
  TemporaryFolder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "headscope-io-XXXXXX").string();
    path_ = ::mkdtemp(pattern.data());
  }
  ~TemporaryFolder() {
    std::error_code error;
    std::filesystem::remove_all(path_, error);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  const std::string& path() const { return path_; }
  std::string write(const std::string& name, const std::string& bytes) const {
    const std::string path = path_ + "/" + name;
    std::ofstream(path, std::ios::binary) << bytes;
    return path;
  }

private:
  std::string path_;
};

inline std::string read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  EXPECT_TRUE(in.good()) << path;
  return std::string((std::istreambuf_iterator<char>(in)), {});
}

template <typename T> std::string bytes_of(T value) {
  std::string out(sizeof(T), '\0');
  std::memcpy(out.data(), &value, sizeof(T));
  return out;
}
inline std::string u32(std::uint64_t value) { return bytes_of(static_cast<std::uint32_t>(value)); }
inline std::string u64(std::uint64_t value) { return bytes_of(value); }

// ---- safetensors: the length of the header, the header, the data.
inline std::string safetensors(const std::string& header, const std::string& data) {
  return u64(header.size()) + header + data;
}

// One float32 tensor of one row.
inline std::string safetensors_of(const std::string& name, const std::vector<float>& values) {
  std::string data;
  for (const float value : values)
    data += bytes_of(value);
  return safetensors("{\"" + name + R"(":{"dtype":"F32","shape":[)" + std::to_string(values.size()) +
                         R"(],"data_offsets":[0,)" + std::to_string(data.size()) + "]}}",
                     data);
}

// ---- GGUF. Value types: 4 u32, 5 i32, 6 f32, 7 bool, 8 string, 9 array.
inline std::string gguf_text(const std::string& text) { return u64(text.size()) + text; }
inline std::string gguf_pair(const std::string& key, std::uint32_t type, const std::string& value) {
  return gguf_text(key) + u32(type) + value;
}
inline std::string gguf_tensor(const std::string& name, const std::vector<std::int64_t>& dims, std::uint32_t type,
                               std::uint64_t offset) {
  std::string out = gguf_text(name) + u32(dims.size());
  for (const std::int64_t size : dims)
    out += bytes_of(size);
  return out + u32(type) + u64(offset);
}

struct Gguf {
  std::string magic = "GGUF";
  std::uint32_t version = 3;
  std::vector<std::string> pairs = {gguf_pair("general.architecture", 8, gguf_text("llama"))};
  std::vector<std::string> tensors;
  std::string data;
  std::uint64_t more_pairs = 0, more_tensors = 0; // added to the counts
  std::size_t alignment = 32;

  std::string bytes() const {
    std::string out = magic + u32(version) + u64(tensors.size() + more_tensors) + u64(pairs.size() + more_pairs);
    for (const std::string& pair : pairs)
      out += pair;
    for (const std::string& tensor : tensors)
      out += tensor;
    out.append((alignment - out.size() % alignment) % alignment, '\0');
    return out + data;
  }
};

} // namespace headscope::io
