# SPDX-License-Identifier: GPL-3.0-or-later
"""Circuits, path patching, the logit lens and direct logit attribution on small models, against tests/golden/generate_circuits.py."""
import csv
import json
import re
import unittest
from xml.etree import ElementTree

import h5py
import numpy as np

from harness import ALPHABET, GOLDEN, Case, run, text_of

TOLERANCE = 2e-4  # of float32, as the project promises


def golden(name):
    return json.loads((GOLDEN / "circuits" / f"{name}.json").read_text())


class Circuits(Case):
    def pairs(self, reference):
        path = self.folder / "pairs.jsonl"
        path.write_text("".join(json.dumps({"clean": text_of(p["clean"]), "corrupted": text_of(p["corrupt"]), "answer": ALPHABET[p["answer"]],
                                            "wrong": ALPHABET[p["wrong"]]}) + "\n" for p in reference["pairs"]))
        return path

    def one(self, reference):
        pair = reference["pairs"][0]
        return ["--clean", text_of(pair["clean"]), "--corrupt", text_of(pair["corrupt"]), "--answer", ALPHABET[pair["answer"]], "--wrong",
                ALPHABET[pair["wrong"]]]

    def circuit(self, name="llama", *more):
        return ("circuit", "--model", self.small_model(name), "--prompts-file", self.pairs(golden(name)), *more)

    @staticmethod
    def edges(group):
        """{edge: (score, member)} of a graph in a result file."""
        nodes = group["nodes/name"].asstr()[:]
        found = {}
        for src, dst, kind, score, member in zip(*(group["edges/" + c][:] for c in ("src", "dst", "kind", "score", "in_circuit"))):
            kind = kind.decode()
            found[f"{nodes[src]}->{nodes[dst]}" + (f"<{kind}>" if kind in "qkv" else "")] = (score, bool(member))
        return found


