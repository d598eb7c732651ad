"""The laws of the house, held by reading the code: who may import whom, how long things are, what is never committed.

A new module needs a row in MAY_IMPORT; a new driver a row in DRIVERS.
"""

import ast
import graphlib
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "src" / "worldevents"
LONGEST_FILE = 400
LONGEST_FUNCTION = 60

WORDS = "errors model access_keys grants results rules movements standing outliers"
BETWEEN = "acks syncer comparing restoring bans"
BELOW_RUNTIME = (
    f"{WORDS} codec prizes clock telemetry settings actions catalog {BETWEEN} batcher engine"
    " moderation personal rewards settling callback store ledger"
)

# Module -> what it may import of ours, each with all that is inside it. "name.*" is a whole package, but for modules
# with a row of their own. "store" and "ledger" are the two __init__: only they and runtime see concrete back ends.
MAY_IMPORT = {
    "errors": "",
    "clock": "",
    "hosts": "",
    "telemetry": "",
    "settings": "errors model",
    "model": "errors",
    "access_keys": "",
    "grants": "model",
    "results": "model",
    "rules": "model errors results",
    "movements": "model errors rules",
    "standing": "model results",
    "outliers": "model",
    "codec": WORDS,
    "codec.*": f"{WORDS} codec",
    "prizes": f"{WORDS} codec",
    "catalog.*": f"catalog {WORDS} codec prizes",
    "actions": WORDS,
    "store.ranking": "",
    "store.keys": "model",
    "store.base": "model errors movements standing",
    "store.feed": "model",
    "store.judging": f"{WORDS} codec clock store.base store.ranking ledger.base ledger.personal",
    "store.embedded": (
        f"{WORDS} codec clock telemetry store.base store.ranking store.feed store.judging ledger.base ledger.personal"
    ),
    "store.redis.*": (
        f"store.redis store.keys {WORDS} codec clock telemetry store.base store.feed ledger.base ledger.personal"
    ),
    "store": f"{WORDS} clock telemetry settings store ledger.base",
    "ledger.base": "model access_keys errors movements ledger.personal",
    "ledger.personal": "model movements",
    "ledger.granted": "model grants errors ledger.base ledger.settled",
    "ledger.settled": "results",
    "ledger.outward": "ledger.base ledger.granted grants",
    "ledger.*": f"{WORDS} codec prizes ledger",
    "ledger": f"{WORDS} settings ledger",
    "batcher": f"{WORDS} actions catalog clock telemetry settings store.base ledger.base",
    "bans": "movements comparing errors ledger.base store.base",
    "moderation": f"bans personal {WORDS}",
    "personal": f"{WORDS} clock store.base ledger.granted ledger.personal acks",
    "acks": f"{WORDS} store.base ledger.base",
    "comparing": f"{WORDS} store.base ledger.base",
    "restoring": f"{WORDS} clock telemetry store.base ledger.base",
    "syncer": f"bans comparing restoring {WORDS} clock telemetry store.base ledger.base",
    "rewards": f"prizes {WORDS} clock ledger.granted",
    "settling": f"{WORDS} clock comparing rewards store.base ledger.base ledger.settled",
    "callback": f"{WORDS} clock ledger.granted ledger.outward",
    "engine": f"{WORDS} actions catalog clock telemetry settings store.base ledger.base ledger.granted batcher acks",
    "auth.*": f"hosts auth {WORDS} clock",
    "live.*": f"hosts live {WORDS} codec clock telemetry",
    "webhooks.*": "webhooks hosts errors model grants rules clock codec telemetry ledger.outward",
    "webhooks.opening": "webhooks errors clock telemetry settings ledger",
    "runtime": f"{BELOW_RUNTIME} auth live webhooks",
    "problems": "errors",
    "documents.rewards": "codec grants rewards",
    "documents.results": "codec engine settling",
    "documents.operating": f"{WORDS} codec documents engine moderation personal ledger.personal",
    "documents.*": f"documents problems {WORDS} codec actions engine",
    "asking": "hosts errors problems model documents",
    "client": "asking errors prizes catalog model rules documents",
    "api.*": (
        f"api hosts problems documents rewards settling auth live webhooks engine {WORDS}"
        " codec catalog actions clock settings telemetry"
    ),
    "api.app": (
        f"__init__ api problems documents auth live webhooks engine runtime {WORDS} codec clock settings telemetry"
    ),
    "protocols": "api",
    "serving": "protocols api ledger live runtime settings clock errors",
    "importers.*": "importers actions model errors",
    "demo.*": f"demo {WORDS} codec clock actions catalog documents importers engine",
    "operations": "errors ledger store.redis",
    "keyring": "auth ledger access_keys",
    "cli.*": (
        "cli hosts model access_keys errors clock codec settings catalog importers demo documents"
        " client auth api engine runtime serving operations keyring webhooks comparing store.base syncer"
        " __init__"
    ),
    "testing.*": f"testing runtime importers demo {BELOW_RUNTIME}",
    "__init__": f"runtime importers {BELOW_RUNTIME}",
    "__main__": "cli",
}

