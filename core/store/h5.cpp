// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/store/h5.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>

#include "core/base/byte_text.h"
#include "core/base/limits.h"
#include "core/store/h5_check.h"
#include "core/store/half.h"

namespace headscope::store::h5 {

namespace {

std::recursive_mutex& library_mutex() {
  static std::recursive_mutex mutex;
  return mutex;
}

herr_t keep_innermost(unsigned /*n*/, const H5E_error2_t* entry, void* out) {
  auto* message = static_cast<std::string*>(out);
  if (message->empty() && entry->desc != nullptr) *message = entry->desc;
  return 0;
}

// Extracts the system's message, which HDF5 wraps in times, buffers and offsets: "..., error message = 'No space left',
// ...".
bool take_system_message(std::string& message) {
  const std::string key = "error message = '";
  const std::size_t begin = message.find(key);
  if (begin == std::string::npos) return false;
  const std::size_t end = message.find('\'', begin + key.size());
  message = message.substr(begin + key.size(), end == std::string::npos ? end : end - begin - key.size());
  return true;
}

// The length of the UTF-8 sequence at `at`, or 0 when it is not one.
std::size_t sequence_length(const std::string& text, std::size_t at) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char lead = byte(at);
  if (lead < 0x80) return 1;
  const std::size_t length = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  if (lead < 0xc2 || lead > 0xf4 || at + length > text.size()) return 0;
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(at + i) & 0xc0) != 0x80) return 0;
  }
  const unsigned char second = byte(at + 1);
  const bool overlong = (lead == 0xe0 && second < 0xa0) || (lead == 0xf0 && second < 0x90);
  const bool outside = (lead == 0xed && second > 0x9f) || (lead == 0xf4 && second > 0x8f); // surrogates, > U+10FFFF
  return overlong || outside ? 0 : length;
}

} // namespace

Lock::Lock() : lock_(library_mutex()) {
  H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr);
  // Disables plugins, since a file must not choose what code is loaded.
  static const bool no_plugins = H5PLset_loading_state(0) >= 0;
  static_cast<void>(no_plugins);
}

Error failure(const H5Location& place, const std::string& what, ErrorCode otherwise) {
  std::string message;
  H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, keep_innermost, &message);
  H5Eclear2(H5E_DEFAULT);
  const bool system = take_system_message(message);
  if (message.empty()) message = "HDF5 gives no reason";
  return make_error(system ? ErrorCode::io : otherwise, "cannot " + what + ": " + message, place.file, place.path);
}

Type half_type() {
  Type type(H5Tcopy(H5T_IEEE_F32LE));
  // Sets the fields first: the size may only shrink to what they need.
  H5Tset_fields(type.get(), 15, 10, 5, 0, 10);
  H5Tset_size(type.get(), 2);
  H5Tset_ebias(type.get(), 15);
  return type;
}

Type text_type() {
  Type type(H5Tcopy(H5T_C_S1));
  H5Tset_size(type.get(), H5T_VARIABLE);
  H5Tset_cset(type.get(), H5T_CSET_UTF8);
  return type;
}

Type bool_type() {
  Type type(H5Tenum_create(H5T_NATIVE_INT8));
  const std::int8_t no = 0;
  const std::int8_t yes = 1;
  H5Tenum_insert(type.get(), "FALSE", &no);
  H5Tenum_insert(type.get(), "TRUE", &yes);
  return type;
}

Type file_type(DType dtype) {
  switch (dtype) {
  case DType::float16: return half_type();
  case DType::float32: return Type(H5Tcopy(H5T_IEEE_F32LE));
  case DType::float64: return Type(H5Tcopy(H5T_IEEE_F64LE));
  case DType::int32: return Type(H5Tcopy(H5T_STD_I32LE));
  case DType::int64: return Type(H5Tcopy(H5T_STD_I64LE));
  case DType::uint8: return Type(H5Tcopy(H5T_STD_U8LE));
  case DType::string: return text_type();
  case DType::other: break;
  }
  return Type();
}

