// SPDX-License-Identifier: GPL-3.0-or-later
// Replaces <QTest>: waits end when what they wait for has come, and otherwise after minutes. On a busy machine
// everything comes late, and a generous limit costs nothing.
#pragma once

#include <QTest>

namespace headscope::gui::test {

constexpr int patience_ms = 120000;

} // namespace headscope::gui::test

#undef QTRY_VERIFY
#define QTRY_VERIFY(expr) QTRY_VERIFY_WITH_TIMEOUT(expr, headscope::gui::test::patience_ms)
#undef QTRY_VERIFY2
#define QTRY_VERIFY2(expr, message) QTRY_VERIFY2_WITH_TIMEOUT(expr, message, headscope::gui::test::patience_ms)
#undef QTRY_COMPARE
#define QTRY_COMPARE(expr, expected) QTRY_COMPARE_WITH_TIMEOUT(expr, expected, headscope::gui::test::patience_ms)
