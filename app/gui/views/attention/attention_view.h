// SPDX-License-Identifier: GPL-3.0-or-later
// The attention view: what tokens of the prompt attend to, as the map of a head, maps of several side by side, their
// mean, or arcs.
#pragma once

#include <QComboBox>
#include <QLabel>
#include <QStackedWidget>
#include <QTimer>
#include <QToolButton>

#include "app/gui/maps/map_library.h"
#include "app/gui/views/map/map_grid.h"
#include "app/gui/views/view.h"

namespace headscope::gui {

class ArcsCanvas;
class ExplainedHead;
class OriginMark;
class TraceStrip;

class AttentionView : public View {
  Q_OBJECT
public:
  enum class Heads { one, beside, mean };

  AttentionView(Workspace& workspace, QWidget* parent);

  std::optional<ViewExport> exported() const override;
  bool settled() const override;

  MapGrid& grid() { return *grid_; }
  void set_heads_shown(Heads heads);
  void set_arcs(bool arcs);
  void set_of(MapLibrary::Of of);
  MapLibrary::Of of() const;
  // What the mechanism of the selected head chose, over or beside its map; by its title, empty: nothing.
  void set_overlay(const QString& title);
  QStringList overlays() const; // that there are
  const TraceStrip& trace() const { return *trace_; }

protected:
  void showEvent(QShowEvent* event) override;
  void changeEvent(QEvent* event) override;

private:
  void make_controls(QLayout* row);
  QToolButton* make_button(QLayout* row, const QString& text, const QString& name, const QString& help);
  void listen();
  void refresh_later();
  void refresh();
  void show_maps(const std::vector<MapGrid::Item>& items);
  void show_message(const QString& text);
  void show_page();
  void show_header();
  void show_overlays();
  void show_overlay();
  std::shared_ptr<const mechanisms::Explanation> overlay() const; // null: none
  void show_readout();
  void show_pins();
  void show_choice_of_model();
  void show_cell_menu(std::size_t item, const MapCanvas::Cell& cell, const QPoint& place);
  QString map_command(const std::vector<HeadId>& heads) const; // that stores these maps; empty: none does
  HeadId head_of_item(std::size_t item) const;
  void pin(std::optional<int> query, std::optional<int> key);
  std::vector<HeadId> shown_heads() const; // of the selection
  QString heads_title() const;
  QString prompt_line() const;
  MapCanvas::Labels labels() const;
  QString label(std::int64_t token) const;

  MapLibrary library_;
  QLabel *head_, *about_, *message_, *readout_;
  QComboBox *heads_, *scale_, *pooling_;
  QComboBox* of_; // which model the maps are of; hidden while there is no choice
  OriginMark* mark_ = nullptr;
  QToolButton* arcs_button_ = nullptr;
  QStackedWidget *pages_, *pictures_;
  MapGrid* grid_;
  ExplainedHead* explained_;
  QComboBox* overlay_; // hidden while no mechanism computes the head
  TraceStrip* trace_;
  QString wanted_overlay_; // stays while other heads are looked at
  ArcsCanvas* arcs_;
  QTimer later_;
  QString message_text_; // empty: there are maps
};

} // namespace headscope::gui
