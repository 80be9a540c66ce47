# SPDX-License-Identifier: GPL-3.0-or-later
"""EAP-IG (inputs) of every edge: Headscope against a plain autograd implementation in PyTorch, same weights and prompts, equal scores checked.

    pip install -r tests/golden/requirements.txt
    python tests/bench/peers/eap_ig.py build/bin/headscope build/models/SmolLM2-135M-Instruct.Q4_1.gguf [--pairs 8] [--threads N]
    python tests/bench/peers/eap_ig.py build/bin/headscope gpt2 --device cuda [--pairs 64 --len 64]
    python tests/bench/peers/eap_ig.py build/bin/headscope llama-7b --device cuda --dtype bfloat16 --pairs 8 --len 64 --chunk 2

gpt2 and llama-7b are random weights of those shapes, made here. Pairs: random token ids, of which clean and corrupt differ in one, at --differ of the
length (0: the first token; 0.6: about where the prompts of the IOI task do). The peer is what EAP-IG's code does (github.com/hannamw/EAP-IG), on transformers:
a copy of the residual for each head's q, k and v, norms and matrices a head, one forward and backward a step, hooks that multiply gradients with differences
at once. Its best setting: fused attention, no gradients of weights, only the last position unembedded, all pairs of a chunk in a batch.
Each program runs twice and the second time counts. Prints seconds, peak memory above the weights and the ratio; both take --chunk pairs at once (0: all), and
Headscope as much memory for activations as the peer took."""
import ctypes
import json
import pathlib
import re
import tempfile
import time

import torch
import transformers
from torch import nn

import peer


