"""The rules of the house that a program can check: who imports whom, who is named where, how large
a room is.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from hub.vocabulary import Channel

ROOT = Path(__file__).resolve().parent.parent
HUB = ROOT / "hub"
MODULES = sorted(HUB.rglob("*.py"))
LONGEST = 400
# modules over the limit that still have to be divided; only ever shorten this list
TOO_LONG = {
    "hub/admin/message.py",
    "hub/api/document.py",
    "hub/config.py",
    "hub/integrations/_twilio.py",
    "hub/integrations/base.py",
    "hub/integrations/slack.py",
    "hub/integrations/telegram.py",
    "hub/messaging/delivery.py",
    "hub/messaging/outbox.py",
    "hub/messaging/outcomes.py",
    "hub/messaging/policy.py",
    "hub/messaging/suppressions.py",
}

WORDS = {"errors", "vocabulary", "config", "datadir"}
PLUMBING = {
    "disk",
    "stopping",
    "masking",
    "crypto",
    "http",
    "phones",
    "number_forms",
    "addresses",
    "times",
    "storable",
    "text",
    "page_text",
    "compression",
    "assets",
}
STORE = {
    "engines",
    "models",
    "extensions",
    "web_extensions",
    "statements",
    "store",
    "waking",
    "locks",
}
# what runs the processes: no part of the application, so it knows nothing of it
RUNNING = {"ports", "processes", "queue_server", "supervisor", "terminal"}
STARTING = {"startup", "sqlite_check"}  # what is checked before anything starts
# what the use cases and doors share: settled by DESIGN's table as "store" and "use cases"
SHARED = {
    "audit",
    "security_log",
    "clock_check",
    "live",
    "idempotency",
    "group_commit",
    "optimistic",
    "tokens",
}
BELOW = WORDS | PLUMBING | STORE | SHARED | {"integrations"}
# intake → signing → messaging; accounts stand beside them, and set up what a new hub starts with
USE_CASES = {
    "intake": {"signing", "messaging"},
    "signing": {"messaging"},
    "messaging": set(),
    "accounts": {"signing", "messaging"},
}
DOORS = {"api", "admin", "webhooks", "cli", "jobs", "health"}

MAY_IMPORT: dict[str, set[str]] = {
    **dict.fromkeys(WORDS, WORDS),
    **dict.fromkeys(PLUMBING, WORDS | PLUMBING),
    "integrations": WORDS | PLUMBING,
    "models": WORDS | PLUMBING | {"extensions"},
    "extensions": WORDS,
    "web_extensions": WORDS | PLUMBING,
    "statements": set(),
    "engines": {"models"},
    "waking": set(),
    "store": WORDS | PLUMBING | STORE,
    "locks": WORDS | {"extensions"},
    **dict.fromkeys(SHARED, BELOW),
    **{room: BELOW | allowed for room, allowed in USE_CASES.items()},
    **dict.fromkeys(DOORS, BELOW | set(USE_CASES)),
    **dict.fromkeys(RUNNING, WORDS | RUNNING),
    **dict.fromkeys(STARTING, WORDS | PLUMBING | {"extensions"} | STARTING),
    "application": BELOW | {"health"},
    "web": WORDS | {""},
    "": {"application", "config"},
    "simulator": WORDS | PLUMBING | {""},
}
# the command line starts all there is, by loading it when the command runs
MAY_IMPORT["up"] = BELOW | set(USE_CASES) | RUNNING | {"", "web", "jobs", "simulator"}
MAY_IMPORT["cli"] = MAY_IMPORT["up"] | {"up", "scaffold"} | STARTING
MAY_IMPORT["health"] |= STARTING
MAY_IMPORT["scaffold"] = WORDS | {
    "integrations"
}  # no part of what runs: it writes files for developers
MAY_IMPORT["jobs"] |= {""}


def room(path: Path) -> str:
    """Return the package or module right below hub/; "" for the package itself."""
    first = path.relative_to(HUB).parts[0].removesuffix(".py")
    return "" if first == "__init__" else first


@cache
def imports(path: Path) -> frozenset[str]:
    """Return every module of ours and of others that a file imports, wherever in it, for type
    checking too.
    """
    package = ("hub", *path.relative_to(HUB).parts[:-1])
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(package[: len(package) - node.level + 1] if node.level else ())
            module = ".".join(part for part in (base, node.module or "") if part)
            found |= {f"{module}.{alias.name}" for alias in node.names}
    return frozenset(found)


def rooms_imported(path: Path) -> Iterator[str]:
    for name in imports(path):
        if name == "hub":
            yield ""
        elif name.startswith("hub."):
            second = name.split(".")[1]
            exists = (HUB / second).is_dir() or (HUB / f"{second}.py").is_file()
            yield second if exists else ""  # else a name in hub/__init__.py


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_a_room_imports_only_what_the_design_allows(path: Path) -> None:
    own = room(path)
    assert own in MAY_IMPORT, (
        f"hub/{own} is a new room: say in MAY_IMPORT what it may import, and in the design what it"
        " is for"
    )
    strangers = set(rooms_imported(path)) - MAY_IMPORT[own] - {own}
    assert not strangers, f"{name_of(path)} imports {sorted(strangers)}"


def test_nothing_but_the_command_line_imports_the_simulator() -> None:
    importers = {
        name_of(path)
        for path in MODULES
        if "simulator" in set(rooms_imported(path)) and room(path) != "simulator"
    }
    assert importers <= {"hub/cli.py", "hub/up.py"}


@pytest.mark.parametrize("path", sorted((HUB / "integrations").glob("*.py")), ids=name_of)
def test_integrations_know_neither_database_nor_queue_nor_flask(path: Path) -> None:
    forbidden = {"flask", "flask_sqlalchemy", "sqlalchemy", "rq", "redis", "psycopg", "flask_wtf"}
    assert not {name.split(".")[0] for name in imports(path)} & forbidden


@pytest.mark.parametrize("path", sorted((HUB / "models").glob("*.py")), ids=name_of)
def test_models_send_nothing(path: Path) -> None:
    assert not {name.split(".")[0] for name in imports(path)} & {
        "requests",
        "urllib3",
        "twilio",
        "rq",
        "redis",
    }


def integration_names() -> list[str]:
    files = (HUB / "integrations").glob("*.py")
    return sorted(
        path.stem for path in files if not path.stem.startswith("_") and path.stem != "base"
    )


def named_in(text: str) -> set[str]:
    names = set(integration_names()) - {channel.value for channel in Channel}
    return {name for name in names if re.search(rf"\b{re.escape(name)}\b", text)}


def test_the_search_for_names_finds_one() -> None:
    assert integration_names()
    assert named_in(f'if connection.integration == "{integration_names()[0]}":')


def core() -> list[Path]:
    """Return what must work for every integration alike: all code and pages but the integrations'
    and the simulator's own.
    """
    own = (HUB / "integrations", HUB / "simulator", HUB / "templates" / "simulator")
    files = [*MODULES, *sorted((HUB / "templates").rglob("*.*"))]
    return [path for path in files if not any(folder in path.parents for folder in own)]


@pytest.mark.parametrize("path", core(), ids=name_of)
def test_no_integration_is_named_outside_its_module(path: Path) -> None:
    assert not named_in(path.read_text()), "ask the class for what differs, as data"


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_module_is_short(path: Path) -> None:
    lines = len(path.read_text().splitlines())
    if name_of(path) in TOO_LONG:
        assert lines > LONGEST, "it is short enough now: take it off the list"
    else:
        assert lines <= LONGEST, f"{lines} lines: divide it"


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_a_module_is_named_after_what_is_in_it(path: Path) -> None:
    assert path.stem not in {"utils", "util", "helpers", "helper", "common", "manager", "misc"}


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_a_module_says_what_it_is(path: Path) -> None:
    assert ast.get_docstring(ast.parse(path.read_text())), "begin with a sentence"
