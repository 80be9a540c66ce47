# SPDX-License-Identifier: GPL-3.0-or-later
"""Detectors in Python: the template, scores of known data, and every way to go wrong."""
import hashlib
import json
import os
import pathlib
import shutil
import unittest

import h5py
import numpy as np

import harness

TEMPLATE = pathlib.Path(os.environ["HEADSCOPE_TEMPLATE"])
PLAN = {"prompts": [{"id": "p", "tokens": [1, 2, 3]}]}


class PythonDetectors(harness.Case):
    def setUp(self):
        super().setUp()
        self.plugins = self.folder / "plugins"
        self.plugins.mkdir()
        self.env = {"HEADSCOPE_PLUGINS": str(self.plugins), "XDG_DATA_HOME": str(self.folder / "data")}

    def add(self, script, name="mine", **fields):
        manifest = {"headscope_plugin": 1, "id": name, "kind": "python-detector", "module": f"{name}.py", "sdk": 2,
                    "title": "Mine", "description": "A test", "threshold": 0.5, **fields}
        (self.plugins / f"{name}.json").write_text(json.dumps(manifest))
        (self.plugins / f"{name}.py").write_text(script)

    def answer(self, plan=None, score=None):
        """A script that needs no package and answers these documents."""
        self.add(f"""
import json, sys
request = json.load(open(sys.argv[1]))
answer = {plan or PLAN!r} if request["phase"] == "plan" else {score!r}
json.dump(answer, open(sys.argv[2], "w"))
""")

    def detect(self, *args):
        return self.good("detect", "--model", self.small_model(), "--detectors", "mine", *args, env=self.env)

    def fails(self, *words, code="corrupt"):
        error = self.bad(code, "detect", "--model", self.small_model(), "--detectors", "mine", env=self.env)
        for word in words:
            self.assertIn(word, error["message"] + error["field"], error)
        self.assertIn("mine.py", error["file"])

    def test_names_are_checked_before_anything_is_written(self):
        for bad in ("", "..", "a/b", "a\0b"):
            self.answer(plan={"prompts": [{"id": bad, "tokens": [1, 2]}]})
            self.fails("prompts.id")
        self.answer(plan={"prompts": [{"id": "p", "tokens": [1]}, {"id": "p", "tokens": [2]}]})
        self.fails("two prompts")
        shape = self.good("model", "info", self.small_model())
        scores = [[0.25] * shape["n_heads"]] * shape["n_layers"]
        self.answer(score={"scores": scores, "findings": {"": 1}})
        self.fails("findings")

    def test_one_that_fails_costs_only_itself(self):
        shape = self.good("model", "info", self.small_model())
        scores = [[0.25] * shape["n_heads"]] * shape["n_layers"]
        script = """
import json, sys
request = json.load(open(sys.argv[1]))
answer = {"prompts": [{"id": "p", "tokens": [1, 2, 3]}]} if request["phase"] == "plan" else %r
json.dump(answer, open(sys.argv[2], "w"))
"""
        self.add(script % {"scores": scores}, "first")
        self.add(script % {"scores": scores, "findings": {"": 1}}, "broken")
        self.add(script % {"scores": scores}, "second")  # with a prompt of the same id
        out = self.folder / "all.h5"
        result = harness.run("detect", "--model", self.small_model(), "--detectors", "first,broken,second", "--out", out,
                             "--json", "--quiet", env=self.env)
        self.assertEqual(result.returncode, harness.EXIT["corrupt"])
        self.assertIn(b"broken.py", result.stderr)
        self.assertIn("failed", json.loads(result.stdout)["detectors"]["broken"]["skipped"])
        with h5py.File(out) as file:
            self.assertEqual(list(file["detectors"]), ["first", "second"])
            self.assertEqual(sorted(file["prompts"]), ["p", "second-p"])

    def test_an_answer_that_is_a_pipe(self):
        self.add("""
import os, sys
os.mkfifo(sys.argv[2])
""", timeout_s=600)
        self.fails("answer")  # a reader that waited for it would wait for ever

    def test_template(self):
        for file in (TEMPLATE / "python").glob("first_token.*"):
            shutil.copy(file, self.plugins)
        out = self.folder / "first.h5"
        model = self.small_model()
        found = self.good("detect", "--model", model, "--detectors", "first_token", "--set", "first_token.skip=2",
                          "--out", out, env=self.env)["detectors"]["first_token"]
        maps = self.folder / "maps.h5"
        self.good("attention", "--model", model, "--prompt", "The quick brown fox jumps over the lazy dog.", "--heads",
                  "all", "--precision", "float32", "--out", maps, env=self.env)
        with h5py.File(maps) as file:
            (group,) = file["attention"].values()
            pattern = group["pattern"][...]  # [head, query, key]
        wanted = pattern[:, 2:, 0].mean(axis=1).reshape(np.shape(found["scores"]))
        self.assertClose(found["scores"], wanted, 1e-6)
        self.assertEqual(found["findings"]["tokens"], 44)
        with h5py.File(out) as file:
            self.assertEqual(file["options/first_token"].attrs["skip"], 2)

    def test_everything_that_can_be_asked_for(self):
        self.add("""
import headscope_plugin
def plan(request):
    return {"prompts": [{"id": "a", "text": "abc"}, {"id": "b", "tokens": [7, 8]}],
            "capture": ["blocks.0.attn.hook_q", "blocks.0.attn.hook_k", "blocks.*.hook_resid_pre"],
            "weights": ["W_E", "W_U", "W_Q", "W_K", "W_V", "W_O"]}
def score(request, data):
    model = request["model"]
    shapes = {name: list(data.activation("a", name).shape) for name in ("blocks.0.attn.hook_q", "blocks.0.attn.hook_k")}
    assert shapes == {"blocks.0.attn.hook_q": [3, model["n_heads"], model["d_head"]],
                      "blocks.0.attn.hook_k": [3, model["n_kv_heads"], model["d_head"]]}, shapes
    # The residual before the first block is the embedding: W_E's rows.
    resid = data.activation("b", "blocks.0.hook_resid_pre")
    difference = float(abs(resid - data.weight("W_E")[[7, 8]]).max())
    assert data.weight("W_U").shape == (model["d_model"], model["d_vocab"])
    assert data.weight("W_K", 1).shape == (model["n_kv_heads"], model["d_model"], model["d_head"])
    assert data.weight("W_O", 1).shape == (model["n_heads"], model["d_head"], model["d_model"])
    assert [p["tokens"] for p in request["prompts"]][1] == [7, 8]
    scores = [[layer + head / 10 for head in range(model["n_heads"])] for layer in range(model["n_layers"])]
    scores[0][0] = float("nan")
    return {"scores": scores, "maps": {"twice": [[2 * s for s in row] for row in scores]},
            "findings": {"difference": difference, "note": "a text"}, "message": "look",
            "tables": {"where": {"layer": [1], "head": [0], "weight": [0.5], "word": ["abc"]}}}
headscope_plugin.main(plan, score)
""")
        out = self.folder / "mine.h5"
        found = self.detect("--out", out)["detectors"]["mine"]
        self.assertIsNone(found["scores"][0][0])
        self.assertAlmostEqual(found["scores"][1][1], 1.1, 6)
        self.assertEqual(found["heads"][0].split(".")[0], str(len(found["scores"]) - 1))
        self.assertEqual(found["message"], "look")
        self.assertEqual(found["findings"]["difference"], 0.0)
        with h5py.File(out) as file:
            self.assertEqual(list(file["detectors/mine/evidence/where/word"].asstr()[...]), ["abc"])

    def test_no_package_is_needed(self):
        model = json.loads((self.small_model() / "config.json").read_text())
        rows, heads = model["num_hidden_layers"], model["num_attention_heads"]
        self.answer(score={"scores": [[1.0] * heads] * rows})
        self.assertEqual(self.detect()["detectors"]["mine"]["scores"], [[1.0] * heads] * rows)

    def test_an_option_that_names_a_file(self):
        model = json.loads((self.small_model() / "config.json").read_text())
        rows, heads = model["num_hidden_layers"], model["num_attention_heads"]
        self.add(f"""
import json, sys
request = json.load(open(sys.argv[1]))
score = float(open(request["options"]["numbers"]).read())
answer = {PLAN!r} if request["phase"] == "plan" else {{"scores": [[score] * {heads}] * {rows}}}
json.dump(answer, open(sys.argv[2], "w"))
""", options=[{"name": "numbers", "default": "", "help": "a number", "file": True}])
        (self.folder / "here.txt").write_text("0.25")
        out = self.folder / "mine.h5"
        found = self.good("detect", "--model", self.small_model(), "--detectors", "mine", "--set", "mine.numbers=here.txt", "--out", out, env=self.env,
                          cwd=self.folder)  # not the folder that the script runs in
        self.assertEqual(found["detectors"]["mine"]["scores"], [[0.25] * heads] * rows)
        with h5py.File(out) as file:
            self.assertEqual(file["detectors/mine"].attrs["numbers_sha256"], hashlib.sha256(b"0.25").hexdigest())
        self.bad("not_found", "detect", "--model", "none.gguf", "--detectors", "mine", "--set", "mine.numbers=none.txt", file="none.txt",
                 field="--set mine.numbers", env=self.env)

    def test_bad_answers(self):
        for score in (None, 7, [], {}, {"scores": 1}, {"scores": [[1.0]]}, {"scores": [["a", "b"]]}):
            with self.subTest(score):
                self.answer(score=score)
                self.fails()
        self.answer(plan={"prompts": 1})
        self.fails("prompts")
        self.answer(plan={"prompts": [{"id": "a/b", "tokens": [1]}]})
        self.fails("'a/b'")
        self.answer(plan={"prompts": [{"id": "p", "tokens": [10 ** 6]}]})
        self.fails("outside the vocabulary", code="mismatch")
        self.answer(plan={"prompts": [{"id": "p", "tokens": []}]})
        self.fails("has 0 tokens", code="mismatch")
        self.answer(plan={**PLAN, "capture": ["blocks.0.hook_nothing"]})
        self.fails("hook_nothing", code="not_found")
        self.answer(plan={**PLAN, "weights": ["W_X"]})
        self.fails("W_X", code="not_found")

    def test_scripts_that_fail(self):
        self.add("import sys; print('loading', file=sys.stderr); raise ValueError('no such layer')")
        self.fails("exit status 1", "phase 'plan'", "ValueError: no such layer", code="unsupported")
        self.add("import os; os.kill(os.getpid(), 11)")
        self.fails("signal 11", code="unsupported")
        self.add("pass")
        self.fails("is missing")
        self.add("import sys; open(sys.argv[2], 'w').write('{')")
        self.fails("is no JSON")

    def test_time_limit(self):
        self.add("import time; time.sleep(1000000)", timeout_s=0.5)
        self.fails("did not end within 1 s", code="unsupported")

    def test_bad_manifests(self):
        for fields, words in (({"title": 3}, "title"), ({"threshold": "x"}, "threshold"), ({"options": 1}, "options"),
                              ({"options": [{"name": "n"}]}, "default"), ({"options": [{"name": "n", "default": 1, "file": True}]}, "file"), ({"timeout_s": -1}, "timeout_s"),
                              ({"options": [{"name": "threshold", "default": 1}]}, "two options"), ({"sdk": 1}, "SDK 1")):
            with self.subTest(fields):
                self.add("pass", **fields)
                plugin = [p for p in self.good("plugins", "list", env=self.env)["plugins"] if p["id"] == "mine"][0]
                self.assertEqual(plugin["state"], "refused")
                self.assertIn(words, plugin["reason"])

    def test_no_python(self):
        self.add("pass")
        self.env["HEADSCOPE_PYTHON"] = str(self.folder / "no-python")
        plugin = [p for p in self.good("plugins", "list", env=self.env)["plugins"] if p["id"] == "mine"][0]
        self.assertIn("needs Python", plugin["reason"])


if __name__ == "__main__":
    unittest.main()
