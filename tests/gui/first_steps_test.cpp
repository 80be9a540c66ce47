// SPDX-License-Identifier: GPL-3.0-or-later
// What somebody meets first: messages, how a model is opened, its card, the banner, help, keys, preferences, the tour.
#include <QDockWidget>
#include <QFileDialog>
#include <QLabel>
#include <QMenu>
#include <QSignalSpy>
#include <QTemporaryDir>

#include "app/gui/help/about_dialog.h"
#include "app/gui/help/help_window.h"
#include "app/gui/window/loading_fields.h"
#include "app/gui/window/main_window.h"
#include "app/gui/window/message_bar.h"
#include "app/gui/window/model_banner.h"
#include "app/gui/window/model_card.h"
#include "app/gui/window/preferences_dialog.h"
#include "app/gui/window/prompt_bar.h"
#include "app/gui/window/prompt_examples.h"
#include "app/gui/window/selection_link.h"
#include "app/gui/window/token_strip.h"
#include "app/gui/window/tour.h"
#include "core/store/result_file.h"
#include "tests/gui/patience.h"
#include "tests/gui/tiny_model.h"

namespace headscope::gui {

class FirstStepsTest : public QObject {
  Q_OBJECT
private:
  QTemporaryDir folder_;
  QString path(const char* name) const { return folder_.filePath(QString::fromLatin1(name)); }
  QString tiny() const { return QString::fromStdString(make_tiny_model(path("tiny").toStdString())); }

  static void show(MainWindow& window) {
    window.resize(1600, 1000);
    window.show();
    window.activateWindow();
    QVERIFY(QTest::qWaitForWindowActive(&window, test::patience_ms));
  }
  void open(MainWindow& window) const {
    show(window);
    window.open_path(tiny());
    QTRY_VERIFY(window.workspace().model().has_value());
    QTRY_VERIFY(window.workspace().settled());
  }
  // One with a shortcut: the names of docks are those of views too.
  static QAction* action(MainWindow& window, const QString& text) {
    for (QAction* each : window.findChildren<QAction*>())
      if (!each->shortcut().isEmpty() && each->text().remove(QLatin1Char('&')) == text) return each;
    return nullptr;
  }
  static void choose(LoadingFields& fields, const QString& list, const QString& value) {
    for (auto* box : fields.findChildren<QComboBox*>())
      if (box->accessibleName() == list) {
        box->setCurrentText(value);
        Q_EMIT box->activated(box->currentIndex());
        return;
      }
    QFAIL("no such list");
  }

private Q_SLOTS:
  // ---- Messages

  void a_message_moves_nothing() {
    MainWindow window({});
    open(window);
    const auto places = [&] {
      QList<QRect> all;
      for (const auto* dock : window.findChildren<QDockWidget*>())
        all.append(dock->geometry());
      return all;
    };
    const QList<QRect> before = places();
    window.workspace().report(QStringLiteral("It"), make_error(ErrorCode::io, std::string(3000, 'x')));
    QApplication::processEvents();
    QVERIFY(window.messages().text().contains(QStringLiteral("xxx")));
    QCOMPARE(places(), before);
    QCOMPARE(window.size(), QSize(1600, 1000));
  }

  void a_note_fades_and_an_error_stays() {
    MessageBar bar;
    bar.show();
    bar.show_error(QStringLiteral("It"), make_error(ErrorCode::io, "broke"));
    MessageBar other;
    other.show();
    other.show_note(QStringLiteral("Wrote it"));
    QCOMPARE(other.text(), QStringLiteral("Wrote it"));
    QTRY_VERIFY(other.text().isEmpty());
    QVERIFY(bar.text().contains(QStringLiteral("broke")));
    bar.dismiss();
    QVERIFY(bar.text().isEmpty());
  }

  // ---- How a model is opened

  void a_model_opens_in_the_chosen_type() {
    MainWindow window(path("loading.json"));
    show(window);
    auto* fields = window.findChild<LoadingFields*>();
    QVERIFY(fields);
    choose(*fields, QStringLiteral("Number type"), QStringLiteral("bfloat16"));
    window.open_path(tiny());
    QTRY_VERIFY(window.workspace().model().has_value());
    QCOMPARE(window.workspace().model()->dtype, std::string("bfloat16"));
    QVERIFY(window.close());
    QCOMPARE(read_session(path("loading.json")).dtype, QStringLiteral("bfloat16"));
  }

  void a_device_that_is_not_there_is_not_taken() {
    LoadingFields fields;
    fields.set(QStringLiteral("float16"), QStringLiteral("cuda:77"));
    QCOMPARE(fields.dtype(), QStringLiteral("float16"));
    QCOMPARE(fields.device(), QStringLiteral("cpu"));
  }

