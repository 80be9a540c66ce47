// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/store/array_file.h"

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <limits>
#include <regex>

#include "core/store/reader_state.h"
#include "core/store/trial.h"

namespace headscope::store {
namespace {

// The number of elements of a shape, or -1 when a size is negative or the product exceeds what memory can hold.
std::int64_t elements_of(const std::vector<std::int64_t>& shape) {
  std::int64_t count = 1;
  for (const std::int64_t size : shape) {
    if (size < 0 || (size > 0 && count > (std::int64_t{1} << 40) / size)) return -1;
    count *= size;
  }
  return count;
}

// ---- .npy files: a magic number, a Python dictionary as text, then the numbers.

struct NpyHeader {
  std::vector<std::int64_t> shape;
  std::size_t item = 0; // bytes of a number
};

Result<NpyHeader> parse_npy_header(const std::string& text, const std::string& path) {
  std::smatch found;
  NpyHeader header;
  if (!std::regex_search(text, found, std::regex("'descr'\\s*:\\s*'([^']*)'")))
    return make_error(ErrorCode::corrupt, "the header names no type", path, "descr");
  if (found[1] != "<f4" && found[1] != "<f8")
    return make_error(ErrorCode::unsupported,
                      "must be '<f4' or '<f8' (float32 or float64), not '" + found[1].str() + "'", path, "descr");
  header.item = found[1] == "<f4" ? 4 : 8;
  if (!std::regex_search(text, std::regex("'fortran_order'\\s*:\\s*False")))
    return make_error(ErrorCode::unsupported, "must be False; save numpy.ascontiguousarray(x)", path, "fortran_order");
  if (!std::regex_search(text, found, std::regex("'shape'\\s*:\\s*\\(([0-9, ]*)\\)")))
    return make_error(ErrorCode::corrupt, "the header has none", path, "shape");
  const std::string sizes = found[1];
  const std::regex number("[0-9]{1,12}");
  for (std::sregex_iterator it(sizes.begin(), sizes.end(), number), end; it != end; ++it)
    header.shape.push_back(std::stoll(it->str()));
  return header;
}

Result<NumberArray> read_npy(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  char magic[8] = {};
  in.read(magic, sizeof magic);
  if (!in || std::memcmp(magic, "\x93NUMPY", 6) != 0)
    return make_error(ErrorCode::corrupt, "does not begin as a .npy file does", path);
  unsigned char raw[4] = {};
  const std::streamsize bytes = magic[6] == 1 ? 2 : 4;
  in.read(reinterpret_cast<char*>(raw), bytes);
  const std::size_t length =
      raw[0] | (std::size_t{raw[1]} << 8) | (std::size_t{raw[2]} << 16) | (std::size_t{raw[3]} << 24);
  if (!in || length > (1U << 20)) return make_error(ErrorCode::corrupt, "the header is cut off or too long", path);
  std::string text(length, ' ');
  in.read(text.data(), static_cast<std::streamsize>(length));
  if (!in) return make_error(ErrorCode::corrupt, "the header is cut off", path);
  HS_ASSIGN(NpyHeader header, parse_npy_header(text, path));
  const std::int64_t count = elements_of(header.shape);
  std::error_code ignored;
  const auto left = static_cast<std::int64_t>(std::filesystem::file_size(path, ignored)) - in.tellg();
  if (count < 0 || left < count * static_cast<std::int64_t>(header.item))
    return make_error(ErrorCode::corrupt, "holds fewer numbers than its shape has", path, "shape");
  NumberArray out{std::move(header.shape), std::vector<float>(static_cast<std::size_t>(count))};
  if (header.item == 4) {
    in.read(reinterpret_cast<char*>(out.values.data()), count * 4);
  } else {
    std::vector<double> doubles(out.values.size());
    in.read(reinterpret_cast<char*>(doubles.data()), count * 8);
    std::transform(doubles.begin(), doubles.end(), out.values.begin(), [](double x) { return static_cast<float>(x); });
  }
  if (!in) return make_error(ErrorCode::io, "could not be read", path);
  return out;
}

// ---- HDF5

Result<NumberArray> read_hdf5(const std::string& path, const std::string& name) {
  HS_ASSIGN(std::unique_ptr<h5::Source> source, h5::Source::open(path));
  HS_TRY(try_elsewhere(source->fd(), path, TrialKind::array));
  HS_ASSIGN(const auto impl, ResultReader::Impl::open(path, std::move(source)));
  return guarded<NumberArray>(*impl, [&]() -> Result<NumberArray> {
    const std::string at = name.starts_with("/") ? name : "/" + name;
    HS_ASSIGN(const bool found, impl->has(at));
    if (!found) return make_error(ErrorCode::not_found, "the file has no such dataset", path, name);
    HS_ASSIGN(const h5::Dataset dataset, impl->dataset(at));
    const H5T_class_t kind = H5Tget_class(h5::Type(H5Dget_type(dataset.get())).get());
    if (kind != H5T_FLOAT && kind != H5T_INTEGER)
      return make_error(ErrorCode::unsupported, "must hold numbers", path, name);
    NumberArray out;
    HS_ASSIGN(out.values, impl->numbers<float>(at, out.shape));
    return out;
  });
}

} // namespace

Result<NumberArray> read_array_file(const std::string& path, const std::string& dataset) {
  std::error_code ignored;
  if (!std::filesystem::is_regular_file(path, ignored))
    return make_error(ErrorCode::not_found, "there is no such file", path);
  return path.ends_with(".npy") ? read_npy(path) : read_hdf5(path, dataset);
}

} // namespace headscope::store
