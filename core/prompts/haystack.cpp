// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/prompts/haystack.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <system_error>

#include "core/base/sha256.h"
#include "core/text/unicode.h"

namespace headscope {
namespace {

namespace fs = std::filesystem;

Result<std::string> read_bytes(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) return make_error(ErrorCode::io, "cannot be opened for reading", path);
  std::string bytes{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  if (in.bad()) return make_error(ErrorCode::io, "could not be read to its end", path);
  return bytes;
}

// Removes the byte order mark, carriage returns and blanks at the end, which would become unintended tokens.
std::string tidy(std::string text) {
  if (text.starts_with("\xEF\xBB\xBF")) text.erase(0, 3);
  std::erase(text, '\r');
  const auto end = text.find_last_not_of(" \t\n\v\f");
  text.resize(end == std::string::npos ? 0 : end + 1);
  return text;
}

Result<std::string> read_text(const std::string& path) {
  HS_ASSIGN(std::string bytes, read_bytes(path));
  if (bytes.find('\0') != std::string::npos)
    return make_error(ErrorCode::corrupt, "is not text: it has zero bytes", path);
  std::string repaired;
  if (text::valid_utf8(bytes, repaired).data() != bytes.data())
    return make_error(ErrorCode::corrupt, "is not UTF-8 text; convert it, e.g. with iconv -t UTF-8", path);
  return tidy(std::move(bytes));
}

Result<std::vector<std::string>> text_files(const std::string& folder) {
  std::vector<std::string> files;
  std::error_code error;
  fs::recursive_directory_iterator it(folder, error), end;
  for (; !error && it != end; it.increment(error)) {
    const auto ending = it->path().extension();
    std::error_code ignored;
    if ((ending == ".txt" || ending == ".md") && it->is_regular_file(ignored)) files.push_back(it->path().string());
  }
  if (error) return make_error(ErrorCode::io, "the folder cannot be read: " + error.message(), folder);
  std::sort(files.begin(), files.end());
  return files;
}

} // namespace

Result<std::string> load_haystack(const std::string& path) {
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  if (!fs::exists(status)) return make_error(ErrorCode::not_found, "does not exist", path, "haystack");
  std::vector<std::string> files = {path};
  if (fs::is_directory(status)) {
    HS_ASSIGN(files, text_files(path));
    if (files.empty())
      return make_error(ErrorCode::invalid_argument, "the folder has no .txt or .md file", path, "haystack");
  } else if (!fs::is_regular_file(status)) {
    return make_error(ErrorCode::invalid_argument, "is neither a file nor a folder", path, "haystack");
  }
  std::string all;
  for (const std::string& file : files) {
    HS_ASSIGN(const std::string one, read_text(file));
    if (one.empty()) continue;
    if (!all.empty()) all += "\n\n";
    all += one;
  }
  if (all.empty()) return make_error(ErrorCode::invalid_argument, "holds no text", path, "haystack");
  return all;
}

Result<std::string> haystack_sha256(const std::string& path) {
  std::error_code error;
  if (!fs::is_directory(path, error)) return sha256_file(path);
  HS_ASSIGN(const std::string text, load_haystack(path));
  return sha256_hex(text.data(), text.size());
}

std::vector<Needle> default_needles() {
  return {
      {"velmora",
       "The best thing to do in Velmora is to eat a pear sandwich and sit under the blue clock on a rainy day.",
       "What is the best thing to do in Velmora?", "eat a pear sandwich and sit under the blue clock on a rainy day"},
      {"tarnwick",
       "The farmers of Tarnwick keep their goats calm by playing a silver trumpet and feeding them dried oranges "
       "before "
       "sunrise.",
       "How do the farmers of Tarnwick keep their goats calm?",
       "by playing a silver trumpet and feeding them dried oranges before sunrise"},
      {"orlin",
       "Captain Orlin hid the secret green map inside a hollow drum beneath the kitchen floor of the old lighthouse.",
       "Where did Captain Orlin hide the secret green map?",
       "inside a hollow drum beneath the kitchen floor of the old lighthouse"},
  };
}

} // namespace headscope
