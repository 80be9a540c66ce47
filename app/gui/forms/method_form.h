// SPDX-License-Identifier: GPL-3.0-or-later
// The form of a method, made from its options: fields with their texts, which are kept even while invalid, and what is
// wrong with them.
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

// The part of the form that a field belongs to.
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
  bool has_cells() const { return has_cells_; } // its cost can be estimated, and a run resumed
  const std::vector<FormField>& fields() const { return fields_; }
  const FormField* field(const std::string& name) const;
  // The field that an error is about; null where it names none.
  const FormField* field_of(const Error& error) const;

  // `name` must exist.
  const std::string& text(const std::string& name) const { return texts_.at(name); }
  void set_text(const std::string& name, const std::string& text);
  bool changed(const std::string& name) const; // from the default
  void reset();
  // Fills in a prompt with the template and BOS settings it has elsewhere, so that its tokens are the same. Returns the
  // fields that change.
  std::vector<std::string> fill_prompt(const std::string& name, const std::string& text, bool chat, bool no_bos);

  // What is wrong with a field's text; empty: nothing. An empty field is not wrong yet.
  std::string problem(const std::string& name) const;
  // The problems of all fields in order, including missing values: field and message.
  std::vector<std::pair<std::string, std::string>> problems() const;

  MethodRequest request(const CommandModel& model) const;
  // The command `headscope …` with everything that is not at its default, including invalid texts.
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

} // namespace headscope::gui
