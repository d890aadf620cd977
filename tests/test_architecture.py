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
from hub.integrations import brokers

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
    "hub/messaging/send/claims.py",
    "hub/shared/idempotency.py",
    "hub/signing/accept.py",
}
LOCK_NAMES = {
    "hub.db.current_change.current_change",
    "hub.db.current_change.is_prepared",
    "hub.db.optimistic_transaction.optimistic",
    "hub.db.store.ReadOnlySession",
    "hub.db.store.savepoint",
    "hub.db.store.writers_lock",
}
# what claiming and recording, accepting an event, intake and processing callbacks execute each
# time, so that its statements are compiled once; only ever shorten this list
COMPILED = {
    "hub/accounts/api_keys.py",
    "hub/endpoints/handler_subscriptions.py",
    "hub/endpoints/platform_events.py",
    "hub/intake/process_callbacks.py",
    "hub/intake/provider_callbacks.py",
    "hub/messaging/compose/cancellation.py",
    "hub/messaging/compose/outbox.py",
    "hub/messaging/compose/provider_templates.py",
    "hub/messaging/compose/render.py",
    "hub/messaging/contacts/chats.py",
    "hub/messaging/contacts/contact_links.py",
    "hub/messaging/contacts/contacts.py",
    "hub/messaging/inbox/original_message.py",
    "hub/messaging/inbox/inbound.py",
    "hub/messaging/policy/connection_info.py",
    "hub/messaging/policy/linked_contacts.py",
    "hub/messaging/policy/newest_decisions.py",
    "hub/messaging/policy/opt_outs.py",
    "hub/messaging/policy/policy.py",
    "hub/messaging/policy/session_windows.py",
    "hub/messaging/policy/spending.py",
    "hub/messaging/send/due_messages.py",
    "hub/messaging/send/outcomes.py",
    "hub/messaging/send/provider_ids.py",
    "hub/messaging/send/recipient_pacing.py",
    "hub/messaging/send/thread_order.py",
    "hub/messaging/send/throttle_gate.py",
    "hub/messaging/state/message_batch.py",
    "hub/messaging/state/withdrawals.py",
    "hub/messaging/track/statuses.py",
    "hub/search/unindexed.py",
    "hub/shared/action_tokens.py",
    "hub/shared/idempotency.py",
    "hub/signing/accept.py",
    "hub/signing/planning.py",
    "hub/signing/signing_batch.py",
    "hub/signing/stored_events.py",
}
COMPILED_NAMES = {
    "hub.db.compiled_sql.Statement",
    "hub.db.store.read",
    "hub.db.store.read_to_change",
    "hub.db.store.write",
}

