# SPDX-License-Identifier: GPL-3.0-or-later
"""Shared by the peers: the model, with Headscope's copy of it, and a call of `headscope bench`."""
import argparse
import json
import pathlib
import subprocess

import torch
import transformers

SHAPES = {
    "gpt2": lambda: transformers.GPT2Config(),
    "llama-7b": lambda: transformers.LlamaConfig(max_position_embeddings=4096),
}


def parser_of(description):
    """Makes a parser with the arguments of every peer."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("model", help="a .gguf, gpt2 or llama-7b")
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--dtype", default="float32")
    return parser


def random_model(shape, dtype, device, folder):
    """Makes a model on the device, and saves it into the folder for Headscope."""
    torch.manual_seed(0)
    torch.set_default_dtype(dtype)
    with torch.device(device):
        model = transformers.AutoModelForCausalLM.from_config(SHAPES[shape](), attn_implementation="sdpa").eval()
    torch.set_default_dtype(torch.float32)
    model.save_pretrained(folder, max_shard_size="4GB")
    return model


def open_model(arguments, folder):
    """The model of transformers, and the path that Headscope loads the same from; random weights go into the folder."""
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    dtype = getattr(torch, arguments.dtype)
    if arguments.model in SHAPES:
        return random_model(arguments.model, dtype, arguments.device, folder), folder
    path = pathlib.Path(arguments.model)
    model = transformers.AutoModelForCausalLM.from_pretrained(path.parent, gguf_file=path.name, dtype=dtype, attn_implementation="sdpa")
    return model.eval().to(arguments.device), path


def bench(arguments, command, path, *options):
    """Returns what `headscope bench COMMAND` prints about the model."""
    call = [arguments.program, "bench", command, "--model", path, *options, "--device", arguments.device, "--dtype", arguments.dtype, "--json", "--quiet"]
    call += ["--threads", arguments.threads] if arguments.threads else []
    done = subprocess.run([str(c) for c in call], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(done.stderr)
    return json.loads(done.stdout)
