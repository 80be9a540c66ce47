// SPDX-License-Identifier: GPL-3.0-or-later
// One interface over both formats: what a folder may hold, values as floats, identity, and what is refused.
#include <bit>
#include <cmath>
#include <limits>

#include <gmock/gmock.h>
#include <sys/stat.h>

#include "core/base/sha256.h"
#include "core/io/checkpoint.h"
#include "kernels/cpu/float_types.h"
#include "tests/io/files.h"

namespace headscope::io {
namespace {

Workers two(2);

Workers alone(1);

using testing::ElementsAre;
using testing::HasSubstr;

constexpr float infinity = std::numeric_limits<float>::infinity();

// A folder's checkpoint with one tensor "w".
class Folder : public testing::Test {
protected:
  Folder() { folder_.write("config.json", R"({"model_type":"llama"})"); }

  Result<Checkpoint> with(const std::vector<float>& values) {
    folder_.write("model.safetensors", safetensors_of("w", values));
    return Checkpoint::open(folder_.path());
  }

  void expect_open_error(ErrorCode code, const std::string& file, const std::string& message) {
    const auto checkpoint = Checkpoint::open(folder_.path());
    ASSERT_FALSE(checkpoint.ok());
    EXPECT_EQ(checkpoint.error().code, code) << checkpoint.error().to_string();
    EXPECT_THAT(checkpoint.error().message, HasSubstr(message));
    EXPECT_EQ(checkpoint.error().file, file.empty() ? folder_.path() : folder_.path() + "/" + file);
  }

