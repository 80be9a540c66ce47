// SPDX-License-Identifier: GPL-3.0-or-later
// Results that were made in this window and are in no file of the user: each is written beside the session as soon as
// it is there, so that a program that is killed loses none, and comes back with its model. The files are result files;
// an index beside them says what each is and what it was made of.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <QJsonObject>
#include <QLockFile>
#include <QTemporaryDir>
#include <QTimer>

#include "app/gui/work/worker.h"
#include "app/gui/workspace/origin.h"

namespace headscope::gui {

struct KeptEntry {
  QString kind;          // "sweep", "patching", "detector", "circuit", "measured"
  QString id;            // a later one of this kind and id, and of the same model, replaces it
  QString title;         // for the user
  QString file;          // absolute; empty: is to be chosen
  Origin origin;         // of one model at least
  QJsonObject more = {}; // what the file's format has no place for
};

class KeptResults : public QObject {
  Q_OBJECT
public:
  explicit KeptResults(FileWorker& files);
  ~KeptResults() override;

  // Keeps results in that folder from now on, with what is there from the session before. Where another window that
  // runs has it, results end with this window, as they do before this is called.
  void open(const QString& folder);
  const QString& folder() const { return folder_; }
  // A file there whose name is not taken yet.
  QString new_file(const QString& kind);

  // Writes the result soon: of several that come fast the last. The call runs on the file thread. Without one the file
  // is there already.
  using Write = std::function<Status(const std::string& path)>;
  void put(KeptEntry entry, Write write);
  // The entries of a kind, oldest first, of that model.
  std::vector<KeptEntry> of(const QString& kind, const std::string& model_sha256) const;
  // Reads the entries of a kind that are of that model on the file thread, and hands each over, oldest first.
  template <class T>
  void restore(const QString& kind, const std::string& model_sha256, QObject* receiver,
               std::function<Result<T>(FileState&, const KeptEntry&)> read,
               std::function<void(const KeptEntry&, T)> take);
  // Writes what is still to be written before it returns: the window closes.
  void finish();

Q_SIGNALS:
  void failed(const QString& what, const headscope::Error& error);

private:
  struct Task {
    QString file;
    Write write;
    std::uint64_t number = 0;
  };
  struct Shelf; // what the file thread shares
  void write_now();
  QByteArray index() const;
  void remove(const QString& file);
  void drop_oldest();

  FileWorker& files_;
  std::unique_ptr<QTemporaryDir> own_; // until a folder is opened
  std::unique_ptr<QLockFile> lock_;
  QString folder_;
  std::vector<KeptEntry> entries_; // in the order in which they were put
  std::map<QString, Task> tasks_;  // by file: not yet known to be written
  std::uint64_t next_task_ = 1;
  bool changed_ = false; // since the index was last written
  bool warned_ = false;
  QTimer timer_;
  std::shared_ptr<Shelf> shelf_;
};

template <class T>
void KeptResults::restore(const QString& kind, const std::string& model_sha256, QObject* receiver,
                          std::function<Result<T>(FileState&, const KeptEntry&)> read,
                          std::function<void(const KeptEntry&, T)> take) {
  const std::vector<KeptEntry> entries = of(kind, model_sha256);
  if (!entries.empty() && timer_.isActive()) write_now();
  for (const KeptEntry& entry : entries)
    files_.post<T>({{}, tr("Reading results of the session")}, receiver,
                   [read, entry](FileState& state, const JobContext<T>&) { return read(state, entry); },
                   {[this, take, entry](Result<T> value) {
                     if (value.ok()) return take(entry, std::move(*value));
                     Q_EMIT failed(tr("%1 did not come back").arg(entry.title), value.error());
                   }});
}

} // namespace headscope::gui
