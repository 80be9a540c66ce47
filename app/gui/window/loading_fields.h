// SPDX-License-Identifier: GPL-3.0-or-later
// Two lists: the device that a model is opened on, and the type of the numbers it computes in.
#pragma once

#include <QComboBox>
#include <QWidget>

namespace headscope::gui {

class LoadingFields : public QWidget {
  Q_OBJECT
public:
  explicit LoadingFields(QWidget* parent = nullptr);

  void set(const QString& dtype, const QString& device); // what this machine does not have is left as it was
  QString dtype() const { return dtype_->currentText(); }
  QString device() const { return device_->currentText(); }

Q_SIGNALS:
  void changed(); // by the user

private:
  QComboBox *device_, *dtype_;
};

} // namespace headscope::gui
