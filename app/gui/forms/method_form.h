// SPDX-License-Identifier: GPL-3.0-or-later
// The form of a method, made of its options: fields with their texts, which are kept also while they make no sense, and
// what is wrong with them.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "app/gui/forms/command_text.h"
#include "app/gui/forms/method_request.h"
#include "app/methods/base/option.h"
#include "app/methods/base/output.h"

namespace headscope::gui {

enum class FieldKind {
  flag,
  number, // empty where the option may be unset
  choice,
  line,
  text,  // of several lines: a prompt
  words, // a list with commas
  lines  // a list, one a line
};

// Where a field stands in the form.
enum class FieldPart { input, option, output };

struct FormField {
  std::string name, flag; // of the option
  std::string label;      // "Mean by position"
  std::string help;
  std::string tip;                  // help, bounds, default and flag, for a tool tip
  std::string type, unit, standard; // standard: the default, as text
  std::optional<double> least, most;
  std::vector<methods::Choice> choices;
  std::string excludes; // name of a field that may not be filled with this one
  FieldKind kind = FieldKind::line;
  FieldPart part = FieldPart::option;
  bool required = false;
  bool whole = false;      // of a number
  bool reads_file = false; // names a file
  bool saves_file = false;
  std::string file_kinds; // of such a file: "*.npy", or empty
  methods::OfPrompts of_prompts = methods::OfPrompts::nothing;
};

class MethodForm {
public:
  explicit MethodForm(std::unique_ptr<methods::Method> method);
  MethodForm(const MethodForm&) = delete; // its lists point into it
  MethodForm& operator=(const MethodForm&) = delete;

  const methods::MethodInfo& info() const { return method_->info(); }
  bool has_cells() const { return has_cells_; } // can be estimated, and gone on with
  const std::vector<FormField>& fields() const { return fields_; }
  const FormField* field(const std::string& name) const;
  // The field that an error is about; null where it names none.
  const FormField* field_of(const Error& error) const;

  // Only of names that there are.
  const std::string& text(const std::string& name) const { return texts_.at(name); }
  void set_text(const std::string& name, const std::string& text);
  bool changed(const std::string& name) const; // from the default
  void reset();
  // A prompt with the template and BOS that it has elsewhere, so that the tokens are the same. The fields that change.
  std::vector<std::string> fill_prompt(const std::string& name, const std::string& text, bool chat, bool no_bos);

  // What is wrong with a text as it stands; empty: nothing. Of a field that is still empty nothing is wrong.
  std::string problem(const std::string& name) const;
  // Of every field, also what is missing, in their order: field and message.
  std::vector<std::pair<std::string, std::string>> problems() const;

  MethodRequest request(const CommandModel& model) const;
  // `headscope …` with what is not at its default. Texts that make no sense stand there too.
  std::string command(const CommandModel& model) const;

private:
  void add(const methods::Option& option, FieldPart part);
  const methods::Option& option(const std::string& name) const;

  std::unique_ptr<methods::Method> method_; // only lends its variables to the checks
  methods::OutputOptions output_;
  methods::OptionList inputs_, options_, outputs_;
  std::vector<FormField> fields_;
  std::map<std::string, std::string> texts_;
  bool has_cells_ = false;
};

// What a form with these values asks for; the command line among it. not_found for a method or an option that there is
// not.
Result<MethodRequest> filled_request(const std::string& id, const std::map<std::string, std::string>& values,
                                     const CommandModel& model);

} // namespace headscope::gui
