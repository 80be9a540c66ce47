# SPDX-License-Identifier: GPL-3.0-or-later
"""Zero-ablation sweep over heads: Headscope against transformers with hooks and TransformerLens, same tokens, equal results checked.

    pip install -r tests/golden/requirements.txt
    python tests/bench/peers/sweep.py build/bin/headscope build/models/SmolLM2-135M-Instruct.Q4_1.gguf [--heads 24] [--threads N]

transformers' best setting: one forward pass a head with a pre-hook on o_proj, only the last position unembedded (logits_to_keep=1), no gradient.
Prints one line a program: ms a head, and how many times faster Headscope is in the same run."""
import argparse
import json
import pathlib
import subprocess
import tempfile
import time

import torch
import transformers


def tokens_for(batch, length, vocabulary):
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, vocabulary, (batch, length), generator=generator)


def with_transformers(model, tokens, heads, d_head):
    """Seconds of the sweep, and effects by head."""
    def metric(logits):
        return (logits[:, -1, 1] - logits[:, -1, 2]).double()

    with torch.no_grad():
        clean = metric(model(tokens, logits_to_keep=1, use_cache=False).logits)
        effects, begin = {}, time.perf_counter()
        for layer, head in heads:
            def hook(_, arguments, head=head):
                z = arguments[0].clone()
                z[..., head * d_head:(head + 1) * d_head] = 0
                return (z,)
            handle = model.model.layers[layer].self_attn.o_proj.register_forward_pre_hook(hook)
            effects[f"{layer}.{head}"] = metric(model(tokens, logits_to_keep=1, use_cache=False).logits) - clean
            handle.remove()
        return time.perf_counter() - begin, effects


def with_headscope(program, path, tokens, heads, threads):
    with tempfile.TemporaryDirectory() as folder:
        file = pathlib.Path(folder) / "tokens.json"
        file.write_text(json.dumps(tokens.tolist()))
        call = [program, "bench", "sweep", "--model", path, "--tokens", file, "--heads", str(heads), "--json", "--quiet"]
        call += ["--threads", str(threads)] if threads else []
        return json.loads(subprocess.run([str(c) for c in call], check=True, capture_output=True).stdout)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("program")
    parser.add_argument("model")
    parser.add_argument("--heads", type=int, default=24)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--len", type=int, default=64)
    parser.add_argument("--threads", type=int, default=0)
    arguments = parser.parse_args()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    path = pathlib.Path(arguments.model)
    model = transformers.AutoModelForCausalLM.from_pretrained(path.parent, gguf_file=path.name, dtype=torch.float32, attn_implementation="sdpa").eval()
    tokens = tokens_for(arguments.batch, arguments.len, model.config.vocab_size)
    ours = with_headscope(arguments.program, path, tokens, arguments.heads, arguments.threads)
    heads = [tuple(int(x) for x in name.split(".")) for name in ours["effects"]]
    with_transformers(model, tokens, heads[:2], model.config.head_dim)  # warm
    seconds, effects = with_transformers(model, tokens, heads, model.config.head_dim)
    worst = max((effects[name] - torch.tensor(values, dtype=torch.float64)).abs().max().item() for name, values in ours["effects"].items())
    theirs = 1000 * seconds / len(heads)
    print(f"Headscope {ours['ms_per_head']:.1f} ms a head; transformers {transformers.__version__} with hooks {theirs:.1f} ms: {theirs / ours['ms_per_head']:.2f} times; "
          f"largest difference of effects {worst:.1e}, {torch.get_num_threads()} threads")
    assert worst < 1e-3, "the results differ"


if __name__ == "__main__":
    main()
