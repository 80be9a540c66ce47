# SPDX-License-Identifier: GPL-3.0-or-later
"""A test program of the window, run on an X server without a screen in place of Qt's own drawing into memory: PROGRAM MODELS.
With a size of the screen (1600x1000) after these there is a window manager, too; what follows is for the program."""

import pathlib
import subprocess
import sys
import tempfile
import time

from real_window import Display

PROGRAM, MODELS, *REST = sys.argv[1:]


def manage(display, folder):
    """A window manager that is ready."""
    ready = folder / "managed"
    manager = subprocess.Popen(["openbox", "--sm-disable", "--startup", f"touch {ready}"], env=dict(display.environment(), HOME=str(folder)),
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while not ready.exists():
        if manager.poll() is not None:
            sys.exit(f"the window manager ended with {manager.returncode}")
        time.sleep(0.02)
    return manager


with tempfile.TemporaryDirectory() as name:
    folder = pathlib.Path(name)
    display = Display(folder, *REST[:1])
    manager = None
    try:
        environment = dict(display.environment(), HEADSCOPE_MODELS=MODELS, HOME=name, QTEST_FUNCTION_TIMEOUT="3000000", XDG_CONFIG_HOME=name,
                           XDG_CACHE_HOME=name, XDG_DATA_HOME=name)
        if REST:
            manager = manage(display, folder)
        code = subprocess.run([PROGRAM, *REST[1:]], env=environment, check=False).returncode
    finally:
        if manager:
            manager.terminate()
            manager.wait()
        display.stop()
sys.exit(code)