DType dtype_of(hid_t type) {
  const H5T_class_t kind = H5Tget_class(type);
  const std::size_t size = H5Tget_size(type);
  if (kind == H5T_STRING) return DType::string;
  if (kind == H5T_FLOAT) {
    if (size == 2) return DType::float16;
    if (size == 4) return DType::float32;
    return size == 8 ? DType::float64 : DType::other;
  }
  if (kind == H5T_INTEGER) {
    if (size == 1) return DType::uint8;
    if (size == 4) return DType::int32;
    return size == 8 ? DType::int64 : DType::other;
  }
  return DType::other;
}

std::vector<std::int64_t> shape_of(hid_t space) {
  const int rank = H5Sget_simple_extent_ndims(space);
  if (rank <= 0) return {};
  std::vector<hsize_t> extent(static_cast<std::size_t>(rank));
  H5Sget_simple_extent_dims(space, extent.data(), nullptr);
  return {extent.begin(), extent.end()};
}

Space space_of(const std::vector<std::int64_t>& shape) {
  if (shape.empty()) return Space(H5Screate(H5S_SCALAR));
  const std::vector<hsize_t> extent(shape.begin(), shape.end());
  return Space(H5Screate_simple(static_cast<int>(extent.size()), extent.data(), nullptr));
}

namespace {

// `broken` is called with each byte that belongs to no whole character.
template <typename Broken> std::string checked_text(const std::string& bytes, const Broken& broken) {
  std::string text;
  text.reserve(bytes.size());
  for (std::size_t at = 0; at < bytes.size();) {
    const std::size_t length = sequence_length(bytes, at);
    if (length == 0) {
      text += broken(static_cast<unsigned char>(bytes[at]));
    } else if (bytes[at] == '\0') {
      text += "\xe2\x90\x80";
    } else {
      text.append(bytes, at, length);
    }
    at += length == 0 ? 1 : length;
  }
  return text;
}

} // namespace

std::string to_text(const std::string& bytes) {
  return checked_text(bytes, [](unsigned char) { return "\xef\xbf\xbd"; });
}

std::string to_token_text(const std::string& bytes) { return checked_text(bytes, byte_text); }

Status write_strings(hid_t dataset, const H5Location& place, const std::vector<std::string>& values) {
  std::vector<std::string> texts;
  std::vector<const char*> pointers;
  texts.reserve(values.size());
  for (const std::string& value : values)
    pointers.push_back(texts.emplace_back(to_text(value)).c_str());
  if (values.empty()) return {};
  if (H5Dwrite(dataset, text_type().get(), H5S_ALL, H5S_ALL, H5P_DEFAULT, pointers.data()) < 0) {
    return failure(place, "write", ErrorCode::io);
  }
  return {};
}

namespace {

// The memory that strings of variable length may take together: each may be as long as the file, and all may be the
// same string.
struct TextBudget {
  std::size_t left = limits::result_text_bytes;
};

void* take_text(std::size_t size, void* budget) {
  auto& left = static_cast<TextBudget*>(budget)->left;
  if (size > left) return nullptr;
  left -= size;
  return std::malloc(size); // NOLINT(cppcoreguidelines-no-malloc)
}

void free_text(void* text, void* /*budget*/) { std::free(text); } // NOLINT(cppcoreguidelines-no-malloc)

// Reads strings of variable or fixed length through `read`, which fills a buffer of a memory type.
template <typename Read>
Result<std::vector<std::string>> read_texts(hid_t type, hid_t space, hid_t transfer, const H5Location& place,
                                            const Read& read) {
  const hssize_t count = H5Sget_simple_extent_npoints(space);
  if (count < 0) return failure(place, "read", ErrorCode::corrupt);
  std::vector<std::string> values;
  if (count == 0) return values;
  const auto n = static_cast<std::size_t>(count);
  const std::size_t size = H5Tget_size(type);
  if (size == 0 || n > limits::result_text_bytes / size)
    return make_error(ErrorCode::corrupt, "holds more text than anybody reads", place.file, place.path);
  if (H5Tis_variable_str(type) > 0) {
    const Type memory = text_type();
    H5Tset_cset(memory.get(), H5Tget_cset(type));
    std::vector<char*> pointers(n, nullptr);
    if (read(memory.get(), pointers.data()) < 0) {
      Error error = failure(place, "read", ErrorCode::corrupt);
      H5Dvlen_reclaim(memory.get(), space, transfer, pointers.data());
      return error;
    }
    for (const char* pointer : pointers)
      values.emplace_back(pointer == nullptr ? "" : pointer);
    H5Dvlen_reclaim(memory.get(), space, transfer, pointers.data());
    return values;
  }
  std::vector<char> bytes(n * size);
  const Type memory(H5Tcopy(type));
  if (read(memory.get(), bytes.data()) < 0) return failure(place, "read", ErrorCode::corrupt);
  for (std::size_t i = 0; i < n; ++i) {
    const char* begin = bytes.data() + i * size;
    values.emplace_back(begin, strnlen(begin, size));
  }
  return values;
}

} // namespace

