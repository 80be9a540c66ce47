# SPDX-License-Identifier: GPL-3.0-or-later
"""What is left when a run is interrupted, killed, or meets a full disk; and what progress looks like."""
import fcntl
import json
import os
import pty
import re
import resource
import signal
import struct
import subprocess
import termios
import threading
import time
import unittest

import h5py
import numpy as np

from harness import PATIENCE, PROGRAM, SMOLLM2, TIMED, Case, run

PROMPTS = 30


class Slow(Case):
    """An ablation sweep over SmolLM2 that takes minutes."""
    columns = 0  # of the terminal; 0: not known

    def setUp(self):
        super().setUp()
        self.out = self.folder / "r.h5"
        self.call = [PROGRAM, "ablate", "--model", str(SMOLLM2), "--ioi", str(PROMPTS), "--tokens-per-run", "256", "--out", str(self.out)]

    def start(self, *more, measured=r"ablating heads +\[[#.]+\] +[1-9]"):
        """Returns when the progress matches `measured`, i.e. something is done. The program sees a terminal: see said()."""
        self.shown, (self.watcher, terminal) = [], pty.openpty()
        self.resize(self.columns)
        self.process = process = subprocess.Popen([*self.call, *more], stdout=subprocess.PIPE, stderr=terminal)
        os.close(terminal)
        self.reader = threading.Thread(target=self.read, args=(self.watcher,))
        self.reader.start()
        self.addCleanup(process.stdout.close)
        self.addCleanup(self.reader.join)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        self.wait_for(lambda: re.search(measured, self.said()))
        return process

    def resize(self, columns):
        fcntl.ioctl(self.watcher, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))

    def stopped(self, sent, *more, **how):
        """The document of a call that the signal reached among its work, and the seconds until it had ended."""
        for _ in range(5):
            process = self.start("--json", *more, **how)
            began = time.monotonic()
            process.send_signal(sent)
            output = process.communicate(timeout=PATIENCE)[0]
            took = time.monotonic() - began
            self.reader.join()
            document = self.document(process, output, self.said())
            if process.returncode != 0:
                self.assertEqual(process.returncode, 130, self.said())
                return document, took
            self.out.unlink()  # it was through before the signal came: once more
        self.fail("it never heard the signal in time")

    def read(self, terminal):
        try:
            while part := os.read(terminal, 65536):
                self.shown.append(part)
        except OSError:  # the other end is closed
            pass
        os.close(terminal)

    def said(self):
        return b"".join(self.shown).decode()

    def wait_for(self, question):
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            ended = self.process.poll() is not None
            if ended:
                self.reader.join()  # all is read that it said
            if answer := question():
                return answer
            self.assertFalse(ended, f"it ended with {self.process.returncode} before that: {self.said()}")
            time.sleep(0.02)
        self.fail("nothing happened: " + self.said())

    def names(self):
        return sorted(p.name for p in self.folder.iterdir() if "r.h5" in p.name)


class Interrupted(Slow):
    def interrupted(self, sent):
        document, took = self.stopped(sent)
        if TIMED:
            self.assertLess(took, 10)
        self.assertIn("interrupt", self.said())
        self.assertEqual(self.names(), ["r.h5"])
        self.assertFalse(document["complete"])
        with h5py.File(self.out) as f:
            self.assertFalse(f.attrs["complete"])
            effects = f["ablation/zero/effects"][:]
        self.assertEqual(effects.shape, (PROMPTS, 30, 9))
        done = np.isfinite(effects)
        self.assertTrue(done.any() and not done.all(), f"{done.mean():.3f} of it was done")
        printed = np.array([p["effects"] for p in document["prompts"]], dtype=float)
        self.assertTrue(np.array_equal(np.isfinite(printed), done))
        self.assertLess(np.max(np.abs(printed[done] - effects[done])), 1e-5)
        self.assertFalse(self.good("inspect", self.out)["attributes"]["complete"])

    def test_control_c(self):
        self.interrupted(signal.SIGINT)

    def test_terminate_while_replacing(self):
        self.out.write_bytes(b"older results")
        self.call.append("--force")
        self.interrupted(signal.SIGTERM)


