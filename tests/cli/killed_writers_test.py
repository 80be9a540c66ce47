# SPDX-License-Identifier: GPL-3.0-or-later
"""Every command that writes a file, stopped in the middle of a write, at a byte that the test chooses: killed by a module
that is loaded before it (kill_after.c), or refused by the kernel, since its files may not grow beyond a limit. Nothing here
depends on time.
"""
import os
import resource
import shutil
import signal
import unittest

from harness import SMOLLM2, Case, run, text_of

# Whole files can be compared.
SAME_TIME = {"SOURCE_DATE_EPOCH": "1700000000", "OMP_NUM_THREADS": "1"}

EXPERIMENT = """
name = "killed"
[model]
path = "llama"
threads = 1
[[task]]
name = "pairs"
file = "pairs.csv"
[[step]]
name = "heads"
method = "ablate"
task = "pairs"
prompts_per_cell = 1
[[step]]
name = "patch"
method = "patch"
task = "pairs"
"""


def at_most(size):
    """Limits, in the child, the size that files may grow to."""
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


def killed_after(size):
    """The environment in which a program dies once it has written so many bytes to files."""
    return {**SAME_TIME, "LD_PRELOAD": os.environ["HEADSCOPE_KILL_AFTER_MODULE"], "HEADSCOPE_KILL_AFTER": str(size)}


