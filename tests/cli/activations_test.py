# SPDX-License-Identifier: GPL-3.0-or-later
"""Stored activations are what transformers gives, in every format; their statistics are those of the stored ones."""
import json
import random
import unittest

import h5py
import numpy as np

from harness import ALPHABET, GOLDEN, Case, read_safetensors, run, text_of

TOLERANCE = 2e-4


def golden(name):
    return read_safetensors(GOLDEN / "activations" / f"{name}.safetensors")


def pairwise(name):
    return name.endswith(("hook_pattern", "hook_attn_scores"))


class Activations(Case):
    def prompts(self, *rows):
        """A file of these rows of tokens."""
        path = self.folder / "prompts.jsonl"
        path.write_text("\n".join(json.dumps({"prompt": text_of(row)}) for row in rows))
        return path

    def corpus(self, characters):
        path = self.folder / "corpus.txt"
        path.write_text("".join(random.Random(3).choices(ALPHABET[7:], k=characters - 1)) + "x")
        return path

    def call(self, name="llama"):
        return ("activations", "--model", self.small_model(name))


class Stored(Activations):
    def test_every_hook_point(self):
        for name in ("gpt2", "llama"):
            reference = golden(name)
            tokens, out = reference["tokens"], self.folder / f"{name}.h5"
            got = self.good(*self.call(name), "--prompts-file", self.prompts(*tokens), "--names", "*", "--out", out)
            self.assertEqual((got["prompts"], got["tokens"], got["complete"]), (2, 36, True))
            with h5py.File(out) as f:
                group, compared = f["activations"], 0
                for hook, wanted in reference.items():
                    if "hook_" not in hook or pairwise(hook):
                        continue
                    self.assertClose(group[hook][:], wanted.reshape(-1, *wanted.shape[2:]), TOLERANCE)
                    compared += 1
                self.assertGreater(compared, 20)
                self.assertFalse([hook for hook in group if pairwise(hook)])
                self.assertEqual([d.label for d in group["blocks.0.attn.hook_z"].dims], ["token", "head", "d"])
                self.assertEqual(list(group["token_ids"][:]), list(tokens.reshape(-1)))
                self.assertEqual(list(group["positions"][:]), 2 * list(range(18)))
                self.assertEqual(list(group["offsets/prompt"].asstr()[:]), ["prompt-0", "prompt-1"])
                self.assertEqual(list(group["offsets/start"][:]), [0, 18])
                self.assertEqual(list(group["offsets/count"][:]), [18, 18])
                self.assertTrue(f.attrs["complete"])
                self.assertEqual(f["options/activations"].attrs["names"], "*")
                self.assertEqual(list(f["prompts/prompt-1/token_ids"][:]), list(tokens[1]))

    def test_prompts_of_several_lengths(self):
        reference = golden("llama")
        rows = [reference["tokens"][0], reference["tokens"][1][:7], reference["tokens"][0][:12]]
        wanted = reference["blocks.1.hook_resid_post"]
        wanted = np.concatenate([wanted[0], wanted[1][:7], wanted[0][:12]])
        for budget in (1, 40, 4096):
            out = self.folder / f"{budget}.h5"
            self.good(*self.call(), "--prompts-file", self.prompts(*rows), "--names", "blocks.1.hook_resid_post", "--out", out,
                      "--tokens-per-run", budget)
            with h5py.File(out) as f:
                self.assertClose(f["activations/blocks.1.hook_resid_post"][:], wanted, TOLERANCE)
                self.assertEqual(list(f["activations/offsets/start"][:]), [0, 18, 25])

    def test_some_heads_and_positions_in_half_precision(self):
        reference, out = golden("llama"), self.folder / "a.h5"
        self.good(*self.call(), "--prompts-file", self.prompts(*reference["tokens"]), "--names", "z,hook_v", "--heads", "1.3,1.0",
                  "--positions", "-1,2", "--precision", "float16", "--out", out)
        with h5py.File(out) as f:
            group = f["activations"]
            self.assertNotIn("blocks.0.attn.hook_z", group)
            z, v = group["blocks.1.attn.hook_z"], group["blocks.1.attn.hook_v"]
            self.assertEqual(z.dtype, np.float16)
            pick = reference["blocks.1.attn.hook_z"][:, [17, 2]][:, :, [3, 0]]
            self.assertClose(z[:], pick.reshape(4, 2, -1), 5e-3)
            self.assertClose(v[:], reference["blocks.1.attn.hook_v"][:, [17, 2]][:, :, [1, 0]].reshape(4, 2, -1), 5e-3)
            self.assertEqual(list(group["positions"][:]), [17, 2, 17, 2])
            self.assertEqual([d.label for d in v.dims], ["token", "kv_head", "d"])

    def test_other_formats(self):
        reference = golden("gpt2")
        call = (*self.call("gpt2"), "--prompts-file", self.prompts(*reference["tokens"]), "--names", "resid_pre,z", "--layers", "1")
        folder, file = self.folder / "arrays", self.folder / "a.safetensors"
        self.good(*call, "--format", "npy", "--to", folder)
        self.good(*call, "--format", "safetensors", "--to", file)
        index, tensors = json.loads((folder / "index.json").read_text()), read_safetensors(file)
        self.assertTrue(index["complete"])
        self.assertEqual({a["file"] for a in index["arrays"]}, {p.name for p in folder.glob("*.npy")})
        for hook in ("blocks.1.hook_resid_pre", "blocks.1.attn.hook_z"):
            wanted = reference[hook].reshape(36, *reference[hook].shape[2:])
            self.assertClose(np.load(folder / f"{hook}.npy"), wanted, TOLERANCE)
            self.assertClose(tensors[hook], wanted, TOLERANCE)
        for offsets in (np.load(folder / "offsets.npy"), tensors["offsets"]):
            self.assertEqual(offsets.tolist(), [[0, 18], [18, 18]])
        self.assertEqual(list(np.load(folder / "token_ids.npy")), list(reference["tokens"].reshape(-1)))
        for form, to in (("npy", folder), ("safetensors", file)):
            self.bad("already_exists", *call, "--format", form, "--to", to)
            self.good(*call, "--format", form, "--to", to, "--replace")
        half = self.folder / "half"
        self.good(*call, "--format", "npy", "--to", half, "--precision", "float16")
        self.assertEqual(np.load(half / "blocks.1.attn.hook_z.npy").dtype, np.float16)

    def test_what_people_read(self):
        said = run(*self.call(), "--prompt", "abc", "--names", "z", "--out", self.folder / "a.h5").stdout.decode()
        self.assertRegex(said, r"blocks\.0\.attn\.hook_z +token 3, head 4, d 8 +float32")
        self.assertIn("3 tokens of 1 prompts in ", said)


