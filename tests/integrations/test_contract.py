"""The contract of every registered integration: declarations, settings, addresses and rendering."""

from __future__ import annotations

import inspect
import json
import re
import threading
from pathlib import Path
from typing import Any

import pytest
from werkzeug.datastructures import MultiDict
from wtforms import PasswordField

from hub import integrations
from hub.core.vocabulary import Address, Channel
from hub.db.types import new_id
from hub.integrations.base import (
    Card,
    ConfigForm,
    Integration,
    Outbound,
    Problem,
    SecretField,
)
from hub.lib.provider_http import ProviderHttpClient
from tests.integrations.instances import (
    all_settings_of,
    every,
    instance,
    samples_of,
    senders,
    valid_address,
)

STATIC = Path(integrations.__file__).parents[1] / "static"


# settings that the contract adds to a form
ADDED = {"per_second", "help_text"}


def outbound(to: str, **fields: Any) -> Outbound:
    return Outbound(
        id=new_id("msg"),
        attempt=1,
        to=to,
        text="Hello “there” 🎉 & <b>more</b>",
        subject="A subject",
        **fields,
    )


# ── What it is ────────────────────────────────────────────────────────────────────────────────────
@every
def test_name_matches_the_module(cls: type[Integration]) -> None:
    *_, package, module = cls.__module__.split(".")
    assert cls.name in {module, package, f"{package}_{module}"}
    assert re.fullmatch(r"[a-z][a-z0-9_]*", cls.name)


@every
def test_card_describes_the_integration(cls: type[Integration]) -> None:
    for attribute in (
        "title",
        "provider",
        "summary",
        "reach",
        "cost",
        "setup",
        "formatting",
        "buttons",
    ):
        text = getattr(cls, attribute)
        assert isinstance(text, str), attribute
        assert text.strip() == text != "", attribute
    assert cls.summary.endswith(".")
    assert cls.docs_url.startswith("https://")
    assert cls.guide, "how is it set up?"
    assert all(step.endswith((".", "?")) for step in cls.guide)
    assert inspect.getdoc(inspect.getmodule(cls)), (
        "the module says what the admin prepares and what is reported back"
    )
    assert (STATIC / "icons" / f"{cls.icon or cls.channel}.svg").is_file()


@every
def test_limits_are_valid(cls: type[Integration]) -> None:
    assert cls.channel in Channel
    assert cls.address in Address
    assert re.fullmatch("[a-z]+", cls.event_prefix)
    assert 1 <= cls.concurrency <= 256
    assert 1 <= cls.retries <= 1000
    assert cls.max_length > 0
    assert min(cls.per_second, cls.per_recipient, cls.session_window) >= 0
    assert 0 < cls.lifetime <= 24 * 7
    assert all(1 <= seconds <= cls.lifetime * 3600 for seconds in cls.retry_schedule)
    # another protocol than HTTPS has its own encryption, which its settings choose
    assert all(re.match(r"https://|(?!http)[a-z]+://", url) for url in cls.api.values())
    assert not any(url.endswith("/") for url in cls.api.values())


# types of the values that an integration declares
DECLARED = (str, int, float, tuple, frozenset, set, list, dict)


# ── What it asks for ──────────────────────────────────────────────────────────────────────────────
@every
def test_every_setting_has_a_label_and_a_description(cls: type[Integration]) -> None:
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
def test_declarations_name_settings_and_codes_that_exist(cls: type[Integration]) -> None:
    form = cls.Form()
    for declared in ("sender_setting", "account_setting", "destination_setting"):
        names = getattr(cls, declared)
        for name in (names,) if isinstance(names, str) else names:
            assert not name or name in form, f"{declared} names {name}, which is no setting"
    for declared in ("stop_codes", "unreachable_codes"):
        for code in getattr(cls, declared):
            assert cls.explain(code), f"{declared} has {code}, which the error codes do not have"


@every
def test_attributes_are_those_of_the_contract(cls: type[Integration]) -> None:
    """Helpers of an integration begin with an underscore, so that a typing error is found."""
    known = {name for base in cls.__mro__[1:] for name in vars(base)}
    known |= {name for base in cls.__mro__[1:] for name in vars(base).get("__annotations__", {})}
    unknown = [
        name
        for name, value in vars(cls).items()
        if not name.startswith("_") and name not in known and isinstance(value, DECLARED)
    ]
    assert not unknown, f"{', '.join(unknown)}: no attribute of an integration"


