// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/gui/window/export_dialog.h"

#include <algorithm>

#include <QCheckBox>
#include <QDateTime>
#include <QDialog>
#include <QDialogButtonBox>
#include <QDir>
#include <QFileDialog>
#include <QFormLayout>
#include <QLabel>
#include <QLineEdit>
#include <QPushButton>

#include "app/gui/style/theme.h"

namespace headscope::gui {
namespace {

const char* const format_names[] = {"png", "svg", "pdf", "csv", "npy"};

class ExportDialog : public QDialog {
public:
  ExportDialog(const QString& name, QWidget* parent) : QDialog(parent) {
    setWindowTitle(tr("Export"));
    auto* form = new QFormLayout(this);
    setObjectName(QStringLiteral("export"));
    folder_ = new QLineEdit(QDir::homePath());
    folder_->setObjectName(QStringLiteral("folder"));
    auto* browse = new QPushButton(tr("Browse…"));
    browse->setAutoDefault(false); // Enter saves
    auto* folder_row = new QHBoxLayout;
    folder_row->addWidget(folder_);
    folder_row->addWidget(browse);
    name_ = new QLineEdit(name);
    name_->setObjectName(QStringLiteral("name"));
    form->addRow(tr("Folder"), folder_row);
    form->addRow(tr("Name"), name_);
    auto* formats = new QHBoxLayout;
    for (const char* format : format_names) {
      formats_.append(new QCheckBox(QString::fromLatin1(format).toUpper()));
      formats_.last()->setObjectName(QString::fromLatin1(format));
      formats_.last()->setChecked(formats_.size() <= 2);
      formats->addWidget(formats_.last());
    }
    form->addRow(tr("Formats"), formats);
    overwrite_ = new QCheckBox(tr("Replace files that exist"));
    form->addRow(overwrite_);
    auto* buttons = new QDialogButtonBox(QDialogButtonBox::Save | QDialogButtonBox::Cancel);
    form->addRow(buttons);
    connect(browse, &QPushButton::clicked, this, [this] {
      const QString chosen = QFileDialog::getExistingDirectory(this, tr("Folder"), folder_->text());
      if (!chosen.isEmpty()) folder_->setText(chosen);
    });
    connect(buttons, &QDialogButtonBox::accepted, this, &QDialog::accept);
    connect(buttons, &QDialogButtonBox::rejected, this, &QDialog::reject);
  }

