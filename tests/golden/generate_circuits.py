# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes tests/golden/circuits/NAME.json: scores of every edge of small models, circuits, path patching, direct logit attribution and the
logit lens.

    pip install -r tests/golden/requirements.txt
    python tests/golden/generate_circuits.py

An attribution score is the derivative of the metric by the amount of an edge that is patched, found by autograd; nothing is multiplied
by hand. An exact score is a run with the edge patched.
"""
import json
import pathlib
import random

import torch
from transformers import AutoModelForCausalLM

import probe
from plain_model import MODELS, PlainModel

OUT = pathlib.Path(__file__).resolve().parent / "circuits"
STEPS = 5
SHARES = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1)
torch.set_num_threads(1)


def pairs_of(seed):
    """Clean and corrupt prompts of several lengths that differ in two tokens."""
    draw = random.Random(seed)
    pairs = []
    for length in (9, 12, 9):
        clean = [draw.randrange(3, 101) for _ in range(length)]
        corrupt = list(clean)
        for position in (2, length - 3):
            corrupt[position] = (clean[position] - 3 + draw.randrange(1, 98)) % 98 + 3
        pairs.append({"clean": clean, "corrupt": corrupt})
    return pairs


def metric_of(name, pair, reference):
    """Of the last token's logits; `reference`: those of the clean run."""
    def logit_diff(logits):
        return logits[-1, pair["answer"]] - logits[-1, pair["wrong"]]

    def prob_diff(logits):
        p = logits[-1].softmax(-1)
        return p[pair["answer"]] - p[pair["wrong"]]

    def kl_divergence(logits):
        p = reference[-1].log_softmax(-1)
        return (p.exp() * (p - logits[-1].log_softmax(-1))).sum()
    return {"logit_diff": logit_diff, "prob_diff": prob_diff, "kl_divergence": kl_divergence}[name]


