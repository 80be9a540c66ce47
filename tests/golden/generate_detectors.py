# SPDX-License-Identifier: GPL-3.0-or-later
"""What whole detectors must report on the packaged models with their default options: detectors/NAME.json.

generate_heads.py has the arithmetic text by text; this is the way from the LICENSE file, which serves as haystack, to the scores, written from
the definitions (Wu et al., Gould et al., Gu et al., TransformerLens) on transformers' attention weights and raw parameters."""
import json
import pathlib

import torch
from rouge_score import rouge_scorer

import generate_heads
import generate_real

OUT = pathlib.Path(__file__).resolve().parent / "detectors"
LICENSE = pathlib.Path(__file__).resolve().parents[2] / "LICENSE"
NEEDLES = [
    ("The best thing to do in Velmora is to eat a pear sandwich and sit under the blue clock on a rainy day.",
     "What is the best thing to do in Velmora?", "eat a pear sandwich and sit under the blue clock on a rainy day"),
    ("The farmers of Tarnwick keep their goats calm by playing a silver trumpet and feeding them dried oranges before sunrise.",
     "How do the farmers of Tarnwick keep their goats calm?", "by playing a silver trumpet and feeding them dried oranges before sunrise"),
    ("Captain Orlin hid the secret green map inside a hollow drum beneath the kitchen floor of the old lighthouse.",
     "Where did Captain Orlin hide the secret green map?", "inside a hollow drum beneath the kitchen floor of the old lighthouse"),
]
NAMES = {"ordinal_words": "ordinals"}  # generate_heads.py's list: the detector's


def rounded(x):
    if isinstance(x, torch.Tensor):
        x = x.tolist()
    return [rounded(y) for y in x] if isinstance(x, (list, tuple)) else float(f"{x:.7g}") if isinstance(x, float) else x


def license_ids(tokenizer):
    return tokenizer(LICENSE.read_text(encoding="utf-8").rstrip(), add_special_tokens=False).input_ids


def stripes(model):
    torch.manual_seed(0)
    tokens = torch.randint(1000, 9999, (10, 50))
    kinds = {"induction": 49, "duplicate": 50, "previous": 1}
    totals = {kind: 0.0 for kind in kinds}
    for row in tokens:
        weights = generate_heads.attention(model, torch.cat([row, row])[None])[:, 0].double()
        for kind, back in kinds.items():
            totals[kind] = totals[kind] + weights.diagonal(-back, dim1=-2, dim2=-1).mean(-1) / len(tokens)
    return {"tokens": tokens.tolist(), **{kind: rounded(total) for kind, total in totals.items()}}


def sink(model, tokenizer):
    length, count, epsilon, last = 64, 20, 0.3, 64 - 8
    begin = tokenizer("a").input_ids[:1] if tokenizer("a").input_ids[0] == tokenizer.bos_token_id else []
    ids, fresh = license_ids(tokenizer), length - len(begin)
    rows = [begin + ids[i * fresh:(i + 1) * fresh] for i in range(count)]
    alpha = torch.stack([generate_heads.attention(model, torch.tensor([row]))[:, 0].double().sum(-2) / (length - torch.arange(length))
                         for row in rows])  # text layer head key
    later = alpha[..., 1:last].amax(-1)
    over = (alpha > epsilon).double()

    def rate(values, threshold):
        """The share above, and what rounding may make of it where a value is as good as on the threshold."""
        return [rounded((values > threshold + shift).double().mean(0)) for shift in (0, 1e-5, -1e-5)]

    return {"tokens": rows[-1], "rate": rate(alpha[..., 0], epsilon), "alpha_first": rounded(alpha[..., 0].mean(0)),
            "later_rate": rate(later, 0.1), "later_rate_5_T": rate(later, 5 / length), "later_alpha": rounded(later.mean(0)),
            "by_key_rate": rounded(over.mean((0, 1, 2))), "by_key_mean": rounded(alpha.mean((0, 1, 2)))}


