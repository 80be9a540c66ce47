# SPDX-License-Identifier: GPL-3.0-or-later
"""Opens a result file with plain h5py and compares it with values computed here."""
import os
import subprocess
import sys
import tempfile

import h5py
import numpy as np

LAYERS, HEADS, TOKENS = 3, 4, 300


def check(condition, what):
    if not condition:
        sys.exit(f"FAILED: {what}")


def same(actual, expected, what):
    check(np.array_equal(np.asarray(actual), np.asarray(expected), equal_nan=np.asarray(expected).dtype.kind == "f"),
          f"{what}: {actual!r} is not {expected!r}")


def text(dataset):
    return [str(s) for s in np.atleast_1d(dataset.asstr()[()])]


def check_root(f):
    a = f.attrs
    same(a["format"], "headscope-result", "format")
    same(a["format_version"], 1, "format_version")
    same(a["headscope_version"], "0.1.0", "headscope_version")
    same(a["libtorch_version"], "2.11.0", "libtorch_version")
    same(a["command_line"], 'headscope detect --model "mödel"', "command_line")
    same(a["seeds"], [7, -1], "seeds")
    check(a["complete"].dtype == np.bool_ and a["complete"] == 1, "complete")
    check(len(a["created"]) == 20 and a["created"].endswith("Z"), "created")
    m = f["model"].attrs
    # In the order in which they were given, which is not the alphabet's.
    names = ["name", "architecture", "path", "sha256", "n_layers", "rope_theta", "tied", "quantisation"]
    check(set(m) == set(names), "model attributes")
    same(m["rope_theta"], 10000.5, "rope_theta")
    check(bool(m["tied"]) is True, "tied")
    check(list(m["quantisation"]) == ["Q4_1", "F32"], "quantisation")
    o = f["options/induction"].attrs
    check(o["length"] == 50 and o["method"] == "code" and o["scale"] == 0.5 and not o["strict"], "options")


def check_described(f):
    def visit(name, item):
        if isinstance(item, h5py.Dataset):
            check(isinstance(item.attrs["units"], str) and item.attrs["units"], f"{name}: units")
            check(isinstance(item.attrs["long_name"], str) and item.attrs["long_name"], f"{name}: long_name")
            if not item.is_scale:
                for i, dim in enumerate(item.dims):
                    check(dim.label != "", f"{name}: axis {i} has no label")
                    check(len(dim) == 1, f"{name}: axis {i} has no scale")
                    check(dim[0].shape == (item.shape[i],), f"{name}: scale of axis {i}")
    f.visititems(visit)


def check_prompt(f):
    p = f["prompts/ioi-1"]
    check(text(p["text"]) == ["When Mary and Jürgen \U0001F469\u200D\U0001F680"], "text")
    check(p["token_ids"].dtype == np.int64, "token_ids dtype")
    same(p["token_ids"], [5, 49151, 0, 7], "token_ids")
    check(text(p["token_pieces"]) == ["When", "\u0120Mary", "\u0120and", "<|end|>"], "pieces")
    check(text(p["token_texts"]) == ["When", " Mary", " and", r"\xF0\x9F"], "token texts")


def check_scores(f):
    d = f["detectors/induction/scores"]
    expected = (np.arange(LAYERS * HEADS, dtype=np.float32) / 16).reshape(LAYERS, HEADS)
    expected[0, 1] = np.nan
    check(d.dtype == np.float32, "scores dtype")
    same(d, expected, "scores")
    same(d.attrs["threshold"], 0.6, "threshold")
    same(d.attrs["higher_is"], "stronger", "higher_is")
    check(d.dims[0].label == "layer" and d.dims[0][0].name == "/axes/layer", "layer scale")
    check(d.dims[1].label == "head" and d.dims[1][0].name == "/axes/head", "head scale")
    same(d.dims[1][0], np.arange(HEADS), "head scale's values")
    check(text(f["detectors/induction/heads"]) == ["2.3", "2.2"], "heads")
    same(f["detectors/induction/evidence/curve"], [0.1, 0.2, 0.3], "evidence")
    runs = f["detectors/induction/evidence/runs"]
    check(list(runs.attrs["columns"]) == ["length", "recall", "answer"], "columns")
    check(text(runs["answer"]) == ["San", "eat a sandwich"], "table")
    check(f["analysis/lengths"].dtype == np.int32, "int32")
    check(text(f["analysis/lengths"].dims[0][0]) == ["short", "long"], "labels")


