// SPDX-License-Identifier: GPL-3.0-or-later
// Opening result files and reading any array, string list, table or attribute of them.
#include "core/store/result_reader.h"

#include <algorithm>
#include <functional>
#include <new>
#include <stdexcept>

#include "core/store/reader_state.h"
#include "core/store/result_file.h"
#include "core/store/trial.h"

namespace headscope::store {

using h5::H5Location;

namespace {

// Moves the attribute into `out`; returns an error when it is missing or of another type.
template <typename T>
Status take(const Attributes& attributes, const H5Location& place, const std::string& name, T& out) {
  const AttributeValue* value = find_attribute(attributes, name);
  const std::string field = place.path + "@" + name;
  if (value == nullptr) return make_error(ErrorCode::corrupt, "is missing", place.file, field);
  const T* typed = std::get_if<T>(value);
  if (typed == nullptr) return make_error(ErrorCode::corrupt, "has another type than it should", place.file, field);
  out = *typed;
  return {};
}

Status check_format(const Attributes& root, const H5Location& place, FileInfo& info) {
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

Status read_guarded(const h5::Source& source, const std::string& file, const std::function<Status()>& read) {
  try {
    const h5::Lock lock;
    Status status = read();
    if (!source.damaged()) return status;
    Error damage = source.damage();
    if (!status.ok()) damage.field = status.error().field;
    return damage;
  } catch (const std::bad_alloc&) {
    return make_error(ErrorCode::out_of_memory, "holds an array that does not fit into memory", file);
  } catch (const std::length_error&) {
    return make_error(ErrorCode::out_of_memory, "holds an array that does not fit into memory", file);
  }
}

Result<h5::Object> ResultReader::Impl::object(const std::string& at) const {
  HS_ASSIGN(const std::optional<std::string> resolved, h5::resolve(file.get(), place(at)));
  if (!resolved) return make_error(ErrorCode::not_found, "is not in the file", path, at);
  h5::Object found(H5Oopen(file.get(), resolved->c_str(), H5P_DEFAULT));
  if (!found) return h5::failure(place(at), "read", ErrorCode::corrupt);
  return found;
}

Result<h5::Dataset> ResultReader::Impl::dataset(const std::string& at) const {
  HS_ASSIGN(const std::optional<std::string> resolved, h5::resolve(file.get(), place(at)));
  if (!resolved) return make_error(ErrorCode::not_found, "is not in the file", path, at);
  h5::Dataset found(H5Dopen2(file.get(), resolved->c_str(), H5P_DEFAULT));
  if (!found) return h5::failure(place(at), "read", ErrorCode::corrupt);
  HS_TRY(h5::check_dataset(found.get(), place(at), source->content()));
  return found;
}

Result<bool> ResultReader::Impl::has(const std::string& at) const {
  HS_ASSIGN(const std::optional<std::string> resolved, h5::resolve(file.get(), place(at)));
  return resolved.has_value();
}

Result<Attributes> ResultReader::Impl::attributes(const std::string& at) const {
  HS_ASSIGN(const h5::Object found, object(at));
  return h5::read_attributes(found.get(), place(at));
}

Result<std::vector<std::string>> ResultReader::Impl::links(const std::string& at) const {
  HS_ASSIGN(const std::optional<std::string> resolved, h5::resolve(file.get(), place(at)));
  if (!resolved) return std::vector<std::string>();
  const h5::Group group(H5Gopen2(file.get(), resolved->c_str(), H5P_DEFAULT));
  if (!group) return h5::failure(place(at), "read", ErrorCode::corrupt);
  return h5::link_names(group.get(), place(at));
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
  HS_TRY(h5::check_slab(found.get(), place(at), h5::whole(extent), sizeof(T)));
  std::size_t n = 1;
  for (const std::int64_t size : extent)
    n *= static_cast<std::size_t>(size);
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

Result<std::unique_ptr<ResultReader::Impl>> ResultReader::Impl::open(const std::string& path,
                                                                     std::unique_ptr<h5::Source> source) {
  auto impl = std::make_unique<Impl>();
  impl->path = path;
  impl->source = std::move(source);
  HS_TRY(read_guarded(*impl->source, path, [&]() -> Status {
    const h5::PropertyList access(H5Pcreate(H5P_FILE_ACCESS));
    if (!h5::use_source(access.get(), impl->source.get()))
      return h5::failure(impl->place(""), "be opened", ErrorCode::internal);
    impl->file = h5::File(H5Fopen(path.c_str(), H5F_ACC_RDONLY, access.get()));
    if (!impl->file) return h5::failure(impl->place(""), "be opened", ErrorCode::corrupt);
    return {};
  }));
  return impl;
}

Status ResultReader::Impl::read_info() {
  if (source->allocated != source->content() && !source->has_checksums())
    return make_error(ErrorCode::corrupt,
                      "is damaged: what stands behind its end are no checksums; it was cut or changed", path);
  HS_ASSIGN(const Attributes root, attributes("/"));
  const H5Location at = place("/");
  HS_TRY(check_format(root, at, info));
  info.has_checksums = source->has_checksums();
  HS_TRY(take(root, at, "headscope_version", info.provenance.headscope_version));
  HS_TRY(take(root, at, "libtorch_version", info.provenance.libtorch_version));
  HS_TRY(take(root, at, "command_line", info.provenance.command_line));
  HS_TRY(take(root, at, "seeds", info.provenance.seeds));
  HS_TRY(take(root, at, "created", info.created));
  return take(root, at, "complete", info.complete);
}

Result<ResultReader> ResultReader::open(const std::string& path) {
  HS_ASSIGN(std::unique_ptr<h5::Source> source, h5::Source::open(path));
  HS_TRY(try_elsewhere(source->fd(), path, TrialKind::result));
  return open_here(path, std::move(source));
}

Result<ResultReader> ResultReader::open_here(const std::string& path) {
  HS_ASSIGN(std::unique_ptr<h5::Source> source, h5::Source::open(path));
  return open_here(path, std::move(source));
}

Result<ResultReader> ResultReader::open_any_here(const std::string& path) {
  HS_ASSIGN(std::unique_ptr<h5::Source> source, h5::Source::open(path));
  HS_ASSIGN(std::unique_ptr<Impl> impl, Impl::open(path, std::move(source)));
  return ResultReader(std::move(impl));
}

Result<ResultReader> ResultReader::open_here(const std::string& path, std::unique_ptr<h5::Source> source) {
  HS_ASSIGN(std::unique_ptr<Impl> impl, Impl::open(path, std::move(source)));
  HS_TRY(read_guarded(*impl->source, path, [&] { return impl->read_info(); }));
  return ResultReader(std::move(impl));
}

ResultReader::ResultReader(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
ResultReader::ResultReader(ResultReader&&) noexcept = default;
ResultReader& ResultReader::operator=(ResultReader&&) noexcept = default;
ResultReader::~ResultReader() = default;

const FileInfo& ResultReader::info() const { return impl_->info; }

bool ResultReader::exists(const std::string& path) const {
  const auto found = guarded<bool>(*impl_, [&] { return impl_->has(path); });
  return found.ok() && *found;
}

Result<std::vector<std::string>> ResultReader::list(const std::string& group) const {
  return guarded<std::vector<std::string>>(*impl_, [&] { return impl_->links(group); });
}

Result<Attributes> ResultReader::attributes(const std::string& path) const {
  return guarded<Attributes>(*impl_, [&] { return impl_->attributes(path); });
}

Result<Attributes> ResultReader::model() const { return attributes("/model"); }

Result<Attributes> ResultReader::options(const std::string& step) const { return attributes("/options/" + step); }

Result<std::vector<std::string>> ResultReader::strings(const std::string& path) const {
  return guarded<std::vector<std::string>>(*impl_, [&] { return impl_->strings(path); });
}

Result<Array> ResultReader::array(const std::string& path) const {
  return guarded<Array>(*impl_, [&]() -> Result<Array> {
    Array array;
    HS_ASSIGN(array.values, impl_->numbers<double>(path, array.spec.shape));
    HS_ASSIGN(const h5::Dataset found, impl_->dataset(path));
    array.spec.dtype = h5::dtype_of(h5::Type(H5Dget_type(found.get())).get());
    HS_ASSIGN(const auto names, h5::axis_names(found.get(), array.spec.shape.size(), impl_->place(path)));
    HS_ASSIGN(auto labels,
              h5::axis_labels(found.get(), array.spec.shape, impl_->place(path), impl_->source->content()));
    for (std::size_t i = 0; i < names.size(); ++i)
      array.spec.axes.push_back({names[i], std::move(labels[i])});
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
  return guarded<Table>(*impl_, [&]() -> Result<Table> {
    Table table;
    HS_ASSIGN(Attributes all, impl_->attributes(path));
    std::vector<std::string> names;
    HS_TRY(take(all, impl_->place(path), "columns", names));
    for (Attribute& attribute : all) {
      if (attribute.name != "kind" && attribute.name != "columns") table.attributes.push_back(std::move(attribute));
    }
    for (const std::string& name : names) {
      if (name.find('/') != std::string::npos || std::count(names.begin(), names.end(), name) > 1)
        return make_error(ErrorCode::corrupt, "names columns that cannot be", impl_->path, path + "@columns");
      HS_ASSIGN(Column column, read_column(*this, *impl_, path + "/" + name, name));
      const auto length = [](const auto& values) { return values.size(); };
      if (!table.columns.empty() &&
          std::visit(length, column.values) != std::visit(length, table.columns.front().values))
        return make_error(ErrorCode::corrupt, "has another length than the column " + table.columns.front().name,
                          impl_->path, path + "/" + name);
      table.columns.push_back(std::move(column));
    }
    return table;
  });
}

} // namespace headscope::store
