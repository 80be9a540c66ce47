# SPDX-License-Identifier: GPL-3.0-or-later
"""headscope mask and headscope reproduce on a planted model, whose retrieval heads are known."""
import unittest

import h5py
import numpy as np

from harness import Case, run

ONE_THREAD = ["--threads", 1]
SHORT = ["--length-max", 300, "--lengths", 1, "--depths", 1, "--new-tokens", 20]


class Mask(Case):
    def setUp(self):
        super().setUp()
        self.model = self.folder / "planted"
        self.heads = self.good("plant", "--out", self.model, "--seed", 5, "--layers", 6)["heads"]

    def test_planted_retrieval_heads_against_random_ones(self):
        out = self.folder / "mask.h5"
        heads = self.heads["retrieval"]
        said = self.good("mask", "--model", self.model, "--heads", ",".join(heads), "--method", "uniform,needle", "--counts",
                         len(heads), "--seeds", 2, *SHORT, "--out", out, *ONE_THREAD)
        self.assertTrue(said["complete"])
        self.assertEqual([m["method"] for m in said["maskings"]], ["uniform", "needle"])
        for masking in said["maskings"]:
            self.assertEqual(masking["clean"], 1.0)
            self.assertLess(masking["masked"][0], 0.35)
            self.assertEqual(masking["phase"], "decode")
            self.assertEqual(np.shape(masking["random"]), (1, 2))
        self.assertEqual(said["maskings"][1]["random"], [[1.0, 1.0]])  # other heads lose nothing by not seeing the needle
        with h5py.File(out) as f:
            group = f["masking/needle_needle_decode"]
            self.assertEqual(group.attrs["clean"], 1.0)
            self.assertEqual(group["count"][:].tolist(), [len(heads)])
            np.testing.assert_allclose(group["masked"][:], said["maskings"][1]["masked"])
            np.testing.assert_allclose(group["random"][:], said["maskings"][1]["random"])
            self.assertEqual(group["scores"].shape, (4, 3))
            np.testing.assert_allclose(group["scores"][:].mean(1)[1], group["masked"][0])
            named = {h.decode() for v, h in zip(group["heads/variant"][:], group["heads/head"][:]) if v.decode().startswith("strongest")}
            self.assertEqual(named, set(heads))
        drawn = run("export", out, "--what", "masking", "--format", "png,svg,csv,npy", "--out", self.folder / "charts")
        if b"built without" not in drawn.stderr:  # a build without Qt draws nothing
            self.assertEqual(drawn.returncode, 0, drawn.stderr)
            self.assertEqual(np.load(self.folder / "charts" / "masking-needle_uniform_decode.npy").shape, (1, 4))

    def test_other_tasks_and_a_ranking_from_a_file(self):
        found = self.folder / "heads.h5"
        self.good("detect", "--model", self.model, "--detectors", "induction", "--out", found, *ONE_THREAD)
        said = self.good("mask", "--model", self.model, "--heads", found, "--detector", "induction", "--task", "repeated,ordinal,text",
                         "--method", "zero", "--count", 2, "--counts", "1,2", "--seeds", 2, *ONE_THREAD)
        by_task = {m["task"]: m for m in said["maskings"]}
        self.assertEqual(set(by_task), {"repeated", "ordinal", "text"})
        repeated = by_task["repeated"]
        self.assertIn("induction", repeated["ranking"])
        self.assertLess(max(repeated["masked"]), repeated["clean"] - 0.05)

    def test_what_makes_no_sense(self):
        call = ["mask", "--model", self.model, *SHORT, *ONE_THREAD]
        self.bad("invalid_argument", *call, "--method", "nothing", field="method")
        self.bad("invalid_argument", *call, "--heads", "0.0", "--task", "nothing", field="--task")
        self.bad("invalid_argument", *call, "--heads", "0.0,0.1", "--counts", "3", field="counts")
        self.bad("invalid_argument", *call, "--heads", "0.0", "--task", "text", "--method", "needle", field="method")
        self.bad("not_found", *call, "--heads", "missing.h5", field="--heads")

    def test_reproduce_says_that_it_is_another_model(self):
        said = self.good("reproduce", "gu2025", "--model", self.model, *ONE_THREAD)
        self.assertFalse(said["published_model"])
        self.assertTrue(said["complete"])
        rate = next(row for row in said["rows"] if row["what"].startswith("Sink_1"))
        self.assertGreater(rate["measured"], 0.0)
        self.assertIn("Llama-2-7B", rate["published"])
        self.bad("not_found", "reproduce", "nobody2020", "--model", self.model, field="EXPERIMENT")


if __name__ == "__main__":
    unittest.main()
