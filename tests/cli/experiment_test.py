# SPDX-License-Identifier: GPL-3.0-or-later
"""Experiments: what they store, that errors say where they are, and that neither kill -9 nor the number of processes changes a bit."""
import atexit
import json
import os
import pathlib
import random
import shutil
import signal
import subprocess
import tempfile
import time
import unittest

import h5py
import numpy as np

from harness import GOLDEN, PATIENCE, PROGRAM, TIMED, Case, run, text_of

ROOT = GOLDEN.parent.parent
# Fixes the creation time and uses one thread everywhere, so that whole files can be compared.
ENVIRONMENT = {"SOURCE_DATE_EPOCH": "1700000000", "OMP_NUM_THREADS": "1"}
MPI = {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1", "OMPI_MCA_rmaps_base_oversubscribe": "1",
       "OMPI_MCA_plm": "isolated", "OMPI_MCA_btl_vader_single_copy_mechanism": "none"}

HEAD = """
name = "everything"
[model]
path = "model"
threads = 1
[[task]]
name = "pairs"
file = "pairs.csv"
"""
STEPS = """
[[step]]
name = "heads"
method = "ablate"
task = "pairs"
prompts_per_cell = 2
[step.sweep]
ablation = ["zero", "mean"]

[[step]]
name = "patch"
method = "patch"
task = "pairs"
[step.sweep]
site = ["resid_pre", "z"]

[[step]]
name = "estimate"
method = "patch"
task = "pairs"
site = "z"
estimate = true
check = 2

[[step]]
name = "direct"
method = "attribute"
task = "pairs"

[[step]]
name = "adjusted"
method = "adjust"
task = "pairs"
steer = "1.2=first@0.5"
scale = "0.1=2"

[[step]]
name = "paths"
method = "paths"
task = "pairs"

[[step]]
name = "circuit"
method = "circuit"
task = "pairs"
top_n = 20
curve = true
[step.sweep]
scores = ["eap", "exact"]

[[step]]
name = "acdc"
method = "circuit"
task = "pairs"
scores = "acdc"
threshold = [0.01]

[[step]]
name = "detectors"
method = "detect"
detectors = ["induction", "previous", "successor"]
set = ["induction.n=20", "previous.n=20"]
"""


class Experiments(Case):
    shared = None  # a folder for what all tests take and none changes: the model, and the result that nothing disturbed
    undisturbed = None

    def setUp(self):
        super().setUp()
        if Experiments.shared is None:
            Experiments.shared = pathlib.Path(tempfile.mkdtemp(prefix="headscope-experiments-"))
            atexit.register(shutil.rmtree, Experiments.shared, ignore_errors=True)
        self.model = self.small_model("llama", where=Experiments.shared)
        reference = json.loads((GOLDEN / "circuits" / "llama.json").read_text())["pairs"]
        rows = [(text_of(p["clean"]), text_of(p["corrupt"]), text_of([p["answer"]]), text_of([p["wrong"]])) for p in reference]
        quoted = lambda text: '"' + text.replace('"', '""') + '"'
        self.pairs = "clean,corrupted,answer,wrong\n" + "".join(",".join(map(quoted, row)) + "\n" for row in rows)
        self.count = len(rows)

    def place(self, name, text=HEAD + STEPS, where=None):
        folder = (where or self.folder) / name
        folder.mkdir()
        (folder / "model").symlink_to(self.model)
        (folder / "pairs.csv").write_text(self.pairs)
        (folder / "e.toml").write_text(text)
        return folder

    def go(self, folder, *more, launcher=(), env=None):
        return subprocess.run([*launcher, PROGRAM, "run", "e.toml", "--out", "r.h5", "--json", *more], cwd=folder, capture_output=True,
                              timeout=PATIENCE, check=False, env={**os.environ, **ENVIRONMENT, **(env or {})})

    def done(self, folder, *more, **how):
        result = self.go(folder, *more, **how)
        self.assertEqual(result.returncode, 0, result.stderr.decode())
        return json.loads(result.stdout)

    def whole(self):
        """The folder of a run that nothing disturbed, its summary, and the seconds that it took."""
        if Experiments.undisturbed is None:
            folder, begin = self.place("whole", where=Experiments.shared), time.monotonic()
            Experiments.undisturbed = folder, self.done(folder), time.monotonic() - begin
        return Experiments.undisturbed

    def same(self, a, b):
        self.assertEqual((a / "r.h5").read_bytes(), (b / "r.h5").read_bytes(), f"{a.name} and {b.name}")