class InterruptedJson(Slow):
    """What commands say on standard output after Ctrl-C."""
    def interrupted(self, measured, *call):
        self.call = [PROGRAM, *map(str, call), "--model", str(SMOLLM2), "--out", str(self.out)]
        document, _ = self.stopped(signal.SIGINT, measured=measured)
        self.assertIs(document["complete"], False)
        return document

    def test_attention(self):
        heads = [f"{layer}.0" for layer in range(30)]
        text = self.folder / "text"
        text.write_text("word " * 2500)
        document = self.interrupted(r"attention maps +\[[#.]+\] +[1-9]", "attention", "--prompt-file", text, "--heads", ",".join(heads))
        kept = document["heads"]
        self.assertEqual(kept, heads[:len(kept)])
        self.assertLess(len(kept), len(heads))
        with h5py.File(self.out) as f:
            whole = [name for name, row in zip(heads, f["attention/prompt-0/pattern"][:, -1]) if np.isfinite(row).all()]
        self.assertEqual(kept, whole)

    def test_detect(self):
        document = self.interrupted(r"retrieval heads +\[", "detect", "--detectors", "induction,retrieval")
        self.assertIs(document["detectors"]["induction"]["complete"], True)
        for found in document["detectors"].values():
            self.assertIn("complete", found)


class Resumable(Slow):
    """A method cut into cells, with a journal beside its file."""
    def setUp(self):
        super().setUp()
        self.call = [PROGRAM, "ablate", "--model", str(SMOLLM2), "--ioi", "8", "--heads", "20-29", "--resumable", "--out", str(self.out)]

    def effects(self, path):
        with h5py.File(path) as f:
            return bool(f.attrs["complete"]), f["ablation/ablate/effects"][:]

    def test_goes_on_where_it_stopped(self):
        document, _ = self.stopped(signal.SIGINT, measured=r"cells +\[[#.]+\] +[1-9]")
        self.assertIs(document["complete"], False)
        self.assertTrue(0 < document["finished"] < document["cells"], document)
        self.assertEqual(self.names(), ["r.h5", "r.h5.journal"])
        complete, part = self.effects(self.out)
        self.assertFalse(complete)
        self.bad("mismatch", *self.call[1:], "--seed", "1", file="r.h5.journal", field="--out")
        resumed = self.good(*self.call[1:])
        self.assertEqual((resumed["resumed"], resumed["finished"]), (document["finished"], document["cells"]))
        self.assertEqual(self.names(), ["r.h5"])
        complete, whole = self.effects(self.out)
        self.assertTrue(complete)
        done = np.isfinite(part)
        self.assertTrue(np.array_equal(part[done], whole[done]))
        again = self.folder / "again.h5"
        self.good(*self.call[1:-1], again)
        self.assertTrue(np.array_equal(self.effects(again)[1], whole, equal_nan=True))

    def test_does_not_go_on_after_a_file_has_changed(self):
        text = self.folder / "text.txt"
        for named in (["--detectors", "previous,retrieval", "--set", f"previous.text={text}"], ["--detectors", "previous,retrieval", "--haystack", str(text)]):
            with self.subTest(named):
                text.write_text("the cat sat on the mat and the cat ran over the hills to the sea. " * 400)
                self.call = [PROGRAM, "detect", "--model", str(SMOLLM2), *named, "--resumable", "--out", str(self.out)]
                document, _ = self.stopped(signal.SIGINT, measured=r"cells +\[[#.]+\] +[1-9]")
                self.assertEqual((document["finished"], document["cells"]), (1, 2))
                text.write_text(text.read_text().replace("cat", "dog"))
                self.bad("mismatch", *self.call[1:], file="r.h5.journal", field="--out")
                for left in self.folder.glob("r.h5*"):
                    left.unlink()

    def test_refuses_what_cells_cannot_do(self):
        self.bad("invalid_argument", "ablate", "--model", SMOLLM2, "--prompt", "a", "--resumable", "--out", self.out, field="--task")
        self.bad("invalid_argument", "ablate", "--model", SMOLLM2, "--ioi", "4", "--resumable", field="--out")
        self.bad("unsupported", *self.call[1:], "--together", field="--together")
        self.assertEqual(self.names(), [])


