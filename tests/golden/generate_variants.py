# SPDX-License-Identifier: GPL-3.0-or-later
"""Small models whose config.json or tensors stray from what transformers itself would write: older spellings, absent
fields, fields that another family reads, flags that contradict the tensors. The truth is what transformers computes
from the folder as it lies there."""
import json
import shutil

import torch
import transformers
from safetensors.torch import load_file, save_file

import generate_models as models

VARIANTS = models.MODELS / "variants"
TOKENS = 30
SMALL = dict(vocab_size=models.VOCAB, num_hidden_layers=2, num_attention_heads=2, hidden_size=16, intermediate_size=24,
             max_position_embeddings=64, bos_token_id=1, eos_token_id=2)
GQA = dict(SMALL, num_attention_heads=4, num_key_value_heads=2)
OPT = dict(vocab_size=models.VOCAB, num_hidden_layers=2, num_attention_heads=2, hidden_size=16, word_embed_proj_dim=16, ffn_dim=24,
           max_position_embeddings=64, bos_token_id=1, eos_token_id=2, pad_token_id=0)
GPT2 = dict(vocab_size=models.VOCAB, n_layer=2, n_head=2, n_embd=16, n_positions=64, bos_token_id=1, eos_token_id=2)


def rope(kind, **more):
    return dict(rope_type=kind, **more)


def without(*names):
    return lambda config: [config.pop(name, None) for name in names]


def given(**fields):
    return lambda config: config.update(fields)


def other_head(tensors):
    tensors["lm_head.weight"] = torch.randn(models.VOCAB, 16, generator=torch.Generator().manual_seed(3)) * 0.5


