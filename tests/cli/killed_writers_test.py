# SPDX-License-Identifier: GPL-3.0-or-later
"""Every command that writes a file, killed in the middle of a write.

The kernel kills it, at a byte that the test chooses: a file may not grow beyond a limit, and who writes beyond gets
SIGXFSZ. Nothing here depends on time.
"""
import os
import resource
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
    """Of the child: no file may become larger, and no core is dumped."""
    def limit():
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
    return limit


class KilledWriters(Case):
    def setUp(self):
        super().setUp()
        self.model = self.small_model()
        rows = [[9, 20, 31, 9, 20], [9, 21, 31, 9, 21], [40, 50, 60, 40, 50], [40, 51, 60, 40, 51]]
        (self.folder / "pairs.csv").write_text("clean,corrupted,answer,wrong\n" + "".join(
            f"{text_of(rows[i])},{text_of(rows[i + 1])},{text_of([33 + i])},{text_of([35 + i])}\n" for i in (0, 2)))
        (self.folder / "e.toml").write_text(EXPERIMENT)

    def contents(self, folder):
        """{name: bytes} of all files below it."""
        return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}

    def killed_everywhere(self, *call, out="out/r.h5", force="--force"):
        """`call` writes `out`: whole, then killed at many bytes while it replaces an older file, then whole again."""
        target = self.folder / out
        target.parent.mkdir(exist_ok=True)
        self.go(*call)
        whole = self.contents(target.parent)
        self.assertTrue(whole, "it wrote nothing")
        largest = max(map(len, whole.values()))
        for path in target.parent.iterdir():  # an older file of each name
            path.write_bytes(b"older")
        older = self.contents(target.parent)
        for size in sorted({0, 1, largest // 3, largest - 1}):
            with self.subTest(call=call[0], size=size):
                result = run(*call, force, cwd=self.folder, env=SAME_TIME, preexec_fn=at_most(size))
                self.assertEqual(result.returncode, -signal.SIGXFSZ, result.stderr.decode())
                left = self.contents(target.parent)
                for name, bytes_before in older.items():  # a file that was whole before the kill may be new and whole
                    self.assertIn(left.get(name), (bytes_before, whole[name]), name)
        self.go(*call, force)
        self.assertEqual(self.contents(target.parent), whole, "what a killed run left behind")

    def go(self, *call):
        result = run(*call, cwd=self.folder, env=SAME_TIME)
        self.assertEqual(result.returncode, 0, result.stderr.decode())

    def test_methods_with_results(self):
        model = ("--model", "llama", "--threads", 1)
        one = (*model, "--prompt", text_of([9, 20, 31, 9, 20]))
        pairs = (*model, "--prompts-file", "pairs.csv")
        for call in (("ablate", *pairs), ("patch", *pairs), ("attribute", *pairs), ("paths", *pairs, "--senders", "0.1", "--receivers", "logits"),
                     ("circuit", *pairs, "--method", "eap", "--top-n", 8), ("attention", *one), ("lens", *one),
                     ("detect", *model, "--detectors", "induction", "--set", "induction.n=12", "--set", "induction.batch=2"),
                     ("weights", *model), ("activations", *one, "--hooks", "resid_pre")):
            self.killed_everywhere(*call, "--out", "out/r.h5")
            for path in (self.folder / "out").iterdir():
                path.unlink()

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
        """Killed wherever the journal or the result grows beyond the limit, again and again with more room, and resumed."""
        (self.folder / "whole").mkdir()
        self.go("run", "e.toml", "--out", "whole/r.h5")
        whole = (self.folder / "whole" / "r.h5").read_bytes()
        (self.folder / "out").mkdir()
        kills = 0
        for size in range(0, len(whole), max(1, len(whole) // 12)):
            result = run("run", "e.toml", "--out", "out/r.h5", cwd=self.folder, env=SAME_TIME, preexec_fn=at_most(size))
            self.assertEqual(result.returncode, -signal.SIGXFSZ, result.stderr.decode())
            self.assertNotIn("r.h5", os.listdir(self.folder / "out"))
            kills += 1
        self.assertGreater(kills, 10)
        self.go("run", "e.toml", "--out", "out/r.h5")
        self.assertEqual((self.folder / "out" / "r.h5").read_bytes(), whole)
        self.assertEqual(sorted(os.listdir(self.folder / "out")), ["r.h5"])

    def test_merging_shards(self):
        (self.folder / "out").mkdir()
        for i in range(2):
            self.go("run", "e.toml", "--out", "out/r.h5", "--shard", f"{i}/2")
        journals = sorted(str(path) for path in (self.folder / "out").glob("*.journal"))
        before = self.contents(self.folder / "out")
        for size in (0, 1, 1000):
            result = run("merge", *journals, cwd=self.folder, env=SAME_TIME, preexec_fn=at_most(size))
            self.assertEqual(result.returncode, -signal.SIGXFSZ, result.stderr.decode())
            left = self.contents(self.folder / "out")
            self.assertEqual({name: left.get(name) for name in before}, before)
        self.go("merge", *journals)
        self.assertIn("r.h5", os.listdir(self.folder / "out"))

    def test_a_planted_model(self):
        self.go("plant", "--out", "planted", "--seed", 5, "--layers", 2)
        largest = max(map(len, self.contents(self.folder / "planted").values()))
        for size in (0, 100, largest - 1):
            result = run("plant", "--out", f"cut-{size}", "--seed", 5, "--layers", 2, cwd=self.folder, preexec_fn=at_most(size))
            self.assertEqual(result.returncode, -signal.SIGXFSZ, result.stderr.decode())
            self.assertFalse((self.folder / f"cut-{size}").exists(), "half a model")
            self.go("plant", "--out", f"cut-{size}", "--seed", 5, "--layers", 2)


if __name__ == "__main__":
    unittest.main()