class Discovery(Circuits):
    def test_scores_in_the_file(self):
        for name, methods in (("gpt2", ("eap",)), ("llama", ("eap-ig-inputs", "exact")), ("gpt_neox", ("exact",))):
            reference = golden(name)
            for method in methods:
                with self.subTest(f"{name} {method}"):
                    out = self.folder / f"{name}-{method}.h5"
                    got = self.good(*self.circuit(name, "--method", method, "--top-n", 30, "--out", out))
                    wanted = reference["scores"][f"logit_diff {method.replace('-', '_')} patch"]
                    with h5py.File(out) as file:
                        stored = self.edges(file["graph/circuit"])
                        attributes = dict(file["graph/circuit"].attrs)
                        self.assertEqual(attributes["model_sha256"], file["model"].attrs["sha256"])
                        self.assertIn("pair-2-corrupt", file["prompts"])
                    self.assertEqual(set(stored), set(wanted))
                    self.assertClose([stored[e][0] for e in wanted], list(wanted.values()), TOLERANCE)
                    members = {e for e, (_, member) in stored.items() if member}
                    self.assertEqual(members, {e["edge"] for e in got["edges"]})
                    self.assertLessEqual(len(members), 30)
                    self.assertClose([got["clean"], got["empty"]], [reference["clean"], reference["corrupt"]], TOLERANCE)
                    self.assertClose(attributes["faithfulness"], got["faithfulness"], 1e-12)
                    self.assertEqual(got["graph_edges"], len(wanted))

    def test_the_whole_graph_is_the_model(self):
        got = self.good(*self.circuit("llama", "--method", "eap", "--top-n", 10000))
        self.assertEqual(len(got["edges"]), got["graph_edges"])
        self.assertClose(got["faithfulness"], 1.0, 1e-5)
        scores = [abs(e["score"]) for e in got["edges"]]
        self.assertEqual(scores, sorted(scores, reverse=True))

    def test_cpr_and_cmd(self):
        for name in ("llama",):
            reference = golden(name)
            got = self.good(*self.circuit(name, "--method", "eap", "--curve", "--out", self.folder / f"{name}.h5"))
            self.assertClose([got["cpr"], got["cmd"]], [reference["signed"]["cpr"], reference["absolute"]["cmd"]], TOLERANCE)
            for order in ("signed", "absolute"):
                self.assertClose([p["faithfulness"] for p in got["curve"][order]], reference[order]["curve"], TOLERANCE)
                self.assertEqual([p["edges"] for p in got["curve"][order]], reference[order]["edges"])
            with h5py.File(self.folder / f"{name}.h5") as file:
                self.assertClose(file["graph/circuit/curve_signed/faithfulness"][:], reference["signed"]["curve"], TOLERANCE)
                self.assertClose(file["graph/circuit"].attrs["cmd"], reference["absolute"]["cmd"], TOLERANCE)

    def test_acdc(self):
        reference = golden("llama")["acdc"][0]
        got = self.good(*self.circuit("llama", "--method", "acdc", "--threshold", f"1e-9,{reference['threshold']}"))
        self.assertEqual({e["edge"] for e in got["edges"]}, set(reference["edges"]))
        self.assertClose(got["circuit"], reference["value"], TOLERANCE)
        self.assertEqual([r["runs"] for r in got["acdc"]][1], reference["runs"])

    def test_other_ways_to_build(self):
        by_threshold = self.good(*self.circuit("gpt2", "--method", "eap", "--build", "threshold", "--threshold", 0.01))
        self.assertTrue(all(abs(e["score"]) >= 0.01 for e in by_threshold["edges"]))
        greedy = self.good(*self.circuit("gpt2", "--method", "eap", "--build", "greedy", "--top-n", 60))
        self.assertLessEqual(len(greedy["edges"]), 60)
        self.assertIn("input", greedy["nodes"])

    def test_scores_from_a_file(self):
        first, second = self.folder / "first.h5", self.folder / "second.h5"
        self.good(*self.circuit("llama", "--method", "exact", "--top-n", 20, "--out", first))
        got = self.good(*self.circuit("llama", "--scores", first, "--top-n", 40, "--signed", "--out", second))
        self.assertEqual(got["method"], "exact")
        with h5py.File(first) as a, h5py.File(second) as b:
            np.testing.assert_array_equal(a["graph/circuit/edges/score"][:], b["graph/circuit/edges/score"][:])
            self.assertGreater(b["graph/circuit/edges/in_circuit"][:].sum(), a["graph/circuit/edges/in_circuit"][:].sum())
        self.bad("mismatch", *self.circuit("gpt2", "--scores", first), file=first, field="model_sha256")

    def test_one_pair_and_other_ablations(self):
        reference = golden("gpt2")
        model = self.small_model("gpt2")
        got = self.good("circuit", "--model", model, *self.one(reference), "--method", "eap", "--ablation", "zero")
        self.assertEqual(got["ablation"], "zero")
        clean_only = [*self.one(reference)[:2], *self.one(reference)[4:]]
        self.good("circuit", "--model", model, *clean_only, "--method", "eap", "--ablation", "mean")

    def test_what_people_read(self):
        said = run(*self.circuit("llama", "--method", "eap", "--curve")).stdout.decode()
        self.assertRegex(said, r"(?m)^200? of|^\d+ of 82 edges")
        self.assertIn("CPR", said)
        self.assertRegex(said, r"a1\.kv\d<[kv]>|->m1|->logits")


