"""Rules of the architecture: which layer imports which, where integrations are named, sizes."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from hub import integrations
from hub.core.vocabulary import QUEUES, Channel

ROOT = Path(__file__).resolve().parent.parent
HUB = ROOT / "hub"
MODULES = sorted(HUB.rglob("*.py"))
SOURCES = sorted(
    path for folder in ("hub", "tests", "benchmarks") for path in (ROOT / folder).rglob("*.py")
)
LONGEST = 400
LONGEST_FUNCTION = 50
# hot paths that know how a transaction takes the lock; only ever shorten this list
LOCK_AWARE = {
    "hub/intake/process_callbacks.py",
    "hub/messaging/contacts/contacts.py",
    "hub/messaging/policy/spending.py",
    "hub/messaging/send/claims.py",
    "hub/messaging/send/throttle_gate.py",
    "hub/shared/idempotency.py",
    "hub/signing/accept.py",
    "hub/signing/team_posts.py",
}
LOCK_NAMES = {
    "hub.db.optimistic_transaction.optimistic",
    "hub.db.store.ReadOnlySession",
    "hub.db.store.require_write_lock",
    "hub.db.store.savepoint",
    "hub.db.store.writers_lock",
}

# from the bottom to the top: a layer imports only itself and what stands before it
LAYERS = (
    "core",
    "lib",
    "db",
    "models",
    "integrations",
    "shared",
    "messaging.policy",
    "messaging.state",
    "messaging.contacts",
    "messaging.compose",
    "messaging.send",
    "messaging.track",
    "messaging.inbox",
    "signing",
    "intake",
    "accounts",
    "connections",
    "api",
    "webhooks",
    "admin",
    "jobs",
    "app",
    "run",
    "cli",
)
ENTRY_POINTS = {"api", "webhooks", "admin", "jobs"}  # they do not import one another
DIVIDED = {layer.partition(".")[0] for layer in LAYERS if "." in layer}


def layer_of(module: str) -> str:
    """Return the layer of a module, such as `hub.messaging.send.claims`.

    The package itself offers `create_app`, so it belongs to the application.
    """
    first, *others = [*module.split(".")[1:], ""][:2]
    if not first:
        return "app"
    return f"{first}.{others[0]}" if first in DIVIDED and others[0] else first


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


def modules_imported(path: Path) -> Iterator[str]:
    """Return the modules of ours that a file imports, or names in a string to load them."""
    for name in imports(path) | names_in_strings(path):
        if name == "hub" or name.startswith("hub."):
            yield name if module_exists(name) else name.rpartition(".")[0]


@cache
def names_in_strings(path: Path) -> frozenset[str]:
    texts = (
        node.value
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    )
    return frozenset(
        text
        for text in texts
        if re.fullmatch(r"hub(\.\w+)+", text) and text != "hub.db" and module_exists(text)
    )  # hub.db is also the name of the database's file


def module_exists(name: str) -> bool:
    place = ROOT.joinpath(*name.split("."))
    return (place / "__init__.py").is_file() or place.with_suffix(".py").is_file()


def module_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def test_each_folder_is_a_layer() -> None:
    layers = {layer_of(module_of(path)) for path in MODULES}
    assert layers == {*LAYERS, *DIVIDED, "simulator"}


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_layer_imports_only_lower_layers(path: Path) -> None:
    own = layer_of(module_of(path))
    if own == "simulator":
        lower = {"core", "lib"}
    else:
        lower = set(LAYERS[: LAYERS.index(own)]) if own in LAYERS else set()
        if own in ENTRY_POINTS:
            lower -= ENTRY_POINTS
        if own in {"run", "cli"}:
            lower |= {"simulator"}  # they start it
    strangers = {
        name for name in modules_imported(path) if layer_of(name) not in {*lower, *DIVIDED, own}
    }
    assert not strangers, f"{name_of(path)} imports {sorted(strangers)}"


@pytest.mark.parametrize("queue", QUEUES)
def test_each_queue_has_a_job(queue: str) -> None:
    assert module_exists(f"hub.jobs.{queue}")


def test_modules_import_each_other_in_no_cycle() -> None:
    graph = {
        module_of(path): {name for name in modules_imported(path) if name != module_of(path)}
        for path in MODULES
    }
    TopologicalSorter(graph).prepare()


def test_only_the_processes_import_the_simulator() -> None:
    importers = {
        name_of(path)
        for path in MODULES
        if any(layer_of(name) == "simulator" for name in modules_imported(path))
    }
    assert {name for name in importers if not name.startswith("hub/simulator/")} <= {
        "hub/cli.py",
        "hub/run/up.py",
    }


@pytest.mark.parametrize("path", sorted((HUB / "integrations").rglob("*.py")), ids=name_of)
def test_integrations_know_neither_database_nor_queue_nor_flask(path: Path) -> None:
    forbidden = {"flask", "flask_sqlalchemy", "sqlalchemy", "rq", "redis", "psycopg", "flask_wtf"}
    assert not {name.split(".")[0] for name in imports(path)} & forbidden


@pytest.mark.parametrize(
    "path",
    sorted((HUB / "integrations").glob("*/*.py")),
    ids=name_of,
)
def test_integration_imports_its_own_package_and_the_contract_only(path: Path) -> None:
    own = ".".join(module_of(path).split(".")[:3])
    allowed = re.compile(rf"hub\.integrations\.api\.|{re.escape(own)}(\.|$)")
    ours = {name for name in imports(path) if name.startswith("hub.")}
    assert not {name for name in ours if not allowed.match(name)}


@pytest.mark.parametrize("path", sorted((HUB / "models").glob("*.py")), ids=name_of)
def test_models_send_nothing(path: Path) -> None:
    assert not {name.split(".")[0] for name in imports(path)} & {
        "requests",
        "urllib3",
        "twilio",
        "rq",
        "redis",
    }


# they declare TWILIO_WEBHOOK_AUTH_TOKEN, a setting whose name operators know
NAME_A_PROVIDER = {"hub/core/config.py"}


@cache
def integration_names() -> frozenset[str]:
    """Return the names of the integrations, of the modules and packages that hold them, and of
    their providers, and their titles. Names of channels, such as WhatsApp, belong to everyone.
    """
    known = integrations.registry()
    names = {*known, *(cls.__module__.split(".")[2] for cls in known.values())}
    names |= {cls.title for cls in known.values()} | {cls.provider for cls in known.values()}
    channels = {channel.value for channel in Channel}
    return frozenset(name for name in names if name.lower() not in channels)


def named_in(text: str) -> set[str]:
    return {name for name in integration_names() if re.search(rf"\b{re.escape(name)}\b", text)}


def test_the_search_for_names_finds_each_kind() -> None:
    cls = next(iter(integrations.registry().values()))
    for name in (cls.name, cls.title, cls.provider):
        assert named_in(f'if connection.integration == "{name}":')


def core() -> list[Path]:
    """Return what must work for every integration alike: all code and pages but the integrations'
    and the simulator's own.
    """
    own = (HUB / "integrations", HUB / "simulator", HUB / "templates" / "simulator")
    files = [*MODULES, *sorted((HUB / "templates").rglob("*.*"))]
    return [path for path in files if not any(folder in path.parents for folder in own)]


@pytest.mark.parametrize("path", core(), ids=name_of)
def test_no_integration_is_named_outside_its_module(path: Path) -> None:
    named = named_in(path.read_text())
    if name_of(path) in NAME_A_PROVIDER:
        assert named, "it names none any more: take it off the list"
    else:
        assert not named, "ask the class for what differs, as data"


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_module_is_short(path: Path) -> None:
    lines = len(path.read_text().splitlines())
    assert lines <= LONGEST, f"{lines} lines: divide it"


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_functions_are_short(path: Path) -> None:
    lengths = {
        node.name: (node.end_lineno or node.lineno) - node.lineno + 1
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    long = {name for name, lines in lengths.items() if lines > LONGEST_FUNCTION}
    assert not long, "divide it into parts with names of their own"


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_conditional_expressions_are_not_chained(path: Path) -> None:
    chained = [
        node.lineno
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.IfExp)
        and any(isinstance(part, ast.IfExp) for part in (node.test, node.body, node.orelse))
    ]
    assert not chained, f"write them with if statements: lines {chained}"


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_values_are_assigned_one_by_one(path: Path) -> None:
    """Swapping two values is the one use of a pair on both sides."""
    pairs = [
        node.lineno
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Assign)
        and isinstance(node.value, ast.Tuple)
        and isinstance(node.targets[0], ast.Tuple)
        and {ast.unparse(part) for part in node.value.elts}
        != {ast.unparse(part) for part in node.targets[0].elts}
    ]
    assert not pairs, f"give each value a line of its own: lines {pairs}"


@pytest.mark.parametrize(
    "path", [path for path in MODULES if HUB / "db" not in path.parents], ids=name_of
)
def test_only_hot_paths_know_about_locks(path: Path) -> None:
    names = imports(path) & LOCK_NAMES
    if name_of(path) in LOCK_AWARE:
        assert names, "it knows nothing about locks any more: take it off the list"
    else:
        assert not names, "write a function under @transaction, in plain SQLAlchemy"


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_module_has_a_telling_name(path: Path) -> None:
    assert path.stem not in {"utils", "util", "helpers", "helper", "common", "manager", "misc"}


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_module_has_a_docstring(path: Path) -> None:
    assert ast.get_docstring(ast.parse(path.read_text())), "begin with a sentence"
