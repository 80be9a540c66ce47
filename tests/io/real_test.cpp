// SPDX-License-Identifier: GPL-3.0-or-later
// The two packaged models against Python's gguf package, tensor by tensor; and how much memory reading them takes.
#include <chrono>
#include <fstream>

#include "core/base/sha256.h"
#include "core/io/checkpoint.h"
#include "tests/io/files.h"
#include "tests/timed.h"

namespace headscope::io {
namespace {

Workers two(2);

std::string model_path(const std::string& name) { return std::string(HEADSCOPE_SOURCE_DIR) + "/build/models/" + name; }

#define SKIP_WITHOUT(path)                                                                                             \
  if (!std::filesystem::exists(path)) GTEST_SKIP() << path << " is not there; scripts/fetch-models gets it"

class RealModel : public testing::TestWithParam<const char*> {};

TEST_P(RealModel, EqualsThePythonPackage) {
  SKIP_WITHOUT(model_path(GetParam()));
  const auto checkpoint = Checkpoint::open(model_path(GetParam()));
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.error().to_string();
  const auto expected = nlohmann::json::parse(read_file(golden_folder + "real.json")).at(GetParam());
  ASSERT_EQ(checkpoint->tensors().size(), expected.size());
  for (const TensorInfo& info : checkpoint->tensors()) {
    const auto& wanted = expected.at(info.name); // [type, shape, of float32, of bfloat16]
    EXPECT_EQ(info.dtype, wanted[0]) << info.name;
    EXPECT_EQ(info.shape, wanted[1].get<std::vector<std::int64_t>>()) << info.name;
    std::vector<float> values(static_cast<std::size_t>(info.elements()));
    std::vector<std::uint16_t> halves(values.size());
    ASSERT_TRUE(checkpoint->read(info.name, values.data(), ElementType::f32, two).ok()) << info.name;
    ASSERT_TRUE(checkpoint->read(info.name, halves.data(), ElementType::bf16, two).ok()) << info.name;
    EXPECT_EQ(sha256_hex(values.data(), 4 * values.size()).substr(0, 32), wanted[2]) << info.name;
    EXPECT_EQ(sha256_hex(halves.data(), 2 * halves.size()).substr(0, 32), wanted[3]) << info.name;
  }
}

TEST_P(RealModel, OpensWithoutReadingTheWeights) {
  SKIP_WITHOUT(model_path(GetParam()));
  double best = 1e9;
  for (int i = 0; i < 5; ++i) {
    const auto begin = std::chrono::steady_clock::now();
    ASSERT_TRUE(GgufFile::open(model_path(GetParam())).ok());
    const std::chrono::duration<double, std::milli> taken = std::chrono::steady_clock::now() - begin;
    best = std::min(best, taken.count());
  }
  RecordProperty("milliseconds", std::to_string(best));
  if (!test::timed()) GTEST_SKIP() << test::not_timed;
  EXPECT_LT(best, 500); // measured: 5 and 25; reading every weight takes longer than this
}

// A field of /proc/self/status in kilobytes.
std::int64_t status_field(const std::string& name) {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (line.rfind(name + ":", 0) == 0) return std::stoll(line.substr(name.size() + 1));
  return -1;
}

TEST_P(RealModel, ReadingKeepsOnlyAFewPages) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "sanitizers keep memory of their own";
#endif
  SKIP_WITHOUT(model_path(GetParam()));
  const auto checkpoint = Checkpoint::open(model_path(GetParam()));
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.error().to_string();
  std::int64_t largest = 0;
  for (const TensorInfo& info : checkpoint->tensors())
    largest = std::max(largest, info.elements());
  std::vector<float> out(static_cast<std::size_t>(largest), 1.0F); // resident from here on
  std::ofstream reset("/proc/self/clear_refs");
  if (!(reset << "5" << std::flush)) GTEST_SKIP() << "this system cannot reset the peak of resident memory";
  const std::int64_t before = status_field("VmRSS");
  for (const TensorInfo& info : checkpoint->tensors())
    ASSERT_TRUE(checkpoint->read(info.name, out.data(), ElementType::f32, two).ok()) << info.name;
  const std::int64_t more = status_field("VmHWM") - before;
  RecordProperty("kilobytes", std::to_string(more));
  EXPECT_LT(more, 16 * 1024) << "of " << checkpoint->total_bytes() / 1024 << " kB of weights";
}

INSTANTIATE_TEST_SUITE_P(Packaged, RealModel,
                         testing::Values("SmolLM2-135M-Instruct.Q4_1.gguf", "gemma-3-270m-q4_k_m.gguf"),
                         [](const auto& model) { return std::string(model.param).substr(0, 5); });

} // namespace
} // namespace headscope::io
