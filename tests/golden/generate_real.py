# SPDX-License-Identifier: GPL-3.0-or-later
"""The packaged models, dequantised to float32 by Python's gguf, run by transformers in eager mode."""
import pathlib

import torch
import transformers
from safetensors.torch import save_file
from tokenizers import pre_tokenizers

import probe

HERE = pathlib.Path(__file__).resolve().parent
FILES = {"smollm2": "SmolLM2-135M-Instruct.Q4_1.gguf", "gemma3-270m": "gemma-3-270m-q4_k_m.gguf"}
LONG = ("The library closed at nine, and the last readers packed their bags in silence. A cat that lived between the shelves walked to the "
        "door, sat down, and waited for the guard to come. The guard was late. Outside it had begun to snow, and the street lamps made small "
        "yellow rooms of light. When the guard came at last, the cat")
# Of Gemma's 262,144 logits every fourth is kept (every 16th where all positions are), to keep the file small.
STRIDES = {"smollm2": (1, 8), "gemma3-270m": (4, 16)}
PROMPTS = ["The capital of France is", "When Mary and John went to the store, John gave a drink to", LONG]


def load(folder, name):
    path = pathlib.Path(folder)
    model = transformers.AutoModelForCausalLM.from_pretrained(path, gguf_file=FILES[name], dtype=torch.float32, attn_implementation="eager").eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(path, gguf_file=FILES[name])
    if name == "smollm2":  # transformers' GGUF reader drops the model's own pre-tokenizer, which parts digits first
        tokenizer.backend_tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
            [pre_tokenizers.Digits(True), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)])
    return model, tokenizer


@torch.no_grad()
def one(folder, name):
    model, tokenizer = load(folder, name)
    stride, stride_all = STRIDES[name]
    out = {"logits_stride": torch.tensor([stride]), "logits_all_stride": torch.tensor([stride_all])}
    for i, prompt in enumerate(PROMPTS):
        ids = tokenizer(prompt, return_tensors="pt").input_ids
        logits, hooks = probe.run(model, ids)
        out[f"tokens_{i}"] = ids
        out[f"logits_{i}"] = logits[0, -1, ::stride]
        top = logits[0, -1].topk(20)
        out[f"top_values_{i}"], out[f"top_ids_{i}"] = top.values, top.indices
        if i > 0:
            continue
        out["logits_all_0"] = logits[0, :, ::stride_all]
        layers = len(probe.sub(model, probe.PARTS[model.config.model_type]["layers"]))
        for layer in range(layers):
            out[f"last.blocks.{layer}.hook_resid_post"] = hooks[f"blocks.{layer}.hook_resid_post"][0, -1]
        for key, value in hooks.items():
            if not key.startswith("blocks.") or int(key.split(".")[1]) in (0, layers // 2, layers - 1):
                out[key] = value
    if name == "smollm2":  # what the definitions promise
        expected = torch.tensor([17.3713, 14.8886, 13.2450, 13.0095, 12.9515])
        assert torch.allclose(out["top_values_0"][:5], expected, atol=1e-4), out["top_values_0"]
        assert out["tokens_0"].tolist() == [[504, 3575, 282, 4649, 314]] and tokenizer.decode(out["top_ids_0"][:1]) == " Paris"
        hello = tokenizer("Hello world!", return_tensors="pt").input_ids
        assert abs(model(hello, labels=hello).loss - 8.39217) < 1e-4
    save_file({k: v.contiguous().clone() for k, v in out.items()}, HERE / "activations" / f"{name}.safetensors")
    print(name, "written")


def main(folder):
    torch.set_num_threads(1)
    for name in FILES:
        one(folder, name)
