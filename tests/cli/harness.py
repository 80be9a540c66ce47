# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs the real headscope program, and makes small models for it from the reference data.

HEADSCOPE names the program, HEADSCOPE_GOLDEN the folder tests/golden, HEADSCOPE_MODELS that of the packaged models.
"""
import atexit
import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest

import numpy as np

PROGRAM = os.environ["HEADSCOPE"]
GOLDEN = pathlib.Path(os.environ["HEADSCOPE_GOLDEN"])
MODELS = pathlib.Path(os.environ["HEADSCOPE_MODELS"])
SMOLLM2 = MODELS / "SmolLM2-135M-Instruct.Q4_1.gguf"

# Set only by scripts/test-timed: time limits are checked, and random repetitions are done in full.
TIMED = bool(os.environ.get("HEADSCOPE_TIMED"))
timed = unittest.skipUnless(TIMED, "limits of time are those of a quiet machine: scripts/test-timed")

# Seconds that a call may take before it counts as hanging; on a busy machine every call is slow.
PATIENCE = 1200

# Keeps plugins, models and verdicts on plugins apart from the user's and from other tests'.
HOME = pathlib.Path(tempfile.mkdtemp(prefix="headscope-home-"))
atexit.register(shutil.rmtree, HOME, ignore_errors=True)
for kind in ("CACHE", "CONFIG", "DATA"):
    os.environ[f"XDG_{kind}_HOME"] = str(HOME / kind.lower())

# The exit codes of docs/command-line.md.
EXIT = {"invalid_argument": 2, "not_found": 3, "already_exists": 4, "io": 5, "corrupt": 6, "unsupported": 7,
        "mismatch": 8, "out_of_memory": 9, "device": 10, "cancelled": 130}

# 101 characters, the id of each is its place: a text is a row of the tokens that the small models were run on.
ALPHABET = "\x01\x02\x03\x04\t\n" + "".join(chr(c) for c in range(0x20, 0x7F))
assert len(ALPHABET) == 101


def run(*args, timeout=PATIENCE, env=None, cwd=None, preexec_fn=None, stdin=None):
    return subprocess.run([PROGRAM, *map(str, args)], capture_output=True, timeout=timeout, check=False, cwd=cwd,
                          env={**os.environ, **(env or {})}, preexec_fn=preexec_fn, stdin=stdin)


def text_of(ids):
    return "".join(ALPHABET[i] for i in ids)


def read_safetensors(path):
    """{name: array} of float32 and int64 tensors."""
    data = pathlib.Path(path).read_bytes()
    size = int.from_bytes(data[:8], "little")
    header = json.loads(data[8:8 + size])
    kinds = {"F32": np.float32, "I64": np.int64, "F64": np.float64}
    arrays = {}
    for name, entry in header.items():
        if name == "__metadata__" or entry["dtype"] not in kinds:
            continue
        begin, end = entry["data_offsets"]
        arrays[name] = np.frombuffer(data[8 + size + begin:8 + size + end], kinds[entry["dtype"]]).reshape(entry["shape"])
    return arrays


def byte_to_char():
    """GPT-2's printable stand-ins for bytes."""
    plain = list(range(0x21, 0x7F)) + list(range(0xA1, 0xAD)) + list(range(0xAE, 0x100))
    table = {b: chr(b) for b in plain}
    for n, b in enumerate(b for b in range(256) if b not in table):
        table[b] = chr(256 + n)
    return table


def write_tokenizer(folder, size=101):
    """A byte-level tokenizer without merges: one token a character of ALPHABET."""
    chars = byte_to_char()
    vocab = {chars[ord(c)]: i for i, c in enumerate(ALPHABET[:size])}
    extra = [b for b in range(0x80, 0x100)]
    for i in range(len(vocab), size):
        vocab[chars[extra[i - 101]]] = i
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}
    tokenizer = {"version": "1.0", "truncation": None, "padding": None, "added_tokens": [], "normalizer": None,
                 "pre_tokenizer": byte_level, "post_processor": None, "decoder": byte_level,
                 "model": {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None,
                           "end_of_word_suffix": None, "fuse_unk": False, "byte_fallback": False, "vocab": vocab,
                           "merges": []}}
    (pathlib.Path(folder) / "tokenizer.json").write_text(json.dumps(tokenizer))


class Case(unittest.TestCase):
    """A test with a folder of its own and the checks that everything here shares."""
    longMessage = True

    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="headscope-cli-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)

    def small_model(self, name="llama", tokenizer=True, where=None):
        """A copy of a small model of the reference data, with a tokenizer; `where`: in another folder than the test's own."""
        folder = (where or self.folder) / name
        if not folder.exists():
            shutil.copytree(GOLDEN / "models" / name, folder)
            folder.chmod(0o755)
            if tokenizer:
                write_tokenizer(folder)
        return folder

    def good(self, *args, **more):
        """The parsed document that the call prints with --json."""
        result = run(*args, "--json", **more)
        self.assertEqual(result.returncode, 0, result.stderr.decode(errors="replace"))
        return json.loads(result.stdout)

    def document(self, process, output, errors):
        """The JSON of a program that was started by hand and has ended; where it said none, how it ended."""
        try:
            return json.loads(output)
        except json.JSONDecodeError:
            said = errors if isinstance(errors, str) else (errors or b"").decode(errors="replace")
            self.fail(f"no JSON; it ended with {process.returncode}\nstandard output: {output[-2000:]!r}\nstandard error: {said[-4000:]}")

    def bad(self, code, *args, file=None, field=None, **more):
        """The call fails with this code, in one line that names the file and the field; --json says the same."""
        result = run(*args, "--json", "--quiet", **more)
        said = result.stderr.decode(errors="replace")
        self.assertEqual(result.returncode, EXIT[code], said)
        lines = said.splitlines()
        self.assertEqual(len(lines), 1, said)
        self.assertTrue(lines[0].startswith("headscope: "), said)
        error = json.loads(result.stdout)["error"]
        self.assertEqual(error["code"], code, error)
        if file is not None:
            self.assertIn(str(file), error["file"], error)
            self.assertIn(str(file), lines[0])
        if field is not None:
            self.assertIn(field, error["field"] + " " + error["message"], error)
            self.assertIn(field, lines[0])
        return error

    def assertClose(self, got, wanted, tolerance):
        got, wanted = np.array(got, dtype=float), np.array(wanted, dtype=float)
        self.assertEqual(got.shape, wanted.shape)
        self.assertLessEqual(float(np.max(np.abs(got - wanted))), tolerance)
