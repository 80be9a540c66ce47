// SPDX-License-Identifier: GPL-3.0-or-later
// One text from a file, as methods take it that ask about a whole text.
#pragma once

#include <string>
#include <vector>

#include "app/methods/base/option.h"
#include "core/base/result.h"
#include "core/model/model.h"
#include "core/store/result_types.h"

namespace headscope::methods {

struct TextInput {
  std::string file, text; // text: read by read()
  bool no_bos = false;

  // Adds the options text_file, with this help, and no_bos; other inputs may stand between the two.
  void list_file(OptionList& list, const char* help);
  void list_no_bos(OptionList& list);
  // Adds both, where the method has one text.
  void list(OptionList& list) {
    list_file(list, "The text");
    list_no_bos(list);
  }
  store::Attributes recorded() const { return {{"text_file", file}, {"no_bos", no_bos}}; }

  // Returns invalid_argument where no file is named, and what reading it says.
  Status read();
  // The tokens of a text with these options.
  Result<std::vector<std::int64_t>> encode(const Model& model, const std::string& of) const;
};

} // namespace headscope::methods
