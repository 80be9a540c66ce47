// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/gui/views/answers/answer_fields.h"

#include <QLineEdit>

#include "app/gui/workspace/answer_state.h"

namespace headscope::gui {

void share_answers(AnswerState& answers, QLineEdit& answer, QLineEdit& wrong) {
  const auto show = [&answers, &answer, &wrong] {
    for (const auto& [edit, text] :
         {std::pair(&answer, &answers.pair().answer), std::pair(&wrong, &answers.pair().wrong)})
      if (edit->text().toStdString() != *text)
        edit->setText(QString::fromStdString(*text)); // else the cursor would jump
  };
  for (QLineEdit* edit : {&answer, &wrong})
    QObject::connect(edit, &QLineEdit::textEdited, &answers, [&answers, &answer, &wrong] {
      answers.set({answer.text().toStdString(), wrong.text().toStdString()});
    });
  QObject::connect(&answers, &AnswerState::changed, &answer, show);
  show();
}

} // namespace headscope::gui
