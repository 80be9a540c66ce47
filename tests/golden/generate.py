#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes the reference data of the engine's tests from transformers. Nothing here comes from Headscope itself.

    pip install -r tests/golden/requirements.txt
    python tests/golden/generate.py [--only models|variants|gguf|processing|real|heads|detectors|evidence] [--models build/models]

tests/golden/README.md says what the files hold.
"""
import argparse
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=["models", "variants", "gguf", "processing", "real", "heads", "detectors", "evidence"])
    parser.add_argument("--models", default=str(HERE.parents[1] / "build" / "models"), help="folder of the packaged GGUF files")
    arguments = parser.parse_args()
    if arguments.only in (None, "models"):
        import generate_models
        generate_models.main()
    if arguments.only in (None, "variants"):
        import generate_variants
        generate_variants.main()
    if arguments.only in (None, "models", "gguf"):
        import generate_gguf
        generate_gguf.main()
    if arguments.only in (None, "processing"):
        import generate_processing
        generate_processing.main()
    if arguments.only in (None, "real"):
        import generate_real
        generate_real.main(pathlib.Path(arguments.models))
    if arguments.only in (None, "heads"):
        import generate_heads
        generate_heads.main(pathlib.Path(arguments.models))
    if arguments.only in (None, "detectors"):
        import generate_detectors
        generate_detectors.main(pathlib.Path(arguments.models))
    if arguments.only in (None, "evidence"):
        import generate_evidence
        generate_evidence.main(pathlib.Path(arguments.models))


if __name__ == "__main__":
    main()
