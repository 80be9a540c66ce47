# SPDX-License-Identifier: GPL-3.0-or-later
"""What the detectors of task heads must report on the packaged models: detectors/tasks_NAME.json.

Name movers and S-inhibition (Wang et al. 2211.00593), copy suppression (McDougall et al. 2310.04625), correct letters (Lieberum et al. 2307.09458),
vision-aware head divergence (He et al. 2412.13949) and mean ablation, written from the definitions on transformers' modules: every path is patched by a
forward pass of its own, nothing is restarted or computed for the last token only.

The prompts (token ids and positions) are inputs: they are read from a result file, detectors/task_prompts_NAME.json keeps them. The numbers are not:

    python tests/golden/generate_task_heads.py build/models [NAME ...]
"""
import json
import pathlib
import sys

import numpy
import torch

import generate_real
from generate_detectors import rounded

OUT = pathlib.Path(__file__).resolve().parent / "detectors"
MOVER = {"direct": 5.0, "attention": 0.1, "copy": 0.5}
QUESTION, NEW_TOKENS = "What does the picture show? It is a", 3
SUPPRESSION = {"smollm2": (22, 24), "gemma3-270m": (16, 17)}


class Model:
    """A Llama or Gemma 3 of transformers with what path patching needs."""

    def __init__(self, folder, name):
        self.model, self.tokenizer = generate_real.load(folder, name)
        self.inner, self.config = self.model.model, self.model.config
        self.layers, self.heads, self.d = self.inner.layers, self.config.num_attention_heads, self.config.head_dim
        self.gemma = hasattr(self.layers[0], "pre_feedforward_layernorm")
        self.bos = self.tokenizer("a").input_ids[0] == self.tokenizer.bos_token_id

    def weight(self, norm):
        return norm.weight + 1 if self.gemma else norm.weight

    def out_module(self, layer):
        """The module whose output joins the residual."""
        return self.layers[layer].post_attention_layernorm if self.gemma else self.layers[layer].self_attn

    def run(self, ids=None, edits=(), watch=(), **more):
        """edits, watch: (module, "in" or "out", function of the tensor); watch's return nothing. Returns the output."""
        handles = []
        for module, where, function in [*edits, *watch]:
            handles.append(register(module, where, function))
        try:
            return self.model(input_ids=ids, use_cache=False, logits_to_keep=1, **more)
        finally:
            for handle in handles:
                handle.remove()

    def record(self, ids=None, **more):
        """z and what each head adds to the residual, the attention outputs, and the inputs of all layers."""
        kept = {"z": [], "out": [], "resid": []}
        watch = []
        for i, layer in enumerate(self.layers):
            watch.append((layer.self_attn.o_proj, "in", kept["z"].append))
            watch.append((self.out_module(i), "out", kept["out"].append))
            watch.append((layer, "in", kept["resid"].append))
        kept["logits"] = self.run(ids, watch=watch, **more).logits
        kept["heads"] = [self.added(i, z) for i, z in enumerate(kept["z"])]
        return kept

    def added(self, layer, z):
        """[batch, pos, head, d_model]; after a norm each head has its share of the normed sum."""
        w = self.layers[layer].self_attn.o_proj.weight.view(-1, self.heads, self.d)
        heads = torch.einsum("bphe,dhe->bphd", z.view(*z.shape[:2], self.heads, self.d), w)
        if self.gemma:
            norm = self.layers[layer].post_attention_layernorm
            heads = heads * (torch.rsqrt(heads.sum(2).square().mean(-1, keepdim=True) + norm.eps) * self.weight(norm)).unsqueeze(2)
        return heads


def register(module, where, function):
    def first(x):
        return x[0] if isinstance(x, tuple) else x

    def put(x, new):
        return x if new is None else (new, *x[1:]) if isinstance(x, tuple) else new

    if where == "in":
        def before(_, args, kwargs):
            if args:
                return put(args, function(args[0])), kwargs
            new = function(kwargs["hidden_states"])
            return args, kwargs if new is None else {**kwargs, "hidden_states": new}
        return module.register_forward_pre_hook(before, with_kwargs=True)
    return module.register_forward_hook(lambda _, __, out: put(out, function(first(out))))


def difference(logits, case):
    return (logits[..., case["answer"]] - logits[..., case["wrong"]]).double()


