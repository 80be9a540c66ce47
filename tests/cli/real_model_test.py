# SPDX-License-Identifier: GPL-3.0-or-later
"""The calls of the project's promise on SmolLM2-135M-Instruct, against what transformers computed."""
import json
import re
import shlex
import unittest

import h5py
import numpy as np

from harness import GOLDEN, SMOLLM2, Case, run

ANALYSIS = json.loads((GOLDEN / "analysis" / "smollm2.json").read_text())


class Calls(Case):
    def test_tokens(self):
        got = self.good("tokens", "--model", "smollm2", "--text", "The capital of France is")
        self.assertEqual(got, {"ids": [504, 3575, 282, 4649, 314], "pieces": ["The", "Ġcapital", "Ġof", "ĠFrance", "Ġis"]})
        got = self.good("tokens", "--model", "smollm2", "--text", "<|im_start|>user")
        self.assertEqual(got["pieces"], ["<|im_start|>", "user"])

    def test_logits(self):
        got = self.good("logits", "--model", "smollm2", "--prompt", "The capital of France is", "--top", 5)["top"]
        self.assertEqual(got[0]["piece"], "ĠParis")
        self.assertClose([t["logit"] for t in got], [17.3713, 14.8886, 13.2450, 13.0095, 12.9515], 2e-4)

    def test_the_name_stands_for_the_file(self):
        got = self.good("tokens", "--model", SMOLLM2, "--text", "a")
        self.assertEqual(got, self.good("tokens", "--model", "smollm2", "--text", "a"))

    def test_model_info(self):
        info = self.good("model", "info", "smollm2")
        self.assertEqual([info[k] for k in ("architecture", "n_layers", "n_heads", "n_kv_heads", "d_model", "d_vocab", "quantisation")],
                         ["llama", 30, 9, 3, 576, 49152, "Q4_1"])
        self.assertEqual(info["tokenizer"]["vocab_size"], 49152)

    def test_generate_in_the_chat_template(self):
        got = self.good("generate", "--model", "smollm2", "--chat", "--prompt", "What is the capital of France?", "-n", 24)
        self.assertIn("Paris", got["text"])
        self.assertEqual(got["ended_by"], "eos")

    def test_ablate(self):
        prompt = ANALYSIS["prompts"][0]
        got = self.good("ablate", "--model", "smollm2", "--prompt", prompt["text"], "--answer", " Mary", "--wrong", " John", "--heads", "all",
                        "--method", "zero")
        self.assertClose(got["clean"], prompt["clean"], 4e-4)
        self.assertClose(got["effects"], prompt["effects"]["zero"], 8e-4)

    def test_patch(self):
        prompt, wanted = ANALYSIS["prompts"][0], ANALYSIS["patching"]
        got = self.good("patch", "--model", "smollm2", "--clean", prompt["text"], "--corrupt", prompt["text"].replace(". John", ". Mary"),
                        "--answer", " Mary", "--wrong", " John", "--site", "resid_pre")
        self.assertClose([got["clean"], got["corrupt"]], [wanted["clean"], wanted["corrupt"]], 4e-4)
        spread = wanted["clean"] - wanted["corrupt"]
        self.assertClose(got["restored"], (np.array(wanted["resid_pre"]) - wanted["corrupt"]) / spread, 1e-3)

    def test_detect(self):
        out = self.folder / "R.h5"
        got = self.good("detect", "--model", "smollm2", "--detectors", "successor,induction,sink,retrieval", "--set", "retrieval.lengths=1",
                        "--set", "retrieval.depths=1", "--set", "retrieval.length_max=300", "--set", "sink.texts=2", "--out", out)["detectors"]
        self.assertEqual(set(got), {"successor", "induction", "sink", "retrieval"})
        for entry in got.values():
            self.assertEqual(np.shape(entry["scores"]), (30, 9))
        # Measured with transformers; torch's generator picks the same random tokens here.
        self.assertEqual(got["induction"]["heads"][:5], ["18.6", "17.3", "17.4", "17.5", "18.7"])
        scores = np.array(got["induction"]["scores"])
        self.assertClose([scores[18, 6], scores[17, 3], scores[17, 4], scores[17, 5], scores[18, 7]], [.9208, .8370, .7890, .6854, .6336], 1e-4)
        with h5py.File(out) as f:
            self.assertEqual(set(f["detectors"]), set(got))
            self.assertClose(f["detectors/induction/scores"][:], scores, 1e-6)

    def test_survey(self):
        out = self.folder / "survey.h5"
        result = run("survey", "--model", "smollm2", "--detectors", "induction,previous", "--ioi", 1, "--maps", 2, "--out", out)
        self.assertEqual(result.returncode, 0, result.stderr.decode())
        said = result.stdout.decode()
        self.assertIn("18.6 0.921", said)
        self.assertIn("indirect-object", said)
        with h5py.File(out) as f:
            self.assertEqual(set(f["detectors"]), {"induction", "previous"})
            self.assertEqual(f["ablation/ioi_zero/effects"].shape, (1, 30, 9))
            self.assertTrue(np.isfinite(f["ablation/ioi_zero/effects"][:]).all())
            self.assertEqual(list(f["attention/maps/head"].asstr()), ["18.6", "16.0"])
            self.assertTrue(f.attrs["complete"])


class Examples(Case):
    def test_of_the_help(self):
        """Each example works as it is printed; export and inspect read what an earlier one wrote."""
        commands = ["model info", "tokens", "logits", "generate", "attention", "export", "inspect"]
        for command in commands:
            example = run(*command.split(), "--help").stdout.decode().rstrip().splitlines()[-1].strip()
            words = shlex.split(example)
            self.assertEqual(words[0], "headscope")
            if command == "generate":
                words = ["4" if re.fullmatch(r"\d+", w) else w for w in words]  # fewer new tokens
            result = run(*words[1:], cwd=self.folder)
            self.assertEqual(result.returncode, 0, f"{example}\n{result.stderr.decode()}")
            self.assertTrue(result.stdout)


if __name__ == "__main__":
    unittest.main()
