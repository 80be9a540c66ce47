// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/gui/forms/method_form.h"

#include <algorithm>
#include <cctype>

#include "app/gui/forms/option_text.h"
#include "app/methods/methods.h"

namespace headscope::gui {
namespace {

using methods::Option;
using methods::OptionList;

FieldKind kind_of(const Option& option) {
  const std::string type = option.type();
  if (type == "flag") return FieldKind::flag;
  if (type == "choice") return FieldKind::choice;
  if (type == "integer" || type == "number") return FieldKind::number;
  if (type == "text") return option.is_prose ? FieldKind::text : FieldKind::line;
  return parted_by_commas(option) ? FieldKind::words : FieldKind::lines;
}

// The labels of fields that are not options of the method: where its file goes.
std::string output_label(const std::string& name) {
  return name == "out" ? "File" : name == "force" ? "Replace" : "Resumable";
}

// Makes labels: "Mean by position" from "mean_by_position", "Experiment" from "EXPERIMENT".
std::string label_of(const std::string& name) {
  std::string label = name;
  for (char& c : label)
    c = c == '_' ? ' ' : static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  label.front() = static_cast<char>(std::toupper(static_cast<unsigned char>(label.front())));
  return label;
}

std::string tip_of(const FormField& field) {
  std::string tip = field.help;
  if (field.kind == FieldKind::lines) tip += " (one a line)";
  if (field.kind == FieldKind::words) tip += " (parted by commas)";
  if (field.least && field.most)
    tip.append("\nFrom ").append(number_text(*field.least)).append(" to ").append(number_text(*field.most));
  else if (field.least)
    tip.append("\nAt least ").append(number_text(*field.least));
  if (!field.standard.empty() && field.kind != FieldKind::flag) tip.append("\nDefault: ").append(field.standard);
  if (!field.excludes.empty()) tip.append("\nNot together with ").append(label_of(field.excludes));
  return tip.append("\n").append(field.flag);
}

FormField field_from(const Option& option, FieldPart part) {
  FormField field;
  field.name = option.name;
  field.flag = option.flag();
  field.label = label_of(option.name);
  field.help = option.help;
  field.type = option.type();
  field.unit = option.unit;
  field.standard = option_text(option);
  field.least = option.least;
  field.most = option.most;
  field.choices = option.choices;
  field.excludes = option.excludes;
  field.kind = kind_of(option);
  field.part = part;
  field.required = option.required;
  field.whole = field.type == "integer";
  field.reads_file = option.file;
  field.saves_file = option.to_file;
  field.file_kinds = option.file_kinds;
  field.of_prompts = option.of_prompts;
  if (part == FieldPart::output) field.label = output_label(option.name);
  field.tip = tip_of(field);
  return field;
}

} // namespace

MethodForm::MethodForm(std::unique_ptr<methods::Method> method)
    : method_(std::move(method)), has_cells_(method_->cells() != nullptr) {
  method_->inputs(inputs_);
  method_->options(options_);
  if (const methods::Output output = info().output; output != methods::Output::none) {
    outputs_.add("out", output_.path, "The HDF5 result file to write").writes_file("*.h5").required =
        output == methods::Output::required;
    outputs_.add("force", output_.force, "Replace an existing file");
    if (has_cells_)
      outputs_.add(
          "resumable", output_.resumable,
          "Keep what is finished in a journal beside the file, and go on from there the next time; the prompts "
          "are those of a task, and the report says only how far it is");
  }
  for (const Option& option : inputs_.all())
    add(option, FieldPart::input);
  for (const Option& option : options_.all())
    add(option, FieldPart::option);
  for (const Option& option : outputs_.all())
    add(option, FieldPart::output);
}

void MethodForm::add(const Option& option, FieldPart part) {
  if (option.offered == methods::Offered::experiment) return;
  fields_.push_back(field_from(option, part));
  texts_[option.name] = fields_.back().standard;
}

const Option& MethodForm::option(const std::string& name) const {
  for (const OptionList* list : {&inputs_, &options_})
    if (const Option* found = list->find(name)) return *found;
  return *outputs_.find(name);
}

const FormField* MethodForm::field(const std::string& name) const {
  const auto found = std::find_if(fields_.begin(), fields_.end(), [&](const FormField& f) { return f.name == name; });
  return found == fields_.end() ? nullptr : &*found;
}

// Errors name "--mean-by-position", "mean_by_position", "--set induction.n" or "EXPERIMENT".
const FormField* MethodForm::field_of(const Error& error) const {
  std::string name = error.field.substr(0, error.field.find(' '));
  if (name.rfind("--", 0) == 0) name.erase(0, 2);
  std::replace(name.begin(), name.end(), '-', '_');
  return field(name);
}

void MethodForm::set_text(const std::string& name, const std::string& text) { texts_.at(name) = text; }

bool MethodForm::changed(const std::string& name) const {
  const Option& of = option(name);
  return !set_option(of, text(name)).ok() || option_text(of) != field(name)->standard;
}

void MethodForm::reset() {
  for (const FormField& each : fields_)
    texts_[each.name] = each.standard;
}

std::vector<std::string> MethodForm::fill_prompt(const std::string& name, const std::string& text, bool chat,
                                                 bool no_bos) {
  std::vector<std::string> filled;
  const auto fill = [&](const std::string& field, const std::string& value) {
    set_text(field, value);
    filled.push_back(field);
  };
  fill(name, text);
  for (const FormField& each : fields_) {
    if (each.of_prompts == methods::OfPrompts::chat) fill(each.name, chat ? "true" : "false");
    if (each.of_prompts == methods::OfPrompts::no_bos) fill(each.name, no_bos ? "true" : "false");
  }
  return filled;
}

std::string MethodForm::problem(const std::string& name) const {
  const Option& of = option(name);
  if (const Status reads = set_option(of, text(name)); !reads.ok()) return reads.error().message;
  if (const Status within = of.check(); !within.ok()) return within.error().message;
  if (!of.excludes.empty() && changed(name) && changed(of.excludes))
    return "cannot be given together with " + label_of(of.excludes);
  return {};
}

std::vector<std::pair<std::string, std::string>> MethodForm::problems() const {
  std::vector<std::pair<std::string, std::string>> found;
  for (const FormField& each : fields_) {
    std::string wrong = problem(each.name);
    if (wrong.empty() && each.required && text(each.name).empty()) wrong = "is required";
    if (!wrong.empty()) found.emplace_back(each.name, std::move(wrong));
  }
  return found;
}

MethodRequest MethodForm::request(const CommandModel& model) const {
  MethodRequest request{info().id, {}, {}, false, false, command(model)};
  for (const FormField& each : fields_)
    if (each.part != FieldPart::output && changed(each.name)) request.values[each.name] = text(each.name);
  if (field("out") && field("out")->part == FieldPart::output) {
    request.out = text("out");
    request.replace = text("force") == "true";
    request.resumable = has_cells_ && text("resumable") == "true";
  }
  return request;
}

std::string MethodForm::command(const CommandModel& model) const {
  std::string words, flags;
  for (const FormField& each : fields_) {
    if (!changed(each.name)) continue;
    const Option& of = option(each.name);
    std::string said = flag_text(of); // changed() has set it
    if (!set_option(of, text(each.name)).ok())
      said = std::string(" ").append(of.flag()).append(" ").append(shell_word(text(each.name)));
    (of.positional ? words : flags) += said;
  }
  const bool says_model = info().needs_model && (!info().model_may_be_missing || !model.model.empty());
  CommandModel said = model;
  if (field("attention")) said.attention.clear(); // the method has a meaning of its own for it
  return std::string("headscope ").append(info().id).append(words).append(says_model ? model_flags(said) : "") + flags;
}

Result<MethodRequest> filled_request(const std::string& id, const std::map<std::string, std::string>& values,
                                     const CommandModel& model) {
  HS_ASSIGN(std::unique_ptr<methods::Method> method, methods::make_method(id));
  MethodForm form(std::move(method));
  for (const auto& [name, text] : values) {
    if (!form.field(name)) return make_error(ErrorCode::not_found, "is no option of " + id, {}, name);
    form.set_text(name, text);
  }
  return form.request(model);
}

} // namespace headscope::gui
