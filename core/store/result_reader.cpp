// SPDX-License-Identifier: GPL-3.0-or-later
// Opening result files and reading any array, string list, table or attribute of them.
#include "core/store/result_reader.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstring>
#include <functional>
#include <new>
#include <stdexcept>
#include <sys/stat.h>

#include "core/store/half.h"
#include "core/store/reader_state.h"
#include "core/store/result_file.h"

namespace headscope::store {

using h5::Place;

namespace {

Status check_signature(const std::string& path) {
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0) {
    if (errno == ENOENT) return make_error(ErrorCode::not_found, "does not exist", path);
    return make_error(ErrorCode::io, std::string("cannot be read: ") + std::strerror(errno), path);
  }
  if (!S_ISREG(info.st_mode)) return make_error(ErrorCode::invalid_argument, "is not a regular file", path);
  std::FILE* file = std::fopen(path.c_str(), "rb");
  if (file == nullptr) return make_error(ErrorCode::io, std::string("cannot be read: ") + std::strerror(errno), path);
  std::array<unsigned char, 8> head{};
  const std::size_t n = std::fread(head.data(), 1, head.size(), file);
  std::fclose(file);
  constexpr std::array<unsigned char, 8> kSignature = {0x89, 'H', 'D', 'F', '\r', '\n', 0x1a, '\n'};
  if (n == head.size() && head == kSignature) return {};
  return make_error(ErrorCode::corrupt, n == 0 ? "is empty" : "is not an HDF5 file (wrong signature)", path);
}

// Moves the attribute into `out`; an error when it is missing or of another type.
template <typename T> Status take(const Attributes& attributes, const Place& place, const std::string& name, T& out) {
  const AttributeValue* value = find_attribute(attributes, name);
  const std::string field = place.path + "@" + name;
  if (value == nullptr) return make_error(ErrorCode::corrupt, "is missing", place.file, field);
  const T* typed = std::get_if<T>(value);
  if (typed == nullptr) return make_error(ErrorCode::corrupt, "has another type than it should", place.file, field);
  out = *typed;
  return {};
}

Status check_format(const Attributes& root, const Place& place, FileInfo& info) {
  const AttributeValue* format = find_attribute(root, "format");
  const auto* name = format == nullptr ? nullptr : std::get_if<std::string>(format);
  if (name == nullptr || *name != kFormatName) {
    return make_error(ErrorCode::unsupported, "is an HDF5 file, but not a result file of Headscope", place.file,
                      "/@format");
  }
  HS_TRY(take(root, place, "format_version", info.format_version));
  if (info.format_version < 1 || info.format_version > kFormatVersion) {
    return make_error(ErrorCode::unsupported,
                      "is version " + std::to_string(info.format_version) + "; this Headscope reads up to version " +
                          std::to_string(kFormatVersion),
                      place.file, "/@format_version");
  }
  return {};
}

} // namespace

Status read_guarded(const std::string& file, const std::function<Status()>& read) {
  try {
    const h5::Lock lock;
    return read();
  } catch (const std::bad_alloc&) {
    return make_error(ErrorCode::out_of_memory, "holds an array that does not fit into memory", file);
  } catch (const std::length_error&) {
    return make_error(ErrorCode::out_of_memory, "holds an array that does not fit into memory", file);
  }
}

Result<h5::Dataset> ResultReader::Impl::dataset(const std::string& at) const {
  HS_TRY(require(at));
  h5::Dataset found(H5Dopen2(file.get(), at.c_str(), H5P_DEFAULT));
  if (!found) return h5::failure(place(at), "read", ErrorCode::corrupt);
  return found;
}

// H5Lexists wants every group on the way to exist.
Result<bool> ResultReader::Impl::has(const std::string& at) const {
  if (at == "/") return true;
  if (at.empty() || at.front() != '/') return false;
  for (std::size_t end = 0; end < at.size();) {
    end = std::min(at.find('/', end + 1), at.size());
    const htri_t found = H5Lexists(file.get(), at.substr(0, end).c_str(), H5P_DEFAULT);
    if (found < 0) return h5::failure(place(at), "read", ErrorCode::corrupt);
    if (found == 0) return false;
  }
  return true;
}

Status ResultReader::Impl::require(const std::string& at) const {
  HS_ASSIGN(const bool found, has(at));
  if (!found) return make_error(ErrorCode::not_found, "is not in the file", path, at);
  return {};
}

Result<Attributes> ResultReader::Impl::attributes(const std::string& at) const {
  HS_TRY(require(at));
  const h5::Object object(H5Oopen(file.get(), at.c_str(), H5P_DEFAULT));
  if (!object) return h5::failure(place(at), "read", ErrorCode::corrupt);
  return h5::read_attributes(object.get(), place(at));
}

