# SPDX-License-Identifier: GPL-3.0-or-later
# Small random models with the fields of TransformerLens's HookedTransformerConfig that change a computation, and the
# logits that TransformerLens itself gives for them in float64 (models/hooked, one folder each).
# Run with transformer-lens 3.9: python generate_hooked.py
import json
import pathlib

import torch
from safetensors.torch import save_file
from transformer_lens import HookedTransformer, HookedTransformerConfig

HERE = pathlib.Path(__file__).parent / "models" / "hooked"
PLAIN = dict(n_layers=2, d_model=8, n_ctx=24, d_head=4, n_heads=2, d_mlp=12, d_vocab=13, act_fn="gelu_new", normalization_type="LN")
ROTARY = PLAIN | dict(positional_embedding_type="rotary", normalization_type="RMS", act_fn="silu", gated_mlp=True)
LONG = ROTARY | dict(n_ctx=48, d_head=8)
VARIANTS = {
    "plain": PLAIN,
    "inverse_layer": PLAIN | dict(scale_attn_by_inverse_layer_idx=True),
    "soft_caps": PLAIN | dict(attn_scores_soft_cap=1.5, output_logits_soft_cap=2.0),
    "final_rms": PLAIN | dict(final_rms=True),
    "final_rms_pre": PLAIN | dict(final_rms=True, normalization_type="LNPre"),
    "embed_norm": PLAIN | dict(post_embedding_ln=True),
    "no_scale": PLAIN | dict(use_attn_scale=False, parallel_attn_mlp=True),
    "vocab_out": PLAIN | dict(d_vocab_out=5),
    "wide_vocab_out": PLAIN | dict(d_vocab_out=17),
    "window": PLAIN | dict(use_local_attn=True, window_size=4, attn_types=["local", "global"]),
    "gated": ROTARY,
    "grouped": ROTARY | dict(n_key_value_heads=1, n_heads=4, d_head=2),
    "qk_norm": ROTARY | dict(use_qk_norm=True, normalization_type="RMSPre"),
    "post_norms": ROTARY | dict(use_normalization_before_and_after=True),
    "post_norms_pre": ROTARY | dict(use_normalization_before_and_after=True, normalization_type="RMSPre"),
    "adjacent_pairs": LONG | dict(rotary_adjacent_pairs=True, rotary_dim=4, use_qk_norm=True),
    "by_parts": LONG | dict(use_NTK_by_parts_rope=True, NTK_original_ctx_len=16, NTK_by_parts_factor=4.0),
    "yarn": LONG | dict(use_yarn_rope=True, yarn_factor=4.0, yarn_attention_factor=1.2, yarn_original_max_position_embeddings=12,
                        yarn_beta_fast=2.0, yarn_beta_slow=0.5, yarn_truncate=False),
    "local_base": LONG | dict(use_local_attn=True, window_size=5, attn_types=["local", "global"], rotary_base_local=50.0,
                              rotary_scaling_factor=3.0),
    "yarn_global": LONG | dict(use_local_attn=True, window_size=5, attn_types=["local", "global"], use_yarn_rope=True, yarn_factor=3.0,
                               yarn_original_max_position_embeddings=12, yarn_global_attn_only=True),
}


def make(name, values, seed):
    config = HookedTransformerConfig(**values, device="cpu", dtype=torch.float64)
    torch.manual_seed(seed)
    model = HookedTransformer(config)
    for parameter in model.parameters():  # norms and biases, too; what float32 can hold
        parameter.data = (torch.randn(parameter.shape) * (0.6 if parameter.dim() > 1 else 0.4)).to(torch.float32).double()
        if parameter.dim() == 1:
            parameter.data += 0.5
    tokens = torch.randint(0, config.d_vocab, (2, config.n_ctx - 3))
    folder = HERE / name
    folder.mkdir(parents=True, exist_ok=True)
    fields = {k: str(v) if isinstance(v, torch.dtype) else v for k, v in config.to_dict().items()}
    (folder / "config.json").write_text(json.dumps(fields, indent=1, default=float) + "\n")
    # Buffers that TransformerLens keeps beside its parameters, too, as torch.save() of a state dict does.
    state = {k: v.float().contiguous() if v.is_floating_point() else v.contiguous() for k, v in model.state_dict().items() if "rotary_" not in k}
    save_file(state, folder / "model.safetensors")
    with torch.no_grad():
        logits = model(tokens, prepend_bos=False)
    save_file({"tokens": tokens, "logits": logits.float()}, folder / "expected.reference")


for i, (name, values) in enumerate(VARIANTS.items()):
    make(name, values, 700 + i)
