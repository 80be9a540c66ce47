# SPDX-License-Identifier: GPL-3.0-or-later
"""Two result files of one kind, compared: every number against numpy's from the files as h5py reads them."""
import unittest

import h5py
import numpy as np

from harness import Case, run, text_of


def ranks(values):
    """Each value's place, equal ones at their mean place."""
    values = np.asarray(values)
    return np.array([(np.sum(values < v) + (np.sum(values <= v) - 1)) / 2 for v in values])


class ResultsCompare(Case):
    def setUp(self):
        super().setUp()
        self.model = self.small_model()
        self.rows = self.folder / "rows.csv"
        self.rows.write_text("clean,corrupted,answer,wrong\n" + "".join(
            f"{text_of(c)},{text_of(x)},{text_of([a])},{text_of([w])}\n"
            for c, x, a, w in (([9, 20, 31, 9, 20], [9, 21, 31, 9, 21], 33, 35), ([40, 50, 60, 40, 50], [40, 51, 60, 40, 51], 36, 37))))

    def made(self, name, *call, model=None):
        out = self.folder / name
        self.good(*call, "--model", model or self.model, "--prompts-file", self.rows, "--out", out)
        return out

    def check(self, pair, a, b, top):
        a, b = np.asarray(a, dtype=float).ravel(), np.asarray(b, dtype=float).ravel()
        self.assertEqual((pair["cells"], pair["compared"]), (a.size, a.size))
        self.assertClose([pair["correlation"], pair["rank_correlation"], pair["mean_difference"], pair["mean_absolute_difference"]],
                         [np.corrcoef(a, b)[0, 1], np.corrcoef(ranks(a), ranks(b))[0, 1], np.mean(a - b), np.mean(np.abs(a - b))], 1e-6)
        strongest = [set(np.argsort(-np.abs(x), kind="stable")[:top]) for x in (a, b)]
        self.assertAlmostEqual(pair["top_overlap"], len(strongest[0] & strongest[1]) / top)
        order = np.argsort(-np.abs(a - b), kind="stable")[:top]
        self.assertClose([cell["difference"] for cell in pair["largest_differences"]], (a - b)[order], 1e-6)
        return order

    def test_ablations(self):
        zero, mean = self.made("a.h5", "ablate"), self.made("b.h5", "ablate", "--method", "mean")
        got = self.good("results", "compare", zero, mean, "--name", "zero", "--other", "mean", "--top", 3)
        pair, = got["pairs"]
        with h5py.File(zero) as x, h5py.File(mean) as y:
            a, b = x["ablation/zero/mean"][:], y["ablation/mean/mean"][:]
        order = self.check(pair, a, b, 3)
        heads = a.shape[1]
        self.assertEqual([cell["cell"] for cell in pair["largest_differences"]], [f"{i // heads}.{i % heads}" for i in order])
        self.assertIn("method is zero and mean", pair["different_meaning"])
        self.assertTrue(any("method is zero and mean" in line for line in got["warnings"]))

    def test_patchings(self):
        one, two = self.made("a.h5", "patch", "--site", "resid_pre"), self.made("b.h5", "patch", "--site", "resid_pre", "--metric", "prob_diff")
        got = self.good("results", "compare", one, two)
        pair, = got["pairs"]
        with h5py.File(one) as x, h5py.File(two) as y:
            name, = x["patching"]
            a, b = x[f"patching/{name}/restored"][:], y[f"patching/{name}/restored"][:]
        order = self.check(pair, a, b, 10)
        positions = a.shape[1]
        self.assertEqual([cell["cell"] for cell in pair["largest_differences"]],
                         [f"layer {i // positions}, position {i % positions}" for i in order])
        self.assertIn("metric", pair["different_meaning"][0])

    def test_the_same_twice(self):
        one = self.made("a.h5", "ablate")
        pair, = self.good("results", "compare", one, one)["pairs"]
        self.assertEqual((pair["mean_absolute_difference"], pair["top_overlap"], pair["different_meaning"]), (0, 1, []))
        self.assertNotIn("warnings", self.good("results", "compare", one, one))
        self.assertIn(b"8 of 8 cells compared", run("results", "compare", one, one).stdout)

    def test_other_models_are_named(self):
        one, other = self.made("a.h5", "ablate"), self.made("b.h5", "ablate", model=self.small_model("gpt2"))
        result = run("results", "compare", one, other)
        if result.returncode:  # another shape
            self.assertIn(b"another shape", result.stderr)
        else:
            self.assertIn(b"the models are not the same", result.stderr)

    def test_what_cannot_be_compared(self):
        one, patch = self.made("a.h5", "ablate"), self.made("p.h5", "patch")
        self.bad("not_found", "results", "compare", one, patch, file=patch, field="--what")
        self.bad("invalid_argument", "results", "compare", one, one, "--what", "dreams", field="--what")
        self.bad("invalid_argument", "results", "compare", one, one, "--other", "zero", field="--other")
        self.bad("not_found", "results", "compare", one, self.folder / "none.h5", file="none.h5")


if __name__ == "__main__":
    unittest.main()