Result<std::vector<std::string>> ResultReader::Impl::links(const std::string& at) const {
  std::vector<std::string> names;
  HS_ASSIGN(const bool found, has(at));
  if (!found) return names;
  const h5::Group group(H5Gopen2(file.get(), at.c_str(), H5P_DEFAULT));
  if (!group) return h5::failure(place(at), "read", ErrorCode::corrupt);
  H5G_info_t counts{};
  if (H5Gget_info(group.get(), &counts) < 0) return h5::failure(place(at), "read", ErrorCode::corrupt);
  for (hsize_t i = 0; i < counts.nlinks; ++i) {
    H5_index_t order = H5_INDEX_CRT_ORDER;
    ssize_t length = H5Lget_name_by_idx(group.get(), ".", order, H5_ITER_INC, i, nullptr, 0, H5P_DEFAULT);
    if (length < 0) {
      order = H5_INDEX_NAME;
      length = H5Lget_name_by_idx(group.get(), ".", order, H5_ITER_INC, i, nullptr, 0, H5P_DEFAULT);
    }
    if (length < 0) return h5::failure(place(at), "read", ErrorCode::corrupt);
    std::string name(static_cast<std::size_t>(length) + 1, '\0');
    H5Lget_name_by_idx(group.get(), ".", order, H5_ITER_INC, i, name.data(), name.size(), H5P_DEFAULT);
    name.pop_back();
    names.push_back(std::move(name));
  }
  return names;
}

Result<std::vector<std::string>> ResultReader::Impl::strings(const std::string& at) const {
  HS_ASSIGN(const h5::Dataset found, dataset(at));
  return h5::read_strings(found.get(), place(at));
}

Result<std::vector<std::int64_t>> ResultReader::Impl::shape(const h5::Dataset& found, const std::string& at) const {
  const h5::Space space(H5Dget_space(found.get()));
  if (!space) return h5::failure(place(at), "read", ErrorCode::corrupt);
  return h5::shape_of(space.get());
}

template <typename T>
Result<std::vector<T>> ResultReader::Impl::numbers(const std::string& at, std::vector<std::int64_t>& extent) const {
  HS_ASSIGN(const h5::Dataset found, dataset(at));
  HS_ASSIGN(extent, shape(found, at));
  const h5::Type type(H5Dget_type(found.get()));
  const DType dtype = h5::dtype_of(type.get());
  if (dtype == DType::string || dtype == DType::other) {
    return make_error(ErrorCode::corrupt, "should hold numbers", path, at);
  }
  std::size_t n = 1;
  for (const std::int64_t size : extent) {
    if (size > 0 && n > (std::size_t{1} << 46) / static_cast<std::size_t>(size)) throw std::bad_alloc();
    n *= static_cast<std::size_t>(size);
  }
  std::vector<T> values(n);
  const hid_t memory = std::is_same_v<T, float>    ? H5T_NATIVE_FLOAT
                       : std::is_same_v<T, double> ? H5T_NATIVE_DOUBLE
                                                   : H5T_NATIVE_INT64;
  if (n > 0 && H5Dread(found.get(), memory, H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data()) < 0) {
    return h5::failure(place(at), "read", ErrorCode::corrupt);
  }
  return values;
}
template Result<std::vector<float>> ResultReader::Impl::numbers(const std::string&, std::vector<std::int64_t>&) const;
template Result<std::vector<double>> ResultReader::Impl::numbers(const std::string&, std::vector<std::int64_t>&) const;
template Result<std::vector<std::int64_t>> ResultReader::Impl::numbers(const std::string&,
                                                                       std::vector<std::int64_t>&) const;

Result<ResultReader> ResultReader::open(const std::string& path) {
  HS_TRY(check_signature(path));
  auto impl = std::make_unique<Impl>();
  impl->path = path;
  const Status status = read_guarded(path, [&]() -> Status {
    const h5::PropertyList access(H5Pcreate(H5P_FILE_ACCESS));
    H5Pset_file_locking(access.get(), false, true); // a finished file never changes, and may be on a read-only disk
    impl->file = h5::File(H5Fopen(path.c_str(), H5F_ACC_RDONLY, access.get()));
    if (!impl->file) return h5::failure(impl->place(""), "be opened", ErrorCode::corrupt);
    HS_ASSIGN(const Attributes root, impl->attributes("/"));
    const Place place = impl->place("/");
    FileInfo& info = impl->info;
    HS_TRY(check_format(root, place, info));
    HS_TRY(take(root, place, "headscope_version", info.provenance.headscope_version));
    HS_TRY(take(root, place, "libtorch_version", info.provenance.libtorch_version));
    HS_TRY(take(root, place, "command_line", info.provenance.command_line));
    HS_TRY(take(root, place, "seeds", info.provenance.seeds));
    HS_TRY(take(root, place, "created", info.created));
    return take(root, place, "complete", info.complete);
  });
  if (!status.ok()) return status.error();
  return ResultReader(std::move(impl));
}