  void the_card_says_what_the_model_is() {
    MainWindow window({});
    open(window);
    const auto lines = ModelCard::lines(*window.workspace().model());
    const auto value = [&](const char* name) {
      const auto found =
          std::find_if(lines.begin(), lines.end(), [&](const auto& l) { return l.first == QLatin1String(name); });
      return found == lines.end() ? QString() : found->second;
    };
    QCOMPARE(value("Layers"), QStringLiteral("2"));
    QVERIFY(value("Heads").startsWith(QStringLiteral("4 a layer")));
    QCOMPARE(value("Context"), QStringLiteral("64 tokens"));
    QCOMPARE(value("Computes"), QStringLiteral("in float32 on cpu"));
    QVERIFY(value("Parity").contains(QStringLiteral("not compared")));
    QVERIFY(!value("SHA-256").isEmpty());
  }

  // ---- The banner

  void a_result_of_another_model_is_told_and_can_be_closed() {
    auto writer = store::ResultWriter::create(path("other.h5").toStdString(), {});
    QVERIFY(writer.ok());
    QVERIFY(writer
                ->set_model({{"name", std::string("another")},
                             {"sha256", std::string(64, 'a')},
                             {"n_layers", std::int64_t{2}},
                             {"n_heads", std::int64_t{4}}})
                .ok());
    QVERIFY(writer->commit(true).ok());
    MainWindow window({});
    open(window);
    auto* banner = window.findChild<ModelBanner*>();
    QVERIFY(banner && !banner->isVisible());
    window.open_path(path("other.h5"));
    QTRY_VERIFY(banner->isVisible());
    const auto texts = banner->findChildren<QLabel*>();
    QVERIFY(texts.front()->text().contains(QStringLiteral("another")));
    QVERIFY(texts.front()->text().contains(QString::fromStdString(window.workspace().model()->name)));
    for (auto* button : banner->findChildren<QPushButton*>()) {
      // Its model is nowhere, so that there is nothing to open.
      QCOMPARE(button->isVisible(), button->text() == QStringLiteral("Close the result"));
      if (button->isVisible()) QTest::mouseClick(button, Qt::LeftButton);
    }
    QTRY_VERIFY(!banner->isVisible());
    QVERIFY(!window.workspace().result());
  }

  // ---- Help

  void f1_explains_the_view_with_the_keyboard() {
    MainWindow window({});
    open(window);
    for (const ViewKind& kind : all_views()) {
      QVERIFY2(help_page(kind.id).startsWith(QStringLiteral("# ")), qPrintable(kind.id));
      const bool formulas = help_page(kind.id).contains(QStringLiteral("## Formula"));
      QVERIFY2(formulas || kind.id == QStringLiteral("methods"), qPrintable(kind.id)); // those are in their own pages
    }
    for (const char* id : {"circuit", "grid"}) {
      action(window, window.view(QString::fromLatin1(id))->title())->trigger(); // Go to
      QTRY_VERIFY(window.view(QString::fromLatin1(id))->isAncestorOf(window.focusWidget()));
      action(window, QStringLiteral("This view"))->trigger();
      auto* help = window.findChild<HelpWindow*>();
      QVERIFY(help && help->isVisible());
      QCOMPARE(help->topic(), QString::fromLatin1(id));
      help->close();
      window.activateWindow();
      QTRY_VERIFY(!window.findChild<HelpWindow*>());
    }
  }

  void the_list_of_keys_has_every_shortcut() {
    MainWindow window({});
    open(window);
    action(window, QStringLiteral("Keys"))->trigger();
    const QString text = window.findChild<HelpWindow*>()->text();
    int shortcuts = 0;
    for (const QAction* each : window.findChildren<QAction*>())
      for (const QKeySequence& keys : each->shortcuts()) {
        ++shortcuts;
        QVERIFY2(text.contains(keys.toString(QKeySequence::NativeText)), qPrintable(each->text()));
      }
    QVERIFY(shortcuts > 15);
    QVERIFY(text.contains(QStringLiteral("ablates the selected head"))); // a key of the window
    QVERIFY(text.contains(QStringLiteral("Plus and minus zoom")));       // one of a view
    QVERIFY(text.contains(QStringLiteral("runs the method")));           // a shortcut inside a view
  }

  void about_names_versions_and_licences() {
    const QString text = AboutDialog::text();
    for (const char* part : {"LibTorch", "HDF5", "GPL-3.0-or-later", qVersion()})
      QVERIFY2(text.contains(QLatin1String(part)), part);
  }

