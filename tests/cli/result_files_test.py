# SPDX-License-Identifier: GPL-3.0-or-later
"""Result files that others made or damaged, and files that are written where something is in the way."""
import os
import random
import resource
import signal
import subprocess
import unittest

import h5py
import numpy as np

from harness import EXIT, PATIENCE, PROGRAM, TIMED, Case, run

PROMPT = ("--prompt", "abc defg hij")  # 12 tokens



class Foreign(Case):
    """Files that h5py wrote or changed."""

    def attention(self, name="maps.h5"):
        path = self.folder / name
        self.good("attention", "--model", self.small_model(), *PROMPT, "--heads", "0.0,1.1", "--out", path)
        return path

    def test_a_map_of_another_size_than_its_prompt(self):
        path = self.attention()
        with h5py.File(path, "r+") as file:
            (group,) = file["attention"].values()
            old = group["pattern"]
            attributes = dict(old.attrs)
            del group["pattern"]
            new = group.create_dataset("pattern", data=np.full((2, 40, 40), 0.025, "<f2"))
            for key in ("units", "long_name"):
                new.attrs[key] = attributes[key]
        for form in ("csv", "png", "npy"):
            self.bad("corrupt", "export", path, "--what", "attention", "--format", form, "--out", self.folder / "out", file=path,
                     field="pattern")

    def test_tokens_that_are_not_those_of_the_positions(self):
        path = self.folder / "patch.h5"
        self.good("patch", "--model", self.small_model(), "--clean", "abc", "--corrupt", "abd", "--answer", "e", "--wrong", "f",
                  "--site", "resid_pre", "--out", path)
        with h5py.File(path, "r+") as file:
            (group,) = file["patching"].values()
            for name in ("clean_tokens", "corrupt_tokens"):
                del group[name]
                group.create_dataset(name, data=["x"], dtype=h5py.string_dtype())
        self.bad("corrupt", "export", path, "--format", "csv", "--out", self.folder / "out", file=path, field="clean_tokens")

    def test_names_that_a_terminal_obeys(self):
        path = self.attention()
        odd = "red\x1b[31m\u009b31m"
        with h5py.File(path, "r+") as file:
            group = file.create_group(f"detectors/{odd}")
            scores = group.create_dataset("scores", data=np.zeros((2, 4), "<f4"))
            for key, value in {"units": "1", "description": odd, "higher_is": "stronger", odd: 1}.items():
                scores.attrs[key] = value
            group.create_dataset("heads", data=[], dtype=h5py.string_dtype())
        for args in (("inspect", path), ("export", path, "--what", "scores", "--format", "csv", "--out", self.folder / "out")):
            result = run(*args)
            self.assertEqual(result.returncode, 0, result.stderr)
            for byte in (b"\x1b", "\u009b".encode()):
                self.assertNotIn(byte, result.stdout + result.stderr)
            self.assertIn(rb"\x1b[31m", result.stdout.replace(b"_x1b", rb"\x1b"))
        for name in os.listdir(self.folder / "out"):
            self.assertTrue(name.isprintable() and "\x1b" not in name, name)

    def test_what_leads_out_of_the_file(self):
        secret = self.folder / "secret"
        secret.write_bytes(np.arange(4, dtype="<f4").tobytes())
        path = self.attention()
        with h5py.File(path, "r+") as file:
            group = file.create_group("detectors/leak")
            scores = group.create_dataset("scores", shape=(2, 2), dtype="<f4", external=[(str(secret), 0, 16)])
            for key, value in {"units": "1", "description": "", "higher_is": "stronger"}.items():
                scores.attrs[key] = value
            group.create_dataset("heads", data=[], dtype=h5py.string_dtype())
        for args in (("inspect", path), ("export", path, "--format", "npy", "--out", self.folder / "out")):
            self.bad("corrupt", *args, file=path, field="/detectors/leak/scores")
        self.assertFalse((self.folder / "out").exists())

    def test_changed_bytes(self):
        """None crashes, hangs or gives another answer: a file with checksums is refused whatever changed."""
        path = self.attention()
        good = path.read_bytes()
        bad = self.folder / "bad.h5"
        chance = random.Random(3)
        for _ in range(25 if TIMED else 8):
            data = bytearray(good)
            for _ in range(chance.randint(1, 4)):
                data[chance.randrange(len(data))] ^= chance.randint(1, 255)
            bad.unlink(missing_ok=True)
            bad.write_bytes(data)
            self.bad("corrupt", "inspect", bad, file=bad)
            self.bad("corrupt", "export", bad, "--format", "csv", "--out", self.folder / "out", file=bad)

    def test_a_changed_file_has_no_checksums(self):
        path = self.attention()
        self.assertTrue(self.good("inspect", path)["checksums"])
        with h5py.File(path, "r+") as file:
            file.attrs["mine"] = "a note"
        self.assertFalse(self.good("inspect", path)["checksums"])
        self.assertIn(b"no checksums", run("inspect", path).stderr)


