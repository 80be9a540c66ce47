# SPDX-License-Identifier: GPL-3.0-or-later
"""The packaged models, dequantised to float32 by Python's gguf, run by transformers in eager mode."""
import pathlib

import torch
import transformers
from safetensors.torch import save_file

import probe

HERE = pathlib.Path(__file__).resolve().parent
FILES = {"smollm2": "SmolLM2-135M-Instruct.Q4_1.gguf", "gemma3-270m": "gemma-3-270m-q4_k_m.gguf"}
LONG = ("The library closed at nine, and the last readers packed their bags in silence. A cat that lived between the shelves walked to the "
        "door, sat down, and waited for the guard to come. The guard was late. Outside it had begun to snow, and the street lamps made small "
        "yellow rooms of light. When the guard came at last, the cat")
PROMPTS = ["The capital of France is", "When Mary and John went to the store, John gave a drink to", LONG]


def load(folder, name):
    path = pathlib.Path(folder)
    model = transformers.AutoModelForCausalLM.from_pretrained(path, gguf_file=FILES[name], dtype=torch.float32, attn_implementation="eager").eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(path, gguf_file=FILES[name])
    return model, tokenizer


@torch.no_grad()
def one(folder, name):
    model, tokenizer = load(folder, name)
    out = {}
    for i, prompt in enumerate(PROMPTS):
        ids = tokenizer(prompt, return_tensors="pt").input_ids
        logits, hooks = probe.run(model, ids)
        out[f"tokens_{i}"] = ids
        out[f"logits_{i}"] = logits[0, -1]
        if i > 0:
            continue
        layers = len(probe.sub(model, probe.PARTS[model.config.model_type]["layers"]))
        for layer in range(layers):
            out[f"last.blocks.{layer}.hook_resid_post"] = hooks[f"blocks.{layer}.hook_resid_post"][0, -1]
        for key, value in hooks.items():
            if not key.startswith("blocks.") or int(key.split(".")[1]) in (0, layers // 2, layers - 1):
                out[key] = value
    if name == "smollm2":  # what the definitions promise
        top = out["logits_0"].topk(5)
        assert abs(top.values[0] - 17.3713) < 1e-3 and abs(top.values[4] - 12.9515) < 1e-3, top
    save_file({k: v.contiguous().clone() for k, v in out.items()}, HERE / "activations" / f"{name}.safetensors")
    print(name, "written")


def main(folder):
    for name in FILES:
        one(folder, name)