class KilledWriters(Case):
    def setUp(self):
        super().setUp()
        self.model = self.small_model()
        rows = [[9, 20, 31, 9, 20], [9, 21, 31, 9, 21], [40, 50, 60, 40, 50], [40, 51, 60, 40, 51]]
        (self.folder / "pairs.csv").write_text("clean,corrupted,answer,wrong\n" + "".join(
            f"{text_of(rows[i])},{text_of(rows[i + 1])},{text_of([33 + i])},{text_of([35 + i])}\n" for i in (0, 2)))
        (self.folder / "e.toml").write_text(EXPERIMENT)

    def contents(self, folder):
        """{name: bytes} of all files below it but logs, which every try adds to."""
        return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*"))
                if path.is_file() and path.suffix != ".log"}

    def killed_everywhere(self, *call, out="out/r.h5", force="--force"):
        """`call` writes `out`: whole, then killed at many bytes while it replaces an older file, then whole again."""
        target = self.folder / out
        target.parent.mkdir(exist_ok=True)
        self.go(*call, force)  # the file says the command that made it
        whole = self.contents(target.parent)
        self.assertTrue(whole, "it wrote nothing")
        written = sum(map(len, whole.values()))
        for path in target.parent.iterdir():  # an older file of each name
            path.write_bytes(b"older")
        older = self.contents(target.parent)
        for size in sorted({1, written // 3, written * 2 // 3}):
            with self.subTest(call=call[0], killed_after=size):
                result = run(*call, force, cwd=self.folder, env=killed_after(size))
                self.assertEqual(result.returncode, -signal.SIGKILL, result.stderr.decode())
                self.whole_or_older(target.parent, older, whole)
        self.go(*call, force)
        self.assertEqual(self.contents(target.parent), whole, "what a killed run left behind")
        largest = max(map(len, whole.values()))
        for size in sorted({0, largest // 2, largest - 1}):
            with self.subTest(call=call[0], may_grow_to=size):
                result = run(*call, force, cwd=self.folder, env=SAME_TIME, preexec_fn=at_most(size))
                self.assertEqual(result.returncode, 5, result.stderr.decode())
                self.assertIn("File too large", result.stderr.decode())
                self.assertEqual(self.contents(target.parent), whole, "something was lost, or left behind")

    def whole_or_older(self, folder, older, whole):
        """A file that was whole before the kill may be new; none is cut."""
        left = self.contents(folder)
        for name, bytes_before in older.items():
            self.assertIn(left.get(name), (bytes_before, whole[name]), name)

    def go(self, *call, cwd=None):
        result = run(*call, cwd=cwd or self.folder, env=SAME_TIME)
        self.assertEqual(result.returncode, 0, result.stderr.decode())

    def test_methods_with_results(self):
        model = ("--model", "llama", "--threads", 1)
        one = (*model, "--prompt", text_of([9, 20, 31, 9, 20]))
        pairs = (*model, "--prompts-file", "pairs.csv")
        for call in (("ablate", *pairs), ("patch", *pairs), ("attribute", *pairs), ("paths", *pairs, "--senders", "0.1", "--receivers", "logits"),
                     ("circuit", *pairs, "--method", "eap", "--top-n", 8), ("attention", *one), ("lens", *one),
                     ("detect", *model, "--detectors", "induction", "--set", "induction.n=12", "--set", "induction.batch=2"),
                     ("weights", *model), ("activations", *one, "--names", "resid_pre")):
            self.killed_everywhere(*call, "--out", "out/r.h5")
            shutil.rmtree(self.folder / "out")

    def test_other_files(self):
        self.go("circuit", "--model", "llama", "--prompts-file", "pairs.csv", "--method", "eap", "--top-n", 8, "--out", "c.h5")
        self.go("ablate", "--model", "llama", "--prompts-file", "pairs.csv", "--out", "a.h5")
        for number, (call, out) in enumerate((
                (("tasks", "make", "greater-than", "--count", 4, "--model", SMOLLM2, "--out", "{}/t.json"), "t.json"),
                (("circuit", "export", "c.h5", "--format", "json,dot,graphml", "--out", "{}"), "circuit.json"),
                (("export", "a.h5", "--format", "csv,npy", "--out", "{}"), "a.csv"))):
            folder = f"other-{number}"
            self.killed_everywhere(*(str(word).replace("{}", folder) for word in call), out=f"{folder}/{out}")

    def test_an_experiment_and_its_journal(self):
        """Killed every few bytes, with what the journal has by then, and resumed."""
        folders = {}
        for name in ("whole", "killed"):
            folders[name] = self.folder / name
            folders[name].mkdir()
            for part in ("e.toml", "pairs.csv"):
                shutil.copy(self.folder / part, folders[name])
            shutil.copytree(self.model, folders[name] / "llama")
        call = ("run", "e.toml", "--out", "r.h5")
        self.go(*call, cwd=folders["whole"])
        kills = 0
        while kills < 12:
            result = run(*call, cwd=folders["killed"], env=killed_after(700))
            if result.returncode == 0:
                break
            self.assertEqual(result.returncode, -signal.SIGKILL, result.stderr.decode())
            self.assertFalse((folders["killed"] / "r.h5").exists())
            kills += 1
        self.assertGreater(kills, 3)
        self.go(*call, cwd=folders["killed"])
        self.assertEqual(self.contents(folders["killed"]), self.contents(folders["whole"]))

    def test_merging_shards(self):
        (self.folder / "out").mkdir()
        for i in range(2):
            self.go("run", "e.toml", "--out", "out/r.h5", "--shard", f"{i}/2")
        journals = sorted(str(path) for path in (self.folder / "out").glob("*.journal"))
        before = self.contents(self.folder / "out")
        for size in (1, 1000, 4000):
            result = run("merge", *journals, cwd=self.folder, env=killed_after(size))
            self.assertEqual(result.returncode, -signal.SIGKILL, result.stderr.decode())
            left = self.contents(self.folder / "out")
            self.assertEqual({name: left.get(name) for name in before}, before)
        self.go("merge", *journals)
        self.assertIn("r.h5", os.listdir(self.folder / "out"))

    def test_a_planted_model(self):
        call = ("plant", "--seed", 5, "--layers", 3, "--out")
        self.go(*call, "whole")
        whole = self.contents(self.folder / "whole")
        for size in (1, 100, max(map(len, whole.values())) - 1):
            cut = self.folder / f"cut-{size}"
            result = run(*call, cut.name, cwd=self.folder, env=killed_after(size))
            self.assertEqual(result.returncode, -signal.SIGKILL, result.stderr.decode())
            for name, written in self.contents(cut).items():
                self.assertTrue(whole.get(name) == written or ".partial-" in name, name)
            self.go(*call, cut.name)
            self.assertEqual(self.contents(cut), whole)


if __name__ == "__main__":
    unittest.main()
