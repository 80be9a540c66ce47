#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Times Headscope's attention statistics on a GPU against torch and transformers on the same GPU.

Usage: attention_statistics.py BENCH [TOKENS ...]
BENCH is the program cuda_attention_bench. The shape is that of Llama-7B: 32 layers x 32 heads, head dimension 128,
bfloat16. For each length it prints seconds of: the passes of BENCH; torch's causal scaled_dot_product_attention of 32
layers; a forward of LlamaForCausalLM with random weights (attention "sdpa", logits of the last token only); and, up to
4,096 tokens, the forward with maps (attention "eager", output_attentions), which is what statistics of maps start from.
"""
import json
import subprocess
import sys

import torch

LAYERS, HEADS, D_HEAD = 32, 32, 128


def seconds(call, repeats):
    """Median of `repeats` calls after one to warm up."""
    call()
    times = []
    for _ in range(repeats):
        begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        begin.record()
        call()
        end.record()
        end.synchronize()
        times.append(begin.elapsed_time(end) / 1e3)
    return sorted(times)[len(times) // 2]


def report(tokens, name, value):
    print(json.dumps({"tokens": tokens, "pass": name, "seconds": round(value, 5)}), flush=True)


def attention(tokens, backend):
    q, k, v = (torch.randn(1, tokens, HEADS, D_HEAD, device="cuda", dtype=torch.bfloat16).transpose(1, 2) for _ in range(3))
    with torch.nn.attention.sdpa_kernel(backend) if backend else torch.no_grad():
        def call():
            torch.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        return LAYERS * seconds(call, 3 if tokens > 40000 else 11)


@torch.no_grad()
def forward(tokens, attention_kind, maps):
    from transformers import LlamaConfig, LlamaForCausalLM
    config = LlamaConfig(max_position_embeddings=tokens, num_hidden_layers=LAYERS, attn_implementation=attention_kind)
    torch.set_default_dtype(torch.bfloat16)
    with torch.device("cuda"):
        model = LlamaForCausalLM(config).eval()
    torch.set_default_dtype(torch.float32)
    ids = torch.randint(0, config.vocab_size, (1, tokens), device="cuda")
    def call():
        model(ids, use_cache=False, output_attentions=maps, logits_to_keep=1)
    result = seconds(call, 1 if tokens > 40000 else 5)
    print(f"peak memory {torch.cuda.max_memory_allocated() / 2**30:.1f} GiB", file=sys.stderr)
    return result


def main():
    bench, lengths = sys.argv[1], [int(n) for n in sys.argv[2:]] or [4096, 32768, 131072]
    print(torch.cuda.get_device_name(), "torch", torch.__version__, flush=True)
    for tokens in lengths:
        print(subprocess.run([bench, str(tokens)], check=True, capture_output=True, text=True).stdout, end="", flush=True)
    from torch.nn.attention import SDPBackend
    for tokens in lengths:
        report(tokens, "torch sdpa, its own choice", attention(tokens, None))
        for backend in (SDPBackend.FLASH_ATTENTION, SDPBackend.CUDNN_ATTENTION):
            report(tokens, f"torch sdpa {backend.name}", attention(tokens, backend))
    for tokens in lengths:
        report(tokens, "forward, sdpa", forward(tokens, "sdpa", False))
        torch.cuda.empty_cache()
        if tokens <= 4096:
            report(tokens, "forward, eager with maps", forward(tokens, "eager", True))
            torch.cuda.empty_cache()


if __name__ == "__main__":
    main()
