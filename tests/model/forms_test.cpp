// SPDX-License-Identifier: GPL-3.0-or-later
// One model in the forms that other programs write: the logits are those of the usual form, which the parity tests
// compare with transformers'.
#include <functional>

#include <nlohmann/json.hpp>

#include "tests/engine/golden.h"
#include "tests/io/files.h"

namespace headscope {
namespace {

using nlohmann::json;
using Rename = std::function<std::string(const std::string&)>;

at::Tensor logits_of(const std::string& path, const at::Tensor& tokens) {
  const auto model = load_model(path, {});
  if (!model.ok()) {
    ADD_FAILURE() << model.error().to_string();
    return {};
  }
  RunRequest request;
  request.batch = batch_of(tokens);
  return Engine(*model).run(request).value().logits;
}

// The golden model with its tensors renamed (to "": left out) and another config.
void write_form(const io::TemporaryFolder& folder, const std::string& name, const Rename& rename, const json& config) {
  const auto file = io::SafetensorsFile::open(golden_path("models/" + name + "/model.safetensors"));
  ASSERT_TRUE(file.ok());
  std::vector<io::TensorToWrite> tensors;
  for (const io::TensorInfo& info : file->tensors())
    if (const std::string renamed = rename(info.name); !renamed.empty())
      tensors.push_back({renamed, info.dtype, info.shape, file->bytes(info)});
  ASSERT_TRUE(io::write_safetensors(folder.path() + "/model.safetensors", tensors).ok());
  folder.write("config.json", config.dump());
}

json config_of(const std::string& name) {
  return json::parse(io::read_file(golden_path("models/" + name + "/config.json")));
}

void expect_same(const io::TemporaryFolder& folder, const std::string& name) {
  Tensors golden = read_golden(name);
  EXPECT_LT(max_error(logits_of(folder.path(), golden.at("tokens")), golden.at("logits")), 2e-4);
}

TEST(Forms, TiedMatrixUnderTheHeadsNameAlone) {
  for (const auto& [name, embed] :
       std::vector<std::pair<std::string, std::string>>{{"opt", "model.decoder.embed_tokens.weight"},
                                                        {"llama_mqa", "model.embed_tokens.weight"},
                                                        {"gpt2", "wte.weight"}}) {
    const io::TemporaryFolder folder;
    write_form(
        folder, name,
        [&, &embed = embed](const std::string& tensor) {
          if (tensor == "lm_head.weight") return std::string();
          return tensor.ends_with(embed) ? std::string("lm_head.weight") : tensor;
        },
        config_of(name));
    expect_same(folder, name);
  }
}

TEST(Forms, AnEmbeddingOfItsOwnIsMissedAsBefore) {
  const io::TemporaryFolder folder;
  write_form(
      folder, "llama", [](const std::string& t) { return t == "model.embed_tokens.weight" ? "" : t; },
      config_of("llama"));
  const auto model = load_model(folder.path(), {});
  ASSERT_FALSE(model.ok());
  EXPECT_EQ(model.error().field, "model.embed_tokens.weight");
}

TEST(Forms, TextModelOfAModelOfPictures) {
  for (const std::string prefix : {"language_model.model.", "model.language_model."}) {
    const io::TemporaryFolder folder;
    write_form(folder, "gemma3",
               [&](const std::string& t) { return t.starts_with("model.") ? prefix + t.substr(6) : t; },
               {{"model_type", "gemma3"}, {"text_config", config_of("gemma3")}});
    expect_same(folder, "gemma3");
  }
}

TEST(Forms, FieldsThatNobodyReadsMayHoldInfinity) {
  const io::TemporaryFolder folder;
  write_form(
      folder, "llama", [](const std::string& t) { return t; }, config_of("llama"));
  std::string text = config_of("llama").dump();
  text.insert(1, R"("initializer_range": Infinity, "other": NaN, )");
  folder.write("config.json", text);
  expect_same(folder, "llama");
}

// Files of gguf-split and of convert_hf_to_gguf --fuse-qkv hold the tensors of llama.gguf.
class GgufForms : public testing::Test {
protected:
  static std::string path(const std::string& name) { return golden_path("models/gguf_forms/" + name); }
  static void expect_usual(const std::string& path_of_form) {
    const at::Tensor tokens = at::arange(3, 21, at::kLong).unsqueeze(0);
    EXPECT_LT(max_error(logits_of(path_of_form, tokens), logits_of(path("llama.gguf"), tokens)), 1e-5) << path_of_form;
  }
};

TEST_F(GgufForms, AnyPartOpensAll) {
  expect_usual(path("llama_split-00001-of-00002.gguf"));
  expect_usual(path("llama_split-00002-of-00002.gguf"));
}

TEST_F(GgufForms, AMissingPartIsNamed) {
  const io::TemporaryFolder folder;
  const std::string part =
      folder.write("m-00002-of-00002.gguf", io::read_file(path("llama_split-00002-of-00002.gguf")));
  const auto model = load_model(part, {});
  ASSERT_FALSE(model.ok());
  EXPECT_NE(model.error().message.find("m-00001-of-00002.gguf"), std::string::npos) << model.error().to_string();
  const auto renamed =
      load_model(folder.write("part.gguf", io::read_file(path("llama_split-00002-of-00002.gguf"))), {});
  ASSERT_FALSE(renamed.ok());
  EXPECT_NE(renamed.error().message.find("-00002-of-00002.gguf"), std::string::npos) << renamed.error().to_string();
}

TEST_F(GgufForms, APartOfAnotherNumberIsNoPart) {
  const io::TemporaryFolder folder;
  const std::string bytes = io::read_file(path("llama_split-00001-of-00002.gguf"));
  folder.write("m-00002-of-00002.gguf", bytes);
  const auto model = load_model(folder.write("m-00001-of-00002.gguf", bytes), {});
  ASSERT_FALSE(model.ok());
  EXPECT_EQ(model.error().field, "split.no");
}

TEST_F(GgufForms, FusedQkv) { expect_usual(path("llama_fused.gguf")); }

// "none" is llama.cpp's word for a model without a vocabulary.
TEST_F(GgufForms, TheTokenizerNone) {
  const io::TemporaryFolder folder;
  std::string bytes = io::read_file(path("llama.gguf"));
  const std::string key = "tokenizer.ggml.model";
  const std::size_t value = bytes.find(key) + key.size() + 4 + 8; // behind its type and length
  ASSERT_EQ(bytes.substr(value, 4), "gpt2");
  bytes.replace(value, 4, "none");
  const auto model = load_model(folder.write("none.gguf", bytes), {});
  ASSERT_TRUE(model.ok()) << model.error().to_string();
  EXPECT_EQ((*model)->tokenizer, nullptr);
  LoadOptions options;
  options.require_tokenizer = true;
  const auto with = load_model(folder.path() + "/none.gguf", options);
  ASSERT_FALSE(with.ok());
  EXPECT_EQ(with.error().field, key);
}

TEST_F(GgufForms, ZerosUpToAPage) {
  const io::TemporaryFolder folder;
  std::string bytes = io::read_file(path("llama.gguf"));
  bytes.append(4096 - bytes.size() % 4096, '\0');
  expect_usual(folder.write("page.gguf", bytes));
  const auto damaged = load_model(folder.write("damaged.gguf", bytes + "x"), {});
  EXPECT_FALSE(damaged.ok());
}

} // namespace
} // namespace headscope
