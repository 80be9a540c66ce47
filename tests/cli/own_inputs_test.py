# SPDX-License-Identifier: GPL-3.0-or-later
"""Needles, texts and attention patterns of the user's own: what detectors make of them, by numpy, and that the result says what they were."""
import csv
import hashlib
import json
import unittest

import h5py
import numpy as np

from harness import SMOLLM2, Case, text_of

TEXT = "the cat sat on the mat and the cat ran"
VELMORA = {"name": "velmora", "needle": "The best thing to do in Velmora is to eat a pear sandwich and sit under the blue clock on a rainy day.",
           "question": "What is the best thing to do in Velmora?", "answer": "eat a pear sandwich and sit under the blue clock on a rainy day"}


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def rule(name, ids):
    """TransformerLens's detection patterns, and two more: P[query, key]."""
    ids, size = np.array(ids), len(ids)
    same = np.tril(ids[:, None] == ids[None, :], -1).astype(float)
    after = np.tril(np.concatenate([np.zeros((size, 1)), same[:, :-1]], axis=1))
    return {"first": np.eye(1, size) * np.ones((size, 1)), "current": np.eye(size), "previous": np.eye(size, k=-1), "same_token": same,
            "after_same_token": after}[name]


def likeness(attention, pattern, measure, exclude_bos=False, exclude_current_token=False):
    """compute_head_attention_similarity_score of TransformerLens, which rounds abs to three decimals."""
    counted = np.ones_like(pattern)
    if exclude_bos:
        counted[:, 0] = 0
    if exclude_current_token:
        np.fill_diagonal(counted, 0)
    if measure == "mul":
        return (attention * counted * pattern).sum((-2, -1)) / (attention * counted).sum((-2, -1))
    return 1 - (np.abs(attention - pattern) * counted).mean((-2, -1)) * len(pattern)


