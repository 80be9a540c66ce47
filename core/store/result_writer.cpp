// SPDX-License-Identifier: GPL-3.0-or-later
// Opens and commits a result file, and writes the arrays, strings and tables that everything else is made of.
#include "core/store/result_writer.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "core/base/utc_time.h"
#include "core/store/checksums.h"
#include "core/store/result_file.h"
#include "core/store/trial.h"
#include "core/store/writer_state.h"

namespace headscope::store {

namespace {

Attributes root_attributes(const Provenance& provenance) {
  return {{"format", std::string(kFormatName)},
          {"format_version", std::int64_t{kFormatVersion}},
          {"headscope_version", provenance.headscope_version},
          {"libtorch_version", provenance.libtorch_version},
          {"created", provenance.created.empty() ? utc_time() : provenance.created},
          {"command_line", provenance.command_line},
          {"seeds", provenance.seeds},
          {"complete", false}};
}

// Checked before the dataset is made, so that a refused call leaves nothing behind.
Status check_size(const ArraySpec& spec, std::size_t size, const std::string& file, const std::string& path) {
  std::int64_t n = 1;
  for (const std::int64_t extent : spec.shape)
    n *= extent;
  if (n == static_cast<std::int64_t>(size)) return {};
  return make_error(ErrorCode::invalid_argument,
                    "has a shape of " + std::to_string(n) + " elements and " + std::to_string(size) + " values", file,
                    path);
}

} // namespace

ResultWriter::ResultWriter(std::shared_ptr<detail::FileState> state) : state_(std::move(state)) {}
ResultWriter::ResultWriter(ResultWriter&&) noexcept = default;
ResultWriter& ResultWriter::operator=(ResultWriter&&) noexcept = default;
ResultWriter::~ResultWriter() {
  // Array writers that outlive this one must find the file closed.
  const h5::Lock lock;
  if (state_ && state_->file) state_->abandon();
}

Result<ResultWriter> ResultWriter::create(const std::string& path, ResultOptions options) {
  if (options.deflate < 0 || options.deflate > 9) {
    return make_error(ErrorCode::invalid_argument, "the compression level must be 0 to 9", path, "deflate");
  }
  HS_ASSIGN(PartialFile partial, PartialFile::create(path, options.overwrite));
  const h5::Lock lock;
  auto state = std::make_shared<detail::FileState>(std::move(partial), std::move(options));
  HS_TRY(state->open());
  ResultWriter writer(state);
  HS_TRY(writer.set_attributes("/", root_attributes(state->options.provenance)));
  return writer;
}

Status ResultWriter::set_attributes(const std::string& path, const Attributes& attributes) {
  const h5::Lock lock;
  HS_TRY(state_->ready());
  if (path.empty() || path.front() != '/') {
    return make_error(ErrorCode::invalid_argument, "is not an absolute path inside the file",
                      state_->partial.final_path(), path);
  }
  h5::Object object;
  const bool root = path == "/";
  if (root || (H5Lexists(state_->file.get(), path.c_str(), H5P_DEFAULT) > 0)) {
    object = h5::Object(H5Oopen(state_->file.get(), path.c_str(), H5P_DEFAULT));
  } else {
    HS_TRY(state_->group(path));
    object = h5::Object(H5Oopen(state_->file.get(), path.c_str(), H5P_DEFAULT));
  }
  if (!object) return state_->latch(h5::failure(state_->place(path), "be opened", ErrorCode::io));
  return state_->latched(h5::write_attributes(object.get(), state_->place(path), attributes));
}

Result<ArrayWriter> ResultWriter::create_array(const std::string& path, const ArraySpec& spec) {
  const h5::Lock lock;
  HS_TRY(state_->ready());
  ArrayWriter writer;
  HS_ASSIGN(writer.state_, state_->create_array(path, spec));
  return writer;
}

Status ResultWriter::add_array(const std::string& path, const ArraySpec& spec, std::span<const float> data) {
  HS_TRY(check_size(spec, data.size(), state_->partial.final_path(), path));
  HS_ASSIGN(ArrayWriter array, create_array(path, spec));
  return array.write(std::vector<std::int64_t>(spec.shape.size(), 0), spec.shape, data);
}

Status ResultWriter::add_array(const std::string& path, const ArraySpec& spec, std::span<const double> data) {
  HS_TRY(check_size(spec, data.size(), state_->partial.final_path(), path));
  HS_ASSIGN(ArrayWriter array, create_array(path, spec));
  return array.write(std::vector<std::int64_t>(spec.shape.size(), 0), spec.shape, data);
}

Status ResultWriter::add_array(const std::string& path, const ArraySpec& spec, std::span<const std::int64_t> data) {
  HS_TRY(check_size(spec, data.size(), state_->partial.final_path(), path));
  HS_ASSIGN(ArrayWriter array, create_array(path, spec));
  return array.write(std::vector<std::int64_t>(spec.shape.size(), 0), spec.shape, data);
}

Status ResultWriter::add_strings(const std::string& path, const Axis& axis, const std::vector<std::string>& values,
                                 const std::string& long_name) {
  const h5::Lock lock;
  HS_TRY(state_->ready());
  HS_ASSIGN(h5::Dataset dataset, state_->create_strings(path, values, false, "text", long_name));
  HS_TRY(state_->latched(state_->attach_scales(dataset, path, {axis}, {static_cast<std::int64_t>(values.size())})));
  if (!dataset.close()) return state_->latch(h5::failure(state_->place(path), "write", ErrorCode::io));
  return {};
}

Status ResultWriter::add_table(const std::string& path, const Table& table) {
  const h5::Lock lock;
  HS_TRY(state_->ready());
  std::vector<std::string> names;
  const auto size_of = [](const Column& column) {
    return std::visit([](const auto& values) { return values.size(); }, column.values);
  };
  for (const Column& column : table.columns) {
    names.push_back(column.name);
    if (size_of(column) == size_of(table.columns.front())) continue;
    return make_error(ErrorCode::invalid_argument, "has columns of different lengths", state_->partial.final_path(),
                      path + "/" + column.name);
  }
  HS_TRY(set_attributes(path, {{"kind", std::string("table")}, {"columns", names}}));
  HS_TRY(set_attributes(path, table.attributes));
  for (const Column& column : table.columns) {
    const std::string at = path + "/" + column.name;
    const auto n = static_cast<std::int64_t>(size_of(column));
    ArraySpec spec{.dtype = DType::int64,
                   .axes = {{"row", {}}},
                   .shape = {n},
                   .units = column.units,
                   .long_name = column.long_name,
                   .attributes = {},
                   .chunk = {}};
    if (const auto* texts = std::get_if<std::vector<std::string>>(&column.values)) {
      HS_TRY(add_strings(at, spec.axes.front(), *texts, column.long_name));
    } else if (const auto* numbers = std::get_if<std::vector<double>>(&column.values)) {
      spec.dtype = DType::float64;
      HS_TRY(add_array(at, spec, std::span<const double>(*numbers)));
    } else {
      HS_TRY(add_array(at, spec, std::span(std::get<std::vector<std::int64_t>>(column.values))));
    }
  }
  return {};
}

namespace detail {

namespace {

// Adds one prompt's measured values to sum and count.
Status accumulate(const FileState& state, const h5::Dataset& effects, const std::string& path, hsize_t prompt,
                  std::vector<double>& sum, std::vector<std::int64_t>& count, const AblationSpec& spec) {
  const std::array<hsize_t, 3> start = {prompt, 0, 0};
  const std::array<hsize_t, 3> extent = {1, static_cast<hsize_t>(spec.n_layers), static_cast<hsize_t>(spec.n_heads)};
  const h5::Space space(H5Dget_space(effects.get()));
  const h5::Space memory = h5::space_of({1, spec.n_layers, spec.n_heads});
  std::vector<float> values(sum.size());
  if (H5Sselect_hyperslab(space.get(), H5S_SELECT_SET, start.data(), nullptr, extent.data(), nullptr) < 0 ||
      H5Dread(effects.get(), H5T_NATIVE_FLOAT, memory.get(), space.get(), H5P_DEFAULT, values.data()) < 0) {
    return h5::failure(state.place(path), "be read back", ErrorCode::io);
  }
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (std::isnan(values[i])) continue;
    sum[i] += values[i];
    ++count[i];
  }
  return {};
}

} // namespace

Status FileState::summarise(const AblationSpec& spec) {
  const std::string folder = "/ablation/" + spec.name;
  const std::string path = folder + "/effects";
  const h5::Dataset effects(H5Dopen2(file.get(), path.c_str(), H5P_DEFAULT));
  if (!effects) return h5::failure(place(path), "be opened", ErrorCode::io);
  const auto n = static_cast<std::size_t>(spec.n_layers * spec.n_heads);
  std::vector<double> sum(n, 0.0);
  std::vector<std::int64_t> count(n, 0);
  for (hsize_t prompt = 0; n > 0 && prompt < spec.prompts.size(); ++prompt) {
    HS_TRY(accumulate(*this, effects, path, prompt, sum, count, spec));
  }
  for (std::size_t i = 0; i < n; ++i) {
    sum[i] = count[i] > 0 ? sum[i] / static_cast<double>(count[i]) : std::numeric_limits<double>::quiet_NaN();
  }
  ArraySpec array{.dtype = DType::float32,
                  .axes = {{"layer", {}}, {"head", {}}},
                  .shape = {spec.n_layers, spec.n_heads},
                  .units = spec.units,
                  .long_name = "mean effect over the prompts measured",
                  .attributes = {},
                  .chunk = {}};
  const std::array<std::int64_t, 2> origin = {0, 0};
  HS_ASSIGN(const std::shared_ptr<ArrayState> mean, create_array(folder + "/mean", array));
  HS_TRY(write_doubles(*mean, origin, array.shape, sum));
  array.dtype = DType::int32;
  array.units = "prompt";
  array.long_name = "number of prompts measured";
  HS_ASSIGN(const std::shared_ptr<ArrayState> measured, create_array(folder + "/count", array));
  return write_integers(*measured, origin, array.shape, count);
}

} // namespace detail

Status ResultWriter::commit(bool complete) {
  const h5::Lock lock;
  detail::FileState& state = *state_;
  const auto finish = [&]() -> Status {
    HS_TRY(state.ready());
    for (const AblationSpec& spec : state.ablations)
      HS_TRY(state.summarise(spec));
    HS_TRY(set_attributes("/", {{"complete", complete}}));
    HS_TRY(state.close());
    HS_TRY(append_checksums(state.partial.fd(), state.partial.final_path()));
    HS_TRY(state.partial.publish(state.options.overwrite));
    trust_own_file(state.partial.final_path());
    return {};
  };
  Status status = finish();
  if (state.file) state.abandon();
  state.partial.remove();
  return status;
}

} // namespace headscope::store
