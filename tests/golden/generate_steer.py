# SPDX-License-Identifier: GPL-3.0-or-later
"""Steering vectors and sets of nodes ablated together, by torch hooks on transformers' modules.

analysis/steer.safetensors: last-token logits with a vector added, set, projected out or the activation scaled at the
residual before layer 1, means of that residual over prompts, and greedy tokens with the vector added.
analysis/joint.safetensors: last-token logits with heads, MLPs and neurons ablated at once, and the logit differences of
the completeness test of Wang et al. 2211.00593. Names begin with the model's.

    python tests/golden/generate_steer.py
"""
import pathlib

import safetensors.torch
import torch
import transformers

import probe

HERE = pathlib.Path(__file__).resolve().parent
COEFFICIENT, NEW_TOKENS = 2.5, 12
HEADS, ANSWER, WRONG = 4, 3, 7


def steered(x, operation, vector):
    if operation == "add":
        return x + COEFFICIENT * vector
    if operation == "set":
        return (COEFFICIENT * vector).expand_as(x)
    if operation == "scale":
        return COEFFICIENT * x
    unit = vector / vector.norm()
    return x - COEFFICIENT * (x @ unit)[..., None] * unit


def run_steered(model, tokens, operation, vector, positions):
    """Logits [row, pos, vocabulary] with resid_pre of layer 1 changed at the positions that are there."""
    layer = probe.sub(model, probe.PARTS[model.config.model_type]["layers"])[1]

    def change(_module, args):
        x = args[0].clone()
        here = [p for p in positions if p < x.shape[1]]
        x[:, here] = steered(x[:, here], operation, vector)
        return (x,) + args[1:]
    handle = layer.register_forward_pre_hook(change)
    try:
        return model(tokens, use_cache=False).logits
    finally:
        handle.remove()


def steering(model, tokens, name):
    vector = torch.randn(model.config.hidden_size, generator=torch.Generator().manual_seed(9))
    length = tokens.shape[1]
    out = {"tokens": tokens, "vector": vector}
    for operation in ("add", "set", "scale", "project_out"):
        for where, positions in (("all", range(length)), ("last", [length - 1])):
            out[f"{operation}_{where}"] = run_steered(model, tokens, operation, vector, positions)[:, -1]
    # Two sets of two texts each, of different lengths.
    residual = lambda row: model(row[None], output_hidden_states=True, use_cache=False).hidden_states[1][0]
    positive, negative = [tokens[0, :9], tokens[1, :6]], [tokens[0, 9:], tokens[1, 8:15]]
    mean = lambda rows, read: torch.stack([read(residual(row)) for row in rows]).mean(0)
    out["difference_last"] = mean(positive, lambda x: x[-1]) - mean(negative, lambda x: x[-1])
    out["difference_mean"] = mean(positive, lambda x: x.mean(0)) - mean(negative, lambda x: x.mean(0))
    prompt = tokens[0, :7]
    places = {"all": range(64), "last": [6], "prompt": range(7), "generated": range(7, 64), "none": []}
    for where, positions in places.items():
        ids = prompt
        for _ in range(NEW_TOKENS):
            next_id = run_steered(model, ids[None], "add", vector, positions)[0, -1].argmax()
            ids = torch.cat([ids, next_id[None]])
        out[f"generated_{where}"] = ids[7:]
    return out


