# SPDX-License-Identifier: GPL-3.0-or-later
"""headscope steer against transformers (generate_steer.py): metrics, vectors of texts, generated text, result files, errors."""
import json
import unittest

import h5py
import numpy as np

from harness import GOLDEN, Case, read_safetensors, run, text_of

ONE_THREAD = ["--threads", "1"]
ANSWER, WRONG = 10, 20
TOLERANCE = 2e-4


class Steer(Case):
    def setUp(self):
        super().setUp()
        self.everything = read_safetensors(GOLDEN / "analysis" / "steer.safetensors")

    def golden(self, name):
        return {key.split(".", 1)[1]: value for key, value in self.everything.items() if key.startswith(name + ".")}

    def lines(self, name, rows):
        path = self.folder / name
        path.write_text("".join(json.dumps({"prompt": text_of(ids), "answer": text_of([ANSWER]), "wrong": text_of([WRONG])}) + "\n" for ids in rows))
        return path

    def vector(self, name):
        path = self.folder / f"{name}.npy"
        np.save(path, self.golden(name)["vector"])
        return path

    def call(self, name, *more, layers=1):
        return ["steer", "--model", self.small_model(name), "--prompts-file", self.lines("prompts.jsonl", self.golden(name)["tokens"]), "--layers",
                layers, *more, *ONE_THREAD]

    def test_metrics_equal_transformers(self):
        for name in ("gpt2", "llama"):
            golden, vector, out = self.golden(name), self.vector(name), self.folder / f"{name}.h5"
            for operation in ("add", "set", "scale", "project_out"):
                for positions in ("all", "last"):
                    with self.subTest(f"{name} {operation} {positions}"):
                        more = [] if operation == "scale" else ["--vector", vector]
                        got = self.good(*self.call(name, "--operation", operation, "--positions", positions, "--coefficient", "1.25,2.5",
                                                   "--out", out, "--force", *more))
                        wanted = golden[f"{operation}_{positions}"]
                        wanted = wanted[:, ANSWER] - wanted[:, WRONG]
                        self.assertTrue(got["complete"])
                        self.assertEqual([row["coefficient"] for row in got["rows"]], [1.25, 2.5])
                        self.assertEqual(got["rows"][1]["metric"], "logit_diff")
                        self.assertClose(got["rows"][1]["prompts"], wanted, TOLERANCE)
                        self.assertClose(got["rows"][1]["value"], wanted.mean(), TOLERANCE)
                        self.assertClose(got["rows"][1]["change"], wanted.mean() - got["clean"], TOLERANCE)
                        with h5py.File(out) as file:
                            group = file["steering"]
                            self.assertClose(group["metric"][1], wanted, TOLERANCE)
                            self.assertEqual(group["coefficients"][:].tolist(), [1.25, 2.5])
                            self.assertClose(group["clean"][:].mean(), got["clean"], 1e-5)
                            self.assertEqual(group.attrs["operation"], operation)
                            self.assertEqual(file["options/steer"].attrs["positions"], positions)
                            self.assertIn("prompt-1", file["prompts"])
                            if operation != "scale":
                                self.assertClose(group["vector"][:], golden["vector"][None], 0)
                                self.assertClose(got["vector_norm"], np.linalg.norm(golden["vector"]), 1e-4)

    def test_vectors_of_texts(self):
        for name in ("gpt2", "llama"):
            golden = self.golden(name)
            tokens = golden["tokens"]
            positive = self.lines("positive.jsonl", [tokens[0][:9], tokens[1][:6]])
            negative = self.lines("negative.jsonl", [tokens[0][9:], tokens[1][8:15]])
            texts = ["--positive-file", positive, "--negative-file", negative]
            for read_at in ("last", "mean"):
                saved = self.folder / f"{name}-{read_at}.npy"
                got = self.good(*self.call(name, *texts, "--read-at", read_at, "--save-vector", saved))
                self.assertClose(np.load(saved), golden[f"difference_{read_at}"], TOLERANCE)
                again = self.good(*self.call(name, "--vector", saved))
                self.assertClose(again["rows"][0]["prompts"], got["rows"][0]["prompts"], 1e-5)
            unit = self.good(*self.call(name, *texts, "--normalize", "--save-vector", self.folder / f"{name}.npy", layers="0-1"))
            self.assertClose([v["norm"] for v in unit["vectors"]], [1, 1], 1e-5)
            self.assertEqual(np.load(self.folder / f"{name}.npy").shape, (2, 32))
            self.bad("already_exists", *self.call(name, *texts, "--save-vector", saved), field="--save-vector")

    def test_generated_text_equals_transformers(self):
        for name in ("gpt2", "llama"):
            golden = self.golden(name)
            prompt = self.lines("one.jsonl", [golden["tokens"][0][:7]])
            call = ["steer", "--model", self.small_model(name), "--prompts-file", prompt, "--layers", 1, "--vector", self.vector(name),
                    "--coefficient", 2.5, "--generate", 12, *ONE_THREAD]
            for positions in ("all", "last", "prompt", "generated"):
                out = self.folder / "g.h5"
                (text,) = self.good(*call, "--positions", positions, "--out", out, "--force")["text"]
                self.assertEqual(text["clean"]["ids"], golden["generated_none"].tolist())
                self.assertEqual(text["steered"][0]["ids"], golden[f"generated_{positions}"].tolist())
                with h5py.File(out) as file:
                    self.assertEqual(file["steering/texts/text"].asstr()[1], text_of(golden[f"generated_{positions}"]))
            self.assertIn(b"continued", run(*call).stdout)

    def test_heads_and_prompts_without_answers(self):
        np.save(self.folder / "z.npy", np.ones((2, 8), np.float32))
        got = self.good("steer", "--model", self.small_model(), "--prompt", "abcd", "--site", "z", "--heads", "0.1,1.3", "--vector",
                        self.folder / "z.npy", "--coefficient", "0,3")
        self.assertEqual(got["rows"][0]["metric"], "kl_divergence")
        self.assertEqual([(v["layer"], v["head"]) for v in got["vectors"]], [(0, 1), (1, 3)])
        self.assertClose(got["rows"][0]["value"], 0, 1e-6)
        self.assertGreater(got["rows"][1]["value"], 1e-3)

    def test_what_cannot_be_done(self):
        vector = ["--vector", self.vector("llama")]
        call = ["steer", "--model", self.small_model(), "--prompt", "abcd"]
        here = [*call, "--layers", 1]
        wrong = lambda field, *args, code="invalid_argument": self.bad(code, *args, field=field)
        wrong("--layers", *call, *vector)
        wrong("--vector", *here)
        wrong("--negative", *here, "--positive", "ab")
        wrong("--positive", *here, "--negative", "ab")
        wrong("--positive", *here, "--negative", "ab", "--positive", "ab", code="mismatch")
        wrong("--vector", *here, *vector, "--positive", "ab", "--negative", "cd")
        wrong("--vector", *here, *vector, "--operation", "scale")
        wrong("--heads", *call, *vector, "--site", "z")
        wrong("--heads", *here, *vector, "--heads", "0.1")
        wrong("--site", *here, *vector, "--site", "pattern")
        for layers in ("2", "x", "1-0", "0,"):
            wrong("--layers", *call, *vector, "--layers", layers)
        for positions in ("some", "1,x", "generated"):
            wrong("--positions", *here, *vector, "--positions", positions)
        wrong("--positions", *here, *vector, "--positions", "4", code="mismatch")
        wrong("--coefficient", *here, *vector, "--coefficient", "inf")
        wrong("--generate", *here, *vector, "--generate", "100", code="mismatch")
        wrong("--answer", *here, *vector, "--metric", "logit_diff")
        wrong("--vector", *here, "--vector", self.lines("v.txt", []))
        self.bad("not_found", *here, "--vector", self.folder / "none.npy")
        for shape in ((31,), (3, 32), (1, 32, 1)):
            np.save(self.folder / "bad.npy", np.ones(shape, np.float32))
            wrong("--vector", *here, "--vector", self.folder / "bad.npy", code="mismatch")
        np.save(self.folder / "nan.npy", np.full((2, 32), np.nan, np.float32))
        wrong("--vector", *here, "--vector", self.folder / "nan.npy")


if __name__ == "__main__":
    unittest.main()