  TemporaryFolder folder_;
};

TEST_F(Folder, OneFile) {
  const auto checkpoint = with({1.0F, -2.5F});
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.error().to_string();
  EXPECT_STREQ(checkpoint->format(), "safetensors");
  EXPECT_EQ(checkpoint->gguf(), nullptr);
  EXPECT_EQ(checkpoint->config()["model_type"], "llama");
  EXPECT_EQ(checkpoint->folder(), folder_.path());
  EXPECT_EQ(checkpoint->quantisation(), "F32");
  EXPECT_FALSE(checkpoint->quantised());
  EXPECT_EQ(checkpoint->total_bytes(), 8);
  ASSERT_NE(checkpoint->find("w"), nullptr);
  EXPECT_EQ(checkpoint->find("v"), nullptr);
  float values[2] = {};
  ASSERT_TRUE(checkpoint->read("w", values, ElementType::f32, alone).ok());
  EXPECT_THAT(values, ElementsAre(1.0F, -2.5F));
  const auto missing = checkpoint->read("v", values, ElementType::f32, alone);
  ASSERT_FALSE(missing.ok());
  EXPECT_EQ(missing.error().field, "v");
}

TEST_F(Folder, ByThePathOfTheFileOrAnotherName) {
  const std::string path = folder_.write("weights.safetensors", safetensors_of("w", {3.0F}));
  const auto whole = Checkpoint::open(folder_.path());
  ASSERT_TRUE(whole.ok()) << whole.error().to_string();
  const auto file = Checkpoint::open(path);
  ASSERT_TRUE(file.ok()) << file.error().to_string();
  EXPECT_EQ(file->folder(), folder_.path());
  std::filesystem::remove(folder_.path() + "/config.json");
  const auto by_itself = Checkpoint::open(path);
  ASSERT_FALSE(by_itself.ok());
  EXPECT_EQ(by_itself.error().file, folder_.path() + "/config.json");
}

TEST_F(Folder, FloatsOfTheLibrary) {
  std::filesystem::copy_file(golden_folder + "all_dtypes.safetensors", folder_.path() + "/model.safetensors");
  const auto checkpoint = Checkpoint::open(folder_.path());
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.error().to_string();
  const auto expected = nlohmann::json::parse(read_file(golden_folder + "values.json"));
  for (const std::string name : {"f32", "f16", "bf16", "scalar"}) {
    std::vector<float> values(expected[name]["values"].size());
    ASSERT_TRUE(checkpoint->read(name, values.data(), ElementType::f32, alone).ok()) << name;
    for (std::size_t i = 0; i < values.size(); ++i)
      EXPECT_EQ(values[i], expected[name]["values"][i].get<float>()) << name;
  }
  float none[4] = {7, 7, 7, 7};
  EXPECT_TRUE(checkpoint->read("empty", none, ElementType::f32, alone).ok());
  EXPECT_EQ(none[0], 7);
  const auto integers = checkpoint->read("i64", none, ElementType::f32, alone);
  ASSERT_FALSE(integers.ok());
  EXPECT_EQ(integers.error().code, ErrorCode::unsupported);
  EXPECT_THAT(integers.error().message, HasSubstr("I64"));
  const auto wide = checkpoint->read("f64", none, ElementType::f32, alone); // holds -1e300
  ASSERT_FALSE(wide.ok());
  EXPECT_EQ(wide.error().code, ErrorCode::unsupported);
  EXPECT_THAT(wide.error().message, HasSubstr("too large for float32"));
}

TEST_F(Folder, SixteenBitOutput) {
  const std::vector<float> values = {1.0F, 1.00390625F, -3.1415927F, 6.1e-5F};
  const auto checkpoint = with(values);
  ASSERT_TRUE(checkpoint.ok());
  std::uint16_t out[4] = {};
  ASSERT_TRUE(checkpoint->read("w", out, ElementType::bf16, alone).ok());
  EXPECT_THAT(out, ElementsAre(0x3f80, 0x3f80, 0xc049, 0x3880)); // by torch
  ASSERT_TRUE(checkpoint->read("w", out, ElementType::f16, alone).ok());
  EXPECT_THAT(out, ElementsAre(0x3c00, 0x3c04, 0xc248, 0x03ff)); // by numpy
}

TEST_F(Folder, WhatIsNoNumber) {
  for (const float bad : {std::nanf(""), infinity, -infinity}) {
    for (const int threads : {1, 3}) {
      Workers workers(threads);
      std::vector<float> values(1 << 20, 0.5F);
      values[777777] = values[900000] = bad;
      const auto checkpoint = with(values);
      ASSERT_TRUE(checkpoint.ok());
      for (const ElementType type : {ElementType::f32, ElementType::bf16, ElementType::f16}) {
        const Status status = checkpoint->read("w", values.data(), type, workers);
        ASSERT_FALSE(status.ok());
        EXPECT_EQ(status.error().code, ErrorCode::corrupt);
        EXPECT_EQ(status.error().message,
                  std::string("holds ") + (std::isnan(bad) ? "NaN" : "infinity") + " at element 777777");
        EXPECT_EQ(status.error().file, folder_.path() + "/model.safetensors");
        EXPECT_EQ(status.error().field, "w");
      }
    }
  }
}

TEST_F(Folder, TooLargeForSixteenBits) {
  const auto checkpoint = with({1.0F, 65519.0F, -70000.0F});
  ASSERT_TRUE(checkpoint.ok());
  std::uint16_t out[3] = {};
  EXPECT_TRUE(checkpoint->read("w", out, ElementType::bf16, alone).ok());
  const Status status = checkpoint->read("w", out, ElementType::f16, alone);
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().code, ErrorCode::unsupported);
  EXPECT_THAT(status.error().message, HasSubstr("-70000"));
  EXPECT_THAT(status.error().message, HasSubstr("at element 2, too large for float16"));
}

TEST_F(Folder, AnySplitOverThreadsGivesTheSame) {
  std::vector<float> values(1000003);
  for (std::size_t i = 0; i < values.size(); ++i)
    values[i] = static_cast<float>(i) * 0.25F;
  const auto checkpoint = with(values);
  ASSERT_TRUE(checkpoint.ok());
  for (const int threads : {0, 1, 2, 3, 8, 200}) {
    Workers workers(threads);
    std::vector<float> read(values.size());
    ASSERT_TRUE(checkpoint->read("w", read.data(), ElementType::f32, workers).ok());
    EXPECT_EQ(read, values) << threads;
  }
}

// ---- Rows.

// Uses rows of 3,001 elements, so that the block that a thread converts at a time ends within one.
TEST_F(Folder, RowsGoWhereTheyAreSent) {
  constexpr std::int64_t rows = 400, length = 3001;
  std::vector<float> values(static_cast<std::size_t>(rows * length)), expected(values.size());
  std::vector<std::int64_t> order;
  for (std::int64_t row = 0; row < rows; ++row) {
    order.push_back((7 * row + 3) % rows);
    for (std::int64_t i = 0; i < length; ++i) {
      const float value = static_cast<float>((row * length + i) % 251);
      values[static_cast<std::size_t>(row * length + i)] = value;
      expected[static_cast<std::size_t>(order.back() * length + i)] = value;
    }
  }
  const auto checkpoint = with(values);
  ASSERT_TRUE(checkpoint.ok());
  for (const int threads : {1, 3}) {
    Workers workers(threads);
    std::vector<float> wide(values.size());
    std::vector<std::uint16_t> narrow(values.size());
    ASSERT_TRUE(checkpoint->read("w", wide.data(), ElementType::f32, workers, std::nullopt, order).ok());
    EXPECT_EQ(wide, expected) << threads;
    ASSERT_TRUE(checkpoint->read("w", narrow.data(), ElementType::bf16, workers, std::nullopt, order).ok());
    for (std::size_t i = 0; i < narrow.size(); ++i) // all of them are numbers of bfloat16
      ASSERT_EQ(static_cast<std::uint32_t>(narrow[i]) << 16, std::bit_cast<std::uint32_t>(expected[i])) << i;
  }
  order.pop_back(); // no equal rows
  std::vector<float> wide(values.size());
  EXPECT_FALSE(checkpoint->read("w", wide.data(), ElementType::f32, alone, std::nullopt, order).ok());
}

TEST(Rows, OfEveryType) {
  const auto checkpoint = Checkpoint::open(golden_folder + "all_types.gguf");
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.error().to_string();
  EXPECT_TRUE(checkpoint->quantised());
  EXPECT_STREQ(checkpoint->format(), "gguf");
  for (const TensorInfo& info : checkpoint->tensors()) {
    std::vector<float> all(3 * 512), last(2 * 512);
    ASSERT_TRUE(checkpoint->read(info.name, all.data(), ElementType::f32, two).ok());
    ASSERT_TRUE(checkpoint->read(info.name, last.data(), ElementType::f32, two, RowRange{1, 3}).ok());
    EXPECT_TRUE(std::equal(last.begin(), last.end(), all.begin() + 512)) << info.name;
    ASSERT_TRUE(checkpoint->read(info.name, nullptr, ElementType::f32, two, RowRange{3, 3}).ok());
    for (const RowRange bad : {RowRange{-1, 1}, RowRange{2, 1}, RowRange{0, 4}}) {
      const Status status = checkpoint->read(info.name, all.data(), ElementType::f32, two, bad);
      ASSERT_FALSE(status.ok());
      EXPECT_EQ(status.error().code, ErrorCode::invalid_argument);
    }
  }
}

TEST(Rows, NeverPartOfABlock) {
  const TemporaryFolder folder;
  Gguf gguf;
  gguf.tensors = {gguf_tensor("v", {64}, 8, 0)};
  gguf.data = std::string(68, '\0');
  const auto checkpoint = Checkpoint::open(folder.write("a.gguf", gguf.bytes()));
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.error().to_string();
  float out[64];
  EXPECT_TRUE(checkpoint->read("v", out, ElementType::f32, alone, RowRange{32, 64}).ok());
  const Status status = checkpoint->read("v", out, ElementType::f32, alone, RowRange{0, 40});
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().code, ErrorCode::invalid_argument);
}

