"""The guide to adding an integration describes the contract completely, and its examples work."""

from __future__ import annotations

import dataclasses
import hashlib
import hmac
import re
import textwrap
from pathlib import Path
from typing import Any

import pytest

from hub.core import errors
from hub.core.errors import BadWebhook, SendError
from hub.core.vocabulary import Address, Status
from hub.integrations import api, base
from hub.integrations.base import Integration, StatusUpdate, WebhookEvent, WebhookRequest
from hub.integrations.escaping import NO_ESCAPING
from hub.integrations.message_texts import MessageTexts
from hub.integrations.product import Product
from hub.integrations.provider_requests import ProviderRequests
from hub.integrations.source_integration import SourceIntegration
from hub.integrations.webhook_receiver import WebhookReceiver, webhook
from hub.lib import provider_http

ROOT = Path(base.__file__).parents[2]
GUIDE = Path(base.__file__).with_name("README.md").read_text()
REFERENCE = (ROOT / "docs/integration-reference.md").read_text() + re.sub(
    r"^## (Five minutes|Shared functions|Secrets|Incoming webhooks)\n.*?(?=^## )",
    "",
    GUIDE,
    flags=re.MULTILINE | re.DOTALL,
)
# a row of a table, by what its first cell names; of a method without its arguments
ROWS = {
    match[1]: match[0] for match in re.finditer(r"^\| `(\w+)[^`]*`.*\|$", REFERENCE, re.MULTILINE)
}
CODE = re.findall(r"`([^`\n]+)`", GUIDE + REFERENCE)
NAMED = {word for code in CODE for word in re.findall(r"\w+", code)}

MEMBERS = {
    **vars(WebhookReceiver),
    "complete_event": vars(SourceIntegration)["complete_event"],
    **vars(ProviderRequests),
    **vars(MessageTexts),
    **vars(Product),
    **vars(Integration),
}
ATTRIBUTES = sorted(
    {
        name
        for cls in (Product, WebhookReceiver, ProviderRequests, MessageTexts)
        for name, kind in vars(cls)["__annotations__"].items()
        if not name.startswith("_") and (cls is not ProviderRequests or "ClassVar" in kind)
    }
)
# to call, not to override: the guide describes them among the shared functions
SHARED = set(re.findall(r"`self\.(\w+)\(", GUIDE))
METHODS = sorted(
    name
    for name in MEMBERS
    if not name.startswith("_")
    and name not in {*ATTRIBUTES, *SHARED}
    and callable(getattr(SourceIntegration, name))
)
VALUES = [
    *(value for name in base.__all__ if dataclasses.is_dataclass(value := getattr(base, name))),
    api.Branding,
    api.SourcePerson,
]
ERROR_CODE_FIELDS = [field.name for field in dataclasses.fields(api.ErrorCode)]
FAILURES = [
    kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, SendError)
]
OURS = {"SendError", "FileMissing", "FileRefused"}  # raised by the hub itself
WORDS = {
    "Address": Address,
    "ConfigForm": base.ConfigForm,
    "NO_ERRORS": base.NO_ERRORS,
    "NO_ESCAPING": NO_ESCAPING,
    "Status": Status,
}


def row_cells(name: str) -> list[str]:
    assert name in ROWS, f"the guide does not describe {name}"
    return [cell.strip() for cell in re.split(r"(?<!\\)\|", ROWS[name])[1:-1]]


@pytest.mark.parametrize("name", ATTRIBUTES)
def test_guide_describes_every_attribute_with_its_default(name: str) -> None:
    _, default, meaning = row_cells(name)
    assert meaning
    if default == "required":
        assert not hasattr(Integration, name)
    else:
        holder = Integration if hasattr(Integration, name) else WebhookReceiver
        assert eval(default.strip("`"), dict(WORDS)) == getattr(holder, name)  # noqa: S307


@pytest.mark.parametrize("name", METHODS)
def test_guide_describes_every_method(name: str) -> None:
    type_text, default, meaning = row_cells(name)
    assert meaning
    assert ("*class*" in type_text) is isinstance(MEMBERS[name], classmethod)
    raises = (
        "raise NotImplementedError"
        in Path(base.__file__).read_text().partition(f"def {name}(")[2].partition("\n    def ")[0]
    )
    assert (default == "none") is raises


@pytest.mark.parametrize("value", VALUES, ids=lambda value: value.__name__)
def test_guide_describes_every_value_with_its_fields(value: type) -> None:
    field_names = set(
        re.findall(r"\w+", " ".join(re.findall(r"`([^`]+)`", row_cells(value.__name__)[1])))
    )
    inherited = (
        {field.name for field in dataclasses.fields(WebhookEvent)}
        if issubclass(value, WebhookEvent) and value is not WebhookEvent
        else set()
    )
    derived = {
        name
        for name, member in vars(value).items()
        if not name.startswith("_") and hasattr(member, "__get__")
    }
    assert {
        field.name for field in dataclasses.fields(value)
    } - inherited | derived - inherited <= field_names


