"""The contract of texts, error codes and responses of every integration."""

from __future__ import annotations

import ast
import inspect
import json
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from wtforms import Field

from hub.core import errors
from hub.core.errors import OutcomeUnknown, SendError
from hub.integrations.base import Integration, Outbound
from hub.integrations.error_table import ErrorCode
from hub.integrations.incoming_webhook import IncomingWebhook
from hub.integrations.provider_requests import NO_ERRORS, ProviderRequests
from hub.integrations.shortening import ELLIPSIS, unit_size
from hub.lib.provider_http import ProviderResponse
from hub.messaging.track.error_codes import CODES
from tests.integrations.instances import ALL, every, instance, samples_of, senders, valid_address

# the keys that a page reads, and attributes of the control in the browser
TEXT_KEYS = {"legend", "optional", "placeholder", "inputmode", "autocomplete", "class"}
FLAG_KEYS = {"mono", "half"}
NUMBER_KEYS = {"maxlength", "rows"}

RAISED = {
    name
    for name, kind in vars(errors).items()
    if isinstance(kind, type) and issubclass(kind, SendError)
}
with_table = pytest.mark.parametrize(
    "cls", [cls for cls in ALL if cls.errors is not NO_ERRORS], ids=lambda cls: cls.name
)
incoming_webhooks = pytest.mark.parametrize(
    "cls", [cls for cls in ALL if issubclass(cls, IncomingWebhook)], ids=lambda cls: cls.name
)


def size_of(cls: type[Integration], text: str) -> int:
    return unit_size(cls.length_unit)(text)


# ── Texts ─────────────────────────────────────────────────────────────────────────────────────────
@senders
@pytest.mark.parametrize("pattern", ["a", "ß", "🎉", "@x ", "<", "1. \n", "#x ", "*_`", "\\", "&"])
def test_text_of_any_alphabet_stays_within_the_limit(cls: type[Integration], pattern: str) -> None:
    connection = instance(cls)
    endless = (pattern * 20_000)[:20_000]
    # as messages are fitted before they are sent
    sizes = range(len(endless) + 1)
    length = bisect_right(sizes, cls.max_length, key=lambda size: cls.length_of(endless[:size]))
    fitted = endless[: length - 1]
    for text in (endless, fitted):
        message = Outbound(id="msg_1", attempt=1, to=valid_address(cls), text=text)
        written = connection.text_of(message)
        assert size_of(cls, written) <= cls.max_length
        assert connection.render(message)
    assert not written.endswith(ELLIPSIS), "a text that length_of accepts is not cut"


@every
def test_length_is_at_least_that_of_the_text(cls: type[Integration]) -> None:
    assert cls.length_of("") == 0
    assert cls.length_of("Anna") >= 4
    if cls.length_unit == "bytes":
        assert cls.length_of("🎉") >= 4


@senders
def test_destination_and_sender_are_shown_as_words(cls: type[Integration]) -> None:
    settings = samples_of(cls).get("SETTINGS", {})
    destination = cls.destination_of(settings)
    if destination:
        label = cls.destination_label(destination)
        assert label.strip() == label != ""


# ── Settings ──────────────────────────────────────────────────────────────────────────────────────
@every
def test_attributes_of_fields_are_known(cls: type[Integration]) -> None:
    for field in cls.Form():
        options = field.render_kw or {}
        for name, value in options.items():
            assert_known(field, name, value)
        assert "legend" in options or "optional" not in options, (
            f"`optional` of {field.name} is the note beside a legend, which it has not"
        )


def assert_known(field: Field, name: str, value: Any) -> None:
    kinds = [
        kind
        for names, kind in ((TEXT_KEYS, str), (FLAG_KEYS, bool), (NUMBER_KEYS, int))
        if name in names
    ]
    assert kinds, f"render_kw of {field.name} has an unknown key: {name}"
    assert type(value) is kinds[0], f"{name} of {field.name} is no {kinds[0].__name__}"


# ── Error codes and responses ─────────────────────────────────────────────────────────────────────
@with_table
@pytest.mark.parametrize("status", [200, 400, 403, 429, 500, 503])
def test_each_code_raises_its_own_error_with_any_status(
    cls: type[Integration], status: int
) -> None:
    response = ProviderResponse(status, {}, b"{}")
    for code, entry in own_codes(cls).items():
        if (status, code) in cls.errors.codes_by_status:
            continue
        error = cls.errors.error_for(response, code)
        assert (type(error), error.code) == (entry.error, code)


