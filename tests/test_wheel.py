"""What is installed is what was tested: the wheel carries all that the package needs besides its modules."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel as a packager would, without the network."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (built,) = folder.glob("*.whl")
    return built


@pytest.mark.slow
def test_the_wheel_is_complete(wheel: Path) -> None:
    """Every file of the package is in it, and the licence."""
    package = ROOT / "src" / "worldevents"
    files = {
        str(path.relative_to(package.parent))
        for path in package.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    inside = set(zipfile.ZipFile(wheel).namelist())

    assert set() == files - inside
    assert {"worldevents/py.typed", "worldevents/demo/winter.toml", "worldevents/demo/data/LICENSE-DATA"} <= inside
    assert any(name.endswith("licenses/LICENSE") for name in inside)


@pytest.mark.slow
def test_the_wheel_runs_from_its_archive_alone(wheel: Path, tmp_path: Path) -> None:
    """With nothing of the checkout on the path, the installed package does its main job."""
    zipfile.ZipFile(wheel).extractall(tmp_path / "site")
    program = (
        "import worldevents, sys; print(worldevents.__file__); from worldevents.__main__ import main; sys.exit(main())"
    )
    command = [sys.executable, "-P", "-c", program, "replay", "--from", "2023-12-23", "--to", "2023-12-25"]
    environment = {"PYTHONPATH": str(tmp_path / "site"), "PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(str(tmp_path))
