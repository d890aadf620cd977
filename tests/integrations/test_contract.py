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
    WebhookRequest,
    webhook,
)
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
    "cls", [cls for cls in ALL if cls.can("send")], ids=lambda cls: cls.name
)


@cache
def example(cls: type[Integration]) -> Mapping[str, Any]:
    """Return what an integration is tried with: the demo's settings, else SETTINGS and TO of its
    own test; {} where there are none.
    """
    settings = cls.demo_settings(CREDENTIALS)
    if settings is not None:
        return {"SETTINGS": settings, "TO": cls.place_of(settings)}
    beside = Path(inspect.getfile(cls)).parents[1] / "tests"  # of a package of its own
    tests = [folder / f"test_{cls.name}.py" for folder in (Path(__file__).parent, beside)]
    return {
        target.id: ast.literal_eval(node.value)
        for path in tests
        if path.is_file()
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name) and target.id in ("SETTINGS", "TO")
    }


def instance(cls: type[Integration]) -> Integration:
    return cls(example(cls).get("SETTINGS", {}), provider_http.Door())


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
    assert (field.label.text, field._value()) == ("Most messages a second", "2")
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
    assert settings.keys() == {field.name for field in form} - {"per_second"}, (
        "that one is the contract's own"
    )
    assert isinstance(cls.account_of(settings), str)
    assert isinstance(cls.sender_of(settings), str)
    secrets = [
        settings[field.name]
        for field in form
        if isinstance(field, SecretField) and settings[field.name]
    ]
    for plain in (cls.account_of(settings), cls.sender_of(settings), cls.place_of(settings)):
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
    for code in ("21608", "21610", "30003"):
        known = cls.explain(code)
        if known is not None:
            assert isinstance(known, Problem)
            assert known.text.endswith(".")
            assert known.remedy


@every
def test_what_it_cannot_do_it_does_not_claim(cls: type[Integration]) -> None:
    for power in ("find", "fetch_status"):
        assert cls.can(power) is (getattr(cls, power) is not getattr(Integration, power))
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
def test_its_webhooks_have_paths_of_their_own_form(cls: type[Integration]) -> None:
    for path, method in cls.webhooks.items():
        assert re.fullmatch(r"[a-z0-9_-]+(/[a-z0-9_-]+)*(/\{connection\})?", path)
        assert callable(getattr(cls, method))
    if cls.status_path:
        assert cls.status_path in cls.webhooks
        assert "{" not in cls.status_path, "it goes along with messages as it is"


@every
def test_a_webhook_that_nobody_signed_is_refused_whatever_it_holds(cls: type[Integration]) -> None:
    one = instance(cls)
    blank = cls({}, provider_http.Door())
    kinds = ("application/x-www-form-urlencoded", "application/json", "text/plain", "")
    bodies = (b"", b"a=1", b"{}", b"[]", b"null", b"\xff\xfe", b"a" * 10_000, b"%", b"&=&=")
    proofs = (
        {},
        {"x-twilio-signature": "AAAA", "x-slack-signature": "v0=0", "authorization": "Bearer x"},
    )
    for path, kind, body, headers in product(cls.webhooks, kinds, bodies, proofs):
        for anyone in (one, blank):
            with pytest.raises(BadWebhook):
                anyone.verify(a_webhook(path, body, kind, **headers))


@every
def test_whose_a_webhook_is_can_be_asked_of_anything(cls: type[Integration]) -> None:
    for path in cls.webhooks:
        for body in (b"", b"a=1", b"AccountSid=", b"AccountSid=x&AccountSid=y"):
            request = a_webhook(path, body)
            assert isinstance(cls.account(request), str)
            subject, detail = cls.receipt_key(request)
            assert isinstance(subject + detail, str)
            assert subject
            kind, text = cls.answer(request, True)
            assert "/" in kind
            assert isinstance(text, str)


@every
def test_facts_are_read_purely(cls: type[Integration]) -> None:
    for path in cls.webhooks:
        form = b"MessageSid=SM1&MessageStatus=delivered&AccountSid=AC1"
        request = a_webhook(path, form)
        one = instance(cls)
        assert one.facts(request) == one.facts(request)
        for fact in one.facts(request):
            if isinstance(fact, StatusUpdate):
                assert fact.status is None or fact.status in Status


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
        "from hub.core.errors import BadWebhook\n"
        "from hub.integrations.base import webhook\n"
        "from tests.fake_provider import Pigeon\n\n\n"
        "class CarrierPigeon(Pigeon):\n"
        "    name, title = 'carrier_pigeon', 'Carrier pigeons'\n\n"
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
    class Speaking(Pigeon):
        name = "speaking"

        @webhook("a")
        def on_a(self, request: WebhookRequest) -> list[Any]:
            return [1]

    assert Speaking.webhooks == {"a": "on_a"}
    assert Pigeon.webhooks == {}
    assert Speaking({}, provider_http.Door()).facts(a_webhook("a")) == [1]


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
