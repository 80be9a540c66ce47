// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/gui/views/ablation/ablation_view.h"

#include <QHBoxLayout>
#include <QLabel>
#include <QLineEdit>
#include <QPushButton>
#include <QSpinBox>
#include <QSplitter>
#include <QStackedWidget>
#include <QTextEdit>
#include <QTimer>
#include <QVBoxLayout>

#include "app/gui/style/folding_column.h"
#include "app/gui/style/follow_font.h"
#include "app/gui/style/theme.h"
#include "app/gui/views/ablation/ablation_controls.h"
#include "app/gui/views/ablation/prediction_bars.h"
#include "app/gui/views/ablation/text_pair.h"
#include "app/gui/views/answers/answer_fields.h"
#include "app/gui/views/origin/origin_mark.h"
#include "app/gui/views/view_list.h"

namespace headscope::gui {
namespace {

constexpr int answer_pause_ms = 300; // of typing
const QString lanes[2] = {QStringLiteral("text-clean"), QStringLiteral("text-ablated")};

} // namespace

AblationView::AblationView(Workspace& workspace, QWidget* parent)
    : View(workspace, QStringLiteral("ablation"), tr("Ablation"), parent), controls_(new AblationControls(workspace)),
      stack_(new QStackedWidget), empty_(new QLabel), answer_timer_(new QTimer(this)) {
  empty_->setAlignment(Qt::AlignCenter);
  empty_->setWordWrap(true);
  empty_->setForegroundRole(QPalette::PlaceholderText);
  auto* parts = new FoldingColumn(tr("Parts of the view Ablation"));
  parts->add(controls_, tr("Heads"));
  parts->add(make_results(), tr("Next token"));
  parts->add(make_texts(), tr("Generated text"), 1);
  auto* inside = new QWidget;
  auto* column = new QVBoxLayout(inside);
  column->setContentsMargins(8, 6, 8, 6);
  column->addWidget(parts);
  stack_->addWidget(empty_);
  stack_->addWidget(inside);
  auto* all = new QVBoxLayout(this);
  all->setContentsMargins(0, 0, 0, 0);
  all->addWidget(stack_);
  answer_timer_->setSingleShot(true);
  answer_timer_->setInterval(answer_pause_ms);
  connect(answer_timer_, &QTimer::timeout, this, &AblationView::refresh);
  connect(&workspace.ablation(), &AblationState::changed, this, &AblationView::refresh);
  connect(&workspace.attention(), &AttentionState::changed, this, [this] {
    clean_tokens_.clear(); // what was generated without ablation is of the plan before
    refresh();
  });
  connect(&workspace.prompt(), &PromptState::changed, this, &AblationView::refresh);
  connect(&workspace, &Workspace::model_changed, this, [this] {
    prediction_.reset();
    clean_tokens_.clear();
    refresh();
  });
  show_state();
}

QWidget* AblationView::make_results() {
  bars_ = new PredictionBars;
  numbers_ = new QLabel;
  numbers_->setWordWrap(true);
  numbers_->setTextInteractionFlags(Qt::TextSelectableByMouse);
  numbers_->setAccessibleName(tr("Logit difference and divergence"));
  answer_ = new QLineEdit;
  wrong_ = new QLineEdit;
  auto* row = new QHBoxLayout;
  const std::pair<QString, QLineEdit*> fields[] = {{tr("&Answer"), answer_}, {tr("&Wrong"), wrong_}};
  for (const auto& [name, field] : fields) {
    auto* label = new QLabel(name);
    label->setBuddy(field);
    field->setToolTip(tr("One token, with its leading space; empty: the clean run's likeliest"));
    row->addWidget(label);
    row->addWidget(field, 1);
  }
  meant_ = new QPushButton;
  meant_->setToolTip(tr("Takes the answers as the model writes them, with a space before the word"));
  meant_->hide();
  row->addWidget(meant_);
  connect(meant_, &QPushButton::clicked, this, [this] {
    AnswerState::Pair pair = workspace().answers().pair();
    if (!prediction_->meant_answer.empty()) pair.answer = prediction_->meant_answer;
    if (!prediction_->meant_wrong.empty()) pair.wrong = prediction_->meant_wrong;
    workspace().answers().set(pair);
  });
  share_answers(workspace().answers(), *answer_, *wrong_);
  connect(&workspace().answers(), &AnswerState::changed, answer_timer_, qOverload<>(&QTimer::start));
  auto* box = new QWidget;
  auto* column = new QVBoxLayout(box);
  column->setContentsMargins(0, 4, 0, 0);
  column->addWidget(new QLabel(tr("Next token")));
  column->addWidget(bars_);
  column->addLayout(row);
  column->addWidget(numbers_);
  prediction_mark_ = new OriginMark(workspace(), box);
  return box;
}

QWidget* AblationView::make_texts() {
  new_tokens_ = new QSpinBox;
  new_tokens_->setRange(0, 500);
  new_tokens_->setValue(24);
  new_tokens_->setAccessibleName(tr("Tokens to generate"));
  auto* heading = new QHBoxLayout;
  auto* label = new QLabel(tr("Generated &text, tokens:"));
  label->setBuddy(new_tokens_);
  heading->addWidget(label);
  heading->addWidget(new_tokens_);
  heading->addStretch(1);
  auto* splitter = new QSplitter(Qt::Horizontal);
  const std::pair<QTextEdit**, QString> boxes[] = {{&clean_box_, tr("clean")}, {&ablated_box_, tr("ablated")}};
  for (const auto& [box, name] : boxes) {
    *box = new QTextEdit;
    (*box)->setReadOnly(true);
    (*box)->setPlaceholderText(name);
    (*box)->setAccessibleName(tr("Generated text, %1").arg(name));
    follow_font(**box, [text = *box] { text->setMinimumHeight(4 * text->fontMetrics().lineSpacing()); });
    auto* holder = new QWidget;
    auto* column = new QVBoxLayout(holder);
    column->setContentsMargins(0, 0, 0, 0);
    column->addWidget(new QLabel(name));
    column->addWidget(*box);
    splitter->addWidget(holder);
  }
  auto* box = new QWidget;
  auto* column = new QVBoxLayout(box);
  column->setContentsMargins(0, 4, 0, 0);
  column->addLayout(heading);
  column->addWidget(splitter, 1);
  text_mark_ = new OriginMark(workspace(), splitter);
  connect(new_tokens_, &QSpinBox::valueChanged, this, [this] {
    if (prediction_) generate_texts();
  });
  return box;
}

AblationInput AblationView::input(bool ablated) const {
  if (!ablated) return {};
  return workspace().ablation().input();
}

void AblationView::showEvent(QShowEvent* event) {
  View::showEvent(event);
  if (stale_) refresh();
}

bool AblationView::settled() const { return !answer_timer_->isActive(); }

void AblationView::refresh() {
  show_state();
  // Stops running generations, which would block the engine.
  for (const QString& lane : lanes)
    workspace().engine().drop_lane(lane);
  stale_ = true;
  if (watched() && workspace().live()) predict_now();
}

void AblationView::show_state() {
  const bool live = workspace().live();
  empty_->setText(!workspace().model() ? tr("Open a model to ablate its heads")
                  : workspace().prompt().tokens().empty()
                      ? tr("Type a prompt above to see what ablated heads change")
                      : tr("This prompt comes from a result file.\n"
                           "Use it as the prompt (Ctrl+Enter) to ablate heads on it."));
  stack_->setCurrentIndex(live ? 1 : 0);
}

void AblationView::predict_now() {
  stale_ = false;
  clock_.start();
  PredictRequest request;
  request.tokens = workspace().prompt().ids();
  request.ablation = input(true);
  request.answer = workspace().answers().pair().answer;
  request.wrong = workspace().answers().pair().wrong;
  workspace().engine().post<Prediction>(
      JobSpec::view(QStringLiteral("predict"), tr("Predicting with ablated heads")), this,
      [request](EngineState& state, const JobContext<Prediction>& job) { return predict(state, request, job.control); },
      {[this, tokens = request.tokens,
        made_of = workspace().origin({true, true, true})](Result<Prediction> prediction) {
        if (!prediction.ok()) {
          stale_ = true;
          return workspace().report(tr("Nothing was predicted"), prediction.error());
        }
        tokens_ = tokens;
        prediction_mark_->set_origin(made_of);
        take(std::move(*prediction));
      }});
}

void AblationView::take(Prediction prediction) {
  prediction_ = std::move(prediction);
  seconds_ = static_cast<double>(clock_.elapsed()) / 1000.0;
  show_prediction();
  generate_texts();
}

void AblationView::generate_texts() {
  const bool known = clean_tokens_ == tokens_ && clean_.complete && clean_length_ == new_tokens_->value();
  ablated_ = {};
  if (!known) {
    clean_ = {};
    if (new_tokens_->value() > 0) post_text(false);
  }
  if (!workspace().ablation().heads().empty() && new_tokens_->value() > 0) post_text(true);
  text_mark_->set_origin(workspace().origin({true, true}));
  show_texts();
}

void AblationView::post_text(bool ablated) {
  GenerateRequest request;
  request.tokens = tokens_;
  request.ablation = input(ablated);
  request.new_tokens = new_tokens_->value();
  if (!ablated) {
    clean_tokens_ = tokens_;
    clean_length_ = request.new_tokens;
  }
  const auto keep = [this, ablated](Continuation text) {
    (ablated ? ablated_ : clean_) = std::move(text);
    show_texts();
  };
  workspace().engine().post<Continuation>(
      JobSpec::idle(lanes[ablated ? 1 : 0], ablated ? tr("Generating with ablated heads") : tr("Generating")), this,
      [request](EngineState& state, const JobContext<Continuation>& job) {
        return generate_text(state, request, job.control, job.partial);
      },
      {[this, keep](Result<Continuation> text) {
         if (!text.ok()) return workspace().report(tr("No text was generated"), text.error());
         keep(std::move(*text));
       },
       keep});
}

void AblationView::show_prediction() {
  const bool compare = !workspace().ablation().heads().empty();
  bars_->set_prediction(prediction_->top, compare);
  const auto number = [](double value) { return QString::number(value, 'f', 3); };
  const QString pair =
      QStringLiteral("%1 − %2").arg(token_text(prediction_->answer.text, 16), token_text(prediction_->wrong.text, 16));
  if (compare)
    numbers_->setText(tr("Logit difference %1: %2 → %3 (%4%5)\nKL(clean‖ablated): %6 nats · %7 ms")
                          .arg(pair, number(prediction_->clean_diff), number(prediction_->ablated_diff),
                               prediction_->ablated_diff >= prediction_->clean_diff ? QStringLiteral("+") : QString(),
                               number(prediction_->ablated_diff - prediction_->clean_diff))
                          .arg(prediction_->kl, 0, 'g', 3)
                          .arg(qRound(seconds_ * 1000.0)));
  else
    numbers_->setText(
        tr("Logit difference %1: %2\nAblate heads to see what changes.").arg(pair, number(prediction_->clean_diff)));
  QStringList meant;
  for (const std::string* text : {&prediction_->meant_answer, &prediction_->meant_wrong})
    if (!text->empty()) meant.append(token_text(*text, 16));
  meant_->setText(tr("Use %1").arg(meant.join(tr(" and "))));
  meant_->setVisible(!meant.isEmpty());
  if (!workspace().attention().full())
    numbers_->setText(numbers_->text() +
                      tr("\nUnder the attention plan %1").arg(QString::fromStdString(workspace().attention().plan())));
  if (!prediction_->note.empty())
    numbers_->setText(numbers_->text() + QLatin1Char('\n') + QString::fromStdString(prediction_->note));
}

void AblationView::show_texts() {
  const bool compare = !workspace().ablation().heads().empty();
  const std::size_t same =
      compare && !ablated_.tokens.empty() ? first_difference(clean_, ablated_) : clean_.tokens.size();
  clean_box_->setHtml(marked_text(clean_, same, inks().text));
  ablated_box_->setHtml(marked_text(ablated_, same, inks().warning));
  ablated_box_->setPlaceholderText(compare ? tr("generating…") : tr("no head is ablated"));
}

// The colours of what differs are in the texts.
void AblationView::changeEvent(QEvent* event) {
  View::changeEvent(event);
  if (event->type() == QEvent::PaletteChange && clean_box_) show_texts();
}

std::optional<ViewExport> AblationView::exported() const {
  if (!prediction_) return std::nullopt;
  figures::BarFigure figure;
  figure.title = tr("Next token, clean beside ablated").toStdString();
  for (const AblatedHead& head : workspace().ablation().heads())
    figure.subtitle += (figure.subtitle.empty() ? "ablated: " : ", ") + head_name(head.head) + " (" +
                       to_string(head.how) + ", " + to_string(head.when) + ")";
  figure.x_axis = "next token";
  figure.y_axis = "probability";
  figures::Series clean{"clean", {}, {}, {}, {}}, ablated{"ablated", {}, {}, {}, {}};
  figures::Table table;
  table.columns = {"clean", "ablated"};
  table.row_header = "token";
  for (const PredictedToken& token : prediction_->top) {
    figure.categories.push_back(token.token.text);
    clean.y.push_back(token.clean);
    ablated.y.push_back(token.ablated);
    table.row_labels.push_back(token.token.text);
    table.values.insert(table.values.end(), {token.clean, token.ablated});
  }
  figure.series = {clean, ablated};
  return ViewExport{QStringLiteral("ablation"), figure, table};
}

View* make_ablation_view(Workspace& workspace, QWidget* parent) { return new AblationView(workspace, parent); }

} // namespace headscope::gui
