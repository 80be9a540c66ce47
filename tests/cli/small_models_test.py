# SPDX-License-Identifier: GPL-3.0-or-later
"""The program's numbers on the small models of the reference data, which transformers computed."""
import json
import unittest

import h5py
import numpy as np

from harness import ALPHABET, GOLDEN, TIMED, Case, read_safetensors, run, text_of

FAMILIES = ["llama", "llama_bf16", "llama_sharded", "llama_mqa", "llama_linear", "llama_llama3", "llama_yarn", "mistral", "qwen2",
            "qwen3", "gemma", "gemma2", "gemma3", "gemma3_linear", "gpt2", "gpt_neox", "gpt_neox_serial", "opt", "attn_only",
            "hooked_mlp"]
TOLERANCE = 2e-4  # of float32 logits, as the project promises


def golden(name):
    return read_safetensors(GOLDEN / "activations" / f"{name}.safetensors")


class Tokens(Case):
    def test_ids_and_pieces(self):
        got = self.good("tokens", "--model", self.small_model(), "--text", "a b\n")
        self.assertEqual(got["ids"], [ALPHABET.index(c) for c in "a b\n"])
        self.assertEqual(got["pieces"], ["a", "Ġ", "b", "Ċ"])

    def test_a_text_that_looks_like_an_option(self):
        for text in ["--json", "-5", "- a", "[a,b]", "{}", '"a"', "a,b", ""]:
            got = self.good("tokens", "--model", self.small_model(), "--text", text)
            self.assertEqual("".join(ALPHABET[i] for i in got["ids"]), text)

    def test_from_a_file(self):
        (self.folder / "text.txt").write_bytes(b"one\r\ntwo")  # \r is no character of these models
        got = self.good("tokens", "--model", self.small_model(), "--text-file", self.folder / "text.txt")
        self.assertEqual("".join(ALPHABET[i] for i in got["ids"]), "one\ntwo")


class Logits(Case):
    def test_every_family(self):
        for name in FAMILIES:
            stored = GOLDEN / "activations" / f"{name}.safetensors"
            if not stored.exists():  # the same weights in another file layout
                stored = GOLDEN / "activations" / "llama.safetensors"
            if name == "llama_bf16":
                continue  # weights that were rounded: no logits of their own are stored
            with self.subTest(name):
                reference = read_safetensors(stored)
                model = self.small_model(name)
                rows = list(zip(reference["tokens"], reference["logits"]))
                for tokens, logits in rows if TIMED else rows[:1]:
                    got = self.good("logits", "--model", model, "--prompt", text_of(tokens), "--top", 101)["top"]
                    self.assertEqual(len(got), 101)
                    self.assertEqual(got, sorted(got, key=lambda t: -t["logit"]))
                    by_id = sorted(got, key=lambda t: t["id"])
                    self.assertClose([t["logit"] for t in by_id], logits[-1], TOLERANCE)

    def test_all_positions_and_one(self):
        reference, model = golden("llama"), self.small_model()
        tokens, logits = reference["tokens"][0], reference["logits"][0]
        rows = self.good("logits", "--model", model, "--prompt", text_of(tokens), "--all", "--top", 1)["positions"]
        self.assertEqual([row["top"][0]["id"] for row in rows], list(logits.argmax(-1)))
        self.assertEqual([row["id"] for row in rows], list(tokens))
        for position in (4, -14):
            top = self.good("logits", "--model", model, "--prompt", text_of(tokens), "--position", position)["top"]
            self.assertEqual(len(top), 10)
            self.assertClose(top[0]["logit"], logits[4].max(), TOLERANCE)

    def test_half_precision(self):
        reference = golden("llama")
        for dtype, tolerance in (("bfloat16", 0.08), ("float16", 0.01)):
            wanted = reference[f"logits_{dtype}"][0][-1]
            got = self.good("logits", "--model", self.small_model(), "--prompt", text_of(reference["tokens"][0]), "--top", 101,
                            "--dtype", dtype)["top"]
            self.assertClose([t["logit"] for t in sorted(got, key=lambda t: t["id"])], wanted, tolerance)


