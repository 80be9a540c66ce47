# SPDX-License-Identifier: GPL-3.0-or-later
"""headscope compare: losses against those of the model's own logits, mechanisms that are full attention in other words, result files, errors."""
import unittest

import h5py
import numpy as np

from harness import ALPHABET, GOLDEN, Case, read_safetensors, text_of

ONE_THREAD = ["--threads", "1"]


class Compare(Case):
    def setUp(self):
        super().setUp()
        golden = read_safetensors(GOLDEN / "activations" / "llama.safetensors")
        self.tokens = golden["tokens"][0]
        self.text = self.folder / "text.txt"
        self.text.write_text(text_of(self.tokens), newline="")
        # transformers' own logits of this text
        x = golden["logits"][0].astype(np.float64)
        self.log_p = x - np.log(np.exp(x - x.max(-1, keepdims=True)).sum(-1, keepdims=True)) - x.max(-1, keepdims=True)
        self.loss = -self.log_p[np.arange(len(self.tokens) - 1), self.tokens[1:]]

    def call(self, *more):
        return ["compare", "--model", self.small_model("llama"), "--text-file", self.text, "--no-bos", *more, *ONE_THREAD]

    def test_losses_are_those_of_transformers(self):
        for skip in (0, 3):
            got = self.good(*self.call("--attention", "full", "--attention", f"window:window={len(self.tokens)}", "--skip", skip))
            self.assertEqual(got["tokens"], len(self.tokens))
            self.assertEqual(got["mechanisms"][0]["attention"], "full")
            for each in got["mechanisms"]:
                self.assertAlmostEqual(each["nll"], self.loss[skip:].mean(), delta=1e-4)
                self.assertAlmostEqual(each["kl"], 0, delta=1e-6)

    def test_every_mechanism(self):
        specs = ["window:window=2", "streaming:sinks=1,window=2", "topk:k=2", "hip:k=2,window=2,block_q=2,block_k=1", "halo:block=2,halo=1",
                 "landmark:block=2,top=1,gate=flat", "landmark:block=2,top=1,gate=grouped", "longheads:chunk=2,chunks=3,begin=2",
                 "strided:stride=3", "window:window=2@layers=0", "topk:k=1@heads=1.0"]
        got = self.good(*self.call(*(word for spec in specs for word in ("--attention", spec))))
        self.assertEqual([each["attention"] for each in got["mechanisms"]], specs)
        for each in got["mechanisms"]:
            self.assertGreater(each["kl"], 1e-6, each["attention"])
            self.assertGreater(each["z_error"], 1e-4, each["attention"])
        one = got["mechanisms"][-1]["heads"]["keys"]
        self.assertEqual(one[1][0], 1)
        self.assertIsNone(one[0][0])
        self.assertIsNone(one[1][1])

    def test_lengths_and_file(self):
        out, n = self.folder / "out.h5", len(self.tokens)
        got = self.good(*self.call("--attention", "window:window=3", "--attention", "full", "--lengths", f"{n},5", "--out", out))
        rows = got["mechanisms"][1]["lengths"]
        self.assertEqual([row["tokens"] for row in rows], [5, n])
        self.assertAlmostEqual(rows[0]["nll"], self.loss[:4].mean(), delta=1e-4)
        with h5py.File(out) as file:
            group = file["comparison"]
            self.assertEqual(group["mechanisms/attention"].asstr()[:].tolist(), ["window:window=3"] * 2 + ["full"] * 2)
            self.assertClose(group["mechanisms/nll"][3], self.loss.mean(), 1e-4)
            self.assertClose(group["mass_kept"][0], np.array(got["mechanisms"][0]["heads"]["mass_kept"]), 1e-12)
            self.assertEqual(file["prompts/text/token_ids"][:].tolist(), self.tokens.tolist())

    def test_errors_say_what_is_wrong(self):
        for spec, words in (("hop:k=3", "'hop' is no mechanism"), ("hip:q=3", "hip has no option 'q'"), ("hip:k=x", "k must be a whole number"),
                            ("window@layers=99", "the model has no head 99"), ("window@heads=", "heads names nothing"),
                            ("landmark:gate=hard", "gate must be flat or grouped"), ("", "'' is no mechanism")):
            error = self.bad("invalid_argument", *self.call("--attention", spec))
            self.assertIn(words, error["message"], spec)
            self.assertEqual(error["field"], "--attention")
        self.bad("invalid_argument", *self.call("--attention", "full", "--lengths", "9999"))
        self.bad("invalid_argument", *self.call("--attention", "full", "--skip", len(self.tokens)))
        self.bad("invalid_argument", *self.call())

    def test_other_commands_take_a_plan(self):
        """And say so where a mechanism cannot do what they need."""
        call = ["--model", self.small_model("llama"), "--prompt", ALPHABET[7:17], "--no-bos", *ONE_THREAD]
        plain, same, other = (self.good("logits", *call, *more)["top"][0]["logit"] for more in (
            [], ["--attention", "hip:k=32,window=32"], ["--attention", "window:window=1"]))
        self.assertAlmostEqual(plain, same, delta=1e-4)
        self.assertNotAlmostEqual(plain, other, delta=1e-3)
        self.assertIn("KV cache", self.bad("unsupported", "generate", *call, "--attention", "hip:k=2,window=32")["message"])


if __name__ == "__main__":
    unittest.main()
