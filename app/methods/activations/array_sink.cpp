// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/methods/activations/array_sink.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <limits>
#include <span>
#include <system_error>

#include <ATen/ATen.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "core/base/npy_header.h"
#include "core/base/partial_file.h"

namespace headscope::methods {
namespace {

struct TypeNames {
  store::DType dtype;
  at::ScalarType torch;
  const char *npy, *safetensors;
};
constexpr TypeNames type_names[] = {{store::DType::float16, at::kHalf, "<f2", "F16"},
                                    {store::DType::float32, at::kFloat, "<f4", "F32"},
                                    {store::DType::float64, at::kDouble, "<f8", "F64"},
                                    {store::DType::int64, at::kLong, "<i8", "I64"}};

const TypeNames& names_of_type(store::DType dtype) {
  return *std::find_if(std::begin(type_names), std::end(type_names) - 1,
                       [&](const TypeNames& each) { return each.dtype == dtype; });
}

std::int64_t elements_of(const store::ArraySpec& spec) {
  std::int64_t count = 1;
  for (const std::int64_t size : spec.shape)
    count *= size;
  return count;
}

std::int64_t bytes_of(const store::ArraySpec& spec) {
  return elements_of(spec) * static_cast<std::int64_t>(c10::elementSize(names_of_type(spec.dtype).torch));
}

std::int64_t row_bytes(const store::ArraySpec& spec) { return spec.shape[0] > 0 ? bytes_of(spec) / spec.shape[0] : 0; }

// Writes rows [first, end) as not measured, a few at a time.
Status write_unmeasured(ArraySink& sink, std::size_t array, const store::ArraySpec& spec, std::int64_t first,
                        std::int64_t end) {
  const std::int64_t at_once =
      std::max<std::int64_t>(1, (std::int64_t{1} << 24) / std::max<std::int64_t>(1, row_bytes(spec)));
  for (; first < end; first += at_once) {
    std::vector<std::int64_t> shape = spec.shape;
    shape[0] = std::min(at_once, end - first);
    HS_TRY(sink.write(array, first, at::full(shape, std::numeric_limits<double>::quiet_NaN(), at::kFloat)));
  }
  return {};
}

bool all_done(const std::vector<SinkArray>& arrays, const std::vector<std::int64_t>& done) {
  for (std::size_t i = 0; i < arrays.size(); ++i)
    if (done[i] < arrays[i].spec.shape[0]) return false;
  return true;
}

// ---- The result file

class ResultFileSink : public ArraySink {
public:
  ResultFileSink(store::ResultWriter& writer, std::string group, std::vector<SinkArray> arrays)
      : writer_(writer), group_(std::move(group)), arrays_(std::move(arrays)), written_(arrays_.size(), 0) {}

  Status open() {
    for (const SinkArray& array : arrays_) {
      const std::string path = std::string(group_).append("/").append(array.name);
      HS_ASSIGN(store::ArrayWriter open, writer_.create_array(path, array.spec));
      open_.push_back(std::move(open));
    }
    return {};
  }

  Status write(std::size_t array, std::int64_t first, const at::Tensor& rows) override {
    written_[array] = std::max(written_[array], first + rows.size(0));
    std::vector<std::int64_t> offset(arrays_[array].spec.shape.size(), 0);
    offset[0] = first;
    const std::vector<std::int64_t> shape = rows.sizes().vec();
    switch (arrays_[array].spec.dtype) {
    case store::DType::int64: return put<std::int64_t>(array, offset, shape, rows.to(at::kLong));
    case store::DType::float64: return put<double>(array, offset, shape, rows.to(at::kDouble));
    default: return put<float>(array, offset, shape, rows.to(at::kFloat));
    }
  }

  Status finish(const std::vector<std::int64_t>& done) override {
    for (std::size_t i = 0; i < arrays_.size(); ++i) // what was never written is NaN already
      HS_TRY(write_unmeasured(*this, i, arrays_[i].spec, done[i], written_[i]));
    return {};
  }

private:
  template <typename T>
  Status put(std::size_t array, const std::vector<std::int64_t>& offset, const std::vector<std::int64_t>& shape,
             const at::Tensor& rows) {
    return open_[array].write(offset, shape,
                              std::span(rows.const_data_ptr<T>(), static_cast<std::size_t>(rows.numel())));
  }

  store::ResultWriter& writer_;
  std::string group_;
  std::vector<SinkArray> arrays_;
  std::vector<std::int64_t> written_;
  std::vector<store::ArrayWriter> open_;
};

// ---- Files of numbers

std::string dotted(std::string name) {
  std::replace(name.begin(), name.end(), '/', '.');
  return name;
}

Status write_at(const PartialFile& file, std::int64_t offset, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t count = ::pwrite(file.fd(), bytes.data(), bytes.size(), offset);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0)
      return make_error(ErrorCode::io, std::string("cannot be written: ").append(std::strerror(errno)),
                        file.final_path());
    bytes.remove_prefix(static_cast<std::size_t>(count));
    offset += count;
  }
  return {};
}

Status write_rows(const PartialFile& file, std::int64_t begin, const store::ArraySpec& spec, std::int64_t first,
                  const at::Tensor& rows) {
  const at::Tensor typed = rows.to(names_of_type(spec.dtype).torch).contiguous();
  return write_at(file, begin + first * row_bytes(spec),
                  {static_cast<const char*>(typed.const_data_ptr()), typed.nbytes()});
}

class NpySink : public ArraySink {
public:
  NpySink(std::string folder, bool replace, std::vector<SinkArray> arrays)
      : folder_(std::move(folder)), replace_(replace), arrays_(std::move(arrays)) {}