def frozen(model, clean, layer, changed):
    """Edits that hold every layer's attention output; rows differ in which head of `layer` writes otherwise. changed: [head, pos, d_model]"""
    def hold(i):
        return lambda x: clean["out"][i].expand(x.shape) + (changed if i == layer else 0)
    return [(model.out_module(i), "out", hold(i)) for i in range(len(model.layers))]


def direct_effects(model, case):
    clean, abc = model.record(torch.tensor([case["clean"]])), model.record(torch.tensor([case["abc"]]))
    base = difference(clean["logits"][0, -1], case)
    ids = torch.tensor([case["clean"]] * model.heads)
    effects = []
    for layer in range(len(model.layers)):
        changed = (abc["heads"][layer] - clean["heads"][layer])[0].transpose(0, 1)
        effects.append(difference(model.run(ids, edits=frozen(model, clean, layer, changed)).logits[:, -1], case) - base)
    return torch.stack(effects), base, clean, abc


def query_effects(model, case, clean, abc, movers):
    """Path patching head -> name movers' queries at the last token."""
    base = difference(clean["logits"][0, -1], case)
    ids = torch.tensor([case["clean"]] * model.heads)
    effects = torch.full((len(model.layers), model.heads), float("nan"), dtype=torch.float64)
    for layer in range(max(mover[0] for mover in movers)):
        changed = (abc["heads"][layer] - clean["heads"][layer])[0].transpose(0, 1)
        inputs = {}
        watch = [(model.layers[i], "in", lambda x, i=i: inputs.__setitem__(i, x[:, -1].clone())) for i in {m[0] for m in movers}]
        model.run(ids, edits=frozen(model, clean, layer, changed), watch=watch)
        edits = []
        for i, head in movers:
            if i <= layer:
                continue

            def put(q, i=i, head=head):
                attention, norm = model.layers[i].self_attn, model.layers[i].input_layernorm
                q = q.clone()
                q[:, -1, head * model.d:(head + 1) * model.d] = attention.q_proj.forward(norm(inputs[i]))[:, head * model.d:(head + 1) * model.d]
                return q
            edits.append((model.layers[i].self_attn.q_proj, "out", put))
        effects[layer] = difference(model.run(ids, edits=edits).logits[:, -1], case) - base
    return effects


def knocked_out_effects(model, cases, movers):
    means = {mover: torch.stack([model.record(torch.tensor([case["abc"]]))["z"][mover[0]][0, -1, mover[1] * model.d:(mover[1] + 1) * model.d]
                                 for case in cases]).mean(0) for mover in movers}

    def out(layer):
        def edit(z):
            z = z.clone()
            for (i, head), mean in means.items():
                if i == layer:
                    z[:, -1, head * model.d:(head + 1) * model.d] = mean
            return z
        return edit
    edits = [(model.layers[i].self_attn.o_proj, "in", out(i)) for i in {m[0] for m in movers}]
    original = model.run
    model.run = lambda ids=None, edits_=edits, **more: original(ids, edits=[*edits_, *more.pop("edits", ())], **more)
    effects = [direct_effects(model, case)[:2] for case in cases]
    model.run = original
    return torch.stack([effect for effect, _ in effects]).mean(0), torch.stack([base for _, base in effects])


