# SPDX-License-Identifier: GPL-3.0-or-later
"""The Python side of a Headscope detector (docs/plugin-guide.md).

    import headscope_plugin

    def plan(request):
        return {"prompts": [{"id": "p0", "text": "The cat sat on the mat."}], "capture": ["blocks.*.attn.hook_pattern"]}

    def score(request, data):
        return {"scores": ...}          # [layer][head]

    headscope_plugin.main(plan, score)

Needs only Python, and numpy and h5py where `data` is read.
"""
import json
import math
import sys


class Data:
    """The data that Headscope measured for the plan. Arrays are numpy's, read when they are accessed."""

    def __init__(self, path):
        self._path, self._file = path, None

    @property
    def file(self):
        """The HDF5 file itself (h5py.File)."""
        if self._file is None:
            import h5py
            self._file = h5py.File(self._path, "r")
        return self._file

    def activation(self, prompt, hook):
        """The activation of a prompt (by id) at a hook point, without the batch axis: [head, query, key] for a pattern."""
        return self.file[f"activations/{prompt}/{hook}"][...]

    def pattern(self, prompt, layer):
        return self.activation(prompt, f"blocks.{layer}.attn.hook_pattern")

    def weight(self, name, layer=None):
        """Reads a weight: weight("W_E"), weight("W_Q", 3)."""
        return self.file[f"weights/{name}" if layer is None else f"weights/blocks.{layer}.attn.{name}"][...]


def _plain(value):
    """Turns numpy arrays into lists and NaN into None, since JSON has neither."""
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, dict):
        return {str(key): _plain(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(entry) for entry in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def main(plan, score):
    """Called by Headscope as: SCRIPT REQUEST.json ANSWER.json, once to plan and once to score."""
    if len(sys.argv) != 3:
        sys.exit("this is a Headscope detector: put it into a plugin folder and run headscope detect")
    with open(sys.argv[1], encoding="utf-8") as file:
        request = json.load(file)
    answer = plan(request) if request["phase"] == "plan" else score(request, Data(request["data"]))
    with open(sys.argv[2], "w", encoding="utf-8") as file:
        json.dump(_plain(answer), file, allow_nan=False)
