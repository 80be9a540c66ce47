# SPDX-License-Identifier: GPL-3.0-or-later
"""The method of CONTRIBUTING.md's walk-through works in the program that was built with it."""
import json
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


if __name__ == "__main__":
    unittest.main()
