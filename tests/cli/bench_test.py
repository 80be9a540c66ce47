# SPDX-License-Identifier: GPL-3.0-or-later
"""headscope bench: what it counts, writes, draws and refuses."""
import json
import unittest

import h5py

from harness import GOLDEN, TIMED, Case, run

# The small llama: 2 layers, d_model 32, 4 heads of 8, 2 K/V heads, MLP of 48 with a gate, 101 tokens; float32.
# Counted by hand for one prompt of 3 tokens, logits of the last token:
#   block 0      q, k, v   2*3*32*64      = 12288    attention  4*4*8*(1+2+3) = 768
#                output    2*3*32*32      =  6144    MLP  2*3*32*96 + 2*3*48*32 = 27648
#   block 1      k, v      2*3*32*32      =  6144    q  2*1*32*32 = 2048     attention  4*4*8*3 = 384
#                output    2*1*32*32      =  2048    MLP  2*32*96 + 2*48*32 = 9216
#   unembedding  2*1*32*101               =  6464
FORWARD_FLOP = 12288 + 768 + 6144 + 27648 + 6144 + 2048 + 384 + 2048 + 9216 + 6464
# Numbers that move: weights of a product once, and n (in + out).
#   embedding    3*32 = 96
#   block 0      2048 + 3*96 = 2336; attention 3*8*(2*4 + 2*2) = 288; 1024 + 3*64 = 1216; 3072 + 3*128 = 3456; 1536 + 3*80 = 1776
#   block 1      1024 + 3*64 = 1216; 1024 + 64 = 1088; attention 8*2*(4 + 3*2) = 160; 1024 + 64 = 1088; 3072 + 128 = 3200; 1536 + 80 = 1616
#   unembedding  32*101 + 133 = 3365
FORWARD_BYTES = 4 * (96 + 2336 + 288 + 1216 + 3456 + 1776 + 1216 + 1088 + 160 + 1088 + 3200 + 1616 + 3365)
# Statistics: block 1 like block 0, and twice 2*4*8*6 for each block.
STATISTICS_FLOP = 2 * (12288 + 768 + 6144 + 27648) + 6464 + 2 * 2 * (2 * 4 * 8 * 6)
# A sweep over head 0.0: a clean run; output and MLP of block 0 for 3 tokens, block 1 for the last, unembedding.
SWEEP_FLOP = FORWARD_FLOP + 6144 + 27648 + 6144 + 2048 + 384 + 2048 + 9216 + 6464


