# SPDX-License-Identifier: GPL-3.0-or-later
"""docs/plugin-guide.md as it is written: installs, builds the templates out of tree, and runs them."""
import json
import os
import pathlib
import re
import subprocess
import unittest

import h5py
import numpy as np

import harness

GUIDE = pathlib.Path(os.environ["HEADSCOPE_GUIDE"])
BUILD = os.environ["HEADSCOPE_BUILD"]


class Guide(harness.Case):
    def test_its_commands_work(self):
        blocks = re.findall(r"^```bash\n(.*?)^```$", GUIDE.read_text(), re.MULTILINE | re.DOTALL)
        self.assertEqual(len(blocks), 4)
        install = "cmake --install build "
        self.assertIn(install, blocks[0])
        # The guide's build folder is that of the sources; here it is a scratch one, and the real one is installed from.
        script = "set -e\n" + "".join(blocks).replace(install, f"cmake --install '{BUILD}' ")
        (self.folder / "build").mkdir()
        env = {**os.environ, "XDG_CACHE_HOME": str(self.folder / "cache"), "XDG_DATA_HOME": str(self.folder / "data")}
        result = subprocess.run(["bash", "-c", script], cwd=self.folder, env=env, capture_output=True, text=True,
                                errors="replace", check=False)
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)
        self.assertIn("Self-attending heads", result.stdout)
        self.assertIn("First-token heads", result.stdout)
        self.assertIn("100% tests passed, 0 tests failed out of 2", result.stdout)  # the template's own
        self.assertNotIn("refused", result.stdout)
        self.check_plugins(env)

    def program(self, env, *args):
        program = self.folder / "build/prefix/bin/headscope"
        result = subprocess.run([program, *map(str, args), "--json"], env=env, capture_output=True, check=False)
        self.assertEqual(result.returncode, 0, result.stderr)
        return json.loads(result.stdout)

    def check_plugins(self, env):
        env = {**env, "HEADSCOPE_PLUGINS": str(self.folder / "build/my_plugins")}
        plugins = self.program(env, "plugins", "list")["plugins"]
        self.assertEqual({p["id"]: p["state"] for p in plugins},
                         {"detectors": "loaded", "my_id": "loaded", "fade": "loaded", "first_token": "loaded"})
        # All of them from the installed tree or the user's folder, none from where this was built.
        self.assertTrue(all(pathlib.Path(p["module"]).is_relative_to(self.folder) for p in plugins), plugins)
        # The template's scores are those of the maps that the program of the build stores.
        file = self.folder / "found.h5"
        model = self.small_model()
        scores = self.program(env, "detect", "--model", model, "--detectors", "my_id", "--set", "my_id.n=9", "--out",
                              file)["detectors"]["my_id"]["scores"]
        with h5py.File(file) as found:
            text = found["prompts/my_id-0/text"].asstr()[()]
        maps = self.folder / "maps.h5"
        self.good("attention", "--model", model, "--prompt", text, "--no-bos", "--heads", "all", "--precision",
                  "float32", "--out", maps)
        with h5py.File(maps) as stored:
            (group,) = stored["attention"].values()
            pattern = group["pattern"][...]  # [head, query, key]
        wanted = np.array([np.diagonal(p).mean() for p in pattern]).reshape(np.shape(scores))
        self.assertClose(scores, wanted, 1e-5)


if __name__ == "__main__":
    unittest.main()