class Benchmark(Circuits):
    def benchmark(self, *more, methods="eap,eap:zero,clean-corrupted", random=3):
        return ("circuit", "benchmark", *self.circuit("llama", "--methods", methods, "--random", random, *more)[1:])

    def test_all_methods_beside_random_circuits(self):
        reference, out = golden("llama"), self.folder / "b.h5"
        got = self.good(*self.benchmark("--out", out))
        self.assertEqual([(m["method"], m["ablation"]) for m in got["methods"]], [("eap", "patch"), ("eap", "zero"), ("clean_corrupted", "patch")])
        eap = got["methods"][0]
        self.assertClose([eap["cpr"], eap["cmd"]], [reference["signed"]["cpr"], reference["absolute"]["cmd"]], TOLERANCE)
        self.assertClose(eap["signed"], reference["signed"]["curve"], TOLERANCE)
        self.assertClose(eap["absolute"], reference["absolute"]["curve"], TOLERANCE)
        # The other ablation counts for the scores only: all edges are still the model, and none the corrupt prompt.
        zero = self.folder / "zero.h5"
        self.good(*self.circuit("llama", "--method", "eap", "--ablation", "zero", "--out", zero))
        with h5py.File(out) as b, h5py.File(zero) as z:
            np.testing.assert_allclose(b["graph/eap-zero/edges/score"][:], z["graph/circuit/edges/score"][:], atol=1e-6)
            self.assertEqual(set(b["graph"]), {"eap", "eap-zero", "clean_corrupted"})
            self.assertClose(b["graph/eap"].attrs["cmd"], eap["cmd"], 1e-12)
        patched = self.good(*self.circuit("llama", "--scores", zero, "--curve"))
        self.assertClose([got["methods"][1]["cpr"], got["methods"][1]["cmd"]], [patched["cpr"], patched["cmd"]], TOLERANCE)

    def test_random_circuits(self):
        got = self.good(*self.benchmark())["random"]
        self.assertEqual(len(got["circuits"]), 3)
        self.assertEqual(len({c["cmd"] for c in got["circuits"]}), 3)
        for area in ("cpr", "cmd"):
            values = [c[area] for c in got["circuits"]]
            self.assertClose([got[area][k] for k in ("low", "mean", "high")], [min(values), np.mean(values), max(values)], 1e-12)
        for circuit in got["circuits"]:
            self.assertClose(circuit["faithfulness"][-1], 1.0, 1e-5)
            shares = np.array([.001, .002, .005, .01, .02, .05, .1, .2, .5, 1])
            self.assertAlmostEqual(circuit["cpr"], np.trapezoid(circuit["faithfulness"], shares))
            self.assertAlmostEqual(circuit["cmd"], np.trapezoid(np.abs(1 - np.array(circuit["faithfulness"])), shares))
        self.assertIsNone(self.good(*self.benchmark(random=0))["random"]["cmd"]["mean"])

    def test_tables(self):
        wanted = self.good(*self.benchmark())
        lines = run(*self.benchmark("--table", "markdown")).stdout.decode().splitlines()
        self.assertEqual([len(re.findall(r"\|", line)) for line in lines], [6] * 6)
        self.assertIn(f"{wanted['random']['cmd']['mean']:.3f}", lines[2])
        self.assertIn(f"| eap | patch | {wanted['methods'][0]['cpr']:.3f} | {wanted['methods'][0]['cmd']:.3f} |", lines[3])
        rows = list(csv.DictReader(run(*self.benchmark("--table", "csv")).stdout.decode().splitlines()))
        self.assertEqual([r["method"] for r in rows], ["random", "eap", "eap", "clean_corrupted"])
        self.assertClose([float(r["cmd"]) for r in rows], [wanted["random"]["cmd"]["mean"], *(m["cmd"] for m in wanted["methods"])], 2e-6)

    def test_bad_input(self):
        self.bad("invalid_argument", *self.benchmark(methods="acdc"), field="--methods")
        self.bad("invalid_argument", *self.benchmark(methods="eap:magic"), field="eap:magic")
        self.bad("invalid_argument", *self.benchmark("--build", "threshold"), field="--build")
        self.bad("invalid_argument", *self.benchmark("--table", "html"), field="--table")