class Generate(Case):
    def test_greedy(self):
        for name, reference in json.loads((GOLDEN / "activations" / "generate.json").read_text()).items():
            total = len(reference["prompt"]) + len(reference["tokens"])
            model = self.small_model(name)
            if json.loads((model / "config.json").read_text()).get("max_position_embeddings", 64) < total:
                continue
            with self.subTest(name):
                got = self.good("generate", "--model", model, "--prompt", text_of(reference["prompt"]), "-n", len(reference["tokens"]))
                self.assertEqual(got["ids"], reference["tokens"])
                self.assertEqual(got["prompt_ids"], reference["prompt"])
                self.assertEqual(got["text"], text_of(reference["tokens"]))
                self.assertEqual(got["ended_by"], "length")

    def setUp(self):
        super().setUp()
        self.reference = json.loads((GOLDEN / "activations" / "generate.json").read_text())["llama"]

    def test_streamed_text_is_the_same(self):
        result = run("generate", "--model", self.small_model(), "--prompt", text_of(self.reference["prompt"]), "-n", 20)
        self.assertEqual(result.stdout.decode(), text_of(self.reference["tokens"]) + "\n")

    def test_stop_text(self):
        text = text_of(self.reference["tokens"])
        for more in ([], ["--stop", "not in it"]):
            got = self.good("generate", "--model", self.small_model(), "--prompt", text_of(self.reference["prompt"]), "-n", 20,
                            "--stop", text[6:8], *more)
            self.assertEqual(got["text"], text[:6])
            self.assertEqual(got["ended_by"], "stop")

    def test_heads_scaled_by_a_file(self):
        """Factors of 0 are a zero ablation, factors of 1 nothing, and a file of another model is refused."""
        text, zeros = self.folder / "text.txt", self.folder / "zeros.h5"
        text.write_text(text_of(self.reference["prompt"]) * 4, newline="")
        # No singular value is above the largest, so that every head's state has rank 0.
        self.good("traits", "--model", self.small_model(), "--text-file", text, "--length", 16, "--tolerance", 1, "--out", zeros)
        call = ("generate", "--model", self.small_model(), "--prompt", text_of(self.reference["prompt"]), "-n", 8)
        for phase in ("both", "decode"):
            scaled = self.good(*call, "--scale-from", zeros, "--scale-array", "/traits/state_rank", "--scale-phase", phase)
            if phase == "both":
                self.assertEqual(scaled["ids"], self.good(*call, "--ablate", "all:zero")["ids"])
            self.assertNotEqual(scaled["ids"], self.good(*call)["ids"], phase)
        self.assertEqual(self.bad("mismatch", *call, "--scale-from", zeros, "--scale-array", "/traits/surprise")["field"], "--scale-array")
        other = ("generate", "--model", self.small_model("gpt2"), "--prompt", text_of(self.reference["prompt"]), "-n", 1)
        self.assertIn("another model", self.bad("mismatch", *other, "--scale-from", zeros, "--scale-array", "/traits/state_rank")["message"])

    def test_ablated_heads_change_it(self):
        call = ("generate", "--model", self.small_model(), "--prompt", text_of(self.reference["prompt"]), "-n", 20, "--ablate")
        self.assertNotEqual(self.good(*call, "0,1:zero")["ids"], self.reference["tokens"])
        self.assertNotEqual(self.good(*call, "0-1:uniform:decode")["ids"][1:], self.reference["tokens"][1:])
        self.assertEqual(self.good(*call, "0-1:zero:decode")["ids"][0], self.reference["tokens"][0])

    def test_sampling_is_the_seeds(self):
        call = ("generate", "--model", self.small_model(), "--prompt", "abc", "-n", 20, "--temperature", 1.5, "--seed")
        self.assertEqual(self.good(*call, 7)["ids"], self.good(*call, 7)["ids"])
        self.assertNotEqual(self.good(*call, 7)["ids"], self.good(*call, 8)["ids"])


