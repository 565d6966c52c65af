"""The wheel holds every module of the package, and nothing else."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LAYERS = ("engine", "expressions", "storage", "video")


def modules() -> set[str]:
    here = {f"marey/{path.name}" for path in ROOT.glob("*.py")}
    for layer in LAYERS:
        here |= {
            f"marey/{p.relative_to(ROOT).as_posix()}" for p in (ROOT / layer).rglob("*.py")
        }
    return here | {"marey/py.typed"}


def test_the_wheel_holds_every_module_and_nothing_else(tmp_path: Path) -> None:
    # Built from a copy: setuptools leaves a build folder and metadata beside the sources.
    source = tmp_path / "source"
    source.mkdir()
    tracked = [ROOT / m.removeprefix("marey/") for m in modules()]
    for path in [*tracked, ROOT / "pyproject.toml", ROOT / "README.md", ROOT / "LICENSE"]:
        copy = source / path.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(path.read_bytes())
    (source / "tests").mkdir()
    (source / "tests" / "test_nothing.py").write_text("")
    subprocess.run(
        [sys.executable, "-c", _BUILD, str(tmp_path)],
        cwd=source,
        check=True,
        capture_output=True,
    )
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = {n for n in archive.namelist() if ".dist-info/" not in n}
    assert names == modules()


# The build backend itself, without an installer around it: no network, no isolated environment.
_BUILD = "import sys; from setuptools import build_meta; build_meta.build_wheel(sys.argv[1])"
