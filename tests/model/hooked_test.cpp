// SPDX-License-Identifier: GPL-3.0-or-later
// TransformerLens folders with every field that changes a computation, against the logits of TransformerLens itself
// (tests/golden/generate_hooked.py).
#include <nlohmann/json.hpp>

#include "tests/engine/golden.h"
#include "tests/io/files.h"

namespace headscope {
namespace {

std::string folder_of(const std::string& name) { return golden_path("models/hooked/" + name); }

class Hooked : public testing::TestWithParam<const char*> {};

TEST_P(Hooked, LogitsAreTransformerLenss) {
  const auto model = load_model(folder_of(GetParam()), {});
  ASSERT_TRUE(model.ok()) << model.error().to_string();
  const Engine engine(*model);
  const auto file = io::SafetensorsFile::open(folder_of(GetParam()) + "/expected.reference");
  ASSERT_TRUE(file.ok());
  Tensors expected;
  for (const io::TensorInfo& info : file->tensors()) {
    at::Tensor tensor = at::empty(info.shape, info.dtype == "I64" ? at::kLong : at::kFloat);
    std::memcpy(tensor.data_ptr(), file->bytes(info).data(), file->bytes(info).size());
    expected[info.name] = tensor;
  }
  RunRequest request;
  request.batch = batch_of(expected.at("tokens"));
  const auto plain = engine.run(request);
  ASSERT_TRUE(plain.ok()) << plain.error().to_string();
  EXPECT_LT(max_error(plain->logits, expected.at("logits")), 2e-4);
  for (const HookSite& site : hook_sites(engine.config())) // the other way through
    request.capture.push_back(site);
  const auto watched = engine.run(request);
  ASSERT_TRUE(watched.ok()) << watched.error().to_string();
  EXPECT_LT(max_error(watched->logits, expected.at("logits")), 2e-4);
}

INSTANTIATE_TEST_SUITE_P(Fields, Hooked,
                         testing::Values("plain", "inverse_layer", "soft_caps", "final_rms", "final_rms_pre",
                                         "embed_norm", "no_scale", "vocab_out", "wide_vocab_out", "window", "gated",
                                         "grouped", "qk_norm", "post_norms", "post_norms_pre", "adjacent_pairs",
                                         "by_parts", "yarn", "local_base", "yarn_global"),
                         [](const auto& test) { return std::string(test.param); });

// The field that the error names with `change` applied to the plain config.
std::string refused(const nlohmann::json& change) {
  const io::TemporaryFolder folder;
  nlohmann::json config = nlohmann::json::parse(io::read_file(folder_of("plain") + "/config.json"));
  if (!change.is_null()) config.update(change);
  folder.write("config.json", config.dump());
  folder.write("model.safetensors", io::read_file(folder_of("plain") + "/model.safetensors"));
  const auto model = load_model(folder.path(), {});
  return model.ok() ? "" : model.error().field;
}

TEST(HookedFields, WhatIsNotRunIsRefusedByName) {
  EXPECT_EQ(refused({}), "");
  for (const auto& [name, value] :
       std::vector<std::pair<std::string, nlohmann::json>>{{"num_experts", 4},
                                                           {"use_attention_sinks", true},
                                                           {"clip_qkv", 2.5},
                                                           {"load_in_4bit", true},
                                                           {"quantization_method", "mxfp4"},
                                                           {"attention_dir", "bidirectional"},
                                                           {"positional_embedding_type", "shortformer"},
                                                           {"positional_embedding_type", "alibi"},
                                                           {"act_fn", "solu_ln"},
                                                           {"original_architecture", "Olmo2ForCausalLM"},
                                                           {"use_normalization_before_and_after", true},
                                                           {"attn_scale", 0.0}})
    EXPECT_EQ(refused({{name, value}}), name);
  EXPECT_EQ(refused({{"use_logn_attn", true}, {"train_seq_length", 8}}), "use_logn_attn");
  EXPECT_EQ(refused({{"use_local_attn", true}, {"window_size", 4}, {"attn_types", {"local"}}}), "attn_types");
}

TEST(HookedFields, WhatChangesNothingIsAccepted) {
  EXPECT_EQ(refused({{"use_logn_attn", true}, {"train_seq_length", 24}}), "");
  EXPECT_EQ(refused({{"n_heads", -1}, {"d_vocab_out", -1}, {"attn_scale", -1.0}, {"num_experts", nullptr}}), "");
  testing::internal::CaptureStderr();
  EXPECT_EQ(refused({{"a_field_of_tomorrow", 3}}), "");
  EXPECT_NE(testing::internal::GetCapturedStderr().find("a_field_of_tomorrow"), std::string::npos);
}

} // namespace
} // namespace headscope
