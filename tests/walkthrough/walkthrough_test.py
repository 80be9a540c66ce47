# SPDX-License-Identifier: GPL-3.0-or-later
"""The method and the metric of CONTRIBUTING.md's walk-throughs work in the program that was built with them."""
import json
import math
import unittest

from harness import Case, run


class WalkThrough(Case):
    def test_it_is_a_method_like_the_others(self):
        listed = {method["id"]: method for method in json.loads(run("methods", "--json").stdout)}
        self.assertIn("count", listed)
        self.assertEqual([option["flag"] for option in listed["count"]["options"]], ["--least"])

    def test_it_counts(self):
        model = self.small_model()
        self.assertEqual(self.good("count", "--model", model, "--prompt", "abcd", "--no-bos"), {"tokens": 4})
        self.assertEqual(self.good("count", "--model", model, "--prompt", "abcd", "--no-bos", "--least", 5), {"tokens": 0})
        self.bad("invalid_argument", "count", "--model", model, "--prompt", "abcd", "--least", -1)
        self.assertEqual(run("count", "--model", model, "--prompt", "abcd", "--no-bos").stdout, b"4 tokens\n")

    def test_the_metric_is_one_like_the_others(self):
        listed = {method["id"]: method for method in json.loads(run("methods", "--json").stdout)}
        for method in ("ablate", "patch", "circuit"):
            metric = next(option for option in listed[method]["options"] if option["name"] == "metric")
            self.assertIn("answer_log_prob", [choice["name"] for choice in metric["choices"]])
        model = self.small_model()
        prompt = ("--model", model, "--prompt", "abcd")
        top = self.good("logits", *prompt, "--top", 101)["top"]
        expected = math.log(next(token["probability"] for token in top if token["piece"] == "e"))
        found = self.good("ablate", *prompt, "--answer", "e", "--metric", "answer_log_prob")
        self.assertAlmostEqual(found["clean"], expected, 5)
        self.bad("invalid_argument", "ablate", *prompt, "--metric", "answer_log_prob", field="answer")  # what it needs is asked for


if __name__ == "__main__":
    unittest.main()
