# SPDX-License-Identifier: GPL-3.0-or-later
"""The texts of a corpus that respond most are those that numpy finds in the stored activations."""
import random
import unittest

import h5py
import numpy as np

from harness import ALPHABET, Case, run

LENGTH, CHARACTERS = 16, 500
QUANTILES = {"0.5": 0.5, "0.9": 0.9, "0.99": 0.99, "0.999": 0.999, "max": 1.0}


class Examples(Case):
    def setUp(self):
        super().setUp()
        self.corpus = self.folder / "corpus.txt"
        self.corpus.write_text("".join(random.Random(5).choices(ALPHABET[7:], k=CHARACTERS - 1)) + "x")

    def call(self, name, *more):
        return ("examples", "--model", self.small_model(name), "--corpus", self.corpus, "--length", LENGTH, *more)

    def stored(self, name, hook):
        """Activations [token, ...] of the whole corpus."""
        out = self.folder / f"{name}-{hook}.h5"
        self.good("activations", "--model", self.small_model(name), "--corpus", self.corpus, "--length", LENGTH, "--names", hook,
                  "--out", out)
        with h5py.File(out) as f:
            return f["activations"][hook][:].astype(float)

    def check(self, got, values, skip=0, top=10):
        """`values`: of every token of the corpus."""
        texts = [values[i:i + LENGTH] for i in range(0, len(values), LENGTH)]
        counted = np.concatenate([text[skip:] for text in texts])
        order = sorted((i for i, text in enumerate(texts) if len(text) > skip), key=lambda i: -texts[i][skip:].max())[:top]
        self.assertEqual([text["text_start"] for text in got["texts"]], [LENGTH * i for i in order])
        for text, i in zip(got["texts"], order):
            self.assertClose(text["values"], texts[i], 1e-4)
            self.assertEqual(text["peak"], skip + int(texts[i][skip:].argmax()))
            self.assertClose(text["value"], texts[i][skip:].max(), 1e-4)
            self.assertEqual(len(text["tokens"]), len(texts[i]))
            self.assertEqual(text["text"], self.corpus.read_text()[LENGTH * i:LENGTH * (i + 1)])
        self.assertEqual(got["quantiles"].keys(), QUANTILES.keys())
        for name, quantile in QUANTILES.items():
            self.assertClose(got["quantiles"][name], np.quantile(counted, quantile), 1e-4)
        self.assertClose(got["positive"], (counted > 0).mean(), 5e-3)
        self.assertEqual((got["tokens"], got["corpus_texts"], got["complete"]), (len(counted), len(texts), True))


class Targets(Examples):
    def test_neurons(self):
        for name in ("gpt2", "llama"):
            values = self.stored(name, "blocks.1.mlp.hook_post")[:, 7]
            self.check(self.good(*self.call(name, "--neuron", "1.7")), values)
            self.check(self.good(*self.call(name, "--neuron", "1.7", "--top", 3, "--skip", 2, "--tokens-per-run", 40)), values, 2, 3)

    def test_heads(self):
        for name in ("gpt2", "llama"):
            values = np.linalg.norm(self.stored(name, "blocks.1.attn.hook_result")[:, 2], axis=-1)
            self.check(self.good(*self.call(name, "--head", "1.2")), values)

    def test_directions(self):
        direction = np.random.default_rng(1).normal(size=32)
        np.save(self.folder / "v.npy", direction)
        values = self.stored("llama", "blocks.0.hook_resid_post") @ direction
        self.check(self.good(*self.call("llama", "--direction", self.folder / "v.npy", "--at", "resid_post", "--layer", 0)), values)
        self.check(self.good(*self.call("llama", "--direction", self.folder / "v.npy", "--at", "blocks.0.hook_resid_post")), values)


class Output(Examples):
    def test_the_file(self):
        out = self.folder / "e.h5"
        got = self.good(*self.call("llama", "--neuron", "0.3", "--top", 4, "--out", out))
        with h5py.File(out) as f:
            group = f["examples/neuron-0.3"]
            self.assertEqual(list(group["texts/text_start"][:]), [text["text_start"] for text in got["texts"]])
            self.assertEqual(list(group["texts/text"].asstr()[:]), [text["text"] for text in got["texts"]])
            self.assertEqual(list(group["texts/peak"][:]), [text["peak"] for text in got["texts"]])
            self.assertEqual(group["values"].shape, (4, LENGTH))
            for row, ids, text in zip(group["values"][:], group["token_ids"][:], got["texts"]):
                count = len(text["tokens"])
                self.assertClose(row[:count], text["values"], 1e-6)
                self.assertTrue(np.isnan(row[count:]).all() and (ids[count:] == -1).all())
                self.assertEqual("".join(ALPHABET[i] for i in ids[:count]), text["text"])
            self.assertClose(group["quantiles/value"][:], list(got["quantiles"].values()), 1e-6)
            self.assertEqual(group.attrs["tokens"], CHARACTERS)
            self.assertEqual(f["options/examples"].attrs["neuron"], "0.3")

    def test_what_people_read(self):
        said = run(*self.call("llama", "--neuron", "0.3", "--top", 2)).stdout.decode()
        self.assertIn("neuron 0.3 (blocks.0.mlp.hook_post) over 500 tokens of 32 texts", said)
        for mark in ("[[", "]]"):
            self.assertGreaterEqual(said.count(mark), 2)

    def test_what_makes_no_sense(self):
        np.save(self.folder / "short.npy", np.ones(5))
        np.save(self.folder / "v.npy", np.ones(32))
        for code, field, more in (
                ("invalid_argument", "--neuron", ()),
                ("invalid_argument", "--neuron", ("--neuron", "0.1", "--head", "0.1")),
                ("invalid_argument", "--neuron", ("--neuron", "0.48")),
                ("invalid_argument", "--neuron", ("--neuron", "seven")),
                ("invalid_argument", "--head", ("--head", "2.0")),
                ("invalid_argument", "--layer", ("--direction", self.folder / "v.npy")),
                ("invalid_argument", "--at", ("--direction", self.folder / "v.npy", "--at", "z", "--layer", 0)),
                ("mismatch", "--direction", ("--direction", self.folder / "short.npy", "--layer", 0)),
                ("not_found", "", ("--direction", self.folder / "none.npy", "--layer", 0)),
                ("mismatch", "--length", ("--neuron", "0.1", "--length", 65))):
            with self.subTest(field=field, more=more):
                self.bad(code, *self.call("llama")[:5], *more, field=field)


if __name__ == "__main__":
    unittest.main()
