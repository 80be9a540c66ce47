# SPDX-License-Identifier: GPL-3.0-or-later
"""Help, versions, and the rules that every command keeps."""
import functools
import json
import re
import unittest

from harness import GOLDEN, Case, run

COMMANDS = ["model info", "tokens", "logits", "generate", "detect", "ablate", "patch", "attention", "lens", "attribute", "circuit",
            "circuit compare", "circuit export", "paths", "plant", "survey", "bench sweep", "bench peak", "bench growth",
            "bench compare", "bench eap-ig", "bench load", "export", "inspect", "adjust", "calibrate", "mask", "merge", "reproduce", "run", "tasks make", "circuit benchmark",
            "activations", "examples", "methods", "steer", "weights"]


@functools.cache
def help_of(command):
    return run(*command.split(), "--help")


class Help(Case):
    def test_every_command_ends_with_an_example(self):
        for command in COMMANDS:
            result = help_of(command)
            self.assertEqual(result.returncode, 0)
            self.assertEqual(result.stderr, b"")
            lines = result.stdout.decode().rstrip().splitlines()
            self.assertEqual(lines[-2], "Example:", command)
            self.assertTrue(lines[-1].startswith(f"  headscope {command} "), lines[-1])

    def test_the_program_lists_them(self):
        said = run("--help").stdout.decode()
        for command in COMMANDS:
            self.assertRegex(said, rf"\n  {command.split()[0]} ")

    def test_the_document_has_every_option(self):
        docs = GOLDEN.parents[1] / "docs"
        common = (docs / "command-line.md").read_text()
        for command in COMMANDS:
            page = docs / "methods" / (command.replace(" ", "-") + ".md")
            text = common + (page.read_text() if page.exists() else "")
            self.assertIn(f"headscope {command}", text)
            for option in re.findall(r"(?m)^  (?:-\w,)?(--[a-z][a-z-]+)", help_of(command).stdout.decode()):
                self.assertIn(f"`{option}", text, command)

    def test_a_model_is_named_in_one_of_two_ways(self):
        self.assertNotIn(b"REQUIRED", help_of("model info").stdout)
        model = self.small_model()
        self.assertEqual(self.good("model", "info", model), self.good("model", "info", "--model", model))
        self.bad("invalid_argument", "model", "info", field="MODEL")

    def test_versions(self):
        said = run("--version").stdout.decode()
        for pattern in (r"^headscope \d+\.\d+\.\d+$", r"^LibTorch \d+\.\d+", r"^HDF5 1\.\d+\.\d+$", r"(?i)^(CPU|CUDA)"):
            self.assertRegex(said, re.compile(pattern, re.MULTILINE))


class Output(Case):
    def test_json_is_one_document_and_all_of_it(self):
        model = self.small_model()
        for call in (("tokens", "--model", model, "--text", "ab"), ("logits", "--model", model, "--prompt", "ab"), ("model", "info", model),
                     ("generate", "--model", model, "--prompt", "ab", "-n", "3"), ("detect", "--list"),
                     ("ablate", "--model", model, "--prompt", "ab", "--answer", "c", "--wrong", "d"),
                     ("attention", "--model", model, "--prompt", "ab", "--out", self.folder / "a.h5"), ("inspect", self.folder / "a.h5")):
            result = run(*call, "--json")
            self.assertEqual(result.returncode, 0, result.stderr.decode())
            self.assertEqual(result.stdout.count(b"\n"), 1)
            json.loads(result.stdout)

    def test_broken_utf8_stays_json(self):
        (self.folder / "text").write_bytes(b"a\xff\xc3")
        model = self.small_model()
        # The small vocabulary has no token for such bytes; the answer is still one document.
        result = run("tokens", "--model", model, "--text-file", self.folder / "text", "--json")
        json.loads(result.stdout.decode("utf-8", errors="strict"))

    def test_what_people_read(self):
        model = self.small_model()
        said = run("logits", "--model", model, "--prompt", "ab", "--top", 2).stdout.decode().splitlines()
        self.assertEqual(said[0].split(), ["logit", "probability", "id", "token"])
        self.assertEqual(len(said), 3)
        info = run("model", "info", model).stdout.decode()
        for words in ("architecture  llama", "heads         4 of 8, sharing 2 K/V heads", "SHA-256", "no stored reference for this file"):
            self.assertIn(words, info)

    def test_detectors_and_their_options(self):
        listed, said = {d["id"]: d for d in self.good("detect", "--list")}, run("detect", "--list").stdout.decode()
        for name in ("retrieval", "successor", "sink", "induction", "previous", "duplicate"):
            self.assertTrue(listed[name]["options"])
            self.assertIn(f"{name}.threshold", said)

    def test_chat_needs_a_template(self):
        self.bad("not_found", "logits", "--model", self.small_model(), "--prompt", "ab", "--chat", field="template")


class Inspect(Case):
    def test_shapes_units_and_options(self):
        out = self.folder / "a.h5"
        self.good("attention", "--model", self.small_model(), "--prompt", "abcde", "--heads", "1.2", "--out", out)
        tree = self.good("inspect", out)
        groups = {child["name"]: child for child in tree["children"]}
        self.assertTrue(tree["attributes"]["complete"])
        self.assertEqual(groups["model"]["attributes"]["architecture"], "llama")
        pattern = next(c for c in groups["attention"]["children"][0]["children"] if c["name"] == "pattern")
        self.assertEqual(pattern["shape"], [1, 5, 5])
        self.assertEqual(pattern["attributes"]["units"], "1")
        said = run("inspect", out).stdout.decode()
        self.assertIn("pattern  [head 1, query 5, key 5] float16", said)


if __name__ == "__main__":
    unittest.main()
