# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes the files that a page shows, each named in a line of its own above a block of code."""
import pathlib
import re
import sys

page, folder = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
found = re.findall(r"^`([\w./-]+)`:\n```\w+\n(.*?)^```$", page.read_text(), re.M | re.S)
if not found:
    sys.exit(f"{page} shows no file")
for name, text in found:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists() or path.read_text() != text:  # what is the same is not compiled again
        path.write_text(text)
