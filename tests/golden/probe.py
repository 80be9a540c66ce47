# SPDX-License-Identifier: GPL-3.0-or-later
"""Records every hook point of a transformers model by TransformerLens's names, with torch hooks on its own modules."""
import importlib

import torch

# How each architecture's parts are called. Paths are relative to a layer, or to the model for what comes before ':'.
LLAMA = dict(layers="model.layers", embed="model.embed_tokens", final="model.norm", ln1="input_layernorm", ln2="post_attention_layernorm",
             attn="self_attn", q="self_attn.q_proj", k="self_attn.k_proj", v="self_attn.v_proj", o="self_attn.o_proj",
             mlp="mlp", gate="mlp.gate_proj", up="mlp.up_proj", down="mlp.down_proj", rms=True, rotary=True)
GEMMA2 = dict(LLAMA, ln1_post="post_attention_layernorm", ln2="pre_feedforward_layernorm", ln2_post="post_feedforward_layernorm")
PARTS = {
    "llama": LLAMA, "mistral": LLAMA, "qwen2": LLAMA, "qwen3": LLAMA, "gemma": LLAMA, "gemma2": GEMMA2, "gemma3_text": GEMMA2,
    "gpt2": dict(layers="transformer.h", embed="transformer.wte", pos="transformer.wpe", final="transformer.ln_f", ln1="ln_1", ln2="ln_2",
                 attn="attn", qkv="attn.c_attn", o="attn.c_proj", mlp="mlp", up="mlp.c_fc", down="mlp.c_proj", conv1d=True),
    "gpt_neox": dict(layers="gpt_neox.layers", embed="gpt_neox.embed_in", final="gpt_neox.final_layer_norm", ln1="input_layernorm",
                     ln2="post_attention_layernorm", attn="attention", qkv="attention.query_key_value", by_head=True, o="attention.dense",
                     mlp="mlp", up="mlp.dense_h_to_4h", down="mlp.dense_4h_to_h", rotary=True),
    "opt": dict(layers="model.decoder.layers", embed="model.decoder.embed_tokens", pos="model.decoder.embed_positions",
                final="model.decoder.final_layer_norm", ln1="self_attn_layer_norm", ln2="final_layer_norm", attn="self_attn",
                q="self_attn.q_proj", k="self_attn.k_proj", v="self_attn.v_proj", o="self_attn.out_proj", up="fc1", down="fc2"),
}


def sub(module, path):
    for name in path.split("."):
        module = getattr(module, name)
    return module


