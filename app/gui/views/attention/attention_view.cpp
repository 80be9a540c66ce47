// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/gui/views/attention/attention_view.h"

#include <algorithm>

#include <QClipboard>
#include <QGuiApplication>
#include <QHBoxLayout>
#include <QScrollArea>
#include <QVBoxLayout>

#include "app/gui/forms/method_form.h"
#include "app/gui/models/prompt_values.h"
#include "app/gui/style/elided_label.h"
#include "app/gui/style/theme.h"
#include "app/gui/views/attention/arcs_canvas.h"
#include "app/gui/views/attention/explained_head.h"
#include "app/gui/views/map/map_figure.h"
#include "app/gui/views/map/trace_strip.h"
#include "app/gui/views/menus/head_menu.h"
#include "app/gui/views/origin/origin_mark.h"
#include "app/gui/views/view_list.h"

namespace headscope::gui {
namespace {

constexpr std::size_t most_beside = 16; // small maps on one page
constexpr double button_zoom = 1.5;

std::optional<std::int64_t> wide(std::optional<int> token) {
  return token ? std::optional<std::int64_t>(*token) : std::nullopt;
}

} // namespace

AttentionView::AttentionView(Workspace& workspace, QWidget* parent)
    : View(workspace, QStringLiteral("attention"), tr("Attention"), parent), library_(workspace), head_(new QLabel),
      about_(new ElidedLabel), message_(new QLabel), readout_(new ElidedLabel), heads_(new QComboBox),
      scale_(new QComboBox), pooling_(new QComboBox), of_(new QComboBox), pages_(new QStackedWidget),
      pictures_(new QStackedWidget), grid_(new MapGrid(tr("attention weight"))),
      explained_(new ExplainedHead(workspace, this)), overlay_(new QComboBox), trace_(new TraceStrip),
      arcs_(new ArcsCanvas) {
  auto* column = new QVBoxLayout(this);
  auto* header = new QHBoxLayout;
  header->addWidget(head_);
  header->addWidget(about_, 1);
  column->addLayout(header);
  auto* controls = new QHBoxLayout;
  make_controls(controls);
  column->addLayout(controls);
  column->addWidget(pages_, 1);
  column->addWidget(trace_);
  trace_->hide();
  column->addWidget(readout_);
  QFont bold = head_->font();
  bold.setBold(true);
  head_->setFont(bold);
  message_->setAlignment(Qt::AlignCenter);
  message_->setWordWrap(true);
  message_->setForegroundRole(QPalette::PlaceholderText);
  auto* scroll = new QScrollArea;
  scroll->setWidget(arcs_);
  scroll->setWidgetResizable(true);
  scroll->setFrameShape(QFrame::NoFrame);
  scroll->setAccessibleName(tr("Arcs between tokens"));
  pictures_->addWidget(grid_);
  pictures_->addWidget(scroll);
  pages_->addWidget(message_);
  pages_->addWidget(pictures_);
  mark_ = new OriginMark(workspace, pictures_);
  later_.setSingleShot(true);
  listen();
  show_choice_of_model();
  show_message(tr("Open a model and type a prompt, or open a result file."));
}

QToolButton* AttentionView::make_button(QLayout* row, const QString& text, const QString& name, const QString& help) {
  auto* button = new QToolButton;
  button->setText(text);
  button->setAccessibleName(name);
  button->setToolTip(help);
  row->addWidget(button);
  return button;
}

void AttentionView::make_controls(QLayout* row) {
  const auto combo = [&](QComboBox* box, const QStringList& texts, const QString& name, const QString& help) {
    box->addItems(texts);
    box->setAccessibleName(name);
    box->setToolTip(help);
    row->addWidget(box);
  };
  combo(heads_, {tr("One head"), tr("Side by side"), tr("Mean")}, tr("Heads shown"),
        tr("When several heads are selected: the last one, each, or their mean"));
  combo(scale_, {tr("Linear"), tr("Logarithmic")}, tr("Colour scale"), tr("How weights become colours"));
  combo(pooling_, {tr("Largest"), tr("Mean")}, tr("Pooling"),
        tr("What a pixel shows that stands for several weights: the largest of them, or their mean"));
  heads_->setItemText(2, tr("Mean of heads"));
  heads_->setCurrentIndex(static_cast<int>(Heads::beside));
  combo(
      of_, {}, tr("Model of the maps"),
      tr("As the model is now; without ablation; what the ablation changes (ablated − clean); under full attention; or "
         "what the attention plan changes (plan − full)"));
  combo(overlay_, {}, tr("Overlay"),
        tr("What the mechanism of the selected head chose on this prompt, over its map or below it"));
  overlay_->setSizeAdjustPolicy(QComboBox::AdjustToMinimumContentsLengthWithIcon);
  overlay_->setMinimumContentsLength(8);
  overlay_->hide();
  arcs_button_ = make_button(row, tr("Arcs"), tr("Show arcs"), tr("Arcs between tokens, for short prompts"));
  arcs_button_->setCheckable(true);
  static_cast<QHBoxLayout*>(row)->addStretch(1);
  QToolButton* out = make_button(row, QStringLiteral("−"), tr("Zoom out"), tr("Zoom out (−)"));
  QToolButton* in = make_button(row, QStringLiteral("+"), tr("Zoom in"), tr("Zoom in (+)"));
  QToolButton* fit = make_button(row, tr("Fit"), tr("Fit the whole map"), tr("The whole map (0)"));
  connect(out, &QToolButton::clicked, grid_, [this] { grid_->zoom(1.0 / button_zoom); });
  connect(in, &QToolButton::clicked, grid_, [this] { grid_->zoom(button_zoom); });
  connect(fit, &QToolButton::clicked, grid_, &MapGrid::fit);
}

void AttentionView::listen() {
  connect(&later_, &QTimer::timeout, this, &AttentionView::refresh);
  connect(&library_, &MapLibrary::changed, this, &AttentionView::refresh_later);
  connect(&workspace().selection(), &Selection::heads_changed, this, &AttentionView::refresh_later);
  connect(&workspace().selection(), &Selection::tokens_changed, this, &AttentionView::show_pins);
  connect(heads_, &QComboBox::currentIndexChanged, this, &AttentionView::refresh_later);
  connect(scale_, &QComboBox::currentIndexChanged, this, [this](int index) { grid_->set_log(index == 1); });
  connect(pooling_, &QComboBox::currentIndexChanged, this,
          [this](int index) { grid_->set_pooling(index == 1 ? Pooling::mean : Pooling::max); });
  connect(of_, &QComboBox::currentIndexChanged, this, [this] { library_.set_of(of()); });
  connect(&workspace(), &Workspace::in_force_changed, this, &AttentionView::show_choice_of_model);
  connect(explained_, &ExplainedHead::changed, this, &AttentionView::show_overlays);
  connect(overlay_, &QComboBox::currentIndexChanged, this, &AttentionView::show_overlay);
  connect(overlay_, &QComboBox::activated, this, [this] { wanted_overlay_ = overlay_->currentData().toString(); });
  connect(arcs_button_, &QToolButton::toggled, this, &AttentionView::refresh_later);
  connect(grid_, &MapGrid::scale_changed, this, [this] { arcs_->set_scale(grid_->scale()); });
  connect(grid_, &MapGrid::hover_changed, this, &AttentionView::show_readout);
  connect(grid_, &MapGrid::pin_cleared, this, [this] { pin(std::nullopt, std::nullopt); });
  connect(grid_, &MapGrid::cell_clicked, this, [this](const MapCanvas::Cell& cell) {
    const auto query = static_cast<int>(cell.query), key = static_cast<int>(cell.key);
    const Selection& selection = workspace().selection();
    if (selection.query() == query && selection.key() == key) return pin(std::nullopt, std::nullopt);
    pin(query, key);
  });
  connect(grid_, &MapGrid::label_clicked, this, [this](Qt::Orientation axis, qint64 index) {
    const Selection& selection = workspace().selection();
    std::optional<int> query = selection.query(), key = selection.key();
    std::optional<int>& token = axis == Qt::Vertical ? query : key;
    token = token == static_cast<int>(index) ? std::nullopt : std::optional(static_cast<int>(index));
    pin(query, key);
  });
  connect(grid_, &MapGrid::menu_wanted, this, &AttentionView::show_cell_menu);
  connect(arcs_, &ArcsCanvas::token_clicked, this, [this](qint64 token) {
    const bool same = workspace().selection().query() == static_cast<int>(token);
    pin(same ? std::nullopt : std::optional(static_cast<int>(token)), workspace().selection().key());
  });
}

void AttentionView::set_heads_shown(Heads heads) { heads_->setCurrentIndex(static_cast<int>(heads)); }
void AttentionView::set_of(MapLibrary::Of of) { of_->setCurrentIndex(of_->findData(static_cast<int>(of))); }

MapLibrary::Of AttentionView::of() const {
  return of_->currentIndex() < 0 ? MapLibrary::Of::ablated : static_cast<MapLibrary::Of>(of_->currentData().toInt());
}
void AttentionView::set_arcs(bool arcs) { arcs_button_->setChecked(arcs); }

void AttentionView::pin(std::optional<int> query, std::optional<int> key) {
  workspace().selection().set_tokens(query, key);
}

// Of a weight: its tokens, patching at the query, and the head that the map is of.
void AttentionView::show_cell_menu(std::size_t item, const MapCanvas::Cell& cell, const QPoint& place) {
  const std::vector<HeadId> heads = shown_heads();
  const bool mean = grid_->items().size() == 1 && heads.size() > 1;
  if (heads.empty() || item >= grid_->items().size()) return;
  const auto query = static_cast<int>(cell.query), key = static_cast<int>(cell.key);
  auto* menu = new QMenu(this);
  menu->addSection(tr("Query %1 %2, key %3 %4").arg(query).arg(labels().query(query)).arg(key).arg(label(key)));
  menu->addAction(tr("Pin both"), this, [this, query, key] { pin(query, key); });
  menu->addAction(tr("Unpin"), this, [this] { pin(std::nullopt, std::nullopt); })
      ->setEnabled(workspace().selection().query() || workspace().selection().key());
  const MapCanvas* canvas = grid_->canvases()[item];
  const auto value = canvas->value(cell);
  const bool known = value && value->level == 0;
  const QString weight = known ? QString::number(static_cast<double>(value->weight)) : QString();
  menu->addAction(tr("Copy the weight"), this, [weight] { QGuiApplication::clipboard()->setText(weight); })
      ->setEnabled(known);
  const HeadId head = mean ? heads.back() : head_of_item(item);
  QAction* patch = menu->addAction(tr("Patch the residual stream at the query"), this, [this, head, query, key] {
    pin(query, key);
    workspace().want_patch({"resid_pre", PatchAxes::layer_position, head.layer, static_cast<int>(head.head)});
  });
  patch->setEnabled(workspace().model().has_value());
  const QString command = map_command(mean ? heads : std::vector{head});
  QAction* copy = menu->addAction(tr("Copy the map as command"), this,
                                  [command] { QGuiApplication::clipboard()->setText(command); });
  copy->setEnabled(!command.isEmpty());
  copy->setToolTip(command.isEmpty() ? tr("No command line is known that gives these numbers") : command);
  if (!mean) add_head_actions(*menu, workspace(), head);
  show_menu(menu, place);
}

// The command line has maps of the model as it is, not of one with ablated heads, and no differences.
QString AttentionView::map_command(const std::vector<HeadId>& heads) const {
  using Of = MapLibrary::Of;
  const bool ablated = !workspace().ablation().heads().empty() && of() != Of::clean;
  if (!workspace().live() || ablated || of() == Of::difference || of() == Of::from_full) return {};
  auto values = prompt_values(workspace().prompt());
  std::string& names = values["heads"];
  for (const HeadId& head : heads)
    names.append(names.empty() ? "" : ",").append(head_name(head));
  values["out"] = "maps.h5";
  CommandModel model = command_model(workspace());
  if (of() == Of::full) model.attention.clear();
  const auto request = filled_request("attention", values, model);
  return request.ok() ? QString::fromStdString(request->command_line) : QString();
}

// A stored file may hold only some of the heads that are selected.
HeadId AttentionView::head_of_item(std::size_t item) const {
  return read_head_name(grid_->items()[item].title.toStdString()).value_or(HeadId{});
}

void AttentionView::showEvent(QShowEvent*) { refresh_later(); }

void AttentionView::changeEvent(QEvent* event) {
  View::changeEvent(event);
  if (event->type() != QEvent::FontChange) return;
  QFont bold = font();
  bold.setBold(true);
  head_->setFont(bold);
}

// Deferred, since selection and prompt may both change at once.
void AttentionView::refresh_later() {
  if (watched()) later_.start(0);
}

std::vector<HeadId> AttentionView::shown_heads() const {
  const Selection& selection = workspace().selection();
  if (!selection.head()) return {};
  const auto choice = static_cast<Heads>(heads_->currentIndex());
  if (selection.isolated() || choice == Heads::one) return {*selection.head()};
  std::vector<HeadId> heads = selection.heads();
  if (choice == Heads::beside && heads.size() > most_beside)
    heads.erase(heads.begin(), heads.end() - static_cast<std::ptrdiff_t>(most_beside));
  if (choice == Heads::mean) std::sort(heads.begin(), heads.end());
  return heads;
}

void AttentionView::refresh() {
  if (!watched()) return;
  const std::vector<HeadId> heads = shown_heads();
  const bool mean = static_cast<Heads>(heads_->currentIndex()) == Heads::mean || heads.empty();
  std::vector<MapGrid::Item> items;
  for (const HeadId& head : heads) {
    const MapLibrary::Choice choice = library_.map_of(mean ? heads : std::vector{head});
    if (!choice.map) {
      if (items.empty() && (mean || head == heads.back())) show_message(choice.why_not);
      if (mean) return show_maps({});
      continue; // a result file may hold some of them
    }
    items.push_back({QString::fromStdString(head_name(head)), choice.map});
    if (mean) break;
  }
  if (heads.empty()) show_message(library_.map_of({}).why_not);
  if (!items.empty()) message_text_.clear();
  show_maps(items);
  explained_->look_at(items.empty() || mean ? std::nullopt : workspace().selection().head());
  show_overlay();
  mark_->set_origin(items.empty() ? std::nullopt : std::optional(library_.origin()));
}

void AttentionView::show_maps(const std::vector<MapGrid::Item>& items) {
  for (const MapCanvas* canvas : grid_->canvases())
    disconnect(canvas->map().get(), nullptr, this, nullptr);
  for (const MapGrid::Item& item : items)
    connect(item.map.get(), &MapSource::failed, this, [this](const Error& error) {
      if (error.code != ErrorCode::cancelled) show_message(QString::fromStdString(error.to_string()));
    });
  grid_->set_labels(labels());
  grid_->set_items(items);
  const bool small = !items.empty() && items.back().map->shape().n_key <= ArcsCanvas::most_tokens;
  arcs_->set_map(small ? items.back().map : nullptr, [this](std::int64_t token) { return label(token); });
  arcs_->set_scale(grid_->scale());
  if (arcs_button_->isChecked() && !items.empty() && !small)
    message_text_ = tr("Arcs are for prompts of at most %1 tokens; this one has %2. Turn Arcs off to see the map.")
                        .arg(ArcsCanvas::most_tokens)
                        .arg(items.back().map->shape().n_key);
  show_pins();
  show_header();
  show_page();
}

void AttentionView::show_message(const QString& text) {
  message_text_ = text;
  show_page();
}

void AttentionView::show_page() {
  message_->setText(message_text_);
  pages_->setCurrentIndex(message_text_.isEmpty() ? 1 : 0);
  pictures_->setCurrentIndex(arcs_button_->isChecked() ? 1 : 0);
}

QString AttentionView::heads_title() const {
  const std::vector<HeadId> heads = shown_heads();
  if (heads.empty()) return tr("No head");
  if (heads.size() == 1) return tr("Head %1").arg(QString::fromStdString(head_name(heads.front())));
  QStringList labels;
  for (const HeadId& head : heads)
    labels.append(QString::fromStdString(head_name(head)));
  if (labels.size() > 6) labels = labels.mid(0, 5) + QStringList{QStringLiteral("…")};
  const bool mean = static_cast<Heads>(heads_->currentIndex()) == Heads::mean;
  return (mean ? tr("Mean of heads %1") : tr("Heads %1")).arg(labels.join(QStringLiteral(", ")));
}

QString AttentionView::prompt_line() const {
  const PromptState& prompt = workspace().prompt();
  if (prompt.tokens().empty()) return {};
  QStringList parts;
  if (workspace().live() && workspace().model())
    parts.append(QString::fromStdString(workspace().model()->name));
  else if (!prompt.stored_id().empty())
    parts.append(tr("stored prompt %1").arg(QString::fromStdString(prompt.stored_id())));
  parts.append(tr("%n tokens", nullptr, static_cast<int>(prompt.tokens().size())));
  const MapLibrary::Of of = this->of();
  const std::size_t n_ablated = workspace().live() ? workspace().ablation().heads().size() : 0;
  if (n_ablated > 0) {
    const QString heads = tr("%n head(s) ablated", nullptr, static_cast<int>(n_ablated));
    parts.append(of == MapLibrary::Of::clean        ? tr("clean model")
                 : of == MapLibrary::Of::difference ? tr("what changes with %1").arg(heads)
                                                    : heads);
  }
  if (workspace().live() && !workspace().attention().full()) {
    const QString plan = QString::fromStdString(workspace().attention().plan());
    parts.append(of == MapLibrary::Of::full        ? tr("full attention")
                 : of == MapLibrary::Of::from_full ? tr("what changes from full attention under %1").arg(plan)
                                                   : plan);
  }
  const QString text = QString::fromStdString(prompt.request().text.substr(0, 400)).simplified();
  if (!text.isEmpty()) parts.append(text);
  return parts.join(QStringLiteral(" · "));
}

void AttentionView::show_header() {
  head_->setText(heads_title());
  about_->setText(prompt_line());
  show_readout();
}

QString AttentionView::label(std::int64_t token) const {
  const auto& tokens = workspace().prompt().tokens();
  const auto at = static_cast<std::size_t>(token);
  return at < tokens.size() ? token_text(tokens[at].text) : QString::number(token);
}

MapCanvas::Labels AttentionView::labels() const {
  MapCanvas::Labels labels;
  labels.key = [this](std::int64_t i) { return label(i); };
  labels.query = [this](std::int64_t i) {
    const auto canvases = grid_->canvases();
    const MapShape shape = canvases.empty() ? MapShape{} : canvases.front()->map()->shape();
    return label(shape.last_key(i));
  };
  labels.query_axis = tr("query token ↓");
  labels.key_axis = tr("key token →");
  return labels;
}

void AttentionView::show_pins() {
  const Selection& selection = workspace().selection();
  grid_->set_pinned(wide(selection.query()), wide(selection.key()));
  arcs_->set_pinned(wide(selection.query()));
  show_readout();
}

void AttentionView::show_readout() {
  const Selection& selection = workspace().selection();
  const auto canvases = grid_->canvases();
  const MapCanvas* canvas = grid_->hovered();
  std::optional<MapCanvas::Cell> cell = canvas ? canvas->hovered() : std::nullopt;
  if (!cell && selection.query() && selection.key() && !canvases.empty()) {
    canvas = canvases.back();
    cell = MapCanvas::Cell{*selection.query(), *selection.key()};
  }
  if (!cell) {
    readout_->setText(arcs_button_->isChecked()
                          ? tr("Point at a token to see its arcs alone, click to pin it.")
                          : tr("Drag to move, wheel to zoom, click to pin, double click to look closer."));
    return;
  }
  const auto value = canvas->value(*cell);
  const bool is_signed = canvas->map()->shape().is_signed;
  const bool known = value && value->level == 0 && (is_signed || value->weight >= 0.0F);
  readout_->setText(tr("query %1 %2 → key %3 %4%5")
                        .arg(cell->query)
                        .arg(label(canvas->map()->shape().last_key(cell->query)))
                        .arg(cell->key)
                        .arg(label(cell->key), known ? tr(": %1").arg(static_cast<double>(value->weight)) : QString()));
}

void AttentionView::show_choice_of_model() {
  using Of = MapLibrary::Of;
  const bool ablated = !workspace().ablation().heads().empty(), planned = !workspace().attention().full();
  std::vector<std::pair<QString, Of>> choices = {{ablated ? tr("Ablated") : tr("Under the plan"), Of::ablated}};
  if (ablated) choices.insert(choices.end(), {{tr("Clean"), Of::clean}, {tr("Difference"), Of::difference}});
  if (planned)
    choices.insert(choices.end(), {{tr("Full attention"), Of::full}, {tr("Difference from full"), Of::from_full}});
  const Of before = of();
  {
    const QSignalBlocker quiet(of_);
    of_->clear();
    for (const auto& [name, each] : choices)
      of_->addItem(name, static_cast<int>(each));
    of_->setCurrentIndex(std::max(0, of_->findData(static_cast<int>(before))));
  }
  if (of() != before) library_.set_of(of());
  of_->setVisible(workspace().live() && choices.size() > 1);
  show_header();
}

// ---- What a mechanism chose

void AttentionView::set_overlay(const QString& title) {
  wanted_overlay_ = title;
  overlay_->setCurrentIndex(std::max(0, overlay_->findData(title)));
}

QStringList AttentionView::overlays() const {
  QStringList titles;
  for (const mechanisms::Explanation& each : explained_->all())
    titles.append(QString::fromStdString(each.title));
  return titles;
}

void AttentionView::show_overlays() {
  {
    const QSignalBlocker quiet(overlay_);
    overlay_->clear();
    overlay_->addItem(tr("No overlay"), QString());
    for (const QString& title : overlays()) {
      overlay_->addItem(title, title);
      overlay_->setItemData(overlay_->count() - 1, title, Qt::ToolTipRole);
    }
    overlay_->setCurrentIndex(std::max(0, overlay_->findData(wanted_overlay_)));
  }
  overlay_->setVisible(!explained_->all().empty());
  show_overlay();
}

std::shared_ptr<const mechanisms::Explanation> AttentionView::overlay() const {
  const int at = overlay_->currentIndex() - 1;
  if (at < 0 || at >= std::ssize(explained_->all())) return nullptr;
  return std::make_shared<const mechanisms::Explanation>(explained_->all()[static_cast<std::size_t>(at)]);
}

// Over the map of the head that it is of.
void AttentionView::show_overlay() {
  const auto chosen = overlay();
  const auto canvases = grid_->canvases();
  MapCanvas* own = nullptr;
  for (std::size_t i = 0; i < canvases.size(); ++i) {
    const bool is_own = chosen && explained_->head() && head_of_item(i) == *explained_->head();
    canvases[i]->set_explanation(is_own ? chosen : nullptr);
    if (is_own) own = canvases[i];
  }
  const bool numbers = own && chosen->kind == mechanisms::ExplanationKind::numbers;
  trace_->setVisible(numbers);
  if (numbers) trace_->set_trace(*chosen, canvases.size() == 1 ? own : nullptr);
}

bool AttentionView::settled() const { return !later_.isActive() && grid_->settled(); }

std::optional<ViewExport> AttentionView::exported() const {
  const auto canvases = grid_->canvases();
  const std::vector<HeadId> heads = shown_heads();
  if (canvases.empty() || !message_text_.isEmpty()) return std::nullopt;
  std::vector<std::string> tokens;
  for (const TokenInfo& token : workspace().prompt().tokens())
    tokens.push_back(token.text);
  std::vector<figures::HeatmapFigure> figures;
  for (const MapCanvas* canvas : canvases)
    figures.push_back(map_figure(*canvas->map(), grid_->pooling(), grid_->scale(), tokens));
  QString name = QStringLiteral("attention");
  for (std::size_t i = 0; i < std::min<std::size_t>(heads.size(), 4); ++i)
    name += QStringLiteral("-") + QString::fromStdString(head_name(heads[i]));
  const std::string title =
      (canvases.size() > 1 || heads.size() > 1 ? tr("Attention of ") + heads_title().toLower()
                                               : tr("Attention of head ") + QString::fromStdString(head_name(heads[0])))
          .toStdString();
  const std::string subtitle = prompt_line().toStdString();
  if (canvases.size() == 1) {
    figures.front().title = title;
    figures.front().subtitle = subtitle;
    if (const auto& chosen = canvases.front()->explanation())
      return ViewExport{name, explained_figure(std::move(figures.front()), canvases.front()->map()->shape(), *chosen),
                        std::nullopt};
    return ViewExport{name, std::move(figures.front()), std::nullopt};
  }
  figures::PanelFigure page;
  page.title = title;
  page.subtitle = subtitle;
  for (std::size_t i = 0; i < figures.size(); ++i)
    figures[i].title = grid_->items()[i].title.toStdString();
  page.panels = std::move(figures);
  return ViewExport{name, std::move(page), std::nullopt};
}

View* make_attention_view(Workspace& workspace, QWidget* parent) { return new AttentionView(workspace, parent); }

} // namespace headscope::gui
