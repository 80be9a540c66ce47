// SPDX-License-Identifier: GPL-3.0-or-later
// Reads a whole file, in the process that does nothing else.
#include <set>

#include "core/base/limits.h"
#include "core/store/reader_state.h"

namespace headscope::store {

namespace {

constexpr std::uint64_t kNumberBytes = std::uint64_t{32} << 20; // of all arrays together

// Reads numbers in their stored type, at most `left` bytes in total; of larger arrays only the chunk index.
Status check_numbers(const h5::Dataset& dataset, const h5::H5Location& place, std::uint64_t& left) {
  const h5::Type type(H5Dget_type(dataset.get()));
  const h5::Space space(H5Dget_space(dataset.get()));
  const hssize_t count = H5Sget_simple_extent_npoints(space.get());
  const std::uint64_t item = H5Tget_size(type.get());
  if (count < 0 || item == 0) return h5::failure(place, "read", ErrorCode::corrupt);
  const h5::PropertyList creation(H5Dget_create_plist(dataset.get()));
  hsize_t chunks = 0;
  if (H5Pget_layout(creation.get()) == H5D_CHUNKED && H5Dget_num_chunks(dataset.get(), space.get(), &chunks) < 0)
    return h5::failure(place, "read", ErrorCode::corrupt);
  if (static_cast<std::uint64_t>(count) > left / item) return {};
  left -= static_cast<std::uint64_t>(count) * item;
  if (count == 0 || H5Tdetect_class(type.get(), H5T_VLEN) > 0 || H5Tdetect_class(type.get(), H5T_REFERENCE) > 0)
    return {}; // of a kind that is never read
  HS_TRY(h5::check_slab(dataset.get(), place, h5::whole(h5::shape_of(space.get())), item));
  std::vector<unsigned char> bytes(static_cast<std::size_t>(count) * item);
  if (H5Dread(dataset.get(), type.get(), H5S_ALL, H5S_ALL, H5P_DEFAULT, bytes.data()) < 0)
    return h5::failure(place, "read", ErrorCode::corrupt);
  return {};
}

class Check {
public:
  explicit Check(const ResultReader::Impl& impl) : impl_(impl) {}

  Status group(const std::string& path, int depth) {
    const h5::H5Location place = impl_.place(path);
    HS_ASSIGN(const std::vector<std::string> names, impl_.links(path));
    for (const std::string& name : names) {
      const std::string at = (path == "/" ? "" : path) + "/" + name;
      HS_ASSIGN(const h5::Object object, impl_.object(at));
      H5O_info_t info{};
      if (H5Oget_info2(object.get(), &info, H5O_INFO_BASIC) < 0) return h5::failure(place, "read", ErrorCode::corrupt);
      if (!seen_.insert(info.addr).second) continue;
      HS_TRY(h5::read_attributes(object.get(), impl_.place(at)));
      const H5I_type_t type = H5Iget_type(object.get());
      if (type == H5I_GROUP && depth >= limits::result_depth)
        return make_error(ErrorCode::corrupt, "is nested too deeply", impl_.path, at);
      if (type == H5I_GROUP) HS_TRY(group(at, depth + 1));
      if (type == H5I_DATASET) HS_TRY(dataset(at));
    }
    return {};
  }

private:
  Status dataset(const std::string& at) {
    const h5::H5Location place = impl_.place(at);
    HS_ASSIGN(const h5::Dataset dataset, impl_.dataset(at));
    const h5::Space space(H5Dget_space(dataset.get()));
    const std::vector<std::int64_t> shape = h5::shape_of(space.get());
    HS_TRY(h5::axis_names(dataset.get(), shape.size(), place));
    HS_TRY(h5::axis_labels(dataset.get(), shape, place, impl_.source->content()));
    if (h5::dtype_of(h5::Type(H5Dget_type(dataset.get())).get()) != DType::string)
      return check_numbers(dataset, place, left_);
    HS_TRY(h5::read_strings(dataset.get(), place));
    return {};
  }

  const ResultReader::Impl& impl_;
  std::set<haddr_t> seen_;
  std::uint64_t left_ = kNumberBytes;
};

} // namespace

Status ResultReader::check_everything() const {
  return read_guarded(*impl_->source, impl_->path, [&]() -> Status {
    HS_TRY(impl_->attributes("/"));
    HS_TRY(Check(*impl_).group("/", 0));
    return impl_->source->verify_small();
  });
}

} // namespace headscope::store
