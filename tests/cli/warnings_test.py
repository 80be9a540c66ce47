# SPDX-License-Identifier: GPL-3.0-or-later
"""Numbers that need a warning get one: units, estimates, answers without a space, short references, empty circuits."""
import csv
import os
import subprocess
import unittest

import h5py
import numpy as np

from harness import PROGRAM, Case, run

CLEAN = "When Mary and John went to the store, John gave a drink to"
CORRUPT = "When Mary and John went to the store, Mary gave a drink to"
NAMES = ("--answer", " Mary", "--wrong", " John")
UNITS = {"logit_diff": "logit", "prob_diff": "1", "kl_divergence": "nat", "js_divergence": "nat", "answer_rank": "rank", "accuracy": "1"}


class Units(Case):
    def test_a_metric_has_one_unit_in_every_command(self):
        model = self.small_model()
        prompt = ("--prompt", "abcdef", "--answer", "c", "--wrong", "d")
        pair = ("--clean", "abcdef", "--corrupt", "abxdef", "--answer", "c", "--wrong", "d")
        for metric, unit in UNITS.items():
            out = self.folder / f"{metric}.h5"
            self.good("ablate", "--model", model, *prompt, "--metric", metric, "--out", out)
            with h5py.File(out) as file:
                self.assertEqual(file["ablation/zero/effects"].attrs["units"], unit)
            if metric in ("answer_rank", "accuracy"):
                continue  # equal for both prompts: nothing to restore
            self.good("patch", "--model", model, *pair, "--metric", metric, "--out", out, "--force")
            with h5py.File(out) as file:
                self.assertEqual(file["patching/resid_pre"].attrs["units"], unit)
                self.assertEqual(file["patching/resid_pre/pair_clean"].attrs["units"], unit)
            self.good("paths", "--model", model, *pair, "--metric", metric, "--out", out, "--force")
            with h5py.File(out) as file:
                self.assertEqual(file["paths/effects"].attrs["units"], unit)
            self.good("circuit", "--model", model, *pair, "--metric", metric, "--out", out, "--force")
            with h5py.File(out) as file:
                self.assertEqual(file["graph/circuit/edges/score"].attrs["units"], unit)


class Answers(Case):
    def test_results_hold_the_answers(self):
        model = self.small_model()
        pair = ("--clean", "abcdef", "--corrupt", "abxdef", "--answer", "c", "--wrong", "d")
        prompt = ("--prompt", "abcdef", "--answer", "c", "--wrong", "d")
        wanted = {"answer_ids": self.good("tokens", "--model", model, "--text", "c")["ids"],
                  "wrong_ids": self.good("tokens", "--model", model, "--text", "d")["ids"]}
        for call, name in ((("patch", *pair), "clean"), (("patch", *pair), "corrupt"), (("circuit", *pair), "pair-0-clean"),
                           (("paths", *pair), "pair-0-clean"), (("attribute", *prompt), "prompt-0"), (("ablate", *prompt), "prompt-0")):
            out = self.folder / "answers.h5"
            self.good(*call, "--model", model, "--out", out, "--force")
            with h5py.File(out) as file:
                attributes = file["prompts"][name].attrs
                for field, ids in wanted.items():
                    self.assertEqual(list(attributes[field]), ids, call[0])
                self.assertEqual(list(attributes["answers"]), ["c"])
                if call[0] == "attribute":
                    self.assertIn("tokens_per_run", file["options/attribute"].attrs)

    def test_a_missing_leading_space_is_said_with_both_probabilities(self):
        got = self.good("ablate", "--model", "smollm2", "--prompt", CLEAN, "--answer", "Mary", "--wrong", " John", "--heads", "0.0")
        self.assertEqual(len(got["warnings"]), 1)
        self.assertRegex(got["warnings"][0], r"'Mary' .* ' Mary': probability 0\.92 against 3\.5e-05")
        rows = self.folder / "pairs.csv"
        rows.write_text(f'clean,corrupted,answer,wrong\n"{CLEAN}","{CORRUPT}", Mary, John\n"{CLEAN}","{CORRUPT}",Mary, John\n')
        got = self.good("patch", "--model", "smollm2", "--prompts-file", rows, "--site", "z", "--axes", "layer_head")
        self.assertIn("after prompt 1 the model expects ' Mary'", got["warnings"][0])
        right = run("ablate", "--model", "smollm2", "--prompt", CLEAN, *NAMES, "--heads", "0.0", "-q")
        self.assertEqual(right.stderr, b"")


