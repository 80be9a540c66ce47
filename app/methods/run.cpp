// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/methods/run.h"

#include "app/methods/resumable.h"
#include "app/runs/known_mechanisms.h"
#include "app/runs/result_parts.h"
#include "core/mechanisms/spec.h"

namespace headscope::methods {
namespace {

// Opens the result file; a resumable run has none yet, since its file is made from the journal.
Result<std::optional<store::ResultWriter>> open_result(Method& method, const OutputOptions& output,
                                                       const Context& context) {
  if (!output.resumable) return open_output(output, context, method.seeds());
  HS_TRY(check_resumable(method, output));
  return std::optional<store::ResultWriter>{};
}

Status run_opened(Method& method, const Engine& engine, const ModelOptions& model,
                  std::optional<store::ResultWriter>& writer, const OutputOptions& output, const Context& context,
                  const Show& show) {
  if (output.resumable) return run_resumable(method, engine, model, output, context, show);
  if (writer) HS_TRY(store_model(*writer, engine.model(), option_attributes(model)));
  HS_ASSIGN(const Report report, method.run({engine, writer ? &*writer : nullptr, context, output.path}));
  context.finish_progress();
  const Status stored = writer && !report.refused ? store_options(*writer, method) : Status{};
  show(report); // what took the time is not lost with a file that cannot be written
  if (report.refused) return *report.refused;
  HS_TRY(stored);
  HS_TRY(finish_output(writer, output, context, report.complete));
  if (report.failed) return *report.failed;
  return {};
}

// Reads the plan, whose mistakes then cost no loading of a model.
Status check_attention(const ModelOptions& model) {
  if (model.attention == "default") return {};
  const auto specs = mechanisms::parse_specs(model.attention, mechanisms_for(model.attention));
  if (specs.ok()) return {};
  return make_error(specs.error().code, specs.error().message, specs.error().file, "--attention");
}

// Shows the method's answer without a model, and returns whether there was one.
bool answered(Method& method, const Show& show) {
  const std::optional<Report> answer = method.answer_alone();
  if (answer) show(*answer);
  return answer.has_value();
}

} // namespace

Status store_options(store::ResultWriter& writer, Method& method) {
  OptionList own;
  method.options(own);
  store::Attributes used = method.recorded_inputs();
  const store::Attributes options = own.attributes();
  used.insert(used.end(), options.begin(), options.end());
  return writer.set_options(method.info().group(), used);
}

Status check_method(Method& method, Checked what) {
  OptionList list;
  method.inputs(list);
  method.options(list);
  HS_TRY(list.check());
  if (what == Checked::all) HS_TRY(method.check_inputs());
  return method.check_options();
}

Status run_method(Method& method, const ModelOptions& model, const OutputOptions& output, const Context& context,
                  const Show& show) {
  HS_TRY(check_method(method));
  if (!method.info().needs_model) {
    HS_ASSIGN(const Report report, method.run_alone(context));
    context.finish_progress();
    show(report);
    if (report.failed) return *report.failed;
    return report.complete ? Status{} : make_error(ErrorCode::cancelled, "interrupted");
  }
  if (answered(method, show)) return {};
  if (model.model.empty())
    return make_error(ErrorCode::invalid_argument,
                      "is required; see headscope " + std::string(method.info().id) + " --help", {}, "--model");
  HS_TRY(check_attention(model));
  HS_ASSIGN(auto writer, open_result(method, output, context));
  HS_ASSIGN(const auto loaded, load(model, context, method.info().needs_tokenizer));
  HS_ASSIGN(const Engine engine, open_engine(loaded, model));
  return run_opened(method, engine, model, writer, output, context, show);
}

Status run_method(Method& method, const Engine& engine, const ModelOptions& model, const OutputOptions& output,
                  const Context& context, const Show& show) {
  HS_TRY(check_method(method));
  if (answered(method, show)) return {};
  HS_ASSIGN(auto writer, open_result(method, output, context));
  return run_opened(method, engine, model, writer, output, context, show);
}

} // namespace headscope::methods
