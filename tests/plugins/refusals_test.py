# SPDX-License-Identifier: GPL-3.0-or-later
"""Modules that are good, and modules that are wrong in every way: listed, explained, and never a crash."""
import json
import os
import pathlib
import shutil
import unittest

import harness

MODULES = pathlib.Path(os.environ["HEADSCOPE_TEST_MODULES"])


class Plugins(harness.Case):
    def setUp(self):
        super().setUp()
        self.plugins = self.folder / "plugins"
        self.plugins.mkdir()
        self.env = {"HEADSCOPE_PLUGINS": str(self.plugins), "XDG_CACHE_HOME": str(self.folder / "cache"),
                    "XDG_DATA_HOME": str(self.folder / "data")}

    def add(self, name, **fields):
        """A copy of a module; fields of the manifest may be replaced, None takes one out."""
        shutil.copy(MODULES / name / f"{name}.so", self.plugins)
        manifest = json.loads((MODULES / name / f"{name}.json").read_text())
        for field, value in fields.items():
            manifest[field] = value
        manifest = {field: value for field, value in manifest.items() if value is not None}
        (self.plugins / f"{name}.json").write_text(json.dumps(manifest))
        return manifest

    def listed(self, *args):
        plugins = self.good("plugins", "list", *args, env=self.env)["plugins"]
        self.assertTrue(any(p["id"] == "detectors" and p["state"] == "loaded" and "induction" in p["provides"]
                            for p in plugins), plugins)
        return [p for p in plugins if p["id"] != "detectors"]

    def refused(self, *words):
        """The only plugin beside Headscope's own is refused, with these words in the reason."""
        (plugin,) = self.listed()
        self.assertEqual(plugin["state"], "refused", plugin)
        for word in words:
            self.assertIn(word, plugin["reason"])
        table = harness.run("plugins", "list", env=self.env)
        self.assertEqual(table.returncode, 0)
        self.assertIn(b"refused", table.stdout)
        return plugin

    def test_good_module_is_loaded_and_run(self):
        self.add("good")
        (plugin,) = self.listed()
        self.assertEqual((plugin["state"], plugin["provides"]), ("loaded", ["good"]))
        model = self.small_model()
        found = self.good("detect", "--model", model, "--detectors", "good", "--set", "good.score=0.75", env=self.env)
        self.assertTrue(all(s == 0.75 for row in found["detectors"]["good"]["scores"] for s in row))
        self.assertIn("good", [d["id"] for d in self.good("detect", "--list", env=self.env)])

    def test_wrong_tags_are_found_before_the_module_is_opened(self):
        good = self.add("crash_on_open")["abi"]  # opening it would say something else
        for part, other in (("libtorch", "1.13.1"), ("cuda", "11.7"), ("compiler", "Clang 3")):
            with self.subTest(part):
                self.add("crash_on_open", abi={**good, part: other})
                self.refused("was built for", other, "this Headscope has", good[part])
        self.add("crash_on_open", sdk=99)
        self.refused("sdk: was built for SDK 99")

    def test_broken_manifests(self):
        good = self.add("good")
        for fields, words in (({"id": None}, ["id", "is missing"]), ({"id": "Two Words"}, ["id", "lower-case"]),
                              ({"id": 7}, ["id", "must be a text"]), ({"kind": "painter"}, ["kind", "painter"]),
                              ({"module": "../good.so"}, ["module", "beside the manifest"]),
                              ({"module": "other.so"}, ["module", "there is no"]),
                              ({"abi": None}, ["abi", "is missing"]), ({"abi": []}, ["abi", "must be an object"]),
                              ({"sdk": "1"}, ["sdk", "whole number"]), ({"headscope_plugin": 2}, ["must be 1, not 2"])):
            with self.subTest(fields):
                self.add("good", **fields)
                plugins = [p for p in self.listed() if p["manifest"].endswith("good.json")]
                self.assertEqual([p["state"] for p in plugins], ["refused"])
                for word in words:
                    self.assertIn(word, plugins[0]["reason"])
        for text in ("", "{", "[]", "null", "\xff\x00", json.dumps(good)[:40]):
            with self.subTest(text):
                (self.plugins / "good.json").write_text(text, encoding="latin-1")
                self.assertEqual(self.listed()[0]["state"], "refused")

    def test_module_without_manifest(self):
        self.add("good")
        (self.plugins / "good.json").unlink()
        self.refused("no manifest names it")

    def test_folder_that_is_not_there(self):
        self.env["HEADSCOPE_PLUGINS"] = str(self.folder / "nowhere")
        self.refused("there is no such folder")

    def test_what_cannot_be_opened(self):
        self.add("missing")
        self.refused("undefined symbol", "no_such_function_of_headscope")

    def test_no_library_at_all(self):
        self.add("good")
        (self.plugins / "good.so").write_bytes(b"\x7fELF" + bytes(200))
        self.refused("cannot be opened")

    def test_no_entry_point(self):
        self.add("no_entry")
        self.refused("has no function headscope_plugin")

    def test_table_of_another_sdk(self):
        self.add("old_table")
        self.refused("was compiled for SDK 2")

    def test_wrong_kind(self):
        self.add("wrong_kind")
        self.refused("holds plugins of kind detector", "attention-backend")

    def test_nothing_inside(self):
        self.add("empty")
        self.refused("makes no object")

    def test_bad_id(self):
        self.add("bad_id")
        self.refused("Bad Id")

    def test_throwing_constructors(self):
        self.add("throw")
        self.refused("cannot make its objects", "the calibration file is missing")

    def test_throwing_something_else(self):
        self.add("throw_other")
        self.refused("cannot make its objects", "unknown type")

    def test_throwing_when_asked_for_its_title(self):
        self.add("throw_later")
        self.refused("no title today")

    def test_crashing_constructor(self):
        self.add("crash")
        self.refused("signal 11", "making its objects", "reading the calibration file")

    def test_crash_on_open(self):
        self.add("crash_on_open")
        self.refused("signal 11", "opening it")

    def test_constructor_that_ends_the_process(self):
        self.add("exit")
        self.refused("ended with exit status 0", "making its objects")

    def test_printing_changes_nothing(self):
        self.add("print")
        (plugin,) = self.listed()
        self.assertEqual((plugin["state"], plugin["provides"]), ("loaded", ["good"]))

    def test_two_of_one_id(self):
        self.add("good")
        self.add("taken")
        good, taken = self.listed()
        self.assertEqual((good["state"], taken["state"]), ("loaded", "refused"))
        self.assertIn("the id 'good' is taken by", taken["reason"])
        shutil.copy(self.plugins / "good.json", self.plugins / "zzz.json")
        self.assertIn("is the id of", self.listed()[2]["reason"])

    def test_asking_for_a_refused_detector_says_why(self):
        self.add("crash")
        error = self.bad("not_found", "detect", "--model", self.small_model(), "--detectors", "crash", env=self.env)
        self.assertIn("was refused: a process that tried it was ended by signal 11", error["message"])

    def test_verdict_is_kept_until_the_module_changes(self):
        self.add("throw")
        self.refused("calibration")
        (kept,) = [f for f in (self.folder / "cache").rglob("*.json") if "calibration" in f.read_text()]
        kept.write_text(kept.read_text().replace("calibration", "remembered"))
        self.refused("remembered")
        self.assertIn("calibration", self.listed("--fresh")[0]["reason"])
        kept.write_text(kept.read_text().replace("calibration", "remembered"))
        os.utime(self.plugins / "throw.so")
        self.refused("calibration")
        kept.write_text("nonsense")
        self.refused("calibration")

    def test_cache_that_cannot_be_written(self):
        self.add("good")
        (self.folder / "cache").write_text("a file")
        (plugin,) = self.listed()
        self.assertEqual(plugin["state"], "loaded")

    def test_run_that_fails(self):
        self.add("good")
        model = self.small_model()
        for how, word in (("throw", "there is nothing to measure"), ("throw_other", "unknown type"),
                          ("shape", "does not fit the model's")):
            with self.subTest(how):
                result = harness.run("detect", "--model", model, "--detectors", "good", "--set", f"good.fail={how}",
                                     "--quiet", env=self.env)
                self.assertGreater(result.returncode, 0)  # an exit code, no signal
                self.assertIn(word, result.stderr.decode())
                self.assertIn("good", result.stderr.decode())


if __name__ == "__main__":
    unittest.main()