class Patterns(Case):
    def setUp(self):
        super().setUp()
        self.model = self.small_model("llama")
        self.text = self.folder / "text.txt"
        self.text.write_text(TEXT)

    def attention(self, text):
        """[layer, head, query, key] and the ids of the tokens, as the program stores them."""
        out = self.folder / "attention.h5"
        self.good("attention", "--model", self.model, "--threads", 1, "--prompt", text, "--heads", "all", "--precision", "float32", "--out", out, "--force")
        with h5py.File(out) as file:
            (name,) = file["attention"]
            heads, maps = file[f"attention/{name}/heads"][:], file[f"attention/{name}/pattern"][:]
            weights = np.full((heads[:, 0].max() + 1, heads[:, 1].max() + 1, *maps.shape[1:]), np.nan)
            for (layer, head), one in zip(heads, maps):
                weights[layer, head] = one
            return weights, file[f"prompts/{name}/token_ids"][:]

    def detect(self, kind, **options):
        out = self.folder / "detect.h5"
        words = [word for name, value in options.items() for word in ("--set", f"{kind}.{name}={value}")]
        self.good("detect", "--model", self.model, "--threads", 1, "--detectors", kind, *words, "--out", out, "--force")
        with h5py.File(out) as file:
            prompts = [file[f"prompts/{kind}-{i}/token_ids"][:] for i in range(len(file["prompts"]))]
            return file[f"detectors/{kind}/scores"][:], prompts, dict(file[f"detectors/{kind}"].attrs), dict(file[f"options/{kind}"].attrs)

    def test_rules_on_a_text_as_it_stands(self):
        weights, ids = self.attention(TEXT)
        for name in ("first", "current", "previous", "same_token", "after_same_token"):
            for measure in ("mul", "abs"):
                for more in ({}, {"exclude_bos": "on"}, {"exclude_current_token": "on"}):
                    with self.subTest(name, measure=measure, **more):
                        scores, prompts, found, options = self.detect("previous", text=self.text, repeat="off", pattern=name, measure=measure, **more)
                        np.testing.assert_array_equal(prompts, [ids])
                        if measure == "mul" and (name, *more) == ("current", "exclude_current_token"):
                            self.assertEqual(np.abs(scores).max(), 0)
                        self.assertClose(scores, likeness(weights, rule(name, ids), measure, **{key: True for key in more}), 1e-5)
        self.assertEqual(found["text_sha256"], sha256(self.text))
        self.assertEqual((options["text"], options["pattern"], options["measure"]), (str(self.text), "after_same_token", "abs"))

    def test_matrices(self):
        weights, ids = self.attention(TEXT)
        choice = np.random.default_rng(7)
        mask, graded = np.tril(choice.integers(0, 2, (len(ids), len(ids)))).astype(np.float64), np.tril(choice.random((len(ids), len(ids))))
        for name, matrix in (("mask", mask), ("graded", graded)):
            np.save(self.folder / f"{name}4.npy", matrix.astype(np.float32))
            np.save(self.folder / f"{name}8.npy", matrix)
            np.savetxt(self.folder / f"{name}.csv", matrix, delimiter=",")
            for file in (f"{name}4.npy", f"{name}8.npy", f"{name}.csv"):
                for measure in ("mul", "abs"):
                    path = self.folder / file
                    scores, _, found, options = self.detect("induction", text=self.text, repeat="off", pattern=path, measure=measure)
                    self.assertClose(scores, likeness(weights, matrix, measure), 1e-5)
                    self.assertEqual(found["pattern_sha256"], sha256(path))
                    self.assertEqual(options["pattern"], str(path))
                    self.assertEqual("other than 0 and 1" in found.get("message", ""), (name, measure) == ("graded", "mul"))
        # Without `measure` it is mul; on random tokens, of which a text has twice n, too.
        weights_of_random = []
        np.save(self.folder / "twice.npy", np.tril(np.ones((24, 24)), -3))
        scores, prompts, found, options = self.detect("previous", n=12, batch=2, pattern=self.folder / "twice.npy")
        self.assertIn("twice.npy, on random tokens written twice", self.description("previous"))
        for ids in prompts:
            weights, again = self.attention(text_of(ids))
            np.testing.assert_array_equal(again, ids)
            weights_of_random.append(likeness(weights, np.tril(np.ones((24, 24)), -3), "mul"))
        self.assertClose(scores, np.mean(weights_of_random, axis=0), 1e-5)

    def description(self, kind):
        with h5py.File(self.folder / "detect.h5") as file:
            return file[f"detectors/{kind}/scores"].attrs["description"]

    def test_stripes_on_a_text(self):
        weights, ids = self.attention(TEXT)
        scores, *_ = self.detect("previous", text=self.text, repeat="off")
        self.assertClose(scores, np.diagonal(weights, -1, 2, 3).mean(-1), 1e-5)
        for kind, distance in (("induction", 11), ("duplicate", 12), ("previous", 1)):
            scores, prompts, found, _ = self.detect(kind, text=self.text, n=12, batch=2)
            wanted = []
            for i, piece in enumerate((TEXT[:12], TEXT[12:24])):
                weights, ids = self.attention(piece + piece)
                np.testing.assert_array_equal(prompts[i], ids)
                wanted.append(np.diagonal(weights, -distance, 2, 3).mean(-1))
            self.assertClose(scores, np.mean(wanted, axis=0), 1e-5)
            self.assertEqual(found["text_sha256"], sha256(self.text))

    def test_texts_of_one_detector_alone(self):
        other = self.folder / "other.txt"
        other.write_text("a b c d e f g h. " * 40)
        alone, both = self.folder / "alone.h5", self.folder / "both.h5"
        common = ("detect", "--model", self.model, "--threads", 1, "--set", "sink.texts=2", "--set", "sink.tokens=32", "--set", "sink.skip_last=0")
        self.good(*common, "--detectors", "sink", "--haystack", other, "--out", alone)
        (self.folder / "long.txt").write_text("Quite another text. " * 40)
        self.good(*common, "--detectors", "sink,local", "--set", f"sink.text={other}", "--set", "local.texts=2", "--set", "local.tokens=32",
                  "--haystack", self.folder / "long.txt", "--out", both)
        with h5py.File(alone) as a, h5py.File(both) as b:
            np.testing.assert_array_equal(a["detectors/sink/scores"][:], b["detectors/sink/scores"][:])
            np.testing.assert_array_equal(a["prompts/sink-1/token_ids"][:], b["prompts/sink-1/token_ids"][:])
            self.assertEqual(a["detectors/sink"].attrs["text_sha256"], sha256(other))
            self.assertEqual(b["detectors/sink"].attrs["text_sha256"], sha256(other))
            self.assertEqual(b["detectors/local"].attrs["text_sha256"], sha256(self.folder / "long.txt"))

    def test_errors(self):
        small, upper, words = (self.folder / name for name in ("small.npy", "upper.csv", "words.csv"))
        np.save(small, np.eye(5))
        upper.write_text("1,1\n0,1\n")
        words.write_text("1,0\n0,one\n")
        np.save(self.folder / "whole.npy", np.eye(5, dtype=np.int64))
        command = ("detect", "--model", self.model, "--detectors", "previous", "--set", "previous.n=12")
        for code, value, file, field in (("invalid_argument", small, small, "is of 5 tokens, the text has 24"), ("invalid_argument", upper, upper, "query 0, key 1"),
                                         ("invalid_argument", words, words, "line 2, column 2"), ("unsupported", self.folder / "whole.npy", "whole.npy", "descr"),
                                         ("not_found", self.folder / "none.csv", "none.csv", "--set previous.pattern"), ("invalid_argument", "nearest", None, "--set previous.pattern")):
            with self.subTest(value):
                self.bad(code, *command, "--set", f"previous.pattern={value}", file=file, field=field)
        self.bad("invalid_argument", *command, "--set", "previous.repeat=off", field="--set previous.repeat")
        self.bad("not_found", *command, "--set", f"previous.text={self.folder / 'none.txt'}", file="none.txt", field="--set previous.text")
        self.text.write_text("abc")
        self.bad("invalid_argument", *command, "--set", f"previous.text={self.text}", file="text.txt", field="has 3 tokens, one text needs 12")

    def test_in_an_experiment(self):
        place = self.folder / "place"
        place.mkdir()
        np.save(place / "own.npy", np.tril(np.ones((24, 24)), -2))
        toml = f'[model]\npath = "{self.model}"\nthreads = 1\n[[step]]\nmethod = "detect"\ndetectors = ["previous"]\n'
        (place / "e.toml").write_text(toml + 'set = ["previous.n=12", "previous.pattern=own.npy"]\n')  # beside the experiment, not where it is started
        out = self.folder / "r.h5"
        self.good("run", place / "e.toml", "--out", out)
        scores, *_ = self.detect("previous", n=12, pattern=place / "own.npy")
        with h5py.File(out) as file:
            np.testing.assert_array_equal(file["detectors/previous/scores"][:], scores)
            self.assertEqual(file["detectors/previous"].attrs["pattern_sha256"], sha256(place / "own.npy"))
        # What was finished with another content is no part of this run.
        self.good("run", place / "e.toml", "--out", self.folder / "s.h5", "--shard", "0/1")
        np.save(place / "own.npy", np.tril(np.ones((24, 24)), -1))
        self.bad("mismatch", "merge", self.folder / "s.h5.shard-0-of-1.journal", file="s.h5.shard-0-of-1.journal")
        (place / "first").mkdir()  # a rule's name is no folder's
        (place / "e.toml").write_text(toml + 'set = ["previous.n=12", "previous.pattern=first"]\n')
        self.good("run", place / "e.toml", "--out", self.folder / "first.h5")
        scores, *_ = self.detect("previous", n=12, pattern="first")
        with h5py.File(self.folder / "first.h5") as file:
            np.testing.assert_array_equal(file["detectors/previous/scores"][:], scores)
        (place / "e.toml").write_text(toml + 'set = ["previous.n=12", "previous.pattern=none.npy"]\n')
        error = self.bad("not_found", "run", place / "e.toml", "--out", out, file="e.toml", field="line 7, column 7: set")
        self.assertIn("none.npy", error["message"])
        self.assertIn("previous.pattern", error["message"])


