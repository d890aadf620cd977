"""Fields of JSON of any shape, the code of a refusal in them, and rules between settings."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.integrations.api import (
    Button,
    ConfigForm,
    Integration,
    ProviderResponse,
    TextField,
    WebhookRequest,
    buttons_of,
    json_field,
    json_part,
)
from tests.integrations.http_recorder import form_errors, outbound

names = st.sampled_from(["id", "usage", "price", "usage.price", ""])
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=4),
    max_leaves=10,
)


class Pushfox(Integration):
    """Explain errors by their code, or by the word for the error."""

    title = "Pushfox"

    class Form(ConfigForm):
        secret = TextField("Secret")
        key = TextField("Key")
        key_id = TextField("ID of the key")

        def validate(self, extra_validators: Any = None) -> bool:
            rules = [
                super().validate(extra_validators),
                self.require_one("secret", "key", error="Enter the secret, or a key."),
                self.require_together("key", "key_id", error="Enter both, or neither."),
            ]
            return all(rules)


class Nested(Pushfox):
    """Explain errors by their code."""

    code_field = "error.code"


@given(value=values, first=names, second=names)
def test_path_reads_what_two_steps_read(value: Any, first: str, second: str) -> None:
    found = json_field(value, f"{first}.{second}")
    if isinstance(value, dict) and f"{first}.{second}" in value:
        assert found == value[f"{first}.{second}"]
    elif "." not in first:
        assert found == json_field(json_field(value, first), second)
    assert isinstance(json_part(value, first), dict)


@given(value=values)
def test_webhook_of_any_shape_has_texts(value: Any) -> None:
    request = WebhookRequest("POST", "https://hub.example/x", "x", {}, json.dumps(value).encode())
    for name in ("id", "usage", "usage.price", "usage.price.id"):
        assert isinstance(request.text(name), str)


def test_text_of_a_nested_field() -> None:
    body = b'{"usage": {"price": 0.5, "currency": "EUR"}, "a.b": "c", "sms": {"count": true}}'
    request = WebhookRequest("POST", "https://hub.example/x", "x", {}, body)
    texts = {
        "usage.price": "0.5",
        "usage.currency": "EUR",
        "a.b": "c",
        "sms.count": "",
        "usage": "",
    }
    assert {name: request.text(name) for name in texts} == texts


def refusal(content: Any) -> ProviderResponse:
    return ProviderResponse(400, {}, json.dumps(content).encode())


@given(value=values)
def test_code_of_any_response_is_a_text(value: Any) -> None:
    for content in (value, {"type": value}, {"error": value}, {"error": {"code": value}}):
        assert isinstance(Pushfox.code_of(refusal(content)), str)
        assert isinstance(Nested.code_of(refusal(content)), str)


def test_code_in_an_object() -> None:
    assert Nested.code_of(refusal({"error": {"code": 7}})) == "7"
    assert Nested.code_of(refusal({"error": {"code": True}, "code": 7})) == ""


@pytest.mark.parametrize(
    ("filled", "wrong"),
    [
        ("", ["secret"]),
        ("secret", []),
        ("key", ["key_id"]),
        ("key_id", ["secret", "key"]),
        ("secret key_id", ["key"]),
        ("key key_id", []),
        ("secret key key_id", []),
    ],
)
def test_rules_between_settings_name_the_blank_one(filled: str, wrong: list[str]) -> None:
    settings = dict.fromkeys(("secret", "key", "key_id"), "") | dict.fromkeys(filled.split(), "x")
    assert list(form_errors(Pushfox, settings)) == wrong


@pytest.mark.parametrize("count", [0, 1, 3, 9])
def test_buttons_are_those_of_the_payload_and_the_others(count: int) -> None:
    buttons = tuple(Button(f"Open {number}", f"https://x.example/{number}") for number in range(4))
    message = outbound("+13175551234", buttons=buttons)
    shown, others = buttons_of(message, count)
    assert shown + others == buttons
    assert len(shown) == min(count, 4)