class Bench:
    def __init__(self, name, seed):
        self.model = PlainModel(name)
        self.pairs = pairs_of(seed)
        self.clean = [self.model.run(pair["clean"]) for pair in self.pairs]
        self.corrupt = [self.model.run(pair["corrupt"]) for pair in self.pairs]
        for pair, (logits, _, _), (other, _, _) in zip(self.pairs, self.clean, self.corrupt):
            # What the model says to each prompt, so that no metric is near 0.
            pair["answer"] = int(logits[-1].argmax())
            pair["wrong"] = next(i for i in other[-1].argsort(descending=True).tolist() if i != pair["answer"])
            wanted = self.model.model(torch.tensor([pair["clean"]]), use_cache=False).logits[0]
            assert (logits - wanted).abs().max() < 1e-6, (name, (logits - wanted).abs().max())

    def ablated(self, kind):
        """[pair][sender]: what each sender's output is replaced by."""
        clean = [outputs for _, outputs, _ in self.clean]
        if kind == "patch":
            return [outputs for _, outputs, _ in self.corrupt]
        if kind == "zero":
            return [[torch.zeros_like(x) for x in outputs] for outputs in clean]
        longest = max(len(outputs[0]) for outputs in clean)
        means = []
        for sender in range(len(self.model.senders)):
            rows = [outputs[sender] for outputs in clean]
            if kind == "mean":
                means.append(torch.cat(rows).mean(0).expand(longest, -1))
            else:
                means.append(torch.stack([torch.stack([x[p] for x in rows if p < len(x)]).mean(0) for p in range(longest)]))
        return [[mean[:len(outputs[0])] for mean in means] for outputs in clean]

    # ---- Scores

    def derivative(self, metric, tokens, difference, **run):
        """By the amount of each edge that is added to its receiver's input: [edge]."""
        amount = torch.zeros(len(self.model.senders), len(self.model.receivers), dtype=torch.double, requires_grad=True)

        def change(receiver, x, outputs):
            return x + sum(amount[s, receiver] * difference[s] for s in range(self.model.reads[receiver]))
        (gradient,) = torch.autograd.grad(metric(self.model.run(tokens, change, **run)[0]), amount)
        return torch.stack([gradient[edge] for edge in self.model.edges])

    def attribution(self, method, metric_name, kind="patch"):
        total = 0.0
        for pair, clean, corrupt, ablated in zip(self.pairs, self.clean, self.corrupt, self.ablated(kind)):
            metric = metric_of(metric_name, pair, clean[0])
            difference = [a - c for a, c in zip(ablated, clean[1])]
            runs = []
            if method == "eap":
                runs = [(pair["clean"], {})]
            elif method == "clean_corrupted":
                runs = [(pair["clean"], {}), (pair["corrupt"], {})]
            elif method == "eap_ig_inputs":
                a, b = corrupt[1][0], clean[1][0]
                runs = [(pair["clean"], {"embedded": a + k / STEPS * (b - a)}) for k in range(STEPS)]
            elif method == "eap_ig_activations":
                groups = [[0]] + [[i for i, s in enumerate(self.model.senders) if s.startswith(p)]
                                  for layer in range(self.model.layers) for p in (f"a{layer}.", f"m{layer}")]
                for group in groups:
                    for k in range(1, STEPS + 1):
                        put = {s: k / STEPS * clean[1][s] + (1 - k / STEPS) * corrupt[1][s] for s in group}
                        runs.append((pair["clean"], {"put": put}))
            total = total + sum(self.derivative(metric, tokens, difference, **how) for tokens, how in runs) / len(runs)
        return total / len(self.pairs)

    def value(self, metric_name, outside, kind="patch"):
        """Mean metric with all these edges patched."""
        values = []
        for pair, clean, ablated in zip(self.pairs, self.clean, self.ablated(kind)):
            def change(receiver, x, outputs):
                return x + sum(ablated[s] - outputs[s] for s, r in outside if r == receiver)
            values.append(metric_of(metric_name, pair, clean[0])(self.model.run(pair["clean"], change)[0]))
        return float(sum(values) / len(values))

    def exact(self, metric_name, kind="patch"):
        whole = self.value(metric_name, [], kind)
        return torch.tensor([self.value(metric_name, [edge], kind) - whole for edge in self.model.edges])

    def exact_nodes(self, metric_name):
        whole = self.value(metric_name, [])
        return {name: self.value(metric_name, [e for e in self.model.edges if e[0] == s]) - whole for s, name in enumerate(self.model.senders)}

    # ---- Circuits

    def alive(self, edges):
        """Those on a path from the input to the logits."""
        m = self.model

        def nodes_of(receiver):
            name = m.receivers[receiver]
            if name == "logits":
                return ["logits"]
            if name[0] == "m":
                return [name]
            layer, head = name[:-3].split(".")
            if head.startswith("kv"):
                group = m.heads // m.kv
                return [f"{layer}.h{h}" for h in range(m.heads) if h // group == int(head[2:])]
            return [f"{layer}.{head}"]
        down, up = {"input"}, {"logits"}
        while True:
            more = {n for s, r in edges if m.senders[s] in down for n in nodes_of(r)} - down
            back = {m.senders[s] for s, r in edges if any(n in up for n in nodes_of(r))} - up
            if not more and not back:
                break
            down, up = down | more, up | back
        return [(s, r) for s, r in edges if m.senders[s] in down and m.senders[s] in up and any(n in up and n in down for n in nodes_of(r))]

    def faithfulness(self, importance):
        """Of the top edges of each share; importance: [edge]."""
        m = self.model
        order = sorted(range(len(m.edges)), key=lambda e: (-float(importance[e]), e))
        whole, corrupt = self.value("logit_diff", []), self.value("logit_diff", m.edges)
        curve, counts = [], []
        for share in SHARES:
            kept = set(self.alive([m.edges[e] for e in order[:int(share * len(m.edges))]]))
            counts.append(len(kept))
            value = self.value("logit_diff", [e for e in m.edges if e not in kept])
            curve.append((value - corrupt) / (whole - corrupt))
        area = lambda f: sum((SHARES[i + 1] - SHARES[i]) * (f(curve[i]) + f(curve[i + 1])) / 2 for i in range(len(SHARES) - 1))
        return {"curve": curve, "edges": counts, "cpr": area(lambda x: x), "cmd": area(lambda x: abs(1 - x))}

    def random_circuits(self, seed):
        draw, found = random.Random(seed), []
        for share in (0.3, 0.6, 0.9):
            edges = [e for e in self.model.edges if draw.random() < share]
            outside = [e for e in self.model.edges if e not in edges]
            found.append({"edges": [self.model.label(e) for e in edges], "alive": [self.model.label(e) for e in self.alive(edges)],
                          **{kind: self.value("logit_diff", outside, kind) for kind in ("patch", "zero", "mean", "mean_by_position")}})
        return found

    # ---- Path patching: Wang et al. 2211.00593, appendix B

    def paths(self, receivers):
        """{sender: effect} of each head's counterfactual output on these receivers, all other heads held at their clean outputs; MLPs follow
        (`mlps`) or are held too (`direct`)."""
        m, found = self.model, {"direct": {}, "mlps": {}}
        wanted = [m.receivers.index(r) for r in receivers]
        reach = max(m.reads[r] for r in wanted)
        for s, name in enumerate(m.senders):
            if name[0] != "a" or s >= reach:
                continue
            for way, held in (("direct", lambda n: n[0] in "am"), ("mlps", lambda n: n[0] == "a")):
                effects = []
                for pair, clean, corrupt in zip(self.pairs, self.clean, self.corrupt):
                    put = {i: clean[1][i] for i, n in enumerate(m.senders) if held(n)}
                    put[s] = corrupt[1][s]
                    _, _, inputs = m.run(pair["clean"], put=put)
                    logits, _, _ = m.run(pair["clean"], lambda r, x, _: inputs[r] if r in wanted else x)
                    metric = metric_of("logit_diff", pair, clean[0])
                    effects.append(metric(logits) - metric(clean[0]))
                found[way][name] = float(sum(effects) / len(effects))
        return {"receivers": receivers, **found}


def edge_scores(name, seed):
    bench = Bench(name, seed)
    m = bench.model
    scores = {}

    def keep(metric, method, kind, values):
        assert values.abs().max() > 1e-3 or (metric, method) == ("kl_divergence", "eap"), (name, metric, method, kind)
        scores[f"{metric} {method} {kind}"] = {m.label(e): float(v) for e, v in zip(m.edges, values)}

    for method in ("eap", "eap_ig_inputs", "eap_ig_activations", "clean_corrupted"):
        keep("logit_diff", method, "patch", bench.attribution(method, "logit_diff"))
    keep("logit_diff", "exact", "patch", bench.exact("logit_diff"))
    for kind in ("zero", "mean", "mean_by_position"):
        keep("logit_diff", "eap", kind, bench.attribution("eap", "logit_diff", kind))
        keep("logit_diff", "exact", kind, bench.exact("logit_diff", kind))
    keep("prob_diff", "eap", "patch", bench.attribution("eap", "prob_diff"))
    keep("kl_divergence", "eap", "patch", bench.attribution("eap", "kl_divergence"))
    keep("kl_divergence", "eap_ig_inputs", "patch", bench.attribution("eap_ig_inputs", "kl_divergence"))
    keep("kl_divergence", "exact", "patch", bench.exact("kl_divergence"))
    importance = -bench.attribution("eap", "logit_diff")
    last = m.layers - 1
    return {"pairs": bench.pairs, "scores": scores, "exact_nodes": bench.exact_nodes("logit_diff"),
            "clean": bench.value("logit_diff", []), "corrupt": bench.value("logit_diff", m.edges),
            "circuits": bench.random_circuits(seed), "signed": bench.faithfulness(importance), "absolute": bench.faithfulness(importance.abs()),
            "paths": [bench.paths(["logits"]), bench.paths([f"a{last}.h1<q>", f"a{last}.h2<q>"]),
                      bench.paths([m.receivers[m.receivers.index(f"a{last}.h0<q>") + m.heads]])]}


# ---- Direct logit attribution and the logit lens, from the activations of transformers' modules

def final_parts(model):
    body = next(m for m in (getattr(model, n, None) for n in ("transformer", "model", "gpt_neox")) if m is not None)
    norm = next(m for m in (getattr(body, n, None) for n in ("ln_f", "norm", "final_layer_norm")) if m is not None)
    return norm, model.get_output_embeddings()


def lens(model, hooks, tokens):
    norm, unembed = final_parts(model)
    n = model.config.num_hidden_layers
    cap = getattr(model.config, "final_logit_softcapping", None)
    rows = [hooks[f"blocks.{i}.hook_resid_pre"] for i in range(n)] + [hooks[f"blocks.{n - 1}.hook_resid_post"]]
    logits = torch.stack([unembed(norm(x))[0] for x in rows])
    if cap:
        logits = torch.tanh(logits / cap) * cap
    log_p = logits.log_softmax(-1)
    top = logits.topk(5, -1)
    return {"tokens": tokens, "top_ids": top.indices.tolist(), "top_logits": top.values.tolist(),
            "top_probabilities": log_p.gather(-1, top.indices).exp().tolist(), "logits_of_7": logits[..., 7].tolist(),
            "ranks_of_7": (logits > logits[..., 7:8]).sum(-1).tolist(), "kl": (log_p[-1].exp() * (log_p[-1] - log_p)).sum(-1).tolist()}


def attribution(model, hooks, answer, wrong):
    """Each part is put through the linear part of the final norm, with the scale of the whole."""
    norm, unembed = final_parts(model)
    c = model.config
    scale = hooks["ln_final.hook_scale"][0, -1]
    rms = "RMS" in type(norm).__name__
    weight = norm.weight + (1.0 if c.model_type.startswith("gemma") else 0.0)
    direction = unembed.weight[answer] - unembed.weight[wrong]

    def effect(x):
        return float((((x if rms else x - x.mean()) / scale) * weight) @ direction)

    heads, mlps, bias = [], [], []
    for i in range(c.num_hidden_layers):
        result, out = hooks[f"blocks.{i}.attn.hook_result"][0, -1], hooks[f"blocks.{i}.hook_attn_out"][0, -1]
        if c.model_type in ("gemma2", "gemma3_text"):
            post = probe.sub(model, probe.PARTS[c.model_type]["layers"])[i].post_attention_layernorm
            whole = result.sum(0)
            result = result * (1.0 + post.weight) / (whole.pow(2).mean() + c.rms_norm_eps).sqrt()
        heads.append([effect(x) for x in result])
        bias.append(effect(out - result.sum(0)))
        mlps.append(effect(hooks[f"blocks.{i}.hook_mlp_out"][0, -1]))
    constant = float(norm.bias @ direction) if getattr(norm, "bias", None) is not None else 0.0
    total = float(unembed(norm(hooks[f"blocks.{c.num_hidden_layers - 1}.hook_resid_post"]))[0, -1] @ torch.eye(101, dtype=torch.double)[[answer, wrong]].T
                  @ torch.tensor([1.0, -1.0], dtype=torch.double))
    found = {"answer": answer, "wrong": wrong, "input": effect(hooks["blocks.0.hook_resid_pre"][0, -1]), "heads": heads, "mlps": mlps, "attn_bias": bias,
             "constant": constant, "total": total}
    parts = found["input"] + sum(map(sum, heads)) + sum(mlps) + sum(bias) + constant
    assert abs(parts - total) < 1e-4, (parts, total)
    return found


@torch.no_grad()
def residual(name, seed):
    model = AutoModelForCausalLM.from_pretrained(MODELS / name, attn_implementation="eager").eval()
    draw = random.Random(seed)
    tokens = [draw.randrange(3, 101) for _ in range(9)]
    logits, hooks = probe.run(model, torch.tensor([tokens]))
    hooks, model = {k: v.double() for k, v in hooks.items()}, model.double()
    answer, wrong = draw.sample(range(3, 101), 2)
    return {"lens": lens(model, hooks, tokens), "attribution": attribution(model, hooks, answer, wrong)}


def rounded(x):
    if isinstance(x, float):
        return float(f"{x:.7g}")
    if isinstance(x, dict):
        return {k: rounded(v) for k, v in x.items()}
    return [rounded(y) for y in x] if isinstance(x, list) else x


def main():
    OUT.mkdir(exist_ok=True)
    for seed, name in enumerate(("gpt2", "llama", "gpt_neox", "gpt_neox_serial", "gemma2", "gemma3")):
        found = residual(name, seed)
        if name in ("gpt2", "llama", "gpt_neox", "gpt_neox_serial"):
            found.update(edge_scores(name, seed))
        (OUT / f"{name}.json").write_text(json.dumps(rounded(found), separators=(",", ":")).replace('},"', '},\n"') + "\n")
        print(name, flush=True)


if __name__ == "__main__":
    main()
