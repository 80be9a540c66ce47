// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/gui/views/ablation/ablation_controls.h"

#include <algorithm>

#include <QComboBox>
#include <QHBoxLayout>
#include <QLabel>
#include <QLineEdit>
#include <QListWidget>
#include <QPlainTextEdit>
#include <QPushButton>
#include <QSignalBlocker>
#include <QSpinBox>
#include <QTimer>
#include <QVBoxLayout>

#include "app/gui/models/head_filter.h"
#include "app/gui/models/score_owner.h"
#include "app/gui/style/follow_font.h"
#include "core/vocabulary/ablation.h"
#include "core/vocabulary/head_id.h"
#include "generated/app/gui/views/ablation/reference_prompts.h"

namespace headscope::gui {
namespace {

constexpr int reference_pause_ms = 400; // of typing

// A combo box of all names of an enumeration, each with its meaning as a tool tip.
template <typename E> QComboBox* choice_of(const QString& name) {
  auto* box = new QComboBox;
  box->setAccessibleName(name);
  for (const Named<E>& each : names_of<E>()) {
    box->addItem(QString::fromLatin1(each.name), static_cast<int>(each.value));
    box->setItemData(box->count() - 1, QString::fromLatin1(each.what), Qt::ToolTipRole);
  }
  return box;
}

template <typename E> E chosen(const QComboBox* box) { return static_cast<E>(box->currentData().toInt()); }
template <typename E> void choose(QComboBox* box, E value) {
  box->setCurrentIndex(box->findData(static_cast<int>(value)));
}

} // namespace

AblationControls::AblationControls(Workspace& workspace, QWidget* parent)
    : QWidget(parent), workspace_(workspace), list_(new QListWidget), reference_timer_(new QTimer(this)) {
  list_->setFlow(QListView::LeftToRight);
  list_->setWrapping(true);
  list_->setResizeMode(QListView::Adjust);
  list_->setSpacing(2);
  list_->setAccessibleName(tr("Ablated heads"));
  list_->setToolTip(tr("Heads that are ablated; a click on the tick puts one back, a double click selects it"));
  follow_font(*list_, [this] { list_->setFixedHeight(2 * (list_->fontMetrics().height() + 8)); });
  auto* clear = new QPushButton(tr("Put back all"));
  auto* heading = new QHBoxLayout;
  heading->addWidget(new QLabel(tr("Ablated heads")), 1);
  heading->addWidget(clear);
  auto* column = new QVBoxLayout(this);
  column->setContentsMargins(0, 0, 0, 0);
  column->addLayout(heading);
  column->addWidget(list_);
  column->addWidget(make_adding());
  column->addWidget(make_method());
  reference_timer_->setSingleShot(true);
  reference_timer_->setInterval(reference_pause_ms);
  const auto take_reference = [this] { workspace_.ablation().set_reference(reference()); };
  connect(reference_timer_, &QTimer::timeout, this, take_reference);
  take_reference();
  connect(clear, &QPushButton::clicked, this, [this] { workspace_.ablation().clear(); });
  connect(list_, &QListWidget::itemChanged, this, [this](const QListWidgetItem* item) {
    const int row = list_->row(item);
    const auto& heads = workspace_.ablation().heads();
    if (item->checkState() != Qt::Unchecked || row >= static_cast<int>(heads.size())) return;
    // Deferred until the list has handled the click, since the list is rebuilt.
    QMetaObject::invokeMethod(
        this, [this, head = heads[static_cast<std::size_t>(row)].head] { workspace_.ablation().toggle(head); },
        Qt::QueuedConnection);
  });
  connect(list_, &QListWidget::itemDoubleClicked, this, [this](const QListWidgetItem* item) {
    const auto row = static_cast<std::size_t>(list_->row(item));
    if (row < workspace_.ablation().heads().size())
      workspace_.selection().set_head(workspace_.ablation().heads()[row].head);
  });
  connect(&workspace_.ablation(), &AblationState::changed, this, &AblationControls::show_heads);
  connect(&workspace_.scores(), &ScoreBoard::changed, this, &AblationControls::show_scores);
  connect(&workspace_, &Workspace::model_changed, this, &AblationControls::show_scores);
  show_heads();
  show_scores();
}

QWidget* AblationControls::make_adding() {
  names_ = new QLineEdit;
  names_->setPlaceholderText(tr("Add heads: 18.6, 17"));
  names_->setToolTip(tr("18.6 is a head, 17 a layer, 18.0-3 a range of heads, 10-12 a range of layers"));
  names_->setAccessibleName(tr("Heads to ablate"));
  problem_ = new QLabel;
  problem_->setWordWrap(true);
  problem_->setVisible(false);
  auto* named = new QPushButton(tr("Add"));
  auto* selected = new QPushButton(tr("Add selected"));
  count_ = new QSpinBox;
  count_->setRange(1, 999);
  count_->setValue(5);
  count_->setPrefix(tr("top "));
  count_->setAccessibleName(tr("How many of the strongest heads"));
  score_ = new QComboBox;
  score_->setAccessibleName(tr("Score of the strongest heads"));
  score_->setSizeAdjustPolicy(QComboBox::AdjustToMinimumContentsLengthWithIcon);
  score_->setMinimumContentsLength(4);
  score_->setSizePolicy(QSizePolicy::Expanding, QSizePolicy::Fixed);
  auto* strongest = new QPushButton(tr("Add strongest"));
  auto* box = new QWidget;
  auto* grid = new QGridLayout(box);
  grid->setContentsMargins(0, 0, 0, 0);
  grid->addWidget(names_, 0, 0, 1, 2);
  grid->addWidget(named, 0, 2);
  grid->addWidget(selected, 0, 3);
  grid->addWidget(problem_, 1, 0, 1, 4);
  grid->addWidget(count_, 2, 0);
  grid->addWidget(score_, 2, 1);
  grid->addWidget(strongest, 2, 2, 1, 2);
  grid->setColumnStretch(1, 1);
  connect(named, &QPushButton::clicked, this, [this] { add_named(names_->text()); });
  connect(names_, &QLineEdit::returnPressed, this, [this] { add_named(names_->text()); });
  connect(selected, &QPushButton::clicked, this, &AblationControls::add_selected);
  connect(strongest, &QPushButton::clicked, this,
          [this] { add_strongest(count_->value(), score_->currentData().toString().toStdString()); });
  return box;
}

QWidget* AblationControls::make_method() {
  how_ = choice_of<AblationMethod>(tr("Method"));
  when_ = choice_of<Phase>(tr("Phase"));
  reference_ = new QPlainTextEdit(QString::fromUtf8(reference_prompts).trimmed());
  reference_->setAccessibleName(tr("Reference texts, one a line"));
  follow_font(*reference_, [this] { reference_->setFixedHeight(5 * reference_->fontMetrics().lineSpacing()); });
  reference_->setLineWrapMode(QPlainTextEdit::NoWrap);
  reference_box_ = new QWidget;
  auto* texts = new QVBoxLayout(reference_box_);
  texts->setContentsMargins(0, 0, 0, 0);
  texts->addWidget(new QLabel(tr("Reference texts, one a line")));
  texts->addWidget(reference_);
  auto* row = new QHBoxLayout;
  for (const auto& [name, field] :
       std::initializer_list<std::pair<QString, QComboBox*>>{{tr("&Method"), how_}, {tr("&Phase"), when_}}) {
    auto* label = new QLabel(name);
    label->setBuddy(field);
    row->addWidget(label);
    field->setSizeAdjustPolicy(QComboBox::AdjustToMinimumContentsLengthWithIcon);
    field->setMinimumContentsLength(6);
    row->addWidget(field, 1);
  }
  auto* box = new QWidget;
  auto* column = new QVBoxLayout(box);
  column->setContentsMargins(0, 0, 0, 0);
  column->addLayout(row);
  column->addWidget(reference_box_);
  for (QComboBox* combo : {how_, when_})
    connect(combo, &QComboBox::activated, this, &AblationControls::change_method);
  connect(reference_, &QPlainTextEdit::textChanged, reference_timer_, qOverload<>(&QTimer::start));
  return box;
}

std::vector<std::string> AblationControls::reference() const {
  std::vector<std::string> texts;
  for (const QString& line : reference_->toPlainText().split(u'\n'))
    if (!line.trimmed().isEmpty()) texts.push_back(line.trimmed().toStdString());
  return texts;
}

void AblationControls::add(const std::vector<HeadId>& heads, const QString& what) {
  const AblationState& state = workspace_.ablation();
  std::vector<AblatedHead> all = state.heads();
  for (const HeadId head : heads)
    if (!state.find(head)) all.push_back({head, state.how(), state.when()});
  workspace_.ablation().set_heads(std::move(all), what);
}

void AblationControls::add_named(const QString& text) {
  const auto parsed = parse_heads(text.toStdString(), workspace_.n_layers(), workspace_.n_heads());
  problem_->setVisible(!parsed.ok());
  if (!parsed.ok()) return problem_->setText(QString::fromStdString(parsed.error().message));
  add(*parsed, tr("ablate %1").arg(text.trimmed()));
  names_->clear();
}

void AblationControls::add_selected() { add(workspace_.selection().heads(), tr("ablate the selected heads")); }

void AblationControls::add_strongest(int count, const std::string& score) {
  const HeadScores* scores = workspace_.scores().find(score);
  if (!scores) return;
  std::vector<HeadId> heads = ranked_heads(*scores);
  heads.resize(std::min(heads.size(), static_cast<std::size_t>(count)));
  add(heads, tr("ablate the strongest heads"));
}

void AblationControls::change_method() {
  workspace_.ablation().set_method(chosen<AblationMethod>(how_), chosen<Phase>(when_));
}

void AblationControls::show_heads() {
  const AblationState& state = workspace_.ablation();
  const QSignalBlocker blocker(list_);
  list_->clear();
  for (const AblatedHead& head : state.heads()) {
    auto* item = new QListWidgetItem(QString::fromStdString(head_name(head.head)), list_);
    item->setFlags(Qt::ItemIsEnabled | Qt::ItemIsSelectable | Qt::ItemIsUserCheckable);
    item->setCheckState(Qt::Checked);
  }
  choose(how_, state.how());
  choose(when_, state.when());
  reference_box_->setVisible(state.how() == AblationMethod::mean || state.how() == AblationMethod::resample);
}

void AblationControls::show_scores() {
  const QString before = score_->currentData().toString();
  score_->clear();
  for (const HeadScores& scores : workspace_.scores().all())
    if (why_not_of(workspace_.model(), scores).isEmpty()) // heads of another model are not heads of this one
      score_->addItem(QString::fromStdString(scores.title), QString::fromStdString(scores.id));
  score_->setCurrentIndex(std::max(0, score_->findData(before)));
}

} // namespace headscope::gui