class Ablate(Case):
    """Against logits that torch hooks in transformers' modules gave."""

    def one(self, name, change, method, layer, head):
        reference, whole = golden(f"interventions_{name}"), golden(name)
        tokens = reference["tokens"][0]
        plain = next(logits for row, logits in zip(whole["tokens"], whole["logits"]) if list(row) == list(tokens))
        a, b = 40, 77
        got = self.good("ablate", "--model", self.small_model(name), "--prompt", text_of(tokens), "--answer", ALPHABET[a],
                        "--wrong", ALPHABET[b], "--heads", "all", "--method", method)
        clean = float(plain[-1][a]) - float(plain[-1][b])
        changed = reference[change][0][-1]
        self.assertClose(got["clean"], clean, TOLERANCE)
        self.assertEqual(np.shape(got["effects"]), (2, 4))
        self.assertTrue(got["complete"])
        self.assertClose(got["effects"][layer][head], float(changed[a]) - float(changed[b]) - clean, 2 * TOLERANCE)

    def test_zero(self):
        for name in ("llama", "gpt2"):
            self.one(name, "zero_z_1_2", "zero", 1, 2)

    def test_uniform(self):
        for name in ("llama", "gpt2"):
            self.one(name, "uniform_1_1", "uniform", 1, 1)

    def test_only_some_heads(self):
        call = ("ablate", "--model", self.small_model(), "--prompt", "abc", "--answer", "d", "--wrong", "e")
        every = np.array(self.good(*call)["effects"])
        for heads, chosen in (("0.1,1.3", [(0, 1), (1, 3)]), ("L1H0", [(1, 0)]), ("a0.h2", [(0, 2)]), ("1.1-3", [(1, 1), (1, 2), (1, 3)]),
                              ("1", [(1, h) for h in range(4)]), ("0-1", [(i, h) for i in range(2) for h in range(4)])):
            got = self.good(*call, "--heads", heads)["effects"]
            measured = [(i, h) for i in range(2) for h in range(4) if got[i][h] is not None]
            self.assertEqual(measured, chosen, heads)
            self.assertClose([got[i][h] for i, h in chosen], [every[i][h] for i, h in chosen], 1e-5)

    def test_many_prompts(self):
        rows = [("abc", "d", "e"), ("x, \"y\"", "z", "w"), ("longer than they", "!", "?")]
        (self.folder / "p.csv").write_text("clean,answer,wrong\n" + "".join(
            ",".join('"' + cell.replace('"', '""') + '"' for cell in row) + "\n" for row in rows))
        (self.folder / "p.jsonl").write_text("\n".join(
            json.dumps({"prompt": p, "answer": a, "wrong": w}) for p, a, w in rows))
        alone = [self.good("ablate", "--model", self.small_model(), "--prompt", p, "--answer", a, "--wrong", w) for p, a, w in rows]
        for file in ("p.csv", "p.jsonl"):
            out = self.folder / f"{file}.h5"
            got = self.good("ablate", "--model", self.small_model(), "--prompts-file", self.folder / file, "--out", out)
            self.assertClose([p["effects"] for p in got["prompts"]], [one["effects"] for one in alone], 1e-5)
            self.assertClose(got["effects"], np.mean([one["effects"] for one in alone], axis=0), 1e-5)
            with h5py.File(out) as f:
                self.assertClose(f["ablation/zero/effects"][:], [p["effects"] for p in got["prompts"]], 1e-5)
                self.assertClose(f["ablation/zero/clean"][:], [one["clean"] for one in alone], 1e-5)
                self.assertClose(f["ablation/zero/mean"][:], got["effects"], 1e-5)
                self.assertEqual([f[f"prompts/prompt-{i}/text"].asstr()[()] for i in range(3)], [row[0] for row in rows])
                self.assertTrue(f.attrs["complete"])
                self.assertEqual(f["options/ablate"].attrs["method"], "zero")
                self.assertEqual(f["options/model"].attrs["dtype"], "float32")

    def test_the_file_has_the_reference_prompts(self):
        out = self.folder / "r.h5"
        call = ("ablate", "--model", self.small_model(), "--prompt", "abc", "--answer", "d", "--wrong", "e", "--method", "resample", "--force")
        self.good(*call, "--reference", "xyz", "--reference", "uvw", "--out", out)
        with h5py.File(out) as f:
            donor = f["ablation/resample/donors"].asstr()[0]
            self.assertIn(donor, ("reference-0", "reference-1"))
            self.assertEqual([f[f"prompts/reference-{i}/text"].asstr()[()] for i in range(2)], ["xyz", "uvw"])
            self.assertEqual(list(f["prompts/reference-0/token_ids"][:]), [ALPHABET.index(c) for c in "xyz"])
        prompts = self.folder / "prompts.csv"
        prompts.write_text("prompt,answer,wrong\nabc,d,e\nfgh,d,e\n")
        self.good("ablate", "--model", self.small_model(), "--prompts-file", prompts, "--method", "resample", "--out", out, "--force")
        with h5py.File(out) as f:
            self.assertEqual(list(f["ablation/resample/donors"].asstr()), ["prompt-1", "prompt-0"])

    def test_mean_and_resample(self):
        call = ("ablate", "--model", self.small_model(), "--prompt", "abcdef", "--answer", "g", "--wrong", "h")
        # Another prompt's z at every position is what patching puts there.
        resampled = self.good(*call, "--method", "resample", "--reference", "uvwxyz")
        patched = self.good("patch", "--model", self.small_model(), "--clean", "uvwxyz", "--corrupt", "abcdef", "--answer", "g", "--wrong", "h",
                            "--site", "z", "--axes", "layer_head")
        self.assertClose(resampled["effects"], np.array(patched["restored"]) * (patched["clean"] - patched["corrupt"]), 1e-4)
        (self.folder / "texts.txt").write_text("fedcba\nabc abc\n")
        from_file = self.good(*call, "--method", "mean", "--reference-file", self.folder / "texts.txt")
        from_line = self.good(*call, "--method", "mean", "--reference", "fedcba", "--reference", "abc abc")
        self.assertEqual(from_file["effects"], from_line["effects"])
        self.assertGreater(np.max(np.abs(from_line["effects"])), 1e-3)


