"""Builds the container image of the operator and of the default runtime.

Usage: python tools/image.py [--tag NAME] [--base IMAGE] [--extras LIST] [--engine docker|podman|buildah]

The packages are those of requirements.lock, checked by their hashes before the engine sees
them. What a model needs beyond the extras is added by an image of one's own on top.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
EXTRAS = "operator,serve,s3,sklearn,onnx,xgboost,lightgbm"
TAG = "mlgitops.dev/python:1"
# chroot: builds in places where a container may not start containers.
COMMANDS = {
    "docker": ["docker", "build"],
    "podman": ["podman", "build"],
    "buildah": ["buildah", "build", "--isolation=chroot"],
}


def main() -> int:
    """Build the wheels, then the image."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tag", default=TAG, help=f"the image's name; default {TAG}")
    parser.add_argument("--base", help="an image with Python 3.11; default is the Containerfile's")
    parser.add_argument("--extras", default=EXTRAS, help=f"extras of the package; default {EXTRAS}")
    parser.add_argument("--engine", choices=COMMANDS, default=next(filter(shutil.which, COMMANDS), None))
    parser.add_argument("options", nargs="*", help="more options of the engine, after --")
    asked = parser.parse_args()
    if asked.engine is None:
        print(f"error: no container engine; install one of {', '.join(COMMANDS)}", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory(prefix="mlgitops-image-") as folder:
        context = Path(folder)
        wheels(context / "wheels", context / "requirements.txt", asked.extras)
        base = [f"--build-arg=BASE={asked.base}"] if asked.base else []
        settings = [f"--tag={asked.tag}", f"--build-arg=EXTRAS={asked.extras}", *base, *asked.options]
        command = [*COMMANDS[asked.engine], *settings, f"--file={ROOT / 'images' / 'Containerfile'}", folder]
        return subprocess.run(command).returncode


def wheels(folder: Path, requirements: Path, extras: str) -> None:
    """Gather the wheels of the project and of all that its extras need."""
    python, uv = sys.executable, Path(sys.executable).with_name("uv")
    named = [f"--extra={extra}" for extra in extras.split(",")]
    pins = ["--constraints=requirements.lock", "--generate-hashes", "--no-header", f"--output-file={requirements}"]
    run(uv, "pip", "compile", "--quiet", "pyproject.toml", *named, *pins)
    run(
        python,
        "-m",
        "pip",
        "download",
        "--quiet",
        "--require-hashes",
        f"--requirement={requirements}",
        f"--dest={folder}",
    )
    run(uv, "build", "--quiet", "--wheel", f"--out-dir={folder}")


def run(*command: object) -> None:
    """Run a command in the checkout; its failure is ours."""
    subprocess.run([str(part) for part in command], cwd=ROOT, check=True)


if __name__ == "__main__":
    sys.exit(main())