  void preferences_are_taken_at_once_and_kept() {
    MainWindow window(path("preferences.json"));
    open(window);
    action(window, QStringLiteral("Preferences…"))->trigger();
    auto* dialog = window.findChild<PreferencesDialog*>();
    QVERIFY(dialog);
    auto* theme = dialog->findChild<QComboBox*>();
    theme->setCurrentText(QStringLiteral("Dark"));
    Q_EMIT theme->activated(theme->currentIndex());
    QVERIFY(is_dark());
    dialog->findChild<QSpinBox*>()->setValue(130);
    // Colours of values, and what is kept in memory.
    figures::ResolvedScale scale;
    const QColor before = value_color(scale, 0.7);
    auto* colors = dialog->findChild<QComboBox*>(QStringLiteral("colors"));
    colors->setCurrentIndex(1);
    Q_EMIT colors->activated(1);
    QVERIFY(value_color(scale, 0.7) != before);
    QCOMPARE(value_color(scale, 0.7).saturation(), 0);
    window.workspace().set_prompt({"ab", false, true});
    window.raise_view(QStringLiteral("attention"));
    const auto use = [&] {
      QStringList texts;
      for (const QLabel* label : dialog->findChildren<QLabel*>())
        if (label->text().contains(QStringLiteral("in use"))) texts.append(label->text());
      return texts.join(QString());
    };
    QTRY_VERIFY(!use().isEmpty());
    auto* cache = dialog->findChild<QSpinBox*>(QStringLiteral("cache"));
    QTRY_VERIFY(window.workspace().settled());
    cache->setValue(cache->value() / 2); // says what is in use again
    QTRY_VERIFY(!use().contains(QStringLiteral("attention: 0")));
    dialog->findChild<QPushButton*>(QStringLiteral("clear-cache"))->click();
    QTRY_VERIFY(use().contains(QStringLiteral("attention: 0")));
    dialog->close();
    QVERIFY(window.close());
    const Session session = read_session(path("preferences.json"));
    QCOMPARE(static_cast<int>(session.theme), static_cast<int>(Theme::dark));
    QCOMPARE(session.font_scale, 1.3);
    QVERIFY(session.colors == figures::ColorMap::gray);
    QCOMPARE(session.cache_mib, 512);
    set_value_colors(figures::ColorMap::viridis);
    apply_theme(Theme::light, 1.0);
  }

  // ---- Opening

  void a_file_is_opened_with_the_device_and_number_type_beside_it() {
    MainWindow window({});
    show(window);
    action(window, QStringLiteral("Open…"))->trigger();
    auto* dialog = window.findChild<QFileDialog*>(QStringLiteral("open"));
    QVERIFY(dialog && dialog->isVisible());
    auto* fields = dialog->findChild<LoadingFields*>();
    QVERIFY(fields && fields->isVisible());
    choose(*fields, QStringLiteral("Number type"), QStringLiteral("bfloat16"));
    Q_EMIT dialog->fileSelected(tiny() + QStringLiteral("/model.safetensors"));
    dialog->close();
    QTRY_VERIFY(window.workspace().model().has_value());
    QCOMPARE(window.workspace().model()->dtype, std::string("bfloat16"));
  }

  // A second model in a window of its own, with what is looked at in the first.
  void a_model_is_opened_beside_another() {
    MainWindow window({});
    open(window);
    Workspace& first = window.workspace();
    first.set_prompt({"Mary and John", false, true});
    QTRY_VERIFY(first.live());
    first.selection().set_head({1, 2});
    first.ablation().toggle({0, 1});
    first.answers().set({"q", "r"});
    window.raise_view(QStringLiteral("attention"));
    const QString other_path = QString::fromStdString(make_tiny_model(path("other").toStdString(), "gpt2"));
    const QPointer<MainWindow> beside =
        window.open_beside(other_path, QStringLiteral("float32"), QStringLiteral("cpu"));
    Workspace& second = beside->workspace();
    QTRY_VERIFY(second.live() && second.settled());
    QVERIFY(second.model()->sha256 != first.model()->sha256);
    QCOMPARE(second.prompt().request().text, std::string("Mary and John"));
    QCOMPARE(*second.selection().head(), (HeadId{1, 2}));
    QVERIFY(second.ablation().find({0, 1}));
    QCOMPARE(second.answers().pair().answer, std::string("q"));
    // Each window says which model it is of.
    QVERIFY(window.windowTitle() != beside->windowTitle());
    QVERIFY(beside->windowTitle().contains(QString::fromStdString(second.model()->name)));
    QVERIFY(window.pos() != beside->pos()); // side by side where the screen has room
    second.ablation().clear();
    QVERIFY(first.ablation().find({0, 1}));
    // Heads and tokens that are selected in one are selected in the other, until that is switched off.
    first.selection().set_head({0, 3});
    QCOMPARE(*second.selection().head(), (HeadId{0, 3}));
    second.selection().set_tokens(5, 2);
    QCOMPARE(first.selection().query(), std::optional<int>(5));
    QCOMPARE(first.selection().key(), std::optional<int>(2));
    auto* linked = beside->findChild<QAction*>(QStringLiteral("link"));
    QVERIFY(linked->isEnabled() && linked->isChecked());
    linked->trigger();
    QVERIFY(!window.findChild<QAction*>(QStringLiteral("link"))->isChecked()); // of both
    first.selection().set_head({1, 1});
    QCOMPARE(*second.selection().head(), (HeadId{0, 3}));
    linked->trigger();
    second.selection().set_head({1, 0});
    QCOMPARE(*first.selection().head(), (HeadId{1, 0}));
    beside->close();
    QTRY_VERIFY(!beside);
    QVERIFY(first.live());
    QVERIFY(!window.findChild<QAction*>(QStringLiteral("link"))->isEnabled());
  }

