// SPDX-License-Identifier: GPL-3.0-or-later
// The next argument of a function in its Python docstring. Heimersheim and Janiak 2023 (A circuit for Python docstrings
// in a 4-layer attention-only transformer). Wrong: the other arguments of the definition.
#include "core/prompts/tasks/generator.h"

namespace headscope::tasks {
namespace {

const Words& names() {
  static const Words words = {"load", "size", "files", "last", "port",  "old",   "date",  "name",  "code",  "color",
                              "text", "line", "word",  "user", "path",  "key",   "value", "node",  "list",  "item",
                              "page", "time", "type",  "data", "group", "order", "state", "table", "image", "point",
                              "test", "role", "score", "cost", "rate",  "mode",  "shape", "model", "width", "height"};
  return words;
}
const Words& descriptions() {
  static const Words words = {"oil",     "column", "piece",  "crime", "population", "unit",  "dark",
                              "garden",  "river",  "paper",  "glass", "winter",     "music", "number",
                              "history", "market", "animal", "stone", "voice",      "spring"};
  return words;
}

constexpr const char* form = "def {F}(self, {D1}, {D2}, {D3}, {D4}):\n"
                             "    \"\"\"{T1} {T2} {T3}\n\n"
                             "    :param {P1}: {T4} {T5}\n"
                             "    :param {P2}: {T6} {T7}\n"
                             "    :param";

Result<Draw> make(const Tokenizer&, const TaskRequest& request) {
  const bool other_def = request.counterfactual != "doc", other_doc = request.counterfactual != "def";
  return Draw([other_def, other_doc](Random& random) {
    const Words n = pick_different(random, names(), 11), t = pick_different(random, descriptions(), 7);
    // n[0] is the function, n[1..4] are its arguments, n[5..10] those of the corrupted prompt.
    const auto text = [&](bool def, bool doc) {
      return fill(form, {{"F", n[0]},
                         {"D1", n[def ? 5 : 1]},
                         {"D2", n[def ? 6 : 2]},
                         {"D3", n[def ? 7 : 3]},
                         {"D4", n[def ? 8 : 4]},
                         {"P1", n[doc ? 9 : 1]},
                         {"P2", n[doc ? 10 : 2]},
                         {"T1", t[0]},
                         {"T2", t[1]},
                         {"T3", t[2]},
                         {"T4", t[3]},
                         {"T5", t[4]},
                         {"T6", t[5]},
                         {"T7", t[6]}});
    };
    TaskExample out;
    out.clean = text(false, false);
    out.corrupted = text(other_def, other_doc);
    out.answer = {" " + n[3]};
    out.wrong = {" " + n[1], " " + n[2], " " + n[4]};
    return out;
  });
}

} // namespace

Generator docstring() {
  return {{"docstring",
           "the next argument in a Python docstring",
           "Heimersheim and Janiak 2023",
           {"def_doc", "def", "doc"},
           {}},
          make};
}

} // namespace headscope::tasks
