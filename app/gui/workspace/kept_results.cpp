// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/gui/workspace/kept_results.h"

#include <algorithm>
#include <mutex>

#include <QDir>
#include <QFile>
#include <QFileInfo>
#include <QJsonDocument>

#include "app/gui/files/file_state.h"
#include "app/gui/workspace/saved_values.h"
#include "core/base/partial_file.h"

namespace headscope::gui {
namespace {

constexpr int write_after_ms = 200; // of a change
constexpr std::size_t most_kept = 64;

QString index_path(const QString& folder) { return folder + QStringLiteral("/index.json"); }

QJsonObject to_json(const KeptEntry& entry) {
  return {{QStringLiteral("kind"), entry.kind},
          {QStringLiteral("id"), entry.id},
          {QStringLiteral("title"), entry.title},
          {QStringLiteral("file"), entry.file},
          {QStringLiteral("origin"), to_json(entry.origin)},
          {QStringLiteral("more"), entry.more}};
}

KeptEntry entry_from(const QJsonObject& json) {
  return {json[QStringLiteral("kind")].toString(),
          json[QStringLiteral("id")].toString(),
          json[QStringLiteral("title")].toString(),
          json[QStringLiteral("file")].toString(),
          origin_from(json[QStringLiteral("origin")].toObject()),
          json[QStringLiteral("more")].toObject()};
}

// A missing or broken index is an empty one: nothing in it is worth refusing to start.
std::vector<KeptEntry> read_index(const QString& folder) {
  std::vector<KeptEntry> entries;
  QFile file(index_path(folder));
  if (!file.open(QIODevice::ReadOnly)) return entries;
  for (const QJsonValue& value : QJsonDocument::fromJson(file.readAll()).array())
    if (KeptEntry entry = entry_from(value.toObject()); QFileInfo::exists(entry.file))
      entries.push_back(std::move(entry));
  return entries;
}

} // namespace

// One writer at a time: the file thread, or the interface thread when the window closes.
struct KeptResults::Shelf {
  std::mutex mutex;

  // The index comes last, so that it names whole files only.
  Status write(const std::vector<Task>& tasks, const QString& index_file, const QByteArray& index) {
    const std::lock_guard<std::mutex> lock(mutex);
    Status first;
    for (const Task& task : tasks)
      if (Status status = task.write(task.file.toStdString()); !status.ok() && first.ok()) first = std::move(status);
    Status listed = write_file(index_file.toStdString(), index.toStdString(), true);
    return first.ok() ? listed : first;
  }
};

KeptResults::KeptResults(FileWorker& files)
    : files_(files), own_(std::make_unique<QTemporaryDir>()), folder_(own_->path()), shelf_(std::make_shared<Shelf>()) {
  timer_.setSingleShot(true);
  timer_.setInterval(write_after_ms);
  connect(&timer_, &QTimer::timeout, this, &KeptResults::write_now);
}

KeptResults::~KeptResults() = default;

void KeptResults::open(const QString& folder) {
  QDir().mkpath(folder);
  auto lock = std::make_unique<QLockFile>(folder + QStringLiteral("/lock"));
  lock->setStaleLockTime(0); // held until its process is gone, however long that runs
  if (!lock->tryLock()) return;
  lock_ = std::move(lock);
  own_.reset();
  folder_ = QFileInfo(folder).absoluteFilePath();
  entries_ = read_index(folder_);
  // What was written when a program was killed before it was listed.
  for (const QFileInfo& file : QDir(folder_).entryInfoList({QStringLiteral("*.h5")}, QDir::Files))
    if (std::ranges::find(entries_, file.absoluteFilePath(), &KeptEntry::file) == entries_.end())
      QFile::remove(file.absoluteFilePath());
}

QString KeptResults::new_file(const QString& kind) {
  for (int n = 1;; ++n) {
    QString path = QStringLiteral("%1/%2-%3.h5").arg(folder_, kind).arg(n);
    const bool taken =
        std::any_of(entries_.begin(), entries_.end(), [&](const KeptEntry& entry) { return entry.file == path; });
    if (!taken && !QFileInfo::exists(path)) return path;
  }
}

void KeptResults::put(KeptEntry entry, Write write) {
  if (write && !lock_) return; // nothing would read it
  const auto same = std::find_if(entries_.begin(), entries_.end(), [&](const KeptEntry& each) {
    return each.kind == entry.kind && each.id == entry.id && each.origin.model_sha256 == entry.origin.model_sha256;
  });
  if (same != entries_.end()) {
    if (entry.file.isEmpty()) entry.file = same->file;
    if (entry.file != same->file) remove(same->file);
    entries_.erase(same);
  }
  if (entry.file.isEmpty()) entry.file = new_file(entry.kind);
  if (write) tasks_[entry.file] = {entry.file, std::move(write), next_task_++};
  entries_.push_back(std::move(entry));
  changed_ = true;
  if (lock_ && !timer_.isActive()) timer_.start(); // further changes do not put it off
}

std::vector<KeptEntry> KeptResults::of(const QString& kind, const std::string& model_sha256) const {
  std::vector<KeptEntry> found;
  for (const KeptEntry& entry : entries_)
    if (entry.kind == kind && entry.origin.model_sha256 == model_sha256) found.push_back(entry);
  return found;
}

// A file of the user's stays.
void KeptResults::remove(const QString& file) {
  tasks_.erase(file);
  if (file.startsWith(folder_)) QFile::remove(file);
}

void KeptResults::drop_oldest() {
  for (; entries_.size() > most_kept; entries_.erase(entries_.begin()))
    remove(entries_.front().file);
}

QByteArray KeptResults::index() const {
  QJsonArray array;
  for (const KeptEntry& entry : entries_)
    array.append(to_json(entry));
  return QJsonDocument(array).toJson();
}

void KeptResults::write_now() {
  timer_.stop();
  drop_oldest();
  changed_ = false;
  std::vector<Task> tasks;
  for (const auto& [file, task] : tasks_)
    tasks.push_back(task);
  files_.post<bool>({{}, tr("Keeping results with the session")}, this,
                    [shelf = shelf_, tasks, path = index_path(folder_),
                     bytes = index()](FileState& state, const JobContext<bool>&) -> Result<bool> {
                      for (const Task& task : tasks)
                        state.open.erase(task.file.toStdString()); // what was read of it is outdated
                      HS_TRY(shelf->write(tasks, path, bytes));
                      return true;
                    },
                    {[this, tasks](const Result<bool>& written) {
                      for (const Task& task : tasks)
                        if (const auto now = tasks_.find(task.file);
                            now != tasks_.end() && now->second.number == task.number)
                          tasks_.erase(now);
                      if (!written.ok() && !std::exchange(warned_, true))
                        Q_EMIT failed(tr("Results are not kept with the session"), written.error());
                    }});
}

void KeptResults::finish() {
  timer_.stop();
  if (!lock_ || (tasks_.empty() && !changed_)) return;
  drop_oldest();
  std::vector<Task> tasks;
  for (const auto& [file, task] : tasks_)
    tasks.push_back(task);
  if (const Status written = shelf_->write(tasks, index_path(folder_), index()); !written.ok())
    Q_EMIT failed(tr("Results are not kept with the session"), written.error());
  tasks_.clear();
  changed_ = false;
}

} // namespace headscope::gui