def own_codes(cls: type[Integration]) -> Mapping[str, ErrorCode]:
    return {code: entry for code, entry in cls.errors.codes.items() if not code.startswith("http_")}


@with_table
def test_every_code_is_explained_in_sentences(cls: type[Integration]) -> None:
    fields = {field.name for field in cls.Form()} | {""}
    for code in cls.errors.codes:
        problem = cls.explain(code)
        assert problem is not None
        assert problem.text.endswith("."), code
        assert problem.remedy.endswith("."), code
    for code, entry in cls.errors.codes.items():
        names = {entry.field} if isinstance(entry.field, str) else set(entry.field)
        assert names <= fields, f"{code} names a setting that does not exist"


@with_table
def test_code_of_one_status_is_explained_by_its_own_entry(cls: type[Integration]) -> None:
    for (status, code), entry in cls.errors.codes_by_status.items():
        error = cls.errors.error_for(ProviderResponse(status, {}, b"{}"), code)
        problem = cls.explain(error.code)
        assert problem is not None
        assert (problem.text, problem.remedy) == (entry.text, entry.remedy), code
        assert cls.errors.failed_check(error, []).field in ("", entry.setting_at_fault({}))


def raised_codes(path: Path) -> Iterator[str]:
    """Return the codes that a module writes out: those of errors that it raises, or looks up."""
    tree = ast.parse(path.read_text())
    # the errors of a file that cannot be fetched are not stored with a message
    fetching = [
        part
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef) and node.name == "fetch_file"
        for part in ast.walk(node)
    ]
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or node in fetching:
            continue
        called = node.func.attr if isinstance(node.func, ast.Attribute) else ""
        called = node.func.id if isinstance(node.func, ast.Name) else called
        position = {"error": 0}.get(called, 1 if called in RAISED else len(node.args))
        for argument in node.args[position : position + 1]:
            if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
                yield argument.value


@every
def test_each_raised_code_is_explained(cls: type[Integration]) -> None:
    module = Path(inspect.getfile(cls))
    is_package = (module.parent / "__init__.py").is_file() and module.parent.name != "integrations"
    for path in sorted(module.parent.glob("*.py")) if is_package else [module]:
        for code in raised_codes(path):
            assert cls.explain(code) or code in CODES, (
                f"{path.name} raises {code} unexplained: add it, with from_signpost = true"
            )


def judges_responses(cls: type[Integration]) -> bool:
    """Return whether the integration uses `request`, which calls `accepts` and `refusal`."""
    overridden = any(
        getattr(cls, name).__func__ is not getattr(ProviderRequests, name).__func__
        for name in ("accepts", "code_of", "is_genuine")
    )
    return overridden or "self.request(" in inspect.getsource(inspect.getmodule(cls) or cls)


@every
@pytest.mark.parametrize("body", [b"<html>Sign in</html>", b"  <!DOCTYPE html><title>x</title>"])
def test_web_page_of_a_proxy_is_no_success(cls: type[Integration], body: bytes) -> None:
    response = ProviderResponse(200, {"content-type": "text/html; charset=utf-8"}, body)
    if judges_responses(cls):
        assert not cls.accepts(response)
        assert type(cls.refusal(response)) is OutcomeUnknown


@every
def test_responses_of_any_shape_can_be_judged(cls: type[Integration]) -> None:
    if not judges_responses(cls):
        return
    bodies = (
        b"",
        b"[]",
        b"null",
        b"\xff",
        b'{"error": {"code": 1}}',
        b'{"code": [1]}',
        b"[" * 9999,
    )
    for status in (200, 400, 401, 429, 500):
        for body in bodies:
            response = ProviderResponse(status, {}, body)
            assert type(cls.code_of(response)) is str
            if not cls.accepts(response):
                assert isinstance(cls.refusal(response), SendError)


@incoming_webhooks
def test_incoming_webhook_refuses_other_channels(cls: type[IncomingWebhook]) -> None:
    assert cls.explain("other_channel") is not None
    settings = samples_of(cls)["SETTINGS"]
    url = settings[cls.url_setting]
    for stored in (cls.destination_of(settings), cls.senders_of(settings).default):
        assert url not in stored
        assert url.rpartition("/")[2] not in stored
    assert json.dumps(cls.destination_label(cls.destination_of(settings)))