class Probe:
    """with Probe(model) as probe: model(...); probe.hooks() -> {name: tensor}"""

    def __init__(self, model):
        self.model, self.config = model, model.config
        self.parts = PARTS[self.config.model_type]
        self.layers = sub(model, self.parts["layers"])
        self.raw, self.handles = {}, []

    def keep(self, key, value):
        self.raw[key] = value

    def watch(self, module, key, inputs=False):
        def hook(_module, args, kwargs, output):
            value = (args[0] if args else kwargs["hidden_states"]) if inputs else output
            self.keep(key, value[0] if isinstance(value, tuple) else value)
        self.handles.append(module.register_forward_hook(hook, with_kwargs=True))

    def __enter__(self):
        p, model = self.parts, self.model
        self.watch(sub(model, p["embed"]), "embed")
        if "pos" in p:
            self.watch(sub(model, p["pos"]), "pos")
        self.watch(sub(model, p["final"]), "final_in", inputs=True)
        self.watch(sub(model, p["final"]), "final_out")
        for i, layer in enumerate(self.layers):
            self.watch(layer, (i, "pre"), inputs=True)
            self.watch(layer, (i, "post"))
            for name in ("ln1", "ln2"):
                self.watch(sub(layer, p[name]), (i, name + "_in"), inputs=True)
                self.watch(sub(layer, p[name]), (i, name + "_out"))
            for name in ("q", "k", "v", "qkv", "gate", "up", "o", "ln1_post", "ln2_post", "mlp"):
                if name in p:
                    self.watch(sub(layer, p[name]), (i, name))
            self.watch(sub(layer, p["down"]), (i, "mlp_post"), inputs=True)
            self.watch(sub(layer, p["down"]), (i, "down"))
        self.module = importlib.import_module(type(model).__module__)
        self.original = self.module.eager_attention_forward

        def wrapped(module, query, key, value, attention_mask, **kwargs):
            out, weights = self.original(module, query, key, value, attention_mask, **kwargs)
            self.keep((module.layer_idx, "attention"), (query, key, value, attention_mask, kwargs.get("scaling"), out, weights))
            return out, weights
        self.module.eager_attention_forward = wrapped
        return self

    def __exit__(self, *_):
        self.module.eager_attention_forward = self.original
        for handle in self.handles:
            handle.remove()

    # ---- From what was recorded to TransformerLens's names and axes.

    def head_sizes(self):
        c = self.config
        heads = c.num_attention_heads
        kv = getattr(c, "num_key_value_heads", None) or heads
        d_head = getattr(c, "head_dim", None) or c.hidden_size // heads
        return heads, kv, d_head

    def norm(self, prefix, x, out, hooks):
        """hook_scale is the divisor; hook_normalized RMSNorm's quotient, LayerNorm's output."""
        c = self.config
        eps = getattr(c, "rms_norm_eps", None) or getattr(c, "layer_norm_eps", None) or getattr(c, "layer_norm_epsilon", None) or 1e-5
        if self.parts.get("rms"):
            scale = (x.float().pow(2).mean(-1, keepdim=True) + eps).sqrt()
            hooks[prefix + "hook_normalized"] = x / scale
        else:
            scale = (x.float().var(-1, unbiased=False, keepdim=True) + eps).sqrt()
            hooks[prefix + "hook_normalized"] = out
        hooks[prefix + "hook_scale"] = scale

    def qkv(self, i):
        heads, kv, d = self.head_sizes()
        raw, p = self.raw, self.parts
        batch, pos = raw[(i, "pre")].shape[:2]
        if "qkv" not in p:
            return [raw[(i, n)].view(batch, pos, h, d) for n, h in (("q", heads), ("k", kv), ("v", kv))]
        fused = raw[(i, "qkv")]
        if p.get("by_head"):
            return list(fused.view(batch, pos, heads, 3 * d).split(d, dim=-1))
        return [part.view(batch, pos, heads, d) for part in fused.split(heads * d, dim=-1)]

    def output_weight(self, i):
        """[head, d_head, d_model] and the bias."""
        heads, _, d = self.head_sizes()
        o = sub(self.layers[i], self.parts["o"])
        weight = o.weight if self.parts.get("conv1d") else o.weight.T
        return weight.reshape(heads, d, -1), o.bias

    def block(self, i, hooks):
        raw, p = self.raw, self.parts
        prefix = f"blocks.{i}."
        batch, pos = raw[(i, "pre")].shape[:2]
        hooks[prefix + "hook_resid_pre"] = raw[(i, "pre")]
        hooks[prefix + "hook_resid_post"] = raw[(i, "post")].view(batch, pos, -1)
        self.norm(prefix + "ln1.", raw[(i, "ln1_in")], raw[(i, "ln1_out")], hooks)
        self.norm(prefix + "ln2.", raw[(i, "ln2_in")].view(batch, pos, -1), raw[(i, "ln2_out")].view(batch, pos, -1), hooks)
        a = prefix + "attn."
        hooks[a + "hook_q"], hooks[a + "hook_k"], hooks[a + "hook_v"] = self.qkv(i)
        query, key, _value, mask, scaling, z, pattern = raw[(i, "attention")]
        if p.get("rotary"):
            hooks[a + "hook_rot_q"], hooks[a + "hook_rot_k"] = query.transpose(1, 2), key.transpose(1, 2)
        scores = query @ key.repeat_interleave(query.shape[1] // key.shape[1], 1).transpose(2, 3)
        scores = scores * (scaling if scaling is not None else query.shape[-1] ** -0.5)
        cap = getattr(self.config, "attn_logit_softcapping", None)
        if cap:
            scores = torch.tanh(scores / cap) * cap
        hidden = pattern == 0 if mask is None else (mask[..., : scores.shape[-1]] < -1e30).expand_as(scores)
        scores = scores.masked_fill(hidden, float("-inf"))
        assert torch.allclose(scores.softmax(-1), pattern.float(), atol=2e-6), (i, (scores.softmax(-1) - pattern).abs().max())
        hooks[a + "hook_attn_scores"], hooks[a + "hook_pattern"], hooks[a + "hook_z"] = scores, pattern, z
        weight, bias = self.output_weight(i)
        result = torch.einsum("bphe,hed->bphd", z, weight)
        rebuilt = result.sum(2) + (bias if bias is not None else 0)
        assert torch.allclose(rebuilt, raw[(i, "o")], atol=1e-4), (rebuilt - raw[(i, "o")]).abs().max()
        hooks[a + "hook_result"] = result
        hooks[prefix + "hook_attn_out"] = raw[(i, "ln1_post" if "ln1_post" in p else "o")]
        down = raw[(i, "ln2_post")] if "ln2_post" in p else raw[(i, "down")]
        hooks[prefix + "hook_mlp_out"] = down.view(batch, pos, -1)
        if not getattr(self.config, "use_parallel_residual", False):
            hooks[prefix + "hook_resid_mid"] = raw[(i, "ln2_in")].view(batch, pos, -1)
        if "gate" in p:
            hooks[prefix + "mlp.hook_pre"], hooks[prefix + "mlp.hook_pre_linear"] = raw[(i, "gate")], raw[(i, "up")]
        else:
            hooks[prefix + "mlp.hook_pre"] = raw[(i, "up")].view(batch, pos, -1)
        hooks[prefix + "mlp.hook_post"] = raw[(i, "mlp_post")].view(batch, pos, -1)

    def hooks(self):
        hooks = {}
        # Gemma's embedding is scaled before block 0, by its module or by the model.
        hooks["hook_embed"] = self.raw["embed"] if "pos" in self.parts else self.raw[(0, "pre")]
        if "pos" in self.parts:
            pos = self.raw["pos"]
            hooks["hook_pos_embed"] = pos.expand(hooks["hook_embed"].shape[0], -1, -1)
        for i in range(len(self.layers)):
            self.block(i, hooks)
        self.norm("ln_final.", self.raw["final_in"], self.raw["final_out"], hooks)
        return hooks


def run(model, tokens, **kwargs):
    """Logits and every hook."""
    with Probe(model) as probe:
        logits = model(tokens, use_cache=False, **kwargs).logits
        hooks = probe.hooks()
    return logits, hooks
