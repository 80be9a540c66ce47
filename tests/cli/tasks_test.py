# SPDX-License-Identifier: GPL-3.0-or-later
"""Tasks: lists, files of pairs, and the commands that take them."""
import csv
import json
import unittest

import h5py

from harness import SMOLLM2, Case, run

NAMES = ["ioi", "greater_than", "gendered_pronoun", "docstring", "colored_objects", "multiple_choice", "successor", "agreement", "graph"]


@unittest.skipUnless(SMOLLM2.exists(), f"{SMOLLM2} is missing; run scripts/bootstrap")
class Tasks(Case):
    def make(self, *args):
        return self.good("tasks", "make", *args, "--model", SMOLLM2)

    def test_list(self):
        listed = self.good("tasks", "list")["tasks"]
        self.assertEqual([t["name"] for t in listed], NAMES)
        self.assertEqual(listed[0]["counterfactuals"], ["abc", "flip"])
        self.assertIn("colored_objects", run("tasks", "list").stdout.decode())

    def test_files_hold_what_json_says(self):
        for name in ("greater-than", "docstring"):
            made = self.make(name, "--count", 12, "--seed", 4)
            self.assertEqual(len(made["pairs"]), 12)
            for end in ("csv", "jsonl", "json"):
                path = self.folder / f"{name}.{end}"
                again = self.make(name, "--count", 12, "--seed", 4, "--out", path)
                self.assertEqual(again, made)
                if end == "csv":
                    with open(path, newline="") as file:
                        rows = [{**r, "answer": r["answer"].split("|"), "wrong": r["wrong"].split("|")} for r in csv.DictReader(file)]
                        rows = [{k: v for k, v in r.items() if v not in ("", [""])} for r in rows]
                elif end == "jsonl":
                    rows = [json.loads(line) for line in path.read_text().splitlines()]
                else:
                    rows = json.loads(path.read_text())["pairs"]
                wanted = [{k: v for k, v in p.items() if v != []} for p in made["pairs"]]
                self.assertEqual([{k: v for k, v in r.items() if v != []} for r in rows], wanted, f"{name}.{end}")
                if end != "json":  # a file is a task again: nothing is lost on the way
                    same = self.make(path)["pairs"]
                    for pair in wanted:
                        pair.pop("variant", None)
                    self.assertEqual([{k: v for k, v in p.items() if v != []} for p in same], wanted)
                    for pair, row in zip(wanted, made["pairs"]):
                        if "variant" in row:
                            pair["variant"] = row["variant"]

    def test_pairs_that_do_not_align_are_counted(self):
        path = self.folder / "pairs.csv"
        path.write_text("clean,corrupted,answer,wrong\nThe keys near the door,The key near the door, are, is\n"
                        "The keys near the door,The hippopotamuses near the door, are, is\n"
                        "The book near the door,The books near the door, floccinaucinihilipilification, are\n")
        made = self.make(path)
        self.assertEqual(len(made["pairs"]), 1)
        self.assertEqual(sorted(made["dropped"].values()), [1, 1])
        said = run("tasks", "make", path, "--model", SMOLLM2).stderr.decode()
        self.assertIn("1 dropped: an answer is not one token", said)
        out = self.folder / "direct.h5"
        self.good("attribute", "--task", path, "--model", SMOLLM2, "--out", out)
        with h5py.File(out) as file:
            self.assertIn("1 dropped: an answer is not one token", list(file["prompts"].attrs["dropped"]))
            self.assertEqual(len(file["prompts"]), 1)

    def test_bad_requests(self):
        model = ("--model", SMOLLM2)
        self.bad("not_found", "tasks", "make", "nothing", *model, field="--task")
        self.bad("invalid_argument", "tasks", "make", "ioi", "--corruption", "x", *model, field="--corruption")
        self.bad("invalid_argument", "tasks", "make", "ioi", "--variant", "x", *model, field="--variant")
        self.bad("invalid_argument", "tasks", "make", "ioi", "--out", self.folder / "x.txt", *model, field="--out")
        taken = self.folder / "taken.csv"
        taken.write_text("")
        self.bad("already_exists", "tasks", "make", "ioi", "--out", taken, *model, file=taken)
        self.bad("unsupported", "tasks", "make", "successor", "--variant", "days", "--count", 1000, *model, field="count")
        self.bad("invalid_argument", "patch", "--task", "ioi", "--ioi", 3, *model, field="--task")
        self.bad("not_found", "ablate", "--task", "nothing", *model, field="--task")

    def test_commands_take_tasks(self):
        model = ("--model", SMOLLM2)
        patched = self.folder / "patch.h5"
        got = self.good("patch", "--task", "gendered-pronoun", "--count", 2, "--site", "z", "--out", patched, *model)
        self.assertEqual(len(got["restored"]), 30)
        with h5py.File(patched) as file:
            self.assertEqual(file["options/patch"].attrs["task"], "gendered-pronoun")
            self.assertEqual(file["patching/z"].attrs["pairs"], 2)
            self.assertIn("pair-1-corrupt", file["prompts"])
        one = [self.good("patch", "--clean", p["clean"], "--corrupt", p["corrupted"], "--answer", p["answer"][0], "--wrong", p["wrong"][0],
                         "--site", "z", *model) for p in self.make("gendered_pronoun", "--count", 2)["pairs"]]
        self.assertClose(got["restored"][20], [(a + b) / 2 for a, b in zip(one[0]["restored"][20], one[1]["restored"][20])], 1e-4)
        self.assertClose(got["clean"], (one[0]["clean"] + one[1]["clean"]) / 2, 1e-4)
        old = self.good("attribute", "--ioi", 2, "--ioi-seed", 5, *model)
        self.assertEqual(old, self.good("attribute", "--task", "ioi", "--count", 2, "--task-seed", 5, *model))
        ablated = self.good("ablate", "--task", "greater_than", "--count", 2, "--metric", "prob_diff", "--heads", "29", *model)
        self.assertEqual([p["id"] for p in ablated["prompts"]], ["greater_than-0", "greater_than-1"])
        got = self.good("circuit", "--task", "agreement", "--count", 2, "--method", "eap", "--top-n", 50, *model)
        self.assertEqual(got["task"], "agreement (number)")


if __name__ == "__main__":
    unittest.main()
