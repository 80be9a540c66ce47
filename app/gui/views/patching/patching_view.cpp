// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/gui/views/patching/patching_view.h"

#include <cmath>

#include <QHBoxLayout>
#include <QVBoxLayout>

#include "app/gui/files/file_state.h"
#include "app/gui/files/patching_file.h"
#include "app/gui/style/theme.h"
#include "app/gui/views/patching/pair_editor.h"
#include "app/gui/views/patching/token_rows.h"
#include "app/gui/views/view_list.h"

namespace headscope::gui {
namespace {

constexpr int typing_pause_ms = 350;

QString number(double value, int digits = 4) {
  if (std::isnan(value)) return PatchingView::tr("not measured");
  return QString::number(value, 'g', digits).replace(QLatin1Char('-'), QChar(0x2212));
}

QString joined(const std::vector<TokenInfo>& tokens) {
  QStringList texts;
  for (const TokenInfo& token : tokens)
    texts.append(token_text(token.text));
  return texts.join(QStringLiteral(" | "));
}

// The prompt's text, without the BOS that the model adds by itself.
QString text_of(const std::vector<TokenInfo>& tokens) {
  QByteArray text;
  for (std::size_t i = 0; i < tokens.size(); ++i)
    if (i > 0 || !tokens[i].text.starts_with('<')) text += tokens[i].text;
  return QString::fromUtf8(text);
}

bool same_tokens(const std::vector<TokenInfo>& a, const std::vector<TokenInfo>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](const TokenInfo& x, const TokenInfo& y) { return x.id == y.id; });
}

} // namespace

PatchingView::PatchingView(Workspace& workspace, QWidget* parent)
    : View(workspace, QStringLiteral("patching"), tr("Patching"), parent), editor_(new PairEditor), map_(new CellMap),
      stored_(new QComboBox), message_(new QLabel), empty_(new QLabel) {
  empty_->setText(tr("Open a model to patch a pair of prompts,\nor a result file that holds a patching map."));
  empty_->setAlignment(Qt::AlignCenter);
  empty_->setWordWrap(true);
  empty_->setForegroundRole(QPalette::PlaceholderText);
  stored_->setAccessibleName(tr("Which map"));
  message_->setWordWrap(true);
  message_->setTextInteractionFlags(Qt::TextSelectableByMouse);
  map_->setAccessibleName(tr("Map of the restored metric"));
  map_->set_hint(tr("The map of what each patched place restores fills in here, layer by layer."));
  map_->tip = [this](Cell cell) { return cell_text(cell); };
  auto* page = new QWidget;
  auto* column = new QVBoxLayout(page);
  column->addWidget(editor_);
  column->addWidget(stored_);
  column->addWidget(message_);
  column->addWidget(map_, 1);
  pages_ = new QStackedLayout(this);
  pages_->addWidget(empty_);
  pages_->addWidget(page);
  wait_.setSingleShot(true);
  wait_.setInterval(typing_pause_ms);
  connect(&wait_, &QTimer::timeout, this, &PatchingView::read_tokens);
  connect(editor_, &PairEditor::edited, this, [this] {
    // While a map of a file is shown, the pair is read only when it is run.
    editor_->set_runnable(stored_->currentIndex() > 0 && this->workspace().model());
    if (watched()) wait_.start();
    stale_ = !watched();
  });
  connect(editor_, &PairEditor::run_wanted, this, &PatchingView::run);
  connect(&editor_->tokens(), &TokenRows::position_clicked, this, [this](int position) {
    if (shown_ && !shown_->by_head()) click({map_->current() ? map_->current()->row : 0, position});
  });
  connect(map_, &CellMap::cell_clicked, this, &PatchingView::click);
  connect(map_, &CellMap::cell_hovered, this, [this](std::optional<Cell> cell) {
    if (cell) show_message(cell_text(*cell), false);
  });
  connect(stored_, &QComboBox::currentIndexChanged, this, &PatchingView::load_stored);
  const auto stale = [this] {
    stale_ = true;
    if (watched()) refresh();
  };
  connect(&workspace, &Workspace::model_changed, this, stale);
  connect(&workspace, &Workspace::result_changed, this, [this] {
    update_stored();
    pages_->setCurrentIndex(this->workspace().model() || stored_->count() > 1 ? 1 : 0);
  });
  connect(&workspace.prompt(), &PromptState::changed, this, stale);
  connect(&workspace, &Workspace::patch_wanted, this, &PatchingView::take_wish);
  connect(&workspace.selection(), &Selection::heads_changed, this, &PatchingView::mark_selection);
  connect(&workspace.selection(), &Selection::tokens_changed, this, &PatchingView::mark_selection);
  update_stored();
  editor_->set_live(false);
}

