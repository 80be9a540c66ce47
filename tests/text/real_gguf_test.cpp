// SPDX-License-Identifier: GPL-3.0-or-later
// The tokenizers of the two packaged models against transformers. Skipped where the files are not there.
#include <chrono>
#include <cstring>
#include <map>

#include "core/text/gguf_tokenizer.h"
#include "tests/text/golden.h"

namespace headscope::text {
namespace {

using Clock = std::chrono::steady_clock;

double milliseconds(Clock::time_point since) {
  return std::chrono::duration<double, std::milli>(Clock::now() - since).count();
}

// The metadata of a GGUF file that is known to be good; nothing is checked.
class Metadata {
public:
  explicit Metadata(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    bytes_.resize(std::size_t{24} << 20);
    in.read(bytes_.data(), static_cast<std::streamsize>(bytes_.size()));
    at_ = 16;
    for (auto left = number<std::uint64_t>(); left > 0; --left) {
      const std::string key(text());
      value(key, number<std::uint32_t>());
    }
  }

  std::map<std::string, std::vector<std::string_view>> texts;
  std::map<std::string, std::vector<double>> numbers;

private:
  template <typename T> T number() {
    T out;
    std::memcpy(&out, bytes_.data() + at_, sizeof(T));
    at_ += sizeof(T);
    return out;
  }
  std::string_view text() {
    const auto size = number<std::uint64_t>();
    at_ += size;
    return std::string_view(bytes_).substr(at_ - size, size);
  }
  void value(const std::string& key, std::uint32_t type) {
    if (type == 9) {
      const auto element = number<std::uint32_t>();
      for (auto left = number<std::uint64_t>(); left > 0; --left)
        value(key, element);
      return;
    }
    if (type == 8) return texts[key].push_back(text());
    numbers[key].push_back(scalar(type));
  }
  double scalar(std::uint32_t type) {
    switch (type) {
    case 0: return number<std::uint8_t>();
    case 1: return number<std::int8_t>();
    case 2: return number<std::uint16_t>();
    case 3: return number<std::int16_t>();
    case 4: return number<std::uint32_t>();
    case 5: return number<std::int32_t>();
    case 6: return number<float>();
    case 7: return number<std::uint8_t>();
    case 10: return static_cast<double>(number<std::uint64_t>());
    case 11: return static_cast<double>(number<std::int64_t>());
    default: return number<double>();
    }
  }

  std::string bytes_;
  std::size_t at_ = 0;
};

GgufTokenizerData data_of(Metadata& meta) {
  GgufTokenizerData out;
  const auto text = [&](const char* key) {
    return meta.texts[key].empty() ? std::string() : std::string(meta.texts[key][0]);
  };
  const auto id = [&](const std::string& key) -> std::optional<std::int64_t> {
    const auto& found = meta.numbers["tokenizer.ggml." + key];
    return found.empty() ? std::nullopt : std::optional(static_cast<std::int64_t>(found[0]));
  };
  out.architecture = text("general.architecture");
  out.model = text("tokenizer.ggml.model");
  out.pre = text("tokenizer.ggml.pre");
  out.tokens = meta.texts["tokenizer.ggml.tokens"];
  out.merges = meta.texts["tokenizer.ggml.merges"];
  for (const double score : meta.numbers["tokenizer.ggml.scores"])
    out.scores.push_back(static_cast<float>(score));
  for (const double type : meta.numbers["tokenizer.ggml.token_type"])
    out.types.push_back(static_cast<std::int32_t>(type));
  out.bos = id("bos_token_id");
  out.eos = id("eos_token_id");
  out.unk = id("unknown_token_id");
  out.pad = id("padding_token_id");
  if (const auto flag = id("add_bos_token")) out.add_bos = *flag != 0;
  if (const auto flag = id("add_eos_token")) out.add_eos = *flag != 0;
  out.chat_template = text("tokenizer.chat_template");
  return out;
}

std::string corpus() {
  std::string out;
  for (const char* name : {"core/text/jinja_parse.cpp", "core/text/bpe.cpp", "LICENSE"}) {
    std::ifstream in(std::string(HEADSCOPE_SOURCE_DIR) + "/" + name);
    out.append(std::istreambuf_iterator<char>(in), {});
  }
  while (out.size() < std::size_t{4} << 20)
    out += out.substr(0, (std::size_t{4} << 20) - out.size());
  return out;
}

std::unique_ptr<Tokenizer> load_real(const std::string& file, const std::string& name, double limit_ms) {
  const std::string path = std::string(HEADSCOPE_SOURCE_DIR) + "/build/models/" + file;
  if (!std::filesystem::exists(path)) return nullptr;
  Metadata meta(path);
  const GgufTokenizerData data = data_of(meta);
  const auto start = Clock::now();
  auto tokenizer = make_gguf_tokenizer(data);
  const double took = milliseconds(start);
  EXPECT_TRUE(tokenizer.ok()) << tokenizer.error().to_string();
  if (!tokenizer.ok()) return nullptr;
  EXPECT_LT(took, limit_ms * 10); // the aim is the limit in Release on an idle machine; ten times it is a defect
  const std::string text = corpus();
  const auto begin = Clock::now();
  const auto ids = (*tokenizer)->encode(text);
  EXPECT_TRUE(ids.ok());
  const double speed = static_cast<double>(text.size()) / 1e3 / milliseconds(begin);
  std::printf("[ MEASURED ] %s: loads in %.0f ms, encodes %.1f MB/s, %zu tokens\n", name.c_str(), took, speed,
              ids->size());
  return *std::move(tokenizer);
}

TEST(RealGguf, SmolLm2EqualsTransformers) {
  const auto tokenizer = load_real("SmolLM2-135M-Instruct.Q4_1.gguf", "smollm2", 150);
  if (!tokenizer) GTEST_SKIP() << "build/models has no SmolLM2";
  EXPECT_EQ(encode(*tokenizer, "The capital of France is"), (Ids{504, 3575, 282, 4649, 314}));
  expect_rows(*tokenizer, golden("texts.json"), golden("smollm2.json")["rows"]);
  EXPECT_EQ(tokenizer->vocab_size(), 49152);
  EXPECT_EQ(tokenizer->piece(4649), "ĠFrance");
  EXPECT_EQ(tokenizer->text(4649), " France");
  const ChatMessage message{"user", "Hi"};
  const auto chat = render_chat(*tokenizer, std::span(&message, 1), true);
  ASSERT_TRUE(chat.ok());
  EXPECT_EQ(*chat,
            "<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n"
            "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n");
}

TEST(RealGguf, Gemma3EqualsTransformers) {
  const auto tokenizer = load_real("gemma-3-270m-q4_k_m.gguf", "gemma3", 400);
  if (!tokenizer) GTEST_SKIP() << "build/models has no Gemma 3";
  expect_rows(*tokenizer, golden("texts.json"), golden("gemma3.json")["rows"]);
  EXPECT_EQ(tokenizer->vocab_size(), 262144);
  EXPECT_EQ(tokenizer->bos(), 2);
}

} // namespace
} // namespace headscope::text