class References(Case):
    def test_donors_that_are_too_short_are_said_and_stored(self):
        out = self.folder / "r.h5"
        call = ("ablate", "--model", self.small_model(), "--prompt", "abcdefghijklmn", "--answer", "c", "--wrong", "d", "--heads", "0.0",
                "--method", "resample", "--reference", "x")
        got = self.good(*call, "--out", out)
        self.assertClose(got["replaced"], [1 / 14], 1e-6)
        self.assertIn("7.1 %", got["warnings"][0])
        with h5py.File(out) as file:
            self.assertClose(file["ablation/resample/replaced"][()], [1 / 14], 1e-6)
        self.bad("mismatch", *call, "--phase", "prefill", field="reference")

    def test_the_mean_of_one_prompt_is_its_own(self):
        model = self.small_model()
        call = ("ablate", "--model", model, "--prompt", "abcdef", "--answer", "c", "--wrong", "d", "--method", "mean")
        self.assertIn("over this one prompt itself", self.good(*call)["warnings"][0])
        self.assertNotIn("warnings", self.good(*call, "--reference", "bcdefa"))


class Estimates(Case):
    def test_every_form_says_that_it_is_an_estimate(self):
        out, figures = self.folder / "e.h5", self.folder / "figures"
        call = ("patch", "--model", self.small_model(), "--clean", "abcdef", "--corrupt", "abxdef", "--answer", "c", "--wrong", "d", "--estimate")
        got = self.good(*call, "--out", out)
        self.assertTrue(got["estimated"])
        self.assertTrue(any("estimates from one gradient" in line for line in got["warnings"]), got["warnings"])
        self.assertIn("restored (estimated)", run(*call, "-q").stdout.decode())
        self.good("export", out, "--what", "patching", "--format", "csv,svg", "--out", figures)
        with open(figures / "patching-resid_pre.csv", newline="") as file:
            rows = list(csv.DictReader(file))
        self.assertEqual(len(rows), 2 * 6)
        exact = {(cell["layer"], cell["position"]): cell["exact"] for cell in got["checked"]}
        seen = {(int(row["layer"]), int(row["position"])): float(row["restored_exact"]) for row in rows if row["restored_exact"]}
        self.assertEqual(set(seen), set(exact))
        self.assertClose([seen[key] for key in exact], list(exact.values()), 1e-6)
        self.assertClose([float(row["restored_estimate"]) for row in rows], np.array(got["restored"]).ravel(), 1e-6)


class Averages(Case):
    def test_one_pair_of_small_difference_does_not_rule(self):
        model = self.small_model()
        rows = self.folder / "pairs.csv"
        rows.write_text("clean,corrupted,answer,wrong\nabcdef,abxdef,c,d\nbcdefa,bcdxfa,c,d\ncabdef,cabdef,c,d\n")
        out = self.folder / "p.h5"
        got = self.good("patch", "--model", model, "--prompts-file", rows, "--out", out)
        with h5py.File(out) as file:
            patching = file["patching/resid_pre"]
            clean, corrupt, patched = (patching[name][()] for name in ("pair_clean", "pair_corrupt", "pair_patched"))
            self.assertEqual(patching.attrs["average"], "ratio_of_means")
        wanted = (patched.mean(0) - corrupt.mean()) / (clean.mean() - corrupt.mean())
        self.assertClose(got["restored"], wanted, 1e-4)
        self.assertIn("1 of 3 pairs", got["warnings"][0])
        ratios = self.good("patch", "--model", model, "--prompts-file", rows, "--average", "mean_of_ratios")
        wanted = ((patched - corrupt[:, None, None])[:2] / (clean - corrupt)[:2, None, None]).mean(0)
        self.assertClose(ratios["restored"], wanted, 1e-3)


    def test_cells_of_some_pairs_only_are_said_and_counted(self):
        """The two long pairs are one with its answers exchanged, so that they leave nothing to divide by at the last position."""
        model, rows, out = self.small_model(), self.folder / "pairs.csv", self.folder / "p.h5"
        rows.write_text("clean,corrupted,answer,wrong\nabcdef,abxdef,c,d\nabcdefg,abxdefg,c,d\nabcdefg,abxdefg,d,c\n")
        for axes in ("layer_position", "layer_position_head"):
            call = ("patch", "--model", model, "--prompts-file", rows, "--site", "z", "--axes", axes)
            got = self.good(*call, "--out", out, "--force")
            with h5py.File(out) as file:
                patching = file["patching/z"]
                clean, corrupt, patched = (patching[name][()] for name in ("pair_clean", "pair_corrupt", "pair_patched"))
                pairs, restored = patching["pairs_of_cell"][()], patching["restored"][()]
            has = ~np.isnan(patched)
            np.testing.assert_array_equal(pairs, has.sum(0))
            self.assertEqual(got["pairs_of_cell"], pairs.tolist())
            self.assertEqual({(at, int(n)) for at in range(7) for n in np.unique(pairs[:, at])}, {*((at, 3) for at in range(6)), (6, 2)})
            clean, corrupt = (each.reshape(-1, *(1,) * (patched.ndim - 1)) for each in (clean, corrupt))
            differences = (clean - corrupt) * has
            below = np.abs(differences.sum(0) / pairs) < 0.1 * np.abs(clean - corrupt).mean()
            self.assertTrue(below[:, 6].all() and not below[:, :6].any(), below)
            self.assertClose(restored[:, :6], (patched - corrupt).sum(0)[:, :6] / differences.sum(0)[:, :6], 1e-4)
            said = "\n".join(got["warnings"])
            self.assertIn("pairs have 6 to 7 tokens: position 6 is of 2 of 3 pairs, and positions count from the first token", said)
            self.assertIn(f"{below.sum()} of {below.size} cells divide by less than a tenth", said)
            self.assertRegex(said, r"\(layer \d+, position 6.*2 of 3 pairs\)")
            ratios = self.good(*call, "--average", "mean_of_ratios")
            self.assertEqual(ratios["pairs_of_cell"], pairs.tolist())
            self.assertFalse([line for line in ratios["warnings"] if "cells divide" in line])
        by_head = self.good("patch", "--model", model, "--prompts-file", rows, "--site", "z", "--axes", "layer_head")
        self.assertNotIn("pairs_of_cell", by_head)
        self.assertFalse([line for line in by_head.get("warnings", []) if "position" in line])