class Files(Circuits):
    def made(self, name="llama", top=20):
        out = self.folder / f"{name}-{top}.h5"
        self.good(*self.circuit(name, "--method", "eap", "--top-n", top, "--out", out))
        return out

    def test_export(self):
        file, folder = self.made(), self.folder / "figures"
        got = self.good("circuit", "export", file, "--format", "json,dot,graphml", "--out", folder)
        self.assertEqual(got["files"], [str(folder / f"circuit.{e}") for e in ("json", "dot", "graphml")])
        with h5py.File(file) as f:
            stored = self.edges(f["graph/circuit"])
            nodes = [n for n, m in zip(f["graph/circuit/nodes/name"].asstr()[:], f["graph/circuit/nodes/in_circuit"][:]) if m]
        members = [e for e, (_, member) in stored.items() if member]
        exported = json.loads((folder / "circuit.json").read_text())
        self.assertEqual(exported["cfg"], {"n_layers": 2, "n_heads": 4, "parallel_attn_mlp": False, "d_model": 32})
        self.assertEqual(len(exported["edges"]), 12 * 1 + 5 + 12 * 6 + 10 + 11)  # as EAP-IG: a k and a v for each head
        for edge, (score, member) in stored.items():
            kv = re.fullmatch(r"(.*->a\d)\.kv(\d)(<[kv]>)", edge)
            heads = [f"{kv[1]}.h{2 * int(kv[2]) + i}{kv[3]}" for i in range(2)] if kv else [edge]
            for each in heads:
                self.assertEqual(exported["edges"][each]["in_graph"], member)
                self.assertAlmostEqual(exported["edges"][each]["score"], -score / len(heads))
        space = "{http://graphml.graphdrawing.org/xmlns}"
        graph = ElementTree.parse(folder / "circuit.graphml").getroot().find(space + "graph")
        self.assertEqual({n.get("id") for n in graph.findall(space + "node")}, set(nodes))
        scored = [e for e in graph.findall(space + "edge") if any(d.get("key") == "score" for d in e)]
        self.assertEqual(len(scored), len(members))
        dot = (folder / "circuit.dot").read_text()
        self.assertEqual(len(re.findall(r"penwidth", dot)), len(members))
        self.bad("already_exists", "circuit", "export", file, "--out", folder, file=folder / "circuit.json")
        self.good("circuit", "export", file, "--out", folder, "--force")

    def test_compare(self):
        small, large, other = self.made(top=20), self.made(top=60), self.made("gpt2")
        same = self.good("circuit", "compare", small, small)
        self.assertEqual(same["edges"]["jaccard"], 1.0)
        self.assertEqual(same["heads_of_first"], [])
        got = self.good("circuit", "compare", small, large)
        self.assertEqual(got["edges"]["both"], got["edges"]["first"])
        self.assertLess(got["edges"]["of_second"], 1.0)
        self.assertEqual(got["heads"]["both"], len(got["shared_heads"]))
        self.bad("mismatch", "circuit", "compare", small, other, file=other)

    def test_compare_many(self):
        small, large = self.made(top=20), self.made(top=60)
        two = self.good("circuit", "compare", small, large)
        got = self.good("circuit", "compare", small, large, small)
        self.assertEqual([c["file"] for c in got["circuits"]], [str(small), str(large), str(small)])
        self.assertEqual([p["circuits"] for p in got["pairs"]], [[0, 1], [0, 2], [1, 2]])
        self.assertEqual([got["pairs"][0][k] for k in ("edges", "heads")], [two[k] for k in ("edges", "heads")])
        self.assertEqual(got["pairs"][1]["edges"]["jaccard"], 1.0)
        several = self.folder / "several.h5"
        self.good("circuit", "benchmark", *self.circuit("llama", "--random", 0, "--out", several)[1:])
        with h5py.File(several) as file:
            names = sorted(file["graph"])
            members = [{e for e, (_, m) in self.edges(file["graph"][n]).items() if m} for n in names]
        self.assertEqual(sorted(c["name"] for c in self.good("circuit", "compare", several)["circuits"]), names)
        said = run("circuit", "compare", several).stdout.decode().splitlines()
        shares = [line.split()[1:] for line in said[said.index("") + 2:]]
        order = [line.split()[2].rstrip(",") for line in said[1:said.index("")]]
        for i, a in enumerate(order):
            for j, b in enumerate(order):
                a_edges, b_edges = members[names.index(a)], members[names.index(b)]
                self.assertClose(float(shares[i][j]), len(a_edges & b_edges) / len(a_edges), 6e-4)
        self.bad("invalid_argument", "circuit", "compare", small, file=small)

    def test_files_without_a_circuit(self):
        out = self.folder / "maps.h5"
        self.good("attention", "--model", self.small_model(), "--prompt", "ab", "--out", out)
        self.bad("not_found", "circuit", "export", out, file=out, field="/graph")
        self.bad("not_found", "circuit", "compare", self.folder / "none.h5", out, file="none.h5")