class Written(Case):
    def test_a_full_disk_keeps_the_old_file(self):
        path = self.folder / "pairs.csv"
        path.write_text("old\n")

        def small_files():
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))

        task = ("tasks", "make", "ioi", "--model", "smollm2", "--count", 100, "--out", path)
        result = run(*task, "--force", preexec_fn=small_files)
        self.assertEqual(result.returncode, EXIT["io"], result.stderr)
        self.assertEqual(path.read_text(), "old\n")
        self.assertEqual(os.listdir(self.folder), ["pairs.csv"])
        self.assertEqual(run(*task).returncode, EXIT["already_exists"])
        self.assertEqual(run(*task, "--force").returncode, 0)
        self.assertEqual(len(path.read_text().splitlines()), 101)

    def test_equal_runs_are_equal_files(self):
        files = [self.folder / f"{i}.h5" for i in range(2)]
        model = self.small_model()
        for folder, path in zip(("a", "b"), files):
            (self.folder / folder).mkdir()
            result = run("attention", "--model", model, *PROMPT, "--heads", "0.0", "--out", "maps.h5", cwd=self.folder / folder,
                         env={"SOURCE_DATE_EPOCH": "1700000000", "OMP_NUM_THREADS": "1"})
            self.assertEqual(result.returncode, 0, result.stderr)
            (self.folder / folder / "maps.h5").rename(path)
        with h5py.File(files[0]) as file:
            self.assertEqual(file.attrs["created"], "2023-11-14T22:13:20Z")
        self.assertEqual(files[0].read_bytes(), files[1].read_bytes())


EXPERIMENT = """
[model]
path = "model"
[[task]]
name = "pairs"
file = "pairs.csv"
[[step]]
name = {name}
method = "ablate"
task = "pairs"
"""


class Experiment(Case):
    def place(self, name='"heads"'):
        (self.folder / "model").symlink_to(self.small_model())
        (self.folder / "pairs.csv").write_text("clean,corrupted,answer,wrong\nabc,abd,e,f\nbcd,bce,f,g\n")
        (self.folder / "e.toml").write_text(EXPERIMENT.replace("{name}", name))
        return ("run", self.folder / "e.toml", "--out", self.folder / "r.h5")

    def test_names_are_checked_before_any_cell(self):
        for name in ('".."', '"a\\u0000b"', '"."', '"a\\nb"'):
            (self.folder / "model").unlink(missing_ok=True)
            self.bad("invalid_argument", *self.place(name), field="name", cwd=self.folder)
            self.assertEqual([n for n in os.listdir(self.folder) if "journal" in n or "log" in n], [])

    def test_closed_descriptors_are_no_files(self):
        args = self.place()
        result = subprocess.run([PROGRAM, *map(str, args)], check=False, timeout=PATIENCE, cwd=self.folder,
                                preexec_fn=lambda: [os.close(fd) for fd in (0, 1, 2)])
        # What was to be said could not be; what was measured is there.
        self.assertIn(result.returncode, (0, EXIT["io"]))
        with h5py.File(self.folder / "r.h5") as file:
            self.assertTrue(file.attrs["complete"])
            self.assertTrue(file["experiment/finished"][:].all())
            effects = file["ablation/heads/effects"][:]
        (self.folder / "r.h5").unlink()
        self.good(*args, cwd=self.folder)
        with h5py.File(self.folder / "r.h5") as file:
            np.testing.assert_array_equal(effects, file["ablation/heads/effects"][:])

    def test_links_in_the_way_are_not_followed(self):
        args = self.place()
        victim = self.folder / "victim"
        victim.write_text("mine\n")
        (self.folder / "r.h5.log").symlink_to(victim)
        # The process that makes the link becomes the program, and its number is in the name.
        call = ["sh", "-c", 'ln -s victim "r.h5.journal.new-$$" && exec "$0" "$@"', PROGRAM, *map(str, args)]
        result = subprocess.run(call, capture_output=True, check=False, timeout=PATIENCE, cwd=self.folder)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(victim.read_text(), "mine\n")


if __name__ == "__main__":
    unittest.main()
