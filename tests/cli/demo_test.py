# SPDX-License-Identifier: GPL-3.0-or-later
"""scripts/demo: what a second run costs, and displays that cannot be used. The programs are stand-ins that write what they are told."""
import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
SURVEY = """case $1 in
  survey) echo "heads of $3"; echo maps >"$5"; echo survey >>calls ;;
  export) mkdir -p "$8"; echo picture >"$8/a.png" ;;
esac
"""


class Demo(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="headscope-demo-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        (self.folder / "scripts").mkdir()
        for name in ("demo", "dependencies.sh"):
            shutil.copy(ROOT / "scripts" / name, self.folder / "scripts" / name)
        self.program("scripts/bootstrap", "")
        self.program("path/cmake", 'echo "-- Headscope: stand-in"')
        self.program("build/bin/headscope", SURVEY)
        self.program("build/bin/headscope-gui", "exec /bin/sleep 10000")
        self.program("build/lib/headscope/plugins/a.so", "")
        self.program("build/models/SmolLM2-135M-Instruct.Q4_1.gguf", "weights")

    def program(self, name, text):
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("#!/bin/bash\n" + text + "\n")
        path.chmod(0o755)

    def demo(self, *more, display=None):
        env = {k: v for k, v in os.environ.items() if k not in ("DISPLAY", "WAYLAND_DISPLAY")}
        env["PATH"] = f"{self.folder}/path:{env['PATH']}"
        if display:
            env["DISPLAY"] = display
        result = subprocess.run([self.folder / "scripts/demo", *more], capture_output=True, text=True, env=env, check=False, timeout=1200)
        self.assertEqual(result.returncode, 0, result.stderr)
        return result.stdout

    def surveys(self):
        return (self.folder / "calls").read_text().count("survey")

    def results(self):
        return sorted(p.name for p in (self.folder / "results").iterdir())

    def test_a_second_run_shows_what_there_is(self):
        self.demo()
        said = self.demo()
        self.assertEqual(self.surveys(), 1)
        self.assertIn("already", said)
        self.assertIn("heads of", said)
        self.assertEqual(self.results(), ["demo"])
        self.demo("--again")
        self.assertEqual(self.surveys(), 2)
        self.assertEqual(self.results(), ["demo", "demo.1"])

    def test_another_program_or_half_a_result_is_no_reason_to_skip(self):
        self.demo()
        self.program("build/bin/headscope", SURVEY + "# another")
        self.assertNotIn("already", self.demo())
        (self.folder / "results/demo/made-from.sha256").unlink()
        self.assertNotIn("already", self.demo())
        self.assertEqual(self.surveys(), 3)

    def window(self, text, looked_at_when):
        """A stand-in for the window; the script checks on it when this is true, instead of after some seconds."""
        self.program("build/bin/headscope-gui", "echo $$ >window.new; mv window.new window; " + text)
        self.program("path/sleep", f"until [[ -s window ]] && {looked_at_when}; do /bin/sleep 0.05; done")

    def test_a_display_that_cannot_be_used(self):
        self.window("echo no display >&2; kill -ABRT $$", "! kill -0 $(<window) 2>/dev/null")
        self.assertIn("could not be opened", self.demo(display=":77"))
        self.assertIn("no display", (self.folder / "results/demo/window.log").read_text())

    def test_a_window_is_not_waited_for(self):
        self.window("exec /bin/sleep 10000", "true")
        self.assertIn("the window is open", self.demo(display=":0"))
        os.kill(int((self.folder / "window").read_text()), 15)


if __name__ == "__main__":
    unittest.main()
