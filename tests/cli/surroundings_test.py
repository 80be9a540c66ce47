# SPDX-License-Identifier: GPL-3.0-or-later
"""The program's surroundings: its CUDA module, readers of its output, pipes where files are expected, open folders."""
import os
import pathlib
import shutil
import subprocess
import threading
import unittest

from harness import PROGRAM, Case, run


class CudaModule(Case):
    """The program searches its own folder, so a copy in a separate folder finds what the test puts there."""
    def setUp(self):
        super().setUp()
        self.copy = self.folder / "bin" / "headscope"
        self.copy.parent.mkdir()
        shutil.copy2(PROGRAM, self.copy)

    def version(self):
        result = subprocess.run([self.copy, "--version"], capture_output=True, check=True,
                                env={name: value for name, value in os.environ.items() if name != "LD_LIBRARY_PATH"})
        return result.stdout.decode(), result.stderr.decode()

    def test_none(self):
        said, _ = self.version()
        self.assertIn("CUDA kernels: none beside the program", said)

    def test_one_that_cannot_be_opened(self):
        module = self.copy.parent / "libheadscope_cuda.so"
        module.write_bytes(b"no library")
        said, warned = self.version()
        self.assertIn(f"CUDA kernels: {module} is not used", said)
        self.assertEqual(warned.count("is not used"), 1, warned)

    def test_one_of_something_else(self):
        module = self.copy.parent / "libheadscope_cuda.so"
        other = next(path for path in pathlib.Path(PROGRAM).parent.parent.rglob("*.so") if "plugin" in str(path))
        shutil.copy2(other, module)
        self.assertIn("it is no module of Headscope's", self.version()[0])


class Readers(Case):
    def test_who_has_seen_enough(self):
        """`headscope … | head -1`: the reader closes the pipe before the program writes into it."""
        reader, writer = os.pipe()
        os.close(reader)
        with os.fdopen(writer, "wb") as closed:
            result = subprocess.run([PROGRAM, "methods", "--json"], stdout=closed, stderr=subprocess.PIPE, check=False)
        self.assertEqual((result.returncode, result.stderr), (0, b""))


class Pipes(Case):
    """A FIFO that nobody writes to never ends: it is refused or passed over, and never waited for."""
    def fifo(self, name):
        path = self.folder / name
        os.mkfifo(path)
        return path

    def test_in_place_of_inputs(self):
        model = ("--model", self.small_model())
        for call, name in ((("ablate", *model, "--prompts-file"), "prompts.csv"), (("logits", *model, "--prompt-file"), "text"),
                           (("run",), "e.toml"), (("export",), "r.h5"), (("inspect",), "i.h5"),
                           (("merge",), "m.journal"), (("logits", "--prompt", "a", "--model"), "m.gguf")):
            with self.subTest(name=name):
                path = self.fifo(name)
                result = run(*call, path, *(("--out", "out") if call[0] in ("export", "run") else ()), cwd=self.folder, timeout=600)
                said = result.stderr.decode()
                self.assertNotIn(result.returncode, (0, 1), said)
                self.assertIn(name, said)

    def test_in_place_of_a_journal(self):
        folder = self.folder
        self.small_model()
        (folder / "e.toml").write_text('name = "e"\n[model]\npath = "llama"\n[[task]]\nname = "t"\nfile = "t.csv"\n[[step]]\nmethod = "ablate"\ntask = "t"\n')
        (folder / "t.csv").write_text("clean,corrupted,answer,wrong\nabc,abd,c,d\n")
        path = self.fifo("r.h5.journal")
        result = run("run", "e.toml", "--out", "r.h5", cwd=folder, timeout=600)
        self.assertNotIn(result.returncode, (0, 1))
        self.assertIn("r.h5.journal", result.stderr.decode())
        self.assertTrue(path.is_fifo(), "it was replaced")

    def test_whose_writer_is_there(self):
        """Process substitution, `--prompt-file <(…)`, gives a pipe with a writer: a text may come from one, or be refused, at once."""
        path = self.fifo("text")
        writer = threading.Thread(target=path.write_text, args=("abc",))
        writer.start()
        result = run("logits", "--model", self.small_model(), "--prompt-file", path)
        if writer.is_alive():  # it was not opened: lets the writer go
            os.close(os.open(path, os.O_RDONLY | os.O_NONBLOCK))
        writer.join()
        self.assertIn(result.returncode, (0, 2, 5))
        self.assertTrue(result.returncode == 0 or b"text" in result.stderr)


class OpenFolders(Case):
    def test_plugins_that_anybody_may_replace(self):
        open_to_all = self.folder / "plugins"
        open_to_all.mkdir()
        open_to_all.chmod(0o777)
        result = run("plugins", "list", env={"HEADSCOPE_PLUGINS": str(open_to_all)})
        self.assertIn(f"anybody may write into the plugin folder {open_to_all}", result.stderr.decode())
        open_to_all.chmod(0o755)
        result = run("plugins", "list", env={"HEADSCOPE_PLUGINS": str(open_to_all)})
        self.assertNotIn("anybody may write", result.stderr.decode())


if __name__ == "__main__":
    unittest.main()