Result<std::vector<std::string>> read_strings(hid_t dataset, const H5Location& place) {
  const Type type(H5Dget_type(dataset));
  const Space space(H5Dget_space(dataset));
  if (!type || !space) return failure(place, "read", ErrorCode::corrupt);
  if (H5Tget_class(type.get()) != H5T_STRING) {
    return make_error(ErrorCode::corrupt, "should hold strings", place.file, place.path);
  }
  HS_TRY(check_slab(dataset, place, whole(shape_of(space.get())), sizeof(char*)));
  TextBudget budget;
  const PropertyList transfer(H5Pcreate(H5P_DATASET_XFER));
  H5Pset_vlen_mem_manager(transfer.get(), take_text, &budget, free_text, &budget);
  return read_texts(type.get(), space.get(), transfer.get(), place, [&](hid_t memory, void* out) {
    return H5Dread(dataset, memory, H5S_ALL, H5S_ALL, transfer.get(), out);
  });
}

namespace {

struct AttributeData {
  Type type;
  Space space;
  const void* data = nullptr;
  // `data` points to these where it cannot point to the value itself.
  std::int8_t flag = 0;
  std::vector<std::string> texts;
  std::vector<const char*> pointers;
};

void set_texts(AttributeData& out, const std::vector<std::string>& values) {
  out.type = text_type();
  out.texts.reserve(values.size());
  for (const std::string& value : values)
    out.pointers.push_back(out.texts.emplace_back(to_text(value)).c_str());
  out.data = out.pointers.data();
}

template <typename T> void set_numbers(AttributeData& out, hid_t type, const std::vector<T>& values) {
  out.type = Type(H5Tcopy(type));
  out.space = space_of({static_cast<std::int64_t>(values.size())});
  out.data = values.data();
}

struct Encode {
  AttributeData& out;
  void operator()(const std::int64_t& value) const { scalar(H5T_NATIVE_INT64, &value); }
  void operator()(const double& value) const { scalar(H5T_NATIVE_DOUBLE, &value); }
  void operator()(const bool& value) const {
    out.flag = value ? 1 : 0;
    out.type = bool_type();
    out.space = space_of({});
    out.data = &out.flag;
  }
  void operator()(const std::string& value) const {
    set_texts(out, {value});
    out.space = space_of({});
  }
  void operator()(const std::vector<std::int64_t>& values) const { set_numbers(out, H5T_NATIVE_INT64, values); }
  void operator()(const std::vector<double>& values) const { set_numbers(out, H5T_NATIVE_DOUBLE, values); }
  void operator()(const std::vector<std::string>& values) const {
    set_texts(out, values);
    out.space = space_of({static_cast<std::int64_t>(values.size())});
  }
  void scalar(hid_t type, const void* value) const {
    out.type = Type(H5Tcopy(type));
    out.space = space_of({});
    out.data = value;
  }
};

} // namespace

