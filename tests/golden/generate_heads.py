# SPDX-License-Identifier: GPL-3.0-or-later
"""What the detectors must find in the packaged models, computed from transformers' attention weights and raw parameters.

Where a definition leaves a choice open, the choice is written to the file's `options` and to README.md."""
import itertools
import json
import pathlib

import torch
from rouge_score import rouge_scorer

import generate_real

OUT = pathlib.Path(__file__).resolve().parent / "detectors"

# Sentences of our own, at least 64 tokens each with either tokenizer.
SINK_TEXTS = [
    generate_real.LONG,
    "To bake a plain loaf, mix four cups of flour with a spoon of salt, a spoon of dry yeast and two cups of warm water. Knead the dough for "
    "ten minutes until it is smooth, cover the bowl with a cloth, and let it rise in a warm place for about two hours. Shape it, let it rise "
    "once more, and bake it in a hot oven until the crust is dark.",
    "def mean(values):\n    total = 0.0\n    for value in values:\n        total += value\n    return total / len(values)\n\n\ndef variance(values):\n"
    "    centre = mean(values)\n    return mean([(value - centre) ** 2 for value in values])\n\n\nprint(variance([1.0, 2.0, 3.0, 4.0]))\n",
]

FILLER = ("The harbour of the old town is small. Fishing boats leave before dawn and return in the afternoon. Children wait on the pier for the "
          "gulls to come. In winter the wind blows from the north and the shops close early. The bakery beside the church sells dark bread and "
          "apple cakes. On Sundays a band plays in the square, and people dance when the weather is mild. The lighthouse was built two hundred "
          "years ago. Its keeper wrote down the weather of every day in thick blue books.")
RETRIEVAL = [  # needle, sentences of FILLER before it, question, reference answer
    ("The secret password of the museum is purple elephant seventeen.", 3, "What is the secret password of the museum?",
     "The secret password of the museum is purple elephant seventeen."),
    ("The best thing to do in San Francisco is eat a sandwich and sit in Dolores Park on a sunny day.", 5,
     "What is the best thing to do in San Francisco?", "eat a sandwich and sit in Dolores Park on a sunny day."),
    ("Anna hid the silver key under the third stone of the garden wall.", 8, "Where did Anna hide the silver key?",
     "under the third stone of the garden wall"),
]

WORDS = "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen twenty"
ORDINALS = "first second third fourth fifth sixth seventh eighth ninth tenth"
DAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday"
MONTHS = "January February March April May June July August September October November December"
ROMAN = "I II III IV V VI VII VIII IX X XI XII XIII XIV XV XVI XVII XVIII XIX XX"
LISTS = {  # words, wraps
    "numbers": ([str(n) for n in range(1, 201)], False),
    "number_words": (WORDS.split(), False),
    "ordinal_words": (ORDINALS.split(), False),
    "days": (DAYS.split(), True),
    "months": (MONTHS.split(), True),
    "day_abbreviations": ([day[:3] for day in DAYS.split()], False),
    "month_abbreviations": ([month[:3] for month in MONTHS.split()], False),
    "letters": ([chr(c) for c in range(ord("A"), ord("Z") + 1)], False),
    "roman_numerals": (ROMAN.split(), False),
}
HELD_OUT = {"roman_numerals"}


def numbers(x):
    return [numbers(y) for y in x] if isinstance(x, (list, tuple)) else float(f"{x:.7g}") if isinstance(x, float) else x


def write(name, content):
    OUT.mkdir(exist_ok=True)
    content = {key: numbers(value.tolist()) if isinstance(value, torch.Tensor) else value for key, value in content.items()}
    text = ",\n".join(f" {json.dumps(key)}: {json.dumps(value, ensure_ascii=False)}" for key, value in content.items())
    (OUT / f"{name}.json").write_text("{\n" + text + "\n}\n")
    print("detectors", name, "written", flush=True)


def attention(model, tokens):
    """[layer, batch, head, query, key]"""
    return torch.stack(model.model(tokens, output_attentions=True, use_cache=False).attentions)


# ---- Stripes on repeated random tokens

