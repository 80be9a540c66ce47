# SPDX-License-Identifier: GPL-3.0-or-later
"""The real window by real key and mouse events. What the window did is read from the session that it writes when it is
closed."""

from real_window import WIDTH, RealWindow, main

PROMPT = "When Mary and John went to the store, John gave a drink to"


class RealEvents(RealWindow):
    def open_with_prompt(self):
        self.window.start("smollm2")
        self.window.until(lambda: "SmolLM2" in self.window.title(), "the model to open")
        self.settled()
        self.window.click(600, 38)  # the prompt, on top of the window
        self.window.tool("type", "--delay", 15, PROMPT)
        self.window.key("ctrl+Return")
        return self.settled()

    def test_keys_and_clicks_reach_every_part(self):
        empty = self.open_with_prompt()
        colours = {tuple(row[4 * x:4 * x + 3]) for row in empty[125:575:7] for x in range(0, WIDTH, 5)}
        self.assertGreater(len(colours), 20, "the views are blank")
        self.window.click(180, 500)  # a head in the grid on the left
        self.settled()
        self.window.key("Right", "Down", "a")
        self.window.find("18.6")
        self.settled()
        self.window.key("a")
        ablated = self.settled()
        self.assertNotEqual(ablated, empty)
        session = self.window.close()
        self.assertEqual(session["prompt"], PROMPT)
        self.assertEqual(session["heads"], ["18.6"])
        first, second = (entry["head"] for entry in sorted(session["ablated"], key=lambda entry: entry["head"] == "18.6"))
        self.assertEqual(second, "18.6")
        layer, head = map(int, first.split("."))  # where the click and two arrows led to
        self.assertTrue(1 <= layer < 30 and 1 <= head < 9, first)

    def test_undo_and_arrows(self):
        self.open_with_prompt()
        self.window.click(180, 500)
        self.window.find("3.4")
        self.window.key("a", "Right", "a", "Down", "a", "ctrl+z")
        self.settled()
        session = self.window.close()
        self.assertEqual([entry["head"] for entry in session["ablated"]], ["3.4", "3.5"])
        self.assertEqual(session["heads"], ["4.5"])

    def test_the_start_screen_opens_the_default_model(self):
        self.window.start()
        self.settled()
        self.window.key("alt+f", "d")  # File, Open the default model
        self.window.until(lambda: "SmolLM2" in self.window.title(), "the model to open")
        self.settled()
        session = self.window.close()
        self.assertIn("SmolLM2", session["model"])
        self.assertEqual(session["recent"], ["smollm2"])


if __name__ == "__main__":
    main()