  // By their place in the text, whatever the tokenizer puts before it.
  void tokens_of_two_models_are_the_same_where_they_are_the_same_text() {
    const auto tokens = [](std::initializer_list<const char*> texts) {
      std::vector<TokenInfo> all;
      for (const char* text : texts)
        all.push_back({0, text, text, text[0] == '<'});
      return all;
    };
    const auto one = tokens({"<s>", "Mary", " and", " John"}), other = tokens({"Ma", "ry", " and", " John"});
    QCOMPARE(same_token(one, 2, other), std::optional<int>(2));
    QCOMPARE(same_token(other, 3, one), std::optional<int>(3));
    QCOMPARE(same_token(one, 1, other), std::optional<int>()); // is cut in two there
    QCOMPARE(same_token(one, 0, other), std::optional<int>());
    QCOMPARE(same_token(one, 0, one), std::optional<int>(0));
    QCOMPARE(same_token(tokens({"<s>", "a", " b"}), 2, tokens({"a", " b"})), std::optional<int>(1));
    QCOMPARE(same_token(one, 7, other), std::optional<int>());
  }

  // ---- Tokens

  void a_token_has_a_menu() {
    MainWindow window({});
    open(window);
    window.workspace().set_prompt({"Mary", false, true});
    QTRY_COMPARE(window.workspace().prompt().tokens().size(), 5U);
    auto* strip = window.findChild<TokenStrip*>();
    QContextMenuEvent event(QContextMenuEvent::Mouse, strip->chip_rect(2).center(),
                            strip->viewport()->mapToGlobal(strip->chip_rect(2).center()));
    QApplication::sendEvent(strip->viewport(), &event);
    auto* menu = window.findChild<QMenu*>(QStringLiteral("token-menu"));
    QVERIFY(menu);
    menu->actions().at(1)->trigger(); // pins it as the key
    QCOMPARE(window.workspace().selection().key(), std::optional<int>(2));
    menu->close();
  }

  // ---- The tour, on the model that it is made for

  void the_tour_ends_with_an_ablated_induction_head() {
    MainWindow window({});
    show(window);
    window.start_tour();
    Workspace& workspace = window.workspace();
    const auto tour = [&] { return window.findChild<Tour*>(); };
    const auto at = [&](const char* id) { return tour() && tour()->step().id == QLatin1String(id); };
    const auto next = [&] { QTest::mouseClick(&tour()->next(), Qt::LeftButton); };
    const auto show_me = [&] { QTest::mouseClick(&tour()->show_me(), Qt::LeftButton); };
    QVERIFY(at("model"));
    QVERIFY(!workspace.model()); // nothing happens by itself
    show_me();
    QTRY_VERIFY(workspace.model().has_value());
    next();
    QVERIFY(at("prompt"));
    show_me();
    QTRY_COMPARE(QString::fromStdString(workspace.prompt().request().text),
                 prompt_example(QStringLiteral("induction")).text);
    next();
    QVERIFY(at("score"));
    show_me();
    QTRY_VERIFY(workspace.scores().find("run/induction"));
    next();
    show_me();
    QCOMPARE(workspace.selection().head(), std::optional<HeadId>({18, 6})); // docs/heads.md
    next();
    QVERIFY(at("attention") && !tour()->show_me().isVisible());
    QTest::mouseClick(&tour()->back(), Qt::LeftButton);
    QVERIFY(at("select"));
    next();
    next();
    QVERIFY(at("ablate") && workspace.ablation().heads().empty());
    show_me();
    QVERIFY(workspace.ablation().find({18, 6}));
    QVERIFY(window.rect().contains(tour()->geometry()));
    next();
    QVERIFY(at("end"));
    next();
    QTRY_VERIFY(!tour());
  }
};

} // namespace headscope::gui

QTEST_MAIN(headscope::gui::FirstStepsTest)
#include "first_steps_test.moc"
