# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes tests/golden/analysis/smollm2.json: head ablation and activation patching of SmolLM2-135M-Instruct,
computed by transformers from the dequantised GGUF file with eager attention in float32.

    pip install torch==2.11 transformers==5.23 gguf
    python tests/golden/generate_analysis.py build/models
"""
import json
import pathlib
import sys

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"
PROMPTS = [
    ("Then, Mary and John went to the park. John gave a book to", " Mary", " John"),
    ("When Paul and Sarah got a ring at the store, Paul decided to give it to", " Sarah", " Paul"),
    ("After Anna and Peter went to the library, Anna gave a letter to", " Peter", " Anna"),
]
CORRUPT = "Then, Mary and John went to the park. Mary gave a book to"


class Bench:
    def __init__(self, folder):
        self.tokenizer = AutoTokenizer.from_pretrained(folder, gguf_file=FILE)
        self.model = AutoModelForCausalLM.from_pretrained(
            folder, gguf_file=FILE, dtype=torch.float32, attn_implementation="eager").eval()
        config = self.model.config
        self.layers, self.heads = config.num_hidden_layers, config.num_attention_heads
        self.d_head = config.hidden_size // self.heads

    def ids(self, text):
        return self.tokenizer(text)["input_ids"]

    def single(self, text):
        ids = self.tokenizer(text, add_special_tokens=False)["input_ids"]
        assert len(ids) == 1, (text, ids)
        return ids[0]

    def run(self, ids, rows, answer, wrong, module=None, edit=None):
        """Logit difference of each of `rows` copies; edit(x) changes the first input of the module in place."""
        handle = None
        if module is not None:
            def hook(_, args):
                x = args[0].clone()
                edit(x)
                return (x,) + args[1:]
            handle = module.register_forward_pre_hook(hook)
        try:
            with torch.no_grad():
                logits = self.model(torch.tensor([ids] * rows), logits_to_keep=1).logits[:, -1]
        finally:
            if handle:
                handle.remove()
        return [float(v) for v in (logits[:, answer].double() - logits[:, wrong].double())]

    def inputs(self, ids, modules):
        """The first input of each module, [pos, d]."""
        seen, handles = [], []
        for module in modules:
            handles.append(module.register_forward_pre_hook(lambda _, args: seen.append(args[0][0].clone())))
        with torch.no_grad():
            self.model(torch.tensor([ids]))
        for handle in handles:
            handle.remove()
        return seen

    def outputs(self):
        return [layer.self_attn.o_proj for layer in self.model.model.layers]

    def by_head(self, ids, answer, wrong, change):
        """change(z of one row [pos, d_head], layer, head) in place; one row a head."""
        table = []
        for layer, module in enumerate(self.outputs()):
            def edit(x, layer=layer):
                for head in range(self.heads):
                    change(x[head, :, head * self.d_head:(head + 1) * self.d_head], layer, head)
            table.append(self.run(ids, self.heads, answer, wrong, module, edit))
        return table


def minus(table, value):
    return [[cell - value for cell in row] for row in table]


def main():
    bench = Bench(sys.argv[1])
    prompts, d = [], bench.d_head
    rows = [bench.ids(text) for text, _, _ in PROMPTS]
    z_of = [bench.inputs(ids, bench.outputs()) for ids in rows]
    mean = [torch.cat([z[layer] for z in z_of]).mean(0) for layer in range(bench.layers)]

    def zero(z, layer, head):
        z.zero_()

    def zero_last(z, layer, head):
        z[-1].zero_()

    def zero_before(z, layer, head):
        z[:-1].zero_()

    def to_mean(z, layer, head):
        z.copy_(mean[layer][head * d:(head + 1) * d].expand_as(z))

    def resample(z, layer, head):  # of the second prompt, positions aligned from the end
        other = z_of[1][layer][:, head * d:(head + 1) * d]
        n = min(len(other), len(z))
        z[len(z) - n:].copy_(other[len(other) - n:])

    for i, (text, answer, wrong) in enumerate(PROMPTS):
        a, w = bench.single(answer), bench.single(wrong)
        clean = bench.run(rows[i], 1, a, w)[0]
        entry = {"text": text, "ids": rows[i], "answer": a, "wrong": w, "clean": clean, "effects": {}}
        changes = {"zero": zero}
        if i == 0:
            changes |= {"zero_decode": zero_last, "zero_prefill": zero_before, "mean": to_mean, "resample": resample}
        for name, change in changes.items():
            entry["effects"][name] = minus(bench.by_head(rows[i], a, w, change), clean)
            print(text, name, flush=True)
        prompts.append(entry)

    clean_ids, corrupt_ids = rows[0], bench.ids(CORRUPT)
    a, w = prompts[0]["answer"], prompts[0]["wrong"]
    assert len(clean_ids) == len(corrupt_ids)
    blocks = list(bench.model.model.layers)
    clean_resid = bench.inputs(clean_ids, blocks)
    by_position = []
    for layer, module in enumerate(blocks):
        def edit(x, layer=layer):
            for position in range(len(clean_ids)):
                x[position, position] = clean_resid[layer][position]
        by_position.append(bench.run(corrupt_ids, len(clean_ids), a, w, module, edit))
        print("resid_pre", layer, flush=True)

    def to_clean(z, layer, head):
        z.copy_(z_of[0][layer][:, head * d:(head + 1) * d])

    patching = {"corrupt_ids": corrupt_ids, "clean": prompts[0]["clean"], "corrupt": bench.run(corrupt_ids, 1, a, w)[0],
                "resid_pre": by_position, "z": bench.by_head(corrupt_ids, a, w, to_clean)}
    golden = {"model": FILE, "prompts": prompts, "patching": patching}

    def rounded(x):
        if isinstance(x, float):
            return round(x, 6)
        if isinstance(x, list):
            return [rounded(y) for y in x]
        return {k: rounded(v) for k, v in x.items()} if isinstance(x, dict) else x

    path = pathlib.Path(__file__).parent / "analysis" / "smollm2.json"
    path.write_text(json.dumps(rounded(golden), separators=(",", ":")).replace("],[", "],\n[") + "\n")


if __name__ == "__main__":
    main()