@every
def test_rate_field_exists_if_a_rate_limit_applies(cls: type[Integration]) -> None:
    if not (cls.per_second or cls.rate_hint):
        assert "per_second" not in cls.Form()
        return
    field = cls.Form(data={"per_second": 2.0}).per_second  # type: ignore[attr-defined]
    assert (field.label.text, field._value()) == ("Messages per second", "2")
    assert cls.rate_hint in field.description


@every
def test_secret_fields_are_not_displayed(cls: type[Integration]) -> None:
    filled = cls.Form(data={field.name: "what was typed" for field in cls.Form()})
    for field in filled:
        if isinstance(field, SecretField):
            assert "what was typed" not in field()


@every
def test_settings_fill_the_form_and_public_values_contain_no_secret(
    cls: type[Integration],
) -> None:
    for settings in all_settings_of(cls):
        check_settings(cls, settings)


def check_settings(cls: type[Integration], settings: dict[str, Any]) -> None:
    form = cls.Form(MultiDict(settings))
    assert form.validate(), form.errors
    assert settings.keys() | ADDED == {field.name for field in form} | ADDED, (
        "SETTINGS needs every field of the form, and no other"
    )
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
def test_blank_and_wrong_settings_are_refused_in_sentences(cls: type[Integration]) -> None:
    settings = samples_of(cls).get("SETTINGS", {})
    needed = [field.name for field in cls.Form() if field.flags.required]
    blank = [{name: ""} for name in needed]
    for wrong in (*blank, *samples_of(cls).get("WRONG_SETTINGS", [])):
        form = cls.Form(MultiDict({**settings, **wrong}))
        assert not form.validate(), f"{wrong} is accepted"
        assert form.errors.keys() & wrong.keys(), f"{wrong} is refused at {list(form.errors)}"
        errors = [str(error) for found in form.errors.values() for error in found]
        assert all(error.endswith(".") for error in errors), errors


# ── What it does ──────────────────────────────────────────────────────────────────────────────────
@senders
def test_address_has_one_normal_form(cls: type[Integration]) -> None:
    address = cls.clean_address(valid_address(cls))
    assert cls.clean_address(address) == address
    assert cls.clean_address(f" {address} ") == address


@senders
def test_invalid_address_is_refused_with_the_reason(cls: type[Integration]) -> None:
    never = ("", "   ", "\x00", "not an address at all!")
    for address in (*never, *samples_of(cls).get("WRONG_ADDRESSES", [])):
        with pytest.raises(ValueError, match=r".{10,}\.$"):
            cls.clean_address(address)


@senders
def test_rendering_is_pure_and_contains_no_secret(cls: type[Integration]) -> None:
    message = outbound(
        valid_address(cls), status_url="https://hub.example/x?message=msg_1&attempt=1"
    )
    for settings in all_settings_of(cls):
        check_rendering(cls(settings, ProviderHttpClient()), message)


def check_rendering(integration: Integration, message: Outbound) -> None:
    before = dict(integration.settings)
    first = integration.render(message)
    second = integration.render(message)
    assert first == second
    assert first is not second
    assert integration.settings == before
    rendered = json.dumps(first)
    assert json.loads(rendered) == first
    assert "Hello" in rendered
    for field in integration.Form():
        if isinstance(field, SecretField) and integration.settings.get(field.name):
            assert integration.settings[field.name] not in rendered, (
                "what is rendered is shown on pages"
            )


@every
def test_unknown_code_has_no_explanation_and_known_codes_have_one(
    cls: type[Integration],
) -> None:
    assert cls.explain("") is None
    assert cls.explain("no such code") is None
    codes = samples_of(cls).get("SAMPLE_CODES", [])
    assert codes or not cls.supports("send"), "give some error codes as SAMPLE_CODES in its test"
    for code in codes:
        explanation = cls.explain(code)
        assert isinstance(explanation, Problem), code
        assert explanation.text.endswith(".")
        assert explanation.remedy


@every
def test_declared_capabilities_are_implemented(cls: type[Integration]) -> None:
    for power in ("find", "fetch_status", "withdraw"):
        assert cls.supports(power) is (getattr(cls, power) is not getattr(Integration, power))
    for method in cls.actions:
        assert callable(getattr(cls, method))


@senders
def test_one_instance_is_thread_safe(cls: type[Integration]) -> None:
    integration = instance(cls)
    wrong = []

    def work(n: int) -> None:
        for _ in range(50):
            text = json.dumps(
                integration.render(outbound(valid_address(cls), card=Card(f"Card {n}")))
            )
            if "Hello" not in text:
                wrong.append(text)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
