# SPDX-License-Identifier: GPL-3.0-or-later
"""GGUF copies of the random models, written by Python's gguf in the conventions of llama.cpp's convert_hf_to_gguf."""
import math
import pathlib

import gguf
import torch
import transformers
from safetensors.torch import load_file

HERE = pathlib.Path(__file__).resolve().parent
MODELS, OUT = HERE / "models", HERE / "activations"
ARCH = gguf.MODEL_ARCH
NAMES = {"llama": ARCH.LLAMA, "llama_llama3": ARCH.LLAMA, "llama_linear": ARCH.LLAMA, "llama_yarn": ARCH.LLAMA, "qwen2": ARCH.QWEN2,
         "qwen3": ARCH.QWEN3, "gemma2_file": ARCH.GEMMA2, "gemma3_file": ARCH.GEMMA3, "gpt2": ARCH.GPT2}
METADATA_READ = {"llama", "qwen2"}  # of the others transformers' reader drops keys: there the folder's config.json is passed


def permute(weight, heads):
    """Rotary pairs (i, i + d/2) become neighbours, as llama.cpp's 'llama' wants them."""
    shape = weight.shape
    return weight.reshape(heads, 2, shape[0] // heads // 2, *shape[1:]).swapaxes(1, 2).reshape(shape)


def llama3_factors(config):
    """What each inverse frequency is divided by: rope_freqs.weight."""
    p = config.rope_parameters
    head = config.head_dim
    low, high, length = p["low_freq_factor"], p["high_freq_factor"], p["original_max_position_embeddings"]
    factors = []
    for j in range(0, head, 2):
        wavelength = 2 * math.pi * p["rope_theta"] ** (j / head)
        if wavelength < length / high:
            factors.append(1.0)
        elif wavelength > length / low:
            factors.append(p["factor"])
        else:
            smooth = (length / wavelength - low) / (high - low)
            factors.append(1 / ((1 - smooth) / p["factor"] + smooth))
    assert 1 < len(set(factors)), "the scaling does nothing"
    return torch.tensor(factors)


def rotary(writer, config, head):
    writer.add_rope_dimension_count(head)
    p = config.rope_parameters
    glob = p.get("full_attention", p)
    writer.add_rope_freq_base(glob["rope_theta"])
    if glob["rope_type"] == "linear":
        writer.add_rope_scaling_type(gguf.RopeScalingType.LINEAR)
        writer.add_rope_scaling_factor(glob["factor"])
    if glob["rope_type"] == "yarn":
        writer.add_rope_scaling_type(gguf.RopeScalingType.YARN)
        writer.add_rope_scaling_factor(glob["factor"])
        writer.add_rope_scaling_orig_ctx_len(glob["original_max_position_embeddings"])


def metadata(writer, config):
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_head_count(config.num_attention_heads)
    writer.add_vocab_size(config.vocab_size)
    if config.model_type == "gpt2":
        writer.add_feed_forward_length(4 * config.n_embd)
        writer.add_layer_norm_eps(config.layer_norm_epsilon)
        return
    head = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    if config.model_type in ("qwen3", "gemma2", "gemma3_text"):
        writer.add_key_length(head)
        writer.add_value_length(head)
    if config.model_type.startswith("gemma"):
        assert config.query_pre_attn_scalar == head, "GGUF says no other scale"
        writer.add_sliding_window(config.sliding_window)
    if config.model_type == "gemma2":
        writer.add_attn_logit_softcapping(config.attn_logit_softcapping)
        writer.add_final_logit_softcapping(config.final_logit_softcapping)
    rotary(writer, config, head)


def tensor(name, value, config):
    if config.model_type == "llama" and ("q_proj" in name or "k_proj" in name):
        return permute(value, config.num_attention_heads if "q_proj" in name else config.num_key_value_heads)
    if config.model_type.startswith("gemma") and name.endswith("norm.weight"):
        return value + 1
    if config.model_type == "gpt2" and name.endswith(("c_attn.weight", "c_proj.weight", "c_fc.weight")):
        return value.T
    return value


def write(name, arch):
    config = transformers.AutoConfig.from_pretrained(MODELS / name)
    writer = gguf.GGUFWriter(MODELS / f"{name}.gguf", gguf.MODEL_ARCH_NAMES[arch])
    writer.add_name(name)
    metadata(writer, config)
    names = gguf.get_tensor_name_map(arch, config.num_hidden_layers)
    if name == "llama_llama3":
        writer.add_tensor("rope_freqs.weight", llama3_factors(config).numpy())
    for key, value in load_file(MODELS / name / "model.safetensors").items():
        if key == "lm_head.weight" and config.tie_word_embeddings:
            continue
        new = names.get_name(key, try_suffixes=(".weight", ".bias"))
        assert new, key
        writer.add_tensor(new, tensor(key, value, config).float().contiguous().numpy())
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


@torch.no_grad()
def check(name):
    """transformers' own GGUF reader must give the logits of the folder."""
    golden = load_file(OUT / f"{name}.safetensors")
    config = {} if name in METADATA_READ else {"config": transformers.AutoConfig.from_pretrained(MODELS / name)}
    model = transformers.AutoModelForCausalLM.from_pretrained(MODELS, gguf_file=f"{name}.gguf", dtype=torch.float32,
                                                              attn_implementation="eager", **config)
    error = (model.eval()(golden["tokens"], use_cache=False).logits - golden["logits"]).abs().max().item()
    print(name, "read back by transformers:", error)
    assert error < 1e-5, name


def main():
    for name, arch in NAMES.items():
        write(name, arch)
        check(name)
