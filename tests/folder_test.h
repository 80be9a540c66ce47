// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <filesystem>
#include <fstream>
#include <string>

#include <gtest/gtest.h>

#include "tests/new_folder.h"

namespace headscope::test {

// A test with a folder of its own, which is removed with it.
class FolderTest : public testing::Test {
protected:
  void TearDown() override { std::filesystem::remove_all(folder); }
  std::string write(const std::string& name, const std::string& text) const {
    std::ofstream(folder / name, std::ios::binary) << text;
    return (folder / name).string();
  }
  const std::filesystem::path folder = new_folder();
};

} // namespace headscope::test
