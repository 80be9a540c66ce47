# SPDX-License-Identifier: GPL-3.0-or-later
"""Heads whose attention is steered and whose output is scaled: activations/steering_NAME.safetensors.

The weights that transformers' eager attention returns are changed, and the heads' outputs made of them again.

    python tests/golden/generate_steering.py
"""
import importlib
import pathlib

import safetensors.torch
import torch
import transformers

HERE = pathlib.Path(__file__).resolve().parent

# What to do to (layer, head): a share given to keys, with weights, at queries (None: all); or a factor of the output.
CASES = {
    "steer_last": [((1, 2), {"keys": [1, 4], "weights": [1, 1], "share": 1.0, "queries": [17]})],
    "mix_two_queries": [((0, 1), {"keys": [2, 6], "weights": [3, 1], "share": 0.4, "queries": [8, 12]})],
    "all_queries": [((1, 3), {"keys": [3, 7], "weights": [1, 1], "share": 0.7, "queries": None})],
    "two_heads_one_scaled": [
        ((1, 0), {"keys": [5], "weights": [1], "share": 1.0, "queries": [17]}),
        ((1, 2), {"keys": [5, 9], "weights": [1, 1], "share": 1.0, "queries": [17]}),
        ((0, 3), {"factor": 2.5}),
    ],
}


def steered(weights, change):
    """weights [batch, query, key]; keys after a query are not given any."""
    out = weights.clone()
    for query in range(weights.shape[1]) if change["queries"] is None else change["queries"]:
        target = torch.zeros(weights.shape[2])
        for key, weight in zip(change["keys"], change["weights"]):
            if key <= query:
                target[key] += weight
        if target.sum() > 0:
            out[:, query] = (1 - change["share"]) * weights[:, query] + change["share"] * target / target.sum()
    return out


def run(model, tokens, changes):
    module = importlib.import_module(type(model).__module__)
    original = module.eager_attention_forward

    def changed(mod, query, key, value, mask, **kwargs):
        z, weights = original(mod, query, key, value, mask, **kwargs)  # z [batch, pos, head, d]
        values = value.repeat_interleave(query.shape[1] // value.shape[1], 1)
        z = z.clone()
        for (layer, head), change in changes:
            if layer != mod.layer_idx:
                continue
            if "factor" in change:
                z[:, :, head] *= change["factor"]
            else:
                z[:, :, head] = steered(weights[:, head], change) @ values[:, head]
        return z, weights

    module.eager_attention_forward = changed
    try:
        return model(tokens, use_cache=False).logits
    finally:
        module.eager_attention_forward = original


def main():
    torch.set_num_threads(1)
    for name in ("gpt2", "llama"):
        model = transformers.AutoModelForCausalLM.from_pretrained(HERE / "models" / name, attn_implementation="eager", dtype=torch.float32).eval()
        tokens = safetensors.torch.load_file(HERE / "activations" / f"{name}.safetensors")["tokens"]
        with torch.no_grad():
            out = {case: run(model, tokens, changes)[:, -1].contiguous() for case, changes in CASES.items()}
            out["mix_two_queries"] = run(model, tokens, CASES["mix_two_queries"])[:, 8:13].contiguous()
        safetensors.torch.save_file({"tokens": tokens, **out}, HERE / "activations" / f"steering_{name}.safetensors")


if __name__ == "__main__":
    main()
