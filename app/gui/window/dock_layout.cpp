// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/gui/window/dock_layout.h"

#include <algorithm>
#include <utility>

#include <QScrollArea>
#include <QScrollBar>
#include <QTabBar>

namespace headscope::gui {
namespace {

constexpr int most_columns = 3;

} // namespace

void DockLayout::add(View* view) {
  auto* dock = new QDockWidget(view->title(), &window_);
  dock->setObjectName(QStringLiteral("dock-") + view->id());
  // On a small screen a view that needs more room scrolls, so that it does not make the window larger than the screen.
  auto* scroll = new QScrollArea;
  scroll->setFrameShape(QFrame::NoFrame);
  scroll->setWidgetResizable(true);
  scroll->setFocusPolicy(Qt::NoFocus);
  scroll->setWidget(view);
  dock->setWidget(scroll);
  connect(dock, &QDockWidget::visibilityChanged, view, [view](bool in_front) { view->set_covered(!in_front); });
  docks_[view->id()] = dock;
  views_[view->id()] = view;
  view->installEventFilter(this);
  if (!titles_.isSingleShot()) {
    titles_.setSingleShot(true);
    connect(&titles_, &QTimer::timeout, this, &DockLayout::update_titles);
    room_.setSingleShot(true);
    connect(&room_, &QTimer::timeout, this, &DockLayout::make_room);
  }
  const auto later = [this] { titles_.start(0); };
  connect(dock, &QDockWidget::visibilityChanged, this, later);
  connect(dock, &QDockWidget::topLevelChanged, this, later);
  connect(dock, &QDockWidget::dockLocationChanged, this, later);
}

bool DockLayout::eventFilter(QObject* object, QEvent* event) {
  if (event->type() == QEvent::LayoutRequest) room_.start(0);
  return QObject::eventFilter(object, event);
}

QDockWidget* DockLayout::dock(const QString& id) const {
  const auto found = docks_.find(id);
  return found == docks_.end() ? nullptr : found->second;
}

QDockWidget* DockLayout::at_tab(const QPoint& place) const {
  const auto* bar = qobject_cast<const QTabBar*>(window_.childAt(place));
  const int tab = bar ? bar->tabAt(bar->mapFrom(&window_, place)) : -1;
  if (tab < 0) return nullptr;
  for (const auto& [id, dock] : docks_)
    if (dock->windowTitle() == bar->tabText(tab)) return dock;
  return nullptr;
}

bool DockLayout::all_hidden() const {
  return std::all_of(docks_.begin(), docks_.end(), [](const auto& each) { return each.second->isHidden(); });
}

// The views of each column, from left to right; with fewer columns those on the right become tabs of the one before.
std::vector<DockLayout::Column> DockLayout::columns(int count) {
  std::vector<Column> all(static_cast<std::size_t>(count));
  for (const ViewKind& kind : all_views())
    all[static_cast<std::size_t>(std::min(static_cast<int>(kind.place), count - 1))].push_back(kind.id);
  return all;
}

// What the widest view of the column needs, and the bar of a view that is scrolled down.
int DockLayout::needed(const Column& column) const {
  int widest = 0;
  for (const QString& id : column)
    widest = std::max(widest, views_.at(id)->minimumSizeHint().width());
  return widest + window_.style()->pixelMetric(QStyle::PM_ScrollBarExtent, nullptr, &window_);
}

int DockLayout::fitting_columns() const {
  const int separator = window_.style()->pixelMetric(QStyle::PM_DockWidgetSeparatorExtent, nullptr, &window_);
  for (int count = most_columns; count > 1; --count) {
    int all = (count - 1) * separator;
    for (const Column& column : columns(count))
      all += needed(column);
    if (all <= window_.width()) return count;
  }
  return 1;
}

int DockLayout::present_columns() const {
  std::set<std::set<QString>> groups;
  for (const auto& [id, dock] : docks_) {
    if (dock->isHidden() || dock->isFloating()) return 0;
    std::set<QString> group = {id};
    for (const QDockWidget* other : window_.tabifiedDockWidgets(dock))
      group.insert(other->objectName().mid(static_cast<int>(qstrlen("dock-"))));
    groups.insert(group);
  }
  for (int count = 1; count <= most_columns; ++count) {
    std::set<std::set<QString>> wanted;
    for (const Column& column : columns(count))
      wanted.insert(std::set<QString>(column.begin(), column.end()));
    if (wanted == groups) return count;
  }
  return 0;
}

void DockLayout::reset() { arrange(columns(fitting_columns())); }

void DockLayout::fit() {
  const int present = present_columns(), fitting = fitting_columns();
  if (present == 0 || present == fitting) return;
  std::vector<QDockWidget*> in_front;
  for (const ViewKind& kind : all_views())
    if (views_[kind.id]->watched()) in_front.push_back(docks_[kind.id]);
  arrange(columns(fitting));
  for (auto dock = in_front.rbegin(); dock != in_front.rend(); ++dock)
    (*dock)->raise();
}

// A view may need more room than when the columns were made, e.g. for a longer name. Columns that can give it do so;
// only where none can there will be one column less.
void DockLayout::make_room() {
  const int present = present_columns();
  if (present == 0) return;
  if (fitting_columns() < present) return fit();
  for (const Column& column : columns(present))
    for (const QString& id : column)
      if (views_[id]->watched() && docks_[id]->width() < views_[id]->minimumSizeHint().width())
        return share_width(columns(present));
}

void DockLayout::arrange(const std::vector<Column>& columns) {
  for (const auto& [id, dock] : docks_) {
    dock->setFloating(false);
    window_.removeDockWidget(dock);
  }
  // Docks the first view of each column side by side, then the others as their tabs: a dock added beside tabs would
  // become one of them.
  for (std::size_t i = 0; i < columns.size(); ++i) {
    QDockWidget* dock = docks_[columns[i].front()];
    if (i < 2)
      window_.addDockWidget(i == 0 ? Qt::LeftDockWidgetArea : Qt::RightDockWidgetArea, dock);
    else
      window_.splitDockWidget(docks_[columns[i - 1].front()], dock, Qt::Horizontal);
    dock->show();
  }
  for (const Column& column : columns) {
    for (std::size_t i = 1; i < column.size(); ++i) {
      window_.tabifyDockWidget(docks_[column[i - 1]], docks_[column[i]]);
      docks_[column[i]]->show();
    }
    docks_[column.front()]->raise();
  }
  share_width(columns);
}

// Each column gets what its widest view needs, and the columns share what is left: the middle twice as much.
void DockLayout::share_width(const std::vector<Column>& columns) {
  QList<QDockWidget*> docks;
  QList<int> widths;
  int left = window_.width();
  for (const Column& column : columns) {
    docks.append(docks_[column.front()]);
    widths.append(needed(column));
    left -= widths.back();
  }
  const int parts = static_cast<int>(columns.size()) + 1;
  for (qsizetype i = 0; i < widths.size(); ++i)
    widths[i] += std::max(0, left) * (i == 1 ? 2 : 1) / parts;
  window_.resizeDocks(docks, widths, Qt::Horizontal);
}

// The tab of a dock has its name already. What the title's buttons do is in the tab's menu.
void DockLayout::update_titles() {
  for (const auto& [id, dock] : docks_) {
    const auto others = window_.tabifiedDockWidgets(dock);
    const bool on_tab = !dock->isFloating() && std::any_of(others.begin(), others.end(), [](const QDockWidget* other) {
      return !other->isHidden() && !other->isFloating();
    });
    if (on_tab == (dock->titleBarWidget() != nullptr)) continue;
    QWidget* before = dock->titleBarWidget();
    dock->setTitleBarWidget(on_tab ? new QWidget : nullptr);
    delete before;
  }
}

} // namespace headscope::gui