def successor_scores(model, ids, ln2, residual):
    """M[layer, head, s, t] in double precision; Gemma scales its embedding and has a norm after the MLP too."""
    inner, config = model.model, model.config
    first = inner.layers[0]
    gemma = hasattr(first, "pre_feedforward_layernorm")
    embedding = inner.embed_tokens(torch.tensor(ids))  # scaled where the model scales it
    before = first.pre_feedforward_layernorm if gemma else first.post_attention_layernorm
    x = first.mlp(before(embedding) if ln2 else embedding)
    x = first.post_feedforward_layernorm(x) if ln2 and gemma else x
    x = (x + embedding if residual else x).double()
    unembed = model.lm_head.weight[ids].double()
    heads, kv, d = config.num_attention_heads, config.num_key_value_heads, config.head_dim
    out = []
    for layer in inner.layers:
        values = (x @ layer.self_attn.v_proj.weight.double().T).view(len(ids), kv, d).repeat_interleave(heads // kv, 1)
        out.append(torch.einsum("she,hed,td->hst", values, layer.self_attn.o_proj.weight.double().T.view(heads, d, -1), unembed))
    return torch.stack(out)


def successor(model, tokenizer, **options):
    out, total, n = {"pairs": {}}, 0, 0
    for name, (words, wraps) in generate_heads.LISTS.items():
        found = generate_heads.single_tokens(tokenizer, words)
        every = list(zip(words, words[1:])) + ([(words[-1], words[0])] if wraps else [])
        pairs = [pair for pair in every if pair[0] in found and pair[1] in found]
        key = NAMES.get(name, name)
        out["pairs"][key] = len(pairs)
        if not pairs:
            continue
        order = list(found)
        best = successor_scores(model, list(found.values()), **options).argmax(-1)
        right = sum((best[:, :, order.index(s)] == order.index(t)).double() for s, t in pairs)
        out[key] = rounded(right / len(pairs))
        if name not in generate_heads.HELD_OUT:
            total, n = total + right, n + len(pairs)
    return {**out, "pooled": rounded(total / n)}


def insert(context, needle, depth, tokenizer):
    at = len(context) if depth == 100 else int(len(context) * (depth / 100))
    while depth < 100 and at > 0 and tokenizer.decode([context[at - 1]]).strip(" ") != ".":
        at -= 1
    return context[:at] + needle + context[at:]


def retrieval_run(model, tokenizer, haystack, needle, length, depth, scorer):
    sentence, question, real = needle
    tokens = tokenizer(" " + sentence, add_special_tokens=False).input_ids
    filled = insert(haystack[:length - 200 - len(tokens)], tokens, depth, tokenizer)
    text = tokenizer.decode(filled) + "\n\nBased on the text above, answer the question.\nQuestion: " + question
    chat = tokenizer.apply_chat_template([{"role": "user", "content": text}], add_generation_prompt=True, tokenize=False)
    ids = tokenizer(chat, add_special_tokens=False).input_ids
    spellings = [tokenizer(spelling, add_special_tokens=False).input_ids for spelling in (real, " " + real)]
    wanted, start = next((s, i) for s in spellings for i in range(len(ids)) if ids[i:i + len(s)] == s)  # as it stands there
    generated, rows = decode(model, tokenizer, ids)
    code, copied = torch.zeros(rows[0].shape[:2], dtype=torch.float64), {}
    for token, row in zip(generated, rows):
        best = row.argmax(-1)
        for layer, head in ((best >= start) & (best < start + len(wanted))).nonzero().tolist():
            if ids[best[layer, head]] == token:
                code[layer, head] += 1 / len(wanted)
                copied.setdefault((layer, head), set()).add(token)
    distinct = torch.zeros_like(code)
    for (layer, head), found in copied.items():
        distinct[layer, head] = len(found & set(wanted)) / len(set(wanted))
    recall = scorer.score(real, tokenizer.decode(generated, skip_special_tokens=True))["rouge1"].recall
    print(depth, length, repr(tokenizer.decode(generated)), recall, flush=True)
    return {"ids": ids, "span": [start, start + len(wanted)], "answer": generated, "rouge": recall, "kept": recall > 0.5}, code, distinct


def decode(model, tokenizer, prompt, steps=50):
    """Greedy tokens and the last row of every head in the step that made each; only a newline ends it, as in the authors' code."""
    past = model(torch.tensor([prompt[:-1]]), use_cache=True, logits_to_keep=1).past_key_values
    token, generated, rows = prompt[-1], [], []
    for _ in range(steps):
        out = model(torch.tensor([[token]]), past_key_values=past, use_cache=True, output_attentions=True)
        past, token = out.past_key_values, out.logits[0, -1].argmax().item()
        generated.append(token)
        rows.append(torch.stack([a[0, :, -1] for a in out.attentions]))
        if "\n" in tokenizer.decode([token]):
            break
    return generated, rows


def retrieval(model, tokenizer):
    scorer = rouge_scorer.RougeScorer(["rouge1"], use_stemmer=True)
    haystack = license_ids(tokenizer)
    results = [retrieval_run(model, tokenizer, haystack, needle, length, depth, scorer)
               for needle in NEEDLES for length in (300, 400) for depth in (0, 50, 100)]
    kept = [(code, distinct) for run, code, distinct in results if run["kept"]]
    out = {"runs": [run for run, _, _ in results]}
    if kept:
        code, distinct = (torch.stack([pair[i] for pair in kept]) for i in (0, 1))
        out |= {"set": rounded(distinct.mean(0)), "code": rounded(code.mean(0)), "active_share": rounded((code > 0).double().mean(0))}
    return out


@torch.no_grad()
def main(folder):
    for name, file in generate_real.FILES.items():
        model, tokenizer = generate_real.load(folder, name)
        golden = {"model": file, "stripes": stripes(model), "sink": sink(model, tokenizer),
                  "successor": successor(model, tokenizer, ln2=False, residual=False),
                  "successor_ln2_residual": successor(model, tokenizer, ln2=True, residual=True)}
        if name == "smollm2":
            golden["retrieval"] = retrieval(model, tokenizer)
        text = ",\n".join(f" {json.dumps(key)}: {json.dumps(value)}" for key, value in golden.items())
        (OUT / f"{name}.json").write_text("{\n" + text + "\n}\n")
        print("detectors", name, "written", flush=True)