TEST(Values, BadScalesOfBlocksAreFound) {
  const TemporaryFolder folder;
  Gguf gguf;
  gguf.tensors = {gguf_tensor("v", {64}, 8, 0)};
  gguf.data = std::string(68, '\1');
  gguf.data[34] = 0, gguf.data[35] = 0x7c; // the second block's scale: infinity
  const auto checkpoint = Checkpoint::open(folder.write("a.gguf", gguf.bytes()));
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.error().to_string();
  float out[64];
  const Status status = checkpoint->read("v", out, ElementType::f32, alone);
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().message, "holds infinity at element 32");
}

// ---- Shards.

constexpr const char* index_file = "model.safetensors.index.json";

TEST_F(Folder, Shards) {
  folder_.write("s1.safetensors", safetensors_of("a", {1.0F}));
  folder_.write("s2.safetensors", safetensors_of("b", {2.0F}));
  folder_.write("unused.safetensors", safetensors_of("a", {9.0F}));
  folder_.write(index_file, R"({"weight_map":{"a":"s1.safetensors","b":"s2.safetensors"}})");
  const auto checkpoint = Checkpoint::open(folder_.path());
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.error().to_string();
  float value = 0;
  ASSERT_TRUE(checkpoint->read("b", &value, ElementType::f32, alone).ok());
  EXPECT_EQ(value, 2.0F);
  ASSERT_TRUE(checkpoint->read("a", &value, ElementType::f32, alone).ok());
  EXPECT_EQ(value, 1.0F);
}

