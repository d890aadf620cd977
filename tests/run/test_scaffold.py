"""`hub new-integration`: new files work immediately, and refusals explain why."""

from __future__ import annotations

import importlib
import json
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from flask import Flask

from hub import integrations
from hub.connections import connections
from hub.core.errors import Conflict, NotFound, Refused
from hub.run import scaffold
from hub.signing import accept
from hub.signing.events import EventIn
from tests.conftest import Browser, close, make_app
from tests.hub_fixtures import deliver, event_body, signer_body, source_id, status
from tests.integrations.http_recorder import HttpRecorder, record_requests
from tests.integrations.instances import samples_of

ROOT = Path(__file__).resolve().parents[2]
NEEDED = ("hub", "tests", "pyproject.toml", "README.md")
BUILD = "from flit_core import buildapi; import sys; print(buildapi.build_wheel(sys.argv[1]))"
CONTRACT = [
    f"tests/integrations/test_{part}.py"
    for part in ("contract", "http_contract", "webhook_contract", "text_contract")
]
OWN_SERVERS = {
    "webhook-url --own-server": "pushfox_own",
    "team --own-server": "pushfox_team_own",
}
KINDS = (*scaffold.KINDS, *OWN_SERVERS)
WORDY = "new_messenger_for_all_of_us_42"


def run_python(
    folder: Path, *arguments: str, path: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run Python in a folder, as a developer without any settings does."""
    environ = {
        name: text
        for name, text in os.environ.items()
        if not name.startswith(("HUB_", "TWILIO_", "PYTHONPATH", "PYTEST"))
    }
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env={**environ, "PYTHONPATH": str(path or folder)},
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )


def assert_succeeds(folder: Path, *arguments: str, path: Path | None = None) -> None:
    process = run_python(folder, *arguments, path=path)
    assert process.returncode == 0, process.stdout + process.stderr


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of the parts of a checkout that an integration needs, with a new one in it."""
    root = tmp_path_factory.mktemp("made") / "checkout"
    leave_out = shutil.ignore_patterns(
        "__pycache__", "static", "browser", "chaos", "simulator", "failures"
    )
    for name in NEEDED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, root / name, ignore=leave_out)
        else:
            root.mkdir(exist_ok=True)
            shutil.copy(ROOT / name, root / name)
    shutil.copytree(ROOT / "hub/static", root / "hub/static")
    shutil.copytree(ROOT / "hub/simulator", root / "hub/simulator", ignore=leave_out)
    for kind in KINDS:
        name = integration_name(kind)
        arguments = ("-m", "hub.cli", "new-integration", name, "--kind", *kind.split())
        process = run_python(root / "tests", *arguments, path=root)
        assert process.returncode == 0, process.stderr
        assert process.stdout.splitlines()[:3] == [
            f"../hub/integrations/{name}.py",
            f"../hub/integrations/{name}.toml",
            f"integrations/test_{name}.py",
        ]
    return root


def integration_name(kind: str) -> str:
    return OWN_SERVERS.get(kind) or f"pushfox_{kind.replace('-', '_')}"


@pytest.fixture
def minimal_checkout(tmp_path: Path) -> Path:
    """Return the smallest folder that the command accepts as a checkout."""
    root = tmp_path / "checkout"
    (root / "hub/core").mkdir(parents=True)
    (root / "hub/integrations").mkdir()
    (root / "tests/integrations").mkdir(parents=True)
    (root / "hub/integrations/base.py").write_text("")
    (root / "hub/core/errors.py").write_text("pager = 1\n")
    shutil.copy(ROOT / "pyproject.toml", root)
    return root


# ── In a checkout ─────────────────────────────────────────────────────────────────────────────────
def test_each_kind_passes_its_own_test_and_the_contract(checkout: Path) -> None:
    own_tests = [f"tests/integrations/test_{integration_name(kind)}.py" for kind in KINDS]
    other_tests = [*CONTRACT, "tests/test_architecture.py"]
    options = ("-v", "-p", "no:cacheprovider", "-k", "pushfox or named_outside")
    process = run_python(checkout, "-m", "pytest", *own_tests, *other_tests, *options)
    assert process.returncode == 0, process.stdout + process.stderr
    for kind in KINDS:
        test = f"test_card_describes_the_integration[{integration_name(kind)}]"
        assert f"{test} PASSED" in process.stdout


def test_each_kind_passes_lint_format_and_types(checkout: Path) -> None:
    modules = [f"hub/integrations/{integration_name(kind)}.py" for kind in KINDS]
    tests = [f"tests/integrations/test_{integration_name(kind)}.py" for kind in KINDS]
    assert_succeeds(checkout, "-m", "mypy", *modules)
    assert_succeeds(checkout, "-m", "ruff", "check", *modules, *tests)
    assert_succeeds(checkout, "-m", "ruff", "format", "--check", *modules, *tests)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["ab", "acme2", WORDY])
