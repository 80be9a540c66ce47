// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/gui/views/hierarchy/hierarchy_view.h"

#include <algorithm>

#include <QHBoxLayout>
#include <QKeyEvent>
#include <QVBoxLayout>

#include "app/gui/maps/matrix_map.h"
#include "app/gui/style/elided_label.h"
#include "app/gui/style/keys.h"
#include "app/gui/style/theme.h"
#include "app/gui/views/map/map_figure.h"
#include "app/gui/views/menus/head_menu.h"
#include "app/gui/views/origin/origin_mark.h"
#include "app/gui/views/view_list.h"

namespace headscope::gui {
namespace {

// A text first shows its largest units of which there are at least this many.
constexpr std::size_t first_units = 4;
constexpr std::size_t label_length = 28;
constexpr double button_zoom = 1.5;

constexpr UnitLevel levels[] = {UnitLevel::section, UnitLevel::paragraph, UnitLevel::sentence, UnitLevel::word,
                                UnitLevel::token};

QString level_name(UnitLevel level) {
  switch (level) {
  case UnitLevel::section: return HierarchyView::tr("Sections");
  case UnitLevel::paragraph: return HierarchyView::tr("Paragraphs");
  case UnitLevel::sentence: return HierarchyView::tr("Sentences");
  case UnitLevel::word: return HierarchyView::tr("Words");
  case UnitLevel::token: return HierarchyView::tr("Tokens");
  }
  return {};
}

} // namespace

HierarchyView::HierarchyView(Workspace& workspace, QWidget* parent)
    : View(workspace, QStringLiteral("hierarchy"), tr("Hierarchy"), parent), library_(workspace), head_(new QLabel),
      about_(new ElidedLabel), message_(new QLabel), readout_(new ElidedLabel), level_(new QComboBox),
      scale_(new QComboBox), pages_(new QStackedWidget), grid_(new MapGrid(tr("attention of a query to the unit"))) {
  set_keys(*this,
           tr("Page Up and Page Down go from unit to unit, Enter opens one into its parts, Backspace closes them"));
  auto* column = new QVBoxLayout(this);
  auto* header = new QHBoxLayout;
  header->addWidget(head_);
  header->addWidget(about_, 1);
  column->addLayout(header);
  auto* controls = new QHBoxLayout;
  make_controls(controls);
  column->addLayout(controls);
  column->addWidget(pages_, 1);
  column->addWidget(readout_);
  QFont bold = head_->font();
  bold.setBold(true);
  head_->setFont(bold);
  message_->setAlignment(Qt::AlignCenter);
  message_->setWordWrap(true);
  message_->setForegroundRole(QPalette::PlaceholderText);
  pages_->addWidget(message_);
  pages_->addWidget(grid_);
  mark_ = new OriginMark(workspace, grid_);
  grid_->set_pooling(Pooling::max);
  later_.setSingleShot(true);
  listen();
  show_message(tr("Open a model and type a prompt, or open a result file."));
}

QToolButton* HierarchyView::make_button(QLayout* row, const QString& text, const QString& name, const QString& help) {
  auto* button = new QToolButton;
  button->setText(text);
  button->setAccessibleName(name);
  button->setToolTip(help);
  row->addWidget(button);
  return button;
}

void HierarchyView::make_controls(QLayout* row) {
  for (const UnitLevel level : levels)
    level_->addItem(level_name(level));
  level_->setAccessibleName(tr("Units"));
  level_->setToolTip(tr("What the text is divided into; opened and closed units are put back"));
  scale_->addItems({tr("Linear"), tr("Logarithmic")});
  scale_->setAccessibleName(tr("Colour scale"));
  row->addWidget(level_);
  row->addWidget(scale_);
  apart_ = make_button(row, tr("First token apart"), tr("First token apart"),
                       tr("Give the first token a unit of its own: it draws attention for where it stands, whatever "
                          "it says"));
  apart_->setCheckable(true);
  apart_->setChecked(true);
  QToolButton* open = make_button(row, tr("Expand"), tr("Expand the unit"),
                                  tr("Open the pinned unit into what it is made of (Return; or click a unit)"));
  QToolButton* close = make_button(row, tr("Collapse"), tr("Collapse the unit"),
                                   tr("Close what the pinned unit is a part of (Backspace; or Shift and click)"));
  static_cast<QHBoxLayout*>(row)->addStretch(1);
  QToolButton* out = make_button(row, QStringLiteral("−"), tr("Zoom out"), tr("Zoom out (−)"));
  QToolButton* in = make_button(row, QStringLiteral("+"), tr("Zoom in"), tr("Zoom in (+)"));
  QToolButton* fit = make_button(row, tr("Fit"), tr("Fit the whole map"), tr("The whole map (0)"));
  connect(open, &QToolButton::clicked, this, [this] {
    if (const auto unit = current()) expand(*unit, *unit);
  });
  connect(close, &QToolButton::clicked, this, [this] {
    if (const auto unit = current()) collapse(*unit);
  });
  connect(out, &QToolButton::clicked, grid_, [this] { grid_->zoom(1.0 / button_zoom); });
  connect(in, &QToolButton::clicked, grid_, [this] { grid_->zoom(button_zoom); });
  connect(fit, &QToolButton::clicked, grid_, &MapGrid::fit);
}

void HierarchyView::listen() {
  connect(&later_, &QTimer::timeout, this, &HierarchyView::refresh);
  connect(&library_, &MapLibrary::changed, this, [this] {
    text_is_new_ = true;
    refresh_later();
  });
  connect(&workspace().selection(), &Selection::heads_changed, this, &HierarchyView::refresh_later);
  connect(&workspace().selection(), &Selection::tokens_changed, this, &HierarchyView::show_pins);
  connect(level_, &QComboBox::activated, this, [this](int index) { show_level(levels[index]); });
  connect(scale_, &QComboBox::currentIndexChanged, this, [this](int index) { grid_->set_log(index == 1); });
  connect(apart_, &QToolButton::toggled, this, [this] {
    text_is_new_ = true;
    refresh_later();
  });
  connect(grid_, &MapGrid::hover_changed, this, &HierarchyView::show_header);
  connect(grid_, &MapGrid::pin_cleared, this,
          [this] { workspace().selection().set_tokens(std::nullopt, std::nullopt); });
  connect(grid_, &MapGrid::cell_clicked, this, [this](const MapCanvas::Cell& cell, Qt::KeyboardModifiers modifiers) {
    click(static_cast<std::size_t>(cell.query), static_cast<std::size_t>(cell.key), modifiers);
  });
  connect(grid_, &MapGrid::menu_wanted, this,
          [this](std::size_t, const MapCanvas::Cell& cell, const QPoint& place) { show_unit_menu(cell, place); });
  connect(grid_, &MapGrid::label_clicked, this, [this](Qt::Orientation, qint64 index, Qt::KeyboardModifiers modifiers) {
    click(static_cast<std::size_t>(index), static_cast<std::size_t>(index), modifiers);
  });
}

// Of a pair of units.
void HierarchyView::show_unit_menu(const MapCanvas::Cell& cell, const QPoint& place) {
  const auto query = static_cast<std::size_t>(cell.query), key = static_cast<std::size_t>(cell.key);
  auto* menu = new QMenu(this);
  menu->addSection(tr("Query unit %1, key unit %2").arg(query).arg(key));
  menu->addAction(tr("Expand both"), this, [this, query, key] { expand(query, key); });
  menu->addAction(tr("Collapse the key unit"), this, [this, key] { collapse(key); });
  menu->addAction(tr("Collapse the query unit"), this, [this, query] { collapse(query); });
  if (const auto head = workspace().selection().head()) add_head_actions(*menu, workspace(), *head);
  show_menu(menu, place);
}

void HierarchyView::showEvent(QShowEvent*) { refresh_later(); }

void HierarchyView::changeEvent(QEvent* event) {
  View::changeEvent(event);
  if (event->type() != QEvent::FontChange) return;
  QFont bold = font();
  bold.setBold(true);
  head_->setFont(bold);
}

void HierarchyView::refresh_later() {
  if (watched()) later_.start(0);
}

// ---- Which units

void HierarchyView::new_text() {
  text_is_new_ = false;
  opened_.reset();
  wanted_ = UnitList(unit_begins(workspace().prompt().tokens(), apart_->isChecked()));
  for (const UnitLevel level : levels) {
    if (wanted_.count(level) > most_units) break;
    wanted_.show(level);
    level_->setCurrentIndex(static_cast<int>(std::find(std::begin(levels), std::end(levels), level) - levels));
    if (wanted_.count(level) >= first_units) break;
  }
}

void HierarchyView::show_level(UnitLevel level) {
  if (wanted_.count(level) > most_units) {
    show_message(tr("The prompt has %1 %2; a map shows at most %3 units. Choose larger units, then click those that "
                    "you want to read more closely.")
                     .arg(wanted_.count(level))
                     .arg(level_name(level).toLower())
                     .arg(most_units));
    return;
  }
  level_->setCurrentIndex(static_cast<int>(std::find(std::begin(levels), std::end(levels), level) - levels));
  opened_.reset();
  UnitList units = wanted_;
  units.show(level);
  ask(std::move(units));
}

void HierarchyView::expand(std::size_t query_unit, std::size_t key_unit) {
  UnitList units = shown_;
  const std::int64_t query_token = shown_.units()[query_unit].begin;
  bool changed = units.expand(std::max(query_unit, key_unit));
  if (query_unit != key_unit) changed = units.expand(std::min(query_unit, key_unit)) || changed;
  if (!changed || units.units().size() > most_units) return;
  opened_ = units.index_of(query_token);
  ask(std::move(units));
}

void HierarchyView::collapse(std::size_t unit) {
  UnitList units = shown_;
  const std::int64_t token = shown_.units()[unit].begin;
  if (!units.collapse(unit)) return;
  opened_ = units.index_of(token);
  ask(std::move(units));
}

void HierarchyView::click(std::size_t query_unit, std::size_t key_unit, Qt::KeyboardModifiers modifiers) {
  if (modifiers & Qt::ShiftModifier) return collapse(query_unit);
  const Unit query = shown_.units()[query_unit], key = shown_.units()[key_unit];
  workspace().selection().set_tokens(static_cast<int>(query.begin), static_cast<int>(key.begin));
  expand(query_unit, key_unit);
}

std::optional<std::size_t> HierarchyView::current() const {
  const std::optional<int> query = workspace().selection().query();
  if (!query || shown_.units().empty() || *query >= shown_.units().back().end) return std::nullopt;
  return shown_.index_of(*query);
}

void HierarchyView::step(int by) {
  if (shown_.units().empty()) return;
  const auto last = static_cast<int>(shown_.units().size()) - 1;
  const auto unit = current();
  const int next = unit ? std::clamp(static_cast<int>(*unit) + by, 0, last) : 0;
  workspace().selection().set_tokens(static_cast<int>(shown_.units()[static_cast<std::size_t>(next)].begin),
                                     workspace().selection().key());
}

void HierarchyView::keyPressEvent(QKeyEvent* event) {
  const auto unit = current();
  switch (event->key()) {
  case Qt::Key_PageDown: return step(1);
  case Qt::Key_PageUp: return step(-1);
  case Qt::Key_Return:
  case Qt::Key_Enter:
    if (unit) return expand(*unit, *unit);
    break;
  case Qt::Key_Backspace:
    if (unit) return collapse(*unit);
    break;
  default: break;
  }
  View::keyPressEvent(event);
}

// ---- Their map

void HierarchyView::refresh() {
  if (!watched()) return;
  const auto head = workspace().selection().head();
  const MapLibrary::Choice choice = library_.map_of(head ? std::vector{*head} : std::vector<HeadId>{});
  if (source_) disconnect(source_.get(), nullptr, this, nullptr);
  source_ = choice.map;
  if (!source_) {
    shown_ = {};
    mark_->set_origin(std::nullopt);
    grid_->set_items({});
    return show_message(choice.why_not);
  }
  connect(source_.get(), &MapSource::units_ready, this, &HierarchyView::take);
  connect(source_.get(), &MapSource::failed, this, [this](const Error& error) {
    if (error.code != ErrorCode::cancelled) show_message(QString::fromStdString(error.to_string()));
  });
  if (text_is_new_) new_text();
  ask(wanted_);
}

void HierarchyView::ask(UnitList units) {
  wanted_ = std::move(units);
  asked_of_ = library_.origin();
  if (source_) source_->request_units(wanted_.begins());
}

void HierarchyView::take(const MapSource::MassPointer& mass) {
  if (mass->begins != wanted_.begins()) return; // of an older question
  const MapCamera::Viewport before =
      grid_->canvases().empty() ? MapCamera::Viewport{} : grid_->canvases().front()->camera().place();
  const bool other_units = shown_.begins() != mass->begins;
  shown_ = wanted_;
  mark_->set_origin(asked_of_);
  shown_labels_.clear();
  for (std::size_t i = 0; i < shown_.units().size(); ++i) {
    const bool opens = shown_.children(i).size() > 1;
    shown_labels_.push_back((opens ? QStringLiteral("▸ ") : QString()) + unit_text(shown_.units()[i], label_length));
  }
  grid_->set_labels(labels());
  grid_->set_items({{tr("units"), std::make_shared<MatrixMap>(mass)}});
  // A zoomed-in map keeps its zoom, with the opened unit in the middle.
  if (!before.fitted) {
    MapCamera::Viewport place = before;
    if (other_units && opened_) place.center = QPointF(place.center.x(), static_cast<double>(*opened_) + 0.5);
    grid_->canvases().front()->set_place(place);
  }
  show_message({});
  show_pins();
}

void HierarchyView::show_message(const QString& text) {
  message_->setText(text);
  pages_->setCurrentIndex(text.isEmpty() ? 1 : 0);
  show_header();
}

QString HierarchyView::unit_text(const Unit& unit, std::size_t max_length) const {
  const auto& tokens = workspace().prompt().tokens();
  if (unit.end > static_cast<std::int64_t>(tokens.size())) return {};
  if (unit.level == UnitLevel::token) return token_text(tokens[static_cast<std::size_t>(unit.begin)].text, max_length);
  std::string text;
  for (std::int64_t i = unit.begin; i < unit.end && text.size() < 8 * max_length; ++i)
    text += tokens[static_cast<std::size_t>(i)].text;
  QString line = QString::fromStdString(text).simplified();
  const auto most = static_cast<qsizetype>(max_length);
  if (line.size() <= most) return line;
  qsizetype end = most - 1;
  if (line[end - 1].isHighSurrogate()) --end;
  return line.left(end).trimmed() + QStringLiteral("…");
}

QString HierarchyView::label(std::int64_t unit) const {
  const auto at = static_cast<std::size_t>(unit);
  return at < shown_labels_.size() ? shown_labels_[at] : QString();
}

MapCanvas::Labels HierarchyView::labels() const {
  MapCanvas::Labels labels;
  labels.query = labels.key = [this](std::int64_t i) { return label(i); };
  labels.query_axis = tr("query unit ↓");
  labels.key_axis = tr("key unit →");
  labels.numbered = false;
  return labels;
}

void HierarchyView::show_header() {
  const auto head = workspace().selection().head();
  head_->setText(head ? tr("Head %1").arg(QString::fromStdString(head_name(*head))) : tr("No head"));
  const std::size_t n = workspace().prompt().tokens().size();
  QStringList parts;
  if (workspace().live()) parts.append(QString::fromStdString(workspace().model()->name));
  if (n > 0) parts.append(tr("%n tokens", nullptr, static_cast<int>(n)));
  if (!shown_.units().empty()) parts.append(tr("%n units", nullptr, static_cast<int>(shown_.units().size())));
  about_->setText(parts.join(QStringLiteral(" · ")));
  const MapCanvas* canvas = grid_->hovered();
  const auto cell = canvas ? canvas->hovered() : std::nullopt;
  if (!cell || static_cast<std::size_t>(cell->query) >= shown_.units().size())
    return readout_->setText(tr("Click a unit to open it, Shift and click to close it again."));
  readout_->setText(unit_text(shown_.units()[static_cast<std::size_t>(cell->query)], 300));
}

void HierarchyView::show_pins() {
  const auto unit_of = [&](std::optional<int> token) -> std::optional<std::int64_t> {
    if (!token || shown_.units().empty() || *token >= shown_.units().back().end) return std::nullopt;
    return static_cast<std::int64_t>(shown_.index_of(*token));
  };
  grid_->set_pinned(unit_of(workspace().selection().query()), unit_of(workspace().selection().key()));
  show_header();
}

bool HierarchyView::settled() const {
  return !later_.isActive() && (!source_ || source_->settled()) && grid_->settled();
}

std::optional<ViewExport> HierarchyView::exported() const {
  const auto canvases = grid_->canvases();
  const auto head = workspace().selection().head();
  if (canvases.empty() || !head || pages_->currentIndex() == 0) return std::nullopt;
  std::vector<std::string> texts;
  for (const Unit& unit : shown_.units())
    texts.push_back(unit_text(unit, label_length).toStdString());
  figures::HeatmapFigure figure = map_figure(*canvases.front()->map(), Pooling::max, grid_->scale(), texts);
  figure.title = "Attention of head " + head_name(*head) + " between parts of the text";
  figure.subtitle = about_->text().toStdString() + ", what a query of the row gives to all keys of the column";
  figure.x_axis = "key unit";
  figure.y_axis = "query unit";
  figure.scale.label = "attention of a query to the unit";
  const QString name = QStringLiteral("hierarchy-") + QString::fromStdString(head_name(*head));
  return ViewExport{name, std::move(figure), std::nullopt};
}

View* make_hierarchy_view(Workspace& workspace, QWidget* parent) { return new HierarchyView(workspace, parent); }

} // namespace headscope::gui
