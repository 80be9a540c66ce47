# SPDX-License-Identifier: GPL-3.0-or-later
"""headscope plant, and headscope detect on what it wrote."""
import json
import unittest

from harness import Case

ONE_THREAD = ["--threads", 1]


class Plant(Case):
    def test_detect_names_the_planted_heads(self):
        model = self.folder / "planted"
        said = self.good("plant", "--out", model, "--seed", 5, "--layers", 3, "--heads", 6, "--kv-heads", 3, "--noise", 0.1)
        truth = json.loads((model / "planted.json").read_text())
        self.assertEqual(said["heads"], truth["heads"])
        found = self.good("detect", "--model", model, "--detectors", "all", "--quiet", *ONE_THREAD)["detectors"]
        truth["heads"]["s_inhibition"] = truth["helpers"]["s_inhibition"]
        for kind, heads in truth["heads"].items():
            with self.subTest(kind):
                self.assertEqual(sorted(found[kind]["heads"]), sorted(heads))

    def test_the_prompts_are_answered(self):
        model = self.folder / "planted"
        self.good("plant", "--out", model, "--seed", 6)
        for kind, prompts in json.loads((model / "planted.json").read_text())["prompts"].items():
            for prompt in prompts:
                with self.subTest(kind):
                    got = self.good("generate", "--model", model, "--prompt", prompt["prompt"], "-n", 1, *ONE_THREAD)
                    self.assertEqual(got["text"], prompt["answer"])

    def test_nothing_is_replaced_unless_asked(self):
        model = self.folder / "planted"
        self.good("plant", "--out", model, "--seed", 1)
        self.bad("already_exists", "plant", "--out", model, "--seed", 2, file="config.json")
        self.good("plant", "--out", model, "--seed", 2, "--force")

    def test_shapes_that_cannot_be(self):
        for options, field in [(["--layers", 2], "--layers"), (["--heads", 3, "--layers", 3, "--kv-heads", 1], "--heads"),
                               (["--kv-heads", 3], "--kv-heads"), (["--noise", -1], "--noise"), (["--seed", -1], "--seed")]:
            with self.subTest(field):
                self.bad("invalid_argument", "plant", "--out", self.folder / "planted", *options, field=field)
                self.assertFalse((self.folder / "planted").exists())


if __name__ == "__main__":
    unittest.main()
