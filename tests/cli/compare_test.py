# SPDX-License-Identifier: GPL-3.0-or-later
"""headscope compare, route and mechanisms: losses against those of the model's own logits, mechanisms that are full attention in other words, result files, errors."""
import unittest

import h5py
import numpy as np

from harness import ALPHABET, GOLDEN, Case, read_safetensors, text_of

ONE_THREAD = ["--threads", "1"]


class OnAText(Case):
    """A text whose logits transformers gave."""
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


class Compare(OnAText):
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
                 "strided:stride=3", "none", "boost:spans=1-2,alpha=2", "act:theta=0.05,beta=0", "moh:top=1", "moh:router=oracle,top=1", "linear",
                 "aaren", "aaren:query=fixed", "hcam:chunk=2,top=1", "titans", "lowrank:rank=2", "routing:clusters=2,keys=2",
                 "hyper:exact=2,block=1,sample=1", "conv", "window:window=2@layers=0", "topk:k=1@heads=1.0"]
        got = self.good(*self.call(*(word for spec in specs for word in ("--attention", spec))))
        self.assertEqual([each["attention"] for each in got["mechanisms"]], specs)
        for each in got["mechanisms"]:
            self.assertGreater(each["kl"], 1e-6, each["attention"])
            self.assertGreater(each["z_error"], 1e-4, each["attention"])
        one = got["mechanisms"][-1]["heads"]["keys"]
        self.assertEqual(one[1][0], 1)
        self.assertIsNone(one[0][0])
        self.assertIsNone(one[1][1])

    def test_heads_that_survive(self):
        out = self.folder / "survival.h5"
        call = self.call("--attention", "full", "--attention", "none", "--no-heads", "--detectors", "induction", "--set", "induction.n=8", "--set",
                         "induction.threshold=0.05", "--out", out)
        kept, lost = (each["detectors"][0] for each in self.good(*call)["mechanisms"])
        self.assertGreater(kept["named_by_full"], 0)
        self.assertEqual((kept["kept"], kept["added"]), (kept["named_by_full"], 0))
        self.assertEqual((lost["named_by_full"], lost["kept"], lost["added"]), (kept["named_by_full"], 0, 0))
        # full attention's scores are those that `detect` finds
        found = self.good("detect", "--model", self.small_model("llama"), "--detectors", "induction", "--set", "induction.n=8", "--set",
                          "induction.threshold=0.05", *ONE_THREAD)["detectors"]["induction"]
        self.assertEqual([each["head"] for each in kept["heads"]], found["heads"])
        with h5py.File(out) as file:
            table = file["comparison/survival"]
            self.assertEqual(list(table["named_by_full"]), [1] * 2 * kept["named_by_full"])
            self.assertEqual(list(table["named"]), [1] * kept["kept"] + [0] * kept["kept"])
        self.bad("invalid_argument", *self.call("--attention", "full", "--set", "induction.n=8"), field="--set")

    def test_dry_run(self):
        got = self.good(*self.call("--attention", "window:window=3", "--attention", "topk:k=2", "--lengths", f"6,{len(self.tokens)}", "--dry-run"))
        self.assertEqual(got["runs"], 2 * 3 + 1 + 2)
        self.assertGreater(got["seconds"], 0)
        self.bad("invalid_argument", *self.call("--attention", "topk:k=1@layers=77", "--dry-run"), field="--attention")

    def test_lengths_and_file(self):
        out, n = self.folder / "out.h5", len(self.tokens)
        got = self.good(*self.call("--attention", "window:window=3", "--attention", "full", "--lengths", f"{n},5", "--out", out))
        rows = got["mechanisms"][1]["lengths"]
        self.assertEqual([row["tokens"] for row in rows], [5, n])
        self.assertAlmostEqual(rows[0]["nll"], self.loss[:4].mean(), delta=1e-4)
        with h5py.File(out) as file:
            group = file["comparison"]
            self.assertEqual(group["mechanisms/attention"].asstr()[:].tolist(), ["full"] * 2 + ["window:window=3"] * 2 + ["full"] * 2 + ["none"])
            self.assertClose(group["mechanisms/nll"][5], self.loss.mean(), 1e-4)
            self.assertClose(group["mass_kept"][0], np.array(got["mechanisms"][0]["heads"]["mass_kept"]), 1e-12)
            costs = file["comparison/costs"]
            self.assertEqual(costs["attention"].asstr()[:].tolist(), ["window:window=3"])
            seen = len(group["keys"][0].ravel()) * (3 * n - 3)
            self.assertEqual(costs["keys_attended"][:].tolist(), [seen])
            for name in ("keys_scored", "keys_attended", "bytes_read"):
                self.assertEqual(costs[name][:].tolist(), [got["mechanisms"][0][name]])
            self.assertGreaterEqual(got["mechanisms"][0]["keys_scored"], seen)
            self.assertEqual(file["prompts/text/token_ids"][:].tolist(), self.tokens.tolist())

    def test_bounds_and_needles(self):
        """Full attention and none stand beside what is compared; a needle is asked of each at its depths."""
        out, n = self.folder / "out.h5", len(self.tokens)
        letters = [text_of(self.tokens[i:i + 1]) for i in (2, 3, 4)]
        got = self.good(*self.call("--attention", "window:window=1", "--attention", "topk:k=99", "--needle", letters[0], "--question", letters[1],
                                   "--answer", letters[2], "--depths", "0,1", "--out", out))
        self.assertAlmostEqual(got["full"]["nll"], self.loss.mean(), delta=1e-4)
        self.assertGreater(got["floor"]["kl"], 1e-5)
        self.assertFalse(got["beyond_context"])
        window, topk = got["mechanisms"]
        self.assertEqual([(each["tokens"], each["depth"]) for each in window["needles"]], [(n, 0), (n, 1)])
        for mine, full in zip(topk["needles"], got["full"]["needles"]):
            self.assertAlmostEqual(mine["nll"], full["nll"], delta=1e-5)
        self.assertGreater(abs(window["needles"][1]["nll"] - got["full"]["needles"][1]["nll"]), 1e-5)
        self.assertAlmostEqual(topk["overlap"], 1, delta=1e-9)
        self.assertAlmostEqual(window["compositional_index"] + topk["compositional_index"], 0, delta=1e-9)
        with h5py.File(out) as file:
            self.assertEqual(len(file["comparison/needles/nll"]), 6)
        self.assertIn("--needle", self.bad("invalid_argument", *self.call("--attention", "full", "--needle", "x"))["field"])

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
        # A cache under a plan: each token is the one that the logits of the text so far say.
        for spec in ("hip:k=2,window=4,block_q=4,block_k=1", "longheads:chunk=2,chunks=3,begin=2", "streaming:sinks=1,window=3,positions=cache",
                     "act:theta=0.05", "conv"):
            made = self.good("generate", *call, "--attention", spec, "--max-new-tokens", "1")
            first = self.good("logits", *call, "--attention", spec)["top"][0]["id"]
            self.assertEqual(made["ids"][:1], [first], spec)


