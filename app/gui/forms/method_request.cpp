// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/gui/forms/method_request.h"

#include "app/gui/forms/option_text.h"
#include "app/methods/methods.h"

namespace headscope::gui {

Status set_values(const MethodRequest& request, const methods::OptionList& list) {
  for (const auto& [name, text] : request.values) {
    const methods::Option* option = list.find(name);
    if (!option) return make_error(ErrorCode::not_found, "is no option of " + request.id, {}, name);
    HS_TRY(set_option(*option, text));
  }
  return {};
}

Result<std::unique_ptr<methods::Method>> method_of(const MethodRequest& request) {
  HS_ASSIGN(std::unique_ptr<methods::Method> method, methods::make_method(request.id));
  methods::OptionList list;
  method->inputs(list);
  method->options(list);
  HS_TRY(set_values(request, list));
  return method;
}

std::optional<methods::Unfinished> unfinished(const MethodRequest& request, const std::string& model_sha256) {
  if (!request.resumable) return std::nullopt;
  const auto method = method_of(request);
  if (!method.ok()) return std::nullopt;
  return methods::find_unfinished(request.out, methods::resumable_text(**method, model_sha256));
}

} // namespace headscope::gui
