// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/prompts/haystack.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/base/random.h"
#include "core/base/sha256.h"
#include "core/scoring/rouge.h"

namespace headscope {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

class TemporaryFolder {
public:
  TemporaryFolder() {
    std::string pattern = (fs::temp_directory_path() / "headscope_haystack_XXXXXX").string();
    path_ = mkdtemp(pattern.data());
  }
  ~TemporaryFolder() { fs::remove_all(path_); }
  std::string file(const std::string& name, const std::string& bytes) const {
    const fs::path path = path_ / name;
    fs::create_directories(path.parent_path());
    std::ofstream(path, std::ios::binary) << bytes;
    return path.string();
  }
  std::string path() const { return path_.string(); }

private:
  fs::path path_;
};

std::vector<std::string> sentences(std::string text) {
  std::replace(text.begin(), text.end(), '\n', ' ');
  std::vector<std::string> out;
  for (std::size_t begin = 0, end; (end = text.find('.', begin)) != std::string::npos; begin = end + 1) {
    const auto first = text.find_first_not_of(' ', begin);
    out.push_back(text.substr(first, end + 1 - first));
  }
  return out;
}

// Published outputs of splitmix64 for seed 1234567 (Vigna's splitmix64.c, as listed by Rosetta Code).
TEST(Random, IsSplitmix64) {
  Random random(1234567);
  for (const std::uint64_t expected : {6457827717110365317ull, 3203168211198807973ull, 9817491932198370423ull,
                                       4593380528125082431ull, 16408922859458223821ull})
    EXPECT_EQ(random.next(), expected);
}

TEST(Random, BelowAndShuffleReachEverything) {
  Random random(3);
  std::vector<int> counts(7);
  for (int i = 0; i < 7000; ++i)
    ++counts[random.below(7)];
  for (const int count : counts)
    EXPECT_NEAR(count, 1000, 150);
  std::vector<int> items = {0, 1, 2, 3, 4};
  std::set<std::vector<int>> orders;
  for (int i = 0; i < 2000; ++i) {
    random.shuffle(items);
    orders.insert(items);
  }
  EXPECT_EQ(orders.size(), 120u);
}

TEST(Haystack, IsTheSameForASeedAndGrowsAtItsEnd) {
  const std::string text = generated_haystack(5, 20000);
  EXPECT_GE(text.size(), 20000u);
  EXPECT_EQ(text, generated_haystack(5, 20000));
  EXPECT_NE(text, generated_haystack(6, 20000));
  EXPECT_TRUE(generated_haystack(5, 100000).starts_with(text));
}

TEST(Haystack, IsPlainVariedSentences) {
  const std::string text = generated_haystack(0, 400000);
  EXPECT_EQ(text.find_first_of("{}"), std::string::npos);
  EXPECT_TRUE(std::all_of(text.begin(), text.end(), [](char c) { return c == '\n' || (c >= ' ' && c < 127); }));
  const auto all = sentences(text);
  EXPECT_GT(all.size(), 4000u);
  EXPECT_EQ(std::set<std::string>(all.begin(), all.end()).size(), all.size());
  std::set<std::string> words;
  for (const std::string& sentence : all) {
    EXPECT_TRUE(sentence[0] >= 'A' && sentence[0] <= 'Z') << sentence;
    for (const std::string& word : rouge_tokens(sentence, false))
      words.insert(word);
  }
  EXPECT_GT(words.size(), 500u);
}

TEST(Haystack, NeedlesAreAnsweredByCopyingAndNotByTheHaystack) {
  const std::string text = generated_haystack(1, 400000);
  const auto hay = rouge_tokens(text, false);
  const std::set<std::string> hay_words(hay.begin(), hay.end());
  ASSERT_EQ(default_needles().size(), 3u);
  for (const Needle& needle : default_needles()) {
    EXPECT_THAT(needle.needle, HasSubstr(needle.real_needle));
    EXPECT_EQ(needle.question.back(), '?');
    EXPECT_EQ(needle.needle.back(), '.');
    EXPECT_THAT(text, testing::Not(HasSubstr(needle.real_needle)));
    const auto words = rouge_tokens(needle.real_needle, false);
    const auto unknown =
        std::count_if(words.begin(), words.end(), [&](const auto& w) { return !hay_words.contains(w); });
    EXPECT_GE(unknown, 4) << needle.name;
  }
}

TEST(Haystack, LoadsAFileAndAFolder) {
  const TemporaryFolder folder;
  const std::string file = folder.file("b.txt", "\xEF\xBB\xBFOne.\r\nTwo.\n\n");
  folder.file("a.md", "Na\xC3\xAFve.");
  folder.file("sub/c.txt", "Three.\n");
  folder.file("sub/ignored.bin", std::string("\0\1", 2));
  folder.file("empty.txt", "");
  EXPECT_EQ(load_haystack(file).value(), "One.\nTwo.");
  EXPECT_EQ(load_haystack(folder.path()).value(), "Na\xC3\xAFve.\n\nOne.\nTwo.\n\nThree.");
}

TEST(Haystack, SaysWhatIsWrongWithAFile) {
  const TemporaryFolder folder;
  const std::string binary = folder.file("x/zero.txt", std::string("ab\0c", 4));
  const std::string latin = folder.file("y/latin.txt", "caf\xE9");
  const std::string blank = folder.file("z/blank.txt", " \n\t\n");
  folder.file("none/readme.rst", "text");
  EXPECT_EQ(load_haystack(binary).error().code, ErrorCode::corrupt);
  EXPECT_EQ(load_haystack(binary).error().file, binary);
  EXPECT_EQ(load_haystack(latin).error().code, ErrorCode::corrupt);
  EXPECT_EQ(load_haystack(folder.path()).error().code, ErrorCode::corrupt);
  EXPECT_EQ(load_haystack(blank).error().code, ErrorCode::invalid_argument);
  EXPECT_EQ(load_haystack(folder.path() + "/none").error().code, ErrorCode::invalid_argument);
  EXPECT_EQ(load_haystack(folder.path() + "/missing").error().code, ErrorCode::not_found);
  EXPECT_EQ(load_haystack("/dev/null").error().code, ErrorCode::invalid_argument);
}

} // namespace
} // namespace headscope
