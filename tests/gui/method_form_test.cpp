// SPDX-License-Identifier: GPL-3.0-or-later
// Forms without a window: every method has one, wrong texts are errors at their fields, and the command line shown is
// read back by the command line's own parser.
#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <sstream>

#include "app/cli/method_command.h"
#include "app/gui/forms/method_form.h"
#include "app/gui/forms/option_text.h"
#include "app/gui/forms/plan_text.h"
#include "app/methods/inputs/model_options.h"
#include "app/methods/methods.h"
#include "core/batch/journal.h"
#include "tests/new_folder.h"

namespace headscope::gui {
namespace {

std::vector<std::string> method_ids() {
  std::vector<std::string> ids;
  for (const auto& method : methods::all_methods())
    ids.emplace_back(method->info().id);
  return ids;
}

MethodForm form_of(const std::string& id) { return MethodForm(std::move(*methods::make_method(id))); }

// Splits a line as a shell does, with quotes and escaped characters but nothing else of a shell's language.
std::vector<std::string> shell_words(const std::string& line) {
  std::vector<std::string> words;
  std::string word;
  bool open = false, quoted = false;
  for (std::size_t i = 0; i < line.size(); ++i) {
    const char c = line[i];
    if (c == '\'') {
      quoted = !quoted;
      open = true;
    } else if (c == '\\' && !quoted) {
      word += line[++i];
    } else if (c == ' ' && !quoted) {
      if (open) words.push_back(word);
      word.clear();
      open = false;
    } else {
      word += c;
      open = true;
    }
  }
  if (open) words.push_back(word);
  return words;
}

// A method that the command line's parser has filled.
struct ParsedMethod {
  explicit ParsedMethod(const std::string& id) : method(std::move(*methods::make_method(id))) {
    if (method->info().needs_model) methods::list_model_options(general, model);
    method->inputs(list);
    method->options(list);
    // A method's own option takes the place of the general one of that name.
    for (const methods::Option& own : list.all())
      if (methods::Option* replaced = general.find(own.name)) replaced->offered = methods::Offered::experiment;
  }

  void parse(const std::string& line) {
    CLI::App app;
    cli::add_options(app, general, wrong);
    cli::add_options(app, list, wrong);
    if (method->info().output != methods::Output::none) {
      app.add_option("--out", output.path);
      app.add_flag("--force", output.force);
      app.add_flag("--resumable", output.resumable);
    }
    std::vector<std::string> words = shell_words(line);
    std::istringstream id("headscope " + std::string(method->info().id));
    for (std::string word; id >> word; words.erase(words.begin()))
      ASSERT_EQ(words.front(), word);
    std::reverse(words.begin(), words.end()); // as CLI11 takes them
    try {
      app.parse(words);
    } catch (const CLI::ParseError& error) {
      ADD_FAILURE() << error.what() << "\n" << line;
    }
    EXPECT_TRUE(wrong->ok()) << wrong->error().to_string();
  }