def stripes(model, name):
    batch, n, low, high = 10, 50, 1000, 9999
    torch.manual_seed(0)
    tokens = torch.randint(low, high, (batch, n))
    kinds = {"induction": n - 1, "duplicate": n, "previous": 1}
    totals = {kind: 0.0 for kind in kinds}
    for row in tokens:
        weights = attention(model, torch.cat([row, row])[None])[:, 0].double()
        for kind, back in kinds.items():
            totals[kind] += weights.diagonal(-back, dim1=-2, dim2=-1).mean(-1)
    scores = {kind: total / batch for kind, total in totals.items()}
    if name == "smollm2":
        check_stripes(scores)
    write(f"stripes_{name}", {
        "model": generate_real.FILES[name],
        "options": {"batch": batch, "n": n, "seed": 0, "low": low, "high": high, "bos": False, "rows": "tokens of a row twice, one after the other",
                    "stripe": "induction A[i,i-(n-1)] for i >= n-1; duplicate A[i,i-n] for i >= n; previous A[i,i-1] for i >= 1; every such i"},
        "tokens": tokens, **scores})


def check_stripes(scores):
    promised = {"induction": {(18, 6): .9208, (17, 3): .8370, (17, 4): .7890, (17, 5): .6854, (18, 7): .6336},
                "previous": {(16, 0): .9086, (11, 1): .8321, (2, 1): .7290}, "duplicate": {(8, 0): .7814, (14, 3): .7716}}
    for kind, values in promised.items():
        best = scores[kind].flatten().topk(len(values)).indices.tolist()
        assert [divmod(i, scores[kind].shape[1]) for i in best] == list(values), (kind, best)
        for (layer, head), value in values.items():
            assert abs(scores[kind][layer, head] - value) < 1e-4, (kind, layer, head, scores[kind][layer, head])


# ---- Detection patterns: TransformerLens's own functions on transformers' attention

def detection_patterns(model, tokenizer, name):
    from transformer_lens import head_detector as tl
    tokens = tokenizer(generate_real.PROMPTS[1], return_tensors="pt").input_ids
    weights = attention(model, tokens)[:, 0]
    scores = {}
    for kind in ("previous_token_head", "duplicate_token_head", "induction_head"):
        pattern = getattr(tl, f"get_{kind}_detection_pattern")(tokens)
        for measure, bos, current in itertools.product(("mul", "abs"), (False, True), (False, True)):
            options = dict(error_measure=measure, exclude_bos=bos, exclude_current_token=current)
            key = f"{kind}.{measure}" + ".exclude_bos" * bos + ".exclude_current_token" * current
            scores[key] = numbers([[tl.compute_head_attention_similarity_score(head.clone(), pattern, **options) for head in layer]
                                   for layer in weights])
    write(f"detection_patterns_{name}", {
        "model": generate_real.FILES[name], "options": {"abs": "TransformerLens rounds L mean|A-P| to three decimals"}, "tokens": tokens[0], **scores})


# ---- Attention sinks

def sinks(model, tokenizer, name):
    length, epsilon = 64, 0.3
    tokens = torch.tensor([tokenizer(text).input_ids[:length] for text in SINK_TEXTS])
    assert tokens.shape == (len(SINK_TEXTS), length)
    weights = attention(model, tokens).double()  # layer batch head query key
    alpha = (weights.sum(-2) / (length - torch.arange(length))).permute(1, 0, 2, 3)  # text layer head key
    over = (alpha > epsilon).double()
    margin = (alpha - epsilon).abs().min().item()
    act = {"theta_0.1": 0.1, "theta_5/T": 5 / length}
    write(f"sink_{name}", {
        "model": generate_real.FILES[name],
        "options": {"T": length, "epsilon": epsilon, "special_tokens": "as the tokenizer adds them", "k": "zero-based; Sink_1 of the paper is k = 0",
                    "smallest |alpha - epsilon|": margin,
                    "later_sinks": "number of k >= 1 with alpha_k > theta, all k to T - 1, per text, layer and head"},
        "texts": SINK_TEXTS, "tokens": tokens, "alpha_0_to_7": alpha[..., :8], "sink_rate_by_head_k0": over[..., 0].mean(0),
        "sink_rate_by_k": over.mean((0, 1, 2)),
        **{f"later_sinks_{key}": (alpha[..., 1:] > theta).sum(-1) for key, theta in act.items()}})


# ---- Successor heads

def single_tokens(tokenizer, words):
    ids = [tokenizer(" " + word, add_special_tokens=False).input_ids for word in words]
    return {word: i[0] for word, i in zip(words, ids) if len(i) == 1}


