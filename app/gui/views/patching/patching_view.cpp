// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/gui/views/patching/patching_view.h"

#include <algorithm>
#include <cmath>

#include <QClipboard>
#include <QGuiApplication>
#include <QHBoxLayout>
#include <QMenu>
#include <QVBoxLayout>

#include "app/gui/engine/task_pair_job.h"
#include "app/gui/files/file_state.h"
#include "app/gui/files/kept_files.h"
#include "app/gui/files/patching_file.h"
#include "app/gui/models/method_scores.h"
#include "app/gui/models/prompt_values.h"
#include "app/gui/style/folding_column.h"
#include "app/gui/style/follow_font.h"
#include "app/gui/style/theme.h"
#include "app/gui/views/answers/answer_fields.h"
#include "app/gui/views/menus/head_menu.h"
#include "app/gui/views/origin/origin_mark.h"
#include "app/gui/views/patching/pair_editor.h"
#include "app/gui/views/patching/token_rows.h"
#include "app/gui/views/view_list.h"
#include "core/engine/hook.h"

namespace headscope::gui {
namespace {

constexpr int typing_pause_ms = 350;
constexpr int message_lines = 3; // that are always there, so that a message moves no cell
const QString kept_kind = QStringLiteral("patching");

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
  message_->setAlignment(Qt::AlignLeft | Qt::AlignTop);
  follow_font(*message_, [this] { message_->setFixedHeight(message_lines * message_->fontMetrics().lineSpacing()); });
  message_->setTextInteractionFlags(Qt::TextSelectableByMouse);
  map_->setAccessibleName(tr("Map of the restored metric"));
  map_->set_hint(tr("The map of what each patched place restores fills in here, layer by layer."));
  map_->tip = [this](Cell cell) { return cell_text(cell); };
  auto* maps = new QWidget;
  auto* of_maps = new QVBoxLayout(maps);
  of_maps->setContentsMargins(0, 0, 0, 0);
  of_maps->addWidget(stored_);
  of_maps->addWidget(make_tools());
  of_maps->addWidget(map_, 1);
  parts_ = new FoldingColumn(tr("Parts of the view Patching"));
  parts_->add(editor_, tr("Pair"));
  parts_->add(maps, tr("Map"), 1);
  parts_->set_footer(message_); // of the pair and of the map
  auto* page = new QWidget;
  auto* column = new QVBoxLayout(page);
  column->addWidget(parts_, 1);
  mark_ = new OriginMark(workspace, map_);
  pages_ = new QStackedLayout(this);
  pages_->addWidget(empty_);
  pages_->addWidget(page);
  wait_.setSingleShot(true);
  wait_.setInterval(typing_pause_ms);
  connect(&wait_, &QTimer::timeout, this, &PatchingView::read_tokens);
  share_answers(workspace.answers(), editor_->answer(), editor_->wrong());
  connect(&workspace.answers(), &AnswerState::changed, editor_, &PairEditor::edited);
  connect(&workspace, &Workspace::pair_texts_changed, this, &PatchingView::follow_texts);
  connect(editor_, &PairEditor::edited, this, [this] {
    this->workspace().set_pair_texts(editor_->typed());
    // While a map of a file is shown, the pair is read only when it is run.
    editor_->set_runnable(stored_->currentIndex() > 0 && this->workspace().model());
    if (watched()) wait_.start();
    stale_ = !watched();
  });
  connect(editor_, &PairEditor::run_wanted, this, &PatchingView::run);
  connect(editor_, &PairEditor::task_wanted, this, &PatchingView::take_task);
  connect(&editor_->tokens(), &TokenRows::position_clicked, this, [this](int position) {
    if (shown_ && !shown_->by_head()) click({map_->current() ? map_->current()->row : 0, position});
  });
  connect(map_, &CellMap::cell_clicked, this, &PatchingView::click);
  connect(map_, &CellMap::menu_wanted, this, &PatchingView::show_cell_menu);
  connect(map_, &CellMap::cell_hovered, this, [this](std::optional<Cell> cell) {
    if (cell) show_message(cell_text(*cell), false);
  });
  connect(stored_, &QComboBox::currentIndexChanged, this, &PatchingView::load_stored);
  const auto stale = [this] {
    stale_ = true;
    if (watched()) refresh();
  };
  connect(&workspace, &Workspace::model_changed, this, stale);
  connect(&workspace, &Workspace::model_changed, this, &PatchingView::restore);
  connect(&workspace, &Workspace::result_changed, this, [this] {
    update_stored();
    pages_->setCurrentIndex(this->workspace().model() || stored_->count() > 1 ? 1 : 0);
  });
  connect(&workspace.prompt(), &PromptState::changed, this, stale);
  connect(&workspace.attention(), &AttentionState::changed, this, stale); // the likeliest answers may be others
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

void PatchingView::take_task(const QString& name) {
  if (stored_->currentIndex() > 0) stored_->setCurrentIndex(0);
  workspace().engine().post<PatchPrompts>(
      {QStringLiteral("patch-task"), tr("Making a pair of %1").arg(name)}, this,
      [task = name.toStdString(), seed = task_seed_++](EngineState& state, const JobContext<PatchPrompts>&) {
        return task_pair(state, task, seed);
      },
      {[this](Result<PatchPrompts> pair) {
        if (!pair.ok()) return workspace().report(tr("There is no pair of this task"), pair.error());
        editor_->set_texts(QString::fromStdString(pair->clean), QString::fromStdString(pair->corrupt));
        workspace().answers().set({pair->answer, pair->wrong});
      }});
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
  if (run_now) return start(editor_->settings());
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
  if (pair_->aligned() && pair_->differs()) start(editor_->settings());
}

void PatchingView::start(const PatchSettings& settings) {
  parts_->bring_up(map_->parentWidget());
  before_.reset();
  show_message(settings.estimate
                   ? tr("Estimating what patching %1 would restore …").arg(QString::fromStdString(settings.site))
                   : tr("Patching %1 …").arg(QString::fromStdString(settings.site)),
               false);
  const std::string command = patch_command(pair_prompts_, *pair_, settings, command_model(workspace()));
  const auto take = [this, command, made_of = workspace().origin({false})](PatchMap map) {
    map.command = command;
    mark_->set_origin(made_of);
    show_map(std::move(map));
  };
  workspace().engine().post<PatchMap>(JobSpec::lengthy(QStringLiteral("patch"), settings.estimate
                                                                                    ? tr("Estimating patches")
                                                                                    : tr("Patching activations")),
                                      this,
                                      [pair = *pair_, settings](EngineState& state, const JobContext<PatchMap>& job) {
                                        return run_patching(state, pair, settings, job.control, job.partial);
                                      },
                                      {[this, take](Result<PatchMap> map) {
                                         if (map.ok()) {
                                           take(std::move(*map));
                                           keep(*shown_, *mark_->origin());
                                           return keep_as_score(*shown_, *mark_->origin());
                                         }
                                         show_message(QString::fromStdString(map.error().message), true);
                                         workspace().report(tr("Patching"), map.error());
                                       },
                                       take});
}

// A map by head is a score of the head grid, too.
void PatchingView::keep_as_score(const PatchMap& map, const Origin& made_of) {
  const auto& model = workspace().model();
  if (model && made_of.model_sha256 == model->sha256) // no other was opened meanwhile
    if (auto scores = patch_scores(map, *model)) {
      scores->origin = made_of;
      workspace().scores().put(std::move(*scores));
    }
}

// With the session, one of each kind of map.
void PatchingView::keep(const PatchMap& map, const Origin& made_of) {
  const auto& model = workspace().model();
  if (!model || made_of.model_sha256 != model->sha256) return;
  QStringList id = {QString::fromStdString(map.settings.site), QString::fromStdString(map.settings.axes)};
  if (map.settings.estimate) id.append(QStringLiteral("estimate"));
  if (map.settings.position) id.append(QString::number(*map.settings.position));
  workspace().kept().put(
      {kept_kind, id.join(QLatin1Char('/')), tr("The patching map"), {}, made_of, more_of(map)},
      [map, of = model_attributes(*model)](const std::string& path) { return write_patch_map(path, map, of); });
}

// What the session has kept for this model; the last map is shown.
void PatchingView::restore() {
  const auto& model = workspace().model();
  if (!model || shown_) return;
  workspace().kept().restore<PatchMap>(
      kept_kind, model->sha256, this,
      [](FileState& state, const KeptEntry& entry) {
        return read_patch_map(state, entry.file.toStdString(), entry.more);
      },
      [this](const KeptEntry& entry, PatchMap map) {
        keep_as_score(map, entry.origin);
        if (stored_->currentIndex() > 0) return; // a file's is shown
        mark_->set_origin(entry.origin);
        show_map(std::move(map));
      });
}

// Texts that come from the session.
void PatchingView::follow_texts() {
  const PatchTexts& texts = workspace().pair_texts();
  if (texts == editor_->typed() || texts == PatchTexts{}) return;
  editor_->set_texts(QString::fromStdString(texts.clean), QString::fromStdString(texts.corrupt));
}

// ---- Heads at a position

QWidget* PatchingView::make_tools() {
  heads_ = new QToolButton;
  heads_->setPopupMode(QToolButton::MenuButtonPopup);
  heads_->setText(tr("Patch the heads here"));
  heads_->setToolTip(tr("Patch z of each head at the position of the chosen cell alone; the arrow: of its layer only"));
  connect(heads_, &QToolButton::clicked, this, [this] {
    if (const auto cell = map_->current()) patch_heads_at(cell->col, std::nullopt);
  });
  auto* menu = new QMenu(heads_);
  heads_->setMenu(menu);
  connect(menu, &QMenu::aboutToShow, this, [this, menu] {
    menu->clear();
    const auto cell = map_->current();
    if (!cell) return;
    menu->addAction(tr("The heads of layer %1 at %2").arg(cell->row).arg(column_name(cell->col)), this,
                    [this, at = *cell] { patch_heads_at(at.col, at.row); });
    menu->addAction(tr("The heads of all layers at %1").arg(column_name(cell->col)), this,
                    [this, at = *cell] { patch_heads_at(at.col, std::nullopt); });
  });
  back_ = new QToolButton;
  back_->setText(tr("Back to positions"));
  copy_ = new QToolButton;
  copy_->setText(tr("Copy as command"));
  auto* box = new QWidget;
  auto* row = new QHBoxLayout(box);
  row->setContentsMargins(0, 0, 0, 0);
  row->addWidget(heads_);
  row->addWidget(back_);
  row->addStretch(1);
  row->addWidget(copy_);
  connect(back_, &QToolButton::clicked, this, &PatchingView::back);
  connect(copy_, &QToolButton::clicked, this, [this] { QGuiApplication::clipboard()->setText(command()); });
  offer_heads();
  return box;
}

// What the buttons above the map can do now.
void PatchingView::offer_heads() {
  const bool by_position = shown_ && !shown_->by_head() && shown_->complete;
  const bool of_pair = pair_ && pair_->aligned() && stored_->currentIndex() <= 0;
  heads_->setVisible(by_position && of_pair && map_->current());
  back_->setVisible(before_.has_value());
  copy_->setVisible(shown_.has_value());
  copy_->setEnabled(!command().isEmpty());
  copy_->setToolTip(command().isEmpty() ? tr("No command line is known that gives these numbers")
                                        : tr("The command line that gives these numbers"));
}

void PatchingView::patch_heads_at(int position, std::optional<int> layer) {
  if (!shown_ || !pair_) return;
  PatchMap before = *shown_;
  PatchSettings settings = before.settings;
  settings.site = short_name(HookPoint::z);
  settings.axes = name_of(PatchAxes::layer_head);
  settings.estimate = false;
  settings.position = position;
  settings.layer = layer;
  start(settings);
  before_ = std::move(before);
}

void PatchingView::back() {
  if (!before_) return;
  workspace().engine().drop_lane(QStringLiteral("patch"));
  PatchMap map = std::move(*before_);
  before_.reset();
  show_map(std::move(map));
}

QString PatchingView::command() const { return shown_ ? QString::fromStdString(shown_->command) : QString(); }

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
  before_.reset();
  map_->set_content({});
  mark_->set_origin(std::nullopt);
  offer_heads();
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
        mark_->set_origin(workspace().origin_of_result());
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
  const QString place = tr("layer %1, %2").arg(cell.row).arg(column_name(cell.col));
  if (!shown_->settings.estimate) return tr("%1: restores %2").arg(place, number(restored));
  QString text = tr("%1: estimated to restore %2").arg(place, number(restored));
  for (const CheckedPatch& checked : shown_->checked)
    if (checked.layer == cell.row && checked.column == cell.col)
      text += checked.agrees ? tr("; patched: %1").arg(number(checked.exact))
                             : tr("; patched: %1, so the estimate is wrong").arg(number(checked.exact));
  return text;
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
  for (const CheckedPatch& checked : shown_->checked)
    (checked.agrees ? content.outlined : content.warned).push_back({checked.layer, checked.column});
  map_->set_content(std::move(content));
  mark_selection();
  offer_heads();
  show_message(map_text(), !shown_->note.empty());
}

QString PatchingView::map_text() const {
  QString text =
      tr("%1 of %2 · %3: clean %4, corrupt %5")
          .arg(shown_->settings.noising ? tr("Corrupt activations into the clean run: what is left")
                                        : tr("Clean activations into the corrupt run: what is restored"),
               QString::fromStdString(shown_->settings.site), QString::fromStdString(shown_->settings.metric),
               number(shown_->clean_value), number(shown_->corrupt_value));
  if (!shown_->complete) text += tr(" · not complete");
  if (shown_->settings.position) text += tr(" · heads at position %1 alone").arg(*shown_->settings.position);
  if (shown_->settings.estimate) {
    const auto wrong = std::count_if(shown_->checked.begin(), shown_->checked.end(),
                                     [](const CheckedPatch& cell) { return !cell.agrees; });
    text += tr("\nEstimates from one gradient (attribution patching), not patches. The %1 framed cells were patched to "
               "compare: %2 of them disagree.")
                .arg(shown_->checked.size())
                .arg(wrong);
  }
  if (!shown_->note.empty()) text += QLatin1Char('\n') + QString::fromStdString(shown_->note);
  return text;
}

void PatchingView::show_message(const QString& text, bool warning) {
  message_->setText(text);
  message_->setToolTip(text.count(QLatin1Char('\n')) + 1 >= message_lines ? text : QString()); // may be cut
  QPalette palette;
  if (warning) palette.setColor(QPalette::WindowText, inks().warning);
  message_->setPalette(palette);
}

void PatchingView::click(Cell cell) {
  if (!shown_) return;
  Selection& selection = workspace().selection();
  if (shown_->by_head()) {
    selection.set_head(head_of(cell));
  } else {
    const auto& tokens = workspace().prompt().tokens();
    if (same_tokens(tokens, shown_->clean) || same_tokens(tokens, shown_->corrupt))
      selection.set_tokens(cell.col, selection.key());
    if (const auto head = selection.head()) selection.set_head({cell.row, head->head});
    editor_->tokens().set_current(cell.col);
  }
  map_->set_current(cell);
  offer_heads();
  show_message(cell_text(cell), false);
}

HeadId PatchingView::head_of(Cell cell) const {
  const int shared = shown_->n_columns > 0 ? std::max(1, workspace().n_heads() / shown_->n_columns) : 1;
  return {cell.row, cell.col * shared};
}

void PatchingView::show_cell_menu(Cell cell, const QPoint& place) {
  if (!shown_) return;
  map_->set_current(cell);
  offer_heads();
  auto* menu = new QMenu(this);
  menu->addSection(tr("Layer %1, %2").arg(cell.row).arg(column_name(cell.col)));
  if (shown_->by_head()) {
    add_head_actions(*menu, workspace(), head_of(cell));
  } else {
    const bool can = !heads_->isHidden();
    menu->addAction(tr("Patch the heads of this layer here"), this,
                    [this, cell] { patch_heads_at(cell.col, cell.row); })
        ->setEnabled(can);
    menu->addAction(tr("Patch the heads of all layers here"), this,
                    [this, cell] { patch_heads_at(cell.col, std::nullopt); })
        ->setEnabled(can);
    menu->addAction(tr("Select this position and layer"), this, [this, cell] { click(cell); });
  }
  menu->addSeparator();
  menu->addAction(tr("Copy what it restores"), this,
                  [text = cell_text(cell)] { QGuiApplication::clipboard()->setText(text); });
  QAction* copy = menu->addAction(tr("Copy the map as command"), this,
                                  [text = command()] { QGuiApplication::clipboard()->setText(text); });
  copy->setEnabled(copy_->isEnabled());
  copy->setToolTip(copy_->toolTip());
  show_menu(menu, place);
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
  map.title = shown_->settings.estimate ? "Estimate: " : "";
  map.title += (shown_->settings.noising ? "Remaining " : "Restored ") + shown_->settings.metric + ", " +
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
  map.scale.label = shown_->settings.estimate ? "restored (estimated)" : "restored";
  map.square_cells = false;
  out.figure = std::move(map);
  return out;
}

View* make_patching_view(Workspace& workspace, QWidget* parent) { return new PatchingView(workspace, parent); }

} // namespace headscope::gui
