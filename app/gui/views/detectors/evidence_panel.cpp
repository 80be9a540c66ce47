// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/gui/views/detectors/evidence_panel.h"

#include <algorithm>

#include <QHBoxLayout>
#include <QHeaderView>
#include <QLabel>
#include <QPushButton>
#include <QTableView>
#include <QVBoxLayout>

#include "app/gui/engine/generate_job.h"
#include "app/gui/style/follow_font.h"

namespace headscope::gui {

EvidencePanel::EvidencePanel(Workspace& workspace, QWidget* parent)
    : QWidget(parent), workspace_(workspace), model_(new EvidenceModel(this)), table_(new QTableView),
      heading_(new QLabel), show_(new QPushButton(tr("Show"))) {
  heading_->setWordWrap(true);
  show_->setToolTip(tr("Loads the prompt and pins query and key: the attention view shows the row"));
  table_->setModel(model_);
  table_->setSelectionBehavior(QAbstractItemView::SelectRows);
  table_->setSelectionMode(QAbstractItemView::SingleSelection);
  table_->setAlternatingRowColors(true);
  table_->verticalHeader()->hide();
  follow_font(*table_, [this] { table_->verticalHeader()->setDefaultSectionSize(table_->fontMetrics().height() + 6); });
  table_->horizontalHeader()->setSectionResizeMode(QHeaderView::ResizeToContents);
  table_->horizontalHeader()->setStretchLastSection(true);
  table_->setHorizontalScrollMode(QAbstractItemView::ScrollPerPixel);
  table_->setAccessibleName(tr("Evidence of the selected head"));
  auto* row = new QHBoxLayout;
  row->addWidget(heading_, 1);
  row->addWidget(show_);
  auto* column = new QVBoxLayout(this);
  column->setContentsMargins(0, 0, 0, 0);
  column->addLayout(row);
  column->addWidget(table_, 1);
  connect(&workspace_.selection(), &Selection::heads_changed, this, &EvidencePanel::list_rows);
  connect(show_, &QPushButton::clicked, this, [this] { show_row(std::max(0, table_->currentIndex().row())); });
  connect(table_, &QTableView::doubleClicked, this, [this](const QModelIndex& index) { show_row(index.row()); });
  list_rows();
}

void EvidencePanel::set_evidence(const std::string& detector, std::shared_ptr<const DetectorResult> result,
                                 const std::string& file) {
  detector_ = detector;
  result_ = std::move(result);
  file_ = file;
  list_rows();
}

void EvidencePanel::list_rows() {
  const auto head = workspace_.selection().head();
  std::vector<EvidenceRow> rows;
  if (result_ && head) rows = evidence_of(detector_, *result_, *head);
  heading_->setText(!result_       ? tr("Choose a detector's score to see its evidence")
                    : !head        ? tr("Select a head to see its evidence")
                    : rows.empty() ? tr("Head %1: this detector reads weights, or found nothing at this head")
                                         .arg(QString::fromStdString(head_name(*head)))
                                   : tr("Evidence of head %1").arg(QString::fromStdString(head_name(*head))));
  show_->setEnabled(!rows.empty());
  model_->set_rows(std::move(rows));
  if (model_->rowCount() > 0) table_->selectRow(0);
  table_->resizeColumnToContents(EvidenceModel::prompt_column);
}

bool EvidencePanel::model_made_it() const {
  if (!workspace_.model()) return false;
  if (file_.empty()) return true;
  if (!workspace_.result() || workspace_.result()->path != file_) return false;
  return store::text_attribute(workspace_.result()->model, "sha256") == workspace_.model()->sha256;
}

void EvidencePanel::show_row(int row) {
  if (!result_ || row >= model_->rowCount()) return;
  const EvidenceRow& wanted = model_->row(row);
  const auto& prompts = result_->prompts;
  const auto found =
      std::find_if(prompts.begin(), prompts.end(), [&](const store::Prompt& p) { return p.id == wanted.prompt; });
  if (found == prompts.end()) return;
  if (model_made_it()) return show_live(*found, wanted);
  workspace_.show_stored_prompt(wanted.prompt);
  const int last = static_cast<int>(found->token_ids.size()) - 1;
  workspace_.selection().set_tokens(wanted.query ? std::optional(std::min(*wanted.query, last)) : std::nullopt,
                                    wanted.key);
}

// Uses the tokens of the run rather than its text, since random tokens cannot be recovered from text.
void EvidencePanel::show_live(const store::Prompt& prompt, const EvidenceRow& row) {
  workspace_.engine().post<std::vector<TokenInfo>>(
      {QStringLiteral("prompt"), tr("Showing the evidence")}, this,
      [ids = prompt.token_ids](EngineState& state, const JobContext<std::vector<TokenInfo>>&) {
        return describe_tokens(state, ids);
      },
      {[this, prompt, row](Result<std::vector<TokenInfo>> tokens) {
        if (!tokens.ok()) return workspace_.report(tr("The evidence was not shown"), tokens.error());
        workspace_.prompt().set_live({prompt.text, false, false}, std::move(*tokens));
        extend_and_pin(prompt, row);
      }});
}

// A query after the prompt's end is a generated token; greedy generation gives it again.
void EvidencePanel::extend_and_pin(const store::Prompt& prompt, const EvidenceRow& row) {
  const int length = static_cast<int>(prompt.token_ids.size());
  if (!row.query || *row.query < length) return workspace_.selection().set_tokens(row.query, row.key);
  GenerateRequest request;
  request.tokens = prompt.token_ids;
  request.new_tokens = *row.query - length + 1;
  workspace_.engine().post<Continuation>({QStringLiteral("generate"), tr("Generating the answer again")}, this,
                                         [request](EngineState& state, const JobContext<Continuation>& job) {
                                           return generate_text(state, request, job.control, {});
                                         },
                                         {[this, row](Result<Continuation> text) {
                                           if (!text.ok())
                                             return workspace_.report(tr("The answer was not generated"), text.error());
                                           workspace_.prompt().set_generated(text->tokens);
                                           workspace_.selection().set_tokens(row.query, row.key);
                                         }});
}

} // namespace headscope::gui
