# SPDX-License-Identifier: GPL-3.0-or-later
"""Forward passes of GPT-2, GPT-NeoX and Llama in plain torch, in which every input is written out as the sum of what the parts before
it wrote: so that each of these terms, an edge of the computational graph, can be changed alone. Double precision; weights and norms are those
of transformers' modules, whose logits the pass must give."""
import pathlib

import torch
from transformers import AutoModelForCausalLM

MODELS = pathlib.Path(__file__).resolve().parent / "models"


def rotate_half(x):
    half = x.shape[-1] // 2
    return torch.cat([-x[..., half:], x[..., :half]], -1)


class PlainModel:
    def __init__(self, name):
        self.model = AutoModelForCausalLM.from_pretrained(MODELS / name, attn_implementation="eager").double().eval().requires_grad_(False)
        self.config = c = self.model.config
        self.kind = c.model_type
        self.layers, self.heads = c.num_hidden_layers, c.num_attention_heads
        self.kv = getattr(c, "num_key_value_heads", None) or self.heads
        self.d_head = getattr(c, "head_dim", None) or c.hidden_size // self.heads
        self.parallel = bool(getattr(c, "use_parallel_residual", False))
        self.blocks = {"gpt2": lambda m: m.transformer.h, "llama": lambda m: m.model.layers, "gpt_neox": lambda m: m.gpt_neox.layers}[self.kind](self.model)
        self.senders = ["input"]
        self.receivers, self.reads = [], []  # names, and how many of the senders each reads
        for layer in range(self.layers):
            before = len(self.senders)
            self.receivers += [f"a{layer}.h{h}<q>" for h in range(self.heads)]
            for letter in "kv":
                self.receivers += [f"a{layer}.{'h' if self.kv == self.heads else 'kv'}{h}<{letter}>" for h in range(self.kv)]
            self.senders += [f"a{layer}.h{h}" for h in range(self.heads)]
            self.reads += [before] * (self.heads + 2 * self.kv) + [before if self.parallel else len(self.senders)]
            self.receivers.append(f"m{layer}")
            self.senders.append(f"m{layer}")
        self.receivers.append("logits")
        self.reads.append(len(self.senders))
        self.edges = [(s, r) for r, n in enumerate(self.reads) for s in range(n)]

    def label(self, edge):
        return f"{self.senders[edge[0]]}->{self.receivers[edge[1]]}"

    # ---- Weights by head

    def projections(self, layer):
        """Lists of (weight [d_head, d_model], bias) of the q, k and v heads."""
        block, d, n = self.blocks[layer], self.d_head, self.heads
        if self.kind == "llama":
            parts = [getattr(block.self_attn, x + "_proj").weight for x in "qkv"]
            return [[(w[i * d:(i + 1) * d], 0.0) for i in range(len(w) // d)] for w in parts]
        if self.kind == "gpt2":
            w, b = block.attn.c_attn.weight.T, block.attn.c_attn.bias
            begin = lambda part, i: (part * n + i) * d
        else:
            w, b = block.attention.query_key_value.weight, block.attention.query_key_value.bias
            begin = lambda part, i: (i * 3 + part) * d
        return [[(w[begin(p, i):begin(p, i) + d], b[begin(p, i):begin(p, i) + d]) for i in range(n)] for p in range(3)]

    def output(self, layer):
        """[head, d_head, d_model], and the bias."""
        block = self.blocks[layer]
        w, b = {"llama": lambda: (block.self_attn.o_proj.weight.T, 0.0), "gpt2": lambda: (block.attn.c_proj.weight, block.attn.c_proj.bias),
                "gpt_neox": lambda: (block.attention.dense.weight.T, block.attention.dense.bias)}[self.kind]()
        return w.reshape(self.heads, self.d_head, -1), b

    def norms(self, layer):
        block = self.blocks[layer]
        return (block.ln_1, block.ln_2) if self.kind == "gpt2" else (block.input_layernorm, block.post_attention_layernorm)

    def embed(self, tokens):
        if self.kind == "gpt2":
            t = self.model.transformer
            return t.wte(tokens) + t.wpe(torch.arange(len(tokens)))
        return self.model.get_input_embeddings()(tokens)

    def final(self, x):
        norm = {"gpt2": lambda: self.model.transformer.ln_f, "llama": lambda: self.model.model.norm,
                "gpt_neox": lambda: self.model.gpt_neox.final_layer_norm}[self.kind]()
        return self.model.get_output_embeddings()(norm(x))

    def rotary(self, x):
        """x: [pos, d_head]."""
        if self.kind == "gpt2":
            return x
        module = self.model.model.rotary_emb if self.kind == "llama" else self.model.gpt_neox.rotary_emb
        cos, sin = (t[0].double() for t in module(x, torch.arange(len(x))[None]))
        n = cos.shape[-1]
        return torch.cat([x[:, :n] * cos + rotate_half(x[:, :n]) * sin, x[:, n:]], -1)

    # ---- The forward pass

    def head(self, layer, h, inputs):
        """What a head writes, from the inputs of its q, k and v [pos, d_model]."""
        ln1 = self.norms(layer)[0]
        group = h // (self.heads // self.kv)
        q, k, v = (ln1(x) @ w.T + b for x, (w, b) in zip(inputs, [part[i] for part, i in zip(self.projections(layer), (h, group, group))]))
        scores = self.rotary(q) @ self.rotary(k).T / self.d_head ** 0.5
        hidden = torch.ones_like(scores, dtype=torch.bool).triu(1)
        return scores.masked_fill(hidden, float("-inf")).softmax(-1) @ v @ self.output(layer)[0][h]

    def run(self, tokens, change=None, put=None, embedded=None):
        """(logits [pos, d_vocab], what each sender wrote, what each receiver read).
        change(receiver, input, senders' outputs so far) -> input; put {sender: output} replaces outputs."""
        tokens = torch.as_tensor(tokens)
        put = put or {}
        outputs, inputs, bias = [], [], 0.0

        def write(value):
            outputs.append(put.get(len(outputs), value))

        def read():
            x = bias + sum(outputs[:self.reads[len(inputs)]])
            inputs.append(change(len(inputs), x, outputs) if change else x)
            return inputs[-1]

        write(self.embed(tokens) if embedded is None else embedded)
        for layer in range(self.layers):
            qs = [read() for _ in range(self.heads)]
            ks, vs = [read() for _ in range(self.kv)], [read() for _ in range(self.kv)]
            group = self.heads // self.kv
            mlp_input = read() if self.parallel else None
            written = [self.head(layer, h, (qs[h], ks[h // group], vs[h // group])) for h in range(self.heads)]
            for value in written:
                write(value)
            if self.parallel:
                write(self.blocks[layer].mlp(self.norms(layer)[1](mlp_input)))
                bias = bias + self.output(layer)[1]
            else:
                bias = bias + self.output(layer)[1]
                write(self.blocks[layer].mlp(self.norms(layer)[1](read())))
        return self.final(read()), outputs, inputs
