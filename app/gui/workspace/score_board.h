// SPDX-License-Identifier: GPL-3.0-or-later
// Every layer x head score there is to colour heads by: detectors, ablation effects, sink mass, entropy.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include <QObject>

#include "app/gui/engine/values.h"
#include "app/gui/workspace/origin.h"

namespace headscope::gui {

struct HeadScores {
  std::string id;          // unique: "detector/induction", "ablation/ioi_zero", "live/entropy"
  std::string title;       // "Induction heads"
  std::string description; // what a value is, in one sentence
  std::string units = "1";
  int n_layers = 0, n_heads = 0;
  std::vector<float> values;       // [layer, head]; NaN: not measured
  std::optional<double> threshold; // heads at or above it count
  bool diverging = false;          // both signs mean something: coloured from 0 outwards
  std::string source;              // result file, or "live"
  std::string model_sha256;        // of the model that it is of; empty: the open one
  std::string command;             // that gives the same numbers; empty: none is known
  std::optional<Origin> origin;    // where they depend on what was in force; unset: they do not

  float at(HeadId head) const { return values[static_cast<std::size_t>(head.layer * n_heads + head.head)]; }
};

class ScoreBoard : public QObject {
  Q_OBJECT
public:
  using QObject::QObject;

  const std::vector<HeadScores>& all() const { return scores_; }
  const HeadScores* find(const std::string& id) const; // until the next change
  void put(HeadScores scores);                         // replaces the one of that id
  void remove_source(const std::string& source);
  void clear();

Q_SIGNALS:
  void changed();

private:
  std::vector<HeadScores> scores_;
};

} // namespace headscope::gui