@pytest.mark.parametrize("name", sorted({*base.__all__, *api.__all__}))
def test_guide_names_every_term_of_the_contract(name: str) -> None:
    assert name in NAMED


@pytest.mark.parametrize("name", sorted({kind.__name__ for kind in FAILURES} - OURS))
def test_guide_describes_every_error_with_its_effect(name: str) -> None:
    assert all(row_cells(name))


@pytest.mark.parametrize("name", ERROR_CODE_FIELDS)
def test_guide_describes_every_field_of_an_error_code(name: str) -> None:
    assert re.search(rf"^\|.*`{name}`.*\|$", REFERENCE, re.MULTILINE)


def test_guide_maps_each_status_that_an_integration_reports() -> None:
    own = {
        Status.QUEUED,
        Status.SENDING,
        Status.UNKNOWN,
        Status.SUPPRESSED,
        Status.CANCELED,
        Status.EXPIRED,
    }
    described = {name for name in Status.__members__ if f"\n| `{name}` | " in GUIDE}
    assert described == {status.name for status in set(Status) - own}


def test_guide_describes_only_existing_names() -> None:
    attributes = {
        *ERROR_CODE_FIELDS,
        *ATTRIBUTES,
        *METHODS,
        *(value.__name__ for value in VALUES),
        *(kind.__name__ for kind in FAILURES),
        "Status",
        *Status.__members__,
    }
    assert set(ROWS) <= attributes


def test_links_of_the_guide_exist() -> None:
    headings = {
        title.lower().replace(" ", "-") for title in re.findall(r"^## (.+)$", GUIDE, re.MULTILINE)
    }
    assert set(re.findall(r"\]\(#([^)]+)\)", GUIDE)) <= headings
    paths = {
        path
        for path in re.findall(r"\b(?:hub|tests)/[a-z_/]+\.(?:py|md)\b", GUIDE + REFERENCE)
        if "pushfox" not in path
    }
    assert paths
    assert not [path for path in paths if not (ROOT / path).is_file()]


# ── The example of a webhook ──────────────────────────────────────────────────────────────────────
def example() -> type[WebhookReceiver]:
    """Return an integration built from the guide's code."""
    code = next(re.finditer(r"^```python\n(.*?)^```", GUIDE, re.MULTILINE | re.DOTALL))[1]
    scope: dict[str, Any] = {
        "WebhookReceiver": WebhookReceiver,
        "webhook": webhook,
        "WebhookRequest": WebhookRequest,
        "WebhookEvent": WebhookEvent,
        "StatusUpdate": StatusUpdate,
        "verify_hmac": api.verify_hmac,
        "STATES": {"delivered": Status.DELIVERED},
    }
    body = textwrap.indent(textwrap.dedent(code), "    ")
    exec(f"class Pushfox(WebhookReceiver):\n{body}", scope)  # noqa: S102 - our own document
    integration_class: type[WebhookReceiver] = scope["Pushfox"]
    return integration_class


def report(body: bytes, key: str = "shh") -> WebhookRequest:
    signature = hmac.new(key.encode(), body, hashlib.sha256).hexdigest()
    return WebhookRequest(
        "POST",
        "https://hub.example/x",
        "pushfox/{connection}",
        {"x-pushfox-signature": signature},
        body,
        "fox",
    )


def test_webhook_of_the_guide_accepts_only_signed_requests() -> None:
    integration_class = example()
    integration = integration_class({"signing_secret": "shh"}, provider_http.ProviderHttpClient())
    blank = integration_class({}, provider_http.ProviderHttpClient())
    genuine = report(b'{"id": "7", "state": "delivered"}')
    integration.verify(genuine)
    for receiver, request in (
        (integration, report(b"{}", "other")),
        (blank, report(b"{}", "")),
        (integration, dataclasses.replace(genuine, headers={})),
    ):
        with pytest.raises(BadWebhook):
            receiver.verify(request)


def test_webhook_of_the_guide_reads_reports_and_ignores_nonsense() -> None:
    integration = example()({"signing_secret": "shh"}, provider_http.ProviderHttpClient())
    genuine = report(b'{"id": "7", "state": "delivered"}')
    assert integration.parse_events(genuine) == [
        StatusUpdate(provider_id="7", status=Status.DELIVERED, provider_status="delivered")
    ]
    assert integration.callback_key(genuine) == ("7", "delivered")
    for body in (b"", b"[]", b"\xff", b'"x"', b"{" * 100_000, b'{"id": null}'):
        assert integration.parse_events(report(body)) == []
        assert integration.callback_key(report(body))[0]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'{"a": ["x\\u0000y", {"b\\u0000": 1}]}', {"a": ["xy", {"b": 1}]}),
        (b'{"a": "\\ud83e"}', {"a": "�"}),
        (b"[1]", {}),
        (b"a=1", {}),
        (b"\xff\xfe", {}),
        (b'{"a":' * 100_000, {}),
    ],
)
def test_json_body_is_an_object_that_can_be_stored(body: bytes, expected: dict[str, Any]) -> None:
    assert report(body).json == expected