void PatchingView::showEvent(QShowEvent* event) {
  View::showEvent(event);
  if (stale_) refresh();
  if (stored_->currentIndex() > 0 && !shown_) load_stored();
}

void PatchingView::refresh() {
  stale_ = false;
  const bool live = workspace().model().has_value();
  pages_->setCurrentIndex(live || stored_->count() > 1 ? 1 : 0);
  editor_->set_live(live);
  const PromptState& prompt = workspace().prompt();
  if (prompt.stored_id().empty()) editor_->offer_prompt(QString::fromStdString(prompt.request().text));
  if (live) wait_.start();
}

// ---- The pair

void PatchingView::read_tokens() {
  wait_.stop();
  const PatchPrompts prompts = editor_->prompts();
  if (!workspace().model() || stored_->currentIndex() > 0) return;
  if (prompts.clean.empty() || prompts.corrupt.empty())
    return show_message(
        tr("Type a clean prompt and a corrupt one: as many tokens, with something changed that matters, "
           "e.g. another name."),
        false);
  pair_prompts_ = prompts;
  workspace().engine().post<PatchPairInfo>(
      JobSpec::view(QStringLiteral("patch-pair"), tr("Reading the pair of prompts")), this,
      [prompts](EngineState& state, const JobContext<PatchPairInfo>& job) {
        return read_pair(state, prompts, job.control);
      },
      {[this](Result<PatchPairInfo> pair) { take_pair(std::move(pair)); }});
}

void PatchingView::take_pair(Result<PatchPairInfo> pair) {
  const bool run_now = std::exchange(run_when_read_, false);
  editor_->set_runnable(false);
  pair_.reset();
  workspace().set_pair(std::nullopt);
  if (!pair.ok()) {
    if (pair.error().code == ErrorCode::cancelled) return;
    const QString field = pair.error().field == "answer"  ? tr("The answer: ")
                          : pair.error().field == "wrong" ? tr("The wrong answer: ")
                                                          : QString();
    return show_message(field + QString::fromStdString(pair.error().message), true);
  }
  pair_ = std::move(*pair);
  editor_->show_pair(*pair_);
  if (!pair_->aligned())
    return show_message(tr("The clean prompt has %1 tokens and the corrupt one %2, so their positions do not "
                           "correspond. Change one until both have as many.\nClean: %3\nCorrupt: %4")
                            .arg(pair_->clean.size())
                            .arg(pair_->corrupt.size())
                            .arg(joined(pair_->clean), joined(pair_->corrupt)),
                        true);
  if (!pair_->differs())
    return show_message(tr("Both prompts are the same. Change what matters in the corrupt one, e.g. a name."), false);
  editor_->set_runnable(true);
  workspace().set_pair(pair_);
  if (run_now) return start();
  show_message(tr("Answer %1, wrong answer %2. Run patches every layer.")
                   .arg(token_text(pair_->answer->text), token_text(pair_->wrong->text)),
               false);
}

void PatchingView::run() {
  if (!workspace().model()) return;
  if (stored_->currentIndex() > 0) stored_->setCurrentIndex(0);
  if (!pair_ || wait_.isActive() || pair_prompts_ != editor_->prompts()) {
    run_when_read_ = true;
    return read_tokens();
  }
  if (pair_->aligned() && pair_->differs()) start();
}