def test_any_valid_name_passes_lint_and_format(
    minimal_checkout: Path, name: str, kind: str
) -> None:
    choice = scaffold.Choice(kind.split()[0], own_server=kind in OWN_SERVERS)
    begun = scaffold.in_checkout(name, minimal_checkout, choice)
    assert_succeeds(minimal_checkout, "-m", "ruff", "check", *map(str, begun.files))
    assert_succeeds(minimal_checkout, "-m", "ruff", "format", "--check", *map(str, begun.files))
    assert not [path for path in begun.files if "$" in path.read_text()]
    if name == "ab" and kind == "webhook-url":
        assert len(begun.files[0].read_text().splitlines()) <= 60


def test_title_and_own_server_are_chosen(minimal_checkout: Path) -> None:
    choice = scaffold.Choice("webhook-url", "ab-cd", own_server=True)
    module = scaffold.in_checkout("abcd", minimal_checkout, choice).files[0].read_text()
    assert module.count('"ab-cd"') == 1
    assert "limit_per_server = True" in module
    assert "hooks." not in module
    choice = scaffold.Choice("team", own_server=True)
    team = scaffold.in_checkout("ijkl", minimal_checkout, choice).files[0].read_text()
    assert 'server = ServerField(default="https://api.ijkl.example")' in team
    with pytest.raises(Refused, match="Only team and webhook-url"):
        scaffold.in_checkout("efgh", minimal_checkout, scaffold.Choice("sms", own_server=True))
    with pytest.raises(Refused, match="without quotes"):
        scaffold.in_checkout("efgh", minimal_checkout, scaffold.Choice("sms", 'a"b'))


@pytest.mark.parametrize("kind", scaffold.KINDS)
def test_readme_of_a_package_describes_its_kind(tmp_path: Path, kind: str) -> None:
    scaffold.in_package("ab", tmp_path, scaffold.Choice(kind))
    assert scaffold.SETUPS[kind] in (tmp_path / "README.md").read_text()


@pytest.mark.parametrize(
    ("name", "error", "sentence"),
    [
        ("Push-Fox", Refused, "“Push-Fox” is not a module name. Use lowercase letters, digits"),
        ("2fox", Refused, "is not a module name"),
        ("push__fox", Refused, "single underscores between words"),
        ("../fox", Refused, "is not a module name"),
        ("", Refused, "is not a module name"),
        ("_fox", Refused, "_fox begins with an underscore, which is reserved for shared modules"),
        ("a" * 31, Refused, "is too long (31 characters). Use at most 30."),
        (
            "import",
            Refused,
            "import is a reserved word in Python. Choose another name, such as import_chat.",
        ),
        ("email", Refused, "email is a channel that many integrations can use"),
        ("outbound", Refused, "A class Outbound would hide a name that integrations import"),
        ("check_result", Refused, "A class CheckResult would hide"),
        (
            "twilio_sms",
            Conflict,
            "An integration named twilio_sms already exists in hub.integrations.twilio.sms",
        ),
        ("pager", Conflict, "The word “pager” occurs in hub/core/errors.py"),
        ("base", Conflict, "base.py already exists and is not overwritten"),
    ],
)
def test_invalid_name_is_refused_with_a_remedy(
    minimal_checkout: Path, name: str, error: type[Refused], sentence: str
) -> None:
    before = sorted(minimal_checkout.rglob("*"))
    with pytest.raises(error) as problem:
        scaffold.in_checkout(name, minimal_checkout)
    assert sentence in str(problem.value)
    assert sorted(minimal_checkout.rglob("*")) == before


@pytest.mark.parametrize("existing", ["hub/integrations/fox.py", "tests/integrations/test_fox.py"])
def test_existing_files_are_not_overwritten_and_nothing_else_is_written(
    minimal_checkout: Path, existing: str
) -> None:
    (minimal_checkout / existing).write_text("mine")
    before = sorted(minimal_checkout.rglob("*"))
    with pytest.raises(Conflict, match="already exists"):
        scaffold.in_checkout("fox", minimal_checkout)
    assert (minimal_checkout / existing).read_text() == "mine"
    assert sorted(minimal_checkout.rglob("*")) == before


def test_command_outside_a_checkout_explains_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(
        NotFound, match="Change into one, or create a separate package with --package FOLDER"
    ):
        scaffold.in_checkout("fox", tmp_path)
    process = run_python(tmp_path, "-m", "hub.cli", "new-integration", "fox", path=ROOT)
    assert (process.returncode, process.stdout) == (1, "")
    assert process.stderr.endswith("--package FOLDER.\n")


