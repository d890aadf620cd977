"""The contract, held by every integration that is registered: what it is, what it takes, what it
does.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import json
import re
import threading
from collections.abc import Mapping
from functools import cache
from itertools import product
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select
from werkzeug.datastructures import MultiDict
from wtforms import PasswordField

from hub import integrations
from hub.connections import connections
from hub.core.data_dir import SimulatorCredentials
from hub.core.errors import BadWebhook, ConfigError, NotFound
from hub.core.vocabulary import Address, Channel, Status
from hub.db.engine import db
from hub.db.store import transaction
from hub.db.types import new_id
from hub.integrations.base import (
    Card,
    ConfigForm,
    Integration,
    Outbound,
    Problem,
    SecretField,
    StatusUpdate,
    Unrecognized,
    WebhookEvent,
    WebhookRequest,
)
from hub.integrations.webhook_receiver import WebhookReceiver, webhook
from hub.lib import provider_http
from hub.messaging.compose import outbox
from hub.messaging.contacts.contacts import contact_for
from hub.models import Connection
from hub.signing import accept
from hub.signing.events import EventIn
from tests.conftest import close as close
from tests.conftest import make_app
from tests.fake_provider import Pigeon, install
from tests.hub_fixtures import a_message, a_signer, an_event, deliver, source_id, status
from tests.hub_fixtures import connection as connection
from tests.hub_fixtures import hub_demo as hub_demo

CREDENTIALS = SimulatorCredentials(
    "AC" + "1" * 32, "t" * 32, "SK" + "2" * 32, "s" * 32, "+15005550006", "MG" + "3" * 32
)
ALL = list(integrations.registry().values())
STATIC = Path(integrations.__file__).parents[1] / "static"
every = pytest.mark.parametrize("cls", ALL, ids=lambda cls: cls.name)
senders = pytest.mark.parametrize(
    "cls", [cls for cls in ALL if cls.supports("send")], ids=lambda cls: cls.name
)
receivers = pytest.mark.parametrize(
    "cls", [cls for cls in ALL if issubclass(cls, WebhookReceiver)], ids=lambda cls: cls.name
)


# literals of an integration's own test, which the tests below use
SAMPLES = ("SETTINGS", "TO", "SAMPLE_WEBHOOKS", "SAMPLE_CODES")
# settings that the contract adds to a form
ADDED = {"per_second", "help_text"}


@cache
def example(cls: type[Integration]) -> Mapping[str, Any]:
    """Return the samples of an integration: the demo's settings and recipient where it has them,
    and SETTINGS, TO, SAMPLE_WEBHOOKS and SAMPLE_CODES of its own test.

    SAMPLE_WEBHOOKS is a list of (path, headers, body), and SAMPLE_CODES a list of error codes.
    """
    found = {}
    for path in own_tests(cls):
        for node in ast.parse(path.read_text()).body:
            targets = node.targets if isinstance(node, ast.Assign) else []
            names = [target.id for target in targets if isinstance(target, ast.Name)]
            if names and names[0] in SAMPLES and (value := literal(node)) is not None:
                found[names[0]] = value
    settings = cls.demo_settings(CREDENTIALS)
    if settings is not None:
        found |= {"SETTINGS": settings, "TO": cls.destination_of(settings)}
    if "SETTINGS" in found:
        found.setdefault("TO", cls.destination_of(found["SETTINGS"]))
    return found


def own_tests(cls: type[Integration]) -> list[Path]:
    names = {f"test_{cls.name}.py", f"test_{cls.__module__.split('.')[2]}.py"}
    beside = Path(inspect.getfile(cls)).parents[1] / "tests"  # of a package of its own
    folders = (Path(__file__).parent, beside)
    paths = (folder / name for folder in folders for name in sorted(names))
    return [path for path in paths if path.is_file()]


def literal(node: ast.stmt) -> Any:
    assert isinstance(node, ast.Assign)
    try:
        return ast.literal_eval(node.value)
    except ValueError:  # made by code
        return None


def samples(cls: type[Integration]) -> list[WebhookRequest]:
    """Return the sample webhooks of an integration."""
    return [
        WebhookRequest("POST", f"https://hub.example/{path}", path, dict(headers), body, "fox")
        for path, headers, body in example(cls).get("SAMPLE_WEBHOOKS", [])
        if path in cls.webhooks
    ]


def instance(cls: type[Integration]) -> Integration:
    return cls(example(cls).get("SETTINGS", {}), provider_http.ProviderHttpClient())


def outbound(to: str, **more: Any) -> Outbound:
    return Outbound(
        id=new_id("msg"),
        attempt=1,
        to=to,
        text="Hello “there” 🎉 & <b>more</b>",
        subject="A subject",
        **more,
    )


def good_address(cls: type[Integration]) -> str:
    return {Address.PHONE: "+13175551234", Address.EMAIL: "eric@example.com"}.get(
        cls.address, example(cls).get("TO") or "x"
    )


# ── What it is ────────────────────────────────────────────────────────────────────────────────────
@every
def test_it_is_named_like_its_module(cls: type[Integration]) -> None:
    *_, package, module = cls.__module__.split(".")
    assert cls.name in {module, package, f"{package}_{module}"}
    assert re.fullmatch(r"[a-z][a-z0-9_]*", cls.name)


@every
def test_its_card_says_what_it_is(cls: type[Integration]) -> None:
    for word in ("title", "provider", "summary", "reach", "cost", "setup", "formatting", "buttons"):
        text = getattr(cls, word)
        assert isinstance(text, str), word
        assert text.strip() == text != "", word
    assert cls.summary.endswith(".")
    assert cls.docs_url.startswith("https://")
    assert cls.guide, "how is it set up?"
    assert all(step.endswith((".", "?")) for step in cls.guide)
    assert inspect.getdoc(inspect.getmodule(cls)), (
        "the module says what the admin prepares and what is reported back"
    )
    assert (STATIC / "icons" / f"{cls.icon or cls.channel}.svg").is_file()


@every
def test_its_rules_make_sense(cls: type[Integration]) -> None:
    assert cls.channel in Channel
    assert cls.address in Address
    assert re.fullmatch("[a-z]+", cls.event_prefix)
    assert 1 <= cls.concurrency <= 256
    assert 1 <= cls.retries <= 1000
    assert cls.max_length > 0
    assert min(cls.per_second, cls.per_recipient, cls.session_window) >= 0
    assert all(url.startswith("https://") and not url.endswith("/") for url in cls.api.values())


# ── What it asks for ──────────────────────────────────────────────────────────────────────────────
@every
def test_every_setting_is_labeled_and_explained(cls: type[Integration]) -> None:
    form = cls.Form()
    assert issubclass(cls.Form, ConfigForm)
    for field in form:
        assert field.label.text
        assert field.description, field.name
        assert not isinstance(field, PasswordField) or isinstance(field, SecretField), (
            f"{field.name} would not be sealed apart"
        )
        for name in getattr(field, "bound_to", ()):
            assert name in form, f"{field.name} is bound to {name}, which is no setting"


@every
def test_a_rate_can_be_set_where_one_matters(cls: type[Integration]) -> None:
    if not (cls.per_second or cls.rate_hint):
        assert "per_second" not in cls.Form()
        return
    field = cls.Form(data={"per_second": 2.0}).per_second  # type: ignore[attr-defined]
    assert (field.label.text, field._value()) == ("Messages per second", "2")
    assert cls.rate_hint in field.description


@every
def test_no_secret_is_shown_again(cls: type[Integration]) -> None:
    filled = cls.Form(data={field.name: "what was typed" for field in cls.Form()})
    for field in filled:
        if isinstance(field, SecretField):
            assert "what was typed" not in field()


@every
def test_settings_fill_the_form_and_what_is_told_of_them_is_no_secret(
    cls: type[Integration],
) -> None:
    settings = example(cls).get("SETTINGS")
    if settings is None:
        return
    form = cls.Form(MultiDict(settings))
    assert form.validate(), form.errors
    assert settings.keys() | ADDED == {field.name for field in form} | ADDED
    assert isinstance(cls.account_of(settings), str)
    assert isinstance(cls.senders_of(settings).default, str)
    secrets = [
        settings[field.name]
        for field in form
        if isinstance(field, SecretField) and settings[field.name]
    ]
    for plain in (
        cls.account_of(settings),
        cls.senders_of(settings).default,
        cls.destination_of(settings),
    ):
        assert plain not in secrets, "account, sender and place are stored in plain text"


@every
def test_an_empty_form_is_refused_in_sentences(cls: type[Integration]) -> None:
    form = cls.Form(MultiDict())
    if not form.validate():
        assert all(str(error).endswith(".") for errors in form.errors.values() for error in errors)


# ── What it does ──────────────────────────────────────────────────────────────────────────────────
@senders
def test_an_address_has_one_normal_form(cls: type[Integration]) -> None:
    address = cls.clean_address(good_address(cls))
    assert cls.clean_address(address) == address
    assert cls.clean_address(f" {address} ") == address


@senders
@pytest.mark.parametrize("address", ["", "   ", "\x00", "not an address at all!"])
def test_an_address_that_is_none_is_refused_with_a_sentence(
    cls: type[Integration], address: str
) -> None:
    if cls.address in (Address.PHONE, Address.EMAIL):
        with pytest.raises(ValueError, match=r".{10,}"):
            cls.clean_address(address)


@senders
def test_rendering_is_pure_and_can_be_shown(cls: type[Integration]) -> None:
    one = instance(cls)
    message = outbound(
        good_address(cls), status_url="https://hub.example/x?message=msg_1&attempt=1"
    )
    before = dict(one.settings)
    first = one.render(message)
    second = one.render(message)
    assert first == second
    assert first is not second
    assert one.settings == before
    shown = json.dumps(first)
    assert json.loads(shown) == first
    assert "Hello" in shown
    for field in cls.Form():
        if isinstance(field, SecretField) and one.settings.get(field.name):
            assert one.settings[field.name] not in shown, "what is rendered is shown on pages"


@every
def test_an_unknown_code_is_not_explained_and_a_known_one_in_sentences(
    cls: type[Integration],
) -> None:
    assert cls.explain("") is None
    assert cls.explain("no such code") is None
    codes = example(cls).get("SAMPLE_CODES", [])
    assert codes or not cls.supports("send"), "give some error codes as SAMPLE_CODES in its test"
    for code in codes:
        known = cls.explain(code)
        assert isinstance(known, Problem), code
        assert known.text.endswith(".")
        assert known.remedy


@every
def test_what_it_cannot_do_it_does_not_claim(cls: type[Integration]) -> None:
    for power in ("find", "fetch_status"):
        assert cls.supports(power) is (getattr(cls, power) is not getattr(Integration, power))
    for method in cls.actions:
        assert callable(getattr(cls, method))


@senders
def test_one_instance_serves_many_threads(cls: type[Integration]) -> None:
    one = instance(cls)
    wrong = []

    def work(n: int) -> None:
        for _ in range(50):
            text = json.dumps(one.render(outbound(good_address(cls), card=Card(f"Card {n}"))))
            if "Hello" not in text:
                wrong.append(text)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


# ── What it hears ─────────────────────────────────────────────────────────────────────────────────
def a_webhook(
    path: str, body: bytes = b"a=1", kind: str = "application/x-www-form-urlencoded", **headers: str
) -> WebhookRequest:
    return WebhookRequest(
        "POST",
        f"https://hub.example/api/rpc/webhooks/{path}",
        path,
        {"content-type": kind, **headers},
        body,
    )


@every
def test_it_is_written_for_this_contract(cls: type[Integration]) -> None:
    assert cls.contract == integrations.CONTRACT


@every
def test_its_webhooks_have_paths_of_their_own_form(cls: type[Integration]) -> None:
    for path, method in cls.webhooks.items():
        assert re.fullmatch(r"[a-z0-9_-]+(/[a-z0-9_-]+)*(/\{connection\})?", path)
        assert callable(getattr(cls, method))
    if cls.status_path:
        assert cls.status_path in cls.webhooks
        assert "{" not in cls.status_path, "it goes along with messages as it is"


@receivers
def test_each_webhook_has_a_sample(cls: type[WebhookReceiver]) -> None:
    assert set(cls.webhooks) == {request.path for request in samples(cls)}, (
        "give a sample of each as SAMPLE_WEBHOOKS in its test: a list of (path, headers, body)"
    )


@receivers
def test_unsigned_webhook_is_refused_whatever_it_holds(cls: type[WebhookReceiver]) -> None:
    one = instance(cls)
    blank = cls({}, provider_http.ProviderHttpClient())
    kinds = ("application/x-www-form-urlencoded", "application/json", "text/plain", "")
    nonsense = (b"", b"a=1", b"{}", b"[]", b"null", b"\xff\xfe", b"a" * 10_000, b"%", b"&=&=")
    bodies = (*nonsense, *(request.body for request in samples(cls)))
    headers = {name for request in samples(cls) for name in request.headers} - {"content-type"}
    proofs: tuple[dict[str, str], ...] = (
        {},
        {"authorization": "Bearer x"},
        dict.fromkeys(headers, "AAAA"),
    )
    for path, kind, body, proof in product(cls.webhooks, kinds, bodies, proofs):
        for anyone in (one, blank):
            with pytest.raises(BadWebhook):
                anyone.verify(a_webhook(path, body, kind, **proof))


@receivers
def test_any_request_has_an_account_a_key_and_a_response(cls: type[WebhookReceiver]) -> None:
    bodies = ((b"", "text/plain"), (b"a=1", "application/x-www-form-urlencoded"))
    anything = [
        a_webhook(path, body, kind)
        for path in cls.webhooks
        for body, kind in (*bodies, (b"[]", "application/json"))
    ]
    for request in (*anything, *samples(cls)):
        assert isinstance(cls.claimed_account(request), str)
        subject, detail = cls.receipt_key(request)
        assert isinstance(subject + detail, str)
        assert subject
        kind, text = cls.webhook_response(request, True)
        assert "/" in kind
        assert isinstance(text, str)


@receivers
def test_sample_webhooks_are_read_purely(cls: type[WebhookReceiver]) -> None:
    one = cls(example(cls).get("SETTINGS", {}), provider_http.ProviderHttpClient())
    events = []
    for request in samples(cls):
        found = one.parse_events(request)
        assert found == one.parse_events(request)
        events += found
    assert events, "no sample holds anything"
    for event in events:
        assert isinstance(event, WebhookEvent)
        assert not isinstance(event, Unrecognized), event
        if isinstance(event, StatusUpdate):
            assert event.provider_id or event.message_id
            assert event.status is None or event.status in Status


@every
def test_reporting_is_declared_as_it_is(cls: type[Integration]) -> None:
    updates = [
        event
        for request in samples(cls)
        if issubclass(cls, WebhookReceiver)
        for event in cls(
            example(cls).get("SETTINGS", {}), provider_http.ProviderHttpClient()
        ).parse_events(request)
        if isinstance(event, StatusUpdate)
    ]
    told = bool(updates or cls.status_path or cls.supports("fetch_status"))
    assert cls.reports is told, "reports says whether statuses change after send"


# ── What it must not touch ────────────────────────────────────────────────────────────────────────
FORBIDDEN = {
    "flask",
    "sqlalchemy",
    "flask_sqlalchemy",
    "redis",
    "rq",
    "requests",
    "httpx",
    "socket",
    "subprocess",
}


@every
def test_it_reaches_out_through_the_one_door_only(cls: type[Integration]) -> None:
    module = inspect.getmodule(cls)
    assert isinstance(module, ModuleType)
    assert module.__file__
    found = set()
    for node in ast.walk(ast.parse(Path(module.__file__).read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.split(".")[0])
            assert not node.module.startswith(
                ("hub.models", "hub.db.store", "hub.messaging", "hub.accounts", "hub.db.engine")
            )
    assert not found & FORBIDDEN


# ── The registry ──────────────────────────────────────────────────────────────────────────────────
@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    yield tmp_path / "site"
    monkeypatch.undo()
    integrations.registry.cache_clear()


def test_twilio_is_there() -> None:
    assert [cls.name for cls in ALL if cls.name.startswith("twilio")] == ["twilio_sms"]
    assert list(integrations.registry()) == [
        cls.name for cls in sorted(ALL, key=lambda one: one.title.lower())
    ]


def test_a_package_adds_an_integration_by_naming_it(
    site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(site, monkeypatch, {"pigeon": "tests.fake_provider:Pigeon"})
    assert integrations.get("pigeon") is Pigeon
    assert list(integrations.registry()) != [cls.name for cls in ALL]


def test_an_added_integration_has_its_card_and_its_webhook(
    site: Path, monkeypatch: pytest.MonkeyPatch, environ: dict[str, str], keys: dict[str, str]
) -> None:
    site.mkdir()
    (site / "carrier_pigeon.py").write_text(
        "from hub.integrations.api import BadWebhook, WebhookReceiver, webhook\n"
        "from tests.fake_provider import Pigeon\n\n\n"
        "class CarrierPigeon(WebhookReceiver, Pigeon):\n"
        "    name, title = 'carrier_pigeon', 'Carrier pigeons'\n\n"
        "    def verify(self, request):\n"
        "        raise BadWebhook('Nobody signs.')\n\n"
        "    @webhook('pigeons/{connection}')\n"
        "    def on_arrival(self, request):\n"
        "        return []\n"
    )
    install(site, monkeypatch, {"carrier_pigeon": "carrier_pigeon:CarrierPigeon"})
    app = make_app(environ)
    answer = app.test_client().post("/api/rpc/webhooks/pigeons/roof", data=b"")
    with app.app_context():
        close(app)
    assert answer.status_code == 403, "there, and unsigned"
    assert "pigeons/{connection}" in integrations.webhook_paths()


OLD = """
from tests.fake_provider import Pigeon

