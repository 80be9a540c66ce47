# SPDX-License-Identifier: GPL-3.0-or-later
"""Zero-ablation sweep over heads: Headscope against transformers with hooks, same weights and tokens, equal results checked.

    pip install -r tests/golden/requirements.txt
    python tests/bench/peers/sweep.py build/bin/headscope build/models/SmolLM2-135M-Instruct.Q4_1.gguf [--heads 24] [--threads N]
    python tests/bench/peers/sweep.py build/bin/headscope gpt2 --device cuda [--batch 8 --len 64]
    python tests/bench/peers/sweep.py build/bin/headscope llama-7b --device cuda --dtype bfloat16 --batch 4 --len 512

gpt2 and llama-7b are random weights of those shapes, made here. transformers' best setting: one forward pass a head with a pre-hook on the output matrix,
only the last position unembedded (logits_to_keep=1), no gradient, fused attention, no synchronisation before the end.
Prints one line: ms a head of both, and how many times faster Headscope is in the same run."""
import json
import pathlib
import tempfile
import time

import torch
import transformers

import peer


def tokens_for(batch, length, vocabulary):
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, vocabulary, (batch, length), generator=generator)


def output_matrix(model, layer):
    return model.transformer.h[layer].attn.c_proj if hasattr(model, "transformer") else model.model.layers[layer].self_attn.o_proj


def wait(device):
    if device == "cuda":
        torch.cuda.synchronize()


def with_transformers(model, tokens, heads, device):
    """Returns the seconds of the sweep, and effects by head."""
    d_head = getattr(model.config, "head_dim", None) or model.config.hidden_size // model.config.num_attention_heads
    tokens = tokens.to(device)

    def metric(logits):
        return (logits[:, -1, 1] - logits[:, -1, 2]).double()

    with torch.no_grad():
        clean = metric(model(tokens, logits_to_keep=1, use_cache=False).logits)
        wait(device)
        effects, begin = {}, time.perf_counter()
        for layer, head in heads:
            def hook(_, arguments, head=head):
                z = arguments[0].clone()
                z[..., head * d_head:(head + 1) * d_head] = 0
                return (z,)
            handle = output_matrix(model, layer).register_forward_pre_hook(hook)
            effects[f"{layer}.{head}"] = metric(model(tokens, logits_to_keep=1, use_cache=False).logits) - clean
            handle.remove()
        wait(device)
        return time.perf_counter() - begin, effects


def with_headscope(arguments, path, tokens):
    with tempfile.TemporaryDirectory() as folder:
        file = pathlib.Path(folder) / "tokens.json"
        file.write_text(json.dumps(tokens.tolist()))
        more = ["--tokens-per-run", arguments.tokens_per_run] if arguments.tokens_per_run else []
        return peer.bench(arguments, "sweep", path, "--tokens", file, "--heads", arguments.heads, *more)


def main():
    parser = peer.parser_of(__doc__)
    parser.add_argument("--heads", type=int, default=24)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--len", type=int, default=64)
    parser.add_argument("--tokens-per-run", type=int, default=0)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        model, path = peer.open_model(arguments, folder)
        tokens = tokens_for(arguments.batch, arguments.len, model.config.vocab_size)
        ours = with_headscope(arguments, path, tokens)
    heads = [tuple(int(x) for x in name.split(".")) for name in ours["effects"]]
    with_transformers(model, tokens, heads[:2], arguments.device)  # warm
    seconds, effects = with_transformers(model, tokens, heads, arguments.device)
    differences = [(effects[name].cpu() - torch.tensor(values, dtype=torch.float64)).abs().max().item() for name, values in ours["effects"].items()]
    largest = max(values.abs().max().item() for values in effects.values())
    theirs = 1000 * seconds / len(heads)
    print(f"{arguments.model} {arguments.dtype} {arguments.batch} x {arguments.len} on {arguments.device}: Headscope {ours['ms_per_head']:.3f} ms a head; "
          f"transformers {transformers.__version__} with hooks {theirs:.2f} ms: {theirs / ours['ms_per_head']:.2f} times; largest difference of effects "
          f"{max(differences):.1e} of {largest:.1e}", flush=True)
    assert max(differences) < (1e-3 if arguments.dtype == "float32" else 0.1 * largest + 0.05), "the results differ"


if __name__ == "__main__":
    main()
