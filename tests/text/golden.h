// SPDX-License-Identifier: GPL-3.0-or-later
// Golden files of tests/golden/tokenizers.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "core/text/tokenizer.h"

namespace headscope::text {

using Ids = std::vector<std::int64_t>;

inline std::string golden_path(const std::string& name) {
  return std::string(HEADSCOPE_GOLDEN_DIR) + "/tokenizers/" + name;
}

inline nlohmann::json golden(const std::string& name) {
  std::ifstream in(golden_path(name));
  EXPECT_TRUE(in.good()) << name;
  return nlohmann::json::parse(in);
}

inline Ids encode(const Tokenizer& tokenizer, std::string_view text, TokenizeOptions options = {}) {
  auto ids = tokenizer.encode(text, options);
  EXPECT_TRUE(ids.ok()) << (ids.ok() ? "" : ids.error().to_string());
  return ids.ok() ? *ids : Ids{};
}

inline std::unique_ptr<Tokenizer> load(const std::string& path) {
  auto tokenizer = load_tokenizer_folder(path);
  EXPECT_TRUE(tokenizer.ok()) << (tokenizer.ok() ? "" : tokenizer.error().to_string());
  return tokenizer.ok() ? *std::move(tokenizer) : nullptr;
}

// Compares a tokenizer with rows of ids (and, where they are, decoded text and variants) over texts.json.
inline void expect_rows(const Tokenizer& tokenizer, const nlohmann::json& texts, const nlohmann::json& rows) {
  ASSERT_EQ(texts.size(), rows.size());
  for (std::size_t i = 0; i < texts.size(); ++i) {
    const auto text = texts[i].get<std::string>();
    const auto ids = rows[i]["ids"].get<Ids>();
    EXPECT_EQ(encode(tokenizer, text), ids) << texts[i];
    EXPECT_EQ(encode(tokenizer, text, {.add_special = false}), rows[i].value("plain", ids)) << texts[i];
    EXPECT_EQ(encode(tokenizer, text, {.parse_special = false}), rows[i].value("split", ids)) << texts[i];
    EXPECT_EQ(tokenizer.decode(ids), rows[i]["decoded"].get<std::string>()) << texts[i];
    EXPECT_EQ(tokenizer.decode(ids, true), rows[i]["skipped"].get<std::string>()) << texts[i];
  }
}

// Decodes ids in arbitrary order.
inline void expect_decodes(const Tokenizer& tokenizer, const nlohmann::json& rows) {
  ASSERT_FALSE(rows.empty());
  for (const auto& row : rows) {
    EXPECT_EQ(tokenizer.decode(row["ids"].get<Ids>()), row["decoded"].get<std::string>()) << row["ids"];
    EXPECT_EQ(tokenizer.decode(row["ids"].get<Ids>(), true), row["skipped"].get<std::string>()) << row["ids"];
  }
}

// The byte strings of invalid.json, which are not UTF-8.
inline void expect_invalid(const Tokenizer& tokenizer, const nlohmann::json& rows) {
  const auto texts = golden("invalid.json");
  ASSERT_EQ(texts.size(), rows.size());
  for (std::size_t i = 0; i < texts.size(); ++i) {
    const auto digits = texts[i].get<std::string>();
    std::string bytes;
    for (std::size_t at = 0; at < digits.size(); at += 2)
      bytes.push_back(static_cast<char>(std::stoi(digits.substr(at, 2), nullptr, 16)));
    EXPECT_EQ(encode(tokenizer, bytes), rows[i].get<Ids>()) << digits;
  }
}

// A folder under the test's temporary folder that is removed with the object.
class TemporaryFolder {
public:
  TemporaryFolder() {
    std::string pattern = testing::TempDir() + "headscope_text_XXXXXX";
    path_ = mkdtemp(pattern.data());
  }
  ~TemporaryFolder() {
    std::error_code error;
    std::filesystem::remove_all(path_, error);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  const std::string& path() const { return path_; }
  void write(const std::string& name, const std::string& content) const {
    std::ofstream(path_ + "/" + name, std::ios::binary) << content;
  }

private:
  std::string path_;
};

} // namespace headscope::text
