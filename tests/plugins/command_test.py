# SPDX-License-Identifier: GPL-3.0-or-later
"""headscope plugins, and detect and --attention with plugins: what users see of modules that are good and bad."""
import hashlib
import json
import os
import pathlib
import shutil
import unittest

import h5py
import numpy as np

import harness

PLUGINS = pathlib.Path(os.environ["HEADSCOPE_TEST_PLUGINS"])


def env_of(*folders):
    return {"HEADSCOPE_PLUGINS": ":".join(str(PLUGINS / folder) for folder in folders),
            "ASAN_OPTIONS": "handle_segv=0"}  # children crash on purpose


class Command(harness.Case):
    def test_list(self):
        env = env_of("modules/good", "modules/crash", "mechanisms", "nowhere")
        found = self.good("plugins", "list", env=env)
        plugins = {p["id"]: p for p in found["plugins"]}
        self.assertEqual({name: p["state"] for name, p in plugins.items()},
                         {"detectors": "loaded", "good": "loaded", "crash": "refused", "fade": "loaded",
                          "nowhere": "refused"})
        self.assertEqual(plugins["fade"]["kind"], "mechanism")
        self.assertIn("induction", plugins["detectors"]["provides"])
        self.assertIn("signal 11", plugins["crash"]["reason"])
        self.assertEqual(found["folders"][1], str(PLUGINS / "modules/good"))
        table = harness.run("plugins", "list", env=env).stdout.decode()
        (crash,) = [line for line in table.splitlines() if line.startswith("crash ")]
        self.assertIn("refused", crash)
        self.assertIn("reading the calibration file", crash)

    def test_probe(self):
        verdict = self.good("plugins", "probe", PLUGINS / "modules/good/good.json")
        self.assertEqual(verdict, {"good": True, "reason": "", "provides": ["good"]})
        self.bad("not_found", "plugins", "probe", "nowhere.json", file="nowhere.json")

    def test_detect(self):
        env = env_of("modules/good", "modules/crash")
        self.assertIn("good", [d["id"] for d in self.good("detect", "--list", env=env)])
        run = harness.run("detect", "--model", self.small_model(), "--detectors", "good", "--set", "good.score=0.75",
                          "--json", env=env)
        self.assertEqual(json.loads(run.stdout)["detectors"]["good"]["scores"][0], [0.75] * 4)
        self.assertIn(b"the plugin crash was refused", run.stderr)

    def test_asking_for_a_refused_detector_says_why(self):
        error = self.bad("not_found", "detect", "--model", self.small_model(), "--detectors", "crash",
                         env=env_of("modules/crash"))
        self.assertIn("was refused: a process that tried it was ended by signal 11", error["message"])
        error = self.bad("not_found", "detect", "--model", self.small_model(), "--detectors", "no_such")
        self.assertIn("induction", error["message"])

    def test_one_of_all_that_throws_costs_the_others_nothing(self):
        run = harness.run("detect", "--model", self.small_model(), "--detectors", "all", "--set", "good.fail=throw", "--set",
                          "head_importance.texts=1", "--json", env=env_of("modules/good"))
        found = json.loads(run.stdout)["detectors"]
        self.assertIn("failed: ", found["good"]["skipped"])
        self.assertIn("there is nothing to measure", found["good"]["skipped"])
        self.assertTrue(any("scores" in of_one for of_one in found.values()), found)
        self.assertIn(b"good: failed: ", run.stderr)

    def test_a_run_that_throws_is_an_error(self):
        error = self.bad("unsupported", "detect", "--model", self.small_model(), "--detectors", "good", "--set",
                         "good.fail=throw", env=env_of("modules/good"))
        self.assertIn("there is nothing to measure", error["message"])

    def test_options_are_checked_before_the_model_is_loaded(self):
        error = self.bad("unsupported", "detect", "--model", "none.gguf", "--detectors", "good", "--set", "good.fail=check", field="--set good",
                         env=env_of("modules/good"))
        self.assertIn("there is nothing to check", error["message"])

    def test_mechanisms(self):
        env = env_of("mechanisms")
        listed = {m["id"]: m for m in self.good("mechanisms", env=env)}
        self.assertEqual(listed["fade"]["plugin"], str(PLUGINS / "mechanisms/fade.so"))
        self.assertEqual(listed["window"]["plugin"], "")
        (fade,) = self.good("mechanisms", "fade", env=env)
        self.assertEqual([(o["name"], o["kind"], o["default"]) for o in fade["options"]],
                         [("slope", "number", 0.05), ("sinks", "whole number", 4)])
        points = self.good("mechanisms", "fade:slope=0.3", "--check", env=env)
        self.assertIn("steps from a cache", [p["what"] for p in points])
        self.assertTrue(all(p["holds"] for p in points), points)
        run = harness.run("mechanisms", "odd:fail=form", "--check", "--json", env=env_of("modules/odd"))
        self.assertEqual(run.returncode, harness.EXIT["mismatch"])
        self.assertIn("differs", run.stdout.decode())

    def test_a_mechanism_is_recorded_with_its_file(self):
        spec, env = "fade:slope=0.5@heads=0.1;window:window=5@heads=0.3", env_of("mechanisms")
        digest = hashlib.sha256((PLUGINS / "mechanisms/fade.so").read_bytes()).hexdigest()
        pattern = {}
        for name in ("default", spec):
            out = self.folder / f"{len(pattern)}.h5"
            self.good("attention", "--model", self.small_model(), "--prompt", "When Mary and John", "--heads", "all",
                      "--precision", "float32", "--out", out, "--attention", name, env=env)
            with h5py.File(out) as file:
                pattern[name] = next(iter(file["attention"].values()))["pattern"][...]
                recorded = file["options/model"].attrs
                self.assertEqual(recorded["attention"], name)
                self.assertEqual(list(recorded.get("attention_plugins", [])), [digest] if name == spec else [])
        distance = np.abs(pattern["default"] - pattern[spec]).max(axis=(1, 2))
        self.assertEqual([bool(d > 1e-4) for d in distance[:4]], [False, True, False, True])
        self.good("generate", "--model", self.small_model(), "--prompt", "When Mary", "--max-new-tokens", "4",
                  "--attention", spec, env=env)

    def test_compare_and_route_take_mechanisms_of_plugins(self):
        env = env_of("mechanisms")
        text = self.folder / "text.txt"
        text.write_text("When Mary and John went to the store, John gave a drink to Mary. " * 2)
        out = self.folder / "compared.h5"
        found = self.good("compare", "--model", self.small_model(), "--text-file", text, "--lengths", "60",
                          "--attention", "fade:slope=0", "--attention", "fade:slope=0.5@layers=1;topk:k=4@layers=0",
                          "--out", out, env=env)["mechanisms"]
        self.assertLess(found[0]["kl"], 1e-6)
        self.assertGreater(found[1]["kl"], 1e-5)
        with h5py.File(out) as file:
            self.assertEqual(len(file["options/compare"].attrs["attention_plugins"]), 1)
        route = self.good("route", "--model", self.small_model(), "--text-file", text, "--length", "40", "--candidate",
                          "fade:slope=0.01", "--candidate", "window:window=4", "--budget", "10", env=env)
        self.assertIn("window:window=4@heads=", route["plan"])

    def test_a_journal_is_of_the_plugin_that_it_was_begun_with(self):
        plugins = self.folder / "plugins"
        shutil.copytree(PLUGINS / "mechanisms", plugins)
        env = {"HEADSCOPE_PLUGINS": str(plugins)}
        (self.folder / "pairs.csv").write_text("clean,corrupted,answer,wrong\nthe cat,the dog,a,b\n")
        (self.folder / "e.toml").write_text(f"""
[model]
path = "{self.small_model()}"
attention = "fade:slope=0.3@layers=1"
[[task]]
name = "pairs"
file = "pairs.csv"
[[step]]
method = "attribute"
task = "pairs"
""")
        run = ("run", self.folder / "e.toml", "--out", self.folder / "r.h5", "--shard", "0/2")
        self.good(*run, env=env)
        self.good(*run, env=env)  # goes on from the journal
        with open(plugins / "fade.so", "ab") as module:
            module.write(b"changed")
        self.bad("mismatch", *run, env=env, file="r.h5.shard-0-of-2.journal")

    def test_mistakes_name_the_plugin(self):
        model, env = self.small_model(), env_of("modules/odd", "modules/clash")
        run = lambda code, attention, **where: self.bad(code, "logits", "--model", model, "--prompt", "a b c",
                                                        "--attention", attention, env=env, **where)
        error = run("invalid_argument", "odd:width=10", field="--attention")
        self.assertIn("width must be at most 9 (in 'odd:width=10')", error["message"])
        self.bad("invalid_argument", "logits", "--model", "none.gguf", "--prompt", "a", "--attention", "odd:width=x",
                 env=env, field="--attention")  # before the model is loaded
        error = run("mismatch", "odd:fail=nan", file=str(PLUGINS / "modules/odd/odd.so"))
        self.assertIn("the mechanism odd gives scores or weights that are NaN", error["message"])
        error = run("invalid_argument", "clash", field="--attention")
        self.assertIn("the plugin 'clash' was refused: its mechanism 'window'", error["message"])
        error = run("invalid_argument", "nothing", field="--attention")
        self.assertIn("boost", error["message"])


if __name__ == "__main__":
    unittest.main()