class Errors(Circuits):
    def test_what_is_missing_or_wrong(self):
        model, pair = self.small_model(), self.one(golden("llama"))
        self.bad("invalid_argument", "circuit", *pair, field="--model")
        self.bad("invalid_argument", "circuit", "--model", model, field="--clean")
        self.bad("invalid_argument", "circuit", "--model", model, "--clean", "ab", field="--corrupt")
        self.bad("invalid_argument", "circuit", "--model", model, *pair, "--ioi", 2, field="--clean")
        self.bad("invalid_argument", "circuit", "--model", model, *pair, "--method", "acdc", field="--threshold")
        self.bad("invalid_argument", "circuit", "--model", model, *pair, "--method", "magic", field="--method")
        self.bad("invalid_argument", "circuit", "--model", model, *pair, "--build", "threshold", field="--threshold")
        self.bad("invalid_argument", "circuit", "--model", model, *pair, "--ablation", "zero", field="ablation")
        self.bad("invalid_argument", "circuit", "--model", model, *pair, "--metric", "accuracy", field="metric")
        self.bad("mismatch", "circuit", "--model", model, "--clean", "abc", "--corrupt", "ab", "--answer", "c", "--wrong", "d")
        self.bad("invalid_argument", "circuit", "--model", model, "--clean", "abc", "--corrupt", "abd", "--answer", "c", field="--wrong")
        (self.folder / "p.csv").write_text("clean,answer,wrong\nab,c,d\n")
        self.bad("invalid_argument", "circuit", "--model", model, "--prompts-file", self.folder / "p.csv", file="p.csv", field="--corrupt")
        self.bad("not_found", "paths", "--model", model, *pair, "--receivers", "a9.h9<q>", field="--receivers")
        self.bad("not_found", "paths", "--model", model, *pair, "--senders", "m7", field="--senders")
        self.bad("invalid_argument", "lens", "--model", model, "--prompt", "ab", "--position", 2, field="positions")
        self.bad("mismatch", "lens", "--model", model, "--prompt", "ab", "--token", "cd", field="--token")
        self.bad("invalid_argument", "attribute", "--model", model, "--prompt", "ab", field="--answer")


class Paths(Circuits):
    def test_against_the_reference(self):
        for name in ("gpt2", "llama"):
            reference = golden(name)
            for wanted in reference["paths"][:2]:
                for way, flags in (("mlps", []), ("direct", ["--direct"])):
                    out = self.folder / f"{name}.h5"
                    got = self.good("paths", "--model", self.small_model(name), "--prompts-file", self.pairs(reference), "--receivers",
                                    ",".join(wanted["receivers"]), *flags, "--out", out, "--force")
                    self.assertEqual(set(got["effects"]), set(wanted[way]))
                    self.assertClose([got["effects"][s] for s in wanted[way]], list(wanted[way].values()), TOLERANCE)
                    with h5py.File(out) as file:
                        self.assertClose(file["paths/effects"][:].mean(1), list(got["effects"].values()), 1e-6)


