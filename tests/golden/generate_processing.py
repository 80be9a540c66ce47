# SPDX-License-Identifier: GPL-3.0-or-later
"""What TransformerLens makes of the random models: its weight processing, and its hook points as a check on probe.py's."""
import pathlib

import torch
import transformers
from safetensors.torch import load_file, save_file

HERE = pathlib.Path(__file__).resolve().parent
MODELS, OUT = HERE / "models", HERE / "activations"
OPTIONS = ("fold_ln", "center_writing_weights", "center_unembed", "fold_value_biases")
LAYER_NORM = ("gpt2", "gpt_neox", "gpt_neox_serial", "opt")
RMS_NORM = ("llama", "llama_mqa", "qwen2", "qwen3")
CHECKED = LAYER_NORM + RMS_NORM + ("mistral", "gemma", "gemma2", "gemma3")


def lens(name, **options):
    """TransformerLens's model with the weights of models/NAME; options not named are off."""
    from transformer_lens import HookedTransformer, loading_from_pretrained as loading
    path = str(MODELS / name)
    original = transformers.AutoModelForCausalLM.from_pretrained(path, dtype=torch.float32).eval()
    config = loading.get_pretrained_model_config(path, hf_cfg=original.config.to_dict(), fold_ln=options.get("fold_ln", False), device="cpu",
                                                 dtype=torch.float32)
    config.use_attn_result = True
    model = HookedTransformer(config)
    state = loading.get_pretrained_state_dict(path, config, original, dtype=torch.float32)
    model.load_and_process_state_dict(state, **{option: options.get(option, False) for option in OPTIONS})
    model.set_use_attn_result(True)
    return model.eval()


def check(name):
    """Every hook point that TransformerLens and our files both name must hold the same values."""
    golden = load_file(OUT / f"{name}.safetensors")
    logits, cache = lens(name).run_with_cache(golden["tokens"])
    worst = {"logits": (logits - golden["logits"]).abs().max().item()}
    common = [key for key in golden if key in cache]
    for key in common:
        ours, theirs = golden[key], cache[key]
        assert ours.shape == theirs.shape, (name, key, ours.shape, theirs.shape)
        hidden = torch.isinf(ours)
        assert torch.equal(hidden, torch.isinf(theirs)) or "scores" in key, (name, key)
        worst[key] = (ours - theirs)[~hidden].abs().max().item()
    bad = {key: value for key, value in worst.items() if not value < 2e-4}
    print(name, len(common), "hook points equal TransformerLens's; only here:", sorted({k.split(".", 2)[-1] for k in golden if k not in cache}))
    return bad


def process(name):
    tokens = load_file(OUT / f"{name}.safetensors")["tokens"][:1]
    options = OPTIONS if name in LAYER_NORM else [o for o in OPTIONS if o != "center_writing_weights"]
    truth = lens(name)(tokens)
    out = {"tokens": tokens, "log_probs": truth.log_softmax(-1)}
    for variant, chosen in {**{option: [option] for option in options}, "all": options}.items():
        model = lens(name, **{option: True for option in chosen})
        logits, cache = model.run_with_cache(tokens)
        change = (logits.log_softmax(-1) - out["log_probs"]).abs().max().item()
        assert change < 1e-4, (name, variant, change)
        last = model.cfg.n_layers - 1
        out[f"{variant}.logits"] = logits
        for key in (f"blocks.{last}.hook_resid_post", "blocks.0.hook_resid_pre", "blocks.0.hook_attn_out", "blocks.0.attn.hook_v",
                    "blocks.0.ln1.hook_normalized", "ln_final.hook_normalized"):
            out[f"{variant}.{key}"] = cache[key]
    save_file({key: value.contiguous().clone() for key, value in out.items()}, OUT / f"processing_{name}.safetensors")
    print("processing", name, "written")


@torch.no_grad()
def main():
    torch.set_num_threads(1)
    bad = {name: found for name in CHECKED if (found := check(name))}
    assert not bad, bad
    for name in LAYER_NORM + RMS_NORM:
        process(name)
