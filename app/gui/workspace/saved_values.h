// SPDX-License-Identifier: GPL-3.0-or-later
// Values of the workspace as JSON, for the files of the session. What does not fit is left out.
#pragma once

#include <QJsonArray>
#include <QJsonObject>

#include "app/gui/workspace/origin.h"

namespace headscope::gui {

QJsonArray to_json(const std::vector<AblatedHead>& heads);
std::vector<AblatedHead> ablated_from(const QJsonArray& array);
QJsonObject to_json(const Origin& origin);
Origin origin_from(const QJsonObject& json);
std::optional<HeadId> head_from(const QJsonValue& value); // "18.6"

} // namespace headscope::gui