  Status open() {
    std::error_code error;
    std::filesystem::create_directories(folder_, error);
    if (error)
      return make_error(ErrorCode::io, std::string("cannot be made: ").append(error.message()), folder_, "--to");
    // Checked now rather than after the work, since the index is written last.
    if (!replace_ && std::filesystem::exists(path_of("index.json"), error))
      return make_error(ErrorCode::already_exists, "already exists and is kept; use --replace to replace it",
                        path_of("index.json"), "--to");
    for (const SinkArray& array : arrays_) {
      HS_ASSIGN(PartialFile file, PartialFile::create(path_of(dotted(array.name).append(".npy")), replace_));
      const std::string header = npy_header(names_of_type(array.spec.dtype).npy, array.spec.shape);
      HS_TRY(write_at(file, 0, header));
      begins_.push_back(std::ssize(header));
      files_.push_back(std::move(file));
    }
    return {};
  }

  Status write(std::size_t array, std::int64_t first, const at::Tensor& rows) override {
    return write_rows(files_[array], begins_[array], arrays_[array].spec, first, rows);
  }

  Status finish(const std::vector<std::int64_t>& done) override {
    nlohmann::json listed = nlohmann::json::array();
    for (std::size_t i = 0; i < arrays_.size(); ++i) {
      const store::ArraySpec& spec = arrays_[i].spec;
      HS_TRY(write_unmeasured(*this, i, spec, done[i], spec.shape[0]));
      HS_TRY(files_[i].publish(replace_));
      nlohmann::json axes = nlohmann::json::array();
      for (const store::Axis& axis : spec.axes)
        axes.push_back({{"name", axis.name}, {"labels", axis.labels}});
      listed.push_back({{"file", dotted(arrays_[i].name).append(".npy")},
                        {"axes", std::move(axes)},
                        {"shape", spec.shape},
                        {"units", spec.units},
                        {"long_name", spec.long_name},
                        {"measured_rows", done[i]}});
    }
    const nlohmann::json index = {{"complete", all_done(arrays_, done)}, {"arrays", std::move(listed)}};
    return write_file(path_of("index.json"), index.dump(1).append("\n"), replace_);
  }

private:
  std::string path_of(const std::string& name) const { return (std::filesystem::path(folder_) / name).string(); }

  std::string folder_;
  bool replace_;
  std::vector<SinkArray> arrays_;
  std::vector<PartialFile> files_;
  std::vector<std::int64_t> begins_;
};

class SafetensorsSink : public ArraySink {
public:
  SafetensorsSink(PartialFile file, bool replace, std::vector<SinkArray> arrays)
      : file_(std::move(file)), replace_(replace), arrays_(std::move(arrays)) {}

  Status open() {
    const std::string header = header_of(false);
    std::int64_t begin = std::ssize(header);
    for (const SinkArray& array : arrays_) {
      begins_.push_back(begin);
      begin += bytes_of(array.spec);
    }
    return write_at(file_, 0, header);
  }

  Status write(std::size_t array, std::int64_t first, const at::Tensor& rows) override {
    return write_rows(file_, begins_[array], arrays_[array].spec, first, rows);
  }

  Status finish(const std::vector<std::int64_t>& done) override {
    for (std::size_t i = 0; i < arrays_.size(); ++i)
      HS_TRY(write_unmeasured(*this, i, arrays_[i].spec, done[i], arrays_[i].spec.shape[0]));
    HS_TRY(write_at(file_, 0, header_of(all_done(arrays_, done))));
    return file_.publish(replace_);
  }

private:
  // The header has the same length whether complete or not: "true" is followed by a blank.
  std::string header_of(bool complete) const {
    nlohmann::json header = {{"__metadata__", {{"format", "pt"}, {"complete", complete ? "true" : "false"}}}};
    std::int64_t offset = 0;
    for (const SinkArray& array : arrays_) {
      const std::int64_t end = offset + bytes_of(array.spec);
      header[dotted(array.name)] = {{"dtype", names_of_type(array.spec.dtype).safetensors},
                                    {"shape", array.spec.shape},
                                    {"data_offsets", {offset, end}}};
      offset = end;
    }
    std::string text = header.dump();
    if (complete) text.append(" ");
    text.append((8 - text.size() % 8) % 8, ' ');
    const std::uint64_t length = text.size();
    return std::string(reinterpret_cast<const char*>(&length), sizeof length).append(text);
  }

  PartialFile file_;
  bool replace_;
  std::vector<SinkArray> arrays_;
  std::vector<std::int64_t> begins_;
};

} // namespace

Result<std::unique_ptr<ArraySink>> result_file_sink(store::ResultWriter& writer, const std::string& group,
                                                    std::vector<SinkArray> arrays) {
  auto sink = std::make_unique<ResultFileSink>(writer, group, std::move(arrays));
  HS_TRY(sink->open());
  return std::unique_ptr<ArraySink>(std::move(sink));
}

Result<std::unique_ptr<ArraySink>> npy_sink(const std::string& folder, bool replace, std::vector<SinkArray> arrays) {
  auto sink = std::make_unique<NpySink>(folder, replace, std::move(arrays));
  HS_TRY(sink->open());
  return std::unique_ptr<ArraySink>(std::move(sink));
}

Result<std::unique_ptr<ArraySink>> safetensors_sink(const std::string& path, bool replace,
                                                    std::vector<SinkArray> arrays) {
  HS_ASSIGN(PartialFile file, PartialFile::create(path, replace));
  auto sink = std::make_unique<SafetensorsSink>(std::move(file), replace, std::move(arrays));
  HS_TRY(sink->open());
  return std::unique_ptr<ArraySink>(std::move(sink));
}

} // namespace headscope::methods