# from the bottom to the top: a layer imports only itself and the layers before it
LAYERS = (
    "core",
    "lib",
    "db",
    "models",
    "integrations",
    "shared",
    "search",
    "endpoints",
    "handlers",
    "messaging.policy",
    "messaging.state",
    "messaging.contacts",
    "messaging.compose",
    "messaging.send",
    "messaging.track",
    "messaging.inbox",
    "evidence",
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
    first, *folders = [*module.split(".")[1:], ""][:2]
    if not first:
        return "app"
    return f"{first}.{folders[0]}" if first in DIVIDED and folders[0] else first


@cache
def nodes(path: Path) -> tuple[ast.AST, ...]:
    """Return every node of a file's syntax tree, parsed once because parsing is slow."""
    return tuple(ast.walk(ast.parse(path.read_text())))


@cache
def imports(path: Path) -> frozenset[str]:
    """Return every module that a file imports, at any place and for type checking."""
    package = ("hub", *path.relative_to(HUB).parts[:-1])
    imported = set()
    for node in nodes(path):
        if isinstance(node, ast.Import):
            imported |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(package[: len(package) - node.level + 1] if node.level else ())
            module = ".".join(part for part in (base, node.module or "") if part)
            imported |= {f"{module}.{alias.name}" for alias in node.names}
    return frozenset(imported)


def modules_imported(path: Path) -> Iterator[str]:
    """Return the hub's modules that a file imports or loads by name."""
    for name in imports(path) | names_in_strings(path):
        if name == "hub" or name.startswith("hub."):
            yield name if module_exists(name) else name.rpartition(".")[0]


@cache
def names_in_strings(path: Path) -> frozenset[str]:
    texts = (
        node.value
        for node in nodes(path)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    )
    return frozenset(
        text
        for text in texts
        if re.fullmatch(r"hub(\.\w+)+", text) and text != "hub.db" and module_exists(text)
    )  # hub.db is also the name of the database's file


def module_exists(name: str) -> bool:
    path = ROOT.joinpath(*name.split("."))
    return (path / "__init__.py").is_file() or path.with_suffix(".py").is_file()


def module_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def test_each_folder_is_a_layer() -> None:
    layers = {layer_of(module_of(path)) for path in MODULES}
    assert layers == {*LAYERS, *DIVIDED, "simulator"}


def test_layers_import_only_lower_layers() -> None:
    upward = {name_of(path): imported for path in MODULES if (imported := upward_imports(path))}
    assert not upward


def upward_imports(path: Path) -> list[str]:
    """Return the modules of the hub that a file imports against its layer."""
    own_layer = layer_of(module_of(path))
    if own_layer == "simulator":
        lower = {"core", "lib"}
    else:
        lower = set(LAYERS[: LAYERS.index(own_layer)]) if own_layer in LAYERS else set()
        if own_layer in ENTRY_POINTS:
            lower -= ENTRY_POINTS
        if own_layer in {"run", "cli"}:
            lower |= {"simulator"}  # they start it
    allowed = {*lower, *DIVIDED, own_layer}
    return sorted(name for name in modules_imported(path) if layer_of(name) not in allowed)


@pytest.mark.parametrize("queue", QUEUES)
def test_each_queue_has_a_job(queue: str) -> None:
    assert module_exists(f"hub.jobs.{queue}")


def test_modules_have_no_import_cycles() -> None:
    graph = {
        module_of(path): {name for name in modules_imported(path) if name != module_of(path)}
        for path in MODULES
    }
    TopologicalSorter(graph).prepare()


def test_only_processes_import_the_simulator() -> None:
    importers = {
        name_of(path)
        for path in MODULES
        if any(layer_of(name) == "simulator" for name in modules_imported(path))
    }
    assert {name for name in importers if not name.startswith("hub/simulator/")} <= {
        "hub/cli.py",
        "hub/run/up.py",
    }


def test_integrations_import_neither_database_nor_queue_nor_flask() -> None:
    forbidden = {"flask", "flask_sqlalchemy", "sqlalchemy", "rq", "redis", "psycopg", "flask_wtf"}
    assert not importers_of(forbidden, HUB / "integrations")


def importers_of(packages: set[str], folder: Path) -> dict[str, set[str]]:
    """Return the modules below a folder that import one of these packages, and which."""
    importers = {
        name_of(path): {name.split(".")[0] for name in imports(path)} & packages
        for path in sorted(folder.rglob("*.py"))
    }
    return {name: imported for name, imported in importers.items() if imported}


def integration_modules() -> list[Path]:
    """Return the modules of integrations: of packages, and those that are a single module."""
    folder = HUB / "integrations"
    registered = (*integrations.registry().values(), *brokers.registry().values())
    homes = {cls.__module__.split(".")[2] for cls in registered}
    single = [folder / f"{home}.py" for home in homes]
    packaged = [path for home in homes for path in (folder / home).glob("*.py")]
    return sorted([*packaged, *(path for path in single if path.is_file())])


def test_integration_imports_only_its_package_and_the_contract() -> None:
    unexpected = {}
    for path in integration_modules():
        own_package = ".".join(module_of(path).split(".")[:3])
        allowed = re.compile(
            rf"hub\.integrations\.(api\.|broker(\.|$))|{re.escape(own_package)}(\.|$)"
        )
        hub_imports = {name for name in imports(path) if name.startswith("hub.")}
        if strangers := {name for name in hub_imports if not allowed.match(name)}:
            unexpected[name_of(path)] = strangers
    assert not unexpected


def test_models_import_no_sending_code() -> None:
    assert not importers_of({"requests", "urllib3", "twilio", "rq", "redis"}, HUB / "models")


# they declare TWILIO_WEBHOOK_AUTH_TOKEN, a setting whose name operators know
NAME_A_PROVIDER = {"hub/core/config.py"}


@cache
def integration_names() -> frozenset[str]:
    """Return the names and titles of the integrations, their modules and their providers.

    Names of channels, such as WhatsApp, belong to everyone.
    """
    registered = integrations.registry()
    names = {*registered, *(cls.__module__.split(".")[2] for cls in registered.values())}
    names |= {
        name for broker in brokers.registry().values() for name in (broker.name, broker.title)
    }
    names |= {cls.title for cls in registered.values()} | {
        cls.provider for cls in registered.values()
    }
    channels = {channel.value for channel in Channel}
    return frozenset(name for name in names if name.lower() not in channels)


def named_in(text: str) -> set[str]:
    return {name for name in integration_names() if re.search(rf"\b{re.escape(name)}\b", text)}


def test_search_finds_each_kind_of_integration_name() -> None:
    cls = next(iter(integrations.registry().values()))
    for name in (cls.name, cls.title, cls.provider):
        assert named_in(f'if connection.integration == "{name}":')


def core() -> list[Path]:
    """Return all code and pages outside the integrations and the simulator."""
    exempt = (HUB / "integrations", HUB / "simulator", HUB / "templates" / "simulator")
    files = [*MODULES, *sorted((HUB / "templates").rglob("*.*"))]
    return [path for path in files if not any(folder in path.parents for folder in exempt)]


def test_integrations_are_not_named_outside_their_modules() -> None:
    named = {name_of(path): names for path in core() if (names := named_in(path.read_text()))}
    listed = NAME_A_PROVIDER & named.keys()
    assert listed == NAME_A_PROVIDER, "one names no provider now: remove it from the list"
    assert named.keys() == NAME_A_PROVIDER, "ask the class for what differs, as data"


def test_modules_are_short() -> None:
    lines = {name_of(path): len(path.read_text().splitlines()) for path in SOURCES}
    assert not {name: n for name, n in lines.items() if n > LONGEST}, "divide them"


def test_functions_are_short() -> None:
    long = [
        f"{name_of(path)}:{node.lineno} {node.name}"
        for path in SOURCES
        for node in nodes(path)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (node.end_lineno or node.lineno) - node.lineno + 1 > LONGEST_FUNCTION
    ]
    assert not long, "divide them into parts with names of their own"


def test_conditional_expressions_are_not_chained() -> None:
    chained = [
        f"{name_of(path)}:{node.lineno}"
        for path in SOURCES
        for node in nodes(path)
        if isinstance(node, ast.IfExp)
        and any(isinstance(part, ast.IfExp) for part in (node.test, node.body, node.orelse))
    ]
    assert not chained, "write them with if statements"


def test_values_are_assigned_one_by_one() -> None:
    """Swapping two values is the only valid use of a pair on both sides."""
    pairs = [
        f"{name_of(path)}:{node.lineno}"
        for path in SOURCES
        for node in nodes(path)
        if isinstance(node, ast.Assign)
        and isinstance(node.value, ast.Tuple)
        and isinstance(node.targets[0], ast.Tuple)
        and {ast.unparse(part) for part in node.value.elts}
        != {ast.unparse(part) for part in node.targets[0].elts}
    ]
    assert not pairs, "give each value a line of its own"


def test_only_hot_paths_know_about_locks() -> None:
    knowing = modules_that_import(LOCK_NAMES)
    assert not knowing - LOCK_AWARE, "write a function under @transaction, in plain SQLAlchemy"
    assert not LOCK_AWARE - knowing, "they know nothing about locks: take them off the list"


def test_only_hot_paths_compile_their_statements() -> None:
    compiling = modules_that_import(COMPILED_NAMES)
    assert not compiling - COMPILED, "use the session: db.session.scalars(select(...))"
    assert not COMPILED - compiling, "they use the session now: take them off the list"


def modules_that_import(names: set[str]) -> set[str]:
    """Return the modules outside of hub/db that import one of these names."""
    modules = [path for path in MODULES if HUB / "db" not in path.parents]
    return {name_of(path) for path in modules if imports(path) & names}


def test_modules_have_descriptive_names() -> None:
    vague = {"utils", "util", "helpers", "helper", "common", "manager", "misc"}
    assert not [name_of(path) for path in MODULES if path.stem in vague]


def test_modules_have_docstrings() -> None:
    without = [name_of(path) for path in MODULES if not ast.get_docstring(nodes(path)[0])]
    assert not without, "begin with a sentence"
