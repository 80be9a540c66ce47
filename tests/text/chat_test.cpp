// SPDX-License-Identifier: GPL-3.0-or-later
// Chat templates against transformers' apply_chat_template.
#include "core/text/jinja/jinja.h"
#include "tests/text/golden.h"

namespace headscope::text {
namespace {

JinjaVariables variables(const nlohmann::ordered_json& messages, bool prompt) {
  JinjaVariables out;
  out["messages"] = messages;
  out["tools"] = nullptr;
  out["documents"] = nullptr;
  out["add_generation_prompt"] = prompt;
  out["bos_token"] = "<|im_start|>";
  out["eos_token"] = "<|im_end|>";
  return out;
}

TEST(Chat, EqualsTransformers) {
  std::ifstream in(golden_path("chat.json"));
  const auto all = nlohmann::ordered_json::parse(in);
  int errors = 0;
  for (const auto& row : all["rows"]) {
    const auto name = row["template"].get<std::string>();
    const auto chat = JinjaTemplate::parse(all["templates"][name].get<std::string>());
    ASSERT_TRUE(chat.ok()) << name << ": " << chat.error().to_string();
    const auto text = chat->render(
        variables(all["conversations"][row["conversation"].get<std::size_t>()], row["prompt"].get<bool>()));
    if (row.contains("error")) {
      ++errors;
      ASSERT_FALSE(text.ok()) << name;
      EXPECT_EQ(text.error().code, ErrorCode::invalid_argument) << text.error().to_string();
      EXPECT_NE(text.error().message.find(row["error"].get<std::string>()), std::string::npos) << text.error().message;
      continue;
    }
    ASSERT_TRUE(text.ok()) << name << ": " << text.error().to_string();
    EXPECT_EQ(*text, row["text"].get<std::string>()) << name << " " << row["conversation"];
  }
  EXPECT_GT(errors, 4); // templates that refuse a conversation are among the rows
}

void expect_error(const std::string& source, ErrorCode code, const std::string& part) {
  const auto chat = JinjaTemplate::parse(source);
  Error error;
  if (chat.ok()) {
    const auto text = chat->render({});
    ASSERT_FALSE(text.ok()) << source << " gave " << *text;
    error = text.error();
  } else {
    error = chat.error();
  }
  EXPECT_EQ(error.code, code) << source << ": " << error.message;
  EXPECT_NE(error.message.find(part), std::string::npos) << source << ": " << error.message;
  EXPECT_EQ(error.field, "chat_template");
}

TEST(Chat, ErrorsNameTheConstruct) {
  expect_error("x\n{% include 'a' %}", ErrorCode::unsupported, "line 2: the statement 'include'");
  expect_error("{{ 1 | nosuch }}", ErrorCode::unsupported, "filter 'nosuch'");
  expect_error("{{ 1 is nosuch }}", ErrorCode::unsupported, "test 'nosuch'");
  expect_error("{{ nosuch(1) }}", ErrorCode::unsupported, "function 'nosuch'");
  expect_error("{{ 'a'.nosuch() }}", ErrorCode::unsupported, "method 'nosuch'");
  expect_error("{{ raise_exception('because') }}", ErrorCode::invalid_argument, "because");
  expect_error("{% if true %}", ErrorCode::corrupt, "endif");
  expect_error("{{ 1 +", ErrorCode::corrupt, "not closed");
  expect_error("{{ 'abc }}", ErrorCode::corrupt, "not closed");
  expect_error("{{ = }}", ErrorCode::corrupt, "expected an expression");
  expect_error("{{ ) }}", ErrorCode::corrupt, "')'");
  expect_error("{{ 1 // 0 }}", ErrorCode::corrupt, "division by zero");
  expect_error("{{ 'a' + 1 }}", ErrorCode::corrupt, "'+'");
  expect_error("{{ missing.a }}", ErrorCode::corrupt, "undefined");
  expect_error("{{ -'abc'|length }}", ErrorCode::corrupt, "'-'"); // the sign is the operand's, not the length's
  expect_error("{{ 1 is not none is true }}", ErrorCode::corrupt, "chained");
  expect_error("{{ '\\ud800' }}", ErrorCode::corrupt, "names no character");
  expect_error("{{ '\\x4' }}", ErrorCode::corrupt, "names no character");
  expect_error("{{ [1].append(2) }}", ErrorCode::corrupt, "sandbox");
  expect_error("{% endif %}", ErrorCode::unsupported, "endif");
  expect_error("{{ " + std::string(5000, '(') + "1" + std::string(5000, ')') + " }}", ErrorCode::corrupt, "too deeply");
  expect_error("{{ " + std::string(5000, '-') + "1 }}", ErrorCode::corrupt, "too deeply");
  expect_error("{{ range(10000000) }}", ErrorCode::corrupt, "too long");
}

// Every prefix of a template is either fine or an error, never a crash.
TEST(Chat, PrefixesNeverCrash) {
  const auto all = golden("chat.json");
  for (const auto& [name, source] : all["templates"].items()) {
    const auto text = source.get<std::string>();
    for (std::size_t size = 0; size < text.size(); size += 3) {
      const auto chat = JinjaTemplate::parse(text.substr(0, size));
      if (chat.ok()) (void)chat->render(variables(all["conversations"][1], true)).ok();
    }
  }
}

TEST(Chat, NoMessages) {
  TemporaryFolder folder;
  std::filesystem::copy_file(golden_path("gpt2/tokenizer.json"), folder.path() + "/tokenizer.json");
  folder.write("tokenizer_config.json", "{\"chat_template\": \"{{ messages | length }}\"}");
  const auto tokenizer = load(folder.path());
  ASSERT_TRUE(tokenizer);
  const auto text = render_chat(*tokenizer, {}, true);
  ASSERT_FALSE(text.ok());
  EXPECT_EQ(text.error().code, ErrorCode::invalid_argument);
}

TEST(Chat, NoTemplate) {
  const auto tokenizer = load(golden_path("gpt2"));
  const ChatMessage message{"user", "Hi"};
  const auto text = render_chat(*tokenizer, std::span(&message, 1), true);
  ASSERT_FALSE(text.ok());
  EXPECT_EQ(text.error().code, ErrorCode::not_found);
}

} // namespace
} // namespace headscope::text