class Estimates(Circuits):
    def test_checked_cells_are_exact_patches(self):
        model, pair, out = self.small_model(), self.one(golden("llama")), self.folder / "patch.h5"
        exact = self.good("patch", "--model", model, *pair, "--site", "z")
        got = self.good("patch", "--model", model, *pair, "--site", "z", "--estimate", "--check", 3, "--out", out)
        self.assertEqual(len(got["checked"]), 6)
        for cell in got["checked"]:
            self.assertClose(cell["exact"], exact["restored"][cell["layer"]][cell["head"]], TOLERANCE)
            self.assertEqual(cell["estimated"], got["restored"][cell["layer"]][cell["head"]])
        self.assertEqual(got["disagreements"], sum(not cell["agrees"] for cell in got["checked"]))
        with h5py.File(out) as file:
            self.assertTrue(file["patching/z"].attrs["estimated"])
            self.assertClose(file["patching/z/checked/exact"][:], [c["exact"] for c in got["checked"]], 1e-12)


class Residual(Circuits):
    def test_lens(self):
        for name in ("gpt2", "gemma2"):
            wanted, out = golden(name)["lens"], self.folder / f"{name}.h5"
            got = self.good("lens", "--model", self.small_model(name), "--prompt", text_of(wanted["tokens"]), "--all", "--top", 5, "--token",
                            ALPHABET[7], "--out", out)["rows"]
            for row, ids, logits, kl, ranks in zip(got, wanted["top_ids"], wanted["top_logits"], wanted["kl"], wanted["ranks_of_7"], strict=True):
                self.assertEqual([[t["id"] for t in p["top"]] for p in row["positions"]], ids)
                self.assertClose([[t["logit"] for t in p["top"]] for p in row["positions"]], logits, TOLERANCE)
                self.assertClose([p["kl_divergence"] for p in row["positions"]], kl, TOLERANCE)
                self.assertEqual([p["tokens"][0]["rank"] for p in row["positions"]], ranks)
            with h5py.File(out) as file:
                np.testing.assert_array_equal(file["logit_lens/top_ids"][:], wanted["top_ids"])
                self.assertClose(file["logit_lens/kl_divergence"][:], wanted["kl"], TOLERANCE)
                self.assertEqual(file["logit_lens/entropy"].attrs["units"], "nat")

    def test_entropy_is_that_of_the_whole_distribution(self):
        rows = self.good("lens", "--model", self.small_model(), "--prompt", "abcab", "--all", "--top", 1000)["rows"]
        for position in (p for row in rows for p in row["positions"]):
            p = np.array([t["probability"] for t in position["top"]])
            self.assertAlmostEqual(p.sum(), 1.0, places=6)
            self.assertAlmostEqual(position["entropy"], -(p * np.log(p)).sum(), places=6)

    def test_lens_of_the_last_token(self):
        got = self.good("lens", "--model", self.small_model(), "--prompt", "abc", "--mid")["rows"]
        self.assertEqual([(r["layer"], r["site"]) for r in got],
                         [(0, "resid_pre"), (0, "resid_mid"), (1, "resid_pre"), (1, "resid_mid"), (1, "resid_post")])
        self.assertEqual([p["position"] for p in got[0]["positions"]], [2])
        top = self.good("logits", "--model", self.small_model(), "--prompt", "abc", "--top", 1)["top"][0]
        self.assertEqual(got[-1]["positions"][0]["top"][0]["piece"], top["piece"])

    def test_attribution(self):
        for name in ("llama", "gemma3"):
            reference, out = golden(name), self.folder / f"{name}.h5"
            wanted = reference["attribution"]
            got = self.good("attribute", "--model", self.small_model(name), "--prompt", text_of(reference["lens"]["tokens"]), "--answer",
                            ALPHABET[wanted["answer"]], "--wrong", ALPHABET[wanted["wrong"]], "--out", out)
            for part in ("total", "input", "heads", "mlps", "attn_bias", "constant"):
                self.assertClose(got[part], wanted[part], TOLERANCE)
            with h5py.File(out) as file:
                self.assertClose(file["logit_attribution/heads"][0], wanted["heads"], TOLERANCE)


if __name__ == "__main__":
    unittest.main()
