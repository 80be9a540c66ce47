// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/gui/workspace/origin.h"

#include <QCoreApplication>

namespace headscope::gui {
namespace {

constexpr std::size_t most_named = 4;

QString tr(const char* text) { return QCoreApplication::translate("Origin", text); }

QString heads_named(const std::vector<AblatedHead>& heads) {
  QStringList names;
  for (std::size_t i = 0; i < heads.size() && i < most_named; ++i)
    names.append(QString::fromStdString(head_name(heads[i].head)));
  if (heads.size() > most_named) names.append(tr("%1 more").arg(heads.size() - most_named));
  return names.join(QStringLiteral(", "));
}

} // namespace

QString why_outdated(const Origin& made, const Origin& in_force) {
  if (made.model_sha256 != in_force.model_sha256)
    return made.model_name.empty() ? tr("Of another model than the open one")
                                   : tr("Of another model: %1").arg(QString::fromStdString(made.model_name));
  if (made.tokens && made.tokens != in_force.tokens)
    return made.prompt.isEmpty() ? tr("Of another prompt") : tr("Of another prompt: %1").arg(made.prompt);
  if (made.plan && made.plan != in_force.plan)
    return made.plan->heads.empty() ? tr("Of the model without ablated heads")
                                    : tr("With other heads ablated: %1").arg(heads_named(made.plan->heads));
  if (made.attention && made.attention != in_force.attention)
    return made.attention->empty()
               ? tr("Under full attention")
               : tr("Under another attention plan: %1").arg(QString::fromStdString(*made.attention));
  if (made.answers && made.answers != in_force.answers) return tr("Of other answers than those that are typed");
  return {};
}

QString caveat(const Origin& made, const Origin& in_force) {
  QStringList said;
  if (!made.plan && in_force.plan && !in_force.plan->heads.empty())
    said.append(tr("Of the clean model: %1 not ablated here").arg(heads_named(in_force.plan->heads)));
  if (!made.attention && in_force.attention && !in_force.attention->empty())
    said.append(tr("Without the attention plan in force"));
  return said.join(QStringLiteral(" · "));
}

} // namespace headscope::gui
