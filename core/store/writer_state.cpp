// SPDX-License-Identifier: GPL-3.0-or-later
// Makes groups, datasets and dimension scales, and closes the file whatever happened to its disk.
#include "core/store/writer_state.h"

#include "core/store/part_name.h"

#include <algorithm>
#include <cerrno>
#include <limits>
#include <system_error>

#include <hdf5_hl.h>

namespace headscope::store::detail {

using h5::Dataset;
using h5::Group;
using h5::H5Location;
using h5::PropertyList;
using h5::Space;
using h5::Type;

namespace {

constexpr std::int64_t kTile = 256;                    // the side of a chunk, as for attention maps
constexpr std::int64_t kChunkElements = kTile * kTile; // what a chunk holds
constexpr std::int64_t kCompressFrom = 4096;           // elements; below it a chunk's index costs more

std::pair<std::string, std::string> split(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  return {path.substr(0, slash), path.substr(slash + 1)};
}

std::int64_t elements(const std::vector<std::int64_t>& shape) {
  std::int64_t n = 1;
  for (const std::int64_t extent : shape)
    n *= extent;
  return n;
}

// Chooses chunks: tiles of the two fastest axes; further axes join while there is room.
std::vector<std::int64_t> chunk_for(const ArraySpec& spec) {
  if (!spec.chunk.empty()) return spec.chunk;
  std::vector<std::int64_t> chunk(spec.shape.size(), 1);
  std::int64_t room = kChunkElements;
  for (std::size_t i = chunk.size(); i-- > 0;) {
    const bool tiled = chunk.size() > 1 && i + 2 >= chunk.size();
    chunk[i] =
        std::clamp<std::int64_t>(std::min(spec.shape[i], tiled ? kTile : room), 1, std::max<std::int64_t>(room, 1));
    room /= chunk[i];
  }
  return chunk;
}

void set_fill(hid_t properties, DType dtype) {
  constexpr std::uint16_t kHalfNan = 0x7e00;
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
  if (dtype == DType::float16) H5Pset_fill_value(properties, h5::half_type().get(), &kHalfNan);
  if (dtype == DType::float32 || dtype == DType::float64) H5Pset_fill_value(properties, H5T_NATIVE_FLOAT, &kNan);
}

PropertyList ordered_group() {
  PropertyList list(H5Pcreate(H5P_GROUP_CREATE));
  H5Pset_link_creation_order(list.get(), H5P_CRT_ORDER_TRACKED | H5P_CRT_ORDER_INDEXED);
  H5Pset_attr_creation_order(list.get(), H5P_CRT_ORDER_TRACKED | H5P_CRT_ORDER_INDEXED);
  H5Pset_obj_track_times(list.get(), false);
  return list;
}

// Omits the time of writing, so that equal results give equal files.
PropertyList timeless_dataset() {
  PropertyList list(H5Pcreate(H5P_DATASET_CREATE));
  H5Pset_obj_track_times(list.get(), false);
  return list;
}

PropertyList utf8_links() {
  PropertyList list(H5Pcreate(H5P_LINK_CREATE));
  H5Pset_char_encoding(list.get(), H5T_CSET_UTF8);
  return list;
}

Status check_path(const std::string& path, const std::string& file) {
  if (path.size() < 2 || path.front() != '/') {
    return make_error(ErrorCode::invalid_argument, "is not an absolute path inside the file", file, path);
  }
  for (std::size_t begin = 1; begin <= path.size();) {
    const std::size_t end = std::min(path.find('/', begin), path.size());
    HS_TRY(check_name(path.substr(begin, end - begin), file, path));
    begin = end + 1;
  }
  return {};
}

Status check_spec(const ArraySpec& spec, const H5Location& place) {
  const auto bad = [&](const char* why) {
    return make_error(ErrorCode::invalid_argument, why, place.file, place.path);
  };
  if (spec.dtype == DType::string || spec.dtype == DType::other) return bad("is not a type of numeric arrays");
  if (spec.shape.size() != spec.axes.size()) return bad("needs one axis name for each number of its shape");
  if (!spec.chunk.empty() && spec.chunk.size() != spec.shape.size()) return bad("has a chunk of another rank");
  for (std::size_t i = 0; i < spec.shape.size(); ++i) {
    if (spec.shape[i] < 0) return bad("has a negative extent");
    if (!spec.chunk.empty() && spec.chunk[i] < 1) return bad("has an empty chunk");
    if (spec.axes[i].name.empty() || spec.axes[i].name.find('/') != std::string::npos) {
      return bad("has an axis with no usable name");
    }
    const auto labels = static_cast<std::int64_t>(spec.axes[i].labels.size());
    if (labels != 0 && labels != spec.shape[i]) return bad("has an axis with too few or too many labels");
  }
  return {};
}

} // namespace

Status check_name(const std::string& name, const std::string& file, const std::string& what) {
  return check_part_name(name, file, what);
}

ArrayState::~ArrayState() {
  const h5::Lock lock;
  const std::shared_ptr<FileState> owner = file.lock();
  if (!dataset.close() && owner) owner->latch(h5::failure(owner->place(path), "write", ErrorCode::io));
}

Status FileState::check_new(const std::string& path) const {
  std::size_t end = 0;
  while (end < path.size()) { // H5Lexists wants every group on the way to exist
    end = std::min(path.find('/', end + 1), path.size());
    if (H5Lexists(file.get(), path.substr(0, end).c_str(), H5P_DEFAULT) <= 0) return {};
  }
  return make_error(ErrorCode::already_exists, "was written already", partial.final_path(), path);
}

FileState::~FileState() {
  const h5::Lock lock;
  if (file) abandon();
}

Status FileState::ready() {
  HS_TRY(check_disk(""));
  if (failed) return *failed;
  if (!file) return make_error(ErrorCode::internal, "the result file is closed already", partial.final_path());
  return {};
}

Error FileState::latch(Error error) {
  if (error.code == ErrorCode::io && !failed) failed = error;
  return error;
}

Status FileState::latched(Status status) {
  if (!status.ok()) return latch(std::move(status).error());
  return check_disk("");
}

Status FileState::check_disk(const std::string& path) {
  if (disk.error != 0 && !failed) {
    const std::string reason = std::generic_category().message(disk.error);
    failed = make_error(ErrorCode::io, "cannot be written: " + reason, partial.final_path(), path);
  }
  return failed ? Status(*failed) : Status();
}

Status FileState::open() {
  const PropertyList access(H5Pcreate(H5P_FILE_ACCESS));
  // Uses the format of HDF5 1.8: checksummed headers, attributes beyond 64 KiB, creation order; every HDF5 since reads
  // it.
  H5Pset_libver_bounds(access.get(), H5F_LIBVER_V18, H5F_LIBVER_V18);
  disk.fd = partial.fd();
  if (!h5::use_disk(access.get(), &disk)) return latch(h5::failure(place(""), "be created", ErrorCode::io));
  const PropertyList creation(H5Pcreate(H5P_FILE_CREATE));
  H5Pset_link_creation_order(creation.get(), H5P_CRT_ORDER_TRACKED | H5P_CRT_ORDER_INDEXED);
  H5Pset_attr_creation_order(creation.get(), H5P_CRT_ORDER_TRACKED | H5P_CRT_ORDER_INDEXED);
  H5Pset_obj_track_times(creation.get(), false);
  file = h5::File(H5Fcreate(partial.path().c_str(), H5F_ACC_TRUNC, creation.get(), access.get()));
  if (!file) return latch(h5::failure(place(""), "be created", ErrorCode::io));
  return {};
}

Result<Group> FileState::group(const std::string& path) {
  if (path.empty() || path == "/") return Group(H5Gopen2(file.get(), "/", H5P_DEFAULT));
  HS_TRY(check_path(path, partial.final_path()));
  const PropertyList links = utf8_links();
  const PropertyList ordered = ordered_group();
  Group current;
  for (std::size_t end = 0; end < path.size();) {
    end = std::min(path.find('/', end + 1), path.size());
    const std::string part = path.substr(0, end);
    if (H5Lexists(file.get(), part.c_str(), H5P_DEFAULT) > 0) {
      current = Group(H5Gopen2(file.get(), part.c_str(), H5P_DEFAULT));
      if (!current) return make_error(ErrorCode::invalid_argument, "is not a group", partial.final_path(), part);
    } else {
      current = Group(H5Gcreate2(file.get(), part.c_str(), links.get(), ordered.get(), H5P_DEFAULT));
      if (!current) return latch(h5::failure(place(part), "be created", ErrorCode::io));
    }
  }
  return current;
}

namespace {

// Makes the dataset `path`, which must not exist yet; its groups must.
Result<Dataset> make_dataset(const FileState& state, const std::string& path, hid_t type, hid_t space, hid_t creation,
                             hid_t access) {
  if (H5Lexists(state.file.get(), path.c_str(), H5P_DEFAULT) > 0) {
    return make_error(ErrorCode::already_exists, "was written already", state.partial.final_path(), path);
  }
  Dataset dataset(H5Dcreate2(state.file.get(), path.c_str(), type, space, utf8_links().get(), creation, access));
  if (!dataset) return h5::failure(state.place(path), "be created", ErrorCode::io);
  return dataset;
}

Status describe(const Dataset& dataset, const H5Location& place, const std::string& units,
                const std::string& long_name) {
  HS_TRY(h5::write_attribute(dataset.get(), place, {"units", units}));
  return h5::write_attribute(dataset.get(), place, {"long_name", long_name});
}

} // namespace

Result<Dataset> FileState::create_strings(const std::string& path, const std::vector<std::string>& values, bool scalar,
                                          const std::string& units, const std::string& long_name) {
  HS_TRY(check_path(path, partial.final_path()));
  HS_TRY(group(split(path).first));
  std::vector<std::int64_t> shape;
  if (!scalar) shape.push_back(static_cast<std::int64_t>(values.size()));
  const Space space = h5::space_of(shape);
  HS_ASSIGN(Dataset dataset,
            make_dataset(*this, path, h5::text_type().get(), space.get(), timeless_dataset().get(), H5P_DEFAULT));
  HS_TRY(latched(h5::write_strings(dataset.get(), place(path), values)));
  HS_TRY(latched(describe(dataset, place(path), units, long_name)));
  return dataset;
}

PropertyList FileState::array_properties(const ArraySpec& spec) const {
  PropertyList list = timeless_dataset();
  H5Pset_attr_creation_order(list.get(), H5P_CRT_ORDER_TRACKED | H5P_CRT_ORDER_INDEXED);
  set_fill(list.get(), spec.dtype);
  const std::int64_t n = elements(spec.shape);
  if (spec.shape.empty() || n == 0 || (spec.chunk.empty() && n < kCompressFrom)) return list;
  const std::vector<std::int64_t> chunk = chunk_for(spec);
  std::vector<hsize_t> extent;
  for (std::size_t i = 0; i < chunk.size(); ++i)
    extent.push_back(static_cast<hsize_t>(std::min(chunk[i], spec.shape[i])));
  H5Pset_chunk(list.get(), static_cast<int>(extent.size()), extent.data());
  if (options.deflate > 0) {
    H5Pset_shuffle(list.get());
    H5Pset_deflate(list.get(), static_cast<unsigned>(options.deflate));
  }
  return list;
}

Result<std::shared_ptr<ArrayState>> FileState::create_array(const std::string& path, const ArraySpec& spec,
                                                            std::size_t cache_bytes) {
  HS_TRY(check_path(path, partial.final_path()));
  HS_TRY(check_spec(spec, place(path)));
  HS_TRY(group(split(path).first));
  const PropertyList access(H5Pcreate(H5P_DATASET_ACCESS));
  constexpr std::size_t kSlots = 12421; // a prime, well above the number of chunks that the cache holds
  if (cache_bytes > 0) H5Pset_chunk_cache(access.get(), kSlots, cache_bytes, 1.0); // 1.0: full chunks leave first
  auto array = std::make_shared<ArrayState>();
  array->file = weak_from_this();
  array->path = path;
  array->dtype = spec.dtype;
  array->shape = spec.shape;
  const Space space = h5::space_of(spec.shape);
  const PropertyList creation = array_properties(spec);
  auto made = make_dataset(*this, path, h5::file_type(spec.dtype).get(), space.get(), creation.get(), access.get());
  if (!made.ok()) return latch(std::move(made).error());
  array->dataset = std::move(made).value();
  HS_TRY(latched(describe(array->dataset, place(path), spec.units, spec.long_name)));
  HS_TRY(latched(h5::write_attributes(array->dataset.get(), place(path), spec.attributes)));
  HS_TRY(latched(attach_scales(array->dataset, path, spec.axes, spec.shape)));
  std::erase_if(arrays, [](const auto& known) { return known.expired(); });
  arrays.push_back(array);
  return array;
}

Status FileState::attach_scales(const Dataset& dataset, const std::string& path, const std::vector<Axis>& axes,
                                const std::vector<std::int64_t>& shape) {
  for (std::size_t i = 0; i < axes.size(); ++i) {
    const auto dimension = static_cast<unsigned>(i);
    if (H5DSset_label(dataset.get(), dimension, axes[i].name.c_str()) < 0) {
      return h5::failure(place(path), "name its axes", ErrorCode::io);
    }
    HS_ASSIGN(const std::string scale_path, scale_for(path, axes[i], shape[i]));
    const Dataset scale(H5Dopen2(file.get(), scale_path.c_str(), H5P_DEFAULT));
    if (!scale || H5DSattach_scale(dataset.get(), scale.get(), dimension) < 0) {
      return h5::failure(place(path), "attach the dimension scale " + scale_path, ErrorCode::io);
    }
  }
  return {};
}

Result<std::string> FileState::scale_for(const std::string& array_path, const Axis& axis, std::int64_t size) {
  return axis.labels.empty() ? numbered_scale(axis, size) : labelled_scale(array_path, axis);
}

// Makes the scale "/axes/NAME", or "/axes/NAME_SIZE" for further sizes, with values 0, 1, 2, ...
Result<std::string> FileState::numbered_scale(const Axis& axis, std::int64_t size) {
  const auto known = numbered_scales.find({axis.name, size});
  if (known != numbered_scales.end()) return known->second;
  std::string path("/axes/");
  path += axis.name;
  if (H5Lexists(file.get(), "/axes", H5P_DEFAULT) > 0 && H5Lexists(file.get(), path.c_str(), H5P_DEFAULT) > 0) {
    path.append("_").append(std::to_string(size));
  }
  HS_TRY(group("/axes"));
  const Space space = h5::space_of({size});
  HS_ASSIGN(Dataset scale,
            make_dataset(*this, path, H5T_STD_I64LE, space.get(), timeless_dataset().get(), H5P_DEFAULT));
  std::vector<std::int64_t> numbers(static_cast<std::size_t>(size));
  for (std::size_t i = 0; i < numbers.size(); ++i)
    numbers[i] = static_cast<std::int64_t>(i);
  if (size > 0 && H5Dwrite(scale.get(), H5T_NATIVE_INT64, H5S_ALL, H5S_ALL, H5P_DEFAULT, numbers.data()) < 0) {
    return h5::failure(place(path), "write", ErrorCode::io);
  }
  HS_TRY(describe(scale, place(path), "index", "index of the " + axis.name + ", from 0"));
  if (H5DSset_scale(scale.get(), axis.name.c_str()) < 0 || !scale.close()) {
    return h5::failure(place(path), "write", ErrorCode::io);
  }
  numbered_scales[{axis.name, size}] = path;
  return path;
}

// Makes a scale beside the array: "NAME", or "NAME_ARRAY" where the group has other labels of that name.
Result<std::string> FileState::labelled_scale(const std::string& array_path, const Axis& axis) {
  const auto [folder, array] = split(array_path);
  std::string path = folder + "/" + axis.name;
  const auto known = labelled_scales.find(path);
  if (known != labelled_scales.end() && known->second == axis.labels) return path;
  if (H5Lexists(file.get(), path.c_str(), H5P_DEFAULT) > 0) path.append("_").append(array);
  HS_ASSIGN(Dataset scale, create_strings(path, axis.labels, false, "label", "labels of the " + axis.name + " axis"));
  if (H5DSset_scale(scale.get(), axis.name.c_str()) < 0 || !scale.close()) {
    return h5::failure(place(path), "write", ErrorCode::io);
  }
  labelled_scales[path] = axis.labels;
  return path;
}

Status FileState::write_slab(ArrayState& array, std::span<const std::int64_t> offset,
                             std::span<const std::int64_t> shape, hid_t memory_type, const void* data) {
  if (elements({shape.begin(), shape.end()}) == 0) return {};
  const Space space(H5Dget_space(array.dataset.get()));
  const Space memory = h5::space_of({shape.begin(), shape.end()});
  const std::vector<hsize_t> start(offset.begin(), offset.end());
  const std::vector<hsize_t> count(shape.begin(), shape.end());
  const bool selected = count.empty() || H5Sselect_hyperslab(space.get(), H5S_SELECT_SET, start.data(), nullptr,
                                                             count.data(), nullptr) >= 0;
  if (!space || !memory || !selected ||
      H5Dwrite(array.dataset.get(), memory_type, memory.get(), space.get(), H5P_DEFAULT, data) < 0) {
    return latch(h5::failure(place(array.path), "write", ErrorCode::io));
  }
  return check_disk(array.path);
}

Status FileState::close_arrays() {
  for (const auto& weak : arrays) {
    const std::shared_ptr<ArrayState> array = weak.lock();
    if (array && !array->dataset.close()) return latch(h5::failure(place(array->path), "write", ErrorCode::io));
  }
  arrays.clear();
  return failed ? Status(*failed) : Status();
}

Status FileState::close() {
  HS_TRY(close_arrays());
  if (H5Fflush(file.get(), H5F_SCOPE_GLOBAL) < 0) return latch(h5::failure(place(""), "write", ErrorCode::io));
  if (!file.close()) return latch(h5::failure(place(""), "write", ErrorCode::io));
  return check_disk("");
}

void FileState::abandon() {
  if (disk.error == 0) disk.error = ECANCELED; // so that nothing more is written to disk
  for (const auto& weak : arrays) {
    if (const std::shared_ptr<ArrayState> array = weak.lock()) array->dataset.close();
  }
  arrays.clear();
  file.close();
  H5Eclear2(H5E_DEFAULT);
  partial.remove();
}

} // namespace headscope::store::detail
