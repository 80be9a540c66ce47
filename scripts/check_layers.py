#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fails when an include points against the arrows app -> core -> kernels, plugins -> sdk -> core.

The folder of a file decides what it may include; docs/architecture.md draws the same picture.
Usage: check_layers.py [ROOT]
"""
import pathlib
import re
import sys

# What methods may include; the programs and experiments are above them.
METHODS = {"app/methods", "app/runs", "app/figures", "app/result_figures", "core", "plugins/sdk", "plugins/host"}
# What everything that runs a model is built on.
ENGINE = {"core/base", "core/vocabulary", "core/text", "core/model", "core/engine"}
# Folder -> folders of the project it may include from. The longest matching prefix counts.
ALLOWED = {
    "kernels": {"kernels"},
    "core/base": {"core/base"},
    "core/vocabulary": {"core/base", "core/vocabulary"},
    "core/io": {"core/base", "core/vocabulary", "core/io", "kernels"},
    "core/text": {"core/base", "core/vocabulary", "core/text", "core/io"},
    "core/plant": {"core/base", "core/vocabulary", "core/io", "core/plant"},
    "core/store": {"core/base", "core/vocabulary", "core/store"},
    "core/model": {"core/base", "core/vocabulary", "core/io", "core/text", "core/model", "kernels"},
    "core/engine": {"core/base", "core/vocabulary", "core/text", "core/model", "core/engine", "kernels"},
    "core/mechanisms": ENGINE | {"core/io", "core/mechanisms"},
    "core/context_managers": ENGINE | {"core/mechanisms", "core/context_managers"},
    "core/prompts": {"core/base", "core/vocabulary", "core/text", "core/prompts"},
    "core/scoring": ENGINE | {"core/prompts", "core/scoring"},
    "core/sweeps": ENGINE | {"core/prompts", "core/scoring", "core/sweeps"},
    "core/analysis": ENGINE | {"core/prompts", "core/scoring", "core/sweeps", "core/analysis"},
    "core/batch": {"core/base", "core/vocabulary", "core/batch"},
    "core/circuits": ENGINE | {"core/store", "core/prompts", "core/scoring", "core/sweeps", "core/analysis", "core/circuits"},
    "plugins/sdk": {"core", "plugins/sdk"},
    "plugins/host": {"core", "plugins/sdk", "plugins/host"},
    "plugins": {"core", "plugins/sdk", "plugins/detectors"},
    "app/figures": {"core/base", "core/vocabulary", "app/figures"},
    "app/result_figures": {"core/base", "core/vocabulary", "core/store", "app/figures", "app/result_figures"},
    "app/methods": METHODS,
    "app/experiments": METHODS | {"app/experiments"},
    "app/gui": METHODS | {"app/gui"},
    "app/cli": METHODS | {"app/cli", "app/experiments"},
    "app": {"app", "core", "plugins/sdk", "plugins/host"},
    "tests": {"tests", "app", "core", "plugins", "kernels"},
}
# What files of a folder must not use at all.
QT = re.compile(r"^(Q[A-Z]|Qt[A-Z])")
TORCH = re.compile(r"^(torch|ATen|c10)/")
HDF5 = re.compile(r"^(hdf5|H5)")
CLI11 = re.compile(r"^CLI/")
TOML = re.compile(r"^toml\+\+/")
FORBIDDEN = [
    ("core", "Qt", QT),
    ("kernels", "Qt", QT),
    ("plugins", "Qt", QT),
    ("app/figures", "Torch", TORCH),
    ("app/gui", "Torch", TORCH),
    ("app/gui/engine", "Qt", QT),
    ("app/result_figures", "Torch", TORCH),
    ("kernels", "Torch", TORCH),
    ("app/methods", "Qt", QT),
    ("app/methods", "CLI11", CLI11),
    ("app/methods", "toml++", TOML),
    ("app/experiments", "Qt", QT),
    ("app/experiments", "CLI11", CLI11),
    ("core/base", "Torch", TORCH),
    ("core/vocabulary", "Torch", TORCH),
    ("core/io", "Torch", TORCH),
    ("core/plant", "Torch", TORCH),
    ("core/text", "Torch", TORCH),
    ("core/prompts", "Torch", TORCH),
    ("core/store", "Torch", TORCH),
    ("core/batch", "Torch", TORCH),
]
# The jobs of the window's engine thread use Torch; the headers that the window includes do not.
KNOWS_TORCH = re.compile(r"^app/gui/engine/(\w+\.cpp|engine_state\.h)$")
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')
SUFFIXES = {".h", ".hpp", ".cpp", ".cu", ".cuh"}


def inside(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder + "/")


def rule_of(path: str):
    rules = [folder for folder in ALLOWED if inside(path, folder)]
    return max(rules, key=len) if rules else None


def problems_of(path: str, text: str):
    rule = rule_of(path)
    if rule is None:
        yield 0, "is in no folder that docs/architecture.md knows"
        return
    for number, line in enumerate(text.splitlines(), 1):
        match = INCLUDE.match(line)
        if not match:
            continue
        target = match.group(2)
        for folder, name, pattern in FORBIDDEN:
            if pattern is TORCH and KNOWS_TORCH.match(path):
                continue
            if inside(path, folder) and pattern.match(target):
                yield number, f"{folder} must not know {name}: {target}"
        if HDF5.match(target) and not inside(path, "core/store") and not inside(path, "tests"):
            yield number, f"only core/store knows HDF5: {target}"
        if match.group(1) == '"' and "/" in target and target.split("/")[0] in {"app", "core", "kernels", "plugins", "tests"}:
            if not any(inside(target, folder) for folder in ALLOWED[rule]):
                yield number, f"{rule} must not include {target}"


def main() -> int:
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parent.parent)
    files = failures = 0
    for top in ("app", "core", "kernels", "plugins", "tests"):
        for file in sorted((root / top).rglob("*")):
            if file.suffix not in SUFFIXES:
                continue
            files += 1
            path = file.relative_to(root).as_posix()
            for number, message in problems_of(path, file.read_text(encoding="utf-8", errors="replace")):
                failures += 1
                print(f"{path}:{number}: {message}")
    print(f"{files} files, {failures} includes against the layers")
    return 1 if failures or files == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