class Killed(Slow):
    def test_leaves_nothing_under_the_name(self):
        process = self.start()
        # The bar has its default length, since the terminal reports no width.
        self.assertRegex(self.said(), r"\r\033\[Kablating heads +\[[#.]{24}\] +\d+ %  .+ left")
        process.kill()
        process.communicate()
        self.assertEqual(process.returncode, -signal.SIGKILL)
        left = self.names()
        self.assertEqual(len(left), 1, left)
        self.assertTrue(left[0].startswith(".r.h5.partial-"), left)
        # The next run with that name cleans up.
        self.good("attention", "--model", self.small_model(), "--prompt", "abc", "--out", self.out)
        self.assertEqual(self.names(), ["r.h5"])

    def test_a_crash_says_where(self):
        process = self.start()
        process.send_signal(signal.SIGSEGV)
        process.communicate()
        self.reader.join()
        self.assertEqual(process.returncode, -signal.SIGSEGV)
        self.assertIn("a defect of Headscope: SIGSEGV", self.said())
        self.assertIn("headscope(", self.said())  # frames of the program

    def test_by_a_second_control_c_while_replacing(self):
        self.out.write_bytes(b"older results")
        process = self.start("--force")
        process.send_signal(signal.SIGINT)
        self.wait_for(lambda: "once more" in self.said())
        process.send_signal(signal.SIGINT)
        process.communicate()
        self.assertIn(process.returncode, (-signal.SIGINT, 130))  # 130: it had stopped by itself meanwhile
        if self.out.read_bytes() != b"older results":
            with h5py.File(self.out) as f:
                self.assertFalse(f.attrs["complete"])


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
            if call[0] == "detect":  # what took the time is not lost
                self.assertEqual(np.shape(json.loads(result.stdout)["detectors"]["induction"]["scores"]), (2, 4))
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
    def lines(self):
        """All lines except the one that is being drawn."""
        return [line for line in re.split(r"[\r\n]+", self.said().replace("\033[K", ""))[:-1] if "ablating" in line]

    def test_the_bar_follows_the_width(self):
        self.columns = 40
        self.start(measured=r"ablating heads +\d+ %\r")
        for columns, looks in ((40, r"^ablating heads +\d+ %$"), (80, r" \[[#.]{10,}\] .{5}"), (120, r" \[[#.]{10,}\] .{5}")):
            self.resize(columns)
            least = columns - 25 if columns > 40 else 0
            self.wait_for(lambda: any(re.search(looks, line) and len(line) > least for line in self.lines()))
            self.assertTrue(all(len(line) < columns for line in self.lines()), self.lines())

    def test_lines_when_nobody_watches_and_silence_when_asked(self):
        said = {}
        for name, more in (("quiet", ["--quiet"]), ("loud", [])):
            path = said[name] = self.folder / name
            with open(path, "wb") as errors:
                process = subprocess.Popen([*self.call[:-1], f"{path}.h5", *more], stdout=subprocess.DEVNULL, stderr=errors)
            self.addCleanup(process.wait)
            self.addCleanup(process.kill)
        whole = lambda: [line for line in said["loud"].read_text().splitlines(keepends=True) if "ablating heads" in line and line.endswith("\n")]
        end = time.monotonic() + PATIENCE
        while len(whole()) < 2 and process.poll() is None and time.monotonic() < end:
            time.sleep(0.1)
        self.assertGreaterEqual(len(whole()), 2, said["loud"].read_text())
        if TIMED:
            before = len(whole())
            time.sleep(11)
            self.assertIn(len(whole()) - before, (1, 2, 3))  # one in five seconds
        for line in whole():
            self.assertRegex(line, r"^ablating heads: \d+ %, .+")
        self.assertNotIn("\r", said["loud"].read_text())
        self.assertEqual(said["quiet"].read_text(), "")

    def test_none_for_short_work(self):
        result = run("logits", "--model", self.small_model(), "--prompt", "abc")
        self.assertEqual(result.stderr, b"")


if __name__ == "__main__":
    unittest.main()