class Circuits(Case):
    def test_an_empty_circuit_says_how_many_edges_the_first_one_needs(self):
        model = self.small_model()
        call = ("circuit", "--model", model, "--clean", "abcdef", "--corrupt", "abxdef", "--answer", "c", "--wrong", "d", "--method", "eap")
        got = self.good(*call, "--top-n", 1)
        if got["edges"]:
            self.skipTest("the most important edge of this model is a path already")
        needed = int(got["warnings"][0].split("--build top_n needs --top-n ")[1].split(",")[0])
        self.assertEqual(self.good(*call, "--top-n", needed - 1)["edges"], [])
        self.assertNotEqual(self.good(*call, "--top-n", needed)["edges"], [])
        grown = int(got["warnings"][0].split("--top-n ")[-1])
        self.assertNotEqual(self.good(*call, "--build", "greedy", "--top-n", grown)["edges"], [])
        self.assertEqual(self.good(*call, "--build", "greedy", "--top-n", grown - 1)["edges"], [])

    def test_scores_that_vanish_are_said_to(self):
        """The gradient of a divergence is zero on the clean run itself, which is where EAP takes it."""
        model = self.small_model()
        call = ("circuit", "--model", model, "--clean", "abcdef", "--corrupt", "abxdef", "--metric", "kl_divergence", "--top-n", 300)
        said = self.good(*call, "--method", "eap").get("warnings", [])
        self.assertTrue(any("no more than rounding" in line for line in said), said)
        said = self.good(*call, "--method", "eap_ig_inputs").get("warnings", [])
        self.assertFalse(any("no more than rounding" in line for line in said), said)

    def test_small_effects_keep_their_digits(self):
        text = run("ablate", "--model", "smollm2", "--prompt", CLEAN, "--metric", "kl_divergence", "--heads", "0.0-8", "-q").stdout.decode()
        self.assertNotIn(" 0.0000", "\n".join(text.splitlines()[2:]))


class Words(Case):
    def test_what_is_not_known_is_named_and_what_is_near_suggested(self):
        for words, said in ((("ablate", "--modle", "x"), "there is no option --modle; did you mean --model?"),
                            (("abalte",), "there is no command 'abalte'; did you mean ablate?"),
                            (("tokens", "--model", "smollm2", "--text", "a", "b", "c"), "'b' belongs to no option"),
                            (("model", "inof"), "there is no command 'inof'; did you mean info?")):
            self.assertIn(said, self.bad("invalid_argument", *words)["message"])

    def test_a_reader_that_leaves_is_no_error(self):
        model = self.small_model()
        call = subprocess.Popen([PROGRAM, "logits", "--model", str(model), "--prompt", "abcdef" * 4, "--all", "--top", "100", "-q"],
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        call.stdout.close()
        self.assertEqual(call.stderr.read(), b"")
        call.stderr.close()
        self.assertEqual(call.wait(), 0)

    def test_waiting_threads_sleep_unless_somebody_chose(self):
        """The program starts itself again with OMP_WAIT_POLICY, which its threads' library reads before main."""
        for extra, wanted in (({}, "OMP_WAIT_POLICY=PASSIVE"), ({"OMP_WAIT_POLICY": "ACTIVE"}, "OMP_WAIT_POLICY=ACTIVE")):
            env = {k: v for k, v in os.environ.items() if k not in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")}
            said = subprocess.run([PROGRAM, "--version"], capture_output=True, env={**env, **extra, "OMP_DISPLAY_ENV": "true"}, check=True)
            policy = [line for line in said.stderr.decode().splitlines() if "OMP_WAIT_POLICY" in line]
            self.assertTrue(policy, said.stderr)
            self.assertIn(wanted.split("=")[1], policy[-1])
            if not extra:  # a short spin, without which a quiet machine loses a fifth
                verbose = subprocess.run([PROGRAM, "--version"], capture_output=True, env={**env, "OMP_DISPLAY_ENV": "verbose"}, check=True)
                self.assertRegex(verbose.stderr.decode(), r"GOMP_SPINCOUNT\D+1000\b")


if __name__ == "__main__":
    unittest.main()