def copy_scores(model, cases, top=5):
    norm, copy, negative = model.inner.norm, 0, 0
    x, tokens = [], []
    for case in cases:
        resid = model.record(torch.tensor([case["clean"]]))["resid"][1][0]
        for key in ("io", "s1", "s2"):
            x.append(resid[case[key]])
            tokens.append(case["clean"][case[key]])
    x, tokens = torch.stack(x), torch.tensor(tokens)
    kv, copy, negative = model.config.num_key_value_heads, [], []
    for layer in model.layers:
        v = layer.self_attn.v_proj(layer.input_layernorm(x)).view(len(x), kv, model.d).repeat_interleave(model.heads // kv, 1)
        out = torch.einsum("nhe,dhe->hnd", v, layer.self_attn.o_proj.weight.view(-1, model.heads, model.d))
        if model.gemma:  # its scale is the final norm's to take away
            out = out * model.weight(layer.post_attention_layernorm)
        for scores, sign in ((copy, 1), (negative, -1)):
            best = model.model.lm_head(norm(sign * out)).topk(top).indices
            scores.append((best == tokens[None, :, None]).any(-1).double().mean(-1))
    return torch.stack(copy), torch.stack(negative)


def from_last(model, rows, keys):
    total = 0
    for row, key in zip(rows, keys):
        weights = model.run(torch.tensor([row]), output_attentions=True).attentions
        total = total + torch.stack([w[0, :, -1, key] for w in weights]).double() / len(rows)
    return total


def ioi(model, cases):
    runs = [direct_effects(model, case) for case in cases]
    base = torch.stack([run[1] for run in runs])
    lost = -100 * torch.stack([run[0] for run in runs]).mean(0) / base.mean()
    copy, negative = copy_scores(model, cases)
    rows = [case["clean"] for case in cases]
    attention = from_last(model, rows, [case["io"] for case in cases])
    fits = (lost >= MOVER["direct"]) & (attention >= MOVER["attention"]) & (copy >= MOVER["copy"])
    movers = [tuple(mover) for mover in fits.nonzero().tolist()]
    out = {"difference": rounded(base), "lost": rounded(lost), "attention": rounded(attention), "copy": rounded(copy), "negative": rounded(negative),
           "movers": [f"{layer}.{head}" for layer, head in movers]}
    print("name movers", out["movers"], flush=True)
    if movers and base.mean() > 0:
        effects = torch.stack([query_effects(model, case, run[2], run[3], movers) for case, run in zip(cases, runs)]).mean(0)
        after, base_after = knocked_out_effects(model, cases, movers)
        out |= {"s_inhibition": [[None if value != value else value for value in row] for row in rounded(-100 * effects / base.mean())],
                "s_attention": rounded(from_last(model, rows, [case["s2"] for case in cases])),
                "after": rounded(-100 * after / base.mean()), "difference_after": rounded(base_after)}
    return out


def letters(model, cases, letter_ids):
    """Direct effects on the centred logit of the right letter, over the questions answered right."""
    said, effects, totals, kept = [], [], [], []
    for case in cases:
        run = model.record(torch.tensor([case["ids"]]))
        logits = run["logits"][0, -1, letter_ids]
        said.append(logits.argmax().item())
        if said[-1] != case["right"]:
            continue
        kept.append(case)
        final = {}
        model.run(torch.tensor([case["ids"]]), watch=[(model.inner.norm, "in", lambda x: final.__setitem__("x", x[0, -1]))])
        eps = model.inner.norm.eps if model.gemma else model.inner.norm.variance_epsilon
        scale = torch.rsqrt(final["x"].double().square().mean() + eps)
        unembed = model.model.lm_head.weight[letter_ids].double()
        direction = (unembed[case["right"]] - unembed.mean(0)) * model.weight(model.inner.norm).double() * scale
        effects.append(torch.stack([heads[0, -1].double() @ direction for heads in run["heads"]]))
        totals.append((logits[case["right"]] - logits.mean()).double())
    attention = from_last(model, [case["ids"] for case in kept], [case["position"] for case in kept])
    return {"said": said, "effects": rounded(torch.stack(effects).mean(0)), "total": rounded(torch.stack(totals).mean().item()), "attention": rounded(attention)}


def vision(model, name):
    """Two made-up images of three tokens; what a head adds at the generated tokens with the image, less the same without."""
    torch.manual_seed(1)
    embed, scale = model.inner.embed_tokens, model.config.hidden_size ** 0.5 if model.gemma else 1.0
    images = torch.randn(2, 3, model.config.hidden_size)
    images = images / images.norm(dim=-1, keepdim=True) * embed.weight.norm(dim=-1).mean() * scale
    numpy.save(OUT / f"vision_{name}.npy", images.numpy())
    text = model.tokenizer(QUESTION).input_ids
    begin = 1 if model.bos else 0
    vhd, t_vhd, generated = 0, [], []
    for image in images:
        said, with_image = [], None
        for _ in range(NEW_TOKENS):
            tail = embed(torch.tensor([text + said]))
            with_image = torch.cat([tail[:, :begin], image[None], tail[:, begin:]], 1)
            said.append(model.run(inputs_embeds=with_image).logits[0, -1].argmax().item())
        a, b = (torch.stack([heads[0, -NEW_TOKENS:] for heads in run["heads"]]).double()
                for run in (model.record(inputs_embeds=with_image), model.record(torch.tensor([text + said[:-1]]))))
        distance = (a - b).norm(dim=-1)  # layer token head
        vhd = vhd + distance.mean(1) / len(images)
        t_vhd.append(rounded(distance.transpose(0, 1).flatten(1).topk(8).values.mean(1)))
        generated.append(said)
    return {"vhd": rounded(vhd), "t_vhd": t_vhd, "generated": generated}


def importance(model, rows):
    z = [torch.stack([run["z"][i][0] for run in (model.record(torch.tensor([row])) for row in rows)]).flatten(0, 1).mean(0) for i in range(len(model.layers))]
    total = 0
    for row in rows:
        clean = model.run(torch.tensor([row])).logits[0, -1].double().log_softmax(-1)
        effects = []
        for layer in range(len(model.layers)):
            def edit(x):
                x = x.clone().view(*x.shape[:2], model.heads, model.d)
                for head in range(model.heads):
                    x[head, :, head] = z[layer].view(model.heads, model.d)[head]
                return x.flatten(2)
            out = model.run(torch.tensor([row] * model.heads), edits=[(model.layers[layer].self_attn.o_proj, "in", edit)]).logits[:, -1].double().log_softmax(-1)
            effects.append((clean.exp() * (clean - out)).sum(-1))
        total = total + torch.stack(effects) / len(rows)
    return rounded(total)


def suppression(model, tokens, layers):
    """Shares of the drawn tokens, ranked in the whole vocabulary."""
    first = model.layers[0]
    ids = torch.tensor(tokens)
    all_ids = torch.arange(model.config.vocab_size)

    def w_ee(block):
        x = model.inner.embed_tokens(block)
        if not model.gemma:
            return x + first.mlp(first.post_attention_layernorm(x))
        return x + first.post_feedforward_layernorm(first.mlp(first.pre_feedforward_layernorm(x)))
    whole = torch.cat([w_ee(block) for block in all_ids.split(8192)])
    unembed = model.model.lm_head.weight * model.weight(model.inner.norm)
    kv, out = model.config.num_key_value_heads, {"ov": [], "qk": []}
    for i in range(layers[0], layers[1] + 1):
        layer = model.layers[i]
        attention = layer.self_attn
        source = layer.input_layernorm(whole)
        keys = attention.k_proj(source).view(-1, kv, model.d)
        queries = attention.q_proj(layer.input_layernorm(unembed[ids])).view(-1, model.heads, model.d)
        values = attention.v_proj(source[ids]).view(-1, kv, model.d)
        if model.gemma:
            keys, queries = attention.k_norm(keys), attention.q_norm(queries)
        o = attention.o_proj.weight.view(-1, model.heads, model.d)
        read = unembed * model.weight(layer.post_attention_layernorm) if model.gemma else unembed
        ov, qk = [], []
        for head in range(model.heads):
            logits = (read @ o[:, head]) @ values[:, head * kv // model.heads].T  # [vocabulary, token]
            own = logits[ids, torch.arange(len(ids))]
            ov.append(((logits < own).sum(0) < 10).double().mean().item())
            scores = keys[:, head * kv // model.heads] @ queries[:, head].T
            qk.append((scores.argmax(0) == ids).double().mean().item())
        out["ov"].append(ov)
        out["qk"].append(qk)
    return rounded(out["ov"]), rounded(out["qk"])


@torch.no_grad()
def main(folder, names):
    torch.set_num_threads(1)
    for name in names or generate_real.FILES:
        model = Model(folder, name)
        prompts = json.loads((OUT / f"task_prompts_{name}.json").read_text())
        golden = {"model": generate_real.FILES[name], "prompts": prompts}
        golden["vision"] = vision(model, name)
        golden["ioi"] = ioi(model, prompts["ioi"])
        golden["letters"] = letters(model, prompts["letters"], prompts["letter_ids"])
        golden["importance"] = importance(model, prompts["texts"])
        ov, qk = suppression(model, prompts["suppressed"], SUPPRESSION[name])
        golden["suppression"] = {"layers": SUPPRESSION[name], "ov": ov, "qk": qk}
        text = ",\n".join(f" {json.dumps(key)}: {json.dumps(value)}" for key, value in golden.items())
        (OUT / f"tasks_{name}.json").write_text("{\n" + text + "\n}\n")
        print("task heads", name, "written", flush=True)


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]), sys.argv[2:])
