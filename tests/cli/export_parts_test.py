# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever a method stores, `headscope export` has a figure or a table of it, with the stored numbers."""
import csv
import pathlib
import random
import re
import unittest
import xml.dom.minidom

import h5py
import numpy as np

from harness import ALPHABET, GOLDEN, Case, run

ONE_THREAD = ["--threads", 1]
PAIRS = "clean,corrupted,answer,wrong\nabca,dbee,b,f\nabda,dbce,b,f\n"
PROMPTS = "prompt,answer,wrong\nabc,d,e\nabf,d,e\n"

# Groups of docs/file-format.md that say what a file is, and hold no result.
NO_RESULTS = {"model", "models", "options", "prompts", "experiment"}


class Parts(Case):
    def setUp(self):
        super().setUp()
        self.model = self.small_model()
        (self.folder / "pairs.csv").write_text(PAIRS)
        (self.folder / "prompts.csv").write_text(PROMPTS)

    def planted(self):
        folder = self.folder / "planted"
        if not folder.exists():
            self.good("plant", "--out", folder, "--seed", 5)
        return folder

    def corpus(self):
        path = self.folder / "corpus.txt"
        path.write_text("".join(random.Random(5).choices(ALPHABET[7:], k=120)))
        return path

    def calls(self):
        """For each group of the file format a command that stores it."""
        model = ["--model", self.model, *ONE_THREAD]
        pairs, prompts = ["--prompts-file", self.folder / "pairs.csv"], ["--prompts-file", self.folder / "prompts.csv"]
        return {
            "detectors": ["detect", *model, "--detectors", "induction,sink", "--set", "induction.n=10", "--set", "sink.tokens=32"],
            "ablation": ["ablate", *model, *prompts],
            "ablation_joint": ["ablate", *model, *prompts, "--complete", "--nodes", "0.2,1.1,m1", "--subsets", 2],
            "masking": ["mask", "--model", self.planted(), "--heads", "0.0,1.1", "--task", "repeated", "--method", "zero", "--count", 2,
                        "--counts", "1,2", "--seeds", 2, *ONE_THREAD],
            "adjustment": ["adjust", *model, "--task", self.folder / "pairs.csv", "--steer", "1.2=first", "--seeds", 1],
            "calibration": ["calibrate", "--model", self.planted(), "--task", "repeated", "--count", 2, *ONE_THREAD],
            "steering": ["steer", *model, *prompts, "--layers", 1, "--vector", self.vector(), "--coefficient", "1,2"],
            "comparison": ["compare", *model, "--text-file", self.corpus(), "--lengths", 24, "--attention", "topk:k=2", "--attention", "window:window=4"],
            "contexts": ["context", *model, "--text-file", self.corpus(), "--length", 32, "--segment", 8, "--manager", "hmt:sensory=2", "--manager",
                         "titans:reads=2"],
            "route": ["route", *model, "--text-file", self.corpus(), "--length", 12, "--candidate", "topk:k=2", "--candidate", "window:window=4"],
            "spread": ["spread", *model, "--text-file", self.corpus(), "--length", 24, "--width", 6],
            "traits": ["traits", *model, "--text-file", self.corpus(), "--length", 24],
            "patching": ["patch", *model, *pairs],
            "attention": ["attention", *model, "--prompt", "abcabc", "--heads", "0.1,1.2"],
            "activations": ["activations", *model, *prompts, "--names", "blocks.0.hook_resid_pre,blocks.1.attn.hook_z"],
            "examples": ["examples", *model, "--corpus", self.corpus(), "--length", 16, "--head", "0.1"],
            "weights": ["weights", *model],
            "logit_lens": ["lens", *model, "--prompt", "abcab", "--all", "--token", "d", "--token", "e", "--mid"],
            "logit_attribution": ["attribute", *model, *prompts],
            "graph": ["circuit", *model, *pairs, "--method", "eap", "--top-n", 12, "--curve"],
            "paths": ["paths", *model, *pairs, "--senders", "input", "--senders", "0.1", "--senders", "m0", "--senders", "1.2"],
            "bench": ["bench", "growth", *model, "--tokens", "4,8"],
        }

    def vector(self):
        path = self.folder / "vector.npy"
        with open(self.model / "config.json", encoding="utf-8") as file:
            width = int(re.search(r'"hidden_size": *(\d+)', file.read()).group(1))
        np.save(path, np.linspace(-1, 1, width).astype(np.float32))
        return path

    def make(self, group):
        out = self.folder / f"{group}.h5"
        self.good(*self.calls()[group], "--out", out)
        return out

    def export(self, out, *more, folder="out"):
        return {pathlib.Path(f).name for f in self.good("export", out, "--out", self.folder / folder, *more)["files"]}

    def rows(self, name, folder="out"):
        with open(self.folder / folder / name, newline="", encoding="utf-8") as file:
            return list(csv.DictReader(file))

    def column(self, name, column):
        return np.array([np.nan if row[column] == "" else float(row[column]) for row in self.rows(name)])

    def said(self, name, folder="out"):
        svg = xml.dom.minidom.parse(str(self.folder / folder / name))
        return [text.firstChild.data for text in svg.getElementsByTagName("text") if text.firstChild]

    def same(self, got, wanted):
        np.testing.assert_allclose(np.asarray(got, float), np.asarray(wanted, float), rtol=1e-6, atol=1e-12)

    def test_every_group_of_the_file_format(self):
        page = (GOLDEN.parent.parent / "docs" / "file-format.md").read_text(encoding="utf-8")
        groups = {name for row in page.splitlines() if row.startswith("| `/")
                  for name in re.findall(r"`/([a-z_]+)", row.split("|")[1])} - NO_RESULTS
        self.assertEqual(groups, set(self.calls()), "a group of docs/file-format.md that this test, and perhaps export, does not know")
        for group in sorted(groups):
            with self.subTest(group):
                out = self.make(group)
                with h5py.File(out) as file:
                    self.assertIn(group, file)
                folder = f"figures-{group}"
                names = self.export(out, "--format", "csv,npy,svg", folder=folder)
                tables = {n for n in names if n.endswith(".csv")}
                self.assertTrue(tables, names)
                for name in tables:
                    rows = self.rows(name, folder)
                    self.assertTrue(rows or name.startswith("evidence-"), name)  # a detector may have found nothing
                    self.assertTrue(all(None not in row and None not in row.values() for row in rows), name)
                for name in names:
                    if name.endswith(".svg"):
                        self.assertTrue(self.said(name, folder), name)
                if group not in ("bench",):  # whose pictures bench growth draws
                    self.assertTrue(any(n.endswith(".svg") for n in names), names)

    def test_attribution(self):
        out = self.make("logit_attribution")
        self.assertEqual(self.export(out, "--what", "attribution", "--format", "csv,npy,svg"),
                         {f"attribution.{end}" for end in ("csv", "npy", "svg")})
        rows = {row["component"]: row for row in self.rows("attribution.csv")}
        with h5py.File(out) as file:
            group = file["logit_attribution"]
            heads, mlps, total = group["heads"][:], group["mlps"][:], group["total"][:]
            prompts = list(group["prompt"].asstr())
        for prompt, name in enumerate(prompts):
            for layer in range(heads.shape[1]):
                for head in range(heads.shape[2]):
                    self.same(float(rows[f"a{layer}.h{head}"][name]), heads[prompt, layer, head])
                self.same(float(rows[f"m{layer}"][name]), mlps[prompt, layer])
            self.same(float(rows["total"][name]), total[prompt])
        self.same(float(rows["a1.h2"]["mean"]), heads[:, 1, 2].astype(float).mean())
        self.assertEqual((rows["a1.h2"]["layer"], rows["a1.h2"]["head"], rows["m0"]["head"]), ("1", "2", ""))
        self.assertTrue(np.array_equal(np.load(self.folder / "out" / "attribution.npy"), heads.astype(np.float32)))
        said = self.said("attribution.svg")
        self.assertIn("Direct logit attribution", said)
        self.assertIn("MLP", said)

    def test_lens(self):
        out = self.make("logit_lens")
        names = self.export(out, "--what", "lens", "--format", "csv,svg")
        self.assertEqual({n for n in names if n.endswith(".csv")},
                         {"lens.csv", "lens-kl_divergence.csv", "lens-entropy.csv", "lens-token-0.csv", "lens-token-1.csv"})
        rows = self.rows("lens.csv")
        with h5py.File(out) as file:
            lens = {name: file[f"logit_lens/{name}"][:] for name in file["logit_lens"] if isinstance(file[f"logit_lens/{name}"], h5py.Dataset)}
            places, texts = list(file["logit_lens/place"].asstr()), dict(zip(file["logit_lens/tokens/id"][:], file["logit_lens/tokens/text"].asstr()))
        self.assertEqual([row["place"] for row in rows], [place for place in places for _ in range(5)])
        self.assertEqual([row["token"] for row in rows[:5]], list("abcab"))
        self.same([float(row["kl_divergence"]) for row in rows], lens["kl_divergence"].ravel())
        self.same([float(row["top_probability"]) for row in rows], lens["top_probabilities"][..., 0].ravel())
        self.assertEqual([int(row["top_id"]) for row in rows], list(lens["top_ids"][..., 0].ravel()))
        self.assertEqual([row["top_token"] for row in rows], [texts[i] for i in lens["top_ids"][..., 0].ravel()])
        self.same([float(row["rank of e"]) for row in rows], lens["token_ranks"][..., 1].ravel())
        self.assertTrue(set(places) <= set(self.said("lens.svg")), self.said("lens.svg"))

    def test_paths(self):
        out = self.make("paths")
        self.assertEqual(self.export(out, "--what", "paths", "--format", "csv,npy,svg"), {f"paths.{end}" for end in ("csv", "npy", "svg")})
        with h5py.File(out) as file:
            effects, senders = file["paths/effects"][:], list(file["paths/sender"].asstr())
        rows = self.rows("paths.csv")
        self.assertEqual([row["sender"] for row in rows], senders)
        self.same(self.column("paths.csv", "mean"), effects.astype(float).mean(1))
        self.same(self.column("paths.csv", "pair_1"), effects[:, 1])
        self.assertTrue(np.array_equal(np.load(self.folder / "out" / "paths.npy"), effects.astype(np.float32)))
        places = {row["sender"]: (row["layer"], row["head"]) for row in rows}
        self.assertEqual((places["input"], places["a1.h2"], places["m0"]), (("", ""), ("1", "2"), ("0", "")))
        self.assertIn("from the input", " ".join(self.said("paths.svg")))

    def test_adjustments(self):
        out = self.make("adjustment")
        self.assertEqual(self.export(out, "--what", "adjustment", "--format", "csv,svg"),
                         {f"adjustment-{what}.{end}" for what in ("logit_diff", "accuracy") for end in ("csv", "svg")})
        with h5py.File(out) as file:
            stored = file["adjustment/logit_diff"][:]
        rows = self.rows("adjustment-logit_diff.csv")
        self.assertEqual([row["variant"] for row in rows], ["none", "adjusted", "random-0"])
        self.assertEqual(rows[1]["adjustments"], "1.2=first")
        self.same(self.column("adjustment-logit_diff.csv", "mean"), stored.astype(float).mean(1))

    def test_weights(self):
        out = self.make("weights")
        self.export(out, "--what", "weights", "--format", "csv,npy")
        with h5py.File(out) as file:
            for name in ("copying", "q_composition"):
                self.assertTrue(np.array_equal(np.load(self.folder / "out" / f"weights-{name}.npy"), file[f"weights/{name}"][:].astype(np.float32),
                                               equal_nan=True))
            heads = file["weights/q_composition"].shape[:2]
        with open(self.folder / "out" / "weights-q_composition.csv", newline="", encoding="utf-8") as file:
            table = list(csv.reader(file))
        self.assertEqual(table[0][1:], [f"{layer}.{head}" for layer in range(heads[0]) for head in range(heads[1])])

    def test_nodes_ablated_together(self):
        out = self.make("ablation_joint")
        names = self.export(out, "--what", "joint", "--format", "csv")
        self.assertEqual(names, {"joint-zero.csv", "joint-zero-complete.csv"})
        with h5py.File(out) as file:
            group = file["ablation_joint/zero"]
            self.same(self.column("joint-zero.csv", "effect"), group["ablated"][:].astype(float) - group["clean"][:])
            self.same(self.column("joint-zero-complete.csv", "circuit_without"), group["completeness/circuit_without"][:])

    def test_steering(self):
        out = self.make("steering")
        self.export(out, "--what", "steering", "--format", "csv,svg")
        with h5py.File(out) as file:
            self.same(self.column("steering.csv", "coefficient"), file["steering/coefficients"][:])
            self.same(self.column("steering.csv", "mean"), file["steering/metric"][:].astype(float).mean(1))
        self.assertIn("not steered", self.said("steering.svg"))

    def test_steps_of_an_experiment(self):
        toml = self.folder / "e.toml"
        toml.write_text(f'name = "e"\n[model]\npath = "{self.model}"\n[[task]]\nname = "pairs"\nfile = "pairs.csv"\n'
                        + "".join(f'[[step]]\nname = "{step}"\nmethod = "{method}"\ntask = "pairs"\n'
                                  for step, method in (("one", "attribute"), ("two", "attribute"), ("ways", "paths"))))
        out = self.folder / "e.h5"
        self.good("run", toml, "--out", out)
        self.assertEqual(self.export(out, "--what", "attribution,paths", "--format", "csv"),
                         {"attribution-one.csv", "attribution-two.csv", "paths-ways.csv"})

    def test_a_group_that_nobody_knows(self):
        out = self.make("attention")
        with h5py.File(out, "a") as file:
            new = file.create_group("mine").create_dataset("numbers", data=np.arange(6, dtype="<f4").reshape(2, 3) - 2)
            for key, value in {"units": "1", "long_name": "what I found"}.items():
                new.attrs[key] = value
        self.assertEqual(self.export(out, "--what", "other", "--format", "svg,npy"), {"mine-numbers.svg", "mine-numbers.npy"})
        self.assertIn("what I found", self.said("mine-numbers.svg"))

    def test_what_has_no_picture(self):
        out = self.make("bench")
        self.bad("unsupported", "export", out, "--out", self.folder / "out", "--format", "png", file=out, field="bench-growth")
        self.assertEqual(self.export(out, "--format", "csv"), {"bench-growth.csv"})
        self.assertEqual([row["tokens"] for row in self.rows("bench-growth.csv")], ["4", "8"])

    def test_help_names_every_part(self):
        said = run("export", "--help").stdout.decode()
        for part in ("scores", "ablation", "joint", "patching", "masking", "attribution", "lens", "paths", "adjustment", "calibration", "steering",
                     "examples", "weights", "circuit", "attention", "activations", "evidence", "other"):
            self.assertIn(part, said)


if __name__ == "__main__":
    unittest.main()
