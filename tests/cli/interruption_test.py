# SPDX-License-Identifier: GPL-3.0-or-later
"""What is left when a run is interrupted, killed, or meets a full disk; and what progress looks like."""
import json
import os
import pty
import resource
import select
import signal
import subprocess
import time
import unittest

import h5py
import numpy as np

from harness import Case, PROGRAM, run

PROMPTS = 4000


class Slow(Case):
    """An ablation sweep that takes a minute: thousands of prompts, one row a run."""

    def setUp(self):
        super().setUp()
        path = self.folder / "prompts.csv"
        path.write_text("prompt,answer,wrong\n" + "".join(f"{i:04d} {'ab' * 10},c,d\n" for i in range(PROMPTS)))
        self.out = self.folder / "r.h5"
        self.call = [PROGRAM, "ablate", "--model", str(self.small_model()), "--prompts-file", str(path), "--tokens-per-run", "1",
                     "--threads", "1", "--out", str(self.out)]

    def start(self, *more, **how):
        """Returns when results are being written."""
        how = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **how}
        process = subprocess.Popen([*self.call, *more], **how)
        self.addCleanup(process.kill)
        partial = self.wait_for(lambda: next((p for p in self.folder.glob(".r.h5.partial-*") if p.stat().st_size > 50000), None))
        self.assertIsNone(process.poll(), "it ended before it could be interrupted")
        time.sleep(0.5)
        return process, partial

    def wait_for(self, question, seconds=60):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            answer = question()
            if answer:
                return answer
            time.sleep(0.02)
        self.fail("nothing happened in time")

    def names(self):
        return sorted(p.name for p in self.folder.iterdir() if "r.h5" in p.name)


class Interrupted(Slow):
    def interrupted(self, sent):
        process, _ = self.start("--json")
        process.send_signal(sent)
        began = time.monotonic()
        out, said = process.communicate(timeout=60)
        self.assertLess(time.monotonic() - began, 15)
        self.assertEqual(process.returncode, 130, said.decode())
        self.assertIn("interrupt", said.decode())
        self.assertEqual(self.names(), ["r.h5"])
        document = json.loads(out)
        self.assertFalse(document["complete"])
        with h5py.File(self.out) as f:
            self.assertFalse(f.attrs["complete"])
            effects = f["ablation/zero/effects"][:]
        self.assertEqual(effects.shape, (PROMPTS, 2, 4))
        done = np.isfinite(effects)
        self.assertTrue(done.any() and not done.all(), f"{done.mean():.3f} of it was done")
        printed = np.array([p["effects"] for p in document["prompts"]], dtype=float)
        self.assertTrue(np.array_equal(np.isfinite(printed), done))
        self.assertLess(np.max(np.abs(printed[done] - effects[done])), 1e-5)
        inspected = json.loads(run("inspect", self.out, "--json").stdout)
        self.assertFalse(inspected["attributes"]["complete"])

    def test_control_c(self):
        self.interrupted(signal.SIGINT)

    def test_terminate(self):
        self.interrupted(signal.SIGTERM)

    def test_replaces_only_at_the_end(self):
        self.out.write_bytes(b"older results")
        process, _ = self.start("--force")
        self.assertEqual(self.out.read_bytes(), b"older results")
        process.kill()
        process.communicate()
        self.assertEqual(self.out.read_bytes(), b"older results")


class Killed(Slow):
    def test_leaves_nothing_under_the_name(self):
        process, partial = self.start()
        process.kill()
        process.communicate()
        self.assertEqual(process.returncode, -signal.SIGKILL)
        self.assertEqual(self.names(), [partial.name])
        # The next run with that name clears up.
        result = run("attention", "--model", self.small_model(), "--prompt", "abc", "--out", self.out)
        self.assertEqual(result.returncode, 0, result.stderr.decode())
        self.assertEqual(self.names(), ["r.h5"])


class FullDisk(Case):
    def refused(self, folder, limit=None):
        out = os.path.join(folder, "r.h5")
        model = self.small_model()

        def at_most():
            if limit:
                signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
                resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

        for call in (("attention", "--model", model, "--prompt", "ab" * 30, "--precision", "float32"),
                     ("detect", "--model", model, "--detectors", "induction", "--set", "induction.n=10")):
            result = run(*call, "--out", out, "--json", preexec_fn=at_most)
            said = result.stderr.decode()
            self.assertEqual(result.returncode, 5, said)
            self.assertIn("r.h5", said)
            self.assertEqual([name for name in os.listdir(folder) if "r.h5" in name], [])

    def test_a_file_that_must_not_grow(self):
        self.refused(self.folder, limit=16384)

    def test_a_small_disk(self):
        disk = self.folder / "disk"
        disk.mkdir()
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16k", "none", str(disk)], capture_output=True, check=False)
        if mounted.returncode:
            self.skipTest("no file system may be mounted here; test_a_file_that_must_not_grow covers refused writes")
        self.addCleanup(subprocess.run, ["umount", str(disk)], check=False)
        self.refused(disk)
        # An older file survives a refused replacement.
        old = disk / "r.h5"
        old.write_bytes(b"older results")
        result = run("attention", "--model", self.small_model(), "--prompt", "ab" * 30, "--precision", "float32", "--out", old, "--force")
        self.assertEqual(result.returncode, 5)
        self.assertEqual(old.read_bytes(), b"older results")

    def test_standard_output(self):
        with open("/dev/full", "wb") as full:
            result = subprocess.run([PROGRAM, "tokens", "--model", str(self.small_model()), "--text", "a"], stdout=full,
                                    stderr=subprocess.PIPE, check=False)
        self.assertEqual(result.returncode, 5)
        self.assertIn("standard output", result.stderr.decode())


class Progress(Slow):
    def stopped(self, process):
        time.sleep(7)
        process.send_signal(signal.SIGINT)
        return process.communicate(timeout=60)[1].decode()

    def watched(self, process, terminal):
        """What the terminal shows; Ctrl-C after five seconds."""
        text, end = b"", time.monotonic() + 5
        while process.poll() is None:
            if select.select([terminal], [], [], 0.1)[0]:
                text += os.read(terminal, 65536)
            if time.monotonic() > end:
                process.send_signal(signal.SIGINT)
                end += 1000
        return text.decode()

    def test_lines_when_nobody_watches(self):
        said = self.stopped(self.start()[0])
        lines = [line for line in said.splitlines() if "%" in line]
        self.assertTrue(1 <= len(lines) <= 6, said)
        self.assertIn(" left", said)
        self.assertNotIn("\r", said)

    def test_a_bar_on_a_terminal(self):
        reader, terminal = pty.openpty()
        process, _ = self.start(stderr=terminal, stdout=subprocess.DEVNULL)
        said = self.watched(process, reader)
        os.close(terminal)
        os.close(reader)
        self.assertIn("\r", said)
        self.assertRegex(said, r"\[#*\.+\] +\d+ %  .* left")

    def test_silence_when_asked(self):
        process, _ = self.start("--quiet")
        said = self.stopped(process)
        self.assertNotIn("%", said)

    def test_none_for_short_work(self):
        result = run("logits", "--model", self.small_model(), "--prompt", "abc")
        self.assertEqual(result.stderr, b"")


if __name__ == "__main__":
    unittest.main()