def specifications():
    """name, config, change of config.json, change of the tensors"""
    t = transformers
    yield "gpt2_untied", t.GPT2Config(**GPT2, tie_word_embeddings=False), None, None
    yield "gpt2_tie_unsaid", t.GPT2Config(**GPT2), without("tie_word_embeddings"), None
    yield "llama_biases", t.LlamaConfig(**GQA, attention_bias=True, mlp_bias=True), None, None
    yield "llama_biases_unread", t.LlamaConfig(**GQA, attention_bias=True, mlp_bias=True), given(attention_bias=False, mlp_bias=False), None
    yield "llama_window_unread", t.LlamaConfig(**GQA), given(sliding_window=4), None
    yield "llama_share_unread", t.LlamaConfig(**GQA), given(partial_rotary_factor=0.5), None
    yield "llama_other_head", t.LlamaConfig(**GQA, tie_word_embeddings=True), None, other_head
    yield "llama_two_ropes", t.LlamaConfig(**GQA), given(rope_parameters=rope("linear", factor=2.0, rope_theta=50.0),
                                                         rope_scaling=rope("linear", factor=8.0), rope_theta=700.0), None
    yield "llama_yarn_by_length", t.LlamaConfig(**GQA), given(rope_parameters=None, original_max_position_embeddings=16, rope_theta=300.0, rope_scaling=dict(
        type="yarn", factor=None, beta_fast=4.0, original_max_position_embeddings=32)), None
    yield "mistral_types", t.MistralConfig(**GQA, sliding_window=4), given(layer_types=["full_attention", "sliding_attention"]), None
    yield "qwen2_windows", t.Qwen2Config(**GQA), lambda c: (without("layer_types")(c), given(use_sliding_window=True, sliding_window=4, max_window_layers=1)(c)), None
    yield "qwen3_biases", t.Qwen3Config(**GQA, head_dim=8, attention_bias=True), None, None
    yield "qwen3_head_unsaid", t.Qwen3Config(**dict(GQA, num_hidden_layers=1)), without("head_dim"), None
    yield "gemma_relu", t.GemmaConfig(**GQA, head_dim=8, hidden_act="relu"), None, None
    yield "gemma_old_gelu", t.GemmaConfig(**GQA, head_dim=8), given(hidden_act="gelu", hidden_activation=None), None
    yield "gemma2_unsaid", t.Gemma2Config(**dict(GQA, num_hidden_layers=1), head_dim=8), without(
        "attn_logit_softcapping", "final_logit_softcapping", "query_pre_attn_scalar", "sliding_window", "layer_types"), None
    yield "gemma2_no_caps", t.Gemma2Config(**GQA, head_dim=8, attn_logit_softcapping=None, final_logit_softcapping=None, sliding_window=4), None, None
    yield "gemma3_caps", t.Gemma3TextConfig(**GQA, head_dim=8, sliding_window=4, attn_logit_softcapping=0.5, final_logit_softcapping=2.0), None, None
    yield "gemma3_flat_rope", t.Gemma3TextConfig(**GQA, head_dim=8, sliding_window=4), given(
        rope_parameters=rope("linear", factor=4.0, rope_theta=100.0), rope_local_base_freq=90.0), None
    yield "gemma3_scaled", t.Gemma3TextConfig(**GQA, head_dim=8, sliding_window=4), lambda c: (without("rope_parameters")(c), given(
        rope_scaling=rope("linear", factor=4.0), rope_theta=200.0, rope_local_base_freq=90.0)(c)), None
    yield "neox_odd_share", t.GPTNeoXConfig(**dict(SMALL, hidden_size=24)), None, None
    yield "neox_no_biases", t.GPTNeoXConfig(**SMALL, attention_bias=False), None, None
    yield "neox_fields_unread", t.GPTNeoXConfig(**SMALL), lambda c: (without("rope_parameters")(c), given(
        partial_rotary_factor=1.0, rope_theta=50.0, rotary_pct=0.5, rotary_emb_base=300)(c)), None
    yield "neox_dynamic", t.GPTNeoXConfig(**dict(SMALL, max_position_embeddings=12)), given(rope_parameters=rope(
        "dynamic", factor=4.0, rope_theta=10000.0, partial_rotary_factor=0.5)), None
    yield "opt_no_biases", t.OPTConfig(**OPT, enable_bias=False), None, None
    yield "opt_plain_norms", t.OPTConfig(**OPT, layer_norm_elementwise_affine=False), None, None
    yield "opt_no_final_norm", t.OPTConfig(**OPT, _remove_final_layer_norm=True), None, None


def write(name, config, change_config, change_tensors, seed):
    path = VARIANTS / name
    shutil.rmtree(path, ignore_errors=True)
    model = models.build(config, seed)
    with torch.no_grad():
        for weight in model.parameters():  # random biases, wide enough scores for caps and windows to matter
            weight.mul_(2.0 if weight.dim() > 1 else 1.0)
    model.save_pretrained(path)
    (path / "generation_config.json").unlink(missing_ok=True)
    if change_config:
        fields = json.loads((path / "config.json").read_text())
        change_config(fields)
        (path / "config.json").write_text(json.dumps(fields, indent=1, sort_keys=True) + "\n")
    if change_tensors:
        tensors = load_file(path / "model.safetensors")
        change_tensors(tensors)
        save_file(tensors, path / "model.safetensors", metadata={"format": "pt"})
    return path


@torch.no_grad()
def main():
    torch.set_num_threads(1)
    found = {}
    for seed, (name, config, change_config, change_tensors) in enumerate(specifications()):
        path = write(name, config, change_config, change_tensors, 100 + seed)
        model = transformers.AutoModelForCausalLM.from_pretrained(path, attn_implementation="eager", dtype=torch.float32).eval()
        tokens = torch.randint(3, models.VOCAB, (1, TOKENS), generator=torch.Generator().manual_seed(seed))
        found[name + ".tokens"] = tokens
        found[name + ".logits"] = model(tokens, use_cache=False).logits
        print(f"{name:24s} std {found[name + '.logits'].std():.3f}")
    models.save("variants", found)