ResultReader::ResultReader(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
ResultReader::ResultReader(ResultReader&&) noexcept = default;
ResultReader& ResultReader::operator=(ResultReader&&) noexcept = default;
ResultReader::~ResultReader() = default;

const FileInfo& ResultReader::info() const { return impl_->info; }

bool ResultReader::exists(const std::string& path) const {
  const h5::Lock lock;
  const Result<bool> found = impl_->has(path);
  return found.ok() && *found;
}

Result<std::vector<std::string>> ResultReader::list(const std::string& group) const {
  return guarded<std::vector<std::string>>(impl_->path, [&] { return impl_->links(group); });
}

Result<Attributes> ResultReader::attributes(const std::string& path) const {
  return guarded<Attributes>(impl_->path, [&] { return impl_->attributes(path); });
}

Result<Attributes> ResultReader::model() const { return attributes("/model"); }

Result<Attributes> ResultReader::options(const std::string& step) const { return attributes("/options/" + step); }

Result<std::vector<std::string>> ResultReader::strings(const std::string& path) const {
  return guarded<std::vector<std::string>>(impl_->path, [&] { return impl_->strings(path); });
}

namespace {

struct FirstScale {
  std::vector<std::string> labels;
};

herr_t read_scale_labels(hid_t /*dataset*/, unsigned /*dimension*/, hid_t scale, void* out) {
  auto strings = h5::read_strings(scale, {});
  if (strings.ok()) static_cast<FirstScale*>(out)->labels = std::move(strings).value();
  return 1; // the first one is enough
}

} // namespace

Axis axis_of(hid_t dataset, unsigned dimension) {
  Axis axis;
  const ssize_t length = H5DSget_label(dataset, dimension, nullptr, 0);
  if (length > 0) {
    axis.name.assign(static_cast<std::size_t>(length) + 1, '\0');
    H5DSget_label(dataset, dimension, axis.name.data(), axis.name.size());
    axis.name.pop_back();
  }
  FirstScale first;
  if (H5DSget_num_scales(dataset, dimension) > 0) {
    H5DSiterate_scales(dataset, dimension, nullptr, read_scale_labels, &first);
  }
  axis.labels = std::move(first.labels);
  return axis;
}

Result<Array> ResultReader::array(const std::string& path) const {
  return guarded<Array>(impl_->path, [&]() -> Result<Array> {
    Array array;
    HS_ASSIGN(array.values, impl_->numbers<double>(path, array.spec.shape));
    HS_ASSIGN(const h5::Dataset found, impl_->dataset(path));
    array.spec.dtype = h5::dtype_of(h5::Type(H5Dget_type(found.get())).get());
    for (unsigned i = 0; i < array.spec.shape.size(); ++i)
      array.spec.axes.push_back(axis_of(found.get(), i));
    HS_ASSIGN(Attributes all, h5::read_attributes(found.get(), impl_->place(path)));
    for (Attribute& attribute : all) {
      auto* text = std::get_if<std::string>(&attribute.value);
      if (text != nullptr && attribute.name == "units") {
        array.spec.units = *text;
      } else if (text != nullptr && attribute.name == "long_name") {
        array.spec.long_name = *text;
      } else {
        array.spec.attributes.push_back(std::move(attribute));
      }
    }
    return array;
  });
}

namespace {

Result<Column> read_column(const ResultReader& reader, const ResultReader::Impl& impl, const std::string& at,
                           const std::string& name) {
  Column column{name, {}, {}, {}};
  HS_ASSIGN(const Attributes attributes, impl.attributes(at));
  HS_TRY(take(attributes, impl.place(at), "units", column.units));
  HS_TRY(take(attributes, impl.place(at), "long_name", column.long_name));
  HS_ASSIGN(const h5::Dataset found, impl.dataset(at));
  const DType dtype = h5::dtype_of(h5::Type(H5Dget_type(found.get())).get());
  std::vector<std::int64_t> shape;
  if (dtype == DType::string) {
    HS_ASSIGN(column.values, reader.strings(at));
  } else if (dtype == DType::int64 || dtype == DType::int32 || dtype == DType::uint8) {
    HS_ASSIGN(column.values, impl.numbers<std::int64_t>(at, shape));
  } else {
    HS_ASSIGN(column.values, impl.numbers<double>(at, shape));
  }
  return column;
}

} // namespace

Result<Table> ResultReader::table(const std::string& path) const {
  return guarded<Table>(impl_->path, [&]() -> Result<Table> {
    Table table;
    HS_ASSIGN(Attributes all, impl_->attributes(path));
    std::vector<std::string> names;
    HS_TRY(take(all, impl_->place(path), "columns", names));
    for (Attribute& attribute : all) {
      if (attribute.name != "kind" && attribute.name != "columns") table.attributes.push_back(std::move(attribute));
    }
    for (const std::string& name : names) {
      HS_ASSIGN(Column column, read_column(*this, *impl_, path + "/" + name, name));
      table.columns.push_back(std::move(column));
    }
    return table;
  });
}

} // namespace headscope::store
