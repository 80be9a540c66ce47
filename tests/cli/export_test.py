# SPDX-License-Identifier: GPL-3.0-or-later
"""Figures and tables of result files: the files that are named, the numbers in them, where they come from."""
import csv
import json
import re
import struct
import unittest
import xml.dom.minidom

import h5py
import numpy as np

from harness import SMOLLM2, Case, run

PROMPT = "The cat sat, the cat"


class Export(Case):
    def setUp(self):
        super().setUp()
        self.out = self.folder / "r.h5"
        self.figures = self.folder / "figures"

    def attention(self, *more):
        self.good("attention", "--model", self.small_model(), "--prompt", PROMPT, "--heads", "1.2,0.3", "--out", self.out, *more)

    def export(self, *more):
        files = self.good("export", self.out, "--out", self.figures, *more)["files"]
        self.assertEqual(sorted(files), sorted(str(p) for p in self.figures.iterdir() if not p.name.endswith((".csv.json", ".npy.json"))))
        return {file.rsplit("/", 1)[1] for file in files}

    def read_csv(self, name):
        with open(self.figures / name, newline="", encoding="utf-8") as file:
            rows = list(csv.reader(file))
        return rows[0][1:], [row[0] for row in rows[1:]], [row[1:] for row in rows[1:]]

    def said(self, name):
        """The texts of an SVG."""
        svg = xml.dom.minidom.parse(str(self.figures / name))
        return [text.firstChild.data for text in svg.getElementsByTagName("text") if text.firstChild]

    def test_every_format(self):
        self.attention()
        names = self.export("--what", "attention", "--format", "png,svg,pdf,csv,npy")
        self.assertEqual(names, {f"attention-{head}.{end}" for head in ("1.2", "0.3") for end in ("png", "svg", "pdf", "csv", "npy")})
        png = (self.figures / "attention-1.2.png").read_bytes()
        self.assertEqual(png[:8], b"\x89PNG\r\n\x1a\n")
        width, height = struct.unpack(">II", png[16:24])
        self.assertTrue(width > 400 and height > 400)
        self.assertIn(b"model_sha256", png)
        svg = (self.figures / "attention-1.2.svg").read_text()
        xml.dom.minidom.parseString(svg)
        sha = json.loads((self.figures / "attention-1.2.csv.json").read_text())["model_sha256"]
        self.assertEqual(len(sha), 64)
        self.assertIn(sha, svg)
        self.assertEqual((self.figures / "attention-1.2.pdf").read_bytes()[:5], b"%PDF-")

    def test_numbers_are_the_stored_ones(self):
        self.attention()
        self.export("--what", "attention", "--format", "csv,npy")
        with h5py.File(self.out) as f:
            stored = f["attention/prompt-0/pattern"][:].astype(np.float32)
        for index, head in enumerate(("1.2", "0.3")):
            columns, rows, cells = self.read_csv(f"attention-{head}.csv")
            self.assertEqual([c.replace(" ", "") for c in columns], [c.replace(" ", "") for c in PROMPT])
            self.assertEqual(columns, rows)
            for q in range(len(PROMPT)):
                for k in range(len(PROMPT)):
                    if k > q:
                        self.assertEqual(cells[q][k], "")  # not seen by this query
                    else:
                        self.assertEqual(np.float32(cells[q][k]), stored[index][q][k])
            self.assertTrue(np.array_equal(np.load(self.figures / f"attention-{head}.npy"), stored[index]))

    def test_scores_ablation_and_patching(self):
        model = self.small_model()
        self.good("detect", "--model", model, "--detectors", "induction,sink", "--set", "induction.n=10", "--set", "sink.tokens=32", "--out", self.out)
        self.assertEqual(self.export("--what", "scores", "--format", "csv,svg"),
                         {f"scores-{name}.{end}" for name in ("induction", "sink") for end in ("csv", "svg")})
        with h5py.File(self.out) as f:
            cells = np.array(self.read_csv("scores-induction.csv")[2], dtype=np.float32)
            self.assertTrue(np.array_equal(cells, f["detectors/induction/scores"][:]))
        svg = (self.figures / "scores-induction.svg").read_text()
        self.assertIn("Induction heads", svg)
        self.out = self.folder / "a.h5"
        self.good("ablate", "--model", model, "--prompt", "abc", "--answer", "d", "--wrong", "e", "--out", self.out)
        self.figures = self.folder / "ablation"
        self.assertEqual(self.export("--format", "csv"), {"ablation-zero.csv"})
        with h5py.File(self.out) as f:
            self.assertTrue(np.array_equal(np.array(self.read_csv("ablation-zero.csv")[2], dtype=np.float32), f["ablation/zero/mean"][:]))
        self.out = self.folder / "p.h5"
        self.good("patch", "--model", model, "--clean", "a c", "--corrupt", "aXc", "--answer", "d", "--wrong", "e", "--out", self.out)
        self.figures = self.folder / "patching"
        self.assertEqual(self.export("--what", "patching", "--format", "csv,png"), {"patching-resid_pre.csv", "patching-resid_pre.png"})
        columns, _, cells = self.read_csv("patching-resid_pre.csv")
        self.assertEqual(columns, list("a c"))
        with h5py.File(self.out) as f:
            self.assertTrue(np.array_equal(np.array(cells, dtype=np.float32), f["patching/resid_pre/restored"][:]))

    def test_a_score_map_says_what_it_frames(self):
        for threshold, said in (("0.0", "framed: 8 heads at or above 0"), ("2", "")):  # in [0, 1]: all, none
            self.out, self.figures = self.folder / f"{threshold}.h5", self.folder / threshold
            self.good("detect", "--model", self.small_model(), "--detectors", "induction", "--set", "induction.n=10", "--set",
                      f"induction.threshold={threshold}", "--out", self.out)
            self.export("--format", "svg")
            text = " ".join(self.said("scores-induction.svg"))
            self.assertIn(said or "llama", text)
            self.assertEqual("framed" in text, bool(said))

    def test_an_interrupted_ablation_says_how_much_there_is(self):
        prompts = self.folder / "prompts.csv"
        prompts.write_text("prompt,answer,wrong\n" + "".join(f"abc{c},d,e\n" for c in "fghi"))
        self.good("ablate", "--model", self.small_model(), "--prompts-file", prompts, "--out", self.out)
        self.export("--format", "svg")
        self.assertIn("mean over 4 prompts", " ".join(self.said("ablation-zero.svg")))
        with h5py.File(self.out, "a") as f:  # as Ctrl-C leaves it
            f.attrs["complete"] = np.bool_(False)
            f["ablation/zero/count"][0] = 3
            f["ablation/zero/count"][1] = [2, 2, 2, 0]
        self.export("--format", "svg", "--force")
        self.assertIn("mean over 2 to 3 of 4 prompts, interrupted", " ".join(self.said("ablation-zero.svg")))

    def test_heads_at_positions(self):
        self.good("patch", "--model", self.small_model(), "--clean", "abc", "--corrupt", "aXc", "--answer", "d", "--wrong", "e", "--site", "z",
                  "--axes", "layer_position_head", "--out", self.out)
        self.assertEqual(self.export("--format", "csv,npy,svg"), {f"patching-z.{end}" for end in ("csv", "npy", "svg")})
        with h5py.File(self.out) as f:
            stored = f["patching/z/restored"][:]
        self.assertEqual(stored.shape, (2, 3, 4))
        self.assertTrue(np.array_equal(np.load(self.figures / "patching-z.npy"), stored))
        with open(self.figures / "patching-z.csv", newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        self.assertEqual(len(rows), stored.size)
        for row in rows:
            self.assertEqual(row["token"], "abc"[int(row["position"])])
            self.assertEqual(np.float32(row["restored"]), stored[int(row["layer"]), int(row["position"]), int(row["head"])])
        for panel in ("0 a", "1 b", "2 c"):
            self.assertIn(panel, self.said("patching-z.svg"))

    def test_pairs_of_different_lengths(self):
        pairs = self.folder / "pairs.csv"
        pairs.write_text("clean,corrupted,answer,wrong\nabc,aXc,d,e\nabcde,aXcde,f,g\n")
        for site, axes in (("resid_pre", "layer_position"), ("z", "layer_position_head")):
            self.out, self.figures = self.folder / f"{site}.h5", self.folder / site
            self.good("patch", "--model", self.small_model(), "--prompts-file", pairs, "--site", site, "--axes", axes, "--out", self.out)
            self.export("--format", "csv,npy,svg")
            self.assertEqual(np.load(self.figures / f"patching-{site}.npy").shape[:2], (2, 5))

    def test_heads_at_many_positions(self):
        self.good("patch", "--model", self.small_model(), "--clean", "abc" * 13, "--corrupt", "aXc" * 13, "--answer", "d", "--wrong", "e", "--site",
                  "z", "--axes", "layer_position_head", "--estimate", "--check", 0, "--out", self.out)
        self.export("--format", "svg")
        self.assertIn("of each head patched at the position where it does most", " ".join(self.said("patching-z.svg")))

    def circuit(self, top=12):
        self.good("circuit", "--model", self.small_model(), "--clean", "abca", "--corrupt", "dbee", "--answer", "b", "--wrong", "f", "--method", "eap",
                  "--top-n", top, "--out", self.out)
        with h5py.File(self.out) as f:
            graph = f["graph/circuit"]
            nodes = [n for n, member in zip(graph["nodes/name"].asstr()[:], graph["nodes/in_circuit"][:]) if member]
            return nodes, graph["edges/score"][:][graph["edges/in_circuit"][:].astype(bool)]

    def test_circuits(self):
        nodes, scores = self.circuit()
        names = self.export("--what", "circuit", "--format", "png,svg,pdf,csv,npy")
        self.assertEqual(names, {f"circuit.{end}" for end in ("png", "svg", "pdf", "csv", "npy")})
        self.assertEqual((self.figures / "circuit.pdf").read_bytes()[:5], b"%PDF-")
        png = (self.figures / "circuit.png").read_bytes()
        self.assertEqual(png[:8], b"\x89PNG\r\n\x1a\n")
        self.assertIn(b"model_sha256", png)
        said = " ".join(self.said("circuit.svg"))
        for node in nodes:
            self.assertIn(node, said.split())
        self.assertIn(f"{len(scores)} of 82 edges", said)
        _, rows, cells = self.read_csv("circuit.csv")
        self.assertEqual(len(rows), len(scores))
        np.testing.assert_allclose(sorted(float(c[-1]) for c in cells), sorted(scores), rtol=1e-6)

    def test_pictures_by_circuit_export(self):
        self.circuit()
        files = self.good("circuit", "export", self.out, "--format", "dot,svg,png,pdf", "--out", self.figures)["files"]
        self.assertEqual(files, [str(self.figures / f"circuit.{end}") for end in ("dot", "svg", "png", "pdf")])
        self.good("export", self.out, "--what", "circuit", "--format", "svg", "--out", self.folder / "same")
        self.assertEqual((self.figures / "circuit.svg").read_bytes(), (self.folder / "same" / "circuit.svg").read_bytes())
        (self.figures / "circuit.png").write_bytes(b"precious")
        self.bad("already_exists", "circuit", "export", self.out, "--format", "png", "--out", self.figures, file="circuit.png")
        self.assertEqual((self.figures / "circuit.png").read_bytes(), b"precious")
        self.bad("invalid_argument", "circuit", "export", self.out, "--format", "gif", "--out", self.figures, field="--format")

    def test_an_empty_circuit_has_no_picture(self):
        self.circuit(top=0)
        self.bad("unsupported", "circuit", "export", self.out, "--format", "svg", "--out", self.figures, field="circuit")
        self.bad("unsupported", "export", self.out, "--out", self.figures, field="circuit")  # nothing else is in the file

    def test_a_character_that_no_font_has(self):
        self.attention()
        with h5py.File(self.out, "a") as f:
            f["prompts/prompt-0/token_texts"][:2] = ["\U00013080", "\u0d15"]  # an Egyptian hieroglyph, a Malayalam letter
        self.export("--heads", "0.3", "--format", "svg")
        self.assertLessEqual({"U+13080", "U+0D15"}, set(self.said("attention-0.3.svg")))

    def test_bytes_of_a_character_can_be_told_apart(self):
        self.good("attention", "--model", SMOLLM2, "--prompt", "a \U00013080", "--heads", "0.0", "--out", self.out)
        self.export("--format", "csv")
        columns, _, _ = self.read_csv("attention-0.0.csv")
        self.assertNotIn("\ufffd", "".join(columns))
        self.assertEqual("".join(columns).replace(" ", ""), "a" + "".join(f"\\x{b:02X}" for b in "\U00013080".encode()))

    def test_some_heads_a_name_and_a_size(self):
        self.attention()
        self.assertEqual(self.export("--heads", "0.3", "--name", "cat-", "--scale", "1", "--dark"), {"cat-attention-0.3.png"})
        small = struct.unpack(">II", (self.figures / "cat-attention-0.3.png").read_bytes()[16:24])
        self.good("export", self.out, "--out", self.folder / "large", "--heads", "0.3", "--scale", "2")
        large = struct.unpack(">II", (self.folder / "large" / "attention-0.3.png").read_bytes()[16:24])
        self.assertEqual(large, (2 * small[0], 2 * small[1]))

    def numbers_said(self, name):
        """The numbers among the texts of an SVG."""
        return [float(text.replace("\u2212", "-")) for text in self.said(name) if re.fullmatch(r"[-\u2212]?[0-9.]+", text)]

    def records(self, name):
        with open(self.figures / name, newline="", encoding="utf-8") as file:
            return list(csv.DictReader(file))

    def test_a_range_of_colours(self):
        self.attention()
        self.export("--heads", "0.3", "--format", "svg", "--range", "2,7")
        numbers = self.numbers_said("attention-0.3.svg")
        self.assertTrue(numbers and min(numbers) >= 2 and 5 < max(numbers) <= 7, numbers)
        for wrong in ("1", "2,1", "1,1", "a,b", "nan,1", "0,inf", "1,2,3", ","):
            self.bad("invalid_argument", "export", self.out, "--out", self.folder / "none", f"--range={wrong}", field="--range")
        self.assertFalse((self.folder / "none").exists())
        self.export("--heads", "0.3", "--format", "svg", "--range=-1,0.5", "--color-map", "vik", "--force")
        numbers = self.numbers_said("attention-0.3.svg")
        self.assertTrue(min(numbers) < 0 and max(numbers) <= 0.5, numbers)

    def test_width_font_and_title(self):
        self.attention()
        common = ("--heads", "0.3", "--format", "png,svg", "--scale", "1", "--force")
        size = lambda: struct.unpack(">II", (self.figures / "attention-0.3.png").read_bytes()[16:24])
        family = lambda: set(re.findall(r'font-family="([^"]*)"', (self.figures / "attention-0.3.svg").read_text()))
        self.export(*common)
        plain, usual = size(), family()
        self.export(*common, "--width", "500")
        self.assertEqual(size()[0], 500)
        self.export(*common, "--font-size", "18")
        self.assertGreater(size()[1], plain[1])
        self.export(*common, "--title", "Heads & tails")
        self.assertIn("Heads & tails", self.said("attention-0.3.svg"))
        self.assertNotIn("Attention of head 0.3", self.said("attention-0.3.svg"))
        self.export(*common, "--font", "DejaVu Sans Mono")
        self.assertNotEqual(family(), usual)
        self.assertIn("DejaVu Sans Mono", " ".join(family()))
        self.export(*common)
        self.assertEqual((size(), family()), (plain, usual))
        wrong = ["export", self.out, "--out", self.folder / "none"]
        self.bad("not_found", *wrong, "--font", "No Such Family", field="--font")
        for option, value in (("--width", "50"), ("--width", "1e9"), ("--font-size", "1"), ("--font-size", "500"), ("--scale", "99")):
            self.bad("invalid_argument", *wrong, option, value, field=option)
        self.assertFalse((self.folder / "none").exists())

    def test_color_maps(self):
        self.attention()
        fills = {}
        for name in ("viridis", "vik", "gray"):
            self.export("--heads", "0.3", "--format", "svg", "--color-map", name, "--force")
            fills[name] = set(re.findall(r'fill="#([0-9a-f]{6})"', (self.figures / "attention-0.3.svg").read_text()))
        self.assertIn("fde725", fills["viridis"])  # the first token sees itself with weight 1
        self.assertIn("080808", fills["gray"])
        self.assertFalse({"fde725"} & (fills["gray"] | fills["vik"]))
        self.export("--heads", "0.3", "--format", "svg", "--force")
        self.assertEqual(set(re.findall(r'fill="#([0-9a-f]{6})"', (self.figures / "attention-0.3.svg").read_text())), fills["viridis"])
        self.bad("invalid_argument", "export", self.out, "--out", self.folder / "none", "--color-map", "rainbow", field="--color-map")

    def test_signed_scores_are_told_from_zero(self):
        self.good("detect", "--model", self.small_model(), "--detectors", "induction", "--set", "induction.n=10", "--out", self.out)
        self.export("--what", "scores", "--format", "svg")
        self.assertGreaterEqual(min(self.numbers_said("scores-induction.svg")), 0)
        with h5py.File(self.out, "a") as f:
            f["detectors/induction/scores"][0] = [-0.36, 0.9, 0, 0]
        self.export("--what", "scores", "--format", "svg,csv", "--force")
        self.assertLessEqual(min(self.numbers_said("scores-induction.svg")), -0.5)  # the scale goes as far below 0 as above, no value does
        self.assertEqual(float(self.read_csv("scores-induction.csv")[2][0][0]), np.float32(-0.36))

    def test_long_tables(self):
        self.attention()
        self.export("--format", "csv", "--long")
        with h5py.File(self.out) as f:
            stored = f["attention/prompt-0/pattern"][:].astype(np.float32)
        n = len(PROMPT)
        for index, head in enumerate(("1.2", "0.3")):
            rows = self.records(f"attention-{head}.csv")
            self.assertEqual(list(rows[0]), ["prompt", "head", "query", "query_token", "key", "key_token", "weight"])
            self.assertEqual([(int(r["query"]), int(r["key"])) for r in rows], [(q, k) for q in range(n) for k in range(q + 1)])
            for row in rows:
                self.assertEqual((row["prompt"], row["head"]), ("prompt-0", head))
                self.assertEqual((row["query_token"], row["key_token"]), (PROMPT[int(row["query"])], PROMPT[int(row["key"])]))
                self.assertEqual(np.float32(row["weight"]), stored[index][int(row["query"])][int(row["key"])])
        self.out, self.figures = self.folder / "a.h5", self.folder / "ablation"
        self.good("ablate", "--model", self.small_model(), "--prompt", "abc", "--answer", "d", "--wrong", "e", "--out", self.out)
        self.export("--format", "csv", "--long")
        rows = self.records("ablation-zero.csv")
        self.assertEqual(list(rows[0]), ["layer", "head", "value"])
        with h5py.File(self.out) as f:
            self.assertTrue(np.array_equal([np.float32(r["value"]) for r in rows], f["ablation/zero/mean"][:].ravel()))

    def test_a_sheet_of_heads(self):
        self.attention()
        self.assertEqual(self.export("--sheet", "--format", "svg,png,csv,npy"), {f"attention-sheet.{end}" for end in ("svg", "png", "csv", "npy")})
        said = self.said("attention-sheet.svg")
        for text in ("1.2", "0.3", "Attention of 2 heads"):
            self.assertIn(text, said)
        self.assertEqual(said.count("attention weight"), 1)  # one scale for all
        with h5py.File(self.out) as f:
            stored = f["attention/prompt-0/pattern"][:].astype(np.float32)
        self.assertTrue(np.array_equal(np.load(self.figures / "attention-sheet.npy"), stored))
        rows = self.records("attention-sheet.csv")
        self.assertEqual([r["head"] for r in rows], ["1.2"] * (len(rows) // 2) + ["0.3"] * (len(rows) // 2))
        self.figures = self.folder / "one"
        self.export("--sheet", "--heads", "0.3", "--format", "npy")
        self.assertTrue(np.array_equal(np.load(self.figures / "attention-sheet.npy"), stored[1:]))
        self.good("ablate", "--model", self.small_model(), "--prompt", "abc", "--answer", "d", "--wrong", "e", "--out", self.folder / "a.h5")
        self.bad("not_found", "export", self.folder / "a.h5", "--out", self.folder / "none", "--sheet", field="--sheet")

    def test_names_that_latex_takes(self):
        self.attention()
        self.assertEqual(self.export("--plain-names", "--name", "my_run.", "--format", "svg,csv"),
                         {f"my-run-attention-{head}.{end}" for head in ("1-2", "0-3") for end in ("svg", "csv")})

    def test_several_parts(self):
        self.attention()
        self.assertEqual(self.export("--what", "scores,attention", "--heads", "0.3", "--format", "npy"), {"attention-0.3.npy"})
        self.bad("invalid_argument", "export", self.out, "--what", "attention,dreams", "--out", self.figures, field="--what")

    def test_positions_of_several_pairs(self):
        pairs = self.folder / "pairs.csv"
        pairs.write_text("clean,corrupted,answer,wrong\nabxey,aXxey,b,f\nacxgy,aXxgy,c,f\n")
        for site, axes in (("resid_pre", "layer_position"), ("z", "layer_position_head")):
            self.out, self.figures = self.folder / f"{site}.h5", self.folder / site
            self.good("patch", "--model", self.small_model(), "--prompts-file", pairs, "--site", site, "--axes", axes, "--out", self.out)
            with h5py.File(self.out) as f:
                self.assertEqual(list(f[f"patching/{site}/clean_tokens"].asstr()), ["a", "(answer)", "x", "position 3", "y"])
                self.assertEqual(list(f[f"patching/{site}/corrupt_tokens"].asstr()), ["a", "X", "x", "position 3", "y"])
            self.export("--format", "csv,svg")
            self.assertIn("mean over 2 pairs", " ".join(self.said(f"patching-{site}.svg")))
        self.assertLessEqual({"0 a", "1 (answer)", "2 x", "3", "4 y"}, set(self.said("patching-z.svg")))
        self.assertEqual([row["token"] for row in self.records("patching-z.csv")][:8], ["a"] * 4 + ["(answer)"] * 4)
        self.figures = self.folder / "resid_pre"
        self.assertEqual(self.read_csv("patching-resid_pre.csv")[0], ["a", "(answer)", "x", "position 3", "y"])

    def test_inputs_of_heads_in_a_circuit(self):
        nodes, _ = self.circuit(top=40)
        self.export("--what", "circuit", "--format", "csv,svg")
        rows = self.records("circuit.csv")
        with h5py.File(self.out) as f:
            edges = f["graph/circuit/edges"]
            names = f["graph/circuit/nodes/name"].asstr()[:]
            stored = {(names[s], names[d], k): v for s, d, k, v, m in zip(edges["src"][:], edges["dst"][:], edges["kind"].asstr()[:],
                                                                         edges["score"][:], edges["in_circuit"][:]) if m}
        self.assertEqual({(r["src"], r["dst"], r["kind"]) for r in rows}, set(stored))
        for row in rows:
            self.assertAlmostEqual(float(row["score"]), stored[row["src"], row["dst"], row["kind"]], places=6)
        said = self.said("circuit.svg")
        kinds = {kind for _, _, kind in stored}
        self.assertLessEqual({"q", "k", "v"}, kinds)
        for kind in ("q", "k", "v"):
            self.assertIn(f"into {kind}", said)
        self.assertTrue(any(".kv" in node for node in nodes), nodes)
        self.assertIn("K/V head and the heads that read it", said)
        self.assertIn("stroke-dasharray", (self.figures / "circuit.svg").read_text())

    def test_what_circuits_share(self):
        files = []
        for top in (20, 60):
            self.out = self.folder / f"{top}.h5"
            self.circuit(top)
            files.append(self.out)
        (small, large), folder = files, self.folder / "compared"
        plain = self.good("circuit", "compare", small, large)
        got = self.good("circuit", "compare", small, large, "--out", folder, "--format", "svg,csv,npy")
        self.assertEqual(got.pop("files"), [str(folder / f"circuit-compare.{end}") for end in ("svg", "csv", "npy")])
        self.assertEqual(got, plain)
        self.figures = folder
        rows = {row["what"]: row for row in self.records("circuit-compare.csv")}
        for what in ("edges", "nodes", "heads", "mlps"):
            for column, key in (("in_first", "first"), ("in_second", "second"), ("both", "both"), ("jaccard", "jaccard"), ("of_first", "of_first")):
                self.assertAlmostEqual(float(rows[what][column]), plain[what][key])
        shares = np.load(folder / "circuit-compare.npy")
        self.assertEqual(shares.shape, (4, 2, 2))
        self.assertClose(shares[0, 0, 1], plain["edges"]["of_first"], 1e-6)
        self.assertIn("What 2 circuits share", (folder / "circuit-compare.svg").read_text())
        self.bad("already_exists", "circuit", "compare", small, large, "--out", folder, "--format", "csv", file=folder / "circuit-compare.csv")
        self.bad("invalid_argument", "circuit", "compare", small, large, "--out", folder, "--format", "gif", field="--format")

    def test_a_curve_of_faithfulness(self):
        self.good("circuit", "--model", self.small_model(), "--clean", "abca", "--corrupt", "dbee", "--answer", "b", "--wrong", "f", "--method",
                  "eap", "--top-n", 12, "--curve", "--out", self.out)
        self.assertEqual(self.export("--what", "circuit", "--format", "csv"), {"circuit.csv", "circuit-curve.csv"})
        rows = [row for row in self.records("circuit-curve.csv") if row["ranking"] == "curve_signed"]
        with h5py.File(self.out) as f:
            self.assertTrue(np.allclose([float(row["faithfulness"]) for row in rows], f["graph/circuit/curve_signed/faithfulness"][:]))

    def test_existing_files_are_kept(self):
        self.attention()
        self.export("--heads", "0.3")
        path = self.figures / "attention-0.3.png"
        path.write_bytes(b"precious")
        self.bad("already_exists", "export", self.out, "--out", self.figures, "--heads", "0.3", file=path)
        self.assertEqual(path.read_bytes(), b"precious")
        self.good("export", self.out, "--out", self.figures, "--heads", "0.3", "--force")
        self.assertEqual(path.read_bytes()[1:4], b"PNG")

    def test_nothing_is_written_where_one_file_exists(self):
        self.attention()
        self.figures.mkdir()
        for name in ("attention-0.3.csv", "attention-0.3.csv.json"):  # the last that would be written
            path = self.figures / name
            path.write_bytes(b"precious")
            self.bad("already_exists", "export", self.out, "--out", self.figures, "--format", "png,csv", file=path)
            self.assertEqual([p.name for p in self.figures.iterdir()], [name])
            path.unlink()

    def test_what_is_not_there(self):
        self.attention()
        self.bad("not_found", "export", self.out, "--what", "scores", "--out", self.figures, file=self.out)
        self.bad("not_found", "export", self.out, "--heads", "1.1", "--out", self.figures, file=self.out, field="no map of head 1.1")
        self.bad("not_found", "export", self.out, "--heads", "0.3,1.1", "--out", self.figures, file=self.out, field="no map of head 1.1")
        self.bad("invalid_argument", "export", self.out, "--what", "dreams", "--out", self.figures, field="--what")
        self.bad("invalid_argument", "export", self.out, "--format", "gif", "--out", self.figures, field="--format")
        self.bad("invalid_argument", "export", self.out, "--name", "../x", "--out", self.figures, field="--name")
        self.assertFalse(self.figures.exists())

    def test_an_unusable_folder(self):
        self.attention()
        (self.folder / "file").write_text("")
        self.bad("io", "export", self.out, "--out", self.folder / "file" / "figures", file="figures")

    def test_interrupted_results_can_be_drawn(self):
        self.attention()
        with h5py.File(self.out, "r+") as f:  # as an interruption leaves it
            f.attrs["complete"] = np.array(0, dtype=f.attrs.get_id("complete").dtype)
            f["attention/prompt-0/pattern"][1] = np.nan
        self.assertEqual(self.export("--format", "svg,csv"), {f"attention-{h}.{e}" for h in ("1.2", "0.3") for e in ("svg", "csv")})


if __name__ == "__main__":
    unittest.main()
