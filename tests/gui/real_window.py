# SPDX-License-Identifier: GPL-3.0-or-later
"""The real window on an X server without a screen, driven from outside by real key and mouse events (xdotool)."""

import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time
import unittest

PROGRAM, MODELS = sys.argv[1:3]
WIDTH, HEIGHT, PROMPT_BOTTOM = 1280, 800, 125
PATIENCE = 900  # seconds for what must come; on a busy machine all is slow


class Display:
    """An X server of its own."""

    def __init__(self, folder, size=f"{WIDTH}x{HEIGHT}"):
        # A server that looks for a free number itself can take that of one that is ending, which then removes the socket of both.
        for number in range(1000 + os.getpid() % 50000, 60000):
            if self.serve(number, folder, size):
                break
        self.frame = folder / "Xvfb_screen0"

    def serve(self, number, folder, size):
        """Whether a server could be started at this number; it is ready then."""
        self.name = f":{number}"
        reader, writer = os.pipe()
        command = ["Xvfb", self.name, "-displayfd", str(writer), "-screen", "0", f"{size}x24", "-nolisten", "tcp", "-noreset",
                   "-fbdir", str(folder)]
        self.server = subprocess.Popen(command, pass_fds=[writer], stderr=subprocess.DEVNULL)
        os.close(writer)
        with os.fdopen(reader) as answer:
            if answer.readline().strip() == str(number):
                return True
        self.stop()
        return False

    def environment(self):
        """Of programs that have their windows here, and nothing to do with the user's session and its buses."""
        return dict(os.environ, DISPLAY=self.name, QT_QPA_PLATFORM="xcb", QT_ACCESSIBILITY="0", DBUS_SESSION_BUS_ADDRESS="unix:path=/nonexistent")

    def pixels(self):
        """Rows of (b, g, r, unused) bytes, from the XWD file that the server keeps up to date."""
        raw = self.frame.read_bytes()
        header, colours = (int.from_bytes(raw[at:at + 4], "big") for at in (0, 76))
        stride = int.from_bytes(raw[48:52], "big")
        start = header + 12 * colours
        return [raw[start + row * stride:start + row * stride + 4 * WIDTH] for row in range(HEIGHT)]

    def stop(self):
        self.server.terminate()
        self.server.wait(PATIENCE)


class Window:
    def __init__(self, display, folder):
        self.folder, self.display = folder, display
        self.environment = dict(display.environment(), XDG_CONFIG_HOME=str(folder), HEADSCOPE_MODELS=MODELS, OMP_NUM_THREADS="1", HOME=str(folder))
        self.process, self.id = None, None

    def start(self, *arguments):
        self.process = subprocess.Popen([PROGRAM, "--theme", "light", "--width", str(WIDTH), "--height", str(HEIGHT), *arguments],
                                        env=self.environment, stderr=subprocess.PIPE, text=True)
        self.id = self.until(lambda: self.search("Headscope"), "the window to appear")
        self.tool("windowmove", self.id, 0, 0)
        self.tool("windowfocus", self.id)

    def tool(self, *arguments):
        done = subprocess.run(["xdotool", *map(str, arguments)], env=self.environment, capture_output=True, text=True, timeout=PATIENCE)
        return done.stdout.strip()

    def search(self, title):
        return self.tool("search", "--onlyvisible", "--name", title).split("\n")[0]

    def until(self, ready, what):
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            if answer := ready():
                return answer
            if self.process and self.process.poll() is not None:
                raise AssertionError(f"the window ended with {self.process.returncode} before {what}: {self.process.stderr.read()}")
            time.sleep(0.1)
        raise AssertionError(f"waited in vain for {what}")

    def works(self):
        """Whether a thread of the window runs or waits for a CPU: on a busy machine an unchanged picture alone proves nothing."""
        for state in pathlib.Path(f"/proc/{self.process.pid}/task").glob("*/stat"):
            try:
                if state.read_text().rpartition(")")[2].split()[0] in "RD":
                    return True
            except (FileNotFoundError, ProcessLookupError):  # the thread has ended meanwhile
                return True
        return False

    def title(self):
        return self.tool("getwindowname", self.id)

    def key(self, *names):
        for name in names:
            self.tool("key", "--clearmodifiers", name)
            time.sleep(0.15)

    def click(self, x, y):
        self.tool("mousemove", x, y, "click", 1)
        time.sleep(0.2)

    def find(self, text):
        """Selects through the finder. There is no window manager, so the focus is set explicitly."""
        self.key("slash")
        self.tool("windowfocus", "--sync", self.until(lambda: self.search("^Find$"), "the finder"))
        self.tool("type", "--delay", 30, text)
        self.key("Return")
        self.until(lambda: not self.search("^Find$"), "the finder to close")
        self.tool("windowfocus", "--sync", self.id)

    def close(self):
        """Closes the window and returns the session that it wrote."""
        self.key("ctrl+q")
        code = self.process.wait(PATIENCE)
        assert code == 0, f"the window ended with {code}: {self.process.stderr.read()}"
        return json.loads((self.folder / "headscope" / "session.json").read_text())


class RealWindow(unittest.TestCase):
    """A window on a display of its own."""
    def setUp(self):
        self.scratch = tempfile.TemporaryDirectory()
        self.folder = pathlib.Path(self.scratch.name)
        self.display = Display(self.folder)
        self.window = Window(self.display, self.folder)

    def tearDown(self):
        if self.window.process and self.window.process.poll() is None:
            self.window.process.kill()
            self.window.process.wait()
        if self.window.process:
            self.window.process.stderr.close()
        self.display.stop()
        self.scratch.cleanup()

    def settled(self):
        """Waits until nothing below the prompt, whose cursor blinks, changes in five checks, and no thread of the window has work."""
        before, calm = None, 0

        def look():
            nonlocal before, calm
            now = self.display.pixels()[PROMPT_BOTTOM:]
            calm, before = (calm + 1 if now == before and not self.window.works() else 0), now
            time.sleep(0.15)
            return calm >= 5

        self.window.until(look, "the window to come to rest")
        return before


def main():
    unittest.main(argv=sys.argv[:1] + sys.argv[3:])