class Context(OnAText):
    def call(self, *more):
        return ["context", "--model", self.small_model("llama"), "--text-file", self.text, "--no-bos", *more, *ONE_THREAD]

    def test_whole_text_and_one_segment(self):
        got = self.good(*self.call("--manager", "hmt", "--manager", "hcam", "--manager", "titans", "--segment", 100))
        for each in (got["whole"], got["alone"], *got["managers"]):
            self.assertAlmostEqual(each["nll"], self.loss.mean(), delta=1e-4)
            self.assertAlmostEqual(each["kl"], 0, delta=1e-6)

    def test_segments_file_and_needle(self):
        out, specs = self.folder / "context.h5", ["hmt:sensory=2,summary=mean", "titans:reads=2"]
        got = self.good(*self.call("--manager", specs[0], "--manager", specs[1], "--segment", 8, "--length", 12, "--out", out, "--needle", "abc", "--question", "ab",
                                   "--answer", "c", "--depths", "0,0.9"))
        self.assertEqual(got["segments"], 2)
        self.assertEqual([each["manager"] for each in got["managers"]], specs)
        hmt, titans = got["managers"]
        self.assertAlmostEqual(hmt["recall"][1][0], 1, delta=1e-6)  # the only one
        self.assertEqual(len(titans["surprise"]), 12)
        self.assertNotIn("surprise", hmt)
        self.assertEqual([each["segment"] for each in hmt["needles"]], [0, 1])
        self.assertTrue(all(each["rank"] in (1, 2) for each in hmt["needles"]))
        self.assertIsNone(got["alone"]["needles"][0]["rank"])
        with h5py.File(out) as file:
            self.assertEqual(file["contexts/recall"].shape, (2, 2, 2))
            np.testing.assert_allclose(file["contexts/surprise"][0], titans["surprise"], rtol=1e-6)
            self.assertEqual([name.decode() for name in file["contexts/managers/manager"]], ["whole", "alone", *specs])

    def test_errors_name_the_option(self):
        self.bad("invalid_argument", *self.call("--manager", "htm"), field="--manager")
        self.bad("invalid_argument", *self.call("--manager", "hmt:sensory=-1"), field="--manager")
        self.bad("invalid_argument", *self.call(), field="--manager")
        self.bad("invalid_argument", "context", "--model", self.small_model("llama"), "--manager", "hmt", field="--text-file")
        self.assertEqual({each["id"] for each in self.good("context", "--list")}, {"alone", "hcam", "hmt", "titans"})


