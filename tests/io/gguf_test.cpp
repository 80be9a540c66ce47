// SPDX-License-Identifier: GPL-3.0-or-later
// GGUF: a file by Python's gguf package, and one of every way in which a file can be wrong.
#include <functional>

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include "core/io/checkpoint.h"
#include "core/io/gguf.h"
#include "tests/io/files.h"

namespace headscope::io {
namespace {

using testing::HasSubstr;

TEST(Gguf, MetadataOfEveryKind) {
  const auto file = GgufFile::open(golden_folder + "all_types.gguf");
  ASSERT_TRUE(file.ok()) << file.error().to_string();
  const auto expected = nlohmann::json::parse(read_file(golden_folder + "metadata.json"));
  EXPECT_EQ(file->version(), 3u);
  const auto json = file->metadata_json();
  for (const auto& [key, value] : expected.items()) {
    if (key == "list.long") continue;
    ASSERT_TRUE(json.contains(key)) << key;
    EXPECT_EQ(json[key].dump(), value.dump()) << key; // as text, which tells 1 from 1.0 and true
  }
  EXPECT_EQ(json["list.long"], nlohmann::json({{"length", 5000}}));
  EXPECT_EQ(file->metadata_json(6000)["list.long"], expected["list.long"]);
  const auto keys = file->keys();
  EXPECT_EQ(keys.size(), expected.size());
  EXPECT_TRUE(std::is_sorted(keys.begin(), keys.end()));
}

TEST(Gguf, Accessors) {
  const auto file = GgufFile::open(golden_folder + "all_types.gguf");
  ASSERT_TRUE(file.ok()) << file.error().to_string();
  EXPECT_EQ(file->string("general.architecture"), "llama");
  EXPECT_EQ(file->string("general.empty"), "");
  EXPECT_EQ(file->integer("kind.i8"), -100);
  EXPECT_EQ(file->integer("kind.u32"), 4000000000);
  EXPECT_EQ(file->integer("kind.i64"), -(std::int64_t{1} << 62) - 11);
  EXPECT_EQ(file->integer("kind.u64"), std::nullopt); // past int64
  EXPECT_EQ(file->integer("kind.f32"), std::nullopt);
  EXPECT_EQ(file->number("kind.f32"), 0.15625);
  EXPECT_EQ(file->number("kind.f64"), 0.1);
  EXPECT_EQ(file->number("kind.u16"), 60000.0);
  EXPECT_EQ(file->flag("kind.true"), true);
  EXPECT_EQ(file->flag("kind.false"), false);
  EXPECT_EQ(file->flag("kind.u8"), std::nullopt);
  EXPECT_EQ(file->string("kind.u8"), std::nullopt);
  EXPECT_EQ(file->string("absent"), std::nullopt);
  EXPECT_FALSE(file->has("absent"));
  ASSERT_NE(file->strings("list.strings"), nullptr);
  EXPECT_THAT(*file->strings("list.strings"), testing::ElementsAre("a", "", "ä▁", "two words"));
  ASSERT_NE(file->numbers("list.ints"), nullptr);
  EXPECT_THAT(*file->numbers("list.ints"), testing::ElementsAre(1, -2, 2000000000));
  ASSERT_NE(file->numbers("list.bools"), nullptr);
  EXPECT_THAT(*file->numbers("list.bools"), testing::ElementsAre(1, 0, 1));
  EXPECT_EQ(file->numbers("list.strings"), nullptr);
  EXPECT_EQ(file->strings("list.ints"), nullptr);
}

TEST(Gguf, ShapesAreRowMajor) {
  const auto file = GgufFile::open(golden_folder + "all_types.gguf");
  ASSERT_TRUE(file.ok()) << file.error().to_string();
  ASSERT_EQ(file->tensors().size(), 14u);
  for (const TensorInfo& info : file->tensors())
    EXPECT_THAT(info.shape, testing::ElementsAre(3, 512)) << info.name;
}

TEST(Gguf, VersionTwoIsReadAlike) {
  const TemporaryFolder folder;
  std::string bytes = read_file(golden_folder + "all_types.gguf");
  bytes[4] = 2;
  const auto two = GgufFile::open(folder.write("two.gguf", bytes));
  const auto three = GgufFile::open(golden_folder + "all_types.gguf");
  ASSERT_TRUE(two.ok()) << two.error().to_string();
  EXPECT_EQ(two->version(), 2u);
  EXPECT_EQ(two->metadata_json(), three->metadata_json());
}

TEST(Gguf, BigEndianIsNamed) {
  const auto file = GgufFile::open(golden_folder + "big_endian.gguf");
  ASSERT_FALSE(file.ok());
  EXPECT_EQ(file.error().code, ErrorCode::unsupported);
  EXPECT_THAT(file.error().message, HasSubstr("big-endian"));
}

TEST(Gguf, ForeignBytesInTextStayReadable) {
  const TemporaryFolder folder;
  Gguf gguf;
  gguf.pairs.push_back(gguf_pair("general.name", 8, gguf_text("caf\xE9")));
  gguf.pairs.push_back(gguf_pair("none", 9, u32(8) + u64(0)));
  const auto file = GgufFile::open(folder.write("a.gguf", gguf.bytes()));
  ASSERT_TRUE(file.ok()) << file.error().to_string();
  EXPECT_EQ(file->string("general.name"), "caf\xE9");
  EXPECT_EQ(file->metadata_json()["general.name"], "caf\xEF\xBF\xBD");
  EXPECT_EQ(file->metadata_json()["none"], nlohmann::json::array());
  EXPECT_NO_THROW((void)file->metadata_json().dump());
}

// ---- What a file must not be.

struct Bad {
  const char* what;
  std::function<void(Gguf&)> change;
  ErrorCode code;
  const char* message; // a part of it
  const char* field;   // a part of it
};

// Two float32 tensors of eight elements each, which the changes below spoil.
Gguf good() {
  Gguf gguf;
  gguf.tensors = {gguf_tensor("a", {8}, 0, 0), gguf_tensor("b", {4, 2}, 0, 32)};
  gguf.data = std::string(64, '\0');
  return gguf;
}

constexpr auto corrupt = ErrorCode::corrupt;
constexpr auto unsupported = ErrorCode::unsupported;

const std::vector<Bad>& bad_files() {
  static const std::vector<Bad> all = {
      {"magic", [](Gguf& g) { g.magic = "GGML"; }, corrupt, "does not begin with GGUF", "magic"},
      {"version 1", [](Gguf& g) { g.version = 1; }, unsupported, "is 1; Headscope reads 2 and 3", "version"},
      {"version 4", [](Gguf& g) { g.version = 4; }, unsupported, "is 4", "version"},
      {"big-endian", [](Gguf& g) { g.version = 0x03000000; }, unsupported, "big-endian", "version"},
      {"pair count", [](Gguf& g) { g.more_pairs = UINT64_MAX / 2; }, corrupt, "more than the file can hold",
       "metadata count"},
      {"tensor count", [](Gguf& g) { g.more_tensors = UINT64_MAX / 2; }, corrupt, "more than the file can hold",
       "tensor count"},
      {"one pair too many", [](Gguf& g) { g.tensors.clear(), g.data.clear(), g.more_pairs = 1; }, corrupt, "", ""},
      {"duplicate key", [](Gguf& g) { g.pairs.push_back(g.pairs[0]); }, corrupt, "appears twice",
       "general.architecture"},
      {"empty key", [](Gguf& g) { g.pairs.push_back(gguf_pair("", 4, u32(1))); }, corrupt, "its key is empty",
       "metadata 1"},
      {"key of other bytes", [](Gguf& g) { g.pairs.push_back(gguf_pair("\xFF", 4, u32(1))); }, corrupt, "no UTF-8",
       "metadata 1"},
      {"value type", [](Gguf& g) { g.pairs.push_back(gguf_pair("k", 13, u32(1))); }, corrupt, "unknown value type 13",
       "k"},
      {"string length", [](Gguf& g) { g.pairs.push_back(gguf_pair("k", 8, u64(UINT64_MAX))); }, corrupt, "past the end",
       "k"},
      {"key length", [](Gguf& g) { g.pairs.push_back(u64(1 << 20) + "k"); }, corrupt, "past the end", "metadata 1"},
      {"array length", [](Gguf& g) { g.pairs.push_back(gguf_pair("k", 9, u32(6) + u64(UINT64_MAX / 4))); }, corrupt,
       "longer than the file", "k"},
      {"array of strings",
       [](Gguf& g) { g.pairs.push_back(gguf_pair("k", 9, u32(8) + u64(3) + gguf_text("a") + u64(1 << 30))); }, corrupt,
       "past the end", "k"},
      {"array type", [](Gguf& g) { g.pairs.push_back(gguf_pair("k", 9, u32(99) + u64(1))); }, corrupt,
       "unknown type 99", "k"},
      {"array depth",
       [](Gguf& g) {
         std::string value = u32(4) + u64(0);
         for (int i = 0; i < 9; ++i)
           value = u32(9) + u64(1) + value;
         g.pairs.push_back(gguf_pair("k", 9, value));
       },
       corrupt, "too deeply", "k"},
      {"alignment 24", [](Gguf& g) { g.pairs.push_back(gguf_pair("general.alignment", 4, u32(24))); }, corrupt,
       "power of two", "general.alignment"},
      {"alignment 0", [](Gguf& g) { g.pairs.push_back(gguf_pair("general.alignment", 4, u32(0))); }, corrupt,
       "power of two", "general.alignment"},
      {"alignment as text", [](Gguf& g) { g.pairs.push_back(gguf_pair("general.alignment", 8, gguf_text("x"))); },
       corrupt, "power of two", "general.alignment"},
      {"duplicate tensor", [](Gguf& g) { g.tensors[1] = gguf_tensor("a", {8}, 0, 32); }, corrupt, "appears twice", "a"},
      {"tensor without name", [](Gguf& g) { g.tensors[1] = gguf_tensor("", {8}, 0, 32); }, corrupt, "has no name",
       "tensor 1"},
      {"tensor name", [](Gguf& g) { g.tensors[1] = gguf_tensor("\xC3(", {8}, 0, 32); }, corrupt, "no UTF-8",
       "tensor 1"},
      {"overlap", [](Gguf& g) { g.tensors[1] = gguf_tensor("b", {8}, 0, 0); }, corrupt, "overlaps", "b"},
      {"unaligned", [](Gguf& g) { g.tensors[1] = gguf_tensor("b", {4}, 0, 36); }, corrupt, "not a multiple", "b"},
      {"offset", [](Gguf& g) { g.tensors[1] = gguf_tensor("b", {8}, 0, 1 << 20); }, corrupt, "beyond the end", "b"},
      {"huge offset", [](Gguf& g) { g.tensors[1] = gguf_tensor("b", {8}, 0, UINT64_MAX - 31); }, corrupt,
       "beyond the end", "b"},
      {"truncated data", [](Gguf& g) { g.data.resize(60); }, corrupt, "beyond the end of the file", "b"},
      {"too much data", [](Gguf& g) { g.data += std::string(64, '\1'); }, corrupt, "after the last tensor", ""},
      {"more zeros than a page", [](Gguf& g) { g.data += std::string(70000, '\0'); }, corrupt, "after the last tensor",
       ""},
      {"negative axis", [](Gguf& g) { g.tensors[1] = gguf_tensor("b", {-8}, 0, 32); }, corrupt, "negative", "b"},
      {"overflowing axes",
       [](Gguf& g) {
         g.tensors[1] = gguf_tensor("b", {1LL << 40, 1LL << 40}, 0, 32);
       },
       corrupt, "implausibly large", "b"},
      {"five axes",
       [](Gguf& g) {
         g.tensors[1] = gguf_tensor("b", {1, 1, 1, 1, 8}, 0, 32);
       },
       corrupt, "has 5 axes", "b"},
      {"part of a block", [](Gguf& g) { g.tensors[1] = gguf_tensor("b", {40}, 2, 32); }, corrupt,
       "rows of 40 are no whole blocks of Q4_0", "b"},
      {"part of a large block",
       [](Gguf& g) {
         g.tensors[1] = gguf_tensor("b", {128, 2}, 12, 32);
       },
       corrupt, "no whole blocks of Q4_K", "b"},
  };
  return all;
}

TEST(Gguf, TheFileThatTheTableSpoilsIsGood) {
  const TemporaryFolder folder;
  const auto file = GgufFile::open(folder.write("good.gguf", good().bytes()));
  ASSERT_TRUE(file.ok()) << file.error().to_string();
  EXPECT_THAT(file->tensors()[1].shape, testing::ElementsAre(2, 4));
}

TEST(Gguf, WrongFilesAreRefused) {
  const TemporaryFolder folder;
  for (const Bad& bad : bad_files()) {
    Gguf gguf = good();
    bad.change(gguf);
    const std::string path = folder.write("bad.gguf", gguf.bytes());
    const auto file = GgufFile::open(path);
    if (file.ok()) {
      ADD_FAILURE() << bad.what << " was read";
      continue;
    }
    EXPECT_EQ(file.error().code, bad.code) << bad.what;
    EXPECT_THAT(file.error().message, HasSubstr(bad.message)) << bad.what;
    EXPECT_THAT(file.error().field, HasSubstr(bad.field)) << bad.what;
    EXPECT_EQ(file.error().file, path) << bad.what;
  }
}

// A tensor in an unsupported type does no harm where it is not read.
TEST(Gguf, TypesThatAreNotRead) {
  const TemporaryFolder folder;
  for (const auto& [type, name] :
       std::vector<std::pair<std::uint32_t, std::string>>{{22, "IQ2_S"}, {4, "Q4_2"}, {77, "number 77"}}) {
    Gguf gguf = good();
    gguf.tensors[1] = gguf_tensor("b", {256}, type, 32);
    const auto checkpoint = Checkpoint::open(folder.write("types.gguf", gguf.bytes()));
    ASSERT_TRUE(checkpoint.ok()) << checkpoint.error().to_string();
    std::vector<float> values(256);
    Workers alone(1);
    EXPECT_TRUE(checkpoint->read("a", values.data(), ElementType::f32, alone).ok());
    const Status status = checkpoint->read("b", values.data(), ElementType::f32, alone);
    ASSERT_FALSE(status.ok());
    EXPECT_EQ(status.error().code, ErrorCode::unsupported);
    EXPECT_THAT(status.error().message, HasSubstr("is stored as " + name));
    EXPECT_EQ(status.error().field, "b");
  }
}

TEST(Gguf, TruncatedAnywhere) {
  const TemporaryFolder folder;
  const std::string bytes = good().bytes();
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    const auto file = GgufFile::open(folder.write("short.gguf", bytes.substr(0, size)));
    ASSERT_FALSE(file.ok()) << size;
    EXPECT_EQ(file.error().code, ErrorCode::corrupt) << size;
  }
}

TEST(Gguf, FilesThatCannotBeRead) {
  const TemporaryFolder folder;
  const auto none = GgufFile::open(folder.path() + "/none.gguf");
  ASSERT_FALSE(none.ok());
  EXPECT_EQ(none.error().code, ErrorCode::not_found);
  const auto directory = GgufFile::open(folder.path());
  ASSERT_FALSE(directory.ok());
  EXPECT_EQ(directory.error().code, ErrorCode::io);
}

} // namespace
} // namespace headscope::io
