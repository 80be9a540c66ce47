// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/batch/journal.h"

#include <cerrno>
#include <cstring>
#include <string_view>
#include <utility>

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include "core/base/crc32c.h"
#include "core/base/partial_file.h"
#include "core/base/sha256.h"
#include "core/base/text_file.h"

namespace headscope {
namespace {

constexpr std::string_view magic = "HSJRNL1\n";
constexpr std::size_t frame = 8; // length and checksum

void put(std::string& out, std::uint64_t value, int bytes) {
  for (int i = 0; i < bytes; ++i)
    out += static_cast<char>(value >> (8 * i) & 0xFFu);
}

std::uint64_t get(std::string_view bytes, std::size_t at, int count) {
  std::uint64_t value = 0;
  for (int i = 0; i < count; ++i)
    value |= static_cast<std::uint64_t>(static_cast<unsigned char>(bytes[at + static_cast<std::size_t>(i)])) << (8 * i);
  return value;
}

std::string cbor(const nlohmann::json& json) {
  const std::vector<std::uint8_t> bytes = nlohmann::json::to_cbor(json);
  return {bytes.begin(), bytes.end()};
}

nlohmann::json from_cbor(std::string_view bytes) { return nlohmann::json::from_cbor(bytes, true, false); }

std::string record(const std::string& body) {
  std::string out;
  put(out, body.size(), 4);
  put(out, crc32c(body), 4);
  return out + body;
}

std::string cell_record(std::int64_t cell, const nlohmann::json& result) {
  std::string body;
  put(body, static_cast<std::uint64_t>(cell), 8);
  return record(body + cbor(result));
}

// Reads the next whole record's body; false where the file ends, is cut off or does not match its checksum.
bool next_body(std::string_view bytes, std::size_t& at, std::string_view& body) {
  if (bytes.size() - at < frame) return false;
  const auto size = static_cast<std::size_t>(get(bytes, at, 4));
  if (bytes.size() - at - frame < size) return false;
  body = bytes.substr(at + frame, size);
  if (crc32c(body) != static_cast<std::uint32_t>(get(bytes, at + 4, 4))) return false;
  at += frame + size;
  return true;
}

bool take_cell(std::string_view body, CellResults& cells) {
  if (body.size() < 8) return false;
  nlohmann::json result = from_cbor(body.substr(8));
  if (result.is_discarded()) return false;
  cells.emplace(static_cast<std::int64_t>(get(body, 0, 8)), std::move(result));
  return true;
}

// Locks the file until it is closed, also when the process is killed.
Status lock(int fd, const std::string& path) {
  if (::flock(fd, LOCK_EX | LOCK_NB) == 0) return {};
  return make_error(ErrorCode::already_exists, "another process is writing it", path);
}

Error system_error(const std::string& path, const char* what) {
  return make_error(errno == EEXIST ? ErrorCode::already_exists : ErrorCode::io,
                    std::string(what) + ": " + std::strerror(errno), path);
}

} // namespace

nlohmann::json to_json(const JournalHeader& header) {
  return {{"fingerprint", header.fingerprint},
          {"cells", header.cells},
          {"created", header.created},
          {"command_line", header.command_line},
          {"file", header.file},
          {"text", header.text},
          {"out", header.out}};
}

Result<JournalHeader> header_from_json(const nlohmann::json& json) {
  JournalHeader header;
  for (const auto& [key, text] : {std::pair("fingerprint", &header.fingerprint),
                                  {"created", &header.created},
                                  {"command_line", &header.command_line},
                                  {"file", &header.file},
                                  {"text", &header.text},
                                  {"out", &header.out}}) {
    if (!json.is_object() || !json.contains(key) || !json[key].is_string())
      return make_error(ErrorCode::corrupt, std::string("its header has no ") + key);
    *text = json[key].get<std::string>();
  }
  if (!json.contains("cells") || !json["cells"].is_number_integer())
    return make_error(ErrorCode::corrupt, "its header has no cells");
  header.cells = json["cells"].get<std::int64_t>();
  return header;
}

Result<JournalContent> read_journal(const std::string& path) {
  HS_ASSIGN(const std::string text, read_regular_file(path));
  const std::string_view bytes = text;
  if (bytes.substr(0, magic.size()) != magic) return make_error(ErrorCode::corrupt, "is no journal of Headscope", path);
  std::size_t at = magic.size();
  std::string_view body;
  if (!next_body(bytes, at, body)) return make_error(ErrorCode::corrupt, "the journal has no whole header", path);
  JournalContent content;
  auto header = header_from_json(from_cbor(body));
  if (!header.ok()) return make_error(header.error().code, header.error().message, path);
  content.header = std::move(*header);
  content.good_bytes = static_cast<std::int64_t>(at);
  while (next_body(bytes, at, body) && take_cell(body, content.cells))
    content.good_bytes = static_cast<std::int64_t>(at);
  return content;
}

Result<Journal> Journal::create(const std::string& path, const JournalHeader& header) {
  // The file never exists without its header: it gets its name only when that is on disk.
  HS_ASSIGN(PartialFile file, PartialFile::create(path, false));
  HS_TRY(file.append(std::string(magic) + record(cbor(to_json(header)))));
  HS_ASSIGN(const int fd, file.publish_open(false));
  return Journal(path, fd);
}

Result<Journal> Journal::resume(const std::string& path, const JournalContent& content) {
  const int fd = ::open(path.c_str(), O_WRONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  if (fd < 0) return system_error(path, "cannot be written");
  Journal journal(path, fd);
  HS_TRY(lock(fd, path));
  if (::ftruncate(fd, content.good_bytes) != 0 || ::lseek(fd, 0, SEEK_END) < 0)
    return system_error(path, "cannot be continued");
  return journal;
}

Journal::Journal(Journal&& other) noexcept : path_(std::move(other.path_)), fd_(std::exchange(other.fd_, -1)) {}
Journal& Journal::operator=(Journal&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(fd_, other.fd_);
  return *this;
}
Journal::~Journal() {
  if (fd_ >= 0) ::close(fd_);
}

Status Journal::write(const std::string& bytes) {
  for (std::size_t done = 0; done < bytes.size();) {
    const ssize_t written = ::write(fd_, bytes.data() + done, bytes.size() - done);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return system_error(path_, "cannot be written");
    done += static_cast<std::size_t>(written);
  }
  return ::fdatasync(fd_) == 0 ? Status() : system_error(path_, "cannot be written");
}

Status Journal::append(std::int64_t cell, const nlohmann::json& result) { return write(cell_record(cell, result)); }

std::string pack_cells(const CellResults& cells) {
  std::string out;
  for (const auto& [cell, result] : cells)
    out += cell_record(cell, result);
  return out;
}

Result<CellResults> unpack_cells(const std::string& bytes) {
  CellResults cells;
  std::size_t at = 0;
  for (std::string_view body; next_body(bytes, at, body);)
    if (!take_cell(body, cells)) break;
  if (at == bytes.size()) return cells;
  return make_error(ErrorCode::internal, "results of another process arrived damaged");
}

Result<CellResults> as_read_back(std::int64_t cell, const nlohmann::json& result) {
  return unpack_cells(pack_cells({{cell, result}}));
}

std::string fingerprint_of(const nlohmann::json& all) {
  const std::vector<std::uint8_t> bytes = nlohmann::json::to_cbor(all);
  return sha256_hex(bytes.data(), bytes.size());
}

} // namespace headscope
