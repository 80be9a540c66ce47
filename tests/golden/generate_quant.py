#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes the reference data of the weight file readers with the gguf and safetensors packages and torch.

    pip install -r tests/golden/requirements.txt
    python tests/golden/generate_quant.py [--models build/models]

Writes tests/golden/quant/:
  all_types.gguf           every tensor type that Headscope reads and every kind of metadata, by gguf.GGUFWriter
  all_types.safetensors    the same tensors as gguf.dequantize gives them, F32
  metadata.json            the same metadata
  big_endian.gguf          a file that must be refused
  all_dtypes.safetensors   every dtype, by safetensors.torch; values.json: their values
  rounding.safetensors     float32 values and what numpy and torch make of them as float16 and bfloat16 (U16)
  real.json                of the two packaged models each tensor's type, shape and SHA-256 of its float32 and
                           bfloat16 values
Types that the package can dequantise but not quantise are random blocks with plausible scales.
"""
import argparse
import hashlib
import json
import pathlib

import gguf
import numpy as np
import safetensors.torch
import torch

OUT = pathlib.Path(__file__).resolve().parent / "quant"
TYPES = ["F32", "F16", "BF16", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K", "IQ4_NL"]
# Where in a block the float16 scales are; every other byte may hold anything.
SCALES = {"Q2_K": [80, 82], "Q3_K": [108], "Q4_K": [0, 2], "Q5_K": [0, 2], "Q6_K": [208], "IQ4_NL": [0]}
SHAPE = (3, 512)

METADATA = {
    "general.architecture": ("llama", "STRING"),
    "general.name": ("Prüfung ▁", "STRING"),
    "general.empty": ("", "STRING"),
    "kind.u8": (200, "UINT8"),
    "kind.i8": (-100, "INT8"),
    "kind.u16": (60000, "UINT16"),
    "kind.i16": (-30000, "INT16"),
    "kind.u32": (4000000000, "UINT32"),
    "kind.i32": (-2000000000, "INT32"),
    "kind.u64": (2**63 + 11, "UINT64"),
    "kind.i64": (-(2**62) - 11, "INT64"),
    "kind.f32": (0.15625, "FLOAT32"),
    "kind.f64": (0.1, "FLOAT64"),
    "kind.true": (True, "BOOL"),
    "kind.false": (False, "BOOL"),
}
ARRAYS = {
    "list.strings": ["a", "", "ä▁", "two words"],
    "list.ints": [1, -2, 2000000000],
    "list.floats": [0.5, -0.25, 1048576.0],
    "list.bools": [True, False, True],
    "list.long": list(range(5000)),
    "list.nested": [[1, 2], [3], [4, 5, 6]],
}


def random_blocks(name: str, random: np.random.Generator) -> np.ndarray:
    block, size = gguf.GGML_QUANT_SIZES[gguf.GGMLQuantizationType[name]]
    rows, columns = SHAPE
    data = random.integers(0, 256, (rows * columns // block, size), dtype=np.uint8)
    for at in SCALES[name]:
        scales = (random.standard_normal(len(data)) * 0.01).astype(np.float16)
        data[:, at : at + 2] = scales.view(np.uint8).reshape(-1, 2)
    return data.reshape(rows, -1)


def make_types() -> None:
    random = np.random.default_rng(20250101)
    writer = gguf.GGUFWriter(str(OUT / "all_types.gguf"), "llama")
    for key, (value, kind) in METADATA.items():
        if key != "general.architecture":
            writer.add_key_value(key, value, gguf.GGUFValueType[kind])
    for key, value in ARRAYS.items():
        writer.add_array(key, value)
    expected = {}
    for name in TYPES:
        kind = gguf.GGMLQuantizationType[name]
        if name in SCALES:
            data = random_blocks(name, random)
        else:
            data = gguf.quantize((random.standard_normal(SHAPE) * 3).astype(np.float32), kind)
        expected[name] = torch.from_numpy(np.ascontiguousarray(gguf.dequantize(data, kind), dtype=np.float32))
        assert expected[name].shape == SHAPE and torch.isfinite(expected[name]).all(), name
        writer.add_tensor(name, data, raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    safetensors.torch.save_file(expected, OUT / "all_types.safetensors")
    values = {key: value for key, (value, _) in METADATA.items()} | ARRAYS
    (OUT / "metadata.json").write_text(json.dumps(values, ensure_ascii=False) + "\n")

    other = gguf.GGUFWriter(str(OUT / "big_endian.gguf"), "llama", endianess=gguf.GGUFEndian.BIG)
    other.add_tensor("a", np.arange(8, dtype=np.float32))
    other.write_header_to_file()
    other.write_kv_data_to_file()
    other.write_tensors_to_file()
    other.close()


def make_dtypes() -> None:
    floats = [[0.0, -1.5, 2.0], [1e-3, 3.25, -7.0]]
    tensors = {
        "f64": torch.tensor([[0.1, -1e300, 5e-324]], dtype=torch.float64),
        "f32": torch.tensor(floats),
        "f16": torch.tensor(floats, dtype=torch.float16),
        "bf16": torch.tensor(floats, dtype=torch.bfloat16),
        "i64": torch.tensor([-(2**62), 7]),
        "i32": torch.tensor([-(2**31), 7], dtype=torch.int32),
        "i16": torch.tensor([-(2**15), 7], dtype=torch.int16),
        "i8": torch.tensor([-128, 7], dtype=torch.int8),
        "u8": torch.tensor([255, 7], dtype=torch.uint8),
        "bool": torch.tensor([True, False, True]),
        "scalar": torch.tensor(2.5),
        "empty": torch.zeros(0, 4),
    }
    safetensors.torch.save_file(tensors, OUT / "all_dtypes.safetensors", metadata={"format": "pt", "note": "ä"})
    values = {name: {"shape": list(t.shape), "values": t.double().flatten().tolist()} for name, t in tensors.items()}
    (OUT / "values.json").write_text(json.dumps(values) + "\n")


def make_rounding() -> None:
    random = np.random.default_rng(7)
    special = [0.0, -0.0, 1.0, 65504.0, 65519.0, 65520.0, 65536.0, 6.1e-5, 5.96e-8, 2.98e-8, 2.9802326e-8, 1e-8,
               3.3895314e38, 3.3961775e38, 3.4028235e38, 1e-40, -1e-45, 2049.0, 2051.0, 1.00390625, 1.01171875]
    exponents = random.integers(1, 255, 2000, dtype=np.uint32) << 23
    bits = exponents | random.integers(0, 1 << 23, 2000, dtype=np.uint32) | random.integers(0, 2, 2000, dtype=np.uint32) << 31
    ties = (exponents & 0xFFFF0000) | 0x8000, (exponents & 0xFFFFE000) | 0x1000 | (bits & 0x2000)
    values = np.concatenate([np.array(special, np.float32)] + [b.astype(np.uint32).view(np.float32) for b in (bits, *ties)])
    with np.errstate(over="ignore"):
        half = values.astype(np.float16)
    brain = torch.from_numpy(values).to(torch.bfloat16).view(torch.int16).numpy().view(np.uint16)
    arrays = {"f32": values, "f16": half.view(np.uint16), "bf16": brain}
    safetensors.torch.save_file({k: torch.from_numpy(v.copy()) for k, v in arrays.items()}, OUT / "rounding.safetensors")


def make_real(models: pathlib.Path) -> None:
    result = {}
    for path in sorted(models.glob("*.gguf")):
        tensors = {}
        for tensor in gguf.GGUFReader(str(path)).tensors:
            values = np.ascontiguousarray(gguf.dequantize(tensor.data, tensor.tensor_type), dtype="<f4")
            brain = torch.from_numpy(values.copy()).to(torch.bfloat16).view(torch.int16).numpy()
            tensors[tensor.name] = [tensor.tensor_type.name, [int(n) for n in reversed(tensor.shape)],
                                    hashlib.sha256(values.tobytes()).hexdigest()[:32],
                                    hashlib.sha256(brain.tobytes()).hexdigest()[:32]]
        result[path.name] = tensors
    (OUT / "real.json").write_text(json.dumps(result, separators=(",", ":")).replace('],"', '],\n"') + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=pathlib.Path, default=OUT.parents[2] / "build" / "models")
    arguments = parser.parse_args()
    OUT.mkdir(exist_ok=True)
    make_types()
    make_dtypes()
    make_rounding()
    make_real(arguments.models)
    for path in OUT.iterdir():
        path.chmod(0o644)


if __name__ == "__main__":
    main()
