// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/gui/views/ablation/text_pair.h"

#include <algorithm>

namespace headscope::gui {

std::size_t first_difference(const Continuation& a, const Continuation& b) {
  const std::size_t shorter = std::min(a.tokens.size(), b.tokens.size());
  for (std::size_t i = 0; i < shorter; ++i)
    if (a.tokens[i].id != b.tokens[i].id) return i;
  return shorter;
}

QString marked_text(const Continuation& text, std::size_t differs_from, const QColor& color) {
  // Bytes of one character may be spread over tokens: only whole runs are decoded.
  std::string shared, rest;
  for (std::size_t i = 0; i < text.tokens.size(); ++i)
    (i < differs_from ? shared : rest) +=
        text.tokens[i].special ? "⟨" + text.tokens[i].piece + "⟩" : text.tokens[i].text;
  const auto html = [](const std::string& bytes) {
    return QString::fromStdString(bytes).toHtmlEscaped().replace(u'\n', QStringLiteral("⏎<br>"));
  };
  QString out = QStringLiteral("<span style=\"white-space:pre-wrap\">") + html(shared);
  if (!rest.empty())
    out += QStringLiteral("<span style=\"color:%1;text-decoration:underline\">%2</span>").arg(color.name(), html(rest));
  return out + QStringLiteral("</span>");
}

} // namespace headscope::gui
