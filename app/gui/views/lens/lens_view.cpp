// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/gui/views/lens/lens_view.h"

#include <algorithm>
#include <cmath>

#include <QClipboard>
#include <QGuiApplication>
#include <QHBoxLayout>
#include <QVBoxLayout>

#include "app/gui/style/folding_column.h"
#include "app/gui/style/theme.h"
#include "app/gui/views/answers/answer_fields.h"
#include "app/gui/views/lens/layer_bars.h"
#include "app/gui/views/menus/head_menu.h"
#include "app/gui/views/origin/origin_mark.h"
#include "app/gui/views/view_list.h"
#include "core/vocabulary/head_id.h"

namespace headscope::gui {
namespace {

constexpr int typing_pause_ms = 350;

QString number(double value, int digits = 3) {
  return QString::number(value, 'g', digits).replace(QLatin1Char('-'), QChar(0x2212));
}

QLabel* note() {
  auto* label = new QLabel;
  label->setWordWrap(true);
  label->setForegroundRole(QPalette::PlaceholderText);
  return label;
}

} // namespace

LensView::LensView(Workspace& workspace, QWidget* parent)
    : View(workspace, QStringLiteral("lens"), tr("Logit lens"), parent), empty_(new QLabel), lens_note_(note()),
      attribution_note_(note()), tabs_(new QTabWidget), follow_(new QLineEdit), answer_(new QLineEdit),
      wrong_(new QLineEdit), color_(new QComboBox), map_(new CellMap), heads_(new CellMap), bars_(new LayerBars) {
  empty_->setText(tr("Open a model and type a prompt."));
  empty_->setAlignment(Qt::AlignCenter);
  empty_->setWordWrap(true);
  empty_->setForegroundRole(QPalette::PlaceholderText);
  tabs_->setDocumentMode(true);
  QWidget *lens_page = make_lens_page(), *attribution_page = make_attribution_page();
  tabs_->addTab(lens_page, tr("&Lens"));
  tabs_->addTab(attribution_page, tr("&Direct logit attribution"));
  lens_mark_ = new OriginMark(workspace, map_);
  pages_ = new QStackedLayout(this);
  pages_->addWidget(empty_);
  pages_->addWidget(tabs_);
  wait_.setSingleShot(true);
  wait_.setInterval(typing_pause_ms);
  connect(&wait_, &QTimer::timeout, this, &LensView::refresh);
  const auto stale = [this] {
    stale_ = true;
    if (watched()) refresh();
  };
  connect(&workspace, &Workspace::model_changed, this, stale);
  connect(&workspace.prompt(), &PromptState::changed, this, stale);
  connect(&workspace.attention(), &AttentionState::changed, this, stale);
  connect(tabs_, &QTabWidget::currentChanged, this, stale);
  connect(follow_, &QLineEdit::textEdited, this, [this] { wait_.start(); });
  share_answers(workspace.answers(), *answer_, *wrong_);
  connect(&workspace.answers(), &AnswerState::changed, this, [this] {
    stale_ = true;
    if (watched()) wait_.start();
  });
  connect(color_, &QComboBox::currentIndexChanged, this, &LensView::show_lens);
  connect(map_, &CellMap::cell_clicked, this, &LensView::click_lens);
  connect(heads_, &CellMap::cell_clicked, this, &LensView::click_head);
  connect(map_, &CellMap::menu_wanted, this, &LensView::show_lens_menu);
  connect(heads_, &CellMap::menu_wanted, this, [this](Cell cell, const QPoint& place) {
    auto* menu = new QMenu(this);
    add_head_actions(*menu, this->workspace(), {cell.row, cell.col});
    show_menu(menu, place);
  });
  connect(bars_, &LayerBars::layer_clicked, this, [this](int layer) {
    const auto head = this->workspace().selection().head();
    this->workspace().selection().set_head({layer, head ? head->head : 0});
  });
  connect(&workspace.selection(), &Selection::heads_changed, this, &LensView::mark_selection);
  connect(&workspace.selection(), &Selection::tokens_changed, this, &LensView::mark_selection);
}

QWidget* LensView::make_lens_page() {
  auto* page = new QWidget;
  auto* row = new QHBoxLayout;
  follow_->setObjectName(QStringLiteral("follow"));
  follow_->setAccessibleName(tr("Token to follow"));
  follow_->setPlaceholderText(tr("Token to follow, with its space"));
  follow_->setClearButtonEnabled(true);
  color_->setAccessibleName(tr("Colour"));
  color_->setSizeAdjustPolicy(QComboBox::AdjustToMinimumContentsLengthWithIcon);
  color_->setMinimumContentsLength(14);
  const auto add = [this](const QString& name, Color color) { color_->addItem(name, static_cast<int>(color)); };
  add(tr("Probability of the likeliest"), Color::probability);
  add(tr("Entropy of the prediction"), Color::entropy);
  add(tr("Distance from the model's answer (KL)"), Color::divergence);
  add(tr("Probability of the followed token"), Color::followed_probability);
  add(tr("Logit of the followed token"), Color::followed_logit);
  add(tr("Rank of the followed token"), Color::followed_rank);
  row->addWidget(follow_, 1);
  row->addWidget(color_, 1);
  map_->setAccessibleName(tr("Logit lens, layer by position"));
  map_->tip = [this](Cell cell) { return lens_tip(cell); };
  auto* column = new QVBoxLayout(page);
  column->addLayout(row);
  column->addWidget(lens_note_);
  column->addWidget(map_, 1);
  return page;
}

QWidget* LensView::make_attribution_page() {
  auto* page = new QWidget;
  auto* row = new QHBoxLayout;
  answer_->setAccessibleName(tr("Token"));
  answer_->setPlaceholderText(tr("Token (likeliest)"));
  wrong_->setAccessibleName(tr("Against token"));
  wrong_->setPlaceholderText(tr("Against (second)"));
  row->addWidget(answer_);
  row->addWidget(wrong_);
  heads_->setAccessibleName(tr("Direct logit attribution of each head"));
  heads_->tip = [this](Cell cell) {
    if (!attribution_) return QString();
    const double value = attribution_->heads[static_cast<std::size_t>(cell.row * attribution_->n_heads + cell.col)];
    return tr("head %1: %2 logits").arg(QString::fromStdString(head_name({cell.row, cell.col})), number(value));
  };
  auto* column = new QVBoxLayout(page);
  column->addLayout(row);
  column->addWidget(attribution_note_);
  auto* maps = new FoldingColumn(tr("Parts of the attribution")); // the mark lies over these, not over the fields
  maps->add(bars_, tr("By layer"), 1);
  maps->add(heads_, tr("By head"), 2);
  column->addWidget(maps, 1);
  attribution_mark_ = new OriginMark(workspace(), maps);
  return page;
}

void LensView::showEvent(QShowEvent* event) {
  View::showEvent(event);
  if (stale_) refresh();
}

// ---- Jobs

void LensView::refresh() {
  wait_.stop();
  stale_ = false;
  const bool live = workspace().live();
  empty_->setText(workspace().model() ? tr("Type a prompt to look at it layer by layer.")
                                      : tr("Open a model and type a prompt."));
  pages_->setCurrentIndex(live ? 1 : 0);
  if (!live) return;
  if (tabs_->currentIndex() == 0)
    ask_lens();
  else
    ask_attribution();
}

void LensView::ask_lens() {
  const LensRequest request{workspace().prompt().ids(), follow_->text().toStdString()};
  workspace().engine().post<LensMap>(
      JobSpec::view(QStringLiteral("lens"), tr("Logit lens")), this,
      [request](EngineState& state, const JobContext<LensMap>& job) { return run_lens(state, request, job.control); },
      {[this, tokens = workspace().prompt().tokens(),
        made_of = workspace().origin({true, false})](Result<LensMap> map) {
        if (!map.ok()) {
          lens_note_->setText(QString::fromStdString(map.error().message));
          return;
        }
        const bool follows = map->followed.has_value(), followed = lens_ && lens_->followed;
        lens_ = std::move(*map);
        lens_tokens_ = tokens;
        lens_mark_->set_origin(made_of);
        // The colour follows what there is to see.
        if (follows != followed) {
          const QSignalBlocker quiet(color_);
          set_color(follows ? Color::followed_probability : Color::probability);
        }
        show_lens();
      }});
}

void LensView::ask_attribution() {
  const AnswerState::Pair& answers = workspace().answers().pair();
  const AttributionRequest request{workspace().prompt().ids(), answers.answer, answers.wrong};
  workspace().engine().post<AttributionMap>(
      JobSpec::view(QStringLiteral("attribution"), tr("Direct logit attribution")), this,
      [request](EngineState& state, const JobContext<AttributionMap>& job) {
        return run_attribution(state, request, job.control);
      },
      {[this, made_of = workspace().origin({true, false, true})](Result<AttributionMap> map) {
        if (!map.ok()) {
          attribution_note_->setText(QString::fromStdString(map.error().message));
          return;
        }
        attribution_ = std::move(*map);
        attribution_mark_->set_origin(made_of);
        show_attribution();
      }});
}

// ---- Lens

void LensView::set_color(Color color) { color_->setCurrentIndex(color_->findData(static_cast<int>(color))); }

double LensView::lens_value(int row, int position) const {
  const std::size_t at = lens_->at(row, position);
  const bool follows = lens_->followed.has_value();
  switch (color()) {
  case Color::entropy: return lens_->entropy[at];
  case Color::divergence: return lens_->kl_divergence[at];
  case Color::followed_probability: return follows ? lens_->probabilities[at] : std::nan("");
  case Color::followed_logit: return follows ? lens_->logits[at] : std::nan("");
  case Color::followed_rank: return follows ? static_cast<double>(lens_->ranks[at]) + 1.0 : std::nan("");
  case Color::probability: break;
  }
  return lens_->top_probabilities[at * LensMap::top];
}

figures::ColorScale LensView::lens_scale() const {
  figures::ColorScale scale;
  switch (color()) {
  case Color::probability:
  case Color::followed_probability:
    scale.low = 0.0;
    scale.high = 1.0;
    scale.label = "probability";
    break;
  case Color::entropy:
    scale.low = 0.0;
    scale.label = "entropy";
    scale.units = "nat";
    break;
  case Color::divergence:
    scale.low = 0.0;
    scale.label = "KL divergence from the model";
    scale.units = "nat";
    break;
  case Color::followed_logit: scale.label = "logit"; break;
  case Color::followed_rank:
    scale.log = true; // from 1, the likeliest
    scale.label = "rank";
    break;
  }
  return scale;
}

void LensView::show_lens() {
  if (!lens_) return;
  CellMap::Content content;
  content.rows = lens_->n_rows;
  content.cols = lens_->n_positions;
  for (int row = 0; row < content.rows; ++row)
    for (int position = 0; position < content.cols; ++position) {
      content.values.push_back(static_cast<float>(lens_value(row, position)));
      const auto top = lens_->tokens.find(lens_->top_ids[lens_->at(row, position) * LensMap::top]);
      content.texts.append(token_text(top->second.text));
    }
  const auto scale = figures::resolve_scale(lens_scale(), content.values);
  if (!scale.ok()) return lens_note_->setText(QString::fromStdString(scale.error().message));
  content.scale = *scale;
  for (const std::string& row : lens_->rows)
    content.row_labels.append(QString::fromStdString(row).remove(QStringLiteral("resid_")));
  for (int position = 0; position < content.cols; ++position)
    content.col_labels.append(
        token_text(lens_tokens_[static_cast<std::size_t>(lens_->first_position + position)].text));
  content.row_axis = tr("resid_pre, resid_post");
  content.col_axis = tr("position");
  map_->set_content(std::move(content));
  QString text = tr("The token that each place of the residual stream would predict next.");
  if (lens_->followed)
    text += tr(" Following %1.").arg(token_text(lens_->followed->text));
  else if (color() >= Color::followed_probability)
    text = tr("Type a token to follow it through the layers.");
  if (lens_->first_position > 0) text += tr(" The last %1 positions.").arg(lens_->n_positions);
  lens_note_->setText(text);
  mark_selection();
}

QString LensView::lens_tip(Cell cell) const {
  if (!lens_) return {};
  const std::size_t at = lens_->at(cell.row, cell.col);
  QString text = tr("%1, position %2, KL %3 nats, entropy %4 nats")
                     .arg(QString::fromStdString(lens_->rows[static_cast<std::size_t>(cell.row)]))
                     .arg(lens_->first_position + cell.col)
                     .arg(number(lens_->kl_divergence[at]), number(lens_->entropy[at]));
  for (int i = 0; i < LensMap::top; ++i) {
    const std::size_t entry = at * LensMap::top + static_cast<std::size_t>(i);
    text += tr("\n%1  %2")
                .arg(number(lens_->top_probabilities[entry]), token_text(lens_->tokens.at(lens_->top_ids[entry]).text));
  }
  if (lens_->followed)
    text += tr("\n%1: probability %2, logit %3, rank %4")
                .arg(token_text(lens_->followed->text), number(lens_->probabilities[at]), number(lens_->logits[at]))
                .arg(lens_->ranks[at] + 1);
  return text;
}

void LensView::click_lens(Cell cell) {
  Selection& selection = workspace().selection();
  selection.set_tokens(lens_->first_position + cell.col, selection.key());
  const int layer = std::min(cell.row, workspace().n_layers() - 1);
  if (const auto head = selection.head()) selection.set_head({layer, head->head});
  map_->set_current(cell);
}

void LensView::show_lens_menu(Cell cell, const QPoint& place) {
  if (!lens_) return;
  const std::size_t at = static_cast<std::size_t>(cell.row * lens_->n_positions + cell.col) * LensMap::top;
  const std::string likeliest = lens_->tokens.at(lens_->top_ids[at]).text;
  const int layer = std::min(cell.row, workspace().n_layers() - 1);
  auto* menu = new QMenu(this);
  menu->addSection(tr("%1, position %2")
                       .arg(QString::fromStdString(lens_->rows[static_cast<std::size_t>(cell.row)]))
                       .arg(lens_->first_position + cell.col));
  menu->addAction(tr("Follow %1").arg(token_text(likeliest)), this, [this, text = QString::fromStdString(likeliest)] {
    follow_->setText(text);
    wait_.start();
  });
  menu->addAction(tr("Select this position and layer"), this, [this, cell] { click_lens(cell); });
  menu->addAction(tr("Patch the residual stream here"), this, [this, cell, layer] {
    click_lens(cell);
    workspace().want_patch({"resid_pre", PatchAxes::layer_position, layer, std::nullopt});
  });
  menu->addAction(tr("Copy what is written here"), this,
                  [text = lens_tip(cell)] { QGuiApplication::clipboard()->setText(text); });
  show_menu(menu, place);
}

// ---- Attribution

void LensView::show_attribution() {
  bars_->set_map(*attribution_);
  CellMap::Content content;
  content.rows = attribution_->n_layers;
  content.cols = attribution_->n_heads;
  content.values.assign(attribution_->heads.begin(), attribution_->heads.end());
  figures::ColorScale scale;
  scale.kind = figures::ScaleKind::diverging;
  if (const auto resolved = figures::resolve_scale(scale, content.values); resolved.ok()) content.scale = *resolved;
  content.row_axis = tr("layer");
  content.col_axis = tr("head");
  heads_->set_content(std::move(content));
  attribution_note_->setText(tr("Logit of %1 over %2: %3 = embedding %4 + heads and MLPs below + constant %5")
                                 .arg(token_text(attribution_->answer.text), token_text(attribution_->wrong.text),
                                      number(attribution_->total), number(attribution_->input),
                                      number(attribution_->constant)));
  mark_selection();
}

void LensView::click_head(Cell cell) { workspace().selection().set_head({cell.row, cell.col}); }

void LensView::mark_selection() {
  const auto head = workspace().selection().head();
  const auto query = workspace().selection().query();
  if (attribution_ && head) {
    heads_->set_current(Cell{head->layer, static_cast<int>(head->head)});
    bars_->set_current(head->layer);
  }
  if (!lens_ || !head || !query) return;
  const int column = *query - lens_->first_position;
  const auto marked = map_->current();
  const int row =
      marked && std::min(marked->row, workspace().n_layers() - 1) == head->layer ? marked->row : head->layer;
  if (column >= 0) map_->set_current(Cell{row, column});
}

// ---- Export

std::optional<ViewExport> LensView::exported() const {
  if (!workspace().live()) return std::nullopt;
  return tabs_->currentIndex() == 0 ? export_lens() : export_attribution();
}

std::optional<ViewExport> LensView::export_lens() const {
  if (!lens_) return std::nullopt;
  figures::HeatmapFigure map;
  map.title = "Logit lens";
  map.subtitle = workspace().model()->name + (lens_->followed ? ", following " + lens_->followed->text : "");
  map.rows = lens_->n_rows;
  map.cols = lens_->n_positions;
  map.values = map_->content().values;
  map.y_ticks = lens_->rows;
  for (const QString& label : map_->content().col_labels)
    map.x_ticks.push_back(label.toStdString());
  map.y_axis = "residual stream";
  map.x_axis = "position";
  map.scale = lens_scale();
  map.square_cells = false;
  return ViewExport{QStringLiteral("logit-lens"), std::move(map), std::nullopt};
}

std::optional<ViewExport> LensView::export_attribution() const {
  if (!attribution_) return std::nullopt;
  const AttributionMap& from = *attribution_;
  figures::HeatmapFigure map;
  map.title = "Direct logit attribution of each head";
  map.subtitle = workspace().model()->name + ", logit of '" + from.answer.text + "' over '" + from.wrong.text + "'";
  map.rows = from.n_layers;
  map.cols = from.n_heads;
  map.values.assign(from.heads.begin(), from.heads.end());
  map.y_axis = "layer";
  map.x_axis = "head";
  map.scale.kind = figures::ScaleKind::diverging;
  map.scale.label = "direct effect";
  map.scale.units = "logits";
  map.square_cells = false;
  figures::Table table;
  table.row_header = "layer";
  table.columns = {"attention", "mlp"};
  for (int head = 0; head < from.n_heads; ++head)
    table.columns.push_back("head " + std::to_string(head));
  for (int layer = 0; layer < from.n_layers; ++layer) {
    const auto at = static_cast<std::size_t>(layer), n = static_cast<std::size_t>(from.n_heads);
    table.row_labels.push_back(std::to_string(layer));
    table.values.insert(table.values.end(), {from.attention[at], from.mlps[at]});
    const auto row = from.heads.begin() + static_cast<std::ptrdiff_t>(at * n);
    table.values.insert(table.values.end(), row, row + static_cast<std::ptrdiff_t>(n));
  }
  return ViewExport{QStringLiteral("direct-logit-attribution"), std::move(map), std::move(table)};
}

View* make_lens_view(Workspace& workspace, QWidget* parent) { return new LensView(workspace, parent); }

} // namespace headscope::gui