def successor_matrix(model, ids, ln2, residual):
    """M[layer, head, s, t] = x_s W_V W_O W_U[:, t] in double precision."""
    first, config = model.model.layers[0], model.config
    embedding = model.model.embed_tokens.weight[ids]
    x = first.mlp(first.post_attention_layernorm(embedding) if ln2 else embedding)
    x = (x + embedding if residual else x).double()
    unembed = model.lm_head.weight[ids].double()
    heads, kv, d = config.num_attention_heads, config.num_key_value_heads, config.head_dim
    out = []
    for layer in model.model.layers:
        values = (x @ layer.self_attn.v_proj.weight.double().T).view(len(ids), kv, d).repeat_interleave(heads // kv, 1)
        w_o = layer.self_attn.o_proj.weight.double().T.view(heads, d, -1)
        out.append(torch.einsum("she,hed,td->hst", values, w_o, unembed))
    return torch.stack(out)


def successes(model, found, pairs, **options):
    """[layer, head] pairs whose successor has the greatest entry, and the smallest gap to the runner-up relative to the row's spread."""
    words = list(found)
    m = successor_matrix(model, [found[word] for word in words], **options)
    rows, columns = ([words.index(pair[i]) for pair in pairs] for i in (0, 1))
    chosen = m[:, :, rows]
    best = chosen.argmax(-1)
    top = chosen.topk(2, -1).values
    gap = ((top[..., 0] - top[..., 1]) / chosen.std(-1)).min().item()
    return (best == torch.tensor(columns)).sum(-1), gap, m


def successor(model, tokenizer, name):
    lists, totals, gaps = {}, {}, {}
    variants = {"default": dict(ln2=False, residual=False), "ln2": dict(ln2=True, residual=False),
                "residual": dict(ln2=False, residual=True), "ln2_residual": dict(ln2=True, residual=True)}
    for key, (words, wraps) in LISTS.items():
        found = single_tokens(tokenizer, words)
        every = list(zip(words, words[1:])) + ([(words[-1], words[0])] if wraps else [])
        pairs = [pair for pair in every if pair[0] in found and pair[1] in found]
        entry = {"words": words, "wraps": wraps, "ids": found, "pairs": pairs, "dropped": [pair for pair in every if pair not in pairs]}
        if key.endswith("abbreviations"):
            around = [pair for pair in [(words[-1], words[0])] if set(pair) <= set(found)]
            entry["successes_of_the_wrap_alone"] = successes(model, found, around, **variants["default"])[0].tolist() if around else None
        for variant, options in variants.items():
            if not pairs:
                continue
            count, gap, m = successes(model, found, pairs, **options)
            entry["successes_" + variant] = count.tolist()
            gaps[variant] = min(gap, gaps.get(variant, 1e9))
            if key == "days" and variant == "default":
                entry["M_18_6"] = numbers(m[18, 6].tolist())
            if key not in HELD_OUT:
                total, n = totals.get(variant, (0, 0))
                totals[variant] = (total + count, n + len(pairs))
        lists[key] = entry
    write(f"successor_{name}", {
        "model": generate_real.FILES[name],
        "options": {"x": "mlp(W_E[t]) of block 0: no norm before it (ln2: block 0's second norm with its weight), not added to W_E[t] (residual: added)",
                    "words": "a space before each word; a word counts when the tokenizer gives it as one token",
                    "candidates": "every single-token word of the list, the word itself included",
                    "dropped": "pairs one of whose words is not one token; no jump over a missing word",
                    "pooled": "successes of all lists but the held-out ones over their pairs; numbers count once a pair, lists are not weighted",
                    "wraps": "days and months; of abbreviations the wrapping pair is counted apart",
                    "smallest gap between the two greatest entries of a row, in standard deviations of that row": gaps},
        "held_out": sorted(HELD_OUT), "pairs_pooled": totals["default"][1],
        **{f"score_{variant}": total.double() / n for variant, (total, n) in totals.items()}, "lists": lists})


# ---- Retrieval heads

def needle_span(prompt, needle):
    wanted = set(needle)
    for i in range(len(prompt)):
        if len(wanted & set(prompt[i:i + len(needle)])) / len(wanted) > 0.9:
            return i, i + len(needle)
    raise AssertionError("needle not found")


def decode(model, tokenizer, prompt, steps):
    """Greedy tokens and, of each step, the last row of every head: [layer, head, key]."""
    newline = tokenizer("\n", add_special_tokens=False).input_ids
    assert len(newline) == 1
    past = model(torch.tensor([prompt[:-1]]), use_cache=True, logits_to_keep=1).past_key_values
    token, generated, rows = prompt[-1], [], []
    for _ in range(steps):
        out = model(torch.tensor([[token]]), past_key_values=past, use_cache=True, output_attentions=True)
        past, token = out.past_key_values, out.logits[0, -1].argmax().item()
        generated.append(token)
        rows.append(torch.stack([a[0, :, -1] for a in out.attentions]).double())
        if token == newline[0]:
            break
    return generated, rows


def retrieval_case(model, tokenizer, case, scorer):
    needle, before, question, answer = case
    sentences = FILLER.replace(". ", ".|").split("|")
    context = " ".join(sentences[:before] + [needle] + sentences[before:])
    chat = [{"role": "user", "content": f"{context}\n\n{question}"}]
    prompt = tokenizer(tokenizer.apply_chat_template(chat, add_generation_prompt=True, tokenize=False), add_special_tokens=False).input_ids
    spaced = (" " if before else "") + needle
    needle_ids = tokenizer(spaced, add_special_tokens=False).input_ids
    start, end = needle_span(prompt, needle_ids)
    generated, rows = decode(model, tokenizer, prompt, 50)
    shape = rows[0].shape[:2]
    code, tokens, places, gap = torch.zeros(shape), {}, {}, 1.0
    for token, row in zip(generated, rows):
        best = row.argmax(-1)
        top = row.topk(2, -1).values
        for layer in range(shape[0]):
            for head in range(shape[1]):
                j = best[layer, head].item()
                if start <= j < end:
                    gap = min(gap, (top[layer, head, 0] - top[layer, head, 1]).item())
                if start <= j < end and prompt[j] == token:
                    code[layer, head] += 1
                    tokens.setdefault((layer, head), set()).add(token)
                    places.setdefault((layer, head), set()).add(j)

    def table(sets, size):
        return [[len(sets.get((layer, head), ())) / size for head in range(shape[1])] for layer in range(shape[0])]
    text = tokenizer.decode(generated, skip_special_tokens=True).strip()
    recall = scorer.score(answer, text)["rouge1"].recall
    return {"context": context, "needle": needle, "question": question, "answer": answer, "prompt_tokens": prompt, "needle_tokens": needle_ids,
            "needle_span": [start, end], "generated_tokens": generated, "generated_text": text, "rouge1_recall": recall, "kept": recall > 0.5,
            "smallest_gap_of_an_argmax_in_the_needle": gap,
            "argmax": torch.stack([row.argmax(-1) for row in rows]).tolist(),
            "code": numbers((code.double() / len(needle_ids)).tolist()), "set": numbers(table(tokens, len(set(needle_ids)))),
            "set_positions": numbers(table(places, len(needle_ids)))}


def retrieval(model, tokenizer, name):
    scorer = rouge_scorer.RougeScorer(["rouge1"], use_stemmer=True)
    cases = [retrieval_case(model, tokenizer, case, scorer) for case in RETRIEVAL]
    kept = [case for case in cases if case["kept"]]
    for case in cases:
        print(" ", repr(case["generated_text"]), case["rouge1_recall"], torch.tensor(case["code"]).max().item())
    assert 0 < len(kept) < len(cases)
    means = {f"mean_{kind}": torch.tensor([case[kind] for case in kept]).mean(0) for kind in ("code", "set", "set_positions")}
    write(f"retrieval_{name}", {
        "model": generate_real.FILES[name],
        "options": {"prompt": "the model's chat template around context + '\\n\\n' + question", "needle_tokens": "with the space before it where the prompt has one",
                    "span": "first window of |needle| tokens with |set(window) & set(needle)| / |set(needle)| > 0.9",
                    "decode": "all but the last prompt token prefilled; at most 50 greedy steps; the newline token ends it and its step is scored",
                    "row": "of the step that produced the token, last query", "code": "hits / |needle|, repeats counted",
                    "set": "different token ids hit / different token ids of the needle", "set_positions": "different positions hit / |needle|",
                    "argmax": "[step][layer][head] key position"},
        "runs": len(cases), "kept": len(kept), **means, "cases": cases})


@torch.no_grad()
def main(folder):
    torch.set_num_threads(1)
    for name in generate_real.FILES:
        model, tokenizer = generate_real.load(folder, name)
        stripes(model, name)
        detection_patterns(model, tokenizer, name)
        sinks(model, tokenizer, name)
        if name == "smollm2":
            successor(model, tokenizer, name)
            retrieval(model, tokenizer, name)