void PatchingView::start() {
  const PatchSettings settings = editor_->settings();
  show_message(tr("Patching %1 …").arg(QString::fromStdString(settings.site)), false);
  workspace().engine().post<PatchMap>(JobSpec::lengthy(QStringLiteral("patch"), tr("Patching activations")), this,
                                      [pair = *pair_, settings](EngineState& state, const JobContext<PatchMap>& job) {
                                        return run_patching(state, pair, settings, job.control, job.partial);
                                      },
                                      {[this](Result<PatchMap> map) {
                                         if (map.ok()) return show_map(std::move(*map));
                                         show_message(QString::fromStdString(map.error().message), true);
                                         workspace().report(tr("Patching"), map.error());
                                       },
                                       [this](PatchMap map) { show_map(std::move(map)); }});
}

void PatchingView::take_wish(const PatchWish& wish) {
  PatchSettings settings = editor_->settings();
  settings.site = wish.site;
  settings.axes = name_of(wish.axes);
  editor_->set_settings(settings);
  if (wish.head) workspace().selection().set_head({wish.layer, *wish.head});
  if (!workspace().model()) return show_message(tr("Open the model to patch it."), true);
  if (stored_->currentIndex() > 0) stored_->setCurrentIndex(0);
  const PatchPrompts prompts = editor_->prompts();
  if (prompts.clean == prompts.corrupt)
    return show_message(tr("Set to patch %1. Now change what matters in the corrupt prompt, e.g. a name, and run.")
                            .arg(QString::fromStdString(wish.site)),
                        false);
  run();
}

// ---- Maps of the result file

void PatchingView::update_stored() {
  const QString chosen = stored_->currentData().toString();
  stored_->blockSignals(true);
  stored_->clear();
  stored_->addItem(tr("The pair above"));
  if (const auto& result = workspace().result())
    for (const std::string& name : result->patchings)
      stored_->addItem(tr("From the result file: %1").arg(QString::fromStdString(name)), QString::fromStdString(name));
  const int at = chosen.isEmpty() ? 0 : stored_->findData(chosen);
  // Without a model, shows a file's map, since there is nothing else to see.
  stored_->setCurrentIndex(at > 0 ? at : !workspace().model() && stored_->count() > 1 ? 1 : 0);
  stored_->setVisible(stored_->count() > 1);
  stored_->blockSignals(false);
  if (stored_->currentIndex() > 0 || !chosen.isEmpty()) load_stored();
}

void PatchingView::load_stored() {
  const QString name = stored_->currentData().toString();
  shown_.reset();
  map_->set_content({});
  if (name.isEmpty() || !workspace().result()) {
    workspace().files().drop_lane(QStringLiteral("patching"));
    if (workspace().model() && watched()) read_tokens();
    return;
  }
  if (!watched()) return; // showEvent comes back to it
  workspace().files().post<PatchMap>(
      {QStringLiteral("patching"), tr("Reading the patching map")}, this,
      [path = workspace().result()->path, name = name.toStdString()](FileState& state, const JobContext<PatchMap>&) {
        return read_patching(state, path, name);
      },
      {[this](Result<PatchMap> map) {
        if (!map.ok()) return workspace().report(tr("The patching map was not read"), map.error());
        editor_->offer_pair(text_of(map->clean), text_of(map->corrupt));
        editor_->show_tokens(map->clean, map->corrupt);
        editor_->set_runnable(workspace().model().has_value());
        show_map(std::move(*map));
      }});
}

// ---- The map

QString PatchingView::column_name(int column) const {
  if (!shown_) return {};
  if (shown_->by_head()) return tr("head %1").arg(column);
  const auto at = static_cast<std::size_t>(column);
  const QString token = at < shown_->clean.size() ? token_text(shown_->clean[at].text) : QString();
  return tr("position %1 (%2)").arg(column).arg(token);
}

QString PatchingView::cell_text(Cell cell) const {
  if (!shown_) return {};
  const double restored = shown_->restored[static_cast<std::size_t>(cell.row * shown_->n_columns + cell.col)];
  return tr("layer %1, %2: restores %3").arg(cell.row).arg(column_name(cell.col), number(restored));
}

