# SPDX-License-Identifier: GPL-3.0-or-later
# Eigenvalues of OV and QK and composition scores of the small models in models/hooked, by TransformerLens's own
# FactoredMatrix and all_composition_scores (analysis/weights.json). Its fold_ln goes through float32.
# Run with transformer-lens 3.9: python generate_weights.py
import json
import pathlib

import torch
from safetensors.torch import load_file
from transformer_lens import HookedTransformer, HookedTransformerConfig

HERE = pathlib.Path(__file__).parent
# Not final_rms: TransformerLens takes the mean off what its final RMSNorm reads as if that were a LayerNorm.
MODELS = ["plain", "gated", "grouped", "wide_vocab_out"]


def load(name):
    folder = HERE / "models" / "hooked" / name
    fields = json.loads((folder / "config.json").read_text())
    known = HookedTransformerConfig.__dataclass_fields__
    config = {k: v for k, v in fields.items() if k in known and k not in ("dtype", "device")}
    model = HookedTransformer(HookedTransformerConfig(**config, dtype=torch.float64, device="cpu"))
    state = {k: v.double() if v.is_floating_point() else v for k, v in load_file(folder / "model.safetensors").items()}
    model.load_state_dict(state, strict=False)
    model.process_weights_(fold_ln=True, center_writing_weights=False, center_unembed=False)
    return model


def share(factored):
    values = factored.eigenvalues
    return (values.sum(-1).real / values.abs().sum(-1)).tolist()


out = {}
for name in MODELS:
    model = load(name)
    W_E, W_U = model.W_E, model.W_U
    entry = {"matching": share(W_E @ model.QK @ W_E.T)}
    if W_U.shape[1] == W_E.shape[0]:
        entry["copying"] = share(W_E @ model.OV @ W_U)
    heads = model.cfg.n_layers * model.cfg.n_heads
    for kind in "QKV":
        entry[kind.lower()] = model.all_composition_scores(kind).reshape(heads, heads).tolist()
    # The tokens at both ends of the largest singular direction of the last head, by torch's SVD of the whole product.
    U, S, Vh = torch.linalg.svd(model.OV.AB[-1, -1])
    writes = Vh[0] @ W_U
    reads = W_E @ U[:, 0]
    if -writes.min() > writes.max():
        writes, reads = -writes, -reads
    entry["singular"] = {"value": S[0].item(), "writes": writes.argsort(descending=True)[:2].tolist(),
                         "reads": reads.argsort(descending=True)[:2].tolist(), "reads_opposite": reads.argsort()[:2].tolist()}
    out[name] = entry
(HERE / "analysis" / "weights.json").write_text(json.dumps(out) + "\n")
