"""Shared parts of integrations: error tables, calls, escaping, and messages as plain text."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.integrations.api import (
    Button,
    Card,
    ConnectionBroken,
    DestinationUnavailable,
    ErrorCode,
    ErrorTable,
    Outbound,
    OutcomeUnknown,
    PermanentError,
    Price,
    ProviderHttpClient,
    ProviderResponse,
    SendError,
    Senders,
    SlowDown,
    Unreachable,
    call,
    describe_last,
    escape_html,
    escape_markdown,
    plain_text,
    record_exchanges,
)
from tests.integrations.http_recorder import HttpRecorder, record_requests

TABLE = ErrorTable(
    "Pushfox",
    {"archived": ErrorCode(DestinationUnavailable, "It is archived.", "Restore it.", "channel")},
    docs_url="https://docs.pushfox.example",
    credential="token",
    destination="channel",
)


@pytest.fixture
def http_recorder() -> Iterator[HttpRecorder]:
    with record_requests() as here:
        yield here


def response(status: int, **headers: str) -> ProviderResponse:
    return ProviderResponse(status, headers, b"{}")


# ── Error tables ──────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    ("status", "code", "genuine", "error", "named"),
    [
        (403, "archived", True, DestinationUnavailable, "archived"),
        (401, "", True, ConnectionBroken, "http_401"),
        (401, "", False, Unreachable, "http_401"),
        (404, "unknown", True, DestinationUnavailable, "http_404"),
        (413, "", False, PermanentError, "http_413"),
        (418, "teapot", True, PermanentError, "http_418"),
        (302, "", True, OutcomeUnknown, "http_302"),
        (429, "", False, SlowDown, "http_429"),
        (502, "", False, OutcomeUnknown, "http_502"),
        (520, "", True, OutcomeUnknown, "http_520"),
    ],
)
def test_error_is_found_by_code_and_then_by_status(
    status: int, code: str, genuine: bool, error: type[SendError], named: str
) -> None:
    found = TABLE.error_for(response(status), code, genuine=genuine)
    assert (type(found), found.code) == (error, named)


def test_retry_after_of_a_busy_provider_is_used() -> None:
    found = TABLE.error_for(ProviderResponse(503, {"retry-after": "7"}, b""))
    assert isinstance(found, SlowDown)
    assert found.retry_after == 7


def test_codes_are_explained_with_the_page_of_the_provider() -> None:
    known = TABLE.explain("archived")
    assert known is not None
    assert (known.text, known.remedy) == ("It is archived.", "Restore it.")
    assert known.url == "https://docs.pushfox.example"
    assert TABLE.explain("never heard of") is None


def test_failed_check_names_the_setting_or_asks_to_wait() -> None:
    rejected = TABLE.failed_check(TABLE.error("http_401"), [])
    assert (rejected.ok, rejected.field) == (False, "token")
    busy = TABLE.failed_check(SlowDown("Busy.", "http_429"), [])
    assert (busy.title, busy.field) == ("Could not reach Pushfox.", "")


# ── Calls ─────────────────────────────────────────────────────────────────────────────────────────
def test_call_sends_json_and_returns_every_status(http_recorder: HttpRecorder) -> None:
    http = ProviderHttpClient(allow=[f"127.0.0.1:{http_recorder.port}"])
    http_recorder.answer(404, {"error": "gone"})
    with record_exchanges() as exchanges:
        found = call(
            http,
            "Pushfox",
            "POST",
            f"{http_recorder.url}/a/secret",
            content={"b": 1},
            hidden="secret",
        )
    assert (found.status, found.json) == (404, {"error": "gone"})
    assert http_recorder.bodies == [{"b": 1}]
    assert http_recorder.headers[0]["content-type"] == "application/json"
    described = describe_last(exchanges, "gone")
    assert described.splitlines() == ["POST http://127.0.0.1/a/•••", "HTTP 404", "code gone"]


def test_call_distinguishes_a_lost_response_from_a_refused_connection(
    http_recorder: HttpRecorder,
) -> None:
    http = ProviderHttpClient(allow=[f"127.0.0.1:{http_recorder.port}", "127.0.0.1:1"])
    with pytest.raises(OutcomeUnknown, match="Pushfox closed the connection"):
        call(http, "Pushfox", "POST", http_recorder.url)
    with pytest.raises(Unreachable, match="Could not reach Pushfox"):
        call(http, "Pushfox", "POST", "http://127.0.0.1:1")


# ── Text ──────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("*bold* _it_ `code`", r"\*bold\* \_it\_ \`code\`"),
        ("[a](b) ![c]", r"\[a\](b) \!\[c\]"),
        ("# Title\n- item\n1. one\n> quote", "\\# Title\n\\- item\n1\\. one\n\\> quote"),
        ("see https://a.example/x_y_z?a=*b* now", "see https://a.example/x_y_z?a=*b* now"),
        ("a-b 1.5", "a-b 1.5"),
    ],
)
def test_markdown_is_escaped_except_in_web_addresses(text: str, escaped: str) -> None:
    assert escape_markdown(text) == escaped


def test_html_is_escaped() -> None:
    assert escape_html("<b> & 'c'") == "&lt;b&gt; &amp; 'c'"


def outbound(text: str, card: Card | None = None, *buttons: Button) -> Outbound:
    return Outbound(id="msg_1", attempt=1, to="x", text=text, card=card, buttons=buttons)


@given(
    st.text(max_size=400),
    st.text(max_size=200),
    st.lists(st.tuples(st.text(max_size=60), st.text(max_size=60)), max_size=8),
    st.sampled_from([None, escape_markdown, escape_html]),
    st.integers(200, 900),
)
def test_message_fits_and_keeps_its_links(text, title, facts, escape, limit) -> None:  # type: ignore[no-untyped-def]
    button = Button("Open document", "https://sign.example/r/1")
    message = outbound(text, Card(title, tuple(facts), ("A note",)), button)
    written = plain_text(message, limit, escape=escape)
    assert len(written) <= limit
    assert written.splitlines()[-1].endswith("https://sign.example/r/1")


def test_long_facts_are_cut_before_the_text() -> None:
    card = Card("Agreement " * 50, (("State", "signed " * 50),))
    written = plain_text(outbound("Sign at https://sign.example/r/1 please.", card), 200)
    assert "Sign at https://sign.example/r/1 please." in written
    assert len(written) <= 200


# ── Values ────────────────────────────────────────────────────────────────────────────────────────
def test_price_requires_a_currency() -> None:
    with pytest.raises(ValueError, match="currency"):
        Price(amount=1, currency="")  # type: ignore[arg-type]


def test_senders_choose_by_the_country_of_a_number() -> None:
    senders = Senders("+13175550100", {"BR": "MG1", "FR": "MG1"})
    assert senders.all == ("+13175550100", "MG1")
    assert senders.country_sender("+5511961234567") == "MG1"
    assert senders.country_sender("+13175551234") == ""
    assert senders.country_sender("eric@example.com") == ""
