# SPDX-License-Identifier: GPL-3.0-or-later
"""Kills a writer at random moments: the final name is absent, or is a file that h5py reads whole."""
import os
import random
import subprocess
import sys
import tempfile
import time

import h5py
import numpy as np

KILLS = 40


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


def main():
    program = sys.argv[1]
    seed = int(os.environ.get("HEADSCOPE_TEST_SEED", "1"))
    rng = random.Random(seed)
    absent = partials = 0
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "run.h5")
        begin = time.monotonic()
        with subprocess.Popen([program, path], stdout=subprocess.PIPE) as child:
            child.stdout.readline()
            once = time.monotonic() - begin  # starting and writing one file
            child.kill()
        for i in range(KILLS):
            if i % 2 == 0 and os.path.exists(path):
                os.unlink(path)
            child = subprocess.Popen([program, path], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
            time.sleep(rng.uniform(0, 2 * once))
            child.kill()
            _, errors = child.communicate()
            assert not errors, errors
            left = [name for name in os.listdir(folder) if name != "run.h5"]
            assert len(left) <= 1, f"leftovers of killed runs were not removed: {left}"
            partials += len(left)
            if os.path.exists(path):
                assert read_whole(path) > 20
            else:
                absent += 1
    print(f"{KILLS} kills, {absent} with no file, {partials} with an unfinished hidden file")
    assert 0 < absent < KILLS and partials > 0, "the kills came all too early or too late"


main()