class Corpus(Activations):
    def test_texts_and_statistics(self):
        text, whole, sums = self.corpus(100), self.folder / "a.h5", self.folder / "s.h5"
        call = (*self.call(), "--corpus", text, "--length", 16, "--names", "resid_mid,z")
        got = self.good(*call, "--out", whole)
        self.assertEqual((got["prompts"], got["tokens"]), (7, 100))  # the last text has 4
        self.good(*call, "--out", sums, "--statistics", "--second-moment", "--tokens-per-run", 20)
        with h5py.File(whole) as a, h5py.File(sums) as s:
            self.assertEqual("".join(ALPHABET[i] for i in a["activations/token_ids"][:]), text.read_text())
            self.assertEqual(list(a["activations/offsets/count"][:]), 6 * [16] + [4])
            self.assertNotIn("prompts", a)
            for hook in ("blocks.0.hook_resid_mid", "blocks.1.attn.hook_z"):
                x, found = a["activations"][hook][:].astype(float), s["activations"][hook]
                self.assertEqual(found["mean"].dtype, np.float64)
                self.assertClose(found["mean"][:], x.mean(axis=0), 1e-6)
                self.assertClose(found["mean_square"][:], (x**2).mean(axis=0), 1e-5)
                self.assertClose(found["second_moment"][:], (x[..., :, None] * x[..., None, :]).mean(axis=0), 1e-5)
                self.assertEqual(found.attrs["tokens"], 100)

    def test_some_texts_and_positions(self):
        out = self.folder / "a.h5"
        got = self.good(*self.call(), "--corpus", self.corpus(100), "--length", 16, "--most-texts", 3, "--positions", "1:", "--names",
                        "hook_embed", "--out", out)
        self.assertEqual((got["prompts"], got["tokens"]), (3, 45))
        with h5py.File(out) as f:
            self.assertEqual(list(f["activations/positions"][:]), 3 * list(range(1, 16)))


class Refused(Activations):
    def test_what_makes_no_sense(self):
        out, prompt = self.folder / "a.h5", ("--prompt", "abc")
        to = ("--out", out)
        call = self.call()
        for code, field, more in (
                ("unsupported", "headscope attention", (*prompt, *to, "--names", "pattern")),
                ("not_found", "--names", (*prompt, *to, "--names", "hook_w")),
                ("invalid_argument", "--layers", (*prompt, *to, "--names", "z", "--layers", "9")),
                ("invalid_argument", "--heads", (*prompt, *to, "--names", "z", "--heads", "0.9")),
                ("invalid_argument", "--positions", (*prompt, *to, "--names", "z", "--positions", "first")),
                ("mismatch", "--positions", (*prompt, *to, "--names", "z", "--positions", "3")),
                ("invalid_argument", "--out", (*prompt, "--names", "z")),
                ("invalid_argument", "--to", (*prompt, "--names", "z", "--format", "npy")),
                ("invalid_argument", "--to", (*prompt, *to, "--names", "z", "--to", self.folder / "b")),
                ("invalid_argument", "--second-moment", (*prompt, *to, "--names", "z", "--second-moment")),
                ("invalid_argument", "--corpus", (*prompt, *to, "--names", "z", "--corpus", self.corpus(9))),
                ("not_found", "--corpus", (*to, "--names", "z", "--corpus", self.folder / "none")),
                ("mismatch", "--length", (*to, "--names", "z", "--corpus", self.corpus(9), "--length", "65")),
                ("invalid_argument", "--prompt", (*to, "--names", "z"))):
            with self.subTest(field=field, more=more):
                self.bad(code, *call, *more, field=field)
                self.assertFalse(out.exists())


if __name__ == "__main__":
    unittest.main()
