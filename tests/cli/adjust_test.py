# SPDX-License-Identifier: GPL-3.0-or-later
"""headscope adjust, as a command and as a step of an experiment, against transformers; headscope reproduce merullo2024."""
import json
import unittest

import h5py
import numpy as np

from harness import GOLDEN, SMOLLM2, Case, read_safetensors, run, text_of

ONE_THREAD = ["--threads", "1"]
ANSWER = 10


class Adjust(Case):
    def place(self, name, rows):
        """A file of prompts whose wrong answers are the tokens at 1 and 4, which generate_steering.py steers to; their logits before and after."""
        before = read_safetensors(GOLDEN / "activations" / f"{name}.safetensors")["logits"][rows, -1]
        golden = read_safetensors(GOLDEN / "activations" / f"steering_{name}.safetensors")
        lines, wrong = [], []
        for ids in golden["tokens"][rows]:
            wrong.append([int(ids[1]), int(ids[4])])
            self.assertEqual([list(ids).count(w) for w in wrong[-1]], [1, 1])
            other = list(ids)
            other[9] = 40 if other[9] != 40 else 41
            lines.append(json.dumps({"clean": text_of(ids), "corrupted": text_of(other), "answer": [text_of([ANSWER])],
                                     "wrong": [text_of([w]) for w in wrong[-1]]}))
        path = self.folder / f"{name}.jsonl"
        path.write_text("\n".join(lines) + "\n")
        return path, before, golden["steer_last"][rows], np.array(wrong)

    @staticmethod
    def differences(logits, wrong):
        return logits[:, ANSWER] - np.take_along_axis(logits, wrong, 1).mean(1)

    def test_equals_transformers(self):
        for name, rows in (("gpt2", [1]), ("llama", [0, 1])):
            with self.subTest(name):
                prompts, before, after, wrong = self.place(name, rows)
                out = self.folder / f"{name}.h5"
                got = self.good("adjust", "--model", self.small_model(name), "--task", prompts, "--steer", "1.2=wrong", "--seeds", 3,
                                "--out", out, *ONE_THREAD)
                self.assertTrue(got["complete"])
                self.assertEqual([v["variant"] for v in got["variants"]], ["none", "adjusted", "random-0", "random-1", "random-2"])
                self.assertEqual(got["variants"][1]["adjustments"], "1.2=wrong")
                self.assertTrue(all(v["adjustments"].startswith("1.") and v["adjustments"] != "1.2=wrong" for v in got["variants"][2:]))
                for variant, logits in zip(got["variants"], (before, after)):
                    self.assertClose(variant["logit_diff"], self.differences(logits, wrong).mean(), 1e-4)
                    self.assertEqual(variant["accuracy"], np.mean(logits.argmax(1) == ANSWER))
                with h5py.File(out) as file:
                    group = file["adjustment"]
                    self.assertEqual(group["logit_diff"].shape, (5, len(rows)))
                    for variant, logits in enumerate((before, after)):
                        self.assertClose(group["logit_diff"][variant], self.differences(logits, wrong), 1e-4)
                        self.assertEqual(list(group["predicted"][variant]), list(logits.argmax(1)))
                    self.assertEqual(group["keys/wrong"][:].tolist(), [[1, 4]] * len(rows))
                    self.assertEqual(group.attrs["adjustments"][1], "1.2=wrong")
                    self.assertIn("prompt-0", file["prompts"])

    def test_a_share_and_a_scale(self):
        prompts, before, after, wrong = self.place("llama", [0, 1])
        call = ["adjust", "--model", self.small_model(), "--task", prompts, "--seeds", 0, *ONE_THREAD]
        got = lambda *more: self.good(*call, *more)["variants"][1]["logit_diff"]
        none = self.differences(before, wrong).mean()
        self.assertClose(got("--steer", "1.2=wrong@0"), none, 1e-4)  # nothing of it
        self.assertClose(got("--scale", "1.2=1"), none, 1e-4)
        self.assertClose(got("--steer", "1.2=wrong", "--scale", "1.2=0"), got("--scale", "1.2=0"), 1e-4)  # nothing is written
        self.assertNotAlmostEqual(got("--steer", "1.2=wrong", "--queries", "all", "--scale", "0.1=3"), none, 3)

    def test_as_a_step(self):
        prompts, *_ = self.place("llama", [0, 1])
        model = self.small_model()
        options = ["--steer", "1.2=wrong@0.5", "--scale", "0.1=2", "--seeds", 2]
        self.good("adjust", "--model", model, "--task", prompts, *options, "--out", self.folder / "command.h5", *ONE_THREAD)
        (self.folder / "e.toml").write_text(f'[model]\npath = "{model}"\nthreads = 1\n[[task]]\nname = "pairs"\nfile = "llama.jsonl"\n'
                                            '[[step]]\nmethod = "adjust"\ntask = "pairs"\nsteer = "1.2=wrong@0.5"\nscale = "0.1=2"\nseeds = 2\n')
        self.good("run", self.folder / "e.toml", "--out", self.folder / "step.h5")
        with h5py.File(self.folder / "command.h5") as command, h5py.File(self.folder / "step.h5") as step:
            for name in ("logit_diff", "accuracy", "predicted", "keys/wrong"):
                self.assertClose(step["adjustment/pairs-adjust/" + name][:], command["adjustment/" + name][:], 1e-5)
            self.assertEqual(list(step["adjustment/pairs-adjust"].attrs["adjustments"]), list(command["adjustment"].attrs["adjustments"]))

    def test_what_cannot_be_done(self):
        prompts, *_ = self.place("llama", [0])
        call = ["adjust", "--model", self.small_model(), "--task", prompts]
        self.bad("invalid_argument", *call, field="--steer")
        for text in ("1.2", "=wrong", "1.2=", "1.2=wrong@x", "9.9=wrong"):
            self.bad("invalid_argument", *call, "--steer", text, field="--steer")
        self.bad("invalid_argument", *call, "--steer", "1.2=wrong@2", field="--steer")
        self.bad("not_found", *call, "--steer", "1.2=nobody", field="--steer")
        self.bad("unsupported", *call, "--steer", "1.2=answer", field="--steer")  # the answer is not in the prompt
        self.bad("invalid_argument", *call, "--steer", "1.2=first", "--steer", "1.2=last", field="twice")
        self.bad("invalid_argument", *call, "--scale", "1.2=much", field="--scale")
        self.bad("invalid_argument", *call, "--steer", "1.2=first", "--queries", "some", field="--queries")
        self.bad("invalid_argument", "adjust", "--model", self.small_model(), "--steer", "1.2=first", field="--task")
        self.assertIn(b"headscope adjust --model smollm2", run("adjust", "--help").stdout)