# Library -> the only places that import it.
DRIVERS = {
    "redis": "store.redis",
    "sqlalchemy": "ledger",
    "alembic": "ledger",
    "psycopg": "ledger",
    "sqlite3": "ledger",
    "fastapi": "api console",
    "starlette": "api console",
    "uvicorn": "serving protocols",
    "jinja2": "api console",
    "jwt": "auth",
    "httpx2": "asking live",
    "httpcore2": "webhooks.sending",
    "typer": "cli",
    "rich": "cli",
}

# What no committed file may name: a package registry's host, and one machine's own paths. The brackets keep this file
# from naming them itself.
NEVER_COMMITTED = re.compile(
    r"pypi[.]org|pythonhosted[.]org|registry[.]npmjs|(?:-|extra-)index[-]url|(?<![\w.-])/wor[k](?![\w-])|[.][.]/shared"
)


def _name(path: Path) -> str:
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts)


MODULES = {_name(path): path for path in sorted(PACKAGE.rglob("*.py"))}
SOURCES = sorted([*PACKAGE.rglob("*.py"), *(ROOT / "tests").rglob("*.py")])


def _imports(module: str) -> Iterator[tuple[str, ...]]:
    """Every import of a module, inside functions and for types too: the full dotted name, then what `from` takes."""
    path = MODULES[module]
    package = ["worldevents", *path.relative_to(PACKAGE).parts[:-1]]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from ((alias.name,) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            start = package[: len(package) - node.level + 1] if node.level else []
            source = ".".join([*start, *([node.module] if node.module else [])])
            yield from ((source, alias.name) for alias in node.names)


def _imports_of_ours(module: str) -> set[str]:
    found = set()
    for source, *names in _imports(module):
        if source.partition(".")[0] == "worldevents":
            inside = source.removeprefix("worldevents").removeprefix(".")
            longer = ".".join([inside, *names]).removeprefix(".")
            found.add(longer if longer in MODULES else inside or "__init__")
    return found


def _within(name: str, places: str) -> bool:
    return any(name == place or name.startswith(f"{place}.") for place in places.split())


def _row(module: str) -> str | None:
    """Find a module's own row, else that of the nearest package it is or is in."""
    parts = module.split(".")
    wider = [f"{'.'.join(parts[:depth])}.*" for depth in range(len(parts), 0, -1)]
    return next((MAY_IMPORT[key] for key in [module, *wider] if key in MAY_IMPORT), None)


@pytest.mark.parametrize("module", MODULES)
def test_imports_follow_the_directions(module: str) -> None:
    """Every module has a row in the table and imports nothing of ours but what its row names."""
    allowed = _row(module)
    assert allowed is not None, f"{module} needs a row in MAY_IMPORT"
    assert {name for name in _imports_of_ours(module) if not _within(name, allowed)} == set()


def test_there_is_no_import_cycle() -> None:
    """The modules can be put in an order in which each imports only earlier ones."""
    graph = {module: _imports_of_ours(module) - {module} for module in MODULES}
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        pytest.fail(f"import cycle: {' -> '.join(error.args[1])}")


@pytest.mark.parametrize("module", MODULES)
def test_drivers_stay_in_their_places(module: str) -> None:
    """A database driver or a framework is imported only where it belongs."""
    drivers = {source.partition(".")[0] for source, *_ in _imports(module)} & DRIVERS.keys()
    assert {driver for driver in drivers if not _within(module, DRIVERS[driver])} == set()


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_and_functions_are_short(path: Path) -> None:
    """No file is over 400 lines, no function over 60."""
    text = path.read_text()
    assert len(text.splitlines()) <= LONGEST_FILE
    functions = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    too_long = [it.name for it in functions if (it.end_lineno or 0) - it.lineno + 1 > LONGEST_FUNCTION]
    assert too_long == []


def test_nothing_committed_names_a_registry_or_one_machine() -> None:
    """Lock files, scripts and documents work anywhere: they name no package index and no one's own paths."""
    command = ["git", "-c", "safe.directory=*", "ls-files", "-z"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode != 0:
        pytest.skip("not a git checkout")
    files = [ROOT / name for name in listed.stdout.split("\0") if name]
    found = {
        f"{path.relative_to(ROOT)}: {match.group()}"
        for path in files
        if path.is_file()
        for match in NEVER_COMMITTED.finditer(path.read_bytes().decode(errors="ignore"))
    }
    assert found == set()