  ExportTarget target() const {
    ExportTarget target{folder_->text(), name_->text(), {}, overwrite_->isChecked(), is_dark(), 2.0};
    for (int i = 0; i < formats_.size(); ++i)
      if (formats_[i]->isChecked()) target.formats.append(QString::fromLatin1(format_names[i]));
    return target;
  }

private:
  QLineEdit *folder_, *name_;
  QList<QCheckBox*> formats_;
  QCheckBox* overwrite_;
};

std::vector<const figures::HeatmapFigure*> maps_of(const figures::Figure& figure) {
  if (const auto* map = std::get_if<figures::HeatmapFigure>(&figure)) return {map};
  std::vector<const figures::HeatmapFigure*> maps;
  if (const auto* panel = std::get_if<figures::PanelFigure>(&figure))
    for (const figures::HeatmapFigure& map : panel->panels)
      maps.push_back(&map);
  return maps;
}

// Numbers file names where there are several maps.
std::string numbered(const std::string& base, std::size_t index, std::size_t count) {
  return count == 1 ? base : base + "-" + std::to_string(index + 1);
}

Status write_numbers(const ViewExport& content, const std::string& base, bool csv, bool overwrite,
                     const figures::Provenance& provenance, QStringList& files) {
  const std::string ending = csv ? ".csv" : ".npy";
  const auto maps = maps_of(content.figure);
  if (content.table || maps.empty()) {
    if (!content.table) return make_error(ErrorCode::unsupported, "this view has no numbers to export", base + ending);
    const figures::Table& table = *content.table;
    const std::vector<float> values(table.values.begin(), table.values.end());
    const auto cols = static_cast<std::int64_t>(table.columns.size());
    const std::int64_t rows = cols ? static_cast<std::int64_t>(values.size()) / cols : 0;
    files.append(QString::fromStdString(base + ending));
    return csv ? figures::write_csv(base + ending, table, provenance, {overwrite})
               : figures::write_npy(base + ending, {rows, cols}, values, provenance, {overwrite});
  }
  for (std::size_t i = 0; i < maps.size(); ++i) {
    const std::string path = numbered(base, i, maps.size()) + ending;
    HS_ASSIGN(const figures::Table table, figures::to_table(*maps[i]));
    HS_TRY(csv ? figures::write_csv(path, table, provenance, {overwrite})
               : figures::write_npy(path, {maps[i]->rows, maps[i]->cols}, maps[i]->values, provenance, {overwrite}));
    files.append(QString::fromStdString(path));
  }
  return {};
}

} // namespace

Result<QStringList> write_export(const ViewExport& content, const ExportTarget& target,
                                 const figures::Provenance& provenance) {
  if (target.name.isEmpty() || target.name.contains(QLatin1Char('/')))
    return make_error(ErrorCode::invalid_argument, "must be a file name without a folder", {}, "Name");
  if (target.formats.isEmpty()) return make_error(ErrorCode::invalid_argument, "choose at least one", {}, "Formats");
  QStringList files;
  const std::string base = QDir(target.folder).filePath(target.name).toStdString();
  for (const QString& name : target.formats) {
    if (name == QStringLiteral("csv") || name == QStringLiteral("npy")) {
      HS_TRY(write_numbers(content, base, name == QStringLiteral("csv"), target.overwrite, provenance, files));
      continue;
    }
    HS_ASSIGN(const figures::Format format, figures::parse_format(name.toStdString()));
    const std::string path = base + "." + name.toStdString();
    HS_TRY(figures::render(content.figure, path, format, {0, target.scale, target.dark, target.overwrite}, provenance));
    files.append(QString::fromStdString(path));
  }
  return files;
}

ViewExport in_own_colors(ViewExport content) {
  const auto color = [](figures::HeatmapFigure& map) {
    if (map.scale.kind == figures::ScaleKind::sequential && !map.scale.map) map.scale.map = value_colors();
  };
  if (auto* map = std::get_if<figures::HeatmapFigure>(&content.figure)) color(*map);
  if (auto* page = std::get_if<figures::PanelFigure>(&content.figure)) std::ranges::for_each(page->panels, color);
  return content;
}

Result<QImage> picture_of(const ViewExport& content, bool dark, double scale) {
  HS_ASSIGN(const figures::Pixels pixels, figures::render_rgba(content.figure, {0, scale, dark, false}));
  const QImage view(pixels.rgba.data(), static_cast<int>(pixels.width), static_cast<int>(pixels.height),
                    static_cast<qsizetype>(pixels.width) * 4, QImage::Format_RGBA8888);
  return view.copy();
}

figures::Provenance provenance_of(const Workspace& workspace) {
  figures::Provenance provenance;
  if (workspace.model()) {
    provenance.add("model", workspace.model()->name);
    provenance.add("model_sha256", workspace.model()->sha256);
    provenance.add("dtype", workspace.model()->dtype);
    provenance.add("device", workspace.model()->device);
    if (!workspace.attention().full()) provenance.add("attention", workspace.attention().plan());
  }
  if (workspace.result()) provenance.add("result_file", workspace.result()->path);
  provenance.add("exported", QDateTime::currentDateTimeUtc().toString(Qt::ISODate).toStdString());
  provenance.add("headscope_version", QCoreApplication::applicationVersion().toStdString());
  return provenance;
}

void export_view(const View& view, Workspace& workspace, QWidget* parent) {
  std::optional<ViewExport> content = view.exported();
  if (!content)
    return workspace.report(QObject::tr("Export"),
                            make_error(ErrorCode::not_found, "this view shows nothing to export yet"));
  ExportDialog dialog(content->name, parent);
  if (dialog.exec() != QDialog::Accepted) return;
  workspace.files().post<QStringList>(
      {{}, QObject::tr("Exporting")}, &workspace,
      [content = in_own_colors(std::move(*content)), target = dialog.target(), provenance = provenance_of(workspace)](
          FileState&, const JobContext<QStringList>&) { return write_export(content, target, provenance); },
      {[&workspace](Result<QStringList> files) {
        if (files.ok())
          Q_EMIT workspace.noted(QObject::tr("Wrote %1").arg(files->join(QStringLiteral(", "))));
        else
          workspace.report(QObject::tr("Export"), files.error());
      }});
}

} // namespace headscope::gui
