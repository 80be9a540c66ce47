// SPDX-License-Identifier: GPL-3.0-or-later
// Damaged files: an error that names the file, or a tokenizer that still encodes and decodes; never a crash. What is
// damaged is drawn from a fixed seed, so a failure can be repeated.
#include <functional>
#include <random>

#include "core/io/gguf.h"
#include "core/text/jinja/jinja.h"
#include "tests/text/golden.h"

namespace headscope::text {
namespace {

using Json = nlohmann::json;

class Random {
public:
  explicit Random(std::uint32_t seed) : engine_(seed) {}
  std::size_t below(std::size_t limit) { return engine_() % limit; } // the same on every platform

private:
  std::mt19937 engine_;
};

std::string read_golden(const std::string& name) {
  std::ifstream in(golden_path(name), std::ios::binary);
  EXPECT_TRUE(in.good()) << name;
  return std::string((std::istreambuf_iterator<char>(in)), {});
}

void damage_bytes(std::string& bytes, Random& random) {
  for (std::size_t left = 1 + random.below(4); left > 0; --left) {
    const std::size_t at = random.below(bytes.size());
    switch (random.below(3)) {
    case 0: bytes[at] = static_cast<char>(random.below(256)); break;
    case 1: bytes.erase(at, 1 + random.below(8)); break;
    default: bytes.insert(at, bytes.substr(random.below(bytes.size()), 1 + random.below(8))); break;
    }
  }
}

// Another value in place of one member, somewhere in the tree.
void damage_tree(Json& document, Random& random) {
  Json* node = &document;
  while (node->is_structured() && !node->empty() && (node == &document || random.below(4) > 0)) {
    auto member = node->begin();
    std::advance(member, random.below(node->size()));
    node = &*member;
  }
  static const std::vector<Json> values = {
      nullptr, true, -1, 0, 1e300, 1LL << 40, "", "\xC4\xA0", Json::array({}), Json::object(), "Nope", "<"};
  *node = values[random.below(values.size())];
}

void use(const Result<std::unique_ptr<Tokenizer>>& tokenizer, const std::string& path) {
  if (!tokenizer.ok()) {
    EXPECT_EQ(tokenizer.error().file, path) << tokenizer.error().to_string();
    EXPECT_NE(tokenizer.error().code, ErrorCode::internal) << tokenizer.error().to_string();
    return;
  }
  for (const std::string_view text : {"", "Hello  <s> world\n\xF0\x9F\x98\x80 12345", "\xFF<|endoftext|>\xE4"}) {
    const auto ids = (*tokenizer)->encode(text);
    if (!ids.ok()) continue; // a vocabulary without an unknown token may refuse a text
    (void)(*tokenizer)->decode(*ids, true);
    for (const std::int64_t id : *ids)
      (void)(*tokenizer)->text(id);
  }
}

TEST(Mutation, TokenizerJson) {
  for (const std::string name : {"gpt2", "llama31", "phi3", "gemma", "unigram_bytes", "t5", "lower"}) {
    Random random(20240601);
    TemporaryFolder folder;
    const std::string good = read_golden(name + "/tokenizer.json");
    for (int round = 0; round < 120; ++round) {
      std::string bytes = good;
      if (round % 2 == 0) {
        damage_bytes(bytes, random);
      } else {
        Json document = Json::parse(good);
        damage_tree(document, random);
        bytes = document.dump();
      }
      folder.write("tokenizer.json", bytes);
      use(load_tokenizer_folder(folder.path()), folder.path() + "/tokenizer.json");
    }
  }
}

TEST(Mutation, TokenizerConfig) {
  const Json good = golden("configured.json")["config"];
  Random random(20240602);
  TemporaryFolder folder;
  std::filesystem::copy_file(golden_path("gpt2/tokenizer.json"), folder.path() + "/tokenizer.json");
  for (int round = 0; round < 200; ++round) {
    Json document = good;
    damage_tree(document, random);
    folder.write("tokenizer_config.json", document.dump());
    use(load_tokenizer_folder(folder.path()), folder.path() + "/tokenizer_config.json");
  }
}

TEST(Mutation, SentencePieceModel) {
  Random random(20240603);
  TemporaryFolder folder;
  const std::string good = read_golden("sentencepiece/bpe.model");
  for (int round = 0; round < 200; ++round) {
    std::string bytes = good;
    damage_bytes(bytes, random);
    folder.write("tokenizer.model", bytes);
    use(load_tokenizer_folder(folder.path()), folder.path() + "/tokenizer.model");
  }
}

TEST(Mutation, ChatTemplates) {
  const auto all = golden("chat.json");
  JinjaVariables variables;
  variables["messages"] = JinjaValue::parse(all["conversations"][2].dump());
  variables["add_generation_prompt"] = true;
  variables["bos_token"] = "<s>";
  for (const auto& [name, source] : all["templates"].items()) {
    Random random(20240604);
    for (int round = 0; round < 200; ++round) {
      std::string text = source.get<std::string>();
      damage_bytes(text, random);
      const auto chat = JinjaTemplate::parse(text);
      if (chat.ok()) (void)chat->render(variables).ok();
    }
  }
}

} // namespace
} // namespace headscope::text
