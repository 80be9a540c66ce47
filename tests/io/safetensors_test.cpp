// SPDX-License-Identifier: GPL-3.0-or-later
// safetensors: a file by the format's own library, what we write, and one of every way in which a file can be wrong.
#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include "core/io/safetensors.h"
#include "tests/io/files.h"

namespace headscope::io {
namespace {

using testing::HasSubstr;

// Element i as double; float16 and bfloat16 are left to the tests of Checkpoint.
double element(const SafetensorsFile& file, const TensorInfo& info, std::size_t i) {
  const std::uint8_t* p = file.bytes(info).data() + i * safetensors_element_bytes(info.dtype);
  const auto load = [p](auto value) {
    std::memcpy(&value, p, sizeof(value));
    return static_cast<double>(value);
  };
  if (info.dtype == "F64") return load(double{});
  if (info.dtype == "F32") return load(float{});
  if (info.dtype == "I64") return load(std::int64_t{});
  if (info.dtype == "I32") return load(std::int32_t{});
  if (info.dtype == "I16") return load(std::int16_t{});
  if (info.dtype == "I8") return load(std::int8_t{});
  return load(std::uint8_t{});
}

TEST(Safetensors, EveryDtypeOfTheLibrary) {
  const auto file = SafetensorsFile::open(golden_folder + "all_dtypes.safetensors");
  ASSERT_TRUE(file.ok()) << file.error().to_string();
  const auto expected = nlohmann::json::parse(read_file(golden_folder + "values.json"));
  ASSERT_EQ(file->tensors().size(), expected.size());
  EXPECT_EQ(file->metadata().at("note"), "ä");
  for (const TensorInfo& info : file->tensors()) {
    const auto& wanted = expected.at(info.name);
    EXPECT_EQ(info.shape, wanted["shape"].get<std::vector<std::int64_t>>()) << info.name;
    ASSERT_EQ(static_cast<std::size_t>(info.elements()), wanted["values"].size()) << info.name;
    if (info.dtype == "F16" || info.dtype == "BF16") continue;
    for (std::size_t i = 0; i < wanted["values"].size(); ++i)
      EXPECT_EQ(element(*file, info, i), wanted["values"][i].get<double>()) << info.name;
  }
}

TEST(Safetensors, WrittenByteForByte) {
  const TemporaryFolder folder;
  const std::string path = folder.path() + "/a.safetensors";
  const std::vector<float> values = {1.0F, -2.0F};
  const std::vector<std::uint8_t> flags = {1, 0, 1};
  const auto bytes = [](const auto& list) {
    return std::span(reinterpret_cast<const std::uint8_t*>(list.data()), list.size() * sizeof(list[0]));
  };
  const Status status = write_safetensors(path, {{"b", "F32", {1, 2}, bytes(values)}, {"a", "BOOL", {3}, bytes(flags)}},
                                          {{"format", "pt"}});
  ASSERT_TRUE(status.ok()) << status.error().to_string();
  std::string header = R"({"__metadata__":{"format":"pt"},)"
                       R"("a":{"data_offsets":[8,11],"dtype":"BOOL","shape":[3]},)"
                       R"("b":{"data_offsets":[0,8],"dtype":"F32","shape":[1,2]}})";
  header.append((8 - header.size() % 8) % 8, ' ');
  EXPECT_EQ(read_file(path), safetensors(header, bytes_of(1.0F) + bytes_of(-2.0F) + std::string("\1\0\1", 3)));
  const auto file = SafetensorsFile::open(path);
  ASSERT_TRUE(file.ok()) << file.error().to_string();
  EXPECT_EQ(file->metadata().at("format"), "pt");
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder.path()), {}), 1); // nothing left beside it
}

TEST(Safetensors, WritingRefuses) {
  const TemporaryFolder folder;
  const std::string path = folder.path() + "/a.safetensors";
  const std::vector<std::uint8_t> eight(8);
  const auto code = [&](const std::vector<TensorToWrite>& tensors) {
    const Status status = write_safetensors(path, tensors);
    EXPECT_FALSE(status.ok());
    return status.ok() ? ErrorCode::internal : status.error().code;
  };
  EXPECT_EQ(code({{"a", "F32", {3}, eight}}), ErrorCode::invalid_argument);
  EXPECT_EQ(code({{"a", "F32", {-2}, eight}}), ErrorCode::invalid_argument);
  EXPECT_EQ(code({{"a", "F99", {2}, eight}}), ErrorCode::invalid_argument);
  EXPECT_EQ(code({{"a", "F32", {2}, eight}, {"a", "F32", {2}, eight}}), ErrorCode::invalid_argument);
  EXPECT_EQ(code({{"\xFF", "F32", {2}, eight}}), ErrorCode::invalid_argument);
  EXPECT_EQ(code({{"__metadata__", "F32", {2}, eight}}), ErrorCode::invalid_argument);
  EXPECT_FALSE(std::filesystem::exists(path));
  const Status elsewhere = write_safetensors(folder.path() + "/none/a.safetensors", {{"a", "F32", {2}, eight}});
  ASSERT_FALSE(elsewhere.ok());
  EXPECT_EQ(elsewhere.error().code, ErrorCode::io);
}

