# SPDX-License-Identifier: GPL-3.0-or-later
"""Methods and their options are said once: flags, keys, records and pages come from the methods' own lists."""
import json
import pathlib
import re
import subprocess
import sys
import unittest

import h5py
import numpy as np

from harness import GOLDEN, PROGRAM, Case, run

ROOT = GOLDEN.parents[1]
# Options of the face and not of a method.
FACE = {"--json", "--quiet", "--help", "--out", "--force", "--resumable"}


def methods():
    return json.loads(run("methods", "--json").stdout)


def flags_of(method):
    options = method["model"] + method["inputs"] + method["options"]
    return {option["flag"] for option in options if option["flag"] and not option["positional"]} | {
        more for option in options for more in option["more_flags"] if more.startswith("--")}


class Lists(Case):
    def test_the_command_line_knows_the_options_of_the_lists_and_no_others(self):
        for method in methods():
            said = run(*method["id"].split(), "--help").stdout.decode()
            # The beginning of an entry; its exclusions and help follow.
            begins = re.findall(r"^  ((?:-\w,)?--[a-z][a-z-]*(?:,--[a-z][a-z-]*)*)", said, re.M)
            shown = {flag for names in begins for flag in names.split(",") if flag.startswith("--")}
            self.assertEqual(shown - FACE, flags_of(method) - FACE, method["id"])

    def test_every_option_says_what_it_is(self):
        for method in methods():
            self.assertTrue(method["summary"] and method["example"].startswith(f"headscope {method['id']}"), method["id"])
            for option in method["model"] + method["inputs"] + method["options"]:
                where = f"{method['id']} {option['name']}"
                self.assertRegex(option["name"], r"^[a-z][a-z0-9_]*$|^[A-Z]+$", where)
                self.assertTrue(option["help"], where)
                self.assertRegex(option["since"], r"^\d+\.\d+$", where)
                if option["type"] == "choice":
                    self.assertIn(option["default"], [choice["name"] for choice in option["choices"]], where)
                # Where a face does not offer an option, there is a reason.
                self.assertEqual(option["flag"] is None or option["key"] is None, bool(option["only_because"]), where)

    def test_flags_keys_and_defaults_of_before_are_still_there(self):
        pinned = json.loads((pathlib.Path(__file__).parent / "pinned_options.json").read_text())
        now = {method["id"]: method for method in methods()}
        for name, options in pinned.items():
            known = {}
            for option in now[name]["model"] + now[name]["inputs"] + now[name]["options"]:
                for flag in filter(None, [option["flag"], *option["more_flags"]]):
                    known[flag] = option
            for flag, default in options["flags"].items():
                self.assertIn(flag, known, name)
                if default:
                    self.assertEqual(known[flag]["default"], default, f"{name} {flag}")
            keys = {option["key"] for option in now[name]["options"]}
            self.assertLessEqual(set(options["keys"]), keys, name)

    def test_pages_are_what_the_lists_say(self):
        check = subprocess.run([sys.executable, ROOT / "scripts" / "method-pages", "--check", "--headscope", PROGRAM], capture_output=True, check=False)
        self.assertEqual((check.returncode, check.stdout.decode()), (0, ""))

    def test_one_method_by_name(self):
        self.assertEqual([m["id"] for m in self.good("methods", "circuit benchmark")], ["circuit benchmark"])
        self.bad("not_found", "methods", "ablat")
        self.assertIn("--mean-by-position", run("methods", "ablate").stdout.decode())


class Records(Case):
    def test_a_result_has_every_option_of_its_method(self):
        model, out = self.small_model(), self.folder / "a.h5"
        self.good("ablate", "--model", model, "--prompt", "ab", "--answer", "c", "--wrong", "d", "--out", out)
        listed = next(m for m in methods() if m["id"] == "ablate")
        with h5py.File(out) as file:
            recorded = set(file["options/ablate"].attrs)
        self.assertLessEqual({o["name"] for o in listed["options"]} - {"prompts_per_cell"}, recorded)

    def test_an_experiment_takes_every_key_of_the_list(self):
        model = self.small_model()
        samples = {"flag": "false", "integer": "1", "number": "0.5", "text": None, "choice": None, "texts": None, "integers": None, "numbers": None}
        for method in methods():
            if not method["in_experiments"]:
                continue
            lines = []
            for option in method["options"]:
                if option["key"] is None:
                    continue
                value = json.dumps(option["default"]) if option["type"] == "choice" else samples[option["type"]]
                if value is not None:
                    lines.append(f"{option['key']} = {value}")
            task = "" if method["id"] == "detect" else '[[task]]\nname = "ioi"\ncount = 1\n'
            toml = self.folder / "e.toml"
            toml.write_text(f'[model]\npath = "{model}"\n{task}[[step]]\nmethod = "{method["id"]}"\n'
                            + ('task = "ioi"\n' if task else "") + "\n".join(lines) + '\nnobody_reads_this = 1\n')
            error = json.loads(run("run", toml, "--out", self.folder / "e.h5", "--json").stdout)["error"]
            self.assertIn("nobody_reads_this", error["field"], f"{method['id']}: {error}")


def numbers(path):
    """{(group, name, shape): array} of what was measured."""
    found = {}

    def take(name, node):
        parts = name.split("/")
        if isinstance(node, h5py.Dataset) and node.dtype.kind == "f" and parts[0] not in ("prompts", "options"):
            found[parts[0], parts[-1], node.shape] = node[()]
    with h5py.File(path) as file:
        file.visititems(take)
    return found


class Resumable(Case):
    """Cell by cell a method measures what it does at once; how such a run is gone on with is in interruption_test.py."""
    MORE = {"adjust": ["--steer", "0.1=first", "--seeds", "1"], "circuit": ["--steps", "2", "--top-n", "8"],
            "detect": ["--detectors", "induction", "--set", "induction.n=12"]}

    def test_every_method_with_cells_measures_the_same(self):
        model, pairs = self.small_model(), self.folder / "pairs.csv"
        pairs.write_text("clean,corrupted,answer,wrong\nabcab,abdab,c,d\nxyzxy,xywxy,z,w\n")
        for name in [method["id"] for method in methods() if method["in_experiments"]]:
            call = [name, "--model", model, *self.MORE.get(name, []), *([] if name == "detect" else ["--task", pairs])]
            at_once, by_cells = self.folder / f"{name}.h5", self.folder / f"{name}-cells.h5"
            self.good(*call, "--out", at_once)
            report = self.good(*call, "--out", by_cells, "--resumable")
            self.assertEqual((report["complete"], report["finished"], report["resumed"]), (True, report["cells"], 0), name)
            self.assertFalse(by_cells.with_name(f"{name}-cells.h5.journal").exists())
            wanted, got = numbers(at_once), numbers(by_cells)
            self.assertEqual(set(got), set(wanted), name)
            self.assertTrue(wanted, name)
            for key, values in wanted.items():
                np.testing.assert_allclose(got[key], values, atol=1e-5, err_msg=f"{name} {key}")


if __name__ == "__main__":
    unittest.main()