class Patch(Case):
    def test_a_position_of_a_layer(self):
        reference, whole = golden("interventions_llama"), golden("llama")
        corrupt, clean = reference["tokens"][0], reference["other"][0]
        plain = next(logits for row, logits in zip(whole["tokens"], whole["logits"]) if list(row) == list(corrupt))
        a, b = 40, 77
        got = self.good("patch", "--model", self.small_model(), "--clean", text_of(clean), "--corrupt", text_of(corrupt), "--answer",
                        ALPHABET[a], "--wrong", ALPHABET[b], "--site", "resid_pre")
        self.assertEqual(np.shape(got["restored"]), (2, 18))
        self.assertClose(got["corrupt"], float(plain[-1][a]) - float(plain[-1][b]), TOLERANCE)
        patched = reference["patch_resid_pre_1_5"][0][-1]
        self.assertClose(got["corrupt"] + got["restored"][1][5] * (got["clean"] - got["corrupt"]),
                         float(patched[a]) - float(patched[b]), 2 * TOLERANCE)

    def test_the_one_token_that_differs(self):
        """Before block 0 the differing position is all that separates the runs."""
        restored = self.good("patch", "--model", self.small_model(), "--clean", "abcdef", "--corrupt", "abXdef", "--answer", "g",
                             "--wrong", "h", "--site", "resid_pre")["restored"]
        self.assertClose(restored[0], [0, 0, 1, 0, 0, 0], 1e-4)
        after = self.good("patch", "--model", self.small_model(), "--clean", "abcdef", "--corrupt", "abXdef", "--answer", "g",
                          "--wrong", "h", "--site", "resid_post")["restored"]
        self.assertClose(after[1], [0, 0, 0, 0, 0, 1], 1e-4)  # after the last block only the last position counts
        self.assertClose(after[0], restored[1], 1e-4)

    def test_every_site(self):
        for site, shape in (("resid_mid", (2, 6)), ("attn_out", (2, 6)), ("mlp_out", (2, 6)), ("z", (2, 4)), ("q", (2, 4)), ("k", (2, 2)),
                            ("v", (2, 2)), ("pattern", (2, 4)), ("attn_scores", (2, 4)), ("result", (2, 4))):
            with self.subTest(site):
                got = self.good("patch", "--model", self.small_model(), "--clean", "abcdef", "--corrupt", "abXdef", "--answer", "g",
                                "--wrong", "h", "--site", site, "--out", self.folder / f"{site}.h5")
                self.assertEqual(np.shape(got["restored"]), shape)
                self.assertTrue(np.all(np.isfinite(got["restored"])))
                with h5py.File(self.folder / f"{site}.h5") as f:
                    stored = f[f"patching/{site}/restored"]
                    self.assertClose(stored[:], got["restored"], 1e-5)
                    self.assertEqual([stored.dims[i].label for i in range(2)], got["axes"])
                    self.assertEqual(list(f[f"patching/{site}/clean_tokens"].asstr()), list("abcdef"))

    def test_heads_at_positions(self):
        got = self.good("patch", "--model", self.small_model(), "--clean", "abcdef", "--corrupt", "abXdef", "--answer", "g", "--wrong",
                        "h", "--site", "z", "--axes", "layer_position_head")
        self.assertEqual(np.shape(got["restored"]), (2, 6, 4))