class Results(Experiments):
    def test_the_file_holds_what_the_commands_write(self):
        folder, summary, _ = self.whole()
        self.assertTrue(summary["complete"])
        self.assertEqual(sum(s["cells"] for s in summary["steps"]), summary["cells"])
        self.assertEqual([p.name for p in folder.glob("*.journal*")], [])
        pairs = ("--task", folder / "pairs.csv", "--model", self.model, "--threads", 1)
        with h5py.File(folder / "r.h5") as file:
            self.assertTrue(file.attrs["complete"])
            self.assertTrue(file["experiment/finished"][:].all())
            self.assertEqual(list(file["experiment/steps/name"].asstr()[:]), [s["name"] for s in summary["steps"]])
            for kind in ("zero", "mean"):
                other = self.folder / f"{kind}.h5"
                self.good("ablate", *pairs, "--method", kind, "--out", other)
                with h5py.File(other) as alone:
                    for part in ("effects", "clean", "mean"):
                        self.assertClose(file[f"ablation/heads-{kind}/{part}"][:], alone[f"ablation/{kind}/{part}"][:], 1e-5)
            for site in ("resid_pre", "z"):
                other = self.folder / f"{site}.h5"
                self.good("patch", *pairs, "--site", site, "--out", other)
                with h5py.File(other) as alone:
                    mine, theirs = file[f"patching/patch-{site}"], alone[f"patching/{site}"]
                    np.testing.assert_allclose(mine["restored"][:], theirs["restored"][:], atol=1e-4)
                    self.assertClose(mine.attrs["clean"], theirs.attrs["clean"], 1e-5)
            other = self.folder / "estimate.h5"
            self.good("patch", *pairs, "--site", "z", "--estimate", "--check", 2, "--out", other)
            with h5py.File(other) as alone:
                np.testing.assert_allclose(file["patching/estimate/restored"][:], alone["patching/z/restored"][:], atol=1e-4)
                self.assertEqual(len(file["patching/estimate/checked/layer"]), self.count * 4)
            other = self.folder / "attribute.h5"
            self.good("attribute", *pairs, "--out", other)
            with h5py.File(other) as alone:
                for part in ("heads", "mlps", "total"):
                    self.assertClose(file[f"logit_attribution/direct/{part}"][:], alone[f"logit_attribution/{part}"][:], 1e-5)
            other = self.folder / "paths.h5"
            self.good("paths", *pairs, "--out", other)
            with h5py.File(other) as alone:
                self.assertClose(file["paths/paths/effects"][:], alone["paths/effects"][:], 1e-5)
            for method in ("eap", "exact"):
                other = self.folder / f"{method}.h5"
                self.good("circuit", *pairs, "--method", method, "--top-n", 20, "--curve", "--out", other)
                with h5py.File(other) as alone:
                    mine, theirs = file[f"graph/circuit-{method}"], alone["graph/circuit"]
                    self.assertClose(mine["edges/score"][:], theirs["edges/score"][:], 1e-5)
                    np.testing.assert_array_equal(mine["edges/in_circuit"][:], theirs["edges/in_circuit"][:])
                    for number in ("faithfulness", "cpr", "cmd", "clean", "empty"):
                        self.assertClose(mine.attrs[number], theirs.attrs[number], 1e-4)
            other = self.folder / "acdc.h5"
            self.good("circuit", *pairs, "--method", "acdc", "--threshold", 0.01, "--out", other)
            with h5py.File(other) as alone:
                np.testing.assert_array_equal(file["graph/acdc/edges/in_circuit"][:], alone["graph/circuit/edges/in_circuit"][:])
            other = self.folder / "detect.h5"
            self.good("detect", "--model", self.model, "--threads", 1, "--detectors", "induction,previous", "--set", "induction.n=20", "--set",
                      "previous.n=20", "--out", other)
            with h5py.File(other) as alone:
                for kind in ("induction", "previous"):
                    np.testing.assert_array_equal(file[f"detectors/{kind}/scores"][:], alone[f"detectors/{kind}/scores"][:])

    def test_dry_run(self):
        folder = self.place("dry")
        planned = self.done(folder, "--dry-run")
        self.assertGreater(planned["forwards"], 100)
        self.assertGreater(planned["seconds"], 0)
        self.assertGreater(planned["memory_bytes"], (self.model / "model.safetensors").stat().st_size)
        self.assertEqual(sorted(p.name for p in folder.iterdir()), ["e.toml", "model", "pairs.csv"])

    def test_existing_files_and_journals(self):
        short = HEAD + '[[step]]\nmethod = "attribute"\ntask = "pairs"\n'
        folder = self.place("again", short)
        self.done(folder)
        self.assertEqual(self.go(folder).returncode, 4)
        self.done(folder, "--force")
        (folder / "e.toml").write_text(short + "# changed\n")
        (folder / "r.h5").unlink()
        self.done(folder, "--shard", "0/2")
        shutil.copy(folder / "r.h5.shard-0-of-2.journal", folder / "r.h5.journal")
        (folder / "e.toml").write_text(short)
        refused = self.go(folder)
        self.assertEqual(refused.returncode, 8, refused.stderr)
        self.assertIn("r.h5.journal", json.loads(refused.stdout)["error"]["file"])
        self.done(folder, "--force")


