# SPDX-License-Identifier: GPL-3.0-or-later
"""headscope plugins, and detect and --attention with plugins: what users see of modules that are good and bad."""
import json
import os
import pathlib
import unittest

import h5py

import harness

PLUGINS = pathlib.Path(os.environ["HEADSCOPE_TEST_PLUGINS"])


def env_of(*folders):
    return {"HEADSCOPE_PLUGINS": ":".join(str(PLUGINS / folder) for folder in folders),
            "ASAN_OPTIONS": "handle_segv=0"}  # children crash on purpose


class Command(harness.Case):
    def test_list(self):
        env = env_of("modules/good", "modules/crash", "backends", "nowhere")
        found = self.good("plugins", "list", env=env)
        plugins = {p["id"]: p for p in found["plugins"]}
        self.assertEqual({name: p["state"] for name, p in plugins.items()},
                         {"detectors": "loaded", "good": "loaded", "crash": "refused", "double": "loaded",
                          "nowhere": "refused"})
        self.assertEqual(plugins["double"]["kind"], "attention-backend")
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

    def test_attention(self):
        files = []
        for name in ("default", "double"):
            files.append(self.folder / f"{name}.h5")
            self.good("attention", "--model", self.small_model("gemma2"), "--prompt", "When Mary and John", "--heads",
                      "all", "--precision", "float32", "--out", files[-1], "--attention", name, env=env_of("backends"))
        with h5py.File(files[0]) as own, h5py.File(files[1]) as double:
            self.assertEqual(double["options/model"].attrs["attention"], "double")
            a, b = (next(iter(file["attention"].values()))["pattern"][...] for file in (own, double))
            self.assertClose(b, a, 1e-5)
            self.assertFalse((a == b).all(), "the backend was not asked")
        error = self.bad("not_found", "logits", "--model", self.small_model(), "--prompt", "a", "--attention", "nothing",
                         field="--attention", env=env_of("backends"))
        self.assertIn("there are double", error["message"])


if __name__ == "__main__":
    unittest.main()
