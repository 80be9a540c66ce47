# SPDX-License-Identifier: GPL-3.0-or-later
"""Small weight files with one thing wrong in each."""
import json
import pathlib
import struct

import numpy as np


class Safetensors:
    """A file taken apart: the header as JSON and the bytes after it."""

    def __init__(self, path):
        self.path = pathlib.Path(path)
        data = self.path.read_bytes()
        size = int.from_bytes(data[:8], "little")
        self.header, self.data = json.loads(data[8:8 + size]), bytearray(data[8 + size:])

    def names(self):
        return [name for name in self.header if name != "__metadata__"]

    def values(self, name):
        """A writable view of a float32 tensor."""
        begin, end = self.header[name]["data_offsets"]
        return np.frombuffer(memoryview(self.data)[begin:end], np.float32)

    def write(self):
        header = json.dumps(self.header).encode()
        self.path.write_bytes(struct.pack("<Q", len(header)) + header + bytes(self.data))


class Gguf:
    """A GGUF file with a handful of metadata and tensors, enough to be opened."""
    F32, Q4_0 = 0, 2

    def __init__(self, architecture="llama"):
        self.magic, self.version = b"GGUF", 3
        self.metadata = {"general.architecture": architecture, f"{architecture}.block_count": 1,
                         f"{architecture}.embedding_length": 32, f"{architecture}.attention.head_count": 4,
                         f"{architecture}.attention.head_count_kv": 4, f"{architecture}.feed_forward_length": 64,
                         f"{architecture}.context_length": 16, f"{architecture}.attention.layer_norm_rms_epsilon": 1e-5}
        square, wide, tall = (32, 32), (32, 64), (64, 32)  # ggml order: the fastest axis first
        shapes = {"token_embd.weight": (32, 20), "output_norm.weight": (32,), "blk.0.attn_norm.weight": (32,),
                  "blk.0.attn_q.weight": square, "blk.0.attn_k.weight": square, "blk.0.attn_v.weight": square,
                  "blk.0.attn_output.weight": square, "blk.0.ffn_norm.weight": (32,), "blk.0.ffn_gate.weight": wide,
                  "blk.0.ffn_up.weight": wide, "blk.0.ffn_down.weight": tall}
        random = np.random.default_rng(0)
        self.tensors = [[name, shape, self.F32, random.normal(size=int(np.prod(shape))).astype("<f4")]
                        for name, shape in shapes.items()]
        self.offsets = {}  # name: an offset other than the right one

    def tensor(self, name):
        return next(entry for entry in self.tensors if entry[0] == name)

    @staticmethod
    def string(text):
        data = text.encode()
        return struct.pack("<Q", len(data)) + data

    def value(self, value):
        if isinstance(value, str):
            return struct.pack("<I", 8) + self.string(value)
        if isinstance(value, int):
            return struct.pack("<II", 4, value)
        return struct.pack("<If", 6, value)

    def bytes(self):
        head = self.magic + struct.pack("<IQQ", self.version, len(self.tensors), len(self.metadata))
        for key, value in self.metadata.items():
            head += self.string(key) + self.value(value)
        body, infos = b"", b""
        for name, shape, kind, values in self.tensors:
            body += b"\0" * (-len(body) % 32)
            offset = self.offsets.get(name, len(body))
            infos += self.string(name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape, kind, offset)
            body += values.tobytes()
        head += infos
        return head + b"\0" * (-len(head) % 32) + body

    def write(self, path):
        pathlib.Path(path).write_bytes(self.bytes())
        return path
