// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/store/h5_check.h"

#include <algorithm>
#include <array>
#include <deque>

#include <zlib.h>

#include "core/base/limits.h"

namespace headscope::store::h5 {

namespace {

Error corrupt(const H5Location& place, const std::string& message) {
  return make_error(ErrorCode::corrupt, message, place.file, place.path);
}

std::string mebibytes(std::uint64_t bytes) { return std::to_string(bytes >> 20) + " MiB"; }

// The product of sizes, or nothing where it exceeds `most`.
std::optional<std::uint64_t> product(const std::vector<hsize_t>& sizes, std::uint64_t first, std::uint64_t most) {
  std::uint64_t n = first;
  for (const hsize_t size : sizes) {
    if (size == 0) return 0;
    if (n > most / size) return {};
    n *= size;
  }
  return n;
}

// ---- links

std::deque<std::string> parts_of(const std::string& path) {
  std::deque<std::string> parts;
  for (std::size_t begin = 0; begin < path.size();) {
    const std::size_t end = std::min(path.find('/', begin), path.size());
    const std::string part = path.substr(begin, end - begin);
    if (!part.empty() && part != ".") parts.push_back(part);
    begin = end + 1;
  }
  return parts;
}

Error leads_out(H5L_type_t type, const H5Location& place) {
  return corrupt(place, type == H5L_TYPE_EXTERNAL ? "is a link to another file, which is not followed"
                                                  : "is a link of a kind that nobody defined");
}

Result<std::string> soft_target(hid_t file, const std::string& path, const H5L_info_t& info, const H5Location& place) {
  if (info.u.val_size == 0 || info.u.val_size > limits::result_attribute_bytes)
    return corrupt(place, "is a link with an impossible target");
  std::vector<char> target(info.u.val_size + 1, '\0');
  if (H5Lget_val(file, path.c_str(), target.data(), info.u.val_size, H5P_DEFAULT) < 0)
    return failure(place, "read the link", ErrorCode::corrupt);
  return std::string(target.data());
}

} // namespace

Result<std::optional<std::string>> resolve(hid_t file, const H5Location& place) {
  constexpr int most_soft_links = 16;
  if (place.path.empty() || place.path.front() != '/') return std::optional<std::string>();
  std::deque<std::string> left = parts_of(place.path);
  std::string at;
  for (int followed = 0; !left.empty();) {
    const std::string next = at + "/" + left.front();
    left.pop_front();
    const htri_t found = H5Lexists(file, next.c_str(), H5P_DEFAULT);
    if (found < 0) return failure(place, "read", ErrorCode::corrupt);
    if (found == 0 && followed > 0) return corrupt(place, "is a link to " + next + ", which is not there");
    if (found == 0) return std::optional<std::string>();
    H5L_info_t info{};
    if (H5Lget_info(file, next.c_str(), &info, H5P_DEFAULT) < 0) return failure(place, "read", ErrorCode::corrupt);
    if (info.type == H5L_TYPE_HARD) {
      at = next;
      continue;
    }
    if (info.type != H5L_TYPE_SOFT) return leads_out(info.type, {place.file, next});
    if (++followed > most_soft_links) return corrupt(place, "is a link that leads back to itself");
    HS_ASSIGN(const std::string target, soft_target(file, next, info, place));
    const std::deque<std::string> more = parts_of(target);
    left.insert(left.begin(), more.begin(), more.end());
    if (target.front() == '/') at.clear();
  }
  return std::optional<std::string>(at.empty() ? "/" : at);
}

namespace {

struct Names {
  const H5Location& place;
  std::vector<std::string> list;
  std::optional<Error> error;
};

herr_t take_name(hid_t /*group*/, const char* name, const H5L_info_t* info, void* out) {
  auto& names = *static_cast<Names*>(out);
  if (info->type != H5L_TYPE_HARD && info->type != H5L_TYPE_SOFT) {
    names.error =
        leads_out(info->type, {names.place.file, names.place.path + (names.place.path == "/" ? "" : "/") + name});
  } else if (names.list.size() >= limits::result_names) {
    names.error = corrupt(names.place, "has more than " + std::to_string(limits::result_names) + " members");
  } else {
    names.list.emplace_back(name);
  }
  return names.error ? -1 : 0;
}

} // namespace

Result<std::vector<std::string>> link_names(hid_t group, const H5Location& place) {
  for (const H5_index_t order : {H5_INDEX_CRT_ORDER, H5_INDEX_NAME}) {
    Names names{place, {}, {}};
    hsize_t next = 0;
    const herr_t status = H5Literate(group, order, H5_ITER_INC, &next, take_name, &names);
    if (names.error) return *names.error;
    if (status >= 0) return std::move(names.list);
  }
  return failure(place, "read", ErrorCode::corrupt);
}

// ---- datasets

namespace {

Status check_filters(const PropertyList& creation, const H5Location& place) {
  const int count = H5Pget_nfilters(creation.get());
  int packing = 0;
  for (int i = 0; i < count; ++i) {
    unsigned flags = 0, config = 0;
    std::size_t values = 0;
    const H5Z_filter_t filter =
        H5Pget_filter2(creation.get(), static_cast<unsigned>(i), &flags, &values, nullptr, 0, nullptr, &config);
    if (filter == H5Z_FILTER_DEFLATE) ++packing;
    if (filter != H5Z_FILTER_DEFLATE && filter != H5Z_FILTER_SHUFFLE && filter != H5Z_FILTER_FLETCHER32)
      return corrupt(place, "is packed with the filter " + std::to_string(filter) +
                                "; only gzip, shuffle and Fletcher-32 are read");
  }
  if (count < 0 || packing > 1) return corrupt(place, "is packed in a way that nobody uses");
  return {};
}

std::vector<hsize_t> extent_of(const Space& space) {
  const int rank = H5Sget_simple_extent_ndims(space.get());
  std::vector<hsize_t> extent(rank > 0 ? static_cast<std::size_t>(rank) : 0);
  if (!extent.empty()) H5Sget_simple_extent_dims(space.get(), extent.data(), nullptr);
  return extent;
}

// The shape of a chunk; empty for an array that is not chunked.
std::vector<hsize_t> chunk_of(const PropertyList& creation) {
  if (H5Pget_layout(creation.get()) != H5D_CHUNKED) return {};
  std::array<hsize_t, H5S_MAX_RANK> sizes{};
  const int rank = H5Pget_chunk(creation.get(), static_cast<int>(sizes.size()), sizes.data());
  return {sizes.begin(), sizes.begin() + std::max(rank, 0)};
}

Status check_contiguous(hid_t dataset, const H5Location& place, std::optional<std::uint64_t> bytes,
                        std::uint64_t file_bytes) {
  const haddr_t begin = H5Dget_offset(dataset);
  if (begin == HADDR_UNDEF) return {}; // never written, or in its header
  if (!bytes || begin > file_bytes || *bytes > file_bytes - begin) return corrupt(place, "is larger than the file");
  return {};
}

} // namespace

Status check_dataset(hid_t dataset, const H5Location& place, std::uint64_t file_bytes) {
  const PropertyList creation(H5Dget_create_plist(dataset));
  const Type type(H5Dget_type(dataset));
  const Space space(H5Dget_space(dataset));
  if (!creation || !type || !space) return failure(place, "read", ErrorCode::corrupt);
  const H5D_layout_t layout = H5Pget_layout(creation.get());
  if (layout == H5D_VIRTUAL) return corrupt(place, "is a virtual dataset, which reads other files");
  if (H5Pget_external_count(creation.get()) != 0) return corrupt(place, "has its numbers in another file");
  if (layout != H5D_COMPACT && layout != H5D_CONTIGUOUS && layout != H5D_CHUNKED)
    return corrupt(place, "has a layout that nobody knows");
  HS_TRY(check_filters(creation, place));
  const std::size_t item = H5Tget_size(type.get());
  if (item == 0) return failure(place, "read", ErrorCode::corrupt);
  constexpr std::uint64_t most = std::uint64_t{1} << 62;
  if (layout == H5D_CONTIGUOUS)
    return check_contiguous(dataset, place, product(extent_of(space), item, most), file_bytes);
  if (layout != H5D_CHUNKED) return {};
  const std::vector<hsize_t> chunk = chunk_of(creation);
  const auto bytes = product(chunk, item, limits::result_chunk_bytes);
  if (chunk.empty() || !bytes || *bytes == 0)
    return corrupt(place, "is in chunks of more than " + mebibytes(limits::result_chunk_bytes));
  if (H5Dget_storage_size(dataset) > file_bytes) return corrupt(place, "is larger than the file");
  return {};
}

Slab whole(const std::vector<std::int64_t>& shape) {
  return {std::vector<hsize_t>(shape.size(), 0), std::vector<hsize_t>(shape.begin(), shape.end())};
}

namespace {

// Checks that a chunk inflates to at most `most` bytes. Small chunks can do no harm.
Status check_packed_chunk(hid_t dataset, const H5Location& place, const std::vector<hsize_t>& at, unsigned packing,
                          std::uint64_t most) {
  constexpr hsize_t harmless = 65536; // becomes at most 1032 times as much
  hsize_t stored = 0;
  if (H5Dget_chunk_storage_size(dataset, at.data(), &stored) < 0) {
    H5Eclear2(H5E_DEFAULT);
    return {}; // not written
  }
  if (stored <= harmless) return {};
  const Error bomb = corrupt(place, "has a chunk that unpacks to more than a chunk");
  if (stored > most + most / 1000 + 1024) return bomb; // what cannot be packed grows by less
  std::vector<unsigned char> packed(stored), out(harmless);
  std::uint32_t skipped = 0;
  if (H5Dread_chunk(dataset, H5P_DEFAULT, at.data(), &skipped, packed.data()) < 0)
    return failure(place, "read", ErrorCode::corrupt);
  if ((skipped >> packing & 1U) != 0) return {}; // this one is not packed
  z_stream stream{};
  if (inflateInit(&stream) != Z_OK) return make_error(ErrorCode::out_of_memory, "cannot be unpacked", place.file);
  stream.next_in = packed.data();
  stream.avail_in = static_cast<uInt>(packed.size());
  int status = Z_OK;
  while (status == Z_OK && stream.total_out <= most) {
    stream.next_out = out.data();
    stream.avail_out = static_cast<uInt>(out.size());
    status = inflate(&stream, Z_NO_FLUSH);
  }
  const bool fits = stream.total_out <= most;
  inflateEnd(&stream);
  if (!fits) return bomb;
  return {}; // HDF5 has the better message for what cannot be inflated
}

// The index of deflate among the filters, or nothing.
std::optional<unsigned> packing_of(const PropertyList& creation) {
  const int count = H5Pget_nfilters(creation.get());
  for (unsigned i = 0; static_cast<int>(i) < count; ++i) {
    unsigned flags = 0, config = 0;
    std::size_t values = 0;
    if (H5Pget_filter2(creation.get(), i, &flags, &values, nullptr, 0, nullptr, &config) == H5Z_FILTER_DEFLATE)
      return i;
  }
  return {};
}

} // namespace

Status check_slab(hid_t dataset, const H5Location& place, const Slab& slab, std::size_t value_bytes) {
  if (!product(slab.count, value_bytes, limits::result_array_bytes))
    return make_error(ErrorCode::out_of_memory,
                      "holds more numbers than are read at once (" + mebibytes(limits::result_array_bytes) +
                          "); read it with h5py, a part at a time",
                      place.file, place.path);
  const PropertyList creation(H5Dget_create_plist(dataset));
  const std::vector<hsize_t> chunk = chunk_of(creation);
  if (chunk.size() != slab.count.size() || std::count(slab.count.begin(), slab.count.end(), 0U) > 0) return {};
  std::vector<hsize_t> first(chunk.size()), last(chunk.size());
  std::vector<hsize_t> chunks(chunk.size());
  for (std::size_t i = 0; i < chunk.size(); ++i) {
    first[i] = slab.start[i] / chunk[i];
    last[i] = (slab.start[i] + slab.count[i] - 1) / chunk[i];
    chunks[i] = last[i] - first[i] + 1;
  }
  if (!product(chunks, 1, limits::result_chunks))
    return corrupt(place, "is in more than " + std::to_string(limits::result_chunks) + " chunks");
  const std::optional<unsigned> packing = packing_of(creation);
  if (!packing) return {};
  const Type type(H5Dget_type(dataset));
  const std::uint64_t most = *product(chunk, H5Tget_size(type.get()), limits::result_chunk_bytes) + 64; // checksums
  std::vector<hsize_t> index = first, at(chunk.size());
  for (bool more = true; more;) {
    for (std::size_t i = 0; i < chunk.size(); ++i)
      at[i] = index[i] * chunk[i];
    HS_TRY(check_packed_chunk(dataset, place, at, *packing, most));
    more = false;
    for (std::size_t i = chunk.size(); i-- > 0 && !more;) {
      more = index[i] < last[i];
      index[i] = more ? index[i] + 1 : first[i];
    }
  }
  return {};
}

} // namespace headscope::store::h5
