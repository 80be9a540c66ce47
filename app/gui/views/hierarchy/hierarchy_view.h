// SPDX-License-Identifier: GPL-3.0-or-later
// Attention between the words, sentences, paragraphs or sections of the prompt. A click opens a unit into its parts
// within the same map, so that a long text is read from coarse to fine.
#pragma once

#include <QComboBox>
#include <QLabel>
#include <QStackedWidget>
#include <QTimer>
#include <QToolButton>

#include "app/gui/maps/map_library.h"
#include "app/gui/maps/text_units.h"
#include "app/gui/views/map/map_grid.h"
#include "app/gui/views/view.h"

namespace headscope::gui {

class OriginMark;

class HierarchyView : public View {
  Q_OBJECT
public:
  // The most units for which a map stays readable and small in memory.
  static constexpr std::size_t most_units = 2000;

  HierarchyView(Workspace& workspace, QWidget* parent);

  std::optional<ViewExport> exported() const override;
  bool settled() const override;

  MapGrid& grid() { return *grid_; }
  const UnitList& units() const { return shown_; } // those of the map on the screen
  void show_level(UnitLevel level);
  void expand(std::size_t query_unit, std::size_t key_unit);
  void collapse(std::size_t unit);

protected:
  void showEvent(QShowEvent* event) override;
  void changeEvent(QEvent* event) override;
  void keyPressEvent(QKeyEvent* event) override;

private:
  void make_controls(QLayout* row);
  QToolButton* make_button(QLayout* row, const QString& text, const QString& name, const QString& help);
  void listen();
  void refresh_later();
  void new_text();
  void refresh();
  void ask(UnitList units); // for the map of these
  void take(const MapSource::MassPointer& mass);
  void show_message(const QString& text);
  void show_header();
  void show_pins();
  void click(std::size_t query_unit, std::size_t key_unit, Qt::KeyboardModifiers modifiers);
  void show_unit_menu(const MapCanvas::Cell& cell, const QPoint& place);
  void step(int by);                          // to the next unit or the one before
  std::optional<std::size_t> current() const; // the unit of the pinned query
  QString unit_text(const Unit& unit, std::size_t max_length) const;
  QString label(std::int64_t unit) const;
  MapCanvas::Labels labels() const;

  MapLibrary library_;
  QLabel *head_, *about_, *message_, *readout_;
  QComboBox *level_, *scale_;
  QToolButton* apart_ = nullptr;
  QStackedWidget* pages_;
  MapGrid* grid_;
  OriginMark* mark_ = nullptr;
  Origin asked_of_; // what the units that are on their way are made of
  QTimer later_;
  std::shared_ptr<MapSource> source_;
  UnitList wanted_, shown_;
  std::vector<QString> shown_labels_;
  std::optional<std::size_t> opened_; // where the eye is: the unit that was opened last
  bool text_is_new_ = true;
};

} // namespace headscope::gui
