# SPDX-License-Identifier: GPL-3.0-or-later
"""Every kind of bad input gives one line that names the file and the field, and its own exit code."""
import json
import os
import resource
import shutil
import unittest

import numpy as np

from damage import Gguf, Safetensors
from harness import SMOLLM2, Case, run, write_tokenizer

QUESTION = ("--prompt", "abc", "--answer", "d", "--wrong", "e")


class WeightFiles(Case):
    def weights(self):
        return Safetensors(self.small_model() / "model.safetensors")

    def test_the_whole_file_is_good(self):
        self.good("model", "info", self.small_model())

    def test_truncated(self):
        path = self.small_model() / "model.safetensors"
        data = path.read_bytes()
        for size in (0, 5, 100, len(data) // 2, len(data) - 1):
            path.write_bytes(data[:size])
            self.bad("corrupt", "model", "info", path.parent, file=path)

    def test_oversized(self):
        path = self.small_model() / "model.safetensors"
        path.write_bytes(path.read_bytes() + b"\0" * 7)
        self.bad("corrupt", "model", "info", path.parent, file=path)

    def test_wrong_magic(self):
        path = self.small_model() / "model.safetensors"
        for start in (b"\xff" * 8, b"PK\x03\x04\0\0\0\0", b"not json"):
            path.write_bytes(start + path.read_bytes()[8:])
            self.bad("corrupt", "model", "info", path.parent, file=path)

    def test_overlapping_offsets(self):
        weights = self.weights()
        a, b = weights.names()[:2]
        weights.header[b]["data_offsets"] = weights.header[a]["data_offsets"]
        weights.header[b]["shape"] = weights.header[a]["shape"]
        weights.write()
        error = self.bad("corrupt", "model", "info", weights.path.parent, file=weights.path)
        self.assertTrue(a in error["field"] + error["message"] or b in error["field"] + error["message"], error)

    def test_not_a_number(self):
        for value in (np.nan, np.inf, -np.inf):
            weights = self.weights()
            weights.values("model.layers.1.mlp.up_proj.weight")[13] = value
            weights.write()
            self.bad("corrupt", "model", "info", weights.path.parent, file=weights.path, field="model.layers.1.mlp.up_proj.weight")

    def test_missing_tensor(self):
        weights, name = self.weights(), "model.layers.1.self_attn.q_proj.weight"
        weights.header[name + ".old"] = weights.header.pop(name)
        weights.write()
        self.bad("corrupt", "model", "info", weights.path.parent, file=weights.path.parent, field=name)

    def test_unknown_dtype(self):
        weights = self.weights()
        name = weights.names()[0]
        weights.header[name]["dtype"] = "F4"
        weights.write()
        self.bad("unsupported", "model", "info", weights.path.parent, file=weights.path, field=name)

    def test_a_shape_the_config_does_not_promise(self):
        weights = self.weights()
        entry = weights.header["model.layers.0.mlp.up_proj.weight"]
        entry["shape"] = entry["shape"][::-1]
        weights.write()
        self.bad("mismatch", "model", "info", weights.path.parent, file=weights.path.parent, field="model.layers.0.mlp.up_proj.weight")


    def without(self, model, *names):
        weights = Safetensors(self.small_model(model) / "model.safetensors")
        for name in names:
            weights.header[name + ".old"] = weights.header.pop(name)
        weights.write()
        self.bad("corrupt", "model", "info", weights.path.parent, file=weights.path.parent, field=names[0])

    def test_missing_biases(self):
        self.without("qwen2", "model.layers.1.self_attn.q_proj.bias")
        self.without("gpt2", "transformer.h.0.attn.c_attn.bias")
        self.without("gpt_neox", "gpt_neox.layers.1.attention.dense.bias")
        self.without("opt", *(f"model.decoder.layers.{i}.self_attn.q_proj.bias" for i in range(2)))
        self.without("variants/llama_biases", "model.layers.0.self_attn.o_proj.bias")
        self.without("hooked_mlp", "blocks.1.attn.b_K")

    def test_a_flag_that_promises_biases(self):
        folder = self.small_model()
        path = folder / "config.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), "mlp_bias": True}))
        self.bad("corrupt", "model", "info", folder, file=folder, field="model.layers.0.mlp.gate_proj.bias")

    def test_a_missing_unembedding(self):
        self.without("llama", "lm_head.weight")  # transformers makes up a random one

    def test_missing_norm_weights(self):
        self.without("hooked_mlp", "ln_final.w")


class ModelFolders(Case):
    def config(self, model="llama", **changes):
        path = self.small_model(model) / "config.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))
        return path

    def test_unknown_architecture(self):
        path = self.config(architectures=["MambaForCausalLM"], model_type="mamba")
        self.bad("unsupported", "model", "info", path.parent, file=path, field="mamba")

    def test_broken_config(self):
        path = self.small_model() / "config.json"
        path.write_text(path.read_text()[:50])
        self.bad("corrupt", "model", "info", path.parent, file=path)

    def test_missing_field(self):
        path = self.small_model() / "config.json"
        config = json.loads(path.read_text())
        del config["num_hidden_layers"]
        path.write_text(json.dumps(config))
        self.bad("corrupt", "model", "info", path.parent, file=path, field="num_hidden_layers")

    def test_impossible_values(self):
        scaled = {"rope_type": "llama3", "factor": 8.0, "original_max_position_embeddings": 16}
        for field, value in (("intermediate_size", 0), ("intermediate_size", 2 ** 62), ("hidden_size", -1), ("head_dim", 2 ** 40),
                             ("rms_norm_eps", -1.0), ("rope_theta", 0.0), ("rope_scaling", "linear"), ("rope_scaling", [1]),
                             ("rope_scaling", {**scaled, "low_freq_factor": 1.0}),
                             ("rope_scaling", {**scaled, "low_freq_factor": 4.0, "high_freq_factor": 1.0}),
                             ("rope_scaling", {"type": "linear", "factor": 1e300}),
                             ("rope_scaling", {"type": "yarn", "factor": 2.0, "attention_factor": -1.0})):
            shutil.rmtree(self.folder / "llama", ignore_errors=True)
            path = self.config(**{field: value})
            if field == "rope_theta":
                config = json.loads(path.read_text())
                del config["rope_parameters"]
                path.write_text(json.dumps(config))
            with self.subTest(field=field, value=value):
                self.bad("corrupt", "model", "info", path.parent, file=path, field=field)

    def test_sizes_that_the_file_does_not_have(self):
        path = self.config(intermediate_size=10 ** 7)  # found before memory is taken
        self.bad("mismatch", "model", "info", path.parent, file=path.parent, field="model.layers.0.mlp.gate_proj.weight")

    def test_impossible_values_of_gemma(self):
        for field in ("attn_logit_softcapping", "final_logit_softcapping", "query_pre_attn_scalar", "sliding_window"):
            shutil.rmtree(self.folder / "gemma2", ignore_errors=True)
            path = self.config("gemma2", **{field: -1 if field == "sliding_window" else 0})  # a window of 0 is none
            with self.subTest(field=field):
                self.bad("corrupt", "model", "info", path.parent, file=path, field=field)

    def test_what_is_not_computed(self):
        for field, value in (("quantization_config", {"quant_method": "gptq", "bits": 4}), ("is_causal", False),
                             ("use_bidirectional_attention", True)):
            shutil.rmtree(self.folder / "llama", ignore_errors=True)
            path = self.config(**{field: value})
            with self.subTest(field=field):
                self.bad("unsupported", "model", "info", path.parent, file=path, field=field)

    def test_heads_that_do_not_divide(self):
        path = self.config(num_key_value_heads=3)
        self.assertIn(run("model", "info", path.parent).returncode, (6, 8))

    def test_no_such_model(self):
        self.bad("not_found", "model", "info", self.folder / "nothing", file=self.folder / "nothing")
        self.bad("not_found", "model", "info", "smollm3", file="smollm3")

    def test_a_folder_without_weights(self):
        folder = self.small_model()
        (folder / "model.safetensors").unlink()
        self.bad("not_found", "model", "info", folder, file=folder)

    def test_no_tokenizer(self):
        folder = self.small_model(tokenizer=False)
        self.bad("not_found", "logits", "--model", folder, "--prompt", "a", file=folder, field="tokenizer")

    def test_a_tokenizer_alone(self):
        write_tokenizer(self.folder)
        self.assertEqual(len(self.good("tokens", "--model", self.folder, "--text", "abc")["ids"]), 3)
        self.bad("not_found", "model", "info", self.folder, file=self.folder, field="config.json")

    def test_logits_that_are_no_numbers(self):
        weights = Safetensors(self.small_model() / "model.safetensors")
        for name, factor in (("gate_proj", 100), ("up_proj", 5e4), ("down_proj", 5e4)):
            weights.values(f"model.layers.0.mlp.{name}.weight")[:] *= factor
        weights.write()
        folder = weights.path.parent
        self.good("logits", "--model", folder, "--prompt", "abc")
        for command in (("logits", "--prompt", "abc"), ("generate", "--prompt", "abc"), ("ablate", *QUESTION)):
            self.bad("unsupported", *command, "--model", folder, "--dtype", "float16", file=folder, field="--dtype")

    def test_a_tokenizer_of_another_model(self):
        folder = self.small_model()
        write_tokenizer(folder, size=140)
        self.bad("mismatch", "logits", "--model", folder, "--prompt", "a", file=folder, field="tokenizer")

    def test_a_broken_tokenizer(self):
        folder = self.small_model()
        path = folder / "tokenizer.json"
        path.write_text(path.read_text()[:-40])
        self.bad("corrupt", "tokens", "--model", folder, "--text", "a", file=path)


class GgufFiles(Case):
    def file(self, gguf):
        return gguf.write(self.folder / "model.gguf")

    def test_the_whole_file_is_good(self):
        self.assertEqual(self.good("model", "info", self.file(Gguf()))["n_layers"], 1)

    def test_truncated(self):
        path = self.folder / "model.gguf"
        data = Gguf().bytes()
        for size in (0, 3, 20, 200, len(data) // 2, len(data) - 1):
            path.write_bytes(data[:size])
            self.bad("corrupt", "model", "info", path, file=path)

    def test_wrong_magic_and_version(self):
        gguf = Gguf()
        gguf.magic = b"GGML"
        self.bad("corrupt", "model", "info", self.file(gguf), file="model.gguf")
        for version in (1, 77):
            gguf = Gguf()
            gguf.version = version
            self.bad("unsupported", "model", "info", self.file(gguf), file="model.gguf", field="version")

    def test_overlapping_offsets(self):
        gguf = Gguf()
        gguf.offsets["blk.0.attn_k.weight"] = 0
        self.bad("corrupt", "model", "info", self.file(gguf), file="model.gguf")

    def test_an_offset_outside(self):
        gguf = Gguf()
        gguf.offsets["blk.0.attn_k.weight"] = 1 << 40
        self.bad("corrupt", "model", "info", self.file(gguf), file="model.gguf", field="blk.0.attn_k.weight")

    def test_unknown_quantisation(self):
        gguf = Gguf()
        gguf.tensor("blk.0.attn_k.weight")[2] = 16  # IQ2_XXS
        self.bad("unsupported", "model", "info", self.file(gguf), file="model.gguf", field="blk.0.attn_k.weight")

    def test_not_a_number(self):
        gguf = Gguf()
        gguf.tensor("blk.0.ffn_up.weight")[3][5] = np.nan
        self.bad("corrupt", "model", "info", self.file(gguf), file="model.gguf", field="blk.0.ffn_up.weight")

    def test_missing_tensor(self):
        gguf = Gguf()
        gguf.tensors.remove(gguf.tensor("blk.0.ffn_up.weight"))
        self.bad("corrupt", "model", "info", self.file(gguf), file="model.gguf", field="blk.0.ffn_up.weight")

    def test_bytes_after_the_last_tensor(self):
        path = self.folder / "model.gguf"
        path.write_bytes(Gguf().bytes() + b"\0" * 7)  # as writers fill up
        self.good("model", "info", path)
        path.write_bytes(Gguf().bytes() + b"\1" * 7)
        self.bad("corrupt", "model", "info", path, file=path)

    def test_names_with_control_characters(self):
        path = self.file(Gguf("two\nlines\x1b[31m"))
        self.bad("unsupported", "model", "info", path, file="model.gguf", field="lines")  # in one line
        self.assertIn(rb"two\x0alines\x1b[31m", run("model", "info", path).stderr)

    def test_a_bias_in_one_layer_only(self):
        gguf = Gguf()
        gguf.tensors.append(["blk.0.attn_k.bias", (32,), Gguf.F32, np.zeros(32, "<f4")])
        self.bad("corrupt", "model", "info", self.file(gguf), file="model.gguf", field="blk.0.attn_q.bias")

    def test_unknown_architecture(self):
        self.bad("unsupported", "model", "info", self.file(Gguf("rwkv7")), file="model.gguf", field="rwkv7")


class Prompts(Case):
    def test_empty(self):
        model = self.small_model()
        self.bad("invalid_argument", "logits", "--model", model, "--prompt", "", field="--prompt")
        self.bad("invalid_argument", "logits", "--model", model, field="--prompt")
        self.bad("invalid_argument", "generate", "--model", model, "--prompt", "", field="--prompt")
        self.bad("invalid_argument", "ablate", "--model", model, "--prompt", "", "--answer", "a", "--wrong", "b", field="--prompt")
        self.bad("invalid_argument", "patch", "--model", model, "--clean", "", "--corrupt", "a", field="--clean")
        self.bad("invalid_argument", "attention", "--model", model, "--prompt", "", "--out", self.folder / "a.h5", field="--prompt")
        (self.folder / "empty.txt").write_text("")
        self.bad("invalid_argument", "logits", "--model", model, "--prompt-file", self.folder / "empty.txt", field="--prompt")
        self.assertEqual(list(self.folder.glob("*.h5")) + list(self.folder.glob(".*")), [])

    def test_which_of_two_is_empty(self):
        call = ("patch", "--model", self.small_model(), "--answer", "d", "--wrong", "e")
        self.bad("invalid_argument", *call, "--clean", "", "--corrupt", "abc", field="the clean prompt")
        self.bad("invalid_argument", *call, "--clean", "abc", "--corrupt", "", field="the corrupt prompt")
        pairs = self.folder / "pairs.csv"
        pairs.write_text("clean,corrupted,answer,wrong\nabc,abX,d,e\n,abc,d,e\n")
        self.bad("invalid_argument", "patch", "--model", self.small_model(), "--prompts-file", pairs, file=pairs, field="the clean prompt")
        self.bad("invalid_argument", "ablate", "--model", self.small_model(), "--prompt", "abc", "--answer", "d", "--wrong", "e", "--method",
                 "mean", "--reference", "", field="--reference")

    def test_a_folder_is_no_file_of_prompts(self):
        for call in (("logits", "--prompt-file"), ("ablate", "--prompts-file"), ("tokens", "--text-file")):
            error = self.bad("io", call[0], "--model", self.small_model(), call[1], self.folder, file=self.folder)
            self.assertIn("folder", error["message"])

    def test_a_short_haystack(self):
        haystack = self.folder / "short.txt"
        haystack.write_text("a few words")
        self.bad("invalid_argument", "detect", "--model", SMOLLM2, "--detectors", "retrieval", "--haystack", haystack, file=haystack,
                 field="haystack")

    def test_longer_than_the_context(self):
        model, text = self.small_model(), "a" * 65
        self.good("logits", "--model", model, "--prompt", text[1:])
        for call in (("logits", "--prompt", text), ("generate", "--prompt", text), ("attention", "--prompt", text, "--out", self.folder / "a.h5"),
                     ("ablate", "--prompt", text, "--answer", "b", "--wrong", "c"), ("patch", "--clean", text, "--corrupt", text)):
            self.bad("mismatch", call[0], "--model", model, *call[1:], field="64")
        self.bad("mismatch", "generate", "--model", model, "--prompt", text[2:], "-n", 2, field="64")
        self.assertEqual(list(self.folder.glob("*.h5")) + list(self.folder.glob(".*")), [])

    def test_answers(self):
        model = self.small_model()
        self.bad("mismatch", "ablate", "--model", model, "--prompt", "a", "--answer", "bc", "--wrong", "d", field="--answer")
        self.bad("invalid_argument", "ablate", "--model", model, "--prompt", "a", "--answer", "b", field="--wrong")

    def test_equal_answers(self):
        self.bad("invalid_argument", "ablate", "--model", self.small_model(), "--prompt", "abc", "--answer", "d", "--wrong", "d", field="--wrong")

    def test_prompts_of_unequal_length(self):
        self.bad("mismatch", "patch", "--model", self.small_model(), "--clean", "abc", "--corrupt", "ab", "--answer", "c", "--wrong", "d")

    def test_prompts_without_a_difference(self):
        self.bad("mismatch", "patch", "--model", self.small_model(), "--clean", "abc", "--corrupt", "abc", "--answer", "c", "--wrong", "d")

    def test_files_of_prompts(self):
        model, path = self.small_model(), self.folder / "p.csv"
        for text, code, field in (("", "corrupt", ""), ("a,b\n1,2\n", "invalid_argument", "header"),
                                  ("prompt,answer,wrong\nx,y,z\nx,y\n", "corrupt", "line 3"),
                                  ("prompt,answer,wrong\nx,\"y,z\n", "corrupt", "line 2"),
                                  ("prompt,answer,wrong\nx,yy,z\n", "mismatch", "line 2"),
                                  ("prompt,answer,wrong\n,y,z\n", "invalid_argument", "line 2")):
            path.write_text(text)
            self.bad(code, "ablate", "--model", model, "--prompts-file", path, file=path, field=field)
        path = self.folder / "p.jsonl"
        for text, code in (("{\"prompt\": \"a\"\n", "corrupt"), ("[1]\n", "corrupt"), ("{\"prompt\": 3}\n", "invalid_argument"),
                           ("{\"text\": \"a\"}\n", "invalid_argument")):
            path.write_text(text)
            self.bad(code, "ablate", "--model", model, "--prompts-file", path, file=path, field="line 1")
        self.bad("not_found", "ablate", "--model", model, "--prompts-file", self.folder / "no.csv", file="no.csv")


class Options(Case):
    def test_names(self):
        model = self.small_model()
        out = ("--out", self.folder / "a.h5")
        for code, field, call in (
                ("invalid_argument", "--heads", ("ablate", *QUESTION, "--heads", "9.9", *out)),
                ("invalid_argument", "--heads", ("ablate", *QUESTION, "--heads", "first", *out)),
                ("invalid_argument", "--heads", ("ablate", *QUESTION, "--heads", "1-0", *out)),
                ("invalid_argument", "knockout", ("ablate", *QUESTION, "--method", "knockout", *out)),
                ("invalid_argument", "never", ("ablate", *QUESTION, "--phase", "never", *out)),
                ("invalid_argument", "loss", ("ablate", *QUESTION, "--metric", "loss", *out)),
                ("invalid_argument", "--site", ("patch", "--clean", "a", "--corrupt", "b", "--site", "hook_nothing", *out)),
                ("invalid_argument", "diagonal", ("patch", "--clean", "a", "--corrupt", "b", "--axes", "diagonal", *out)),
                ("not_found", "--detectors", ("detect", "--detectors", "telepathy", *out)),
                ("not_found", "--set", ("detect", "--detectors", "sink", "--set", "sink.colour=1", *out)),
                ("invalid_argument", "--set", ("detect", "--detectors", "sink", "--set", "sink.texts=many", *out)),
                ("invalid_argument", "--set", ("detect", "--detectors", "sink", "--set", "texts", *out)),
                ("not_found", "haystack", ("detect", "--detectors", "retrieval", "--haystack", self.folder / "haystack", *out)),
                ("invalid_argument", "--precision", ("attention", "--prompt", "a", "--precision", "int8", *out)),
                ("invalid_argument", "--dtype", ("logits", "--prompt", "a", "--dtype", "int8")),
                ("invalid_argument", "tpu", ("logits", "--prompt", "a", "--device", "tpu")),
                ("invalid_argument", "--position", ("logits", "--prompt", "a", "--position", "1")),
                ("invalid_argument", "--ablate", ("generate", "--prompt", "a", "--ablate", "0:freeze")),
        ):
            with self.subTest(call=call):
                self.bad(code, call[0], "--model", model, *call[1:], field=field)
                self.assertEqual(list(self.folder.glob("*.h5")) + list(self.folder.glob(".*")), [])

    def test_ranges_of_heads(self):
        call = ("ablate", "--model", self.small_model(), "--prompt", "abc", "--answer", "d", "--wrong", "e", "--heads")
        for heads in ("1.3-1.1", "1.3-1", "1-0"):
            error = self.bad("invalid_argument", *call, heads, field="--heads")
            self.assertIn(f"the range {heads} ends before it begins", error["message"])
        self.bad("invalid_argument", *call, "0.1-1.2", field="--heads")
        self.assertEqual(self.good(*call, "1.1-1.3"), self.good(*call, "1.1-3"))

    def test_sampling_out_of_range(self):
        call = ("generate", "--model", self.small_model(), "--prompt", "abc", "--top-p")
        self.bad("invalid_argument", *call, "2", field="--top-p")
        for temperature in ("inf", "nan", "1e999"):
            self.bad("invalid_argument", *call, "1", "--temperature", temperature, field="--temperature")

    def test_names_of_the_hub_say_that_nothing_is_downloaded(self):
        for name in ("gpt2", "org/some-model"):
            error = self.bad("not_found", "logits", "--model", name, "--prompt", "a", file=name, env={"HF_HUB_CACHE": str(self.folder)})
            self.assertIn("downloads nothing", error["message"])
            self.assertIn(str(self.folder), error["message"])

    def test_weights_that_do_not_fit_into_memory(self):
        rows, width = 100_000, 8192
        folder = self.folder / "large"
        folder.mkdir()
        shapes = {"embed.W_E": [rows, width], "pos_embed.W_pos": [4, width], "unembed.W_U": [width, 1]}
        shapes |= {f"blocks.0.attn.W_{k}": [1, width, 1] for k in "QKV"} | {"blocks.0.attn.W_O": [1, 1, width]}
        header, at = {}, 0
        for name, shape in shapes.items():
            size = 2 * int(np.prod(shape))
            header[name] = {"dtype": "BF16", "shape": shape, "data_offsets": [at, at + size]}
            at += size
        text = json.dumps(header).encode()
        with open(folder / "model.safetensors", "wb") as file:
            file.write(len(text).to_bytes(8, "little") + text)
            file.truncate(8 + len(text) + at)  # zeros that take no room
        (folder / "config.json").write_text(json.dumps({"model_type": "hooked_transformer", "n_layers": 1, "d_model": width, "n_ctx": 4, "n_heads": 1,
                                                        "d_head": 1, "d_vocab": rows, "d_vocab_out": 1, "attn_only": True, "normalization_type": None}))
        write_tokenizer(folder)
        limit = lambda: resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))
        self.bad("out_of_memory", "logits", "--model", folder, "--prompt", "a", "--threads", 1, preexec_fn=limit)

    def test_unknown_commands(self):
        for command in (["frobnicate"], ["model", "frobnicate"]):
            result = run(*command)
            self.assertEqual(result.returncode, 2)
            self.assertIn(b"no command 'frobnicate'", result.stderr)

    def test_a_file_without_a_name(self):
        self.bad("invalid_argument", "inspect", "", field="FILE")

    def test_usage(self):
        for call in ((), ("dance",), ("logits",), ("logits", "--model"), ("logits", "--model", "m", "--prompt", "a", "--sideways"),
                     ("logits", "--model", "m", "--top", "none"), ("export", "a.h5"), ("model",), ("generate", "--model", "m", "-n", "-3")):
            error = self.bad("invalid_argument", *call)
            self.assertIn("--help", error["message"])

    def test_a_detector_that_does_not_fit(self):
        self.bad("unsupported", "detect", "--model", self.small_model("attn_only"), "--detectors", "successor", "--out", self.folder / "a.h5",
                 field="successor")
        self.assertEqual(list(self.folder.glob("*.h5")) + list(self.folder.glob(".*")), [])