def test_name_that_occurs_in_the_core_is_refused() -> None:
    with pytest.raises(Conflict, match=r"The word “event” occurs in hub/"):
        scaffold.in_checkout("event", ROOT / "hub" / "models")
    assert not (ROOT / "hub/integrations/event.py").exists()


# ── As a package ──────────────────────────────────────────────────────────────────────────────────
@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Create a package with an integration and return its folder."""
    folder = tmp_path_factory.mktemp("packages") / "push-fox"
    process = run_python(
        folder.parent,
        "-m",
        "hub.cli",
        "new-integration",
        "push_fox",
        "--package",
        "push-fox",
        path=ROOT,
    )
    assert process.returncode == 0, process.stderr
    assert "push-fox/hub_push_fox/push_fox.py" in process.stdout.splitlines()
    return folder


@pytest.fixture
def http_recorder() -> Iterator[HttpRecorder]:
    with record_requests() as recorder:
        yield recorder


@pytest.fixture
def settings(http_recorder: HttpRecorder) -> dict[str, str]:
    return {"HUB_PUSHFOX_API_URL": http_recorder.url}


@pytest.fixture
def installed(package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Build the package's wheel and add its contents to the path, as pip does."""
    assert_succeeds(package, "-c", BUILD, str(tmp_path), path=ROOT)
    with zipfile.ZipFile(next(tmp_path.glob("hub_push_fox-*.whl"))) as wheel:
        wheel.extractall(tmp_path / "site")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    integrations.registry.cache_clear()
    yield
    monkeypatch.undo()
    integrations.registry.cache_clear()


def test_package_passes_its_own_test_and_lint(package: Path) -> None:
    assert_succeeds(package, "-m", "pytest", "-q", "-p", "no:cacheprovider", path=ROOT)
    assert_succeeds(package, "-m", "ruff", "check", ".", path=ROOT)
    assert_succeeds(package, "-m", "ruff", "format", "--check", ".", path=ROOT)
    assert (
        scaffold.TEMPLATES.joinpath("http_recorder.txt").read_text()
        == (ROOT / "tests/integrations/http_recorder.py").read_text()
    )


def test_contract_test_reads_the_samples_of_a_package(
    package: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(package))
    module = importlib.import_module("hub_push_fox.push_fox")
    samples = samples_of(module.PushFox)
    assert (samples["TO"], samples["SAMPLE_CODES"]) == (
        "contracts",
        ["http_401", "channel_archived"],
    )
    for name in ("hub_push_fox.push_fox", "hub_push_fox"):
        monkeypatch.delitem(sys.modules, name)


def test_existing_package_is_not_overwritten(package: Path) -> None:
    before = {path: path.read_bytes() for path in package.rglob("*.*") if path.is_file()}
    with pytest.raises(Conflict, match=r"pyproject\.toml already exists"):
        scaffold.in_package("other_fox", package)
    assert not [path for path, content in before.items() if path.read_bytes() != content]
    assert not (package / "hub_other_fox").exists()


def test_installed_package_can_be_connected_and_posts_to_a_team(
    installed: None, environ: dict[str, str], http_recorder: HttpRecorder
) -> None:
    app = make_app(environ)
    with app.app_context():
        http_recorder.answer(200, {"name": "contracts"})
        values = {"token": "tok_0123456789", "team_channel": "contracts"}
        connection_id = connections.add("push_fox", "Foxes", False, values)
        connections.enable(connection_id)
        http_recorder.answer(201, {"id": 7})
        answer = accept.accept_event(
            EventIn.model_validate(event_body(signers=[signer_body("Eric", None)])),
            source_id(),
            test=False,
        )
        deliver()
        assert [status(message["id"]) for message in answer["messages"]] == ["sent"]
        assert http_recorder.paths == ["/v1/channels/contracts", "/v1/messages"]
        post = json.loads(http_recorder.seen[1][1])
        assert post["channel"] == "contracts"
        assert "Employment Agreement" in post["text"]
        close(app)


def test_installed_package_is_listed_among_the_integrations(
    installed: None, app: Flask, browser_for: Callable[..., Browser]
) -> None:
    assert "Push Fox" in browser_for().get("/integrations").text


def test_wheel_of_the_hub_contains_the_scaffold_templates(tmp_path: Path) -> None:
    assert_succeeds(ROOT, "-c", BUILD, str(tmp_path))
    with zipfile.ZipFile(next(tmp_path.glob("*.whl"))) as wheel:
        packaged = set(wheel.namelist())
    templates = {f"hub/integrations/_new/{path.name}" for path in scaffold.TEMPLATES.iterdir()}
    assert templates | {"hub/py.typed", "hub/integrations/README.md"} <= packaged
