# SPDX-License-Identifier: GPL-3.0-or-later
"""headscope ablate --together, --keep-only and --complete against transformers (generate_steer.py)."""
import json
import unittest

import h5py
import numpy as np

from harness import GOLDEN, Case, read_safetensors, run, text_of

ONE_THREAD = ["--threads", "1"]
ANSWER, WRONG = 3, 7  # of the reference
TOLERANCE = 2e-4


class JointAblation(Case):
    def setUp(self):
        super().setUp()
        self.everything = read_safetensors(GOLDEN / "analysis" / "joint.safetensors")

    def golden(self, name, key):
        logits = self.everything[f"{name}.{key}"]
        return logits if logits.ndim == 1 else logits[:, ANSWER] - logits[:, WRONG]

    def call(self, name, *more):
        path = self.folder / f"{name}.jsonl"
        path.write_text("".join(json.dumps({"prompt": text_of(ids), "answer": text_of([ANSWER]), "wrong": text_of([WRONG])}) + "\n"
                                for ids in self.everything[f"{name}.tokens"]))
        return ["ablate", "--model", self.small_model(name), "--prompts-file", path, *more, *ONE_THREAD]

    def test_sets_equal_transformers(self):
        cases = {"together": ["--together", "--nodes", "0.1,a1.h3,m1"], "keep": ["--keep-only", "--heads", "0.0,0.2,1.1"],
                 "neurons": ["--together", "--nodes", "a0.h1,m0,m1.n5,m1.n17,m1.n40"]}
        for name in ("gpt2", "llama"):
            clean = self.golden(name, "clean")
            for method in ("zero", "mean", "resample"):
                for case, options in cases.items():
                    with self.subTest(f"{name} {method} {case}"):
                        out = self.folder / "a.h5"
                        got = self.good(*self.call(name, *options, "--method", method, "--out", out, "--force"))
                        wanted = self.golden(name, f"{case}_{method}")
                        self.assertTrue(got["complete"])
                        self.assertEqual((got["method"], got["ablates"]), (method, "all_but_nodes" if case == "keep" else "nodes"))
                        self.assertClose([p["ablated"] for p in got["prompts"]], wanted, TOLERANCE)
                        self.assertClose([p["effect"] for p in got["prompts"]], wanted - clean, TOLERANCE)
                        self.assertClose([got["clean"], got["ablated"], got["effect"]],
                                         [clean.mean(), wanted.mean(), (wanted - clean).mean()], TOLERANCE)
                        with h5py.File(out) as file:
                            group = file[f"ablation_joint/{method}"]
                            self.assertClose(group["ablated"][:], wanted, TOLERANCE)
                            self.assertClose(group["clean"][:], clean, TOLERANCE)
                            self.assertEqual(group["nodes"].asstr()[:].tolist(), got["nodes"])
                            self.assertEqual("donors" in group, method == "resample")
                            self.assertNotIn("ablation", file)

    def test_completeness_equals_transformers(self):
        for name in ("gpt2", "llama"):
            out = self.folder / f"{name}.h5"
            got = self.good(*self.call(name, "--complete", "--nodes", "0.2,1.1,m1", "--method", "mean", "--subsets", 3, "--seed", 4, "--out", out))
            rows = got["completeness"]
            self.assertEqual([row["left_out"] for row in rows[:4]], [[], ["a0.h2"], ["a1.h1"], ["m1"]])
            self.assertEqual(len(rows), 7)
            for column in ("circuit_without", "model_without"):
                self.assertClose([row[column] for row in rows[:4]], self.golden(name, column), TOLERANCE)
            self.assertClose([row["difference"] for row in rows], [abs(row["circuit_without"] - row["model_without"]) for row in rows], 1e-9)
            self.assertClose(got["ablated"], rows[0]["circuit_without"], 1e-9)
            with h5py.File(out) as file:
                group = file["ablation_joint/mean"]
                self.assertClose(group["completeness/difference"][:], [row["difference"] for row in rows], 1e-6)
                self.assertEqual(group["completeness/left_out"].asstr()[1], "a0.h2")
                self.assertClose(group["circuit_without"][:].mean(1), [row["circuit_without"] for row in rows], 1e-5)
            self.assertIn(b"left out", run(*self.call(name, "--complete", "--nodes", "0.2")).stdout)

    def test_one_head_is_that_of_the_sweep(self):
        for method in ("zero", "mean", "resample", "uniform"):
            for phase in ("both", "decode"):
                how = ["--heads", "0.1", "--method", method, "--phase", phase, "--seed", 2]
                one = self.good(*self.call("llama", *how))["effects"][0][1]
                self.assertClose(self.good(*self.call("llama", *how, "--together"))["effect"], one, 1e-4)

    def test_a_layer_and_everything(self):
        layer = self.good(*self.call("llama", "--together", "--nodes", "L1"))
        self.assertEqual(layer["nodes"], ["a1.h0", "a1.h1", "a1.h2", "a1.h3", "m1"])
        self.assertClose(self.good(*self.call("llama", "--keep-only", "--nodes", "L0"))["ablated"], layer["ablated"], 1e-6)
        self.assertClose(self.good(*self.call("llama", "--keep-only", "--nodes", "L0,L1"))["effect"], 0, 1e-6)

    def test_what_cannot_be_done(self):
        call = self.call("llama")
        wrong = lambda field, *args: self.bad("invalid_argument", *call, *args, field=field)
        wrong("--nodes", "--nodes", "0.1")
        for nodes in ("x", "0.4", "2.0", "m2", "m1.n48", "L2", "0.1,"):
            wrong("--nodes", "--together", "--nodes", nodes)
        wrong("--heads", "--together", "--heads", "0.9")
        wrong("--heads", "--together", "--heads", "0.1", "--nodes", "0.1")
        wrong("--together", "--together", "--keep-only")
        wrong("--together", "--together", "--complete")
        wrong("--method", "--together", "--nodes", "0.1,m1", "--method", "uniform")
        wrong("--method", "--keep-only", "--nodes", "0.1", "--method", "uniform")  # would ablate MLPs
        wrong("--subsets", "--complete", "--nodes", "0.1", "--subsets", "-1")


if __name__ == "__main__":
    unittest.main()