Status write_attribute(hid_t object, const H5Location& place, const Attribute& attribute) {
  const H5Location field{place.file, place.path + "@" + attribute.name};
  if (attribute.name.empty() || attribute.name.find('\0') != std::string::npos) {
    return make_error(ErrorCode::invalid_argument, "an attribute needs a name", place.file, place.path);
  }
  AttributeData data;
  std::visit(Encode{data}, attribute.value);
  const char* name = attribute.name.c_str();
  if (H5Aexists(object, name) > 0 && H5Adelete(object, name) < 0) return failure(field, "replace", ErrorCode::io);
  const PropertyList creation(H5Pcreate(H5P_ATTRIBUTE_CREATE));
  H5Pset_char_encoding(creation.get(), H5T_CSET_UTF8);
  AttributeHandle handle(H5Acreate2(object, name, data.type.get(), data.space.get(), creation.get(), H5P_DEFAULT));
  const bool empty = H5Sget_simple_extent_npoints(data.space.get()) == 0;
  if (!handle || (!empty && H5Awrite(handle.get(), data.type.get(), data.data) < 0) || !handle.close()) {
    return failure(field, "write", ErrorCode::io);
  }
  return {};
}

Status write_attributes(hid_t object, const H5Location& place, const Attributes& attributes) {
  for (const Attribute& attribute : attributes)
    HS_TRY(write_attribute(object, place, attribute));
  return {};
}

namespace {

template <typename T>
Result<AttributeValue> read_numbers(hid_t attribute, hid_t type, hid_t space, const H5Location& place) {
  const hssize_t count = H5Sget_simple_extent_npoints(space);
  std::vector<T> values(count > 0 ? static_cast<std::size_t>(count) : 0);
  if (!values.empty() && H5Aread(attribute, type, values.data()) < 0) return failure(place, "read", ErrorCode::corrupt);
  if (H5Sget_simple_extent_type(space) == H5S_SCALAR && values.size() == 1) return AttributeValue(values.front());
  return AttributeValue(std::move(values));
}

// Whether an enumeration is HDF5's boolean, in any size.
bool is_flag(hid_t type) {
  const std::array<const char*, 2> names = {"FALSE", "TRUE"};
  if (H5Tget_nmembers(type) != 2) return false;
  for (unsigned i = 0; i < 2; ++i) {
    char* name = H5Tget_member_name(type, i);
    const bool same = name != nullptr && (std::strcmp(name, names[0]) == 0 || std::strcmp(name, names[1]) == 0);
    if (name != nullptr) H5free_memory(name);
    if (!same) return false;
  }
  return true;
}

Result<AttributeValue> read_flag(hid_t attribute, const H5Location& place) {
  std::int8_t flag = 0;
  if (H5Aread(attribute, bool_type().get(), &flag) < 0) return failure(place, "read", ErrorCode::corrupt);
  return AttributeValue(flag != 0);
}

// Returns false for a type that AttributeValue cannot hold.
Result<bool> read_value(hid_t attribute, const H5Location& place, AttributeValue& out) {
  const Type type(H5Aget_type(attribute));
  const Space space(H5Aget_space(attribute));
  if (!type || !space) return failure(place, "read", ErrorCode::corrupt);
  const bool scalar = H5Sget_simple_extent_type(space.get()) == H5S_SCALAR;
  const hssize_t count = H5Sget_simple_extent_npoints(space.get());
  const std::size_t item = H5Tget_size(type.get());
  if (count < 0 || item == 0) return failure(place, "read", ErrorCode::corrupt);
  if (static_cast<std::uint64_t>(count) > limits::result_attribute_bytes / std::max<std::size_t>(item, 8))
    return make_error(ErrorCode::corrupt, "is longer than any attribute is", place.file, place.path);
  switch (H5Tget_class(type.get())) {
  case H5T_INTEGER: {
    HS_ASSIGN(out, read_numbers<std::int64_t>(attribute, H5T_NATIVE_INT64, space.get(), place));
    return true;
  }
  case H5T_FLOAT: {
    HS_ASSIGN(out, read_numbers<double>(attribute, H5T_NATIVE_DOUBLE, space.get(), place));
    return true;
  }
  case H5T_ENUM: {
    if (!scalar || !is_flag(type.get())) return false;
    HS_ASSIGN(out, read_flag(attribute, place));
    return true;
  }
  case H5T_STRING: {
    const auto read = [&](hid_t memory, void* data) { return H5Aread(attribute, memory, data); };
    HS_ASSIGN(std::vector<std::string> texts, read_texts(type.get(), space.get(), H5P_DEFAULT, place, read));
    if (scalar && texts.size() == 1) {
      out = std::move(texts.front());
    } else {
      out = std::move(texts);
    }
    return true;
  }
  default: return false;
  }
}

bool is_scale_bookkeeping(const std::string& name) {
  static constexpr std::array<const char*, 5> kNames = {"CLASS", "NAME", "DIMENSION_LIST", "REFERENCE_LIST",
                                                        "DIMENSION_LABELS"};
  for (const char* known : kNames) {
    if (name == known) return true;
  }
  return false;
}

} // namespace