class Attention(Case):
    def test_maps_are_the_reference_patterns(self):
        for name in ("llama", "gemma3", "gpt_neox"):
            reference = golden(name)
            for precision, tolerance in (("float32", 1e-5), ("float16", 5e-4)):
                out = self.folder / f"{name}-{precision}.h5"
                got = self.good("attention", "--model", self.small_model(name), "--prompt", text_of(reference["tokens"][0]), "--heads",
                                "1.2,0.3", "--precision", precision, "--out", out)
                self.assertEqual(got["heads"], ["1.2", "0.3"])
                with h5py.File(out) as f:
                    maps = f["attention/prompt-0/pattern"]
                    self.assertEqual(maps.dtype, np.dtype(precision))
                    self.assertEqual(f["attention/prompt-0/heads"][:].tolist(), [[1, 2], [0, 3]])
                    self.assertClose(maps[0], reference["blocks.1.attn.hook_pattern"][0][2], tolerance)
                    self.assertClose(maps[1], reference["blocks.0.attn.hook_pattern"][0][3], tolerance)
                    self.assertEqual(f["prompts/prompt-0/token_ids"][:].tolist(), reference["tokens"][0].tolist())


class Detect(Case):
    def test_scores_and_file(self):
        out = self.folder / "r.h5"
        got = self.good("detect", "--model", self.small_model(), "--detectors", "induction,previous,duplicate,sink", "--set", "induction.n=10",
                        "--set", "previous.n=10", "--set", "duplicate.n=10", "--set", "sink.tokens=32", "--set", "induction.threshold=0",
                        "--out", out)["detectors"]
        self.assertEqual(set(got), {"induction", "previous", "duplicate", "sink"})
        scores = np.array(got["induction"]["scores"])
        self.assertEqual(scores.shape, (2, 4))
        order = sorted(((i, h) for i in range(2) for h in range(4)), key=lambda p: -scores[p])
        self.assertEqual(got["induction"]["heads"], [f"{i}.{h}" for i, h in order])
        with h5py.File(out) as f:
            for name, entry in got.items():
                stored = f[f"detectors/{name}/scores"]
                self.assertClose(stored[:], entry["scores"], 1e-6)
                self.assertEqual(stored.attrs["threshold"], entry["threshold"])
                self.assertEqual(list(f[f"detectors/{name}/heads"].asstr()), entry["heads"])
                self.assertEqual([stored.dims[i].label for i in range(2)], ["layer", "head"])
            self.assertEqual(f["options/induction"].attrs["n"], 10)
            self.assertIn("detect --model", f.attrs["command_line"])
            self.assertEqual(f["model"].attrs["architecture"], "llama")

    def test_a_detector_whose_defaults_pass_the_context(self):
        names = ("detect", "--model", self.small_model(), "--detectors", "retrieval,induction,sink")
        got = self.good(*names)["detectors"]
        self.assertIn("retrieval.length_min", got["retrieval"]["skipped"])
        self.assertIn("induction.n", got["induction"]["skipped"])
        self.assertEqual(np.array(got["sink"]["scores"]).shape, (2, 4))
        # Asked for by itself, or with lengths of the caller's, it is an error.
        self.bad("invalid_argument", *names[:3], "--detectors", "induction", field="induction.n")
        self.bad("invalid_argument", *names, "--set", "retrieval.length_min=250", field="retrieval.length_min")


if __name__ == "__main__":
    unittest.main()
