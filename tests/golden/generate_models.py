# SPDX-License-Identifier: GPL-3.0-or-later
"""Small random models of every architecture, and what transformers computes with them."""
import json
import pathlib
import shutil

import torch
import transformers
from safetensors.torch import save_file

import probe

HERE = pathlib.Path(__file__).resolve().parent
MODELS, OUT = HERE / "models", HERE / "activations"
VOCAB, TOKENS = 101, 18

COMMON = dict(vocab_size=VOCAB, num_hidden_layers=2, num_attention_heads=4, hidden_size=32, intermediate_size=48, max_position_embeddings=64,
              tie_word_embeddings=False, bos_token_id=1, eos_token_id=2, pad_token_id=0)
GQA = dict(COMMON, num_key_value_heads=2)


def rope(kind, **more):
    return dict(rope_type=kind, rope_theta=10000.0, **more)


def specifications():
    t = transformers
    yield "llama", t.LlamaConfig(**GQA)
    yield "llama_mqa", t.LlamaConfig(**dict(COMMON, num_key_value_heads=1, tie_word_embeddings=True))
    yield "llama_linear", t.LlamaConfig(**GQA, rope_parameters=rope("linear", factor=4.0))
    yield "llama_dynamic", t.LlamaConfig(**dict(GQA, max_position_embeddings=12), rope_parameters=rope("dynamic", factor=4.0))
    yield "llama_llama3", t.LlamaConfig(**GQA, rope_parameters=rope("llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
                                                                   original_max_position_embeddings=16))
    yield "llama_yarn", t.LlamaConfig(**GQA, rope_parameters=rope("yarn", factor=4.0, original_max_position_embeddings=16))
    yield "mistral", t.MistralConfig(**GQA, sliding_window=5)
    yield "qwen2", t.Qwen2Config(**GQA)
    yield "qwen3", t.Qwen3Config(**GQA, head_dim=16)
    yield "gemma", t.GemmaConfig(**dict(COMMON, num_key_value_heads=1, tie_word_embeddings=True), head_dim=16)
    yield "gemma2", t.Gemma2Config(**dict(GQA, tie_word_embeddings=True), head_dim=16, sliding_window=5, query_pre_attn_scalar=24,
                                   attn_logit_softcapping=5.0, final_logit_softcapping=3.0)
    gemma3 = dict(dict(GQA, num_hidden_layers=4, tie_word_embeddings=True), head_dim=16, sliding_window=5, query_pre_attn_scalar=16,
                  layer_types=["sliding_attention", "sliding_attention", "full_attention", "sliding_attention"])
    yield "gemma3", t.Gemma3TextConfig(**gemma3)
    yield "gemma3_linear", t.Gemma3TextConfig(**gemma3, rope_parameters={
        "full_attention": dict(rope_type="linear", factor=8.0, rope_theta=1e6), "sliding_attention": rope("default")})
    yield "gpt2", t.GPT2Config(vocab_size=VOCAB, n_layer=2, n_head=4, n_embd=32, n_positions=64, bos_token_id=1, eos_token_id=2)
    neox = {k: v for k, v in COMMON.items() if k != "pad_token_id"}
    yield "gpt_neox", t.GPTNeoXConfig(**neox, rotary_pct=0.25)
    yield "gpt_neox_serial", t.GPTNeoXConfig(**neox, rotary_pct=0.5, use_parallel_residual=False)
    yield "opt", t.OPTConfig(vocab_size=VOCAB, num_hidden_layers=2, num_attention_heads=4, hidden_size=32, word_embed_proj_dim=32, ffn_dim=48,
                             max_position_embeddings=64, bos_token_id=1, eos_token_id=2, pad_token_id=0)
    # What GGUF can say of Gemma: its scale is that of the head size, and every sixth layer of Gemma 3 is global.
    yield "gemma2_file", t.Gemma2Config(**dict(GQA, tie_word_embeddings=True), head_dim=16, sliding_window=5, query_pre_attn_scalar=16,
                                        attn_logit_softcapping=5.0, final_logit_softcapping=3.0)
    yield "gemma3_file", t.Gemma3TextConfig(**dict(GQA, num_hidden_layers=6, tie_word_embeddings=True), head_dim=16, sliding_window=5,
                                            query_pre_attn_scalar=16, rope_parameters={
        "full_attention": dict(rope_type="linear", factor=8.0, rope_theta=1e6), "sliding_attention": rope("default")})