Result<Attributes> read_attributes(hid_t object, const H5Location& place) {
  H5O_info_t info{};
  if (H5Oget_info2(object, &info, H5O_INFO_NUM_ATTRS) < 0) return failure(place, "read", ErrorCode::corrupt);
  if (info.num_attrs > limits::result_attributes)
    return make_error(ErrorCode::corrupt, "has more than " + std::to_string(limits::result_attributes) + " attributes",
                      place.file, place.path);
  Attributes attributes;
  for (hsize_t i = 0; i < info.num_attrs; ++i) {
    AttributeHandle handle(H5Aopen_by_idx(object, ".", H5_INDEX_CRT_ORDER, H5_ITER_INC, i, H5P_DEFAULT, H5P_DEFAULT));
    if (!handle) {
      handle = AttributeHandle(H5Aopen_by_idx(object, ".", H5_INDEX_NAME, H5_ITER_INC, i, H5P_DEFAULT, H5P_DEFAULT));
    }
    if (!handle) return failure(place, "read an attribute", ErrorCode::corrupt);
    const ssize_t length = H5Aget_name(handle.get(), 0, nullptr);
    if (length < 0) return failure(place, "read an attribute's name", ErrorCode::corrupt);
    std::string name(static_cast<std::size_t>(length) + 1, '\0');
    H5Aget_name(handle.get(), name.size(), name.data());
    name.pop_back();
    if (is_scale_bookkeeping(name)) continue;
    Attribute attribute{name, {}};
    HS_ASSIGN(const bool known,
              read_value(handle.get(), H5Location{place.file, place.path + "@" + name}, attribute.value));
    if (known) attributes.push_back(std::move(attribute));
  }
  H5Eclear2(H5E_DEFAULT);
  return attributes;
}

namespace {

// The attribute, or an invalid handle when there is none.
Result<AttributeHandle> open_attribute(hid_t object, const char* name, const H5Location& place) {
  const htri_t found = H5Aexists(object, name);
  if (found < 0) return failure(place, "read", ErrorCode::corrupt);
  if (found == 0) return AttributeHandle();
  AttributeHandle attribute(H5Aopen(object, name, H5P_DEFAULT));
  if (!attribute) return failure(place, "read", ErrorCode::corrupt);
  return attribute;
}

// Checks the rank, since HDF5's functions for scales trust these attributes to have their dataset's rank.
bool has_elements(const AttributeHandle& attribute, std::size_t count) {
  const Space space(H5Aget_space(attribute.get()));
  return H5Sget_simple_extent_npoints(space.get()) == static_cast<hssize_t>(count);
}

// Reads the first scale of each axis, as references to objects of this file.
Result<std::vector<hobj_ref_t>> first_scales(hid_t dataset, std::size_t rank, const H5Location& place) {
  const H5Location field{place.file, place.path + "@DIMENSION_LIST"};
  std::vector<hobj_ref_t> scales(rank, 0);
  HS_ASSIGN(const AttributeHandle attribute, open_attribute(dataset, "DIMENSION_LIST", field));
  if (!attribute) return scales;
  const Type type(H5Aget_type(attribute.get()));
  const Type item(H5Tget_class(type.get()) == H5T_VLEN ? H5Tget_super(type.get()) : H5I_INVALID_HID);
  if (!item || H5Tequal(item.get(), H5T_STD_REF_OBJ) <= 0 || !has_elements(attribute, rank))
    return make_error(ErrorCode::corrupt, "does not hold scales of the axes", field.file, field.path);
  const Type memory(H5Tvlen_create(H5T_STD_REF_OBJ));
  const Space space(H5Aget_space(attribute.get()));
  std::vector<hvl_t> lists(rank);
  if (H5Aread(attribute.get(), memory.get(), lists.data()) < 0) return failure(field, "read", ErrorCode::corrupt);
  for (std::size_t i = 0; i < rank; ++i)
    if (lists[i].len > 0) scales[i] = *static_cast<const hobj_ref_t*>(lists[i].p);
  H5Dvlen_reclaim(memory.get(), space.get(), H5P_DEFAULT, lists.data());
  return scales;
}

} // namespace

