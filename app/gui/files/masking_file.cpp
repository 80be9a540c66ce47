// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/gui/files/masking_file.h"

#include "app/gui/files/file_state.h"

namespace headscope::gui {

Result<std::vector<MaskingCurve>> read_maskings(FileState& state, const std::string& path) {
  HS_ASSIGN(const store::ResultReader* reader, state.reader(path));
  HS_ASSIGN(const auto names, reader->list("/masking"));
  std::vector<MaskingCurve> curves;
  for (const std::string& name : names) {
    HS_ASSIGN(MaskingCurve curve, read_masking(*reader, name));
    curves.push_back(std::move(curve));
  }
  return curves;
}

} // namespace headscope::gui