class Ablated:
    """with Ablated(model, nodes, value): nodes are ("head", layer, index), ("mlp", layer, 0) or ("neuron", layer, index);
    value(part, layer) is what the activation becomes, broadcastable to it, or None for 0."""

    def __init__(self, model, nodes, value):
        self.model, self.nodes, self.value, self.handles = model, nodes, value, []

    def of(self, kind, layer):
        return [index for k, l, index in self.nodes if k == kind and l == layer]

    def fresh(self, x, part, layer):
        value = self.value(part, layer)
        return torch.zeros_like(x) if value is None else value.expand_as(x)

    def __enter__(self):
        p = probe.PARTS[self.model.config.model_type]
        for i, layer in enumerate(probe.sub(self.model, p["layers"])):
            heads, neurons = self.of("head", i), self.of("neuron", i)

            def on_z(_module, args, i=i, heads=heads):
                z = args[0].clone().view(*args[0].shape[:2], HEADS, -1)
                z[:, :, heads] = self.fresh(z, "z", i)[:, :, heads]
                return (z.view_as(args[0]),) + args[1:]

            def on_post(_module, args, i=i, neurons=neurons):
                x = args[0].clone()
                x[..., neurons] = self.fresh(x, "mlp_post", i)[..., neurons]
                return (x,) + args[1:]
            if heads:
                self.handles.append(probe.sub(layer, p["o"]).register_forward_pre_hook(on_z))
            if neurons:
                self.handles.append(probe.sub(layer, p["down"]).register_forward_pre_hook(on_post))
            if self.of("mlp", i):
                self.handles.append(probe.sub(layer, p["mlp"]).register_forward_hook(lambda _m, _a, y, i=i: self.fresh(y, "mlp_out", i)))

    def __exit__(self, *_):
        for handle in self.handles:
            handle.remove()


def everything_but(model, kept):
    nodes = [("head", layer, head) for layer in range(2) for head in range(HEADS)] + [("mlp", layer, 0) for layer in range(2)]
    return [node for node in nodes if node not in kept]


def joint(model, tokens, name):
    hooks = probe.run(model, tokens)[1]
    found = {("z", i): hooks[f"blocks.{i}.attn.hook_z"] for i in range(2)}
    found |= {("mlp_out", i): hooks[f"blocks.{i}.hook_mlp_out"] for i in range(2)}
    found |= {("mlp_post", i): hooks[f"blocks.{i}.mlp.hook_post"] for i in range(2)}
    methods = {"zero": lambda part, layer: None,
               "mean": lambda part, layer: found[(part, layer)].mean((0, 1)),
               "resample": lambda part, layer: found[(part, layer)].flip(0)}  # of two prompts each gets the other's

    def last(nodes, method):
        with_nodes = Ablated(model, nodes, methods[method])
        with_nodes.__enter__()
        try:
            return model(tokens, use_cache=False).logits[:, -1]
        finally:
            with_nodes.__exit__()

    together = [("head", 0, 1), ("head", 1, 3), ("mlp", 1, 0)]
    neurons = [("head", 0, 1), ("mlp", 0, 0), ("neuron", 1, 5), ("neuron", 1, 17), ("neuron", 1, 40)]
    kept = [("head", 0, 0), ("head", 0, 2), ("head", 1, 1)]
    out = {"tokens": tokens, "clean": model(tokens, use_cache=False).logits[:, -1]}
    for method in methods:
        out[f"together_{method}"] = last(together, method)
        out[f"neurons_{method}"] = last(neurons, method)
        out[f"keep_{method}"] = last(everything_but(model, kept), method)
    # Completeness: K is nothing, then each node of the circuit.
    circuit = [("head", 0, 2), ("head", 1, 1), ("mlp", 1, 0)]
    difference = lambda logits: (logits[:, ANSWER] - logits[:, WRONG]).mean()
    subsets = [[]] + [[node] for node in circuit]
    out["circuit_without"] = torch.stack([difference(last(everything_but(model, [n for n in circuit if n not in k]), "mean")) for k in subsets])
    out["model_without"] = torch.stack([difference(last(k, "mean")) for k in subsets])
    return out


@torch.no_grad()
def main():
    torch.set_num_threads(1)
    files = {"steer": {}, "joint": {}}
    for name in ("gpt2", "llama"):
        model = transformers.AutoModelForCausalLM.from_pretrained(HERE / "models" / name, attn_implementation="eager", dtype=torch.float32).eval()
        tokens = safetensors.torch.load_file(HERE / "activations" / f"{name}.safetensors")["tokens"]
        for file, made in (("steer", steering(model, tokens, name)), ("joint", joint(model, tokens, name))):
            files[file] |= {f"{name}.{key}": value.contiguous().clone() for key, value in made.items()}
    for file, tensors in files.items():
        safetensors.torch.save_file(tensors, HERE / "analysis" / f"{file}.safetensors")


if __name__ == "__main__":
    main()
