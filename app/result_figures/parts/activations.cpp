// SPDX-License-Identifier: GPL-3.0-or-later
// Activations of hook points, their statistics, and the prompts that their rows belong to.
#include "app/result_figures/parts/common.h"

namespace headscope {
namespace {

using namespace parts;

Result<ResultItems> list(const ResultPart& self, const store::ResultReader& reader) {
  if (!reader.exists(self.group)) return ResultItems{};
  return items_under(self, reader, self.group, "activations", [](const std::string&) { return false; });
}

Result<ResultFigure> figure(const store::ResultReader& reader, const ResultItem& item) {
  HS_ASSIGN(ResultFigure out, any_figure(reader, item));
  // These say which tokens the rows are of; they are not measurements and have no picture.
  if (item.path.ends_with("/token_ids") || item.path.ends_with("/positions")) out.figure.reset();
  return out;
}

} // namespace

extern const ResultPart activations_part;
const ResultPart activations_part = {"activations", "activations of hook points", "/activations", list, figure};

} // namespace headscope
