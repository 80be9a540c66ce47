# SPDX-License-Identifier: GPL-3.0-or-later
"""Forms of the real window by real key and mouse events: a method is chosen with the mouse, its fields are reached with
Tab and typed into, Run is pressed. What came of it is read from the result file."""

import itertools
import json
import pathlib
import subprocess

from real_window import PATIENCE, PROGRAM, RealWindow, main

HEADSCOPE = pathlib.Path(PROGRAM).with_name("headscope")
PAIR = {"clean": "one two one", "corrupt": "one six one", "answer": " two", "wrong": " six"}
# Of each method what is typed, and a group that its file then has.
METHODS = {
    "ablate": ({"prompt": "When Mary and John met, John spoke to", "answer": " Mary", "wrong": " John", "heads": "18.6,17.3"}, "ablation"),
    "patch": (PAIR, "patching"),
    "circuit": ({**PAIR, "steps": "1", "top_n": "8"}, "graph"),
    "detect": ({"detectors": "induction", "set": "induction.n=12"}, "detectors"),
    "weights": ({"singular": "18.6", "no_composition": True}, "weights"),
}


def said(*arguments):
    done = subprocess.run([HEADSCOPE, *map(str, arguments), "--json"], capture_output=True, check=True, timeout=PATIENCE)
    return json.loads(done.stdout)


def stops_of(method):
    """The widgets that Tab goes through from the list of methods on: the name of a field, or nothing for a button beside one. The button that takes
    the prompt bar's prompt is none while that is empty."""
    stops = []
    for option in method["inputs"] + method["options"]:
        if option["flag"] is None:  # experiments alone have it
            continue
        stops += [option["name"], *[None for kind in ("reads_file", "writes_file") if option[kind]]]
    if method["result_file"] != "none":
        stops += ["out", None, "force"] + (["resumable"] if method["in_experiments"] else [])
    return stops


class RealForms(RealWindow):
    def setUp(self):
        super().setUp()
        self.methods = {method["id"]: method for method in said("methods")}
        self.list_at = None
        self.window.start("smollm2", "--view", "methods")
        self.window.until(lambda: "SmolLM2" in self.window.title(), "the model to open")
        self.settled()

    def lists(self):
        """The list of methods where it is open: a window of its own, higher than a tool tip."""
        shown = self.window.tool("search", "--onlyvisible", "--class", "headscope").split()
        others = [each for each in shown if each != self.window.id]
        heights = [line for each in others for line in self.window.tool("getwindowgeometry", "--shell", each).split() if line.startswith("HEIGHT=")]
        return [line for line in heights if int(line.removeprefix("HEIGHT=")) > 100]

    def open_list(self):
        if self.list_at:
            self.window.click(*self.list_at)
            return self.window.until(self.lists, "the list of methods")
        for place in itertools.product((700, 560, 840), range(165, 260, 12)):  # below the view's title, wherever fonts put it
            self.window.click(*place)
            self.settled()
            if self.lists():
                self.list_at = place
                return None
        return self.fail("the list of methods is not where it was looked for")

    def choose(self, name):
        """By its place: letters that come slowly would be several searches."""
        self.open_list()
        self.window.key("Home", *["Down"] * list(self.methods).index(name), "Return")
        self.window.until(lambda: not self.lists(), "the list to close")

    def fill(self, name, values):
        """From the list of methods through its form to the button Run."""
        values = dict(values)
        for stop in stops_of(self.methods[name]):
            self.window.key("Tab")
            if stop not in values:
                continue
            text = values.pop(stop)
            if text is True:
                self.window.key("space")
                continue
            self.window.key("ctrl+a")
            self.window.tool("type", "--delay", 15, text)
        self.assertEqual(values, {}, f"{name} has no such fields")
        self.window.key("Tab")

    def wait_for_file(self, path):
        self.window.until(path.exists, f"{path.name} to be written")
        return said("inspect", path)

    def test_methods_run_from_their_forms(self):
        for name, (values, group) in METHODS.items():
            with self.subTest(name):
                out = self.folder / f"{name}.h5"
                self.choose(name)
                self.fill(name, {**values, "out": str(out)})
                self.window.key("space")
                file = self.wait_for_file(out)
                self.assertIs(file["attributes"]["complete"], True)
                self.assertTrue(file["attributes"]["command_line"].startswith(f"headscope {name} "), file["attributes"])
                self.assertIn(group, [child["name"] for child in file["children"]])
                self.settled()  # the window has heard of it too
        self.window.close()

    def test_a_method_is_cancelled_in_the_middle_and_gone_on_with(self):
        out, journal = self.folder / "part.h5", self.folder / "part.h5.journal"
        self.choose("ablate")
        self.fill("ablate", {"task": "ioi", "count": "8", "heads": "20-29", "out": str(out), "resumable": True})
        self.window.key("space")
        self.window.until(journal.exists, "the run to begin")
        begun = journal.stat().st_size
        self.window.until(lambda: journal.stat().st_size > begun, "a cell to be finished")
        self.window.key("space")  # the focus has gone on to Cancel
        file = self.wait_for_file(out)
        self.assertIs(file["attributes"]["complete"], False)
        self.assertTrue(journal.exists())
        self.settled()
        self.window.key("space")  # and back, to what says Resume now
        self.window.until(lambda: not journal.exists(), "the run to end")
        self.assertIs(said("inspect", out)["attributes"]["complete"], True)
        self.window.close()


if __name__ == "__main__":
    main()
