#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files made with h5py that no reader may follow or trust: each is refused with the path of what is wrong.

Usage: hostile_files.py STORE_WRITE_SAMPLE HEADSCOPE_PROBE_RESULT
"""
import json
import os
import resource
import subprocess
import sys
import tempfile

import h5py
import numpy as np

WRITE_SAMPLE, PROBE = sys.argv[1:3]
FAILED = []


def check(condition, what):
    if not condition:
        FAILED.append(what)
        print("FAILED:", what)


def probe(path):
    with open(path, "rb") as file:
        done = subprocess.run([PROBE, "result"], stdin=file, capture_output=True, timeout=1200)
    check(done.returncode == 0, f"{path}: the probe ended with {done.returncode}")
    return json.loads(done.stdout or b"{}")


def external_storage(f, folder):
    secret = os.path.join(folder, "secret")
    with open(secret, "wb") as out:
        out.write(b"\0" * 64)
    f.create_dataset("extra/bad", shape=(4,), dtype="<f4", external=[(secret, 0, 16)])


def external_link(f, folder):
    with h5py.File(os.path.join(folder, "other.h5"), "w") as other:
        other["x"] = np.arange(3)
    f["extra/bad"] = h5py.ExternalLink(os.path.join(folder, "other.h5"), "/x")


def virtual_layout(f, folder):
    with h5py.File(os.path.join(folder, "source.h5"), "w") as other:
        other["x"] = np.arange(4, dtype="<f4")
    layout = h5py.VirtualLayout(shape=(4,), dtype="<f4")
    layout[:] = h5py.VirtualSource(os.path.join(folder, "source.h5"), "x", shape=(4,))
    f.create_virtual_dataset("extra/bad", layout)


def soft_through_external(f, folder):
    f["extra/other"] = h5py.ExternalLink("other.h5", "/")
    f["extra/bad"] = h5py.SoftLink("/extra/other/x")


def dangling(f, _):
    f["extra/bad"] = h5py.SoftLink("/nowhere/at/all")


def circle(f, _):
    f["extra/bad"] = h5py.SoftLink("/extra/worse")
    f["extra/worse"] = h5py.SoftLink("/extra/bad")


def unknown_filter(f, _):
    f.create_dataset("extra/bad", data=np.zeros((64, 64)), chunks=(8, 8), compression="lzf")


def scale_offset(f, _):
    f.create_dataset("extra/bad", data=np.zeros((64, 64), "i4"), chunks=(8, 8), scaleoffset=0)


def huge_chunk(f, _):
    f.create_dataset("extra/bad", shape=(1 << 16, 1 << 16), dtype="<f4", chunks=(1 << 14, 1 << 14), compression="gzip")


def deep(f, _):
    f.create_group("/".join(["extra"] + ["g"] * 40))


def labels_of_another_rank(f, _):
    bad = f.create_dataset("extra/bad", data=np.zeros(3))
    bad.attrs.create("DIMENSION_LABELS", np.array([b"x"] * 500, dtype="S1"))


def bomb(f, _):
    """A chunk of 512 bytes whose stream unpacks to 256 MiB."""
    import zlib

    bad = f.create_dataset("extra/bad", shape=(64,), dtype="<f8", chunks=(64,), compression="gzip")
    bad.id.write_direct_chunk((0,), zlib.compress(b"\0" * (256 << 20), 9))


HOSTILE = [external_storage, external_link, virtual_layout, soft_through_external, dangling, circle, unknown_filter,
           scale_offset, huge_chunk, deep, labels_of_another_rank, bomb]


def make_good(path):
    subprocess.run([WRITE_SAMPLE, path], check=True, capture_output=True)


def main():
    with tempfile.TemporaryDirectory() as folder:
        for make in HOSTILE:
            path = os.path.join(folder, make.__name__ + ".h5")
            make_good(path)
            with h5py.File(path, "r+") as f:
                f.create_group("extra")
                make(f, folder)
            answer = probe(path)
            check(answer.get("code") == "corrupt", f"{make.__name__}: {answer}")
            check(answer.get("field", "").startswith("/extra/"), f"{make.__name__}: {answer}")
        # What is odd but harmless stays readable.
        path = os.path.join(folder, "fine.h5")
        make_good(path)
        check(probe(path) == {}, "the sample")
        with h5py.File(path, "r+") as f:
            f["alias"] = h5py.SoftLink("/detectors")
            f["second"] = f["detectors"]
            f["loop"] = h5py.SoftLink("/")
            f.create_dataset("sparse", shape=(1000, 1 << 14), dtype="<f4", chunks=(8, 1 << 10), compression="gzip")
            f.attrs["mine"] = "added with h5py"
        check(probe(path) == {}, f"what h5py added: {probe(path)}")
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        check(usage.ru_maxrss < 400 * 1024, f"peak memory {usage.ru_maxrss} KiB")
    sys.exit(1 if FAILED else 0)


main()