Result<std::vector<std::string>> axis_names(hid_t dataset, std::size_t rank, const H5Location& place) {
  const H5Location field{place.file, place.path + "@DIMENSION_LABELS"};
  HS_ASSIGN(const AttributeHandle attribute, open_attribute(dataset, "DIMENSION_LABELS", field));
  if (!attribute) return std::vector<std::string>(rank);
  const Type type(H5Aget_type(attribute.get()));
  if (H5Tget_class(type.get()) != H5T_STRING || !has_elements(attribute, rank))
    return make_error(ErrorCode::corrupt, "does not hold names of the axes", field.file, field.path);
  const Space space(H5Aget_space(attribute.get()));
  return read_texts(type.get(), space.get(), H5P_DEFAULT, field,
                    [&](hid_t memory, void* out) { return H5Aread(attribute.get(), memory, out); });
}

Result<std::vector<std::vector<std::string>>> axis_labels(hid_t dataset, const std::vector<std::int64_t>& shape,
                                                          const H5Location& place, std::uint64_t file_bytes) {
  std::vector<std::vector<std::string>> labels(shape.size());
  HS_ASSIGN(const std::vector<hobj_ref_t> scales, first_scales(dataset, shape.size(), place));
  for (std::size_t i = 0; i < shape.size(); ++i) {
    if (scales[i] == 0) continue;
    const Object scale(H5Rdereference2(dataset, H5P_DEFAULT, H5R_OBJECT, &scales[i]));
    if (!scale || H5Iget_type(scale.get()) != H5I_DATASET)
      return make_error(ErrorCode::corrupt, "has a scale that is not there", place.file, place.path);
    const H5Location at{place.file, place.path + ", the scale of axis " + std::to_string(i)};
    HS_TRY(check_dataset(scale.get(), at, file_bytes));
    if (H5Tget_class(Type(H5Dget_type(scale.get())).get()) != H5T_STRING) continue;
    HS_ASSIGN(labels[i], read_strings(scale.get(), at));
    if (static_cast<std::int64_t>(labels[i].size()) != shape[i])
      return make_error(ErrorCode::corrupt,
                        "has " + std::to_string(labels[i].size()) + " labels for " + std::to_string(shape[i]) +
                            " elements",
                        at.file, at.path);
  }
  return labels;
}

Result<bool> is_scale(hid_t dataset, const H5Location& place) {
  HS_ASSIGN(const AttributeHandle attribute, open_attribute(dataset, "CLASS", place));
  if (!attribute) return false;
  const Type type(H5Aget_type(attribute.get()));
  const Space space(H5Aget_space(attribute.get()));
  if (H5Tget_class(type.get()) != H5T_STRING || H5Sget_simple_extent_npoints(space.get()) != 1) return false;
  HS_ASSIGN(const auto texts, read_texts(type.get(), space.get(), H5P_DEFAULT, place, [&](hid_t memory, void* out) {
              return H5Aread(attribute.get(), memory, out);
            }));
  return texts.front() == "DIMENSION_SCALE";
}

} // namespace headscope::store::h5
