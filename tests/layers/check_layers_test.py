#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The layer check passes on the repository and fails on each kind of forbidden include."""
import pathlib
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
CHECK = ROOT / "scripts" / "check_layers.py"


def run(root):
    return subprocess.run([sys.executable, str(CHECK), str(root)], capture_output=True, text=True, check=False)


class CheckLayers(unittest.TestCase):
    def check(self, path, include, wanted):
        with tempfile.TemporaryDirectory() as folder:
            file = pathlib.Path(folder) / path
            file.parent.mkdir(parents=True)
            file.write_text(f"#pragma once\n#include {include}\n")
            result = run(folder)
            self.assertEqual(result.returncode, wanted, result.stdout)
            if wanted:
                self.assertIn(f"{path}:2:", result.stdout)

    def test_the_repository_itself(self):
        result = run(ROOT)
        self.assertEqual(result.returncode, 0, result.stdout)

    def test_an_empty_tree_is_no_success(self):
        with tempfile.TemporaryDirectory() as folder:
            self.assertNotEqual(run(folder).returncode, 0)

    def test_with_the_arrows(self):
        self.check("app/cli/a.cpp", '"core/engine/engine.h"', 0)
        self.check("plugins/detectors/a.cpp", '"plugins/sdk/detector.h"', 0)
        self.check("core/io/a.cpp", '"kernels/cpu/dequant.h"', 0)
        self.check("core/store/a.h", '"core/vocabulary/head_id.h"', 0)
        self.check("plugins/sdk/a.h", '"core/vocabulary/head_id.h"', 0)
        self.check("app/cli/a.cpp", '"app/experiments/experiment.h"', 0)
        self.check("app/gui/views/a.cpp", '"app/methods/methods.h"', 0)
        self.check("app/experiments/a.cpp", '"app/methods/methods.h"', 0)
        self.check("app/experiments/a.cpp", "<toml++/toml.hpp>", 0)
        self.check("core/analysis/a.cpp", '"core/sweeps/sweep.h"', 0)
        self.check("core/sweeps/a.cpp", '"core/scoring/metric.h"', 0)
        self.check("core/scoring/a.h", '"core/prompts/answers.h"', 0)

    def test_against_the_arrows(self):
        self.check("core/engine/a.h", '"app/cli/options.h"', 1)
        self.check("core/engine/a.h", '"plugins/sdk/detector.h"', 1)
        self.check("plugins/sdk/a.h", '"plugins/detectors/builtin.h"', 1)
        self.check("kernels/cpu/a.h", '"core/base/result.h"', 1)
        self.check("core/io/a.h", '"core/engine/engine.h"', 1)
        self.check("core/vocabulary/a.h", '"core/engine/hook.h"', 1)
        self.check("app/methods/a.h", '"app/cli/command.h"', 1)
        self.check("app/methods/a.h", '"app/gui/engine/values.h"', 1)
        self.check("app/methods/a.h", '"app/experiments/step.h"', 1)
        self.check("app/gui/views/a.cpp", '"app/experiments/step.h"', 1)
        self.check("core/prompts/a.h", '"core/engine/engine.h"', 1)
        self.check("core/prompts/a.h", '"core/scoring/metric.h"', 1)
        self.check("core/scoring/a.h", '"core/sweeps/sweep.h"', 1)
        self.check("core/sweeps/a.h", '"core/analysis/logit_lens.h"', 1)
        self.check("core/sweeps/a.h", '"core/circuits/graph.h"', 1)

    def test_libraries_that_a_layer_must_not_know(self):
        self.check("core/engine/a.h", "<QString>", 1)
        self.check("core/io/a.h", "<ATen/ATen.h>", 1)
        self.check("kernels/cpu/a.h", "<torch/torch.h>", 1)
        self.check("core/vocabulary/a.h", "<QString>", 1)
        self.check("core/vocabulary/a.h", "<ATen/ATen.h>", 1)
        self.check("core/prompts/a.h", "<ATen/ATen.h>", 1)
        self.check("app/methods/a.cpp", "<QString>", 1)
        self.check("app/methods/a.cpp", "<CLI/CLI.hpp>", 1)
        self.check("app/methods/a.cpp", "<toml++/toml.hpp>", 1)
        self.check("app/experiments/a.cpp", "<QString>", 1)
        self.check("app/experiments/a.cpp", "<CLI/CLI.hpp>", 1)
        self.check("app/figures/a.h", "<ATen/core/Tensor.h>", 1)
        self.check("core/engine/a.h", "<hdf5.h>", 1)
        self.check("app/gui/views/a.cpp", "<ATen/ATen.h>", 1)
        self.check("app/gui/engine/a.h", "<ATen/ATen.h>", 1)
        self.check("app/gui/engine/a.cpp", "<QString>", 1)
        self.check("app/gui/engine/a.cpp", "<ATen/ATen.h>", 0)

    def test_a_folder_that_nobody_knows(self):
        with tempfile.TemporaryDirectory() as folder:
            file = pathlib.Path(folder) / "core" / "misc" / "a.h"
            file.parent.mkdir(parents=True)
            file.write_text("#pragma once\n")
            self.assertEqual(run(folder).returncode, 1)


if __name__ == "__main__":
    unittest.main()
