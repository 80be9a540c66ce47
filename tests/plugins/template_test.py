# SPDX-License-Identifier: GPL-3.0-or-later
"""The templates built out of tree against an installed Headscope, loaded and run by the installed program."""
import json
import os
import pathlib
import shutil
import subprocess
import unittest

import harness

BUILD = os.environ["HEADSCOPE_BUILD"]
TORCH = os.environ["HEADSCOPE_TORCH_ROOT"]


def call(*command, **more):
    result = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False, **more)
    if result.returncode != 0:
        raise AssertionError(f"{command}\n{result.stdout}\n{result.stderr}")
    return result.stdout


class Template(harness.Case):
    def test_is_built_from_an_installed_tree_and_run(self):
        prefix = self.folder / "prefix"
        call("cmake", "--install", BUILD, "--prefix", prefix)
        plugins = self.folder / "plugins"
        plugins.mkdir()
        for name in ("detector", "attention"):
            build = self.folder / f"build-{name}"
            source = prefix / "share/headscope/template" / name
            call("cmake", "-G", "Ninja", "-S", source, "-B", build, f"-DCMAKE_PREFIX_PATH={prefix}",
                 f"-DHEADSCOPE_TORCH_ROOT={TORCH}", "-DCMAKE_BUILD_TYPE=Release")
            call("cmake", "--build", build)
            for file in (build / "plugins").iterdir():
                shutil.copy(file, plugins)
        env = {**os.environ, "HEADSCOPE_PLUGINS": str(plugins), "XDG_CACHE_HOME": str(self.folder / "cache"),
               "XDG_DATA_HOME": str(self.folder / "data")}
        program = prefix / "bin/headscope"
        listed = json.loads(call(program, "plugins", "list", "--json", env=env))
        states = {p["id"]: (p["state"], p["reason"]) for p in listed["plugins"]}
        self.assertEqual(states, {"detectors": ("loaded", ""), "my_id": ("loaded", ""), "double": ("loaded", "")})
        self.assertTrue(all(pathlib.Path(p["module"]).is_relative_to(self.folder) for p in listed["plugins"]), listed)

        model = self.small_model()
        found = json.loads(call(program, "detect", "--model", model, "--detectors", "my_id", "--set", "my_id.n=5",
                                "--attention", "double", "--out", self.folder / "found.h5", "--json", env=env))
        scores = found["detectors"]["my_id"]["scores"]
        # The same from the maps of the in-tree program.
        self.compare_with_maps(scores, model, self.folder / "found.h5")

    def compare_with_maps(self, scores, model, file):
        import h5py
        import numpy as np
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
