"""A PostgreSQL of our own."""

import os
import pwd
import shutil
import signal
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import psycopg
from psycopg import sql

from tests.servers.process import POLL_S, STOP_S, Server

_ROOT = Path(__file__).parents[2]


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


class PostgresServer(Server):
    """One PostgreSQL: `with PostgresServer() as server`. Fast; what it commits is on disk only with `fsync=True`."""

    name = "postgres"

    def __init__(self, *, fsync: bool = False) -> None:
        binaries = find_postgres()
        if binaries is None:
            raise LookupError(why_no_postgres())
        self._binaries = binaries
        self._fsync = fsync
        self.user = _unprivileged_user()
        super().__init__()

    def url(self, dbname: str = "postgres") -> str:
        """Return the address of one database of this server."""
        return f"postgresql://worldevents@127.0.0.1:{self.port}/{dbname}"

    def create_database(self, name: str, *, template: str = "template1") -> str:
        """Create a database like another one, or an empty one, and return its address."""
        with psycopg.connect(self.url(), autocommit=True) as connection:
            create = sql.SQL("CREATE DATABASE {} TEMPLATE {}")
            connection.execute(create.format(sql.Identifier(name), sql.Identifier(template)))
        return self.url(name)

    def drop_database(self, name: str) -> None:
        """Drop a database, ending the connections that are still open to it."""
        with psycopg.connect(self.url(), autocommit=True) as connection:
            connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """Ask it to leave, without waiting for its clients."""
        super().stop(how)

    def stop_at_once(self) -> None:
        """Its own crash (`immediate`): every process leaves without a word, and the next start recovers."""
        self.stop(signal.SIGQUIT)

    def _prepare(self) -> None:
        options = ["--username=worldevents", "--auth=trust", "--encoding=UTF8", "--no-locale", "--no-sync"]
        command = [str(self._binaries / "initdb"), "-D", str(self.folder / "data"), *options]
        done = subprocess.run(
            command, cwd=self.folder, user=self.user, capture_output=True, text=True, check=False, timeout=60
        )
        if done.returncode != 0:
            raise RuntimeError(f"{command[0]} failed: {done.stderr[-2_000:]}")

    def _command(self) -> Sequence[str]:
        # On the loopback address alone: a socket's path in a deep temporary folder can be too long.
        options = {
            "listen_addresses": "127.0.0.1",
            "port": self.port,
            "unix_socket_directories": "",
            "fsync": "on" if self._fsync else "off",
        }
        settings = [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
        return [str(self._binaries / "postgres"), "-D", str(self.folder / "data"), *settings]

    def _answers(self) -> bool:
        try:
            psycopg.connect(self.url(), connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    def _kill_all(self, process: subprocess.Popen[bytes]) -> None:
        # Stopped first, so that it makes no further ones; each of them is in a session of its own.
        process.send_signal(signal.SIGSTOP)
        children = _children(process.pid)
        for pid in (process.pid, *children):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        deadline = time.monotonic() + STOP_S
        while any(map(_is_alive, children)) and time.monotonic() < deadline:
            time.sleep(POLL_S)


def _children(parent: int) -> list[int]:
    """The processes that a process has made."""
    return [
        int(path.parent.name)
        for path in Path("/proc").glob("[0-9]*/stat")
        if (_stat(path) or "  0").split()[1] == str(parent)
    ]


def _is_alive(pid: int) -> bool:
    state = _stat(Path(f"/proc/{pid}/stat"))
    return state is not None and state.split()[0] not in "ZX"


def _stat(path: Path) -> str | None:
    """A process's state and parent and what follows them, behind its name; None where it is gone."""
    try:
        return path.read_text().rpartition(")")[2]
    except OSError:
        return None


def _unprivileged_user() -> int | None:
    """PostgreSQL refuses to run as root: the user it runs as instead, None for our own."""
    if os.geteuid() != 0:
        return None
    known = {entry.pw_name: entry.pw_uid for entry in pwd.getpwall()}
    return known.get("postgres", known.get("nobody"))
