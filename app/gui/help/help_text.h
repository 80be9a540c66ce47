// SPDX-License-Identifier: GPL-3.0-or-later
// The text of the help, as Markdown.
#pragma once

#include <vector>

#include <QString>

namespace headscope::gui {

struct HelpTopic {
  QString id, title, markdown;
};

// Returns the page of a view, or "words", which explains how heads and hook points are written; empty when there is
// none of that id. The page of the detectors lists the paper of each.
QString help_page(const QString& id);

} // namespace headscope::gui
