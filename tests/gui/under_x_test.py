# SPDX-License-Identifier: GPL-3.0-or-later
"""A test program of the window, run on an X server without a screen in place of Qt's own drawing into memory: PROGRAM MODELS."""

import os
import pathlib
import subprocess
import sys
import tempfile

from real_window import Display

with tempfile.TemporaryDirectory() as folder:
    display = Display(pathlib.Path(folder))
    try:
        environment = dict(os.environ, DISPLAY=display.name, QT_QPA_PLATFORM="xcb", QT_ACCESSIBILITY="0", HEADSCOPE_MODELS=sys.argv[2], HOME=folder,
                           QTEST_FUNCTION_TIMEOUT="3000000", XDG_CONFIG_HOME=folder, XDG_CACHE_HOME=folder, XDG_DATA_HOME=folder)
        code = subprocess.run([sys.argv[1]], env=environment, check=False).returncode
    finally:
        display.stop()
sys.exit(code)
