// SPDX-License-Identifier: GPL-3.0-or-later
// Reads the header of a GGUF file. No length in it is trusted: nothing is allocated or read by it before it is compared
// with the bytes that the file still has.
#include <algorithm>
#include <cstring>

#include "core/io/gguf.h"
#include "core/io/gguf_json.h"
#include "core/io/tensor_layout.h"
#include "core/io/utf8.h"

namespace headscope {

namespace {

enum class ValueType : std::uint32_t { u8, i8, u16, i16, u32, i32, f32, boolean, string, array, u64, i64, f64 };
constexpr int deepest_array = 4;
constexpr std::uint64_t largest_page = 65536;
constexpr std::size_t longest_nested = 4096; // arrays within arrays serve only listings

std::size_t scalar_bytes(ValueType type) {
  switch (type) {
  case ValueType::u8:
  case ValueType::i8:
  case ValueType::boolean: return 1;
  case ValueType::u16:
  case ValueType::i16: return 2;
  case ValueType::u32:
  case ValueType::i32:
  case ValueType::f32: return 4;
  case ValueType::u64:
  case ValueType::i64:
  case ValueType::f64: return 8;
  default: return 0;
  }
}

template <typename T> T load(const std::uint8_t* p) {
  T value;
  std::memcpy(&value, p, sizeof(T));
  return value;
}

// Reads a number or bool as the widest type of its kind.
GgufFile::Value scalar(ValueType type, const std::uint8_t* p) {
  switch (type) {
  case ValueType::u8: return static_cast<std::uint64_t>(*p);
  case ValueType::i8: return static_cast<std::int64_t>(load<std::int8_t>(p));
  case ValueType::u16: return static_cast<std::uint64_t>(load<std::uint16_t>(p));
  case ValueType::i16: return static_cast<std::int64_t>(load<std::int16_t>(p));
  case ValueType::u32: return static_cast<std::uint64_t>(load<std::uint32_t>(p));
  case ValueType::i32: return static_cast<std::int64_t>(load<std::int32_t>(p));
  case ValueType::f32: return static_cast<double>(load<float>(p));
  case ValueType::boolean: return *p != 0;
  case ValueType::u64: return load<std::uint64_t>(p);
  case ValueType::i64: return load<std::int64_t>(p);
  default: return load<double>(p);
  }
}

GgufFile::NumberArray::Kind kind_of(ValueType type) {
  using Kind = GgufFile::NumberArray::Kind;
  if (type == ValueType::boolean) return Kind::boolean;
  return type == ValueType::f32 || type == ValueType::f64 ? Kind::real : Kind::integer;
}

double as_double(const GgufFile::Value& value) {
  if (const auto* u = std::get_if<std::uint64_t>(&value)) return static_cast<double>(*u);
  if (const auto* i = std::get_if<std::int64_t>(&value)) return static_cast<double>(*i);
  if (const auto* b = std::get_if<bool>(&value)) return *b ? 1.0 : 0.0;
  return std::get<double>(value);
}

// Names of ggml types that are known but not supported, for the message.
std::string type_name(std::uint32_t type) {
  static constexpr const char* names[] = {"F32",     "F16",    "Q4_0",    "Q4_1",  "Q4_2",   "Q4_3",  "Q5_0",  "Q5_1",
                                          "Q8_0",    "Q8_1",   "Q2_K",    "Q3_K",  "Q4_K",   "Q5_K",  "Q6_K",  "Q8_K",
                                          "IQ2_XXS", "IQ2_XS", "IQ3_XXS", "IQ1_S", "IQ4_NL", "IQ3_S", "IQ2_S", "IQ4_XS",
                                          "I8",      "I16",    "I32",     "I64",   "F64",    "IQ1_M", "BF16"};
  if (type < std::size(names)) return names[type];
  return "number " + std::to_string(type);
}

} // namespace

class GgufParser {
public:
  explicit GgufParser(GgufFile& file) : file_(file), bytes_(file.file_.bytes()), path_(file.path()) {}
  Status parse();

private:
  Error corrupt(const std::string& message, const std::string& field = {}) const {
    return make_error(ErrorCode::corrupt, message, path_, field);
  }
  std::uint64_t left() const { return bytes_.size() - at_; }
  template <typename T> bool take(T& value) {
    if (left() < sizeof(T)) return false;
    value = load<T>(bytes_.data() + at_);
    at_ += sizeof(T);
    return true;
  }
  bool take_string(std::string_view& text) {
    std::uint64_t length = 0;
    if (!take(length) || length > left()) return false;
    text = {reinterpret_cast<const char*>(bytes_.data() + at_), static_cast<std::size_t>(length)};
    at_ += length;
    return true;
  }

