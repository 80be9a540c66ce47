# SPDX-License-Identifier: GPL-3.0-or-later
"""Kills a writer at random moments: the final name is absent, or is a file that h5py reads whole."""
import math
import os
import random
import subprocess
import sys
import tempfile
import time

import h5py
import numpy as np

KILLS = 40 if os.environ.get("HEADSCOPE_TIMED") else 16
MOST = 400  # kills until each outcome has been seen


def read_whole(path):
    count = 0
    with h5py.File(path, "r") as f:
        def visit(_, item):
            nonlocal count
            if isinstance(item, h5py.Dataset):
                item[()]
                count += 1
        f.visititems(visit)
        assert f.attrs["complete"] == 1, "the file under the final name is not complete"
        assert np.all(f["attention/long/pattern"][()] == 0.25), "wrong values"
    return count


class Writer:
    def __init__(self, program, path):
        self.folder = os.path.dirname(path)
        self.child = subprocess.Popen([program, path], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        os.set_blocking(self.child.stdout.fileno(), False)
        self.said = b""

    def files(self):
        """How many files the writer says it has written."""
        try:
            self.said += os.read(self.child.stdout.fileno(), 65536)
        except BlockingIOError:  # nothing new
            pass
        return self.said.count(b"\n")

    def bytes(self):
        """The size of the hidden file being written; 0: there is none, or it has just got its name."""
        hidden = f".run.h5.partial-{self.child.pid}"
        try:
            return max((entry.stat().st_size for entry in os.scandir(self.folder) if entry.name.startswith(hidden)), default=0)
        except FileNotFoundError:
            return 0

    def until(self, files, size):
        """Waits until the writer has written this many files, or this much of another one."""
        while self.child.poll() is None and self.files() < files and self.bytes() < size:
            time.sleep(0.0002)

    def kill(self):
        self.child.kill()
        _, errors = self.child.communicate()
        assert not errors, errors


def main():
    program = sys.argv[1]
    rng = random.Random(int(os.environ.get("HEADSCOPE_TEST_SEED", "1")))
    kills = absent = partials = 0
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "run.h5")
        first = Writer(program, path)
        first.until(1, math.inf)
        first.kill()
        size = os.path.getsize(path)
        while kills < KILLS or kills < MOST and not (0 < absent < kills and partials):
            # In turn: among the bytes of the first file, after a whole one, over that of an older run, and at any time.
            if kills % 4 in (0, 3) and os.path.exists(path):
                os.unlink(path)
            writer = Writer(program, path)
            if kills % 4 == 3:
                time.sleep(rng.uniform(0, 1))
            else:
                if kills % 4 == 1:
                    writer.until(1, math.inf)
                writer.until(3, rng.randrange(1, size))
            writer.kill()
            kills += 1
            left = [name for name in os.listdir(folder) if name != "run.h5"]
            assert len(left) <= 1, f"leftovers of killed runs were not removed: {left}"
            partials += len(left)
            if os.path.exists(path):
                assert read_whole(path) > 20
            else:
                absent += 1
    print(f"{kills} kills, {absent} with no file, {partials} with an unfinished hidden file")
    assert 0 < absent < kills and partials > 0, "not every outcome was seen"


main()