void PatchingView::show_map(PatchMap map) {
  shown_ = std::move(map);
  CellMap::Content content;
  content.rows = shown_->n_layers;
  content.cols = shown_->n_columns;
  content.values = shown_->restored;
  figures::ColorScale scale;
  scale.kind = figures::ScaleKind::diverging;
  // Fixes the scale from the first layer on: 1 restores everything, and larger values are rare.
  double most = 1.0;
  for (const float value : shown_->restored)
    if (std::isfinite(value)) most = std::max(most, std::abs(static_cast<double>(value)));
  scale.low = -most;
  scale.high = most;
  content.scale = figures::resolve_scale(scale, {}).value();
  if (!shown_->by_head())
    for (const TokenInfo& token : shown_->clean)
      content.col_labels.append(token_text(token.text));
  content.row_axis = tr("layer");
  content.col_axis = shown_->by_head() ? tr("head") : tr("position");
  map_->set_content(std::move(content));
  mark_selection();
  QString text =
      tr("%1 of %2 · %3: clean %4, corrupt %5")
          .arg(shown_->settings.noising ? tr("Corrupt activations into the clean run: what is left")
                                        : tr("Clean activations into the corrupt run: what is restored"),
               QString::fromStdString(shown_->settings.site), QString::fromStdString(shown_->settings.metric),
               number(shown_->clean_value), number(shown_->corrupt_value));
  if (!shown_->complete) text += tr(" · not complete");
  if (!shown_->note.empty()) text += QLatin1Char('\n') + QString::fromStdString(shown_->note);
  show_message(text, !shown_->note.empty());
}

void PatchingView::show_message(const QString& text, bool warning) {
  message_->setText(text);
  QPalette palette;
  if (warning) palette.setColor(QPalette::WindowText, inks().warning);
  message_->setPalette(palette);
}

void PatchingView::click(Cell cell) {
  if (!shown_) return;
  Selection& selection = workspace().selection();
  if (shown_->by_head()) {
    // Maps a K/V head to the first query head that reads it.
    const int shared = shown_->n_columns > 0 ? std::max(1, workspace().n_heads() / shown_->n_columns) : 1;
    selection.set_head({cell.row, cell.col * shared});
  } else {
    const auto& tokens = workspace().prompt().tokens();
    if (same_tokens(tokens, shown_->clean) || same_tokens(tokens, shown_->corrupt))
      selection.set_tokens(cell.col, selection.key());
    if (const auto head = selection.head()) selection.set_head({cell.row, head->head});
    editor_->tokens().set_current(cell.col);
  }
  map_->set_current(cell);
  show_message(cell_text(cell), false);
}

void PatchingView::mark_selection() {
  const auto head = workspace().selection().head();
  if (!shown_ || !head || head->layer >= shown_->n_layers) return;
  if (shown_->by_head()) {
    const int shared = std::max(1, workspace().n_heads() / std::max(1, shown_->n_columns));
    const int column = static_cast<int>(head->head) / shared;
    return map_->set_current(Cell{head->layer, std::min(column, shown_->n_columns - 1)});
  }
  const auto& tokens = workspace().prompt().tokens();
  const auto query = workspace().selection().query();
  if (query && *query < shown_->n_columns &&
      (same_tokens(tokens, shown_->clean) || same_tokens(tokens, shown_->corrupt)))
    map_->set_current(Cell{head->layer, *query});
}

std::optional<ViewExport> PatchingView::exported() const {
  if (!shown_) return std::nullopt;
  ViewExport out;
  out.name = QStringLiteral("patching-") + QString::fromStdString(shown_->settings.site);
  figures::HeatmapFigure map;
  map.title = (shown_->settings.noising ? "Remaining " : "Restored ") + shown_->settings.metric + ", " +
              shown_->settings.site + " patched";
  if (const auto& model = workspace().model()) map.subtitle = model->name + ", ";
  map.subtitle += "0 = corrupt run, 1 = clean run";
  map.rows = shown_->n_layers;
  map.cols = shown_->n_columns;
  map.values = shown_->restored;
  map.y_axis = "layer";
  map.x_axis = shown_->by_head() ? "head" : "position";
  if (!shown_->by_head())
    for (const TokenInfo& token : shown_->clean)
      map.x_ticks.push_back(token.text);
  map.scale.kind = figures::ScaleKind::diverging;
  map.scale.label = "restored";
  map.square_cells = false;
  out.figure = std::move(map);
  return out;
}

View* make_patching_view(Workspace& workspace, QWidget* parent) { return new PatchingView(workspace, parent); }

} // namespace headscope::gui
