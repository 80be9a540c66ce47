// SPDX-License-Identifier: GPL-3.0-or-later
// Writes slabs of numbers: checks them, and does the conversions that HDF5 does slowly or silently wrong.
#include <array>
#include <limits>

#include "core/store/half.h"
#include "core/store/writer_state.h"

namespace headscope::store {

namespace detail {

namespace {

Status check_slab(const ArrayState& array, const h5::H5Location& place, std::span<const std::int64_t> offset,
                  std::span<const std::int64_t> shape, std::size_t size) {
  const auto bad = [&](const std::string& why) {
    return make_error(ErrorCode::invalid_argument, why, place.file, place.path);
  };
  if (offset.size() != array.shape.size() || shape.size() != array.shape.size()) return bad("a slab of another rank");
  std::size_t n = 1;
  for (std::size_t i = 0; i < shape.size(); ++i) {
    if (offset[i] < 0 || shape[i] < 0 || shape[i] > array.shape[i] || offset[i] > array.shape[i] - shape[i]) {
      return bad("a slab from " + std::to_string(offset[i]) + " of size " + std::to_string(shape[i]) + " on axis " +
                 std::to_string(i) + ", which has " + std::to_string(array.shape[i]));
    }
    n *= static_cast<std::size_t>(shape[i]);
  }
  if (n != size) return bad("a slab of " + std::to_string(n) + " elements with " + std::to_string(size) + " values");
  return {};
}

bool is_float(DType dtype) { return dtype == DType::float16 || dtype == DType::float32 || dtype == DType::float64; }

Result<std::shared_ptr<FileState>> owner_of(const ArrayState& array) {
  std::shared_ptr<FileState> file = array.file.lock();
  if (!file) return make_error(ErrorCode::internal, "the result file is closed already", {}, array.path);
  HS_TRY(file->ready());
  return file;
}

template <typename T>
Status write_checked(ArrayState& array, std::span<const std::int64_t> offset, std::span<const std::int64_t> shape,
                     std::span<const T> data, bool floats, hid_t memory_type) {
  HS_ASSIGN(const std::shared_ptr<FileState> file, owner_of(array));
  const h5::H5Location place = file->place(array.path);
  HS_TRY(check_slab(array, place, offset, shape, data.size()));
  if (is_float(array.dtype) != floats) {
    return make_error(ErrorCode::invalid_argument, std::string("cannot take these values as ") + to_string(array.dtype),
                      place.file, place.path);
  }
  if (floats && array.dtype == DType::float16) {
    std::vector<std::uint16_t> halves(data.size());
    for (std::size_t i = 0; i < data.size(); ++i)
      halves[i] = to_half(static_cast<float>(data[i]));
    return file->write_slab(array, offset, shape, h5::half_type().get(), halves.data());
  }
  return file->write_slab(array, offset, shape, memory_type, data.data());
}

} // namespace

Status write_floats(ArrayState& array, std::span<const std::int64_t> offset, std::span<const std::int64_t> shape,
                    std::span<const float> data) {
  const h5::Lock lock;
  return write_checked(array, offset, shape, data, true, H5T_NATIVE_FLOAT);
}

Status write_doubles(ArrayState& array, std::span<const std::int64_t> offset, std::span<const std::int64_t> shape,
                     std::span<const double> data) {
  const h5::Lock lock;
  return write_checked(array, offset, shape, data, true, H5T_NATIVE_DOUBLE);
}

Status write_integers(ArrayState& array, std::span<const std::int64_t> offset, std::span<const std::int64_t> shape,
                      std::span<const std::int64_t> data) {
  const h5::Lock lock;
  std::int64_t low = std::numeric_limits<std::int64_t>::min();
  std::int64_t high = std::numeric_limits<std::int64_t>::max();
  if (array.dtype == DType::int32) {
    low = std::numeric_limits<std::int32_t>::min();
    high = std::numeric_limits<std::int32_t>::max();
  } else if (array.dtype == DType::uint8) {
    low = 0;
    high = 255;
  }
  for (const std::int64_t value : data) { // HDF5 would clip
    if (value < low || value > high) {
      return make_error(ErrorCode::invalid_argument, std::to_string(value) + " does not fit " + to_string(array.dtype),
                        {}, array.path);
    }
  }
  return write_checked(array, offset, shape, data, false, H5T_NATIVE_INT64);
}

namespace {
Status unopened() { return make_error(ErrorCode::internal, "an array writer that was never opened"); }
} // namespace

} // namespace detail

Status ArrayWriter::write(std::span<const std::int64_t> offset, std::span<const std::int64_t> shape,
                          std::span<const float> data) {
  return state_ ? detail::write_floats(*state_, offset, shape, data) : detail::unopened();
}

Status ArrayWriter::write(std::span<const std::int64_t> offset, std::span<const std::int64_t> shape,
                          std::span<const double> data) {
  return state_ ? detail::write_doubles(*state_, offset, shape, data) : detail::unopened();
}

Status ArrayWriter::write(std::span<const std::int64_t> offset, std::span<const std::int64_t> shape,
                          std::span<const std::int64_t> data) {
  return state_ ? detail::write_integers(*state_, offset, shape, data) : detail::unopened();
}

Status AblationWriter::write_clean(std::int64_t prompt, float value) {
  const std::int64_t one = 1;
  return clean_.write(std::span(&prompt, 1), std::span(&one, 1), std::span<const float>(&value, 1));
}

Status AblationWriter::write_layers(std::int64_t prompt, std::int64_t layer_begin, std::span<const float> effects) {
  const std::int64_t layers = n_heads_ > 0 ? static_cast<std::int64_t>(effects.size()) / n_heads_ : 0;
  const std::array<std::int64_t, 3> offset = {prompt, layer_begin, 0};
  const std::array<std::int64_t, 3> shape = {1, layers, n_heads_};
  return effects_.write(offset, shape, effects);
}

Status AblationWriter::write_head(std::int64_t prompt, HeadId head, float effect) {
  const std::array<std::int64_t, 3> offset = {prompt, head.layer, head.head};
  const std::array<std::int64_t, 3> shape = {1, 1, 1};
  return effects_.write(offset, shape, std::span<const float>(&effect, 1));
}

Status AttentionWriter::write_rows(std::int64_t head_index, std::int64_t q_begin, std::span<const float> rows) {
  const std::int64_t n_query = n_key_ > 0 ? static_cast<std::int64_t>(rows.size()) / n_key_ : 0;
  const std::array<std::int64_t, 3> offset = {head_index, q_begin, 0};
  const std::array<std::int64_t, 3> shape = {1, n_query, n_key_};
  return pattern_.write(offset, shape, rows);
}

Status AttentionWriter::write_tile(std::int64_t head_index, std::int64_t q_begin, std::int64_t n_query,
                                   std::int64_t k_begin, std::span<const float> tile) {
  const std::int64_t n_key = n_query > 0 ? static_cast<std::int64_t>(tile.size()) / n_query : 0;
  const std::array<std::int64_t, 3> offset = {head_index, q_begin, k_begin};
  const std::array<std::int64_t, 3> shape = {1, n_query, n_key};
  return pattern_.write(offset, shape, tile);
}

} // namespace headscope::store
