#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Times attention over chosen keys on a GPU against torch's attention over all keys and FlexAttention with the same mask.

Usage: sparse_attention.py LIBRARY [TOKENS ...]
LIBRARY is build/lib/libcuda_sparse_flat.so. One layer of Llama-7B's shape: 32 heads, head dimension 128, bfloat16, random
normal q, k and v. Prints a line of JSON each: milliseconds (median), TFLOP/s of the products that the visited keys need,
that as a share of the dense bfloat16 peak (989 TFLOP/s), TB/s of keys and values gathered, and how far the result is from
FlexAttention's with the same mask (largest difference).
"""
import ctypes
import json
import sys

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.attention.flex_attention import BlockMask, flex_attention

HEADS, D, PEAK, FLEX_BLOCK = 32, 128, 989.0, 128
flex = torch.compile(flex_attention, dynamic=False)


def milliseconds(call, repeats):
    call()
    times = []
    for _ in range(repeats):
        begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        begin.record()
        call()
        end.record()
        end.synchronize()
        times.append(begin.elapsed_time(end))
    return sorted(times)[len(times) // 2]


def report(tokens, name, time, pairs=0.0, gathered=0.0, **more):
    tflops = 4 * D * pairs / time / 1e9
    print(json.dumps({"tokens": tokens, "attention": name, "ms": round(time, 3), "tflops": round(tflops, 1),
                      "share of peak": round(tflops / PEAK, 3), "gathered TB/s": round(gathered / time / 1e9, 2), **more}),
          flush=True)


def pointer(x):
    return ctypes.c_void_p(x.data_ptr())


class Ours:
    def __init__(self, library, q, k, v):
        self.library, self.q, self.k, self.v = library, q, k, v
        self.tokens = q.shape[1]
        self.z = torch.empty_like(q)

    def call(self, function, *arguments):
        """Tensors become pointers, numbers int64; the last argument is the stream."""
        plain = [pointer(x) if torch.is_tensor(x) else ctypes.c_void_p() if x is None else ctypes.c_int64(x) for x in arguments]
        error = function(*plain, ctypes.c_void_p(torch.cuda.current_stream().cuda_stream))
        if error != 0:
            sys.exit(f"CUDA error {error}")

    def attend(self, runs, first, last, shared, block_q, sinks=0, window=0, order=None):
        self.call(self.library.sparse, self.q, self.k, self.v, self.z, self.tokens, HEADS, D, runs, first, last, shared,
                  block_q, sinks, window, order, 0 if order is None else order.numel())

    def hip_room(self, kept):
        blocks = HEADS * ((self.tokens + 31) // 32)
        self.runs = torch.empty(blocks * (kept // 2 + 2), 2, dtype=torch.int32, device="cuda")
        self.first = torch.empty(HEADS, blocks // HEADS, dtype=torch.int64, device="cuda")
        self.last = torch.empty_like(self.first)

    def choose(self, kept, window):
        self.call(self.library.hip, self.q, self.k, self.tokens, HEADS, D, kept, window, 32, 2, self.runs, self.first,
                  self.last)


def heads_first(x):
    return x.transpose(1, 2)


def difference(ours, other):
    """The largest difference of a result from ours, a head at a time to spare memory."""
    largest = max((heads_first(ours.z)[0, h].float() - other[0, h].float()).abs().max().item() for h in range(HEADS))
    return {"largest difference": round(largest, 5)}


def torch_alone(ours, repeats):
    q, k, v = (heads_first(x) for x in (ours.q, ours.k, ours.v))
    pairs = HEADS * ours.tokens * (ours.tokens + 1) / 2
    def call():
        torch.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True)
    report(ours.tokens, "torch sdpa, all keys, its own choice", milliseconds(call, repeats), pairs)
    for backend in (SDPBackend.CUDNN_ATTENTION, SDPBackend.FLASH_ATTENTION):
        with sdpa_kernel(backend):
            report(ours.tokens, f"torch sdpa, all keys, {backend.name}", milliseconds(call, repeats), pairs)


def block_mask(dense, full, mask_mod):
    """dense, full: bool [head or 1, query block, key block]; `full` ones need no mask."""
    def lists(chosen):
        count = chosen.sum(-1, dtype=torch.int32)[None]
        return count, chosen.to(torch.int8).argsort(dim=-1, descending=True, stable=True).to(torch.int32)[None]
    partly = lists(dense & ~full)
    whole = lists(full) if full.any() else (None, None)
    return BlockMask.from_kv_blocks(*partly, *whole, BLOCK_SIZE=FLEX_BLOCK, mask_mod=mask_mod)


def streaming(ours, sinks, window, repeats):
    t = ours.tokens
    n = sinks + window
    pairs = HEADS * (n * (n + 1) / 2 + (t - n) * n)
    block = torch.arange(t // FLEX_BLOCK, device="cuda")
    ahead = block[:, None] - block[None, :]
    dense = (ahead >= 0) & ((ahead * FLEX_BLOCK - FLEX_BLOCK + 1 < window) | (block[None, :] * FLEX_BLOCK < sinks))
    full = (ahead > 0) & (ahead * FLEX_BLOCK + FLEX_BLOCK - 1 < window)
    mask = block_mask(dense[None], full[None],
                      lambda b, h, i, j: (i >= j) & ((i - j < window) | (j < sinks)))
    q, k, v = (heads_first(x) for x in (ours.q, ours.k, ours.v))
    other = flex(q, k, v, block_mask=mask)
    for block_q in (64, 128):
        begin = torch.arange(0, t, block_q, device="cuda")
        recent = (begin - window + 1).clamp_min(0)
        end = (begin + block_q).clamp_max(t)
        runs = torch.stack([torch.zeros_like(begin), recent.clamp_max(sinks), recent, end], 1).to(torch.int32).contiguous()
        first = torch.arange(0, 2 * len(begin), 2, device="cuda")
        last = first + 2
        call = lambda: ours.attend(runs, first, last, 1, block_q, sinks, window)
        ours.z.fill_(-77)
        call()
        gathered = HEADS * 4.0 * D * (runs[:, 1] - runs[:, 0] + runs[:, 3] - runs[:, 2]).sum().item()
        report(t, f"streaming {sinks} + {window}, blocks of {block_q}", milliseconds(call, repeats), pairs, gathered,
               **difference(ours, other))
    report(t, f"FlexAttention, streaming {sinks} + {window}",
           milliseconds(lambda: flex(q, k, v, block_mask=mask), repeats), pairs)


def segments(ours, length, repeats):
    """Tokens see those of their own segment and of the one before, as a block mask compiles them."""
    t, block_q = ours.tokens, 128
    count, each = (t + length - 1) // length, (length + block_q - 1) // block_q
    place = torch.arange(each * block_q, device="cuda")
    segment = torch.arange(count, device="cuda")[:, None]
    query = segment * length + place
    order = torch.where((place < length) & (query < t), query, -1).to(torch.int32).contiguous()
    runs = torch.cat([(segment - 1).clamp_min(0) * length, ((segment + 1) * length).clamp_max(t)], 1).to(torch.int32).contiguous()
    first = segment.repeat(1, each).flatten().contiguous()
    last = first + 1
    seen = torch.arange(t, device="cuda")
    pairs = HEADS * (seen - (seen // length - 1).clamp_min(0) * length + 1).sum().item()
    mask_mod = lambda b, h, i, j: (i >= j) & (i // length - j // length < 2)
    block = torch.arange(t // FLEX_BLOCK, device="cuda")
    begin, end = block * FLEX_BLOCK // length, ((block + 1) * FLEX_BLOCK - 1) // length # segments of a block's first and last
    dense = (block[:, None] >= block[None, :]) & (begin[:, None] - end[None, :] < 2)
    full = (block[:, None] > block[None, :]) & (end[:, None] - begin[None, :] < 2)
    mask = block_mask(dense[None], full[None], mask_mod)
    q, k, v = (heads_first(x) for x in (ours.q, ours.k, ours.v))
    other = flex(q, k, v, block_mask=mask)
    call = lambda: ours.attend(runs, first, last, 1, block_q, order=order)
    ours.z.fill_(-77)
    call()
    report(t, f"segments of {length}, own and the one before", milliseconds(call, repeats), pairs, **difference(ours, other))
    report(t, f"FlexAttention, segments of {length}", milliseconds(lambda: flex(q, k, v, block_mask=mask), repeats), pairs)


def chosen_blocks(ours, size, top, repeats):
    """FlexAttention alone: random earlier blocks for each query, as landmark:block=size,top=top chooses them."""
    t = ours.tokens
    count = t // size
    bits = torch.zeros(HEADS, t, (count + 31) // 32, dtype=torch.int32, device="cuda")
    own = torch.arange(t, device="cuda") // size
    for h in range(HEADS):
        chosen = (torch.rand(t, top, device="cuda") * own[:, None]).long()
        chosen = torch.cat([chosen, own[:, None], torch.zeros_like(own[:, None])], 1)
        for n in range(top + 2):
            word = bits[h].gather(1, chosen[:, n:n + 1] // 32)
            bits[h].scatter_(1, chosen[:, n:n + 1] // 32, word | (1 << (chosen[:, n:n + 1] % 32)).to(torch.int32))
    def mask_mod(b, h, i, j):
        block = j // size
        return (i >= j) & (((bits[h, i, block // 32] >> (block % 32)) & 1) == 1)
    block = torch.arange(t // FLEX_BLOCK, device="cuda")
    dense = (block[:, None] >= block[None, :])[None]
    mask = block_mask(dense, torch.zeros_like(dense), mask_mod)
    q, k, v = (heads_first(x) for x in (ours.q, ours.k, ours.v))
    pairs = HEADS * t * (top + 1.5) * size
    report(t, f"FlexAttention, {top} random blocks of {size} a query, block 0 and the own",
           milliseconds(lambda: flex(q, k, v, block_mask=mask), repeats), pairs)


def hip(ours, kept, window, repeats):
    t, name = ours.tokens, f"HiP {kept} + {window}"
    ours.hip_room(kept)
    choose = lambda: ours.choose(kept, window)
    attend = lambda: ours.attend(ours.runs, ours.first, ours.last, 0, 32)
    ours.z.fill_(-77)
    choose()
    attend()
    blocks, slots = t // 32, kept // 2 + 2
    begin, length = ours.runs[:, 0].view(HEADS, blocks, slots), (ours.runs[:, 1] - ours.runs[:, 0]).view(HEADS, blocks, slots)
    valid = torch.arange(slots, device="cuda") < (ours.last - ours.first)[..., None]
    length = torch.where(valid, length, 0)
    keys = length.sum().item()
    # bits[head, query block, key / 64]: bit (key / 2) % 32; older keys come in pairs, the window begins at an even key
    bits = torch.zeros(HEADS, blocks, (t + 63) // 64, dtype=torch.int32, device="cuda")
    chosen = valid & (length == 2)
    for h in range(HEADS):
        row, _ = chosen[h].nonzero(as_tuple=True)
        pair = begin[h][chosen[h]] // 2
        word = bits[h].view(-1)
        word.index_add_(0, (row * bits.shape[2] + pair // 32), (torch.ones_like(pair) << (pair % 32)))
    last_of_block = 32 * (torch.arange(t, device="cuda") // 32 + 1)
    older = (last_of_block - window).clamp_min(0)
    def mask_mod(b, h, i, j):
        picked = (bits[h, i // 32, j // 64] >> ((j // 2) % 32)) & 1
        return (i >= j) & ((picked == 1) | (j >= older[i]) | (older[i] <= kept))
    flex_blocks = t // FLEX_BLOCK
    dense = torch.zeros(HEADS, flex_blocks, flex_blocks, dtype=torch.bool, device="cuda")
    for h in range(HEADS):
        row, _ = chosen[h].nonzero(as_tuple=True)
        dense[h].view(-1)[row // 4 * flex_blocks + begin[h][chosen[h]] // FLEX_BLOCK] = True
    block = torch.arange(flex_blocks, device="cuda")
    near = (block[:, None] - block[None, :]) * FLEX_BLOCK < window + FLEX_BLOCK
    early = ((block[:, None]) * FLEX_BLOCK < kept + window)
    dense |= (near | early) & (block[:, None] >= block[None, :])
    mask = block_mask(dense, torch.zeros_like(dense), mask_mod)
    q, k, v = (heads_first(x) for x in (ours.q, ours.k, ours.v))
    other = flex(q, k, v, block_mask=mask)
    gap = difference(ours, other)
    del other
    rounds = 1 + max(0, (t // 2 // (kept // 2) - 1).bit_length())
    chosen_keys = HEADS * blocks * kept * rounds
    report(t, f"{name}, choice", milliseconds(choose, repeats), chosen_keys * 16 / 2, chosen_keys * 2.0 * D)
    report(t, f"{name}, attention", milliseconds(attend, repeats), keys * 32.0, keys * 4.0 * D, **gap)
    both = milliseconds(lambda: (choose(), attend()), repeats)
    report(t, f"{name}, both", both, keys * 32.0)
    report(t, f"FlexAttention, {name}, {dense.sum().item() * 2 / HEADS / flex_blocks / (flex_blocks + 1):.0%} of its blocks",
           milliseconds(lambda: flex(q, k, v, block_mask=mask), 3), keys * 32.0)


@torch.no_grad()
def main():
    library, lengths = ctypes.CDLL(sys.argv[1]), [int(n) for n in sys.argv[2:]] or [32768, 131072]
    print(torch.cuda.get_device_name(), "torch", torch.__version__, flush=True)
    for tokens in lengths:
        torch.manual_seed(1)
        ours = Ours(library, *(torch.randn(1, tokens, HEADS, D, device="cuda", dtype=torch.bfloat16) for _ in range(3)))
        repeats = 11 if tokens <= 40000 else 5
        torch_alone(ours, repeats)
        streaming(ours, 4, 1020, repeats)
        segments(ours, 700, repeats)
        chosen_blocks(ours, 64, 14, 3)
        for kept, window in ((512, 128), (1024, 256)):
            hip(ours, kept, window, repeats)


if __name__ == "__main__":
    main()