@unittest.skipUnless(SMOLLM2.exists(), f"{SMOLLM2} is missing; run scripts/bootstrap")
class Needles(Case):
    SMALL = ("--set", "retrieval.length_min=320", "--set", "retrieval.length_max=320", "--set", "retrieval.lengths=1", "--set", "retrieval.depths=1", "--set",
             "retrieval.new_tokens=24", "--set", "qrhead.documents=3", "--set", "qrhead.places=1")

    def detect(self, name, *more):
        out = self.folder / name
        self.good("detect", "--model", SMOLLM2, "--detectors", "retrieval,qrhead", *self.SMALL, *more, "--out", out)
        return h5py.File(out)

    def of(self, path):
        return ("--set", f"retrieval.needle_file={path}", "--set", f"qrhead.needle_file={path}")

    def test_a_file_of_the_first_needle_is_the_first_needle(self):
        path = self.folder / "one.jsonl"
        path.write_text(json.dumps(VELMORA) + "\n")
        with self.detect("built-in.h5", "--set", "retrieval.needles=1", "--set", "qrhead.needles=1") as a, self.detect("own.h5", *self.of(path)) as b:
            for kind in ("retrieval", "qrhead"):
                np.testing.assert_array_equal(a[f"detectors/{kind}/scores"][:], b[f"detectors/{kind}/scores"][:])
                self.assertEqual(b[f"detectors/{kind}"].attrs["needles_sha256"], sha256(path))
                self.assertEqual(b[f"options/{kind}"].attrs["needle_file"], str(path))
                self.assertNotIn("needles_sha256", a[f"detectors/{kind}"].attrs)

    def test_all_of_a_file_are_asked(self):
        path = self.folder / "two.csv"
        rows = [VELMORA, {"name": "lock", "needle": "The code of the green lock is seven three nine.", "question": "What is the code of the green lock?",
                          "answer": "seven three nine"}]
        with open(path, "w", newline="") as file:
            writer = csv.DictWriter(file, list(VELMORA))
            writer.writeheader()
            writer.writerows(rows)
        with self.detect("two.h5", *self.of(path)) as file:
            self.assertEqual(list(file["detectors/retrieval/evidence/runs/needle"].asstr()[:]), ["velmora", "lock"])
            for i, row in enumerate(rows):
                for kind in ("retrieval", "qrhead"):
                    text = file[f"prompts/{kind}-{i}/text"].asstr()[()]
                    self.assertIn(row["needle"], text)
                    self.assertIn(row["question"], text)
            begin, end = (file[f"detectors/retrieval/evidence/runs/needle_{edge}"][1] for edge in ("begin", "end"))
            self.assertEqual("".join(file["prompts/retrieval-1/token_pieces"].asstr()[begin:end]).replace("Ġ", " ").strip(), "seven three nine")

    def test_errors(self):
        path = self.folder / "bad.csv"
        path.write_text("needle,question\nA b.,C?\n")
        error = self.bad("invalid_argument", "detect", "--model", "none.gguf", "--detectors", "qrhead", "--set", f"qrhead.needle_file={path}", file="bad.csv",
                         field="--set qrhead.needle_file: line 2: answer")  # before the model is loaded
        self.assertIn("needle, question", error["message"])
        self.bad("not_found", "detect", "--model", "none.gguf", "--detectors", "retrieval", "--set", "retrieval.needle_file=none.json", file="none.json",
                 field="--set retrieval.needle_file")


if __name__ == "__main__":
    unittest.main()
