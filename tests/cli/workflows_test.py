# SPDX-License-Identifier: GPL-3.0-or-later
"""Every block of docs/workflows.md works as it stands, in the order of the page, in one folder."""
import os
import pathlib
import re
import subprocess
import sys
import unittest

from harness import GOLDEN, PROGRAM, SMOLLM2, Case

PAGE = GOLDEN.parents[1] / "docs" / "workflows.md"


@unittest.skipUnless(SMOLLM2.exists(), f"{SMOLLM2} is missing; run scripts/bootstrap")
class Workflows(Case):
    def test_every_block(self):
        blocks = re.findall(r"^```(\w*)\n(.*?)^```$", PAGE.read_text(), re.M | re.S)
        self.assertGreater(len(blocks), 15)
        self.assertEqual({language for language, _ in blocks}, {"sh", "python"})
        env = {**os.environ, "PATH": f"{pathlib.Path(PROGRAM).parent}:{os.environ['PATH']}"}
        for language, text in blocks:
            call = ["bash", "-eu", "-c", text] if language == "sh" else [sys.executable, "-c", text]
            result = subprocess.run(call, cwd=self.folder, env=env, capture_output=True, check=False)
            self.assertEqual(result.returncode, 0, f"{text}\n{result.stderr.decode(errors='replace')[-3000:]}")
            self.assertTrue(result.stdout or result.stderr, f"it says nothing:\n{text}")

    def test_every_method_of_a_notebook_is_there(self):
        text = PAGE.read_text()
        for command in ("activations", "attention", "detect", "attribute", "lens", "patch", "paths", "ablate", "weights", "steer", "examples",
                        "circuit", "mask", "run", "merge", "results compare", "export"):
            self.assertIn(f"headscope {command} ", text)


if __name__ == "__main__":
    unittest.main()