def build(config, seed):
    torch.manual_seed(seed)
    model = transformers.AutoModelForCausalLM.from_config(config, attn_implementation="eager").eval().float()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            gain = 0.6 if parameter.dim() > 1 else 0.3
            if config.model_type == "gpt2" and "attn" in name and parameter.dim() > 1:
                gain = 2.0  # or its heads attend almost evenly
            noise = torch.randn_like(parameter) * gain / (parameter.shape[-1] ** 0.5 if parameter.dim() > 1 else 1.0)
            centre = 1.0 if "norm" in name.lower() or "ln_" in name else 0.0
            if config.model_type.startswith("gemma"):
                centre = 0.0  # stored as w - 1
            parameter.copy_(noise + (centre if name.endswith("weight") and parameter.dim() == 1 else 0.0))
        model.tie_weights()
    return model


def text(tensors):
    return {name: value.detach().contiguous().float().clone() if value.is_floating_point() else value.contiguous().clone() for name, value in tensors.items()}


def save(name, tensors):
    OUT.mkdir(exist_ok=True)
    save_file(text(tensors), OUT / f"{name}.safetensors")


def folder(name, model, **kwargs):
    path = MODELS / name
    shutil.rmtree(path, ignore_errors=True)
    model.save_pretrained(path, **kwargs)
    (path / "generation_config.json").unlink(missing_ok=True)
    return path


def padded(model, rows):
    """Logits of each row alone, and of its last token; checked against transformers' own left padding."""
    alone = [model(row[None], use_cache=False).logits[0] for row in rows]
    width = max(len(row) for row in rows)
    tokens = torch.zeros(len(rows), width, dtype=torch.long)
    mask = torch.zeros_like(tokens)
    for i, row in enumerate(rows):
        tokens[i, width - len(row):], mask[i, width - len(row):] = row, 1
    together = model(tokens, attention_mask=mask, position_ids=(mask.cumsum(-1) - 1).clamp(min=0) if model.config.model_type != "opt" else None,
                     use_cache=False).logits
    for row, padded_row in zip(alone, together):
        assert torch.allclose(row, padded_row[width - len(row):], atol=1e-5), (row - padded_row[width - len(row):]).abs().max()
    return {"logits": torch.stack([row[-1] for row in alone]), "lengths": torch.tensor([len(row) for row in rows]),
            **{f"logits_{i}": row for i, row in enumerate(alone)}}


def gradients(model, tokens):
    """d (logit[last, 3] - logit[last, 7]) / d activation."""
    with probe.Probe(model) as p:
        logits = model(tokens, use_cache=False).logits
        raw, n = dict(p.raw), len(p.layers)
    wanted = {}
    for i in range(n):
        wanted[f"grad.blocks.{i}.hook_resid_pre"] = raw[(i, "pre")]
        wanted[f"grad.blocks.{i}.attn.hook_z"] = raw[(i, "attention")][5]
        wanted[f"grad.blocks.{i}.attn.hook_pattern"] = raw[(i, "attention")][6]
        wanted[f"grad.blocks.{i}.hook_mlp_out"] = raw[(i, "ln2_post" if "ln2_post" in p.parts else "down")]
        for key in ("qkv",) if "qkv" in p.parts else ("q", "k", "v"):
            wanted[(i, key)] = raw[(i, key)]
    metric = (logits[:, -1, 3] - logits[:, -1, 7]).sum()
    found = dict(zip(wanted, torch.autograd.grad(metric, list(wanted.values()))))
    named = {key: value for key, value in found.items() if isinstance(key, str)}
    p.raw.update({key: value for key, value in found.items() if not isinstance(key, str)})
    for i in range(n):  # split into heads like the activations
        for key, value in zip("qkv", p.qkv(i)):
            named[f"grad.blocks.{i}.attn.hook_{key}"] = value
    for key, value in named.items():
        assert value.abs().max() > 1e-2, (key, "is too small for the tests' tolerance")
    return {"metric": metric.detach()[None], **named}