class Route(Case):
    def test_plan_keeps_to_its_budget(self):
        """The plan that is written gives the KL that was said, through compare."""
        text, plan, duo, out = (self.folder / name for name in ("text.txt", "plan.txt", "heads.tsv", "route.h5"))
        text.write_text(ALPHABET[7:57] * 2, newline="")
        call = ["--model", self.small_model("llama"), "--no-bos", *ONE_THREAD]
        route = ["route", *call, "--text-file", text, "--length", "40", "--candidate", "window:window=2", "--candidate",
                 "streaming:sinks=1,window=8", "--plan-out", plan, "--duo-out", duo]
        most = self.good(*route, "--budget", "99", "--out", out)
        self.assertEqual(most["full_heads"], 0)
        self.assertEqual(plan.read_text(), most["plan"] + "\n")
        self.bad("already_exists", *route)
        got = self.good(*route, "--budget", most["chosen"]["kl"] / 4, "--replace")
        self.assertLessEqual(got["chosen"]["kl"], most["chosen"]["kl"] / 4)
        self.assertNotEqual(got["plan"], most["plan"])
        again = self.good("compare", *call, "--text-file", text, "--lengths", "40", "--attention", plan.read_text().strip())
        self.assertAlmostEqual(again["mechanisms"][0]["kl"], got["chosen"]["kl"], delta=1e-5)
        rows = [line.split("\t") for line in duo.read_text().splitlines()]
        self.assertEqual((len(rows), len(rows[0])), (2, 2))
        with h5py.File(out) as file:
            self.assertClose(file["route/kl"][:], np.array([each["kl"] for each in most["candidates"]]), 1e-12)
            self.assertEqual(file["route"].attrs["plan"], most["plan"])
        self.bad("invalid_argument", *route[:-4], "--candidate", "full")

    def test_traits_of_heads(self):
        text, out = self.folder / "text.txt", self.folder / "traits.h5"
        text.write_text(ALPHABET[7:57], newline="")
        got = self.good("traits", "--model", self.small_model("llama"), "--no-bos", "--text-file", text, "--length", "40", "--out", out, *ONE_THREAD)
        self.assertEqual(got["tokens"], 40)
        self.assertEqual((len(got["state_rank"]), len(got["state_rank"][0]), len(got["mean_surprise"])), (2, 4, 40))
        with h5py.File(out) as file:
            self.assertClose(file["traits/decay"][:], np.array(got["decay"]), 1e-12)
            self.assertEqual(file["traits/surprise"].shape, (2, 4, 40))
            self.assertClose(file["traits/surprise"][:].mean((0, 1)), np.array(got["mean_surprise"]), 1e-9)
        self.bad("invalid_argument", "traits", "--model", self.small_model("llama"), "--text-file", text, "--skip", "45", *ONE_THREAD)

    def test_mechanisms_are_listed(self):
        every = {each["id"]: each for each in self.good("mechanisms")}
        self.assertEqual(every["hip"]["queries"], "beside")
        self.assertEqual({each["name"]: each["default"] for each in every["hip"]["options"]},
                         {"k": 512, "window": 128, "block_q": 32, "block_k": 2, "sinks": 0})
        self.assertFalse(every["linear"]["drop_in"])
        self.assertEqual(self.bad("not_found", "mechanisms", "hop")["field"], "MECHANISM")


if __name__ == "__main__":
    unittest.main()