  std::unique_ptr<methods::Method> method;
  methods::ModelOptions model;
  methods::OutputOptions output;
  methods::OptionList general, list;
  std::shared_ptr<Status> wrong = std::make_shared<Status>();
};

std::string other_number(const FormField& field) {
  if (!field.whole) {
    const std::string text = number_text(field.most ? (*field.least + *field.most) / 4.0 : 0.37);
    return text == field.standard ? number_text(*field.least) : text;
  }
  const double value = field.least ? *field.least + 5.0 : -3.0;
  return number_text(number_text(value) == field.standard ? value + 1.0 : value);
}

// A text that is not the default, and hard to quote where it is a text.
std::string other_text(const FormField& field) {
  switch (field.kind) {
  case FieldKind::flag: return field.standard == "true" ? "false" : "true";
  case FieldKind::choice:
    return field.choices.back().name == field.standard ? field.choices.front().name : field.choices.back().name;
  case FieldKind::number: return other_number(field);
  case FieldKind::text: return "two\nlines 'x' \\ $y";
  case FieldKind::words:
    return field.type == std::string("texts") ? "a1,b<q>" : field.type == std::string("numbers") ? "0.25,3" : "7,9";
  case FieldKind::lines: return " a,b\n-c 'd'";
  case FieldKind::line: break;
  }
  return field.flag.rfind("--", 0) == 0 ? "-it's \"so\"" : "it's so";
}

// Checks a field without knowing anything by its name.
void expect_as_the_option_says(const FormField& field, const methods::Option& option) {
  EXPECT_EQ(field.kind == FieldKind::text, option.is_prose) << field.name;
  EXPECT_EQ(field.reads_file, option.file) << field.name;
  EXPECT_EQ(field.saves_file, option.to_file) << field.name;
  EXPECT_EQ(field.file_kinds, option.file_kinds) << field.name;
}

class EveryMethod : public ::testing::TestWithParam<std::string> {};

TEST_P(EveryMethod, HasAFieldForEveryOption) {
  const MethodForm form = form_of(GetParam());
  const auto method = std::move(*methods::make_method(GetParam()));
  methods::OptionList list;
  method->inputs(list);
  method->options(list);
  std::set<std::string> names;
  for (const FormField& field : form.fields()) {
    EXPECT_TRUE(names.insert(field.name).second) << field.name;
    EXPECT_FALSE(field.label.empty() || field.help.empty()) << field.name;
    EXPECT_EQ(field.kind == FieldKind::choice, !field.choices.empty()) << field.name;
    EXPECT_FALSE(form.changed(field.name)) << field.name;
    EXPECT_EQ(form.problem(field.name), "") << field.name;
    EXPECT_EQ(form.field_of(make_error(ErrorCode::internal, "", {}, field.flag + " x")), &field);
  }
  for (const methods::Option& option : list.all())
    if (const FormField* field = form.field(option.name)) expect_as_the_option_says(*field, option);
  for (const methods::Option& option : list.all())
    EXPECT_EQ(names.count(option.name), option.offered == methods::Offered::experiment ? 0U : 1U) << option.name;
  EXPECT_EQ(form.field("force") != nullptr,
            method->info().output != methods::Output::none || list.find("force") != nullptr);
  EXPECT_EQ(form.has_cells(), method->cells() != nullptr);
  EXPECT_EQ(form.field("resumable") != nullptr, method->cells() != nullptr);
  EXPECT_TRUE(form.request({}).values.empty());
}

TEST_P(EveryMethod, SaysAtANumberWhatIsWrongWithIt) {
  MethodForm form = form_of(GetParam());
  for (const FormField& field : form.fields()) {
    const bool number = field.kind == FieldKind::number || field.type == "integers" || field.type == "numbers";
    if (!number) continue;
    form.set_text(field.name, "12x");
    EXPECT_NE(form.problem(field.name).find("'12x' is not a"), std::string::npos) << form.problem(field.name);
    const auto problems = form.problems();
    EXPECT_TRUE(std::any_of(problems.begin(), problems.end(), [&](const auto& p) { return p.first == field.name; }));
    EXPECT_EQ(form.text(field.name), "12x"); // what was typed stays
    if (field.least) {
      form.set_text(field.name, number_text(*field.least - 1.0));
      EXPECT_NE(form.problem(field.name), "") << field.name;
    }
    form.set_text(field.name, field.standard);
    EXPECT_EQ(form.problem(field.name), "") << field.name;
  }
}

TEST_P(EveryMethod, ShowsACommandThatTheCommandLineReads) {
  MethodForm form = form_of(GetParam());
  for (const FormField& field : form.fields())
    if (field.excludes.empty()) form.set_text(field.name, other_text(field));
  ParsedMethod parsed(GetParam());
  const CommandModel model{"a folder/model.gguf", "bfloat16", "cuda:1"};
  ASSERT_NO_FATAL_FAILURE(parsed.parse(form.command(model)));
  for (const FormField& field : form.fields()) {
    if (field.part == FieldPart::output) continue;
    EXPECT_EQ(form.problem(field.name), "") << field.name << ": " << form.text(field.name);
    EXPECT_EQ(form.changed(field.name), field.excludes.empty()) << field.name;
    EXPECT_EQ(option_text(*parsed.list.find(field.name)), form.text(field.name)) << field.name;
  }
  if (parsed.method->info().needs_model) {
    EXPECT_EQ(parsed.model.model, model.model);
    EXPECT_EQ(parsed.model.dtype, model.dtype);
    EXPECT_EQ(parsed.model.device, model.device);
  }
  const MethodRequest request = form.request(model);
  EXPECT_EQ(parsed.output.path, request.out);
  EXPECT_EQ(parsed.output.force, request.replace);
  EXPECT_EQ(parsed.output.resumable, request.resumable);
  EXPECT_EQ(request.command_line, form.command(model));
  // And the engine's thread gets the same from the request.
  const auto made = method_of(request);
  ASSERT_TRUE(made.ok()) << made.error().to_string();
  methods::OptionList list;
  (*made)->inputs(list);
  (*made)->options(list);
  for (const methods::Option& option : list.all())
    EXPECT_EQ(option_text(option), option_text(*parsed.list.find(option.name))) << option.name;
  form.reset();
  EXPECT_TRUE(form.request({}).values.empty());
}

INSTANTIATE_TEST_SUITE_P(Methods, EveryMethod, ::testing::ValuesIn(method_ids()), [](const auto& each) {
  std::string name = each.param;
  std::replace_if(
      name.begin(), name.end(), [](char c) { return c == ' ' || c == '-'; }, '_');
  return name;
});

TEST(MethodForm, SaysWhatIsMissingAndWhatExcludesEachOther) {
  MethodForm attention = form_of("attention");
  const auto problems = attention.problems();
  ASSERT_EQ(problems.size(), 1U);
  EXPECT_EQ(problems[0].first, "out");
  EXPECT_EQ(attention.problem("out"), ""); // it is only still empty
  MethodForm logits = form_of("logits");
  logits.set_text("all", "true");
  EXPECT_EQ(logits.problem("all"), "");
  logits.set_text("position", "-1");
  EXPECT_NE(logits.problem("all"), "");
  logits.set_text("position", "");
  EXPECT_EQ(logits.problem("all"), "");
}

TEST(MethodForm, ShowsOnlyWhatIsNotTheDefault) {
  MethodForm form = form_of("ablate");
  EXPECT_EQ(form.command({}), "headscope ablate --model MODEL");
  EXPECT_EQ(form.command({"smollm2"}), "headscope ablate --model smollm2");
  form.set_text("answer", " Mary");
  form.set_text("reference", "one text\n\nanother");
  form.set_text("seed", "0");
  EXPECT_EQ(form.command({"smollm2"}),
            "headscope ablate --model smollm2 --answer ' Mary' --reference 'one text' --reference another");
  form.set_text("seed", "x"); // it is shown as it was typed
  EXPECT_NE(form.command({}).find(" --seed x"), std::string::npos);
}

TEST(MethodForm, FindsTheFieldOfAnError) {
  const MethodForm form = form_of("ablate");
  const auto field = [&](const char* name) { return form.field_of(make_error(ErrorCode::internal, "", {}, name)); };
  EXPECT_EQ(field("--mean-by-position"), form.field("mean_by_position"));
  EXPECT_EQ(field("heads"), form.field("heads"));
  EXPECT_EQ(field("--heads 99.1"), form.field("heads"));
  EXPECT_EQ(field("--model"), nullptr);
  EXPECT_EQ(field(""), nullptr);
  const MethodForm reproduce = form_of("reproduce");
  EXPECT_NE(reproduce.field_of(make_error(ErrorCode::internal, "", {}, "EXPERIMENT")), nullptr);
}

TEST(MethodForm, KnowsPromptsAndFilesByTheirOptions) {
  const MethodForm patch = form_of("patch"), ablate = form_of("ablate"), steer = form_of("steer");
  for (const FormField* prompt : {patch.field("clean"), patch.field("corrupt"), ablate.field("prompt")})
    EXPECT_EQ(prompt->kind, FieldKind::text);
  EXPECT_EQ(patch.field("answer")->kind, FieldKind::line);
  EXPECT_TRUE(steer.field("save_vector")->saves_file);
  EXPECT_EQ(steer.field("save_vector")->file_kinds, "*.npy");
  EXPECT_EQ(steer.field("out")->file_kinds, "*.h5");
  EXPECT_TRUE(form_of("bench growth").field("out")->saves_file);
}

TEST(MethodForm, TakesAPromptWithItsTemplateAndBos) {
  MethodForm form = form_of("patch");
  const auto filled = form.fill_prompt("clean", "hello", false, true);
  EXPECT_EQ(filled, (std::vector<std::string>{"clean", "chat", "no_bos"}));
  EXPECT_EQ(form.text("clean"), "hello");
  EXPECT_EQ(form.text("chat"), "false");
  EXPECT_EQ(form.text("no_bos"), "true");
  EXPECT_EQ(form.text("corrupt"), "");
}

TEST(MethodForm, FindsTheRunThatItWouldGoOnFrom) {
  const std::filesystem::path folder = test::new_folder();
  const std::string out = (folder / "r.h5").string();
  MethodForm form = form_of("ablate");
  for (const auto& [name, text] : {std::pair("task", std::string("ioi")), {"out", out}, {"resumable", "true"}})
    form.set_text(name, text);
  const MethodRequest request = form.request({});
  EXPECT_TRUE(request.resumable);
  EXPECT_FALSE(unfinished(request, "a model")); // there is no journal
  const auto method = method_of(request);
  ASSERT_TRUE(method.ok());
  JournalHeader header;
  header.cells = 8;
  header.text = methods::resumable_text(**method, "a model");
  auto journal = Journal::create(out + ".journal", header);
  ASSERT_TRUE(journal.ok());
  ASSERT_TRUE(journal->append(0, {{"x", 1}}).ok() && journal->append(3, {{"x", 2}}).ok());
  EXPECT_EQ(unfinished(request, "a model"), (methods::Unfinished{2, 8}));
  EXPECT_FALSE(unfinished(request, "another model"));
  form.set_text("seed", "1");
  EXPECT_FALSE(unfinished(form.request({}), "a model"));
  form.set_text("seed", "0");
  EXPECT_TRUE(unfinished(form.request({}), "a model"));
  form.set_text("resumable", "false");
  EXPECT_FALSE(unfinished(form.request({}), "a model"));
  std::filesystem::remove_all(folder);
}

TEST(PlanText, SaysWholeLayersAndRangesAsSuch) {
  const auto again = [](const std::string& text) {
    const auto plan = read_head_plan(text, 30, 9);
    return plan.ok() ? write_head_plan(*plan, 30, 9) : plan.error().message;
  };
  EXPECT_EQ(again(""), "");
  EXPECT_EQ(again("window"), "window");
  EXPECT_EQ(again("full"), "");
  EXPECT_EQ(again("window:window=8@layers=4-29"), "window:window=8@layers=4-29");
  EXPECT_EQ(again("window@heads=18.0-8,19"), "window@layers=18-19");
  EXPECT_EQ(again("topk:k=8@heads=18.6,17.3"), "topk:k=8@heads=17.3,18.6");
  EXPECT_EQ(again("topk:k=8@heads=18.6,17.3-5,2"), "topk:k=8@heads=2,17.3-5,18.6");
  EXPECT_EQ(again("topk@layers=9;hip:k=64,window=2@layers=3-4,7;full@layers=20"),
            "hip:k=64,window=2@layers=3-4,7;topk@layers=9");
  EXPECT_EQ(again("window@layers=0-9;window@layers=10-29"), "window");
}

TEST(PlanText, RefusesWhatIsNoneOfTheModels) {
  for (const char* text : {"window@layers=30", "window@heads=1.9", "window@here", "window@layers=1;topk@heads=1.3"})
    EXPECT_EQ(read_head_plan(text, 30, 9).error().code, ErrorCode::invalid_argument) << text;
}

TEST(CommandText, NamesTheAttentionPlan) {
  CommandModel model{"smollm2", "float32", "cpu", "topk:k=8@heads=18.6;window"};
  EXPECT_EQ(model_flags(model), " --model smollm2 --attention 'topk:k=8@heads=18.6;window'");
  const auto said = filled_request("logits", {{"prompt", "a"}}, model);
  ASSERT_TRUE(said.ok());
  EXPECT_NE(said->command_line.find("--attention 'topk"), std::string::npos);
  // `compare` takes plans of its own under that name.
  const auto own = filled_request("compare", {{"attention", "window"}}, model);
  ASSERT_TRUE(own.ok());
  EXPECT_EQ(own->command_line.find("topk"), std::string::npos);
}

TEST(OptionText, ReadsLists) {
  std::vector<std::string> words, lines;
  std::vector<double> numbers;
  std::optional<std::int64_t> maybe;
  methods::OptionList list;
  const methods::Option& comma = list.add("words", words, "").by_comma();
  const methods::Option& line = list.add("lines", lines, "");
  const methods::Option& number = list.add("numbers", numbers, "");
  const methods::Option& unset = list.add("maybe", maybe, "");
  EXPECT_TRUE(set_option(comma, " a, b ,,c").ok());
  EXPECT_EQ(words, (std::vector<std::string>{"a", "b", "c"}));
  EXPECT_TRUE(set_option(line, " a,b\n\nc ").ok()); // spaces are part of a token
  EXPECT_EQ(lines, (std::vector<std::string>{" a,b", "c "}));
  EXPECT_TRUE(set_option(number, "0.1, 1e-5").ok());
  EXPECT_EQ(numbers, (std::vector<double>{0.1, 1e-5}));
  EXPECT_EQ(option_text(number), "0.1,1e-05");
  EXPECT_FALSE(set_option(number, "1,,2").ok());
  EXPECT_TRUE(set_option(unset, "7").ok() && maybe == 7);
  EXPECT_TRUE(set_option(unset, " ").ok() && !maybe);
  EXPECT_FALSE(set_option(unset, "99999999999999999999").ok());
}

} // namespace
} // namespace headscope::gui
