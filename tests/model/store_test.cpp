// SPDX-License-Identifier: GPL-3.0-or-later
// Names of models: paths, packaged ones, and those in Hugging Face's cache.
#include "core/model/model_store.h"

#include <cstdlib>

#include "tests/io/files.h"

namespace headscope {
namespace {

namespace fs = std::filesystem;

class Store : public testing::Test {
protected:
  Store() {
    ::setenv("HF_HUB_CACHE", folder_.path().c_str(), 1);
    ::setenv("HEADSCOPE_MODELS", folder_.path().c_str(), 1);
  }
  ~Store() override {
    ::unsetenv("HF_HUB_CACHE");
    ::unsetenv("HEADSCOPE_MODELS");
  }
  std::string snapshot(const std::string& model, const std::string& commit) const {
    const std::string inside = "models--" + model + "/snapshots/" + commit;
    fs::create_directories(fs::path(folder_.path()) / inside);
    folder_.write(inside + "/config.json", "{}");
    return folder_.path() + "/" + inside;
  }
  io::TemporaryFolder folder_;
};

// The layout of huggingface_hub's cache: refs/main holds the commit of the branch.
TEST_F(Store, HubNamesAreLookedUpInTheCache) {
  const std::string own = snapshot("org--name", "aaaa");
  snapshot("org--name", "bbbb");
  fs::create_directories(folder_.path() + "/models--org--name/refs");
  folder_.write("models--org--name/refs/main", "aaaa");
  EXPECT_EQ(resolve_model_path("org/name").value(), own);
  EXPECT_EQ(resolve_model_path("gpt2").ok(), false);
  const std::string gpt2 = snapshot("gpt2", "cccc"); // without a branch
  EXPECT_EQ(resolve_model_path("gpt2").value(), gpt2);
}

TEST_F(Store, NothingIsDownloadedAndTheErrorSaysSo) {
  const auto found = resolve_model_path("org/absent");
  ASSERT_FALSE(found.ok());
  EXPECT_EQ(found.error().code, ErrorCode::not_found);
  EXPECT_NE(found.error().message.find(folder_.path()), std::string::npos) << found.error().message;
  EXPECT_NE(found.error().message.find("downloads nothing"), std::string::npos) << found.error().message;
}

TEST_F(Store, PathsThatCannotBeHubNamesAreNot) {
  for (const char* name : {"/no/such/model", "./no/such", "no/such/model.gguf", "../gpt2"}) {
    const auto found = resolve_model_path(name);
    ASSERT_FALSE(found.ok()) << name;
    EXPECT_EQ(found.error().message.find("Hugging Face"), std::string::npos) << found.error().message;
  }
}

TEST_F(Store, PackagedNames) {
  folder_.write("SmolLM2-135M-Instruct.Q4_1.gguf", "");
  EXPECT_EQ(resolve_model_path("smollm2").value(), folder_.path() + "/SmolLM2-135M-Instruct.Q4_1.gguf");
}

// A path with the name of a packaged model is opened, and a line says so.
TEST_F(Store, APathWinsOverAPackagedNameWithAWord) {
  const fs::path before = fs::current_path();
  fs::current_path(folder_.path());
  fs::create_directories("smollm2");
  testing::internal::CaptureStderr();
  const auto found = resolve_model_path("smollm2");
  const std::string said = testing::internal::GetCapturedStderr();
  fs::current_path(before);
  EXPECT_EQ(found.value(), "smollm2");
  EXPECT_NE(said.find("smollm2"), std::string::npos);
}

} // namespace
} // namespace headscope