class ResultFiles(Case):
    def test_existing_file_is_kept(self):
        out = self.folder / "r.h5"
        for call in (("ablate", *QUESTION), ("attention", "--prompt", "abc"), ("patch", "--clean", "ab", "--corrupt", "ac", "--answer", "d", "--wrong", "e"),
                     ("detect", "--detectors", "sink", "--set", "sink.tokens=16")):
            out.write_bytes(b"precious")
            self.bad("already_exists", call[0], "--model", self.small_model(), *call[1:], "--out", out, file=out)
            self.assertEqual(out.read_bytes(), b"precious")
            self.good(call[0], "--model", self.small_model(), *call[1:], "--out", out, "--force")
            self.assertEqual(out.read_bytes()[:4], b"\x89HDF")

    def test_an_empty_name(self):
        for call in (("attention", "--prompt", "a"), ("detect", "--detectors", "induction")):
            self.bad("invalid_argument", call[0], "--model", self.small_model(), *call[1:], "--out", "", field="--out: names no file")
        for call in (("run", "sweep.toml"), ("merge", "shard.h5"), ("export", "r.h5"), ("bench", "growth", "--model", self.small_model())):
            self.bad("invalid_argument", *call, "--out", "", field="--out: names no file")

    def test_a_link_to_nothing(self):
        self.out = self.folder / "link.h5"
        self.out.symlink_to(self.folder / "nothing")
        for more in ((), ("--force",)):
            # Before the model is looked for.
            self.bad("invalid_argument", "detect", "--model", self.folder / "none", "--out", self.out, *more, file=self.out)

    def test_unusable_folder(self):
        self.bad("io", "ablate", "--model", self.small_model(), *QUESTION, "--out", self.folder / "no" / "r.h5", file="r.h5")
        (self.folder / "file").write_text("")
        self.bad("io", "ablate", "--model", self.small_model(), *QUESTION, "--out", self.folder / "file" / "r.h5", file="r.h5")

    def test_unwritable_folder(self):
        # Root may write anywhere but below /proc.
        folder = "/proc/self" if os.geteuid() == 0 else self.folder / "sealed"
        if os.geteuid() != 0:
            folder.mkdir(mode=0o555)
        self.bad("io", "ablate", "--model", self.small_model(), *QUESTION, "--out", f"{folder}/r.h5", file="r.h5")

    def test_reading_damaged_files(self):
        good = self.folder / "good.h5"
        self.good("attention", "--model", self.small_model(), "--prompt", "abc", "--out", good)
        bad = self.folder / "bad.h5"
        for data in (b"", b"not HDF5 at all", good.read_bytes()[:2000]):
            bad.write_bytes(data)
            self.bad("corrupt", "inspect", bad, file=bad)
            self.bad("corrupt", "export", bad, "--out", self.folder / "figures", file=bad)
        self.bad("not_found", "inspect", self.folder / "none.h5", file="none.h5")
        self.assertFalse((self.folder / "figures").exists())


if __name__ == "__main__":
    unittest.main()