class SplitProjection(nn.Module):
    """A matrix of heads that reads a copy of the residual for each head, and normalizes each copy."""

    def __init__(self, norm, weight, bias, heads):
        super().__init__()
        self.norm, self.heads, self.read = norm, heads, None
        self.weight = weight.reshape(heads, weight.shape[0] // heads, weight.shape[1])
        self.bias = None if bias is None else bias.reshape(heads, -1)

    def forward(self, x):
        x = x.unsqueeze(2).expand(-1, -1, self.heads, -1)
        if torch.is_grad_enabled() and x.requires_grad:
            x.register_hook(lambda gradient: self.read(gradient))
        y = torch.einsum("bphd,hed->bphe", self.norm(x), self.weight)
        return (y if self.bias is None else y + self.bias).flatten(2)


class Peer:
    """Headscope's graph: the input, heads and MLPs write; q, k and v of heads (native K/V heads), MLPs and the logits read."""

    def __init__(self, model):
        self.model, config = model, model.config
        model.requires_grad_(False)
        self.gpt2 = hasattr(model, "transformer")
        self.body = model.transformer if self.gpt2 else model.model
        self.blocks = self.body.h if self.gpt2 else self.body.layers
        self.heads = config.num_attention_heads
        self.kv = getattr(config, "num_key_value_heads", None) or self.heads
        self.d_head = getattr(config, "head_dim", None) or config.hidden_size // self.heads
        self.split = []
        for block in self.blocks:
            self.split.append(self.split_gpt2(block) if self.gpt2 else self.split_llama(block))
        self.layers = len(self.blocks)
        self.senders = 1 + self.layers * (self.heads + 1)

    def split_llama(self, block):
        attention, norm = block.self_attn, block.input_layernorm
        parts = [SplitProjection(norm, p.weight, p.bias, n) for p, n in ((attention.q_proj, self.heads), (attention.k_proj, self.kv), (attention.v_proj, self.kv))]
        attention.q_proj, attention.k_proj, attention.v_proj = parts
        block.input_layernorm = nn.Identity()
        return parts

    def split_gpt2(self, block):
        weights, biases = block.attn.c_attn.weight.t().chunk(3), block.attn.c_attn.bias.chunk(3)
        parts = [SplitProjection(block.ln_1, w, b, self.heads) for w, b in zip(weights, biases)]
        block.attn.c_attn = Together(parts)
        block.ln_1 = nn.Identity()
        return parts

    def mlp_norm(self, block):
        return block.ln_2 if self.gpt2 else block.post_attention_layernorm

    def output_matrix(self, block):
        return block.attn.c_proj if self.gpt2 else block.self_attn.o_proj

    def head_outputs(self, block, z):
        matrix = self.output_matrix(block)
        weight = matrix.weight if self.gpt2 else matrix.weight.t()  # [heads d_head, d_model]
        return torch.einsum("bphe,hed->hbpd", z.unflatten(-1, (self.heads, self.d_head)), weight.unflatten(0, (self.heads, self.d_head)))

    def run(self, tokens):
        return self.model(tokens, logits_to_keep=1, use_cache=False).logits[:, -1]

    @torch.no_grad()
    def outputs(self, tokens):
        """[sender, row, pos, d_model] and the logits."""
        values = torch.empty(self.senders, *tokens.shape, self.model.config.hidden_size, device=tokens.device, dtype=self.model.dtype)

        def keep(at, x):
            values[at].copy_(x)
        handles = [self.blocks[0].register_forward_pre_hook(lambda _, a: keep(0, a[0]))]
        for i, block in enumerate(self.blocks):
            first = 1 + i * (self.heads + 1)
            handles.append(self.output_matrix(block).register_forward_pre_hook(
                lambda _, a, block=block, first=first: keep(slice(first, first + self.heads), self.head_outputs(block, a[0]))))
            handles.append(block.mlp.register_forward_hook(lambda _, __, out, at=first + self.heads: keep(at, out)))
        logits = self.run(tokens)
        for handle in handles:
            handle.remove()
        return values, logits

    def score(self, clean, corrupt, answers, steps):
        """{receiver: [head, sender]} summed over rows, by the mean of `steps` gradients."""
        before, _ = self.outputs(clean)
        after, _ = self.outputs(corrupt)
        difference = (after - before).float()
        del after
        scores = {}

        def reader(name, senders):
            def read(gradient):
                g = gradient.detach().float()
                g = g if g.dim() == 4 else g.unsqueeze(2)
                product = torch.einsum("bphd,sbpd->hs", g, difference[:senders])
                scores[name] = scores.get(name, 0) + product / steps
            return read

        handles = []
        for i, block in enumerate(self.blocks):
            first = 1 + i * (self.heads + 1)
            for part, kind in zip(self.split[i], "qkv"):
                part.read = reader((i, kind), first)

            def watch(_, arguments, name=(i, "mlp"), senders=first + self.heads):
                x = arguments[0] * 1
                x.register_hook(reader(name, senders))
                return (x, *arguments[1:])
            handles.append(self.mlp_norm(block).register_forward_pre_hook(watch))

        def watch_last(_, arguments):
            x = arguments[0] * 1
            x.register_hook(reader((self.layers, "logits"), self.senders))
            return (x, *arguments[1:])
        handles.append((self.body.ln_f if self.gpt2 else self.body.norm).register_forward_pre_hook(watch_last))
        for k in range(steps):
            mixed = before[0] + (1 - k / steps) * difference[0]

            def start(_, arguments, mixed=mixed):
                return (mixed.to(before.dtype).requires_grad_(True), *arguments[1:])
            handle = self.blocks[0].register_forward_pre_hook(start)
            with torch.enable_grad():
                logits = self.run(clean)
                rows = torch.arange(len(clean), device=clean.device)
                metric = (logits[rows, answers[:, 0]].double() - logits[rows, answers[:, 1]].double()).sum()
                metric.backward()
            handle.remove()
        for handle in handles:
            handle.remove()
        return scores


class Together(nn.Module):
    """GPT-2's one matrix of q, k and v."""

    def __init__(self, parts):
        super().__init__()
        self.parts = nn.ModuleList(parts)

    def forward(self, x):
        return torch.cat([part(x) for part in self.parts], -1)


def make_pairs(arguments, vocabulary):
    generator = torch.Generator().manual_seed(0)
    clean = torch.randint(0, vocabulary, (arguments.pairs, arguments.len), generator=generator)
    corrupt = clean.clone()
    at = min(int(arguments.differ * arguments.len), arguments.len - 1)
    corrupt[:, at] = (corrupt[:, at] + 1) % vocabulary
    answers = torch.randint(0, vocabulary, (arguments.pairs, 2), generator=generator)
    return clean, corrupt, answers


class PeakMemory:
    """Peak memory above that in use at the start, of the GPU or of this process."""

    def __init__(self, device):
        self.device = device
        if device == "cuda":
            torch.cuda.reset_peak_memory_stats()
            self.before = torch.cuda.memory_allocated()
            return
        ctypes.CDLL(None).malloc_trim(0)
        pathlib.Path("/proc/self/clear_refs").write_text("5")
        self.before = self.process("VmRSS")

    @staticmethod
    def process(field):
        return 1024 * int(re.search(rf"{field}:\s+(\d+)", pathlib.Path("/proc/self/status").read_text())[1])

    def above(self):
        return (torch.cuda.max_memory_allocated() if self.device == "cuda" else self.process("VmHWM")) - self.before


def with_peer(arguments, model, pairs):
    """Seconds, bytes above the model's, and {(layer, kind): [head, sender]}, means over pairs."""
    peer = Peer(model)
    clean, corrupt, answers = (x.to(arguments.device) for x in pairs)
    chunk = arguments.chunk or len(clean)
    for _ in range(2):
        memory = PeakMemory(arguments.device)
        begin, scores = time.perf_counter(), {}
        for rows in torch.arange(len(clean)).split(chunk):
            for name, part in peer.score(clean[rows], corrupt[rows], answers[rows], arguments.steps).items():
                scores[name] = scores.get(name, 0) + part.double().cpu() / len(clean)
        seconds = time.perf_counter() - begin  # .cpu() has waited
    return seconds, memory.above(), scores


def with_headscope(arguments, path, pairs, activation_bytes):
    with tempfile.TemporaryDirectory() as folder:
        file = pathlib.Path(folder) / "pairs.json"
        file.write_text(json.dumps({name: x.tolist() for name, x in zip(("clean", "corrupt", "answers"), pairs)}))
        chunk = arguments.chunk or arguments.pairs
        return peer.bench(arguments, "eap-ig", path, "--pairs", file, "--steps", arguments.steps, "--tokens-per-run", chunk * arguments.len,
                          "--activation-mib", max(1, activation_bytes >> 20))


def largest_difference(theirs, ours):
    """The largest difference; Headscope lists scores by receivers in the order of the forward pass, then by senders."""
    order = [name for name in theirs]
    order.sort(key=lambda name: (name[0], ["q", "k", "v", "mlp", "logits"].index(name[1])))
    flat = torch.cat([theirs[name].flatten() for name in order])
    ours = torch.tensor(ours, dtype=torch.float64)
    assert flat.shape == ours.shape, (flat.shape, ours.shape)
    return (flat - ours).abs().max().item(), flat.abs().max().item()


def main():
    parser = peer.parser_of(__doc__)
    parser.add_argument("--pairs", type=int, default=8)
    parser.add_argument("--len", type=int, default=16)
    parser.add_argument("--differ", type=float, default=0.6)
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--chunk", type=int, default=0)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        model, path = peer.open_model(arguments, folder)
        pairs = make_pairs(arguments, model.config.vocab_size)
        seconds, memory, theirs = with_peer(arguments, model, pairs)
        del model
        if arguments.device == "cuda":
            torch.cuda.empty_cache()
        ours = with_headscope(arguments, path, pairs, memory)
    difference, largest = largest_difference(theirs, ours["scores"])
    print(f"{arguments.model} {arguments.dtype} {arguments.pairs} pairs x {arguments.len}, differing at {arguments.differ}, {arguments.steps} steps on {arguments.device}: "
          f"Headscope {ours['seconds']:.3f} s, {ours['memory_bytes'] / 2**20:.0f} MiB; plain autograd on transformers {transformers.__version__} {seconds:.3f} s, "
          f"{memory / 2**20:.0f} MiB: {seconds / ours['seconds']:.2f} times; largest difference of scores {difference:.1e} of {largest:.1e}", flush=True)
    # Scores are products of differences of activations, which in bfloat16 are mostly rounding: there the difference is
    # printed alone, and that both compute the same is shown in float32.
    assert arguments.dtype != "float32" or difference < 1e-4, "the scores differ"


if __name__ == "__main__":
    main()
