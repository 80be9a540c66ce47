// SPDX-License-Identifier: GPL-3.0-or-later
// The options of one detector as fields.
#pragma once

#include <functional>
#include <map>
#include <string>

#include <QWidget>

#include "app/gui/engine/detector_job.h"

namespace headscope::gui {

class DetectorOptions : public QWidget {
  Q_OBJECT
public:
  explicit DetectorOptions(const DetectorInfo& info, QWidget* parent = nullptr);

  // The options that differ from their defaults, by name.
  std::map<std::string, std::string> changed() const;
  void reset();

private:
  struct Field {
    std::string name, standard;
    std::function<std::string()> text;
    std::function<void()> reset;
  };
  QWidget* make_field(const OptionSpec& spec);

  std::vector<Field> fields_;
};

} // namespace headscope::gui