  Status header(std::uint64_t& tensors, std::uint64_t& pairs);
  Status pair(std::uint64_t index);
  Result<GgufFile::Value> value(ValueType type, const std::string& key, int depth);
  Result<GgufFile::Value> array(const std::string& key, int depth);
  Result<GgufFile::Value> nested(const std::string& key, std::uint64_t count, int depth);
  Status tensor(std::uint64_t index);
  Status place_tensors();

  GgufFile& file_;
  std::span<const std::uint8_t> bytes_;
  std::string path_;
  std::uint64_t at_ = 0;
  bool unknown_type_ = false; // of some tensor
};

Status GgufParser::header(std::uint64_t& tensors, std::uint64_t& pairs) {
  if (bytes_.size() < 24)
    return corrupt("has " + std::to_string(bytes_.size()) + " bytes, too few for a GGUF file; it is truncated");
  if (std::memcmp(bytes_.data(), "GGUF", 4) != 0)
    return corrupt("does not begin with GGUF; this is no GGUF file", "magic");
  at_ = 4;
  take(file_.version_);
  take(tensors);
  take(pairs);
  if (file_.version_ == 0x02000000 || file_.version_ == 0x03000000)
    return make_error(ErrorCode::unsupported, "the file is big-endian; convert it to little-endian", path_, "version");
  if (file_.version_ != 2 && file_.version_ != 3)
    return make_error(ErrorCode::unsupported, "is " + std::to_string(file_.version_) + "; Headscope reads 2 and 3",
                      path_, "version");
  // The shortest pair has 8 + 1 + 4 + 1 bytes, the shortest tensor 8 + 1 + 4 + 4 + 8.
  if (pairs > left() / 13)
    return corrupt("is more than the file can hold; it is truncated or damaged", "metadata count");
  if (tensors > left() / 24)
    return corrupt("is more than the file can hold; it is truncated or damaged", "tensor count");
  return {};
}

Status GgufParser::pair(std::uint64_t index) {
  const std::string place = "metadata " + std::to_string(index);
  std::string_view key;
  std::uint32_t type = 0;
  if (!take_string(key) || !take(type)) return corrupt("goes past the end of the file; it is truncated", place);
  if (key.empty() || key.size() > 65535) return corrupt("its key is empty or implausibly long", place);
  if (io::readable_utf8(key) != key) return corrupt("its key is no UTF-8", place);
  HS_ASSIGN(GgufFile::Value read, value(static_cast<ValueType>(type), std::string(key), 0));
  if (!file_.metadata_.emplace(std::string(key), std::move(read)).second)
    return corrupt("appears twice", std::string(key));
  return {};
}

Result<GgufFile::Value> GgufParser::value(ValueType type, const std::string& key, int depth) {
  if (type == ValueType::string) {
    std::string_view text;
    if (!take_string(text)) return corrupt("goes past the end of the file; it is truncated", key);
    return GgufFile::Value(text);
  }
  if (type == ValueType::array) return array(key, depth);
  const std::size_t size = scalar_bytes(type);
  if (size == 0) return corrupt("has the unknown value type " + std::to_string(static_cast<std::uint32_t>(type)), key);
  if (left() < size) return corrupt("goes past the end of the file; it is truncated", key);
  at_ += size;
  return scalar(type, bytes_.data() + at_ - size);
}

Result<GgufFile::Value> GgufParser::array(const std::string& key, int depth) {
  std::uint32_t raw = 0;
  std::uint64_t count = 0;
  if (!take(raw) || !take(count)) return corrupt("goes past the end of the file; it is truncated", key);
  const auto type = static_cast<ValueType>(raw);
  const std::size_t smallest = type == ValueType::string ? 8 : type == ValueType::array ? 12 : scalar_bytes(type);
  if (smallest == 0) return corrupt("is an array of the unknown type " + std::to_string(raw), key);
  if (count > left() / smallest) return corrupt("is an array longer than the file; it is truncated or damaged", key);
  if (type == ValueType::string) {
    std::vector<std::string_view> texts(static_cast<std::size_t>(count));
    for (std::string_view& text : texts)
      if (!take_string(text)) return corrupt("goes past the end of the file; it is truncated", key);
    return GgufFile::Value(std::move(texts));
  }
  if (type != ValueType::array) {
    GgufFile::NumberArray numbers;
    numbers.kind = kind_of(type);
    numbers.values.resize(static_cast<std::size_t>(count));
    for (double& number : numbers.values) {
      number = as_double(scalar(type, bytes_.data() + at_));
      at_ += smallest;
    }
    return GgufFile::Value(std::move(numbers));
  }
  if (depth >= deepest_array) return corrupt("nests arrays too deeply", key);
  return nested(key, count, depth);
}

Result<GgufFile::Value> GgufParser::nested(const std::string& key, std::uint64_t count, int depth) {
  const bool keep = count < longest_nested;
  auto list = std::make_shared<nlohmann::json>(nlohmann::json::array());
  for (std::uint64_t i = 0; i < count; ++i) {
    HS_ASSIGN(const GgufFile::Value inner, array(key, depth + 1));
    if (keep) list->push_back(std::visit(GgufJson{longest_nested}, inner));
  }
  if (!keep) *list = {{"length", count}};
  return GgufFile::Value(std::move(list));
}

Status GgufParser::tensor(std::uint64_t index) {
  const std::string place = "tensor " + std::to_string(index);
  std::string_view name;
  std::uint32_t axes = 0, type = 0;
  if (!take_string(name) || !take(axes)) return corrupt("goes past the end of the file; it is truncated", place);
  io::TensorInfo info;
  info.name = std::string(name);
  if (info.name.empty()) return corrupt("has no name", place);
  if (io::readable_utf8(info.name) != info.name) return corrupt("its name is no UTF-8", place);
  if (axes > 4) return corrupt("has " + std::to_string(axes) + " axes; at most 4 are allowed", info.name);
  for (std::uint32_t i = 0; i < axes; ++i) {
    std::int64_t size = 0;
    if (!take(size)) return corrupt("goes past the end of the file; it is truncated", info.name);
    info.shape.insert(info.shape.begin(), size);
  }
  if (!take(type) || !take(info.offset)) return corrupt("goes past the end of the file; it is truncated", info.name);
  std::uint64_t elements = 0;
  if (!io::count_elements(info.shape, elements))
    return corrupt("its shape is negative or implausibly large", info.name);
  const kernels::QuantLayout* layout = kernels::quant_layout(type);
  if (!layout) { // reported when it is read; its length is unknown
    info.dtype = type_name(type);
    file_.tensors_.push_back(std::move(info));
    unknown_type_ = true;
    return {};
  }
  const std::uint64_t row = info.shape.empty() ? 1 : static_cast<std::uint64_t>(info.shape.back());
  if (row % layout->block_size != 0)
    return corrupt("rows of " + std::to_string(row) + " are no whole blocks of " + layout->name, info.name);
  info.dtype = layout->name;
  info.bytes = elements / layout->block_size * layout->block_bytes;
  file_.tensors_.push_back(std::move(info));
  return {};
}

Status GgufParser::place_tensors() {
  const char* key = "general.alignment";
  const std::int64_t alignment = file_.has(key) ? file_.integer(key).value_or(0) : 32;
  if (alignment < 1 || alignment > (1 << 20) || (alignment & (alignment - 1)) != 0)
    return corrupt("must be a power of two, at most 1048576", key);
  const auto step = static_cast<std::uint64_t>(alignment);
  const std::uint64_t begin = (at_ + step - 1) / step * step;
  std::vector<std::string> names;
  std::uint64_t end = begin;
  for (io::TensorInfo& info : file_.tensors_) {
    if (info.offset % step != 0) return corrupt("its offset is not a multiple of general.alignment", info.name);
    if (info.offset > (std::uint64_t{1} << 60)) return corrupt("its offset lies beyond the end of the file", info.name);
    info.offset += begin;
    end = std::max(end, info.offset + info.bytes);
    names.push_back(info.name);
  }
  std::sort(names.begin(), names.end());
  if (const auto twice = std::adjacent_find(names.begin(), names.end()); twice != names.end())
    return corrupt("appears twice", *twice);
  HS_TRY(io::check_tensor_layout(file_.tensors_, std::min<std::uint64_t>(begin, bytes_.size()), bytes_.size(), false,
                                 path_));
  // Writers pad with zeros to the alignment or to a page.
  if (unknown_type_) return {};
  const auto rest = bytes_.subspan(std::min<std::uint64_t>(end, bytes_.size()));
  if (rest.size() >= std::max(step, largest_page) ||
      std::any_of(rest.begin(), rest.end(), [](std::uint8_t byte) { return byte != 0; }))
    return corrupt("holds " + std::to_string(bytes_.size() - end) +
                   " bytes after the last tensor; it is oversized or damaged");
  return {};
}

Status GgufParser::parse() {
  std::uint64_t tensors = 0, pairs = 0;
  HS_TRY(header(tensors, pairs));
  for (std::uint64_t i = 0; i < pairs; ++i)
    HS_TRY(pair(i));
  for (std::uint64_t i = 0; i < tensors; ++i)
    HS_TRY(tensor(i));
  return place_tensors();
}

Result<GgufFile> GgufFile::open(const std::string& path) {
  HS_ASSIGN(io::MappedFile mapped, io::MappedFile::open(path));
  GgufFile file(std::move(mapped));
  HS_TRY(GgufParser(file).parse());
  return file;
}

} // namespace headscope
