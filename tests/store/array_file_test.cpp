// SPDX-License-Identifier: GPL-3.0-or-later
// Arrays from files of other programs: .npy as numpy.save writes it, and datasets of HDF5 files.
#include "core/store/array_file.h"

#include <cstring>
#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <unistd.h>

#include "core/store/result_file.h"
#include "tests/new_folder.h"

namespace headscope::store {
namespace {

namespace fs = std::filesystem;

class ArrayFile : public testing::Test {
protected:
  void TearDown() override { fs::remove_all(folder_); }

  // A .npy file of version 1 with this header dictionary.
  template <typename T> std::string npy(const std::string& dictionary, const std::vector<T>& values) const {
    std::string header = dictionary;
    header += std::string(64 - (10 + header.size() + 1) % 64, ' ') + "\n";
    const std::string path = (folder_ / "x.npy").string();
    std::ofstream out(path, std::ios::binary);
    out.write("\x93NUMPY\x01\x00", 8);
    const auto length = static_cast<std::uint16_t>(header.size());
    out.put(static_cast<char>(length & 0xFF)).put(static_cast<char>(length >> 8));
    out << header;
    out.write(reinterpret_cast<const char*>(values.data()), static_cast<std::streamsize>(values.size() * sizeof(T)));
    return path;
  }
  static ErrorCode error_of(const std::string& path, const std::string& dataset = "x") {
    const auto read = read_array_file(path, dataset);
    return read.ok() ? ErrorCode::internal : read.error().code;
  }

  const fs::path folder_ = test::new_folder();
};

TEST_F(ArrayFile, NpyOfSingleAndDoublePrecision) {
  const auto single = read_array_file(
      npy<float>("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }", {1, 2, 3, 4, 5, 6.5F}), "");
  ASSERT_TRUE(single.ok()) << single.error().to_string();
  EXPECT_THAT(single->shape, testing::ElementsAre(2, 3));
  EXPECT_THAT(single->values, testing::ElementsAre(1, 2, 3, 4, 5, 6.5F));
  const auto twice =
      read_array_file(npy<double>("{'descr': '<f8', 'fortran_order': False, 'shape': (2,), }", {0.25, -3}), "");
  ASSERT_TRUE(twice.ok()) << twice.error().to_string();
  EXPECT_THAT(twice->values, testing::ElementsAre(0.25F, -3));
}

TEST_F(ArrayFile, NpyThatCannotBeRead) {
  const std::vector<float> two = {1, 2};
  EXPECT_EQ(error_of(npy("{'descr': '>f4', 'fortran_order': False, 'shape': (2,), }", two)), ErrorCode::unsupported);
  EXPECT_EQ(error_of(npy("{'descr': '<i8', 'fortran_order': False, 'shape': (1,), }", two)), ErrorCode::unsupported);
  EXPECT_EQ(error_of(npy("{'descr': '<f4', 'fortran_order': True, 'shape': (1, 2), }", two)), ErrorCode::unsupported);
  EXPECT_EQ(error_of(npy("{'descr': '<f4', 'fortran_order': False, 'shape': (3,), }", two)), ErrorCode::corrupt);
  EXPECT_EQ(error_of(npy("{'descr': '<f4', 'fortran_order': False, 'shape': (999999999999, 999999999999), }", two)),
            ErrorCode::corrupt);
  EXPECT_EQ(error_of(npy("{'fortran_order': False, 'shape': (2,), }", two)), ErrorCode::corrupt);
  std::ofstream(folder_ / "text.npy") << "no array";
  EXPECT_EQ(error_of((folder_ / "text.npy").string()), ErrorCode::corrupt);
  EXPECT_EQ(error_of((folder_ / "none.npy").string()), ErrorCode::not_found);
}

TEST_F(ArrayFile, Hdf5) {
  const std::string path = (folder_ / "x.h5").string();
  {
    auto writer = ResultWriter::create(path, {});
    ASSERT_TRUE(writer.ok()) << writer.error().to_string();
    ArraySpec spec;
    spec.axes = {{"token", {}}, {"d_model", {}}};
    spec.shape = {2, 2};
    spec.units = "1";
    spec.long_name = "embeddings";
    const std::vector<float> values = {1, 2, 3, 4};
    ASSERT_TRUE(writer->add_array("/embeddings", spec, std::span<const float>(values)).ok());
    ASSERT_TRUE(writer->commit(true).ok());
  }
  const auto read = read_array_file(path, "embeddings");
  ASSERT_TRUE(read.ok()) << read.error().to_string();
  EXPECT_THAT(read->shape, testing::ElementsAre(2, 2));
  EXPECT_THAT(read->values, testing::ElementsAre(1, 2, 3, 4));
  EXPECT_EQ(error_of(path, "other"), ErrorCode::not_found);
  std::ofstream(folder_ / "text.h5") << "no array";
  EXPECT_EQ(error_of((folder_ / "text.h5").string()), ErrorCode::corrupt);
}

} // namespace
} // namespace headscope::store