// ---- What a file must not be.

struct Bad {
  const char* what;
  std::string bytes;
  const char* message; // a part of it
  const char* field;
  ErrorCode code = ErrorCode::corrupt;
};

std::string one(const std::string& entry, std::size_t data) {
  return safetensors("{\"a\":" + entry + "}", std::string(data, '\0'));
}
std::string two(const std::string& first, const std::string& second, std::size_t data) {
  return safetensors(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":)" + first +
                         R"(},"b":{"dtype":"F32","shape":[2],"data_offsets":)" + second + "}}",
                     std::string(data, '\0'));
}

std::vector<Bad> bad_files() {
  return {
      {"empty", "", "truncated", ""},
      {"seven bytes", std::string(7, '\0'), "truncated", ""},
      {"header past the end", u64(100) + "{}", "past the end of the file", "header length"},
      {"header length", u64(UINT64_MAX) + "{}", "no safetensors file", "header length"},
      {"header over 100 MB", u64(100'000'001) + "{}", "no safetensors file", "header length"},
      {"empty header", safetensors("", ""), "no JSON object", "header"},
      {"no JSON", safetensors("{\"a\":", ""), "no JSON object", "header"},
      {"a list", safetensors("[1]", ""), "no JSON object", "header"},
      {"not UTF-8", safetensors("{\"\xFF\":1}", ""), "no JSON object", "header"},
      {"deep", safetensors(std::string(200000, '['), ""), "no JSON object", "header"},
      {"deep, closed", safetensors(std::string(200000, '[') + std::string(200000, ']'), ""), "no JSON object",
       "header"},
      {"deep in a tensor",
       one(R"({"dtype":"F32","shape":)" + std::string(200000, '[') + std::string(200000, ']') +
               R"(,"data_offsets":[0,0]})",
           0),
       "list of sizes", "a"},
      {"name twice",
       safetensors(R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"a":{"dtype":"U8","shape":[1],)"
                   R"("data_offsets":[0,1]}})",
                   "x"),
       "appears twice", "a"},
      {"key twice", one(R"({"dtype":"U8","dtype":"I8","shape":[1],"data_offsets":[0,1]})", 1), "appears twice",
       "dtype"},
      {"metadata", safetensors(R"({"__metadata__":[]})", ""), "object of strings", "__metadata__"},
      {"entry", one("7", 0), "must have dtype, shape and data_offsets", "a"},
      {"without shape", one(R"({"dtype":"F32","data_offsets":[0,0]})", 0), "must have dtype", "a"},
      {"dtype of another kind", one(R"({"dtype":4,"shape":[1],"data_offsets":[0,4]})", 4), "dtype is no string", "a"},
      {"negative size", one(R"({"dtype":"F32","shape":[-1],"data_offsets":[0,4]})", 4), "list of sizes", "a"},
      {"size as fraction", one(R"({"dtype":"F32","shape":[1.0],"data_offsets":[0,4]})", 4), "list of sizes", "a"},
      {"huge size", one(R"({"dtype":"F32","shape":[18446744073709551615],"data_offsets":[0,4]})", 4), "list of sizes",
       "a"},
      {"overflowing sizes", one(R"({"dtype":"F32","shape":[4294967296,4294967296,2],"data_offsets":[0,0]})", 0),
       "implausibly large", "a"},
      {"overflow in bytes", one(R"({"dtype":"F64","shape":[1152921504606846976,2],"data_offsets":[0,0]})", 0),
       "implausibly large", "a"},
      {"sizes of other bytes", one(R"({"dtype":"F32","shape":[3],"data_offsets":[0,8]})", 8),
       "needs 12 bytes, its data_offsets give 8", "a"},
      {"one offset", one(R"({"dtype":"F32","shape":[1],"data_offsets":[0]})", 4), "must be two numbers", "a"},
      {"negative offset", one(R"({"dtype":"F32","shape":[1],"data_offsets":[-4,0]})", 4), "must be two numbers", "a"},
      {"offsets backwards", one(R"({"dtype":"F32","shape":[1],"data_offsets":[4,0]})", 4), "out of order", "a"},
      {"offset past the end", one(R"({"dtype":"F32","shape":[1],"data_offsets":[4,8]})", 4), "beyond the end", "a"},
      {"truncated data", one(R"({"dtype":"F32","shape":[2],"data_offsets":[0,8]})", 5), "beyond the end", "a"},
      {"overlap", two("[0,8]", "[4,12]", 12), "overlaps", "b"},
      {"same place", two("[0,8]", "[0,8]", 8), "overlaps", "b"},
      {"hole", two("[0,8]", "[12,20]", 20), "4 bytes before it belong to no tensor", "b"},
      {"hole at the front", one(R"({"dtype":"F32","shape":[1],"data_offsets":[4,8]})", 8), "4 bytes before it", "a"},
      {"bytes after", two("[0,8]", "[8,16]", 20), "4 bytes after the last tensor", ""},
  };
}

