// SPDX-License-Identifier: GPL-3.0-or-later
// Arrays written piece by piece come back from every kind of file, and what was not measured is NaN.
#include "app/methods/activations/array_sink.h"

#include <cmath>
#include <fstream>

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "core/io/safetensors.h"
#include "core/store/array_file.h"
#include "tests/store/scratch.h"

namespace headscope::methods {
namespace {

std::vector<SinkArray> arrays_of(store::DType dtype) {
  store::ArraySpec numbers;
  numbers.dtype = store::DType::int64;
  numbers.axes = {{"token", {}}};
  numbers.shape = {5};
  numbers.units = "token";
  store::ArraySpec values = numbers;
  values.dtype = dtype;
  values.axes.push_back({"d", {}});
  values.shape = {5, 3};
  values.units = "1";
  return {{"positions", numbers}, {"blocks.0.hook_resid_pre", values}};
}

at::Tensor values() { return at::arange(15, at::kFloat).view({5, 3}) / 4.0; } // exact in float16

// Writes all rows, or three of which only the first two count as measured.
void fill(ArraySink& sink, bool complete) {
  ASSERT_TRUE(sink.write(0, 0, at::arange(5, at::kLong)).ok());
  ASSERT_TRUE(sink.write(1, 0, values().narrow(0, 0, 3)).ok());
  if (complete) {
    ASSERT_TRUE(sink.write(1, 3, values().narrow(0, 3, 2)).ok());
  }
  const auto done = sink.finish({5, complete ? 5 : 2});
  ASSERT_TRUE(done.ok()) << done.error().to_string();
}

template <typename T> void expect_values(const std::vector<T>& got, bool complete) {
  ASSERT_EQ(got.size(), 15u);
  for (std::size_t i = 0; i < got.size(); ++i) {
    if (complete || i < 6) {
      EXPECT_EQ(static_cast<double>(got[i]), static_cast<double>(i) / 4.0);
    } else {
      EXPECT_TRUE(std::isnan(got[i])) << i;
    }
  }
}

class Sinks : public testing::TestWithParam<bool> {}; // complete

TEST_P(Sinks, ResultFile) {
  for (const store::DType dtype : {store::DType::float32, store::DType::float16, store::DType::float64}) {
    const store::Scratch scratch;
    auto writer = store::ResultWriter::create(scratch / "a.h5", {});
    ASSERT_TRUE(writer.ok());
    auto sink = result_file_sink(*writer, "/activations", arrays_of(dtype));
    ASSERT_TRUE(sink.ok()) << sink.error().to_string();
    fill(**sink, GetParam());
    ASSERT_TRUE(writer->commit(GetParam()).ok());
    const auto reader = store::ResultReader::open_here(scratch / "a.h5");
    ASSERT_TRUE(reader.ok());
    const auto read = reader->array("/activations/blocks.0.hook_resid_pre");
    ASSERT_TRUE(read.ok()) << read.error().to_string();
    expect_values(read->values, GetParam());
    EXPECT_EQ(reader->array("/activations/positions")->values, (std::vector<double>{0, 1, 2, 3, 4}));
  }
}

TEST_P(Sinks, NpyFiles) {
  const store::Scratch scratch;
  const std::string folder = scratch / "made/here";
  auto sink = npy_sink(folder, false, arrays_of(store::DType::float32));
  ASSERT_TRUE(sink.ok()) << sink.error().to_string();
  EXPECT_FALSE(std::filesystem::exists(folder + "/positions.npy")); // nothing has its name yet
  fill(**sink, GetParam());
  const auto read = store::read_array_file(folder + "/blocks.0.hook_resid_pre.npy", {});
  ASSERT_TRUE(read.ok()) << read.error().to_string();
  EXPECT_EQ(read->shape, (std::vector<std::int64_t>{5, 3}));
  expect_values(read->values, GetParam());
  std::ifstream in(folder + "/index.json");
  EXPECT_EQ(nlohmann::json::parse(in)["complete"], GetParam());
  EXPECT_EQ(npy_sink(folder, false, arrays_of(store::DType::float32)).error().code, ErrorCode::already_exists);
  EXPECT_TRUE(npy_sink(folder, true, arrays_of(store::DType::float32)).ok());
}

TEST_P(Sinks, Safetensors) {
  const store::Scratch scratch;
  const std::string path = scratch / "a.safetensors";
  auto sink = safetensors_sink(path, false, arrays_of(store::DType::float32));
  ASSERT_TRUE(sink.ok()) << sink.error().to_string();
  fill(**sink, GetParam());
  const auto file = io::SafetensorsFile::open(path);
  ASSERT_TRUE(file.ok()) << file.error().to_string();
  EXPECT_EQ(file->metadata().at("complete"), GetParam() ? "true" : "false");
  for (const io::TensorInfo& info : file->tensors()) {
    const auto bytes = file->bytes(info);
    if (info.name == "positions") {
      std::vector<std::int64_t> got(5);
      ASSERT_EQ(bytes.size(), 40u);
      std::memcpy(got.data(), bytes.data(), bytes.size());
      EXPECT_EQ(got, (std::vector<std::int64_t>{0, 1, 2, 3, 4}));
      continue;
    }
    std::vector<float> got(15);
    ASSERT_EQ(bytes.size(), 60u);
    std::memcpy(got.data(), bytes.data(), bytes.size());
    expect_values(got, GetParam());
  }
  EXPECT_EQ(file->tensors().size(), 2u);
  EXPECT_EQ(safetensors_sink(path, false, arrays_of(store::DType::float16)).error().code, ErrorCode::already_exists);
}

INSTANTIATE_TEST_SUITE_P(Done, Sinks, testing::Bool(),
                         [](const auto& test) { return test.param ? "Complete" : "Interrupted"; });

} // namespace
} // namespace headscope::methods
