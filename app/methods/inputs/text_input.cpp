// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/methods/inputs/text_input.h"

#include "core/base/text_file.h"

namespace headscope::methods {

void TextInput::list_file(OptionList& list, const char* help) {
  list.add("text_file", file, help).from("0.2").reads_file().must();
}

void TextInput::list_no_bos(OptionList& list) { list.add("no_bos", no_bos, "Add no BOS and no EOS").from("0.2"); }

Status TextInput::read() {
  if (file.empty()) return make_error(ErrorCode::invalid_argument, "is required", {}, "--text-file");
  HS_ASSIGN(text, read_text_file(file));
  return {};
}

Result<std::vector<std::int64_t>> TextInput::encode(const Model& model, const std::string& of) const {
  return model.tokenizer->encode(of, {!no_bos, true});
}

} // namespace headscope::methods
