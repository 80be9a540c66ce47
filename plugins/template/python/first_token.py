# SPDX-License-Identifier: GPL-3.0-or-later
"""A Python detector to start from: measures how much each head attends to the first token."""
import headscope_plugin


def plan(request):
    return {"prompts": [{"id": "text", "text": request["options"]["text"]}],
            "capture": ["blocks.*.attn.hook_pattern"]}


def score(request, data):
    skip = request["options"]["skip"]
    scores = []
    for layer in range(request["model"]["n_layers"]):
        pattern = data.pattern("text", layer)  # [head, query, key]
        scores.append(pattern[:, skip:, 0].mean(axis=1))
    return {"scores": scores, "findings": {"tokens": len(request["prompts"][0]["tokens"])}}


headscope_plugin.main(plan, score)