TEST_F(Folder, ShardsByPathsInside) {
  std::filesystem::create_directory(folder_.path() + "/parts");
  folder_.write("s1.safetensors", safetensors_of("a", {1.0F}));
  folder_.write("parts/s2.safetensors", safetensors_of("b", {2.0F}));
  folder_.write(index_file, R"({"weight_map":{"a":"./s1.safetensors","b":"parts/../parts/s2.safetensors"}})");
  const auto checkpoint = Checkpoint::open(folder_.path());
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.error().to_string();
  float value = 0;
  ASSERT_TRUE(checkpoint->read("b", &value, ElementType::f32, alone).ok());
  EXPECT_EQ(value, 2.0F);
}

// transformers takes the single file.
TEST_F(Folder, ASingleFileBesideAnIndex) {
  folder_.write("s1.safetensors", safetensors_of("a", {1.0F}));
  folder_.write("model.safetensors", safetensors_of("a", {5.0F}));
  folder_.write(index_file, R"({"weight_map":{"a":"s1.safetensors"}})");
  testing::internal::CaptureStderr();
  const auto checkpoint = Checkpoint::open(folder_.path());
  EXPECT_THAT(testing::internal::GetCapturedStderr(), HasSubstr("model.safetensors and model.safetensors.index.json"));
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.error().to_string();
  float value = 0;
  ASSERT_TRUE(checkpoint->read("a", &value, ElementType::f32, alone).ok());
  EXPECT_EQ(value, 5.0F);
}

TEST_F(Folder, ALoraAdapterIsNamedAsSuch) {
  std::filesystem::remove(folder_.path() + "/config.json");
  folder_.write("adapter_config.json", "{}");
  expect_open_error(ErrorCode::unsupported, "", "LoRA adapter");
}

// A pipe as config.json would be waited for for ever.
TEST_F(Folder, APipeAsConfig) {
  const std::string path = folder_.path() + "/config.json";
  std::filesystem::remove(path);
  ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0);
  folder_.write("model.safetensors", safetensors_of("a", {5.0F}));
  expect_open_error(ErrorCode::io, "config.json", "");
  std::filesystem::remove(path);
}

TEST_F(Folder, BadIndexes) {
  folder_.write("s1.safetensors", safetensors_of("a", {1.0F}));
  folder_.write("s2.safetensors", safetensors_of("a", {2.0F}));
  const auto refuse = [&](const std::string& json, ErrorCode code, const std::string& message) {
    folder_.write(index_file, json);
    expect_open_error(code, index_file, message);
  };
  refuse("{", ErrorCode::corrupt, "JSON");
  refuse("{}", ErrorCode::corrupt, "object of tensor names and files");
  refuse(R"({"weight_map":{}})", ErrorCode::corrupt, "object of tensor names and files");
  refuse(R"({"weight_map":{"a":7}})", ErrorCode::corrupt, "must name a file inside the folder");
  refuse(R"({"weight_map":{"a":"../s1.safetensors"}})", ErrorCode::corrupt, "must name a file inside the folder");
  refuse(R"({"weight_map":{"a":"parts/../../s1.safetensors"}})", ErrorCode::corrupt, "inside the folder");
  refuse(R"({"weight_map":{"a":"/etc/passwd"}})", ErrorCode::corrupt, "inside the folder");
  refuse(R"({"weight_map":{"a":".."}})", ErrorCode::corrupt, "must name a file inside the folder");
  refuse(R"({"weight_map":{"a":"s1.safetensors","b":"gone.safetensors"}})", ErrorCode::not_found,
         "names gone.safetensors, which is missing");
  refuse(R"({"weight_map":{"a":"s1.safetensors","b":"s1.safetensors"}})", ErrorCode::corrupt,
         "is said to be in s1.safetensors, which does not hold it");
  folder_.write(index_file, R"({"weight_map":{"a":"s1.safetensors","b":"s2.safetensors"}})");
  expect_open_error(ErrorCode::corrupt, "s2.safetensors", "is in another shard too");
}

