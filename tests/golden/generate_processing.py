# SPDX-License-Identifier: GPL-3.0-or-later
"""What TransformerLens makes of the random models: its weight processing, and its hook points as a check on probe.py's.

TransformerLens 2: from version 3 on LayerNorm's hook_normalized comes before weight and bias, from 4 on there is no HookedTransformer."""
import pathlib

import torch
import transformers
from safetensors.torch import load_file, save_file

HERE = pathlib.Path(__file__).resolve().parent
MODELS, OUT = HERE / "models", HERE / "activations"
OPTIONS = ("fold_ln", "center_writing_weights", "center_unembed", "fold_value_biases")
LAYER_NORM = ("gpt2", "gpt_neox", "gpt_neox_serial", "opt")
RMS_NORM = ("llama", "llama_mqa", "qwen2", "qwen3", "mistral")
CHECKED = LAYER_NORM + RMS_NORM + ("gemma", "gemma2", "gemma3")


def configuration(c):
    """TransformerLens's words for a Hugging Face config; its own table knows models by their name on the hub."""
    from transformer_lens import HookedTransformerConfig
    kind = c.model_type
    act = getattr(c, "activation_function", None) or getattr(c, "hidden_activation", None) or getattr(c, "hidden_act", None)
    values = dict(d_model=c.hidden_size, n_layers=c.num_hidden_layers, n_heads=c.num_attention_heads, n_ctx=c.max_position_embeddings,
                  d_vocab=c.vocab_size, d_head=getattr(c, "head_dim", None) or c.hidden_size // c.num_attention_heads, act_fn=act,
                  d_mlp=getattr(c, "intermediate_size", None) or getattr(c, "ffn_dim", None) or 4 * c.hidden_size, normalization_type="LN",
                  eps=getattr(c, "rms_norm_eps", None) or getattr(c, "layer_norm_eps", None) or getattr(c, "layer_norm_epsilon", None) or 1e-5,
                  use_attn_result=True, dtype=torch.float32, device="cpu")
    if kind == "gpt_neox":
        values |= dict(positional_embedding_type="rotary", parallel_attn_mlp=c.use_parallel_residual, rotary_adjacent_pairs=False,
                       rotary_dim=int(values["d_head"] * c.rope_parameters["partial_rotary_factor"]))
    elif kind not in ("gpt2", "opt"):
        kv = c.num_key_value_heads
        values |= dict(normalization_type="RMS", positional_embedding_type="rotary", gated_mlp=True, final_rms=True, rotary_adjacent_pairs=False,
                       rotary_dim=values["d_head"], n_key_value_heads=kv if kv != c.num_attention_heads else None,
                       rotary_base=int((c.rope_parameters.get("full_attention") or c.rope_parameters)["rope_theta"]))
    if kind == "mistral":
        values |= dict(window_size=c.sliding_window, use_local_attn=True, attn_types=["local"] * c.num_hidden_layers)
    if kind in ("gemma2", "gemma3_text"):
        values |= dict(window_size=c.sliding_window, use_local_attn=True, use_normalization_before_and_after=True,
                       attn_scale=c.query_pre_attn_scalar ** 0.5, attn_types=["global" if t == "full_attention" else "local" for t in c.layer_types])
    if kind == "gemma2":
        values |= dict(attn_scores_soft_cap=c.attn_logit_softcapping, output_logits_soft_cap=c.final_logit_softcapping)
    if kind == "gemma3_text":
        values |= dict(rotary_base_local=int(c.rope_parameters["sliding_attention"]["rope_theta"]))
    if kind in ("qwen3", "gemma3_text"):
        values |= dict(use_qk_norm=True)
    return HookedTransformerConfig(**values)


def lens(name, **options):
    """TransformerLens's model with the weights of models/NAME; options not named are off."""
    from transformer_lens import HookedTransformer
    from transformer_lens.pretrained import weight_conversions
    original = transformers.AutoModelForCausalLM.from_pretrained(MODELS / name, dtype=torch.float32).eval()
    config = configuration(original.config)
    kind = original.config.model_type
    family = {"gpt_neox": "neox", "gemma2": "gemma", "gemma3_text": "gemma"}.get(kind, kind)
    state = getattr(weight_conversions, f"convert_{family}_weights")(original, config)
    if options.get("fold_ln"):
        config.normalization_type += "Pre"
    model = HookedTransformer(config)
    state = {**{key: value for key, value in model.state_dict().items() if key.endswith((".mask", ".IGNORE", "rotary_sin", "rotary_cos"))}, **state}
    state.setdefault("unembed.b_U", torch.zeros(config.d_vocab))
    model.load_and_process_state_dict(state, **{option: options.get(option, False) for option in OPTIONS})
    return model.eval()


def check(name):
    """The hook points that both name must hold the same values; the differences that are too large."""
    golden = load_file(OUT / f"{name}.safetensors")
    logits, cache = lens(name).run_with_cache(golden["tokens"])
    worst = {"logits": (logits - golden["logits"]).abs().max().item()}
    common = [key for key in golden if key in cache]
    for key in common:
        ours, theirs = golden[key], cache[key]
        assert ours.shape == theirs.shape, (name, key, ours.shape, theirs.shape)
        visible = ~torch.isinf(ours)  # in a sliding window TransformerLens's scores say -inf as ours do
        assert torch.equal(visible, ~torch.isinf(theirs)), (name, key)
        worst[key] = (ours - theirs)[visible].abs().max().item()
    print(name, len(common), "hook points held against TransformerLens's; only here:", sorted(k for k in golden if k not in cache))
    return {key: value for key, value in worst.items() if not value < 1e-4}


def process(name):
    tokens = load_file(OUT / f"{name}.safetensors")["tokens"][:1]
    options = OPTIONS if name in LAYER_NORM else [o for o in OPTIONS if o != "center_writing_weights"]
    out = {"tokens": tokens, "log_probs": lens(name)(tokens).log_softmax(-1)}
    for variant, chosen in {**{option: [option] for option in options}, "all": options}.items():
        model = lens(name, **{option: True for option in chosen})
        logits, cache = model.run_with_cache(tokens)
        change = (logits.log_softmax(-1) - out["log_probs"]).abs().max().item()
        assert change < 1e-4, (name, variant, change)
        keys = ["blocks.0.hook_resid_pre", "blocks.0.attn.hook_v", "blocks.0.hook_attn_out", f"blocks.{model.cfg.n_layers - 1}.hook_resid_post"]
        if "fold_ln" in chosen:
            keys += ["blocks.0.ln1.hook_normalized", "ln_final.hook_normalized"]
        out |= {f"{variant}.logits": logits, **{f"{variant}.{key}": cache[key] for key in keys}}
    save_file({key: value.contiguous().clone() for key, value in out.items()}, OUT / f"processing_{name}.safetensors")
    print("processing", name, "written")


@torch.no_grad()
def main():
    torch.set_num_threads(1)
    bad = {name: found for name in CHECKED if (found := check(name))}
    assert not bad, bad
    for name in LAYER_NORM + RMS_NORM:
        process(name)
