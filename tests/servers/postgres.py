"""Real servers for the tests: found, started on ports and folders of their own, stopped.

Nothing here installs anything (tools/real_servers does), and nothing touches a server that is already running.
"""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import NoReturn, Self

import psycopg
from psycopg import sql

_ROOT = Path(__file__).parent.parent
_START_SECONDS, _STOP_SECONDS, _TRIES = 30.0, 10.0, 3


def find_postgres() -> Path | None:
    """Return the folder with PostgreSQL's server programs, the newest version first, or None."""
    on_path = shutil.which("postgres")
    candidates = [
        Path(os.environ.get("WORLDEVENTS_TEST_PG_BIN", "/nonexistent")),
        *([Path(on_path).resolve().parent] if on_path else []),
        *sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda it: it.parent.name.zfill(4), reverse=True),
        *(_ROOT / ".servers/postgres").glob("*/pginstall/bin"),
    ]
    return next((it for it in candidates if (it / "postgres").is_file() and (it / "initdb").is_file()), None)


def why_no_postgres() -> str | None:
    """Return the reason why no PostgreSQL can be started here, or None if one can."""
    return None if find_postgres() else "no PostgreSQL server programs on this machine (make setup looks for them)"


class PostgresServer:
    """One PostgreSQL of our own: `with PostgresServer() as server`. Fast, not durable (fsync off)."""

    def __init__(self) -> None:
        binaries = find_postgres()
        if binaries is None:
            raise LookupError(why_no_postgres())
        self._binaries = binaries
        self._user = _unprivileged_user()
        self._folder = Path(tempfile.mkdtemp(prefix="worldevents-postgres-"))
        self._process: subprocess.Popen[bytes] | None = None
        self._port = 0

    def __enter__(self) -> Self:
        """Make an empty cluster and start the server on a free loopback port."""
        try:
            if self._user is not None:
                os.chown(self._folder, self._user, -1)
            self._initdb()
            if not any(self._start() for _ in range(_TRIES)):
                self._fail("postgres", (self._folder / "log").read_text())
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop the server, by force if it does not go by itself, and remove its folder."""
        if self._process is not None:
            self._process.send_signal(signal.SIGINT)
            try:
                self._process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        shutil.rmtree(self._folder, ignore_errors=True)

    def url(self, dbname: str = "postgres") -> str:
        """Return the address of one database of this server."""
        return f"postgresql://worldevents@127.0.0.1:{self._port}/{dbname}"

    def create_database(self, name: str) -> str:
        """Create an empty database and return its address."""
        with psycopg.connect(self.url(), autocommit=True) as connection:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        return self.url(name)

    def drop_database(self, name: str) -> None:
        """Drop a database, ending the connections that are still open to it."""
        with psycopg.connect(self.url(), autocommit=True) as connection:
            connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))

    def _initdb(self) -> None:
        options = ["--username=worldevents", "--auth=trust", "--encoding=UTF8", "--no-locale", "--no-sync"]
        command = [str(self._binaries / "initdb"), "-D", str(self._folder / "data"), *options]
        done = subprocess.run(
            command, cwd=self._folder, user=self._user, capture_output=True, text=True, check=False, timeout=60
        )
        if done.returncode != 0:
            self._fail("initdb", done.stderr)

    def _start(self) -> bool:
        """Start on a port that was free a moment ago; False if the process ended (someone took the port)."""
        with socket.create_server(("127.0.0.1", 0)) as free:
            self._port = int(free.getsockname()[1])
        # On the loopback address alone: a socket's path in a deep temporary folder can be too long.
        options = {"listen_addresses": "127.0.0.1", "port": self._port, "unix_socket_directories": "", "fsync": "off"}
        settings = [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [str(self._binaries / "postgres"), "-D", str(self._folder / "data"), *settings],
                cwd=self._folder,
                user=self._user,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # so that Ctrl-C ends the tests first, then the server
            )
        deadline = time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline:
            try:
                self._process.wait(0.05)
            except subprocess.TimeoutExpired:
                if self._answers():
                    return True
            else:
                return False
        return False

    def _fail(self, program: str, output: str) -> NoReturn:
        raise RuntimeError(f"{self._binaries / program} failed: {output[-2000:]}")

    def _answers(self) -> bool:
        try:
            psycopg.connect(self.url(), connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True


def _unprivileged_user() -> int | None:
    """PostgreSQL refuses to run as root: the user it runs as instead, None for our own."""
    if os.geteuid() != 0:
        return None
    known = {entry.pw_name: entry.pw_uid for entry in pwd.getpwall()}
    return known.get("postgres", known.get("nobody"))