class Growth(Case):
    def growth(self, *more):
        return self.good("bench", "growth", "--model", self.small_model(tokenizer=False), "--threads", 1, *more)

    def test_the_work_is_what_is_counted_by_hand(self):
        row = self.growth("--tokens", "3")["rows"][0]
        self.assertEqual((row["flop"], row["bytes"]), (FORWARD_FLOP, FORWARD_BYTES))
        self.assertEqual(self.growth("--tokens", "3", "--what", "statistics")["rows"][0]["flop"], STATISTICS_FLOP)
        self.assertEqual(self.growth("--tokens", "3", "--what", "sweep", "--sweep-heads", 1)["rows"][0]["flop"], SWEEP_FLOP)

    def test_the_work_under_a_plan_is_what_its_forms_count(self):
        for plan, less in (("none", 768 + 384), ("none@layers=1", 384), ("none@heads=0.1", 768 // 4)):
            run = self.growth("--tokens", "3", "--attention", plan)
            self.assertEqual(run["rows"][0]["flop"], FORWARD_FLOP - less)
            self.assertEqual(run["what"], f"forward under {plan}")
        # One key for each query in place of 1, 2 and 3; the form computes the scores of all.
        kept = self.growth("--tokens", "3", "--attention", "topk:k=1@layers=0")["rows"][0]["flop"]
        self.assertEqual(FORWARD_FLOP - kept, 2 * 4 * 8 * ((6 + 6) - (9 + 3)))
        self.assertIsNone(self.growth("--tokens", "3", "--what", "sweep", "--sweep-heads", 1, "--attention", "none")["rows"][0]["flop"])

    def test_rows_axes_and_rates(self):
        out = self.growth("--tokens", "4,8", "--heads", "2,4", "--layers", "1,2")
        self.assertEqual([(r["axis"], r["tokens"], r["heads"], r["layers"]) for r in out["rows"]],
                         [("tokens", 4, 4, 2), ("tokens", 8, 4, 2), ("heads", 4, 2, 2), ("heads", 4, 4, 2), ("layers", 4, 4, 1),
                          ("layers", 4, 4, 2)])
        self.assertEqual((out["what"], out["dtype"], out["batch"], out["skipped"]), ("forward", "float32", 1, []))
        self.assertTrue(out["machine"])
        for row in out["rows"]:
            self.assertGreaterEqual(row["memory_bytes"], 0)
            self.assertAlmostEqual(row["flop_per_s"] * row["seconds"] / row["flop"], 1, 9)
            self.assertAlmostEqual(row["flop_share"] * out["peak_flop_per_s"] / row["flop_per_s"], 1, 9)
            self.assertAlmostEqual(row["bytes_share"] * out["peak_bytes_per_s"] / row["bytes_per_s"], 1, 9)
        self.assertLess(out["rows"][2]["flop"], out["rows"][3]["flop"])
        self.assertLess(out["rows"][4]["flop"], out["rows"][5]["flop"])

    def test_files_hold_the_run_and_pictures_are_drawn(self):
        out = self.growth("--tokens", "4,8", "--layers", "1,2", "--out", self.folder / "run.json", "--plot", self.folder / "run.svg")
        self.assertEqual(json.loads((self.folder / "run.json").read_text()), out)
        self.assertEqual(sorted(p.name for p in self.folder.glob("*.svg")),
                         ["run-layers-memory.svg", "run-layers-seconds.svg", "run-tokens-memory.svg", "run-tokens-seconds.svg"]
                         if all(r["memory_bytes"] for r in out["rows"]) else sorted(p.name for p in self.folder.glob("*.svg")))
        picture = (self.folder / "run-tokens-seconds.svg").read_text()
        for word in ("Time by tokens: forward", "tokens", "seconds"):
            self.assertIn(word, picture)
        self.growth("--tokens", "4,8", "--out", self.folder / "run.h5")
        with h5py.File(self.folder / "run.h5") as file:
            table = file["bench/growth"]
            self.assertEqual(list(table["tokens"]), [4, 8])
            self.assertEqual(table.attrs["what"], "forward")
            self.assertEqual(table["seconds"].attrs["units"], "s")
        compared = self.good("bench", "compare", self.folder / "run.json", self.folder / "run.h5")
        self.assertEqual((len(compared["rows"]), compared["only_in_a"], compared["only_in_b"]), (2, 2, 0))

    def test_random_shapes(self):
        out = self.good("bench", "growth", "--shape", "gpt2", "--tokens", "8", "--layers", "1", "--heads", "3", "--threads", 1)
        self.assertEqual([r["layers"] for r in out["rows"]], [12, 12, 1])
        self.assertEqual(out["model"], "gpt2")

    def test_what_people_read(self):
        said = run("bench", "growth", "--model", self.small_model(tokenizer=False), "--tokens", "4", "--threads", 1).stdout.decode().splitlines()
        self.assertIn("forward of llama, float32, batch of 1, on ", said[0])
        self.assertRegex(said[1], r"^peak: .* GFLOP/s, .* GB/s$")
        self.assertEqual(said[2].split()[:6], ["varied", "tokens", "heads", "layers", "seconds", "MiB"])
        self.assertEqual(said[3].split()[:4], ["tokens", "4", "4", "2"])

    def test_bad_input(self):
        model = ("--model", self.small_model(tokenizer=False))
        self.bad("invalid_argument", "bench", "growth", "--tokens", "4", field="--model")
        self.bad("not_found", "bench", "growth", "--shape", "gpt9", file="gpt9", field="--shape")
        self.bad("invalid_argument", "bench", "growth", *model, "--tokens", "4,x", field="--tokens")
        self.bad("invalid_argument", "bench", "growth", *model, "--tokens", "4,65", field="context")
        self.bad("invalid_argument", "bench", "growth", *model, "--tokens", "4", "--heads", "3", field="--heads")
        self.bad("invalid_argument", "bench", "growth", *model, "--tokens", "4", "--layers", "9", field="--layers")
        self.bad("invalid_argument", "bench", "growth", *model, "--what", "backward", field="--what")
        self.bad("invalid_argument", "bench", "growth", *model, "--tokens", "4", "--out", self.folder / "a.txt", file="a.txt", field="--out")
        self.bad("invalid_argument", "bench", "growth", *model, "--tokens", "4", "--plot", self.folder / "a.txt", file="a.txt", field="--plot")
        (self.folder / "there.json").write_text("{}")
        self.bad("already_exists", "bench", "growth", *model, "--tokens", "4", "--out", self.folder / "there.json", file="there.json")


class Peak(Case):
    def test_of_the_processor(self):
        peak = self.good("bench", "peak", "--threads", 1)
        for rate in ("flop_per_s", "bytes_per_s"):
            self.assertGreater(peak[rate], 1e8 if TIMED else 0)
        self.assertEqual((peak["dtype"], peak["product_size"]), ("float32", 2048))
        self.assertTrue(peak["machine"].endswith("1 thread"))


class Compare(Case):
    def run_file(self, name, machine, rows, **more):
        path = self.folder / name
        path.write_text(json.dumps({"machine": machine, "model": "gpt2", "dtype": "float32", "what": "forward", "batch": 1,
                                    "peak_flop_per_s": 1e12, "peak_bytes_per_s": 1e11, "skipped": [],
                                    "rows": [dict(axis="tokens", tokens=t, heads=12, layers=12, seconds=s, memory_bytes=m, flop=1e9, bytes=1e6)
                                             for t, s, m in rows]} | more))
        return path

    def test_ratios_of_matching_rows(self):
        a = self.run_file("a.json", "old machine", [(1024, 2.0, 100), (2048, 4.0, 200), (4096, 8.0, 0)])
        b = self.run_file("b.json", "new machine", [(4096, 2.0, 10), (1024, 0.5, 150), (8192, 9.0, 10)])
        out = self.good("bench", "compare", a, b)
        self.assertEqual((out["a"]["machine"], out["b"]["machine"]), ("old machine", "new machine"))
        self.assertEqual([(r["tokens"], r["time_ratio"], r["memory_ratio"]) for r in out["rows"]], [(1024, 0.25, 1.5), (4096, 0.25, None)])
        self.assertEqual((out["only_in_a"], out["only_in_b"]), (1, 1))
        said = run("bench", "compare", a, b, "--plot", self.folder / "both.png").stdout.decode()
        self.assertIn("A: gpt2, float32, on old machine\nB: gpt2, float32, on new machine\n", said)
        for name in ("both-tokens-seconds.png", "both-tokens-memory.png"):
            self.assertEqual((self.folder / name).read_bytes()[:4], b"\x89PNG")

    def test_bad_files(self):
        a = self.run_file("a.json", "m", [(1024, 2.0, 100)])
        self.bad("mismatch", "bench", "compare", a, self.run_file("b.json", "m", [(1024, 1.0, 1)], what="sweep"), file="b.json", field="what")
        self.bad("mismatch", "bench", "compare", a, self.run_file("c.json", "m", [(1024, 1.0, 1)], batch=2), file="c.json", field="batch")
        self.bad("mismatch", "bench", "compare", a, self.run_file("d.json", "m", [(1, 1.0, 1)]), file="d.json", field="rows")
        self.bad("corrupt", "bench", "compare", a, self.run_file("e.json", "m", [(1024, 0, 1)]), file="e.json", field="seconds")
        self.bad("corrupt", "bench", "compare", a, self.run_file("f.json", "m", [], batch="two"), file="f.json", field="batch")
        (self.folder / "g.json").write_text("[1]")
        self.bad("corrupt", "bench", "compare", a, self.folder / "g.json", file="g.json")
        self.bad("not_found", "bench", "compare", a, self.folder / "none.json", file="none.json")


class Load(Case):
    def test_of_a_small_file(self):
        out = self.good("bench", "load", "--model", GOLDEN / "models" / "llama.gguf", "--threads", 1)
        self.assertAlmostEqual(out["ratio"] * (out["read_seconds"] + out["memory_seconds"]) / out["seconds"], 1, 9)
        # 2 layers: norms 64, q, k, v, o 3072, MLP 4608; embedding and unembedding 3232 each, the last norm 32
        self.assertEqual(out["weight_bytes"], 4 * (2 * (64 + 3072 + 4608) + 2 * 3232 + 32))

    def test_bad_input(self):
        self.bad("unsupported", "bench", "load", "--model", self.small_model(), file="llama", field="--model")


class EapIg(Case):
    def pairs(self, **change):
        path = self.folder / "pairs.json"
        path.write_text(json.dumps({"clean": [[1, 2, 3, 4], [5, 6, 7, 8]], "corrupt": [[1, 2, 9, 4], [5, 6, 11, 8]], "answers": [[1, 2], [3, 4]]} | change))
        return path

    def test_scores_of_every_edge(self):
        model = ("--model", self.small_model(tokenizer=False), "--threads", 1)
        out = self.good("bench", "eap-ig", *model, "--pairs", self.pairs(), "--steps", 3)
        # senders before layer 0: 1, before its MLP 5; before layer 1: 6, before its MLP 10; 11 in all; 8 q, k and v a layer
        self.assertEqual(len(out["scores"]), 8 * 1 + 5 + 8 * 6 + 10 + 11)
        self.assertEqual((out["pairs"], out["steps"]), (2, 3))
        self.assertGreater(max(abs(s) for s in out["scores"]), 1e-4)
        again = self.good("bench", "eap-ig", *model, "--pairs", self.pairs(), "--steps", 3, "--activation-mib", 0, "--tokens-per-run", 4)
        self.assertClose(again["scores"], out["scores"], 1e-5)
        self.assertEqual(len(self.good("bench", "eap-ig", *model, "--count", 3, "--len", 6)["scores"]), len(out["scores"]))

    def test_bad_input(self):
        model = ("--model", self.small_model(tokenizer=False))
        self.bad("corrupt", "bench", "eap-ig", *model, "--pairs", self.pairs(answers=[[1, 2]]), file="pairs.json", field="--pairs")
        self.bad("mismatch", "bench", "eap-ig", *model, "--pairs", self.pairs(corrupt=[[1, 2, 3], [1, 2, 3]]))
        self.bad("not_found", "bench", "eap-ig", *model, "--pairs", self.folder / "none", file="none")


class Sweep(Case):
    def test_its_json_stays(self):
        out = self.good("bench", "sweep", "--model", self.small_model(tokenizer=False), "--batch", 2, "--len", 5, "--heads", 3, "--threads", 1)
        self.assertEqual(set(out), {"ms_per_head", "tokens_per_s", "seconds", "heads", "batch", "len", "effects"})
        self.assertEqual((out["heads"], out["batch"], out["len"]), (3, 2, 5))
        self.assertEqual({h: len(e) for h, e in out["effects"].items()}, {"0.0": 2, "1.0": 2, "0.1": 2})


if __name__ == "__main__":
    unittest.main()