class Errors(Experiments):
    def test_place(self):
        step = '[[step]]\nmethod = "ablate"\ntask = "pairs"\n'
        cases = [
            (HEAD + step + "x = = 1\n", "line 12, column 5", "invalid_argument"),
            (HEAD + step + "ablaton = 'zero'\n", "line 12, column 1: ablaton", "invalid_argument"),
            (HEAD + step + "ablation = 'none'\n", "line 12, column 12: ablation", "invalid_argument"),
            (HEAD + step + "metric = 3\n", "line 12, column 10: metric", "invalid_argument"),
            (HEAD + step + "seed = -1\n", "line 12, column 8: seed", "invalid_argument"),
            (HEAD + step + "prompts_per_cell = 0\n", "line 12, column 20: prompts_per_cell", "invalid_argument"),
            (HEAD + step + "[step.sweep]\nphase = ['both', 'never']\n", "line 13, column 18: phase", "invalid_argument"),
            (HEAD + step + "[step.sweep]\nphase = 'both'\n", "line 13, column 9: phase", "invalid_argument"),
            (HEAD + step.replace('"ablate"', '"ablat"'), "line 10, column 10: method", "invalid_argument"),
            (HEAD + step.replace('"pairs"', '"other"'), "line 11, column 8: task", "not_found"),
            (HEAD + step + step, "line 12, column 1: name", "invalid_argument"),
            (HEAD + "[[step]]\nmethod = 'circuit'\ntask = 'pairs'\nscores = 'best'\n", "line 12, column 10: scores", "invalid_argument"),
            (HEAD + "[[step]]\nmethod = 'detect'\ndetectors = ['none']\n", "line 11, column 13: detectors", "not_found"),
            (HEAD.replace('file = "pairs.csv"', 'generator = "none"') + step, "line 8, column 13: generator", "not_found"),
            (HEAD.replace("threads", "thread") + step, "line 5, column 1: thread", "invalid_argument"),
            (HEAD, "step", "invalid_argument"),
            ("[output]\n", "model", "invalid_argument"),
        ]
        for i, (text, place, code) in enumerate(cases):
            with self.subTest(place):
                folder = self.place(f"bad{i}", text)
                error = self.bad(code, "run", folder / "e.toml", "--out", self.folder / "r.h5", file="e.toml")
                self.assertIn(place, error["field"])

    def test_others(self):
        folder = self.place("f", HEAD + '[[step]]\nmethod = "patch"\ntask = "pairs"\nsite = "z"\n')
        self.bad("not_found", "run", "none.toml", file="none.toml")
        self.bad("invalid_argument", "run", folder / "e.toml", field="--out")
        self.bad("invalid_argument", "run", folder / "e.toml", "--out", "r.h5", "--shard", "2/2", field="--shard")
        self.bad("corrupt", "merge", folder / "e.toml", file="e.toml")

    # The packaged parser recurses as deep as the text is nested and accepts invalid code points.
    def test_texts_that_the_parser_cannot_hold(self):
        folder = self.place("texts")
        deep = {".".join(["a"] * 100_000) + " = 1": "nested more than", "a = " + "[" * 100_000: "nested more than",
                "[" + ".".join(["a"] * 100_000) + "]": "nested more than", "x = " + "{a.b.c.d = " * 300 + "1" + "}" * 300: "nested more than",
                'a = "\\U00110000"': "no character of Unicode", 'a = "\\uD800"': "no character of Unicode"}
        for text, message in deep.items():
            (folder / "e.toml").write_text(HEAD + text)
            error = self.bad("invalid_argument", "run", folder / "e.toml", "--out", self.folder / "r.h5", file="e.toml")
            self.assertIn(message, error["message"])
        for data in (b"a = '\xff'", b"a = '\xed\xa0\x80'", b"a = '\xf4\x90\x80\x80'"):
            (folder / "e.toml").write_bytes(data)
            self.bad("invalid_argument", "run", folder / "e.toml", "--out", self.folder / "r.h5", file="e.toml")

    def test_a_sweep_of_very_many_steps(self):
        folder = self.place("many")
        lists = "".join(f"key{i} = [{', '.join(map(str, range(50)))}]\n" for i in range(6))
        (folder / "e.toml").write_text(HEAD + '[[step]]\nname = "s"\nmethod = "ablate"\ntask = "pairs"\n[step.sweep]\n' + lists)
        error = self.bad("invalid_argument", "run", folder / "e.toml", "--out", self.folder / "r.h5", file="e.toml")
        self.assertIn("more than 10000 steps", error["message"])

    def test_every_example_is_understood(self):
        examples = sorted((ROOT / "resources" / "experiments").glob("*.toml"))
        self.assertGreaterEqual(len(examples), 8)
        methods = set()
        for path in examples:
            text = path.read_text()
            methods |= {line.split('"')[1] for line in text.splitlines() if line.startswith("method = ")}
            folder = self.folder / path.stem
            folder.mkdir()
            (folder / path.name).write_text(text.replace('"smollm2"', '"missing.gguf"'))
            error = self.bad("not_found", "run", folder / path.name)  # all that is before the model is right
            self.assertIn("missing.gguf", error["file"] + error["message"])  # of a list of models the place in the file is named
        self.assertEqual(methods, {"ablate", "adjust", "patch", "attribute", "paths", "circuit", "detect"})


