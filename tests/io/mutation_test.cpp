// SPDX-License-Identifier: GPL-3.0-or-later
// Damaged headers: an error that names the file, or a file whose every tensor can be read; never a crash, never much
// memory. What is damaged is drawn from a fixed seed, so a failure can be repeated.
#include <random>

#include "core/io/checkpoint.h"
#include "core/io/read_tensor.h"
#include "tests/io/files.h"

namespace headscope::io {
namespace {

Workers alone(1);

class Random {
public:
  explicit Random(std::uint32_t seed) : engine_(seed) {}
  std::size_t below(std::size_t limit) { return engine_() % limit; } // the same on every platform

private:
  std::mt19937 engine_;
};

// One to three changes within the first `header` bytes.
std::string damage(std::string bytes, std::size_t header, Random& random) {
  static const std::vector<std::uint64_t> numbers = {0,
                                                     1,
                                                     7,
                                                     31,
                                                     33,
                                                     255,
                                                     0x7fffffff,
                                                     0xffffffff,
                                                     1ULL << 32,
                                                     1ULL << 59,
                                                     1ULL << 60,
                                                     1ULL << 63,
                                                     UINT64_MAX - 31,
                                                     UINT64_MAX};
  for (std::size_t left = 1 + random.below(3); left > 0 && bytes.size() > 16; --left) {
    const std::size_t at = random.below(std::min(header, bytes.size() - 8));
    const std::string number = u64(numbers[random.below(numbers.size())]);
    switch (random.below(7)) {
    case 0: bytes[at] = static_cast<char>(random.below(256)); break;
    case 1: bytes[at] = static_cast<char>(bytes[at] ^ (1 << random.below(8))); break;
    case 2: bytes.erase(at, 1 + random.below(8)); break;
    case 3: bytes.insert(at, bytes.substr(random.below(bytes.size()), 1 + random.below(40))); break;
    case 4: bytes.replace(at, 8, number); break;
    case 5: bytes.replace(at, 4, number.substr(0, 4)); break;
    default: bytes.resize(std::max<std::size_t>(16, random.below(bytes.size()))); break;
    }
  }
  return bytes;
}

// Reads everything that the file claims to have; returns whether it opened.
bool use(const std::string& path) {
  const auto checkpoint = Checkpoint::open(path);
  if (!checkpoint.ok()) {
    EXPECT_NE(checkpoint.error().code, ErrorCode::internal) << checkpoint.error().to_string();
    EXPECT_NE(checkpoint.error().file, "") << checkpoint.error().to_string();
    return false;
  }
  EXPECT_NO_THROW((void)checkpoint->config().dump());
  for (const TensorInfo& info : checkpoint->tensors()) {
    if (!check_readable(info, path).ok()) continue; // of no known size
    std::vector<float> values(static_cast<std::size_t>(info.elements()));
    (void)checkpoint->read(info.name, values.data(), ElementType::f32, alone).ok();
  }
  return true;
}

void attack(const std::string& good, std::size_t header, const std::string& name, int rounds) {
  const TemporaryFolder folder;
  folder.write("config.json", "{}");
  ASSERT_TRUE(use(folder.write(name, good)));
  Random random(20250104);
  int opened = 0;
  for (int round = 0; round < rounds && !testing::Test::HasFailure(); ++round) {
    SCOPED_TRACE(round);
    opened += use(folder.write(name, damage(good, header, random)));
  }
  // Changes inside texts and scales are not damage. Most changes must be noticed, but some must get through: with JSON
  // and exact sizes only a few in a thousand do.
  EXPECT_GT(opened, rounds / 1000);
  EXPECT_LT(opened, rounds / 2);
}

TEST(Mutation, Gguf) {
  Gguf gguf;
  gguf.pairs.push_back(gguf_pair("general.alignment", 4, u32(32)));
  gguf.pairs.push_back(gguf_pair("list", 9, u32(8) + u64(2) + gguf_text("one") + gguf_text("two")));
  gguf.pairs.push_back(gguf_pair("nested", 9, u32(9) + u64(2) + u32(4) + u64(1) + u32(7) + u32(4) + u64(0)));
  gguf.pairs.push_back(gguf_pair("numbers", 9, u32(6) + u64(3) + std::string(12, '\1')));
  gguf.tensors = {gguf_tensor("f", {8}, 0, 0), gguf_tensor("q", {32, 2}, 2, 32), gguf_tensor("k", {256}, 12, 96)};
  gguf.data = std::string(96 + 144, '\2');
  attack(gguf.bytes(), gguf.bytes().size() - gguf.data.size(), "a.gguf", 5000);
}

TEST(Mutation, GgufOfThePythonPackage) {
  const std::string good = read_file(golden_folder + "all_types.gguf");
  attack(good, 1200, "a.gguf", 1500);
}

TEST(Mutation, Safetensors) {
  const std::string good = read_file(golden_folder + "all_dtypes.safetensors");
  std::uint64_t header = 0;
  std::memcpy(&header, good.data(), 8);
  attack(good, 8 + header, "model.safetensors", 5000);
}

} // namespace
} // namespace headscope::io