class Old(Pigeon):
    name = "old_pigeon"
    contract = 1
"""
OLDER = """
from hub.integrations.base import Fact, Integration
"""


@pytest.mark.parametrize(
    ("code", "why"),
    [(OLD, "was written for contract 1"), (OLDER, "cannot be loaded: cannot import name 'Fact'")],
)
def test_plug_in_of_an_older_contract_is_refused_by_name(
    site: Path, monkeypatch: pytest.MonkeyPatch, code: str, why: str
) -> None:
    site.mkdir()
    module = f"old_pigeon_{len(code)}"
    (site / f"{module}.py").write_text(code)
    install(site, monkeypatch, {"old_pigeon": f"{module}:Old"})
    with pytest.raises(ConfigError) as problem:
        integrations.registry()
    said = str(problem.value)
    assert "The integration 'old_pigeon' of the package pigeon-post 1.0" in said
    assert why in said
    assert "docs/integration-names.md" in said
    assert (Path(integrations.__file__).parents[2] / integrations.NAMES).is_file()


def test_webhook_needs_a_receiver() -> None:
    with pytest.raises(TypeError, match="has to be a WebhookReceiver"):

        class Deaf(Pigeon):
            name = "deaf"

            @webhook("deaf")
            def on_call(self, request: WebhookRequest) -> list[Any]:
                return []


def test_two_of_one_name_are_refused(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    importlib.import_module("tests.fake_provider")
    site.mkdir()
    (site / "false_twilio.py").write_text(
        "from tests.fake_provider import Pigeon\n\n\n"
        "class False_(Pigeon):\n    name = 'twilio_sms'\n"
    )
    install(site, monkeypatch, {"false": "false_twilio:False_"})
    with pytest.raises(ConfigError, match="twilio_sms"):
        integrations.registry()


def test_an_integration_that_is_not_there_is_said_to_be_missing() -> None:
    with pytest.raises(NotFound, match="install"):
        integrations.get("carrier_pigeon")


def test_declarations_are_gathered_from_the_methods() -> None:
    class Speaking(WebhookReceiver, Pigeon):
        name = "speaking"

        def verify(self, request: WebhookRequest) -> None:
            """Trust everybody."""

        @webhook("a")
        def on_a(self, request: WebhookRequest) -> list[Any]:
            return [1]

    assert Speaking.webhooks == {"a": "on_a"}
    assert Pigeon.webhooks == {}
    assert Speaking({}, provider_http.ProviderHttpClient()).parse_events(a_webhook("a")) == [1]


def test_a_package_that_is_gone_does_not_stop_the_hub(
    hub_demo: Flask, connection: Connection, simulator: Any
) -> None:
    @transaction
    def orphan() -> str:
        made = db.session.get_one(
            Connection, connections.create(connection.integration, "Orphan", test=True)
        )
        made.integration = "uninstalled"
        made.state = "enabled"
        made.settings_version = 1
        made.settings = {}
        contact = contact_for("phone", "+13175551234", test=True)
        return outbox.add(
            outbox.Draft(connection=made, contact=contact, text="Nobody carries this.")
        ).id

    left = orphan()
    answer = accept.accept_event(
        EventIn.model_validate(an_event(signers=[a_signer("Eric")])), source_id(), test=True
    )
    assert len(answer["messages"]) == 1
    message_id = a_message()
    deliver()
    assert (status(message_id), status(left)) == ("accepted", "queued")
    db.session.rollback()
    row = db.session.scalars(
        select(Connection).where(Connection.integration == "uninstalled")
    ).one()
    assert (row.state, "install" in row.why) == ("broken", True)