def size_of(path):
    """Bytes of a file that a program may remove at any moment: 0 when there is none. Asking twice, first whether it exists, would race with it."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


class Resuming(Experiments):
    def test_kills_change_no_bit(self):
        whole, _, seconds = self.whole()
        choice, kills, finished = random.Random(20240601), 0, 0
        folder = None
        while kills < (50 if TIMED else 12):
            if folder is None:
                folder = self.place(f"killed-{finished}")
                finished += 1
            journal = folder / "r.h5.journal"
            before = size_of(journal)
            process = subprocess.Popen([PROGRAM, "run", "e.toml", "--out", "r.h5", "--json"], cwd=folder, stdout=subprocess.PIPE,
                                       stderr=subprocess.DEVNULL, env={**os.environ, **ENVIRONMENT})
            # At any time, or when it has written a few bytes more: in the middle of cells, and of the result file.
            end = time.monotonic() + choice.uniform(0, 1.2) * seconds
            size = before + choice.randrange(1, 6000) if choice.random() < 0.6 else float("inf")
            while process.poll() is None and time.monotonic() < end:
                if size_of(journal) >= size:
                    break
                time.sleep(0.0005)
            process.send_signal(signal.SIGKILL)
            output = process.communicate()[0]
            if process.returncode == -signal.SIGKILL:
                kills += 1
            if process.returncode != 0 and (folder / "r.h5").exists() and not journal.exists():
                self.same(whole, folder)  # killed between the last removal and the end
                folder = None
            elif process.returncode == 0:
                self.assertTrue(json.loads(output)["complete"])
                self.same(whole, folder)
                folder = None
            else:
                self.assertEqual(process.returncode, -signal.SIGKILL)
        if folder is not None:
            summary = self.done(folder)
            self.assertTrue(summary["complete"])
            self.same(whole, folder)

    def interrupted(self, name, cells):
        """A run that Ctrl-C stopped among its cells: (its folder, its summary). It may be through them before the signal comes: then another."""
        for attempt in range(50):
            folder = self.place(f"{name}-{attempt}")
            process = subprocess.Popen([PROGRAM, "run", "e.toml", "--out", "r.h5", "--json"], cwd=folder, stdout=subprocess.PIPE,
                                       stderr=subprocess.PIPE, env={**os.environ, **ENVIRONMENT})
            while process.poll() is None and size_of(folder / "r.h5.journal") <= 4000:
                time.sleep(0.0005)
            process.send_signal(signal.SIGINT)
            output, errors = process.communicate()
            said = self.document(process, output, errors)
            if sum(step["finished"] for step in said["steps"]) < cells:
                self.assertEqual(process.returncode, 130, said)
                return folder, said
        self.fail("it never heard the signal in time")

    def test_ctrl_c_keeps_what_is_done(self):
        whole, summary, _ = self.whole()
        cells = summary["cells"]
        folder, said = self.interrupted("stopped", cells)
        self.assertFalse(said["complete"])
        with h5py.File(folder / "r.h5") as file:
            finished = file["experiment/finished"][:]
            self.assertFalse(file.attrs["complete"])
            self.assertEqual(finished.sum(), sum(s["finished"] for s in said["steps"]))
            self.assertTrue(0 < finished.sum() < cells)
        summary = self.done(folder)
        self.assertEqual(summary["resumed"], finished.sum())
        self.same(whole, folder)


class Scale(Experiments):
    def test_shards(self):
        whole, folder = self.whole()[0], self.place("shards")
        for i in range(3):
            self.done(folder, "--shard", f"{i}/3")
        journals = sorted(folder.glob("*.shard-*.journal"))
        self.assertEqual(len(journals), 3)
        self.bad("mismatch", "merge", *journals[:2], cwd=folder)
        merged = run("merge", *journals, "--json", cwd=folder, env=ENVIRONMENT)
        self.assertEqual(merged.returncode, 0, merged.stderr.decode())
        self.same(whole, folder)
        (folder / "r.h5").unlink()
        self.assertFalse(self.good("merge", *journals[:2], "--partial", cwd=folder)["complete"])

    @unittest.skipUnless(shutil.which("mpirun") and (pathlib.Path(PROGRAM).parent.parent / "lib" / "libheadscope_mpi.so").exists(),
                         "Open MPI is not installed, or the program was built without it")
    def test_ranks(self):
        whole = self.whole()[0]
        for n in (1, 2, 4):
            with self.subTest(ranks=n):
                folder = self.place(f"ranks-{n}")
                summary = self.done(folder, launcher=("mpirun", "-n", str(n)), env=MPI)
                self.assertEqual(summary["processes"], n)
                self.same(whole, folder)
                self.assertEqual([p.name for p in folder.glob("*.journal*")], [])

    @unittest.skipUnless(shutil.which("mpirun") and (pathlib.Path(PROGRAM).parent.parent / "lib" / "libheadscope_mpi.so").exists(),
                         "Open MPI is not installed, or the program was built without it")
    def test_an_error_ends_all_ranks(self):
        folder = self.place("bad", HEAD + '[[step]]\nmethod = "patch"\ntask = "pairs"\nsite = "mlp_pre"\naxes = "layer_head"\n')
        result = self.go(folder, launcher=("mpirun", "-n", "2"), env=MPI)
        self.assertNotEqual(result.returncode, 0)
        self.assertIn(b"step pairs-patch", result.stderr)


class Models(Experiments):
    """`path` of [model] as a list: every step on every model, each as if it were alone."""
    several = None  # the folder of a run on two models that nothing disturbed, and its summary
    NAMES = ("first", "second")
    STEPS = STEPS.replace('"successor"', '"duplicate"')
    # The group where each method stores a step's results; a detector's group has its own name, not the step's.
    GROUPS = {"ablate": "ablation", "patch": "patching", "attribute": "logit_attribution", "adjust": "adjustment", "paths": "paths", "circuit": "graph"}

    def second(self):
        """A checkpoint of the same shape: other weights, the same tokenizer."""
        folder = Experiments.shared / "second"
        if not folder.exists():
            shutil.copytree(self.model, folder)
            data = bytearray((folder / "model.safetensors").read_bytes())
            values = np.frombuffer(data, "<f4", offset=8 + int.from_bytes(data[:8], "little"))
            values *= 1 + 0.1 * np.sin(np.arange(values.size, dtype=np.float32))
            (folder / "model.safetensors").write_bytes(data)
        return folder

    def place_models(self, name, steps=None, paths='["first", "second"]', where=None, **more):
        folder = self.place(name, HEAD.replace('"model"', paths) + (steps or self.STEPS), where=where)
        for model, target in {"first": self.model, "second": self.second(), **more}.items():
            (folder / model).symlink_to(target)
        return folder

    def both(self):
        if Models.several is None:
            folder = self.place_models("both", where=Experiments.shared)
            Models.several = folder, self.done(folder)
        return Models.several

    def assertSameGroup(self, mine, theirs, where):
        """Every number, text and attribute is the same to the last bit; but references between the parts of a file, and what begins with a name."""
        plain = lambda part: {k: v for k, v in part.attrs.items() if k not in ("DIMENSION_LIST", "REFERENCE_LIST", "long_name")}
        self.assertEqual(list(plain(mine)), list(plain(theirs)), where)
        for name, value in plain(mine).items():
            np.testing.assert_array_equal(np.asarray(value), np.asarray(theirs.attrs[name]), err_msg=f"{where}@{name}")
        if isinstance(mine, h5py.Dataset):
            np.testing.assert_array_equal(mine[()], theirs[()], err_msg=where)
            return
        self.assertEqual(list(mine), list(theirs), where)
        for name in mine:
            self.assertSameGroup(mine[name], theirs[name], f"{where}/{name}")

    def test_each_model_has_what_it_would_have_alone(self):
        folder, summary = self.both()
        self.assertTrue(summary["complete"])
        with h5py.File(folder / "r.h5") as file:
            table = {name: list(column.asstr()[:] if column.dtype.kind == "O" else column[:]) for name, column in file["experiment/steps"].items()}
            n = len(table["name"]) // 2
            self.assertEqual(table["model"], ["first"] * n + ["second"] * n)  # cells of one model follow one another
            np.testing.assert_array_equal(table["first_cell"], np.concatenate([[0], np.cumsum(table["cells"])[:-1]]))
            self.assertEqual([(s["name"], s["model"]) for s in summary["steps"]], list(zip(table["name"], table["model"])))
            self.assertTrue(file["experiment/finished"][:].all())
            self.assertEqual(list(file["model"].attrs["models"]), list(self.NAMES))
            self.assertEqual(file["model"].attrs["n_layers"], 2)
            self.assertNotIn("sha256", file["model"].attrs)
            self.assertEqual(list(file["options/model"].attrs["model"]), list(self.NAMES))
            for model in self.NAMES:
                alone = self.place_models(f"alone-{model}", paths=f'"{model}"')
                steps = [(s["name"], s["method"]) for s in self.done(alone)["steps"]]
                self.assertEqual([name for name, of in zip(table["name"], table["model"]) if of == model], [f"{name}-{model}" for name, _ in steps])
                with h5py.File(alone / "r.h5") as single:
                    self.assertSameGroup(file[f"models/{model}"], single["model"], "model")
                    for name, method in steps:
                        if method != "detect":
                            group = self.GROUPS[method]
                            self.assertSameGroup(file[f"{group}/{name}-{model}"], single[f"{group}/{name}"], name)
                    for detector in single["detectors"]:
                        self.assertSameGroup(file[f"detectors/{detector}-{model}"], single[f"detectors/{detector}"], detector)
                        self.assertSameGroup(file[f"options/{detector}-{model}"], single[f"options/{detector}"], detector)
                    for prompt in single["prompts"]:  # those of a task are the same under both tokenizers
                        name = prompt if prompt.startswith("pairs-") else prompt.replace("-", f"-{model}-", 1)
                        self.assertSameGroup(file[f"prompts/{name}"], single[f"prompts/{prompt}"], prompt)
            one, other = (file[f"ablation/heads-zero-{model}/effects"][:] for model in self.NAMES)
            self.assertGreater(np.abs(one - other).max(), 1e-4)  # they are two models

    def test_a_list_of_one_is_that_model(self):
        step = '[[step]]\nmethod = "attribute"\ntask = "pairs"\n'
        text, one = self.place_models("text", step, paths='"first"'), self.place_models("list", step, paths='["first"]')
        for folder in (text, one):
            self.done(folder)
        with h5py.File(text / "r.h5") as a, h5py.File(one / "r.h5") as b:
            self.assertSameGroup(a["logit_attribution"], b["logit_attribution"], "results")
            self.assertSameGroup(a["model"], b["model"], "model")
            self.assertNotIn("models", b)

    def test_other_tokenizers_and_shapes(self):
        turned = self.folder / "turned"
        shutil.copytree(self.model, turned)
        tokenizer = json.loads((turned / "tokenizer.json").read_text())
        vocabulary = tokenizer["model"]["vocab"]
        tokenizer["model"]["vocab"] = {piece: len(vocabulary) - 1 - i for piece, i in vocabulary.items()}
        (turned / "tokenizer.json").write_text(json.dumps(tokenizer))
        folder = self.place_models("turned-too", '[[step]]\nname = "direct"\nmethod = "attribute"\ntask = "pairs"\n', paths='["first", "turned"]', turned=turned)
        self.done(folder)
        with h5py.File(folder / "r.h5") as file:
            self.assertEqual(file["prompts/pairs-0/text"].asstr()[()], file["prompts/pairs-turned-0/text"].asstr()[()])
            np.testing.assert_array_equal(file["prompts/pairs-0/token_ids"][:], 100 - file["prompts/pairs-turned-0/token_ids"][:])
            self.assertEqual(list(file["logit_attribution/direct-turned/prompt"].asstr()[:]), [f"pairs-turned-{i}" for i in range(self.count)])
        planted = self.folder / "planted"
        self.good("plant", "--out", planted, "--seed", 1, "--layers", 3)
        detect = '[[step]]\nmethod = "detect"\ndetectors = ["previous"]\nset = ["previous.n=20"]\n'
        folder = self.place("shapes", '[model]\npath = ["first", "planted"]\nthreads = 1\n' + detect)
        (folder / "first").symlink_to(self.model)
        (folder / "planted").symlink_to(planted)
        self.done(folder)
        with h5py.File(folder / "r.h5") as file:
            self.assertEqual(file["detectors/previous-first/scores"].shape, (2, 4))
            self.assertEqual(file["detectors/previous-planted/scores"].shape[0], 3)
            self.assertNotIn("n_layers", file["model"].attrs)  # what they do not have in common is in /models
            self.assertEqual(file["models/planted"].attrs["n_layers"], 3)

    def test_names_of_checkpoints(self):
        step = '[[step]]\nname = "direct"\nmethod = "attribute"\ntask = "pairs"\n'
        folder = self.place_models("runs", step, paths='["run-a/ckpt", "run-b/ckpt"]')
        for run, model in (("run-a", "first"), ("run-b", "second")):
            (folder / run).mkdir()
            (folder / run / "ckpt").symlink_to((folder / model).resolve())
        self.assertEqual([s["name"] for s in self.done(folder)["steps"]], ["direct-run-a-ckpt", "direct-run-b-ckpt"])

    def test_dry_run(self):
        folder = self.place_models("dry")
        planned, alone = self.done(folder, "--dry-run"), self.done(self.place_models("dry-alone", paths='"first"'), "--dry-run")
        self.assertEqual(planned["cells"], 2 * alone["cells"])
        self.assertEqual(planned["forwards"], 2 * alone["forwards"])
        self.assertEqual(planned["memory_bytes"], alone["memory_bytes"])  # one is in memory at a time
        self.assertEqual([s["model"] for s in planned["steps"]], [m for m in self.NAMES for _ in alone["steps"]])

    def test_kills_shards_and_parts(self):
        whole = self.both()[0]
        shards = self.place_models("shards")
        for i in range(2):
            self.done(shards, "--shard", f"{i}/2")
        journals = sorted(shards.glob("*.shard-*.journal"))
        sizes = sum(size_of(journal) for journal in journals)
        merged = run("merge", *journals, "--json", cwd=shards, env=ENVIRONMENT)
        self.assertEqual(merged.returncode, 0, merged.stderr.decode())
        self.same(whole, shards)
        killed = self.place_models("killed")
        for share in (0.1, 0.3, 0.6, 0.8):  # in the first model and in the second
            process = subprocess.Popen([PROGRAM, "run", "e.toml", "--out", "r.h5", "--json"], cwd=killed, stdout=subprocess.DEVNULL,
                                       stderr=subprocess.DEVNULL, env={**os.environ, **ENVIRONMENT})
            while process.poll() is None and size_of(killed / "r.h5.journal") < share * sizes:
                time.sleep(0.0005)
            process.send_signal(signal.SIGKILL)
            process.communicate()
            if (killed / "r.h5").exists():
                break
        if not (killed / "r.h5").exists() or (killed / "r.h5.journal").exists():
            self.done(killed)
        self.same(whole, killed)

    def test_what_is_finished_of_one_model(self):
        folder = self.place_models("begun")
        self.done(folder, "--shard", "0/100000")  # the first cell of all
        begun = self.good("merge", folder / "r.h5.shard-0-of-100000.journal", "--partial", cwd=folder)
        self.assertFalse(begun["complete"])
        with h5py.File(folder / "r.h5") as file:
            self.assertEqual(list(file["models"]), ["first"])
            self.assertIn("heads-zero-first", file["ablation"])
            self.assertNotIn("heads-zero-second", file["ablation"])
            self.assertEqual(file["experiment/finished"][:].sum(), 1)

    @unittest.skipUnless(shutil.which("mpirun") and (pathlib.Path(PROGRAM).parent.parent / "lib" / "libheadscope_mpi.so").exists(),
                         "Open MPI is not installed, or the program was built without it")
    def test_ranks(self):
        whole, folder = self.both()[0], self.place_models("ranks")
        self.done(folder, launcher=("mpirun", "-n", "2"), env=MPI)
        self.same(whole, folder)

    def test_errors(self):
        step = '[[step]]\nmethod = "attribute"\ntask = "pairs"\n'
        cases = [('[]', "line 4, column 8: path", "empty list", "invalid_argument"),
                 ('["first", "first"]', "line 4, column 18: path", "named twice", "invalid_argument"),
                 ('["first", "./first/"]', "line 4, column 18: path", "named twice", "invalid_argument"),
                 ('["first", "missing.gguf"]', "line 4, column 18: path", "missing.gguf", "not_found"),
                 ('["first", ""]', "line 4, column 18: path", "empty", "invalid_argument"),
                 ('["first", 3]', "line 4, column 8: path", "a whole number", "invalid_argument"),
                 ('["model", "model.gguf"]', "line 4, column 18: path", "would have the name model", "invalid_argument")]
        for i, (paths, place, message, code) in enumerate(cases):
            with self.subTest(paths):
                folder = self.place_models(f"bad{i}", step, paths=paths)
                (folder / "model.gguf").write_bytes(b"GGUF")
                error = self.bad(code, "run", folder / "e.toml", "--out", folder / "r.h5", file="e.toml")
                self.assertIn(place, error["field"])
                self.assertIn(message, error["message"])
                self.assertEqual(list(folder.glob("r.h5*")), [])
        names = "".join(f'[[step]]\nname = "{name}"\nmethod = "attribute"\ntask = "pairs"\n' for name in ("x", "x-a"))
        folder = self.place_models("names", names, paths='["b", "a-b"]', **{"b": self.model, "a-b": self.second()})
        error = self.bad("invalid_argument", "run", folder / "e.toml", "--out", folder / "r.h5", file="e.toml", field="model")
        self.assertIn("x-a-b", error["message"])
        # The second model is checked before a cell of the first one runs, and the error names it.
        broken = self.folder / "broken"
        shutil.copytree(self.model, broken)
        (broken / "tokenizer.json").unlink()
        folder = self.place_models("broken-too", step, paths='["first", "broken"]', broken=broken)
        result = self.go(folder)
        self.assertNotEqual(result.returncode, 0)
        self.assertIn("broken", json.loads(result.stdout)["error"]["file"])
        self.assertEqual(list(folder.glob("r.h5*")), [])


if __name__ == "__main__":
    unittest.main()