@unittest.skipUnless(SMOLLM2.exists(), f"{SMOLLM2} is missing; run scripts/bootstrap")
class Reproduction(Case):
    def test_merullo2024(self):
        said = self.good("reproduce", "merullo2024", "--model", SMOLLM2, "--prompts", 1)
        self.assertTrue(said["complete"])
        self.assertFalse(said["published_model"])
        self.assertEqual(said["published_models"], ["GPT-2 medium"])
        rows = {row["what"]: row for row in said["rows"]}
        self.assertEqual(rows["heads of both"]["published"], "25 of 32 (78 %)")
        self.assertEqual(rows["colored objects: accuracy in %"]["published"], "49.6")
        self.assertEqual(rows["with all of them steered"]["published"], "93.7")
        names = lambda what: rows[what]["measured"].split()
        for what in ("indirect objects: into the logits", "colored objects: into the queries of those"):
            self.assertEqual(len(names(what)), 6)  # 2 % of 270 heads
        first = set(names("indirect objects: into the logits") + names("indirect objects: into the queries of those"))
        second = set(names("colored objects: into the logits") + names("colored objects: into the queries of those"))
        self.assertTrue(rows["heads of both"]["measured"].startswith(f"{len(first & second)} of {len(first)} "))
        # The prompts are few; the same ones through the command give the same numbers.
        steered = rows["with all of them steered"]["note"].replace(" ", ",")
        again = self.good("adjust", "--model", SMOLLM2, "--task", "colored_objects", "--variant", "published", "--count", 4, "--steer",
                          f"{steered}=wrong", "--seeds", 0)["variants"]
        self.assertClose([100 * v["accuracy"] for v in again],
                         [rows[w]["measured"] for w in ("colored objects: accuracy in %", "with all of them steered")], 1e-9)
        self.assertClose([v["logit_diff"] for v in again],
                         [rows["logit difference: " + w]["measured"] for w in ("as it is", "all steered")], 1e-4)


if __name__ == "__main__":
    unittest.main()
