# SPDX-License-Identifier: GPL-3.0-or-later
"""The template's attention backend, in double precision, against the engine's own attention: plain runs, padded batches,
sliding windows and soft caps, interventions inside attention, gradients, generation and statistics."""
import os
import unittest

import h5py
import numpy as np

import harness

PLUGINS = os.environ["HEADSCOPE_TEST_BACKENDS"]
TEXT = "When Mary and John went to the store"
ENV = {"HEADSCOPE_PLUGINS": PLUGINS}
# float32 against float64 inside attention, on models with logits of the order of 1.
TOLERANCE = 2e-4


class DoubleAttention(harness.Case):
    def both(self, *args):
        """The documents with and without the backend."""
        return [self.good(*args, "--attention", name, env=ENV) for name in ("default", "double")]

    def models(self):
        for name in ("llama", "gpt2", "gemma2", "mistral", "llama_mqa"):
            with self.subTest(name):
                yield self.small_model(name)

    def test_logits(self):
        for model in self.models():
            own, double = self.both("logits", "--model", model, "--prompt", TEXT, "--all", "--top", 101)
            def table(document):
                return [sorted((t["id"], t["logit"]) for t in row["top"]) for row in document["positions"]]
            self.assertClose(table(double), table(own), TOLERANCE)

    def test_ablation_inside_attention_over_padded_prompts(self):
        prompts = self.folder / "prompts.csv"
        prompts.write_text("prompt,answer,wrong\nA short one,a,b\nOne that is quite a lot longer,c,d\n")
        for model in self.models():
            for method in ("zero", "uniform"):
                own, double = self.both("ablate", "--model", model, "--prompts-file", prompts, "--method", method)
                self.assertClose(double["effects"], own["effects"], TOLERANCE)
                self.assertGreater(float(np.max(np.abs(np.array(own["effects"])))), 10 * TOLERANCE)

    def test_patching_of_scores_and_patterns(self):
        for model in self.models():
            for site in ("pattern", "attn_scores"):
                own, double = self.both("patch", "--model", model, "--clean", "abcdefgh", "--corrupt", "abxdefgh",
                                        "--answer", "a", "--wrong", "b", "--site", site)
                scale = abs(own["clean"] - own["corrupt"])
                self.assertClose(np.array(double["restored"]) * scale, np.array(own["restored"]) * scale, TOLERANCE)

    def test_gradients(self):
        own, double = self.both("patch", "--model", self.small_model(), "--clean", "abcdefgh", "--corrupt", "abxdefgh",
                                "--answer", "a", "--wrong", "b", "--site", "z", "--estimate")
        scale = abs(own["clean"] - own["corrupt"])
        self.assertClose(np.array(double["restored"]) * scale, np.array(own["restored"]) * scale, TOLERANCE)

    def test_statistics_come_from_the_backend(self):
        for model in self.models():
            own, double = self.both("detect", "--model", model, "--detectors", "induction,previous,duplicate",
                                    "--set", "induction.n=10", "--set", "previous.n=10", "--set", "duplicate.n=10")
            for name in ("induction", "previous", "duplicate"):
                self.assertClose(double["detectors"][name]["scores"], own["detectors"][name]["scores"], 1e-5)

    def test_generation_with_a_cache(self):
        own, double = self.both("generate", "--model", self.small_model(), "--prompt", TEXT, "-n", 12)
        self.assertEqual(double["ids"], own["ids"])

    def test_maps(self):
        maps = []
        for name in ("default", "double"):
            out = self.folder / f"{name}.h5"
            self.good("attention", "--model", self.small_model("gemma2"), "--prompt", TEXT, "--heads", "all",
                      "--precision", "float32", "--out", out, "--attention", name, env=ENV)
            with h5py.File(out) as file:
                (group,) = file["attention"].values()
                maps.append(group["pattern"][...])
                self.assertEqual(file["options/model"].attrs["attention"], name)
        self.assertClose(maps[1], maps[0], 1e-5)

    def test_unknown_backend(self):
        error = self.bad("not_found", "logits", "--model", self.small_model(), "--prompt", "a", "--attention", "none",
                         field="--attention", env=ENV)
        self.assertIn("there are double", error["message"])


if __name__ == "__main__":
    unittest.main()