// ---- Folders that hold something else.

TEST_F(Folder, WithoutWeights) {
  expect_open_error(ErrorCode::not_found, "", "has no *.safetensors");
  folder_.write("pytorch_model.bin", "x");
  expect_open_error(ErrorCode::unsupported, "", "convert them to safetensors");
}

TEST_F(Folder, BadConfig) {
  folder_.write("model.safetensors", safetensors_of("w", {1.0F}));
  for (const char* text : {"", "[]", "{\"a\":}", "{\"\xFF\":1}"}) {
    folder_.write("config.json", text);
    expect_open_error(ErrorCode::corrupt, "config.json", "JSON");
  }
  std::filesystem::remove(folder_.path() + "/config.json");
  expect_open_error(ErrorCode::not_found, "", "is a folder without config.json");
  folder_.write("x.gguf", "");
  expect_open_error(ErrorCode::not_found, "", "did you mean x.gguf");
}

TEST_F(Folder, WhatIsNoModel) {
  const auto code = [](const std::string& path) {
    const auto checkpoint = Checkpoint::open(path);
    EXPECT_FALSE(checkpoint.ok());
    return checkpoint.ok() ? ErrorCode::internal : checkpoint.error().code;
  };
  EXPECT_EQ(code(""), ErrorCode::not_found);
  EXPECT_EQ(code(folder_.path() + "/none"), ErrorCode::not_found);
  EXPECT_EQ(code(folder_.path() + "/config.json"), ErrorCode::corrupt);
  EXPECT_EQ(code("/dev/null"), ErrorCode::io);
  const std::string pipe = folder_.path() + "/pipe.gguf";
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  EXPECT_EQ(code(pipe), ErrorCode::io); // and does not wait for a writer
}

// ---- Identity.

TEST_F(Folder, IdentityIsTheHashOfTheLines) {
  const auto checkpoint = with({1.0F});
  ASSERT_TRUE(checkpoint.ok());
  const std::string config = R"({"model_type":"llama"})", weights = safetensors_of("w", {1.0F});
  const std::string lines = "config.json  " + sha256_hex(config.data(), config.size()) + "\nmodel.safetensors  " +
                            sha256_hex(weights.data(), weights.size()) + "\n";
  const auto identity = checkpoint->identity_sha256({});
  ASSERT_TRUE(identity.ok()) << identity.error().to_string();
  EXPECT_EQ(*identity, sha256_hex(lines.data(), lines.size()));
}

TEST(Identity, OfGgufIsTheHashOfTheFile) {
  const auto checkpoint = Checkpoint::open(golden_folder + "all_types.gguf");
  ASSERT_TRUE(checkpoint.ok());
  const auto identity = checkpoint->identity_sha256({});
  ASSERT_TRUE(identity.ok()) << identity.error().to_string();
  EXPECT_EQ(*identity, "b1f3580226a792e7461d79459b77832f8e2c2c7bf06317a929155e1e3cb28cfe"); // by sha256sum
}

TEST_F(Folder, HashingReportsAndCanBeCancelled) {
  const auto checkpoint = with(std::vector<float>(1 << 20, 0.0F));
  ASSERT_TRUE(checkpoint.ok());
  RunControl control;
  std::int64_t last = 0;
  control.progress = [&](const Progress& progress) {
    EXPECT_GE(progress.done, last);
    EXPECT_LE(progress.done, progress.total);
    last = progress.done;
  };
  ASSERT_TRUE(checkpoint->identity_sha256(control).ok());
  EXPECT_GT(last, 3 << 20);
  last = 0; // the next one begins anew
  control.cancel.cancel();
  const auto cancelled = checkpoint->identity_sha256(control);
  ASSERT_FALSE(cancelled.ok());
  EXPECT_EQ(cancelled.error().code, ErrorCode::cancelled);
}

} // namespace
} // namespace headscope::io
