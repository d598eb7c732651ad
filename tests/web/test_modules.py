"""The modules as files: small, plain, and harmless to import."""

from __future__ import annotations

import gzip
import re
import subprocess
from collections.abc import Iterable
from pathlib import Path

from tests.web.conftest import driver

SERVED_MAX, SET_MAX = 12 * 1024, 10 * 1024


def _bare(text: str) -> str:
    """The least that any minifier leaves out: comments on lines of their own, and indentation."""
    lines = re.sub(r"^\s+", "", text, flags=re.MULTILINE)
    return re.sub(r"^(/\*\*.*?\*/\n|//[^\n]*\n)", "", lines, flags=re.MULTILINE | re.DOTALL)


def _zipped(texts: Iterable[str]) -> int:
    return sum(len(gzip.compress(text.encode(), 9, mtime=0)) for text in texts)


def test_they_stay_small(modules: Path) -> None:
    """Gzipped file by file the whole set is at most 10 kB without its comments, and 12 kB as it is served."""
    texts = {path.stem: path.read_text() for path in modules.glob("*.js")}

    assert {"define", "element", "feed", "format", "goal-banner", "goal-contributors"} == set(texts)
    assert _zipped(map(_bare, texts.values())) <= SET_MAX
    assert _zipped(texts.values()) <= SERVED_MAX


def test_text_is_never_markup(modules: Path) -> None:
    """No module has a way to make markup or code out of a text, or imports anything but its neighbours."""
    for path in modules.glob("*.js"):
        text = path.read_text()
        assert [] == re.findall(r"innerHTML|outerHTML|insertAdjacent|document\.write|\beval\b|new Function", text)
        assert [] == re.findall(r"from '(?!\./[a-z-]+\.js')", text)


def test_outside_a_browser_they_can_be_imported(modules: Path) -> None:
    """A server that renders pages may import them: nothing is registered, nothing fails."""
    node = driver()
    for path in modules.glob("*.js"):
        program = f"import({path.as_uri()!r}).catch((error) => {{ console.error(error); process.exit(1) }})"
        done = subprocess.run([node, "--input-type=module", "-e", program], capture_output=True, text=True, check=False)
        assert 0 == done.returncode, done.stderr