def interventions(model, tokens, other):
    """Logits after each change, made with torch hooks on transformers' modules."""
    p = probe.PARTS[model.config.model_type]
    heads = model.config.num_attention_heads
    d = getattr(model.config, "head_dim", None) or model.config.hidden_size // heads
    layers = probe.sub(model, p["layers"])
    generator = torch.Generator().manual_seed(5)
    vector, steer = torch.randn(d, generator=generator), torch.randn(model.config.hidden_size, generator=generator)

    def on_input(module, change):
        return module.register_forward_pre_hook(lambda _m, args: (change(args[0].clone()),) + args[1:])

    def with_hook(handle):
        try:
            return model(tokens, use_cache=False).logits
        finally:
            handle.remove()

    def z_change(change):  # the input of the output projection is z of all heads side by side
        def apply(x):
            view = x.view(*x.shape[:2], heads, d)
            change(view)
            return x
        return with_hook(on_input(probe.sub(layers[1], p["o"]), apply))

    out = {"tokens": tokens, "other": other, "vector": vector, "steer": steer}
    out["zero_z_1_2"] = z_change(lambda z: z[:, :, 2].zero_())
    out["set_z_1_2"] = z_change(lambda z: z[:, :, 2].copy_(vector.expand(*z.shape[:2], d)))
    out["scale_z_1_2"] = z_change(lambda z: z[:, :, 2].mul_(0.5))
    _, hooks = probe.run(model, other)
    patch = hooks["blocks.1.hook_resid_pre"][:, 5].clone()

    def put(x):
        x[:, 5] = patch
        return x
    out["patch"] = patch
    out["patch_resid_pre_1_5"] = with_hook(on_input(layers[1], put))
    module = probe.importlib.import_module(type(model).__module__)
    original = module.eager_attention_forward

    def uniform(mod, query, key, value, mask, **kwargs):
        z, weights = original(mod, query, key, value, mask, **kwargs)
        if mod.layer_idx == 1:
            v = value.repeat_interleave(heads // value.shape[1], 1)[:, 1]
            counts = torch.arange(1, v.shape[1] + 1)[None, :, None]
            z = z.clone()
            z[:, :, 1] = v.cumsum(1) / counts
        return z, weights
    module.eager_attention_forward = uniform
    out["uniform_1_1"] = model(tokens, use_cache=False).logits
    module.eager_attention_forward = original
    out["add_mlp_out_0"] = with_hook(probe.sub(layers[0], p["mlp"]).register_forward_hook(lambda _m, _a, y: y + steer))
    return out


def hooked_transformer(name, mlp, seed):
    """TransformerLens's format; the reference is its forward pass written out in plain torch."""
    torch.manual_seed(seed)
    n_layers, heads, d_model, d_head, d_mlp, n_ctx = 2, 4, 32, 8, 48, 64
    config = dict(n_layers=n_layers, d_model=d_model, n_ctx=n_ctx, d_head=d_head, n_heads=heads, d_vocab=VOCAB, eps=1e-5, attn_only=not mlp,
                  positional_embedding_type="standard", normalization_type="LN" if mlp else "LNPre", act_fn="gelu_new" if mlp else None)
    if mlp:
        config["d_mlp"] = d_mlp
    s = {"embed.W_E": torch.randn(VOCAB, d_model), "pos_embed.W_pos": torch.randn(n_ctx, d_model) * 0.5,
         "unembed.W_U": torch.randn(d_model, VOCAB) * 0.3, "unembed.b_U": torch.randn(VOCAB) * 0.3}
    for i in range(n_layers):
        a = f"blocks.{i}.attn."
        for n in "QKV":
            s[a + "W_" + n], s[a + "b_" + n] = torch.randn(heads, d_model, d_head) * 0.3, torch.randn(heads, d_head) * 0.2
        s[a + "W_O"], s[a + "b_O"] = torch.randn(heads, d_head, d_model) * 0.3, torch.randn(d_model) * 0.2
        if mlp:
            for ln in ("ln1", "ln2"):
                s[f"blocks.{i}.{ln}.w"], s[f"blocks.{i}.{ln}.b"] = 1 + torch.randn(d_model) * 0.3, torch.randn(d_model) * 0.3
            m = f"blocks.{i}.mlp."
            s[m + "W_in"], s[m + "b_in"] = torch.randn(d_model, d_mlp) * 0.3, torch.randn(d_mlp) * 0.2
            s[m + "W_out"], s[m + "b_out"] = torch.randn(d_mlp, d_model) * 0.3, torch.randn(d_model) * 0.2
    if mlp:
        s["ln_final.w"], s["ln_final.b"] = 1 + torch.randn(d_model) * 0.3, torch.randn(d_model) * 0.3

    hooks = {}

    def norm(x, where):
        x = x - x.mean(-1, keepdim=True)
        scale = (x.pow(2).mean(-1, keepdim=True) + 1e-5).sqrt()
        y = x / scale
        y = y * s[where + ".w"] + s[where + ".b"] if mlp else y
        # TransformerLens's own LayerNorm records the quotient before weight and bias; ours, like LayerNorm's of transformers, the output.
        hooks[where + ".hook_scale"], hooks[where + ".hook_normalized"] = scale, y
        return y

    tokens = torch.randint(3, VOCAB, (2, TOKENS))
    hooks |= {"tokens": tokens, "hook_embed": s["embed.W_E"][tokens], "hook_pos_embed": s["pos_embed.W_pos"][:TOKENS].expand(2, -1, -1)}
    x = hooks["hook_embed"] + hooks["hook_pos_embed"]
    causal = torch.ones(TOKENS, TOKENS, dtype=torch.bool).triu(1)
    for i in range(n_layers):
        b, a = f"blocks.{i}.", f"blocks.{i}.attn."
        hooks[b + "hook_resid_pre"] = x
        n = norm(x, f"blocks.{i}.ln1")
        q, k, v = (torch.einsum("bpd,hde->bphe", n, s[a + "W_" + c]) + s[a + "b_" + c] for c in "QKV")
        scores = (torch.einsum("bqhe,bkhe->bhqk", q, k) / d_head ** 0.5).masked_fill(causal, float("-inf"))
        pattern = scores.softmax(-1)
        z = torch.einsum("bhqk,bkhe->bqhe", pattern, v)
        result = torch.einsum("bqhe,hed->bqhd", z, s[a + "W_O"])
        out = result.sum(2) + s[a + "b_O"]
        hooks.update({a + "hook_q": q, a + "hook_k": k, a + "hook_v": v, a + "hook_attn_scores": scores, a + "hook_pattern": pattern,
                      a + "hook_z": z, a + "hook_result": result, b + "hook_attn_out": out})
        x = x + out
        if mlp:
            hooks[b + "hook_resid_mid"] = x
            pre = norm(x, f"blocks.{i}.ln2") @ s[b + "mlp.W_in"] + s[b + "mlp.b_in"]
            post = torch.nn.functional.gelu(pre, approximate="tanh")
            mlp_out = post @ s[b + "mlp.W_out"] + s[b + "mlp.b_out"]
            hooks.update({b + "mlp.hook_pre": pre, b + "mlp.hook_post": post, b + "hook_mlp_out": mlp_out})
            x = x + mlp_out
        hooks[b + "hook_resid_post"] = x
    hooks["logits"] = norm(x, "ln_final") @ s["unembed.W_U"] + s["unembed.b_U"]
    path = MODELS / name
    path.mkdir(parents=True, exist_ok=True)
    (path / "config.json").write_text(json.dumps(config, indent=1) + "\n")
    save_file({k: v.contiguous() for k, v in s.items()}, path / "model.safetensors")
    save(name, hooks)


@torch.no_grad()
def one(name, config, seed, generated):
    model = build(config, seed)
    folder(name, model)
    torch.manual_seed(seed + 1000)
    tokens = torch.randint(3, VOCAB, (2, TOKENS))
    logits, hooks = probe.run(model, tokens)
    out = {"tokens": tokens, "logits": logits, **({} if name.endswith("_file") else hooks)}
    if name in ("gpt2", "llama", "gemma3"):
        for dtype in (torch.bfloat16, torch.float16):
            out["logits_" + str(dtype).split(".")[1]] = build(config, seed).to(dtype)(tokens, use_cache=False).logits
        with torch.enable_grad():
            save("gradients_" + name, {"tokens": tokens, **gradients(model, tokens)})
    save(name, out)
    if name in ("gpt2", "llama", "gemma3", "opt"):
        rows = [tokens[0], tokens[1, :11], tokens[0, 2:9]]
        save("padding_" + name, {"tokens": tokens, **padded(model, rows)})
    if name in ("gpt2", "llama"):
        save("interventions_" + name, interventions(model, tokens[:1], tokens[1:]))
    if name in ("gpt2", "llama", "gemma3", "gpt_neox", "mistral", "opt", "llama_dynamic"):
        prompt = tokens[:1, :7]
        ids = model.generate(prompt, max_new_tokens=20, do_sample=False, eos_token_id=None, pad_token_id=0, attention_mask=torch.ones_like(prompt))
        generated[name] = {"prompt": prompt[0].tolist(), "tokens": ids[0, 7:].tolist()}
    return model


def main():
    torch.set_num_threads(1)
    MODELS.mkdir(exist_ok=True)
    generated = {}
    for seed, (name, config) in enumerate(specifications()):
        model = one(name, config, seed, generated)
        print(name, "written")
        if name == "llama":
            folder("llama_sharded", model, max_shard_size="30KB")
            folder("llama_bf16", model.to(torch.bfloat16))
        if name == "gpt2":
            folder("gpt2_f16", model.to(torch.float16))
    hooked_transformer("attn_only", False, 50)
    hooked_transformer("hooked_mlp", True, 51)
    (HERE / "activations" / "generate.json").write_text(json.dumps(generated, indent=1) + "\n")
