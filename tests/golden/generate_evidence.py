# SPDX-License-Identifier: GPL-3.0-or-later
"""What the detectors qrhead, local, global and boundary and the successor detector's probe must report on the packaged models:
detectors/evidence_NAME.json. Written from the definitions on transformers' attention weights, tokenizers' offsets and raw parameters, with the
LICENSE file as haystack."""
import json
import pathlib
import re

import torch

import generate_detectors
import generate_heads
import generate_real

OUT = pathlib.Path(__file__).resolve().parent / "detectors"
INSTRUCTION = "Please find information that are relevant to the following query in the paragraphs above."


# ---- QRHead: princeton-pli/QRHead's prompt and score.

def paragraphs(asked, count, words, place):
    every = generate_detectors.LICENSE.read_text(encoding="utf-8").split()[:count * words]
    needles = generate_detectors.NEEDLES
    inside = {(place + i * count // len(needles)) % count: needles[(asked + i) % len(needles)][0] for i in range(len(needles))}
    out = []
    for i in range(count):
        piece = every[i * words:(i + 1) * words]
        middle = [inside[i]] if i in inside else []
        out.append(" ".join(piece[:words // 2] + middle + piece[words // 2:]))
    return out, place % count


def query_prompt(tokenizer, texts, query, chat, rows):
    documents = [f"[{i + 1}] {text}" for i, text in enumerate(texts)]
    text = "\n\n".join(["Here are some paragraphs:", *documents, INSTRUCTION, "Query: " + query])
    if chat:
        text = tokenizer.apply_chat_template([{"role": "user", "content": text}], add_generation_prompt=True, tokenize=False)
    encoded = tokenizer(text, add_special_tokens=not chat, return_offsets_mapping=True)
    at = {c: i for i, (b, e) in enumerate(encoded.offset_mapping) for c in range(b, e)}

    def span(content):
        begin = text.index(content)
        return at[begin], at[begin + len(content) - 1] + 1

    begin = span(INSTRUCTION)[0] if rows == "prompt" else at[text.index("Query: " + query) + 7]
    end = len(encoded.input_ids) if rows == "prompt" else at[text.index("Query: " + query) + 7 + len(query) - 1] + 1
    return encoded.input_ids, [span(d) for d in documents], (begin, end)


def qrhead(model, tokenizer, rows):
    count, words, places = 8, 30, 2
    chat = bool(tokenizer.chat_template)
    total, first, prompts, spans = 0.0, 0.0, [], []
    queries = [(needle, place) for needle in range(3) for place in range(places)]
    for needle, place in queries:
        texts, gold = paragraphs(needle, count, words, (needle + place * count // places) % count)
        means = []
        for query in (generate_detectors.NEEDLES[needle][1], "N/A"):
            ids, documents, (begin, end) = query_prompt(tokenizer, texts, query, chat, rows)
            if query != "N/A":
                prompts.append(ids)
                spans.append([documents, gold, begin])
            attention = generate_heads.attention(model, torch.tensor([ids]))[:, 0].double()
            means.append(attention[:, :, begin:end].mean(2))
        calibrated = means[0][..., :begin] - means[1][..., :begin]
        scores = []
        for b, e in documents:
            piece = calibrated[..., b:e]
            floor = piece.mean(-1, keepdim=True) - 2 * piece.std(-1, keepdim=True)
            scores.append((piece * (piece > floor)).sum(-1))
        scores = torch.stack(scores, -1)
        total = total + scores[..., gold] / len(queries)
        first = first + (scores.argmax(-1) == gold).double() / len(queries)
    return {"prompts": prompts, "spans": spans, "score": generate_detectors.rounded(total), "gold_first": generate_detectors.rounded(first)}


# ---- Attention by sentence and paragraph.

def units(tokenizer, ids):
    """First tokens of sentences, and the paragraph of each; the first token stands alone."""
    pieces = [tokenizer.decode([i]) for i in ids]
    text = "".join(pieces)
    starts, levels, at = [], [0] * len(ids), 0
    for piece in pieces:
        starts.append(at)
        at += len(piece)
    for gap in re.finditer(r"(?<=\S)\s+(?=\S)", text):
        lines = gap.group().count("\n")
        level = 1 if re.search(r"[.?!…。！？][\"')\]}»”’*_`」』）]*$", text[:gap.start()]) else 0
        level = 2 if lines >= 2 else level
        if level == 0:
            continue
        border = gap.start() + gap.group().rfind("\n") + 1 if lines else gap.start()
        token = next((i for i, s in enumerate(starts) if s >= border), None)
        if token is None:
            continue
        if starts[token] > border and text[starts[token - 1]:border].strip() == "":
            token -= 1  # a token across the border that is white space before it
        levels[token] = max(levels[token], level)
    levels[0] = levels[1] = 2
    begins = [i for i, level in enumerate(levels) if level]
    paragraph, of = -1, []
    for begin in begins:
        paragraph += levels[begin] == 2
        of.append(paragraph)
    return begins, of


def by_text(model, tokenizer):
    length, count = 192, 6
    probe = tokenizer("a").input_ids
    begin = probe[:1] if probe[0] == tokenizer.bos_token_id else []
    ids, fresh = generate_detectors.license_ids(tokenizer), length - len(begin)
    out, cuts = {"local": 0.0, "global": 0.0, "boundary": 0.0, "first_token": 0.0}, []
    for i in range(count):
        row = begin + ids[i * fresh:(i + 1) * fresh]
        begins, paragraph = units(tokenizer, row)
        cuts.append([begins, paragraph])
        sentence = torch.zeros(length, dtype=torch.long)
        for number, at in enumerate(begins):
            sentence[at:] = number
        of = torch.tensor(paragraph)[sentence]
        attention = generate_heads.attention(model, torch.tensor([row]))[:, 0].double()[:, :, 1:]
        masks = {"local": (sentence[1:, None] == sentence) & (sentence > 0), "global": (of[1:, None] != of) & (sentence > 0)}
        ends = torch.zeros(length, dtype=torch.bool)
        ends[[at - 1 for at in begins[2:]]] = True
        masks["boundary"] = ends.expand(length - 1, length)
        masks["first_token"] = (torch.arange(length) == 0).expand(length - 1, length)
        for name, mask in masks.items():
            out[name] = out[name] + (attention * mask).sum((-1, -2)) / (length - 1) / count
    return {"cuts": cuts, **{name: generate_detectors.rounded(value) for name, value in out.items()}}


# ---- The probe of the place modulo 10, in its primal form.

def accuracy(known, asked, ridge=0.01):
    x, y = torch.stack([k[0] for k in known]), torch.tensor([k[1] for k in known])
    mean, targets = x.mean(0), torch.nn.functional.one_hot(y, 10).double() * 2 - 1
    centred = x - mean
    penalty = ridge * centred.pow(2).sum(1).mean()
    weights = torch.linalg.solve(centred.T @ centred + penalty * torch.eye(x.shape[1], dtype=torch.double), centred.T @ (targets - targets.mean(0)))
    guess = ((torch.stack([a[0] for a in asked]) - mean) @ weights + targets.mean(0)).argmax(1)
    return (guess == torch.tensor([a[1] for a in asked])).double().mean().item()


def probe(model, tokenizer):
    lists = {}
    for name, (words, _) in generate_heads.LISTS.items():
        found = generate_heads.single_tokens(tokenizer, words)
        if len(found) < 2:
            continue
        x = model.model.layers[0].mlp(model.model.embed_tokens(torch.tensor(list(found.values())))).double()
        lists[generate_detectors.NAMES.get(name, name)] = [(x[i], (words.index(word) + 1) % 10, token)
                                                           for i, (word, token) in enumerate(found.items())]
    assert "numbers" not in lists  # both models write numbers digit by digit
    out = {}
    for name, asked in lists.items():
        tokens = {token for _, _, token in asked}
        known = [example for other, examples in lists.items() if other != name for example in examples if example[2] not in tokens]
        out[name] = [len(asked), accuracy(known, asked)]
    return out


@torch.no_grad()
def main(folder):
    for name, file in generate_real.FILES.items():
        model, tokenizer = generate_real.load(folder, name)
        golden = {"model": file, "qrhead": qrhead(model, tokenizer, "prompt"), "qrhead_query": qrhead(model, tokenizer, "query"),
                  "text": by_text(model, tokenizer), "probe": probe(model, tokenizer)}
        del golden["qrhead_query"]["prompts"]
        text = ",\n".join(f" {json.dumps(key)}: {json.dumps(value)}" for key, value in golden.items())
        (OUT / f"evidence_{name}.json").write_text("{\n" + text + "\n}\n")
        print("evidence", name, "written", flush=True)