TEST(Safetensors, WrongFilesAreRefused) {
  const TemporaryFolder folder;
  for (const Bad& bad : bad_files()) {
    const std::string path = folder.write("bad.safetensors", bad.bytes);
    const auto file = SafetensorsFile::open(path);
    if (file.ok()) {
      ADD_FAILURE() << bad.what << " was read";
      continue;
    }
    EXPECT_EQ(file.error().code, bad.code) << bad.what;
    EXPECT_THAT(file.error().message, HasSubstr(bad.message)) << bad.what;
    EXPECT_EQ(file.error().field, bad.field) << bad.what;
    EXPECT_EQ(file.error().file, path) << bad.what;
  }
}

TEST(Safetensors, OddButAllowed) {
  const TemporaryFolder folder;
  const auto reads = [&](const std::string& bytes) {
    const auto file = SafetensorsFile::open(folder.write("odd.safetensors", bytes));
    EXPECT_TRUE(file.ok()) << file.error().to_string();
    return file.ok();
  };
  EXPECT_TRUE(reads(safetensors("{}", "")));
  EXPECT_TRUE(reads(two("[0,8]", "[8,16]", 16)));
  EXPECT_TRUE(reads(two("[8,16]", "[0,8]", 16))); // in another order than their names
  EXPECT_TRUE(reads(one(R"({"dtype":"F32","shape":[0,7],"data_offsets":[0,0]})", 0)));
  EXPECT_TRUE(reads(one(R"({"dtype":"F32","shape":[],"data_offsets":[0,4]})", 4)));
  EXPECT_TRUE(reads(one(R"({"dtype":"F32","shape":[1],"data_offsets":[0,4]} )", 4)));    // data at an odd address
  EXPECT_TRUE(reads(safetensors(R"({"__metadata__":null})", "")));                       // as the format's own library
  EXPECT_TRUE(reads(one(R"({"dtype":"F8_E4M3","shape":[4],"data_offsets":[0,4]})", 4))); // refused by who reads it
  EXPECT_TRUE(reads(one(R"({"dtype":"F4","shape":[8],"data_offsets":[0,4],"x":{"y":[1,{}]}})", 4)));
}

std::string empty_tensors(std::size_t count) {
  std::string header = "{";
  for (std::size_t i = 0; i < count; ++i)
    header += (i ? ",\"" : "\"") + std::to_string(i) + R"(":{"dtype":"F32","shape":[0],"data_offsets":[0,0]})";
  return safetensors(header + "}", "");
}

// 100,000 tensors once took a hundred times as long as 10,000: minutes, far more than the test's limit.
TEST(Safetensors, VeryManyEmptyTensors) {
  const TemporaryFolder folder;
  const auto file = SafetensorsFile::open(folder.write("many.safetensors", empty_tensors(200'000)));
  ASSERT_TRUE(file.ok()) << file.error().to_string();
  EXPECT_EQ(file->tensors().size(), 200'000U);
  const auto more = SafetensorsFile::open(folder.write("more.safetensors", empty_tensors(300'000)));
  ASSERT_FALSE(more.ok());
  EXPECT_THAT(more.error().message, HasSubstr("262144"));
}

} // namespace
} // namespace headscope::io
