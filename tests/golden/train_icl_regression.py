# SPDX-License-Identifier: GPL-3.0-or-later
"""Trains the toy of in-context linear regression (He et al. 2025, arXiv 2503.12734): models/icl_regression.

    OMP_NUM_THREADS=1 python tests/golden/train_icl_regression.py

One layer of softmax attention, no norm, no MLP, no positions. A prompt is 40 examples z = [x; y] and a query [x; 0], x ~ N(0, I), y = b.x + e,
b ~ N(0, I/5), e ~ N(0, 0.1); what attention adds to the last entry of the query is the prediction. The query sees itself too, as in any causal model.
The folder is a TransformerLens model whose token embedding is zero, for inputs are real-valued, and whose only logit is the last entry of the residual.

icl_regression.json has the pattern and the validation MSE as computed here, with numpy from the saved weights: the detector must find the same.
"""
import json
import pathlib

import numpy
import torch
from safetensors.torch import save_file

HERE = pathlib.Path(__file__).resolve().parent
OUT = HERE / "models" / "icl_regression"
D, LENGTH, NOISE, HEADS, BATCH, STEPS, SEED = 5, 40, 0.1, 2, 256, 12000, 0
WIDTH = D + 1


def prompts(count, generator):
    x = torch.randn(count, LENGTH + 1, D, generator=generator)
    b = torch.randn(count, D, 1, generator=generator) / D ** 0.5
    y = (x @ b)[..., 0] + NOISE ** 0.5 * torch.randn(count, LENGTH + 1, generator=generator)
    z = torch.cat([x, y[..., None]], -1)
    answer = z[:, -1, -1].clone()
    z[:, -1, -1] = 0
    return z, answer


def predict(weights, z):
    """Only the query's row of attention is needed. W_Q, W_K, W_V: [head, WIDTH, WIDTH] as x W; W_O: [head, WIDTH, WIDTH]."""
    q = torch.einsum("bi,hij->bhj", z[:, -1], weights["W_Q"])
    k = torch.einsum("bti,hij->bhtj", z, weights["W_K"])
    pattern = torch.softmax(torch.einsum("bhj,bhtj->bht", q, k) / WIDTH ** 0.5, -1)
    mixed = torch.einsum("bht,bti->bhi", pattern, z)
    ov = torch.einsum("hij,hj->hi", weights["W_V"], weights["W_O"][:, :, -1])  # to the last entry
    return torch.einsum("bhi,hi->b", mixed, ov)


def train():
    torch.manual_seed(SEED)
    torch.set_num_threads(1)
    generator = torch.Generator().manual_seed(SEED)
    weights = {name: (0.1 * torch.randn(HEADS, WIDTH, WIDTH, generator=generator)).requires_grad_(True) for name in ("W_Q", "W_K", "W_V", "W_O")}
    optimizer = torch.optim.Adam(weights.values(), lr=3e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, STEPS)
    for step in range(STEPS):
        z, answer = prompts(BATCH, generator)
        loss = (predict(weights, z) - answer).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        if step % 2000 == 0:
            print(step, f"{loss.item():.4f}", flush=True)
    return {name: w.detach() for name, w in weights.items()}


def pattern(weights):
    """KQ_h and OV_h as they act: of KQ the columns of a query whose y is 0, of OV what reaches the prediction."""
    w = {name: x.double().numpy() for name, x in weights.items()}
    out = {"kq_diagonal_share": [], "omega": [], "ov_last_share": [], "mu": []}
    for h in range(HEADS):
        kq = (w["W_K"][h] @ w["W_Q"][h].T / numpy.sqrt(WIDTH))[:, :D]
        ov = (w["W_V"][h] @ w["W_O"][h])[:, -1]
        out["kq_diagonal_share"].append(numpy.abs(numpy.diag(kq[:D])).sum() / numpy.abs(kq).sum())
        out["omega"].append(numpy.diag(kq[:D]).mean())
        out["ov_last_share"].append(abs(ov[-1]) / numpy.abs(ov).sum())
        out["mu"].append(ov[-1])
    omega, mu = numpy.abs(out["omega"]), numpy.array(out["mu"])
    out["omega_spread"] = omega.std() / omega.mean()
    out["mu_balance"] = abs(mu.sum()) / numpy.abs(mu).sum()
    return {key: numpy.round(value, 7).tolist() for key, value in out.items()}


def main():
    weights = train()
    OUT.mkdir(parents=True, exist_ok=True)
    tensors = {f"blocks.0.attn.{name}": w.contiguous() for name, w in weights.items()}
    tensors["embed.W_E"], tensors["pos_embed.W_pos"] = torch.zeros(1, WIDTH), torch.zeros(LENGTH + 1, WIDTH)
    tensors["unembed.W_U"] = torch.eye(WIDTH)[:, -1:].contiguous()
    save_file(tensors, OUT / "model.safetensors")
    config = {"model_type": "hooked_transformer", "n_layers": 1, "d_model": WIDTH, "n_heads": HEADS, "d_head": WIDTH, "d_vocab": 1, "n_ctx": LENGTH + 1,
              "attn_only": True, "normalization_type": None, "positional_embedding_type": "standard"}
    (OUT / "config.json").write_text(json.dumps(config, indent=1) + "\n")
    z, answer = prompts(4096, torch.Generator().manual_seed(SEED + 1))
    predicted = predict(weights, z)
    golden = {**pattern(weights), "validation_mse": (predicted - answer).square().mean().item(), "examples": z[:2].tolist(), "predictions": predicted[:2].tolist()}
    (HERE / "detectors" / "icl_regression.json").write_text(json.dumps(golden) + "\n")
    print({key: value for key, value in golden.items() if key != "examples"})


if __name__ == "__main__":
    main()