def check_ablation(f):
    g = f["ablation/zero"]
    p, l, h = np.meshgrid(np.arange(3), np.arange(LAYERS), np.arange(HEADS), indexing="ij")
    expected = ((p * 100 + l * 10 + h) * 0.25).astype(np.float32)
    expected[2] = np.nan
    expected[1, 2] = np.nan
    same(g["effects"], expected, "effects")
    same(g["clean"], np.array([3.5, 2.5, np.nan], np.float32), "clean")
    mean = np.nanmean(expected[:2], axis=0)
    same(g["mean"], mean.astype(np.float32), "mean")
    same(g["count"], np.sum(~np.isnan(expected), axis=0), "count")
    check(text(g["effects"].dims[0][0]) == ["ioi-1", "ioi-2", "ioi-3"], "prompts")
    check(g.attrs["method"] == "zero" and g.attrs["phase"] == "prefill", "method and phase")


def check_patching(f):
    g = f["patching/resid_pre"]
    same(g["restored"], (np.arange(12, dtype=np.float32) / np.float32(11)).reshape(3, 4), "restored")
    check(g.attrs["clean"] == 3.5 and g.attrs["corrupt"] == -1.25 and g.attrs["site"] == "resid_pre", "patching")
    check(g["restored"].dims[1].label == "position", "position axis")
    check(text(g["corrupt_tokens"]) == ["a", "x", "c", "d"], "corrupt tokens")


def check_attention(f):
    g = f["attention/map"]
    d = g["pattern"]
    check(d.dtype == np.dtype("<f2"), f"pattern dtype {d.dtype}")
    check(d.chunks == (1, 256, 256), f"chunks {d.chunks}")
    check(d.compression == "gzip" and d.shuffle, "compression")
    q, k = np.meshgrid(np.arange(TOKENS), np.arange(TOKENS), indexing="ij")
    expected = np.empty((2, TOKENS, TOKENS), np.float16)
    for head in range(2):
        values = ((q * 7 + k * 3 + head) % 1000).astype(np.float32) / np.float32(1000)
        expected[head] = np.where(k > q, np.float32(0), values).astype(np.float16)
    expected[1, 256:] = np.nan
    same(d, expected, "pattern")
    same(g["heads"], [[2, 3], [0, 1]], "map heads")
    check(text(d.dims[0][0]) == ["2.3", "0.1"], "head labels")


def check_graph(f):
    g = f["graph/ioi"]
    check(text(g["nodes/name"]) == ["input", "0.1", "logits"], "nodes")
    same(g["nodes/layer"], [-1, 0, -1], "node layers")
    same(g["edges/src"], [0, 1], "edges")
    same(g["edges/score"], [0.5, -0.125], "edge scores")
    same(g["edges/in_circuit"], [1, 0], "edges of the circuit")
    same(g["nodes/in_circuit"], [0, 1, 0], "nodes of the circuit")
    same(g["nodes/score"], [np.nan, 0.75, np.nan], "node scores")
    check(g["edges/score"].attrs["units"] == "logit" and g.attrs["task"] == "indirect object", "graph attributes")


def main():
    program = sys.argv[1]
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "run.h5")
        subprocess.run([program, path], check=True)
        with h5py.File(path, "r") as f:
            for part in (check_root, check_described, check_prompt, check_scores, check_ablation, check_patching,
                         check_attention, check_graph):
                part(f)
        check(os.listdir(folder) == ["run.h5"], "nothing but the file is left")
        again = subprocess.run([program, path], capture_output=True, text=True)
        check(again.returncode == 1 and "already exists" in again.stderr, "an existing file is refused")
        cut = os.path.join(folder, "cut.h5")
        subprocess.run([program, cut, "interrupted"], check=True)
        with h5py.File(cut, "r") as f:
            check(f.attrs["complete"] == 0, "interrupted work is marked")
            check_ablation(f)
    print("ok")


main()
