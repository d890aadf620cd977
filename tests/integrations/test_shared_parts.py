"""Shared parts of integrations: error tables, calls, escaping, and messages as plain text."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

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
    Escaper,
    Outbound,
    OutcomeUnknown,
    PermanentError,
    Price,
    ProviderHttpClient,
    ProviderResponse,
    Scope,
    SendError,
    Senders,
    SlowDown,
    Status,
    Unreachable,
    call,
    describe_last,
    escape_html,
    escape_markdown,
    phones,
    plain_text,
    read_error_codes,
    record_exchanges,
)
from tests.integrations.http_recorder import HttpRecorder

TABLE = ErrorTable(
    "Pushfox",
    {
        "archived": ErrorCode(DestinationUnavailable, "It is archived.", "Restore it.", "channel"),
        "quota": ErrorCode(PermanentError, "The quota is used up.", "Buy more."),
        "daily": ErrorCode(
            SlowDown, "Too many today.", "Wait.", retry_after=1800.0, scope=Scope.ACCOUNT
        ),
        "http_501": ErrorCode(ConnectionBroken, "It is disabled.", "Enable it."),
        (400, "general"): ErrorCode(DestinationUnavailable, "It failed.", "Look.", sure=False),
        (400, "mixed"): ErrorCode(PermanentError, "It is too long.", "Shorten it."),
        (403, "mixed"): ErrorCode(ConnectionBroken, "The key is wrong.", "Enter it.", "token"),
    },
    docs_url="https://docs.pushfox.example",
    credential="token",
    destination="channel",
)


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
        (418, "teapot", True, PermanentError, "teapot"),
        (418, "Anna has signed.", True, PermanentError, "http_418"),
        (429, "quota", True, PermanentError, "quota"),
        (429, "unknown", True, SlowDown, "unknown"),
        (429, "quota", False, SlowDown, "http_429"),
        (200, "archived", True, DestinationUnavailable, "archived"),
        (200, "unknown", True, PermanentError, "unknown"),
        (200, "archived", False, OutcomeUnknown, "http_200"),
        (200, "", True, OutcomeUnknown, "http_200"),
        (501, "", True, ConnectionBroken, "http_501"),
        (501, "", False, OutcomeUnknown, "http_501"),
        (302, "", True, OutcomeUnknown, "http_302"),
        (429, "", False, SlowDown, "http_429"),
        (502, "", False, OutcomeUnknown, "http_502"),
        (520, "", True, OutcomeUnknown, "http_520"),
    ],
)
def test_error_is_found_by_code_and_then_by_status(
    status: int, code: str, genuine: bool, error: type[SendError], named: str
) -> None:
    table_error = TABLE.error_for(response(status), code, genuine=genuine)
    assert (type(table_error), table_error.code) == (error, named)


def test_retry_after_of_a_busy_provider_is_used() -> None:
    error = TABLE.error_for(ProviderResponse(503, {"retry-after": "7"}, b""))
    assert isinstance(error, SlowDown)
    assert error.retry_after == 7


def test_codes_are_explained_with_the_page_of_the_provider() -> None:
    explanation = TABLE.explain("archived")
    assert explanation is not None
    assert (explanation.text, explanation.remedy) == ("It is archived.", "Restore it.")
    assert explanation.url == "https://docs.pushfox.example"
    assert TABLE.explain("unlisted") is None


def test_code_has_its_own_wait_scope_and_certainty() -> None:
    limit = TABLE.error_for(response(429), "daily")
    assert isinstance(limit, SlowDown)
    assert (limit.retry_after, limit.scope) == (1800, Scope.ACCOUNT)
    error = TABLE.error_for(ProviderResponse(429, {"retry-after": "7"}, b""), "daily")
    assert isinstance(error, SlowDown)
    assert error.retry_after == 7
    unsure = TABLE.error_for(response(400), "general")
    assert isinstance(unsure, DestinationUnavailable)
    assert not unsure.sure


def test_code_of_one_status_means_nothing_with_another() -> None:
    assert TABLE.error_for(response(404), "general").code == "http_404"
    assert TABLE.explain("general") is not None


def test_code_with_several_meanings_is_explained_by_that_of_its_status() -> None:
    for status, text, field in ((400, "It is too long.", ""), (403, "The key is wrong.", "token")):
        error = TABLE.error_for(response(status), "mixed")
        assert error.code == f"mixed_{status}"
        explanation = TABLE.explain(error.code)
        assert explanation is not None
        assert (explanation.text, TABLE.failed_check(error, []).field) == (text, field)
    assert TABLE.explain("mixed") is None, "without a status, its meaning is not known"
    linked = ErrorTable(
        "Pushfox",
        {(400, "a"): ErrorCode(PermanentError, "X.", "Y.")},
        docs_url="https://docs.pushfox.example/{code}",
    )
    explanation = linked.explain("a_400")
    assert explanation is not None
    assert explanation.url == "https://docs.pushfox.example/a"


def test_table_for_a_team_refuses_other_channels() -> None:
    assert type(TABLE.error("other_channel")) is PermanentError
    with pytest.raises(KeyError):
        ErrorTable("Pushfox", {}).error("other_channel")


def test_unknown_codes_may_concern_the_destination() -> None:
    unknown = ErrorCode(DestinationUnavailable, "It failed.", "Look.", "channel", sure=False)
    error = ErrorTable("Pushfox", {}, unknown=unknown).error_for(response(418), "teapot")
    assert isinstance(error, DestinationUnavailable)
    assert (error.code, error.sure) == ("teapot", False)


def test_failed_delivery_has_the_meaning_of_its_code() -> None:
    update = TABLE.update("quota", Status.FAILED, "rejected", provider_id="7")
    assert (update.provider_id, update.provider_status, update.code) == ("7", "rejected", "quota")
    assert update.reason == "The quota is used up. Buy more."
    assert type(update.error) is PermanentError
    assert TABLE.update("quota", Status.SENT).error is None
    assert TABLE.update("unlisted", Status.FAILED).reason == ""


@pytest.mark.parametrize(
    ("problem", "title", "step", "field"),
    [
        (TABLE.error("http_401"), "Pushfox rejected the credentials.", "Enter", "token"),
        (TABLE.error("daily"), "Too many today.", "Wait a minute", ""),
        (TABLE.error("http_500"), "Pushfox failed before", "Check there", ""),
        (Unreachable("Down.", "unreachable"), "Could not reach Pushfox.", "Wait a minute", ""),
        (PermanentError("No.", "teapot"), "Pushfox rejected the test.", "Wait a minute", ""),
        (OutcomeUnknown("?", "bad_answer"), "The response of Pushfox could", "Wait a minute", ""),
        (OutcomeUnknown("?", "no_answer"), "Pushfox did not respond.", "Wait a minute", ""),
    ],
)
def test_failed_check_says_what_happened_and_what_to_do(
    problem: SendError, title: str, step: str, field: str
) -> None:
    result = TABLE.failed_check(problem, [])
    assert result.title.startswith(title)
    assert result.steps[0].startswith(step)
    assert (result.ok, result.field) == (False, field)


def test_failed_check_names_the_address_to_allow() -> None:
    table = ErrorTable("Pushfox", {}, server="server")
    with record_exchanges() as exchanges, pytest.raises(Unreachable) as problem:
        call(ProviderHttpClient(), "Pushfox", "GET", "https://127.0.0.1:8065/a")
    result = table.failed_check(problem.value, exchanges)
    assert result.field == "server"
    assert result.steps[0] == "To allow it, add 127.0.0.1:8065 to HUB_HTTP_ALLOW."
    assert "HUB_HTTP_ALLOW" not in result.text
    assert "https://127.0.0.1:8065/a" in result.response


def test_codes_are_read_from_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "pushfox_codes"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "errors.toml").write_text(
        '4 = { error = "SlowDown", text = "Busy.", remedy = "Wait.", scope = "account" }\n'
        '"400 general" = { error = "PermanentError", text = "No.", remedy = "Look." }\n'
        "[receipt]\n"
        '4 = { error = "PermanentError", text = "Blocked.", remedy = "Call.", field = "sender" }\n'
    )
    monkeypatch.syspath_prepend(tmp_path)
    codes = read_error_codes("pushfox_codes")
    assert codes == {
        "4": ErrorCode(SlowDown, "Busy.", "Wait.", scope=Scope.ACCOUNT),
        (400, "general"): ErrorCode(PermanentError, "No.", "Look."),
        "receipt_4": ErrorCode(PermanentError, "Blocked.", "Call.", "sender"),
    }
    texts = 'text = "", remedy = ""'
    for wrong, problem in (
        (f'error = "HubError", {texts}', "unknown error: 'HubError'"),
        (f'error = "SlowDown", {texts}, cause = ""', "unknown fields: cause"),
        (f'error = "SlowDown", {texts}, scope = "everyone"', "unknown scope. Use message"),
        ('error = "SlowDown", text = ""', "remedy"),
    ):
        (package / "errors.toml").write_text(f"1 = {{ {wrong} }}\n")
        with pytest.raises(ValueError, match=f"code 1 .*{problem}"):
            read_error_codes("pushfox_codes")


# ── Calls ─────────────────────────────────────────────────────────────────────────────────────────
def test_call_sends_json_and_returns_every_status(http_recorder: HttpRecorder) -> None:
    http = ProviderHttpClient(allow=[f"127.0.0.1:{http_recorder.port}"])
    http_recorder.answer(404, {"error": "gone"})
    with record_exchanges() as exchanges:
        call_result = call(
            http,
            "Pushfox",
            "POST",
            f"{http_recorder.url}/a/secret",
            content={"b": 1},
            hidden="secret",
        )
    assert (call_result.status, call_result.json) == (404, {"error": "gone"})
    assert http_recorder.bodies == [{"b": 1}]
    assert http_recorder.headers[0]["content-type"] == "application/json"
    described = describe_last(exchanges, "gone")
    first = f"POST {http_recorder.url}/a/•••"
    assert described.splitlines() == [first, "HTTP 404", "code gone"]


def test_call_sends_json_as_utf_8(http_recorder: HttpRecorder) -> None:
    http = ProviderHttpClient(allow=[f"127.0.0.1:{http_recorder.port}"])
    http_recorder.answer(200, "ok")
    call(http, "Pushfox", "POST", http_recorder.url, content={"text": "Привет 🎉"})
    assert http_recorder.seen[0][1] == '{"text": "Привет 🎉"}'.encode()


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
        (r"C:\Users \*", r"C:\Users \\\*"),
        (r"\_a_", r"\\\_a\_"),
        ("Title\n===\n    code", "Title\n\u200b===\ncode"),
    ],
)
def test_markdown_is_escaped_except_in_web_addresses(text: str, escaped: str) -> None:
    assert escape_markdown(text) == escaped


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("@all, anna@sign.example", "@\u200ball, anna@sign.example"),
        ("https://sign.example/)@here", "https://sign.example/)@\u200bhere"),
        (":tada: #deal ~sales 10:30:45", ":\u200btada: \\#\u200bdeal \\~\u200bsales 10:30:45"),
        ("_@here a < b & c", "\\_@\u200bhere a &lt; b &amp; c"),
    ],
)
def test_mentions_and_entities_are_escaped_where_asked(text: str, escaped: str) -> None:
    assert Escaper("`*_[]>#|~!\\", entities="&<", shortcuts="@:#~")(text) == escaped


@pytest.mark.parametrize("pattern", ["@x ", "<", "1. \n", "#x ", "    a\n", "\\", "🎉_"])
@pytest.mark.parametrize("size", [len, lambda text: len(text.encode())])
def test_limit_is_kept_if_escaping_depends_on_neighbors(
    pattern: str, size: Callable[[str], int]
) -> None:
    escaper = Escaper("`*_[]>#|~!\\", entities="&<", shortcuts="@:#~")
    card = Card(pattern * 900, ((pattern * 900, pattern * 900),), (pattern * 900,))
    button = Button("Open document", "https://sign.example/r/1")
    message = outbound(pattern * 900, card, button)
    written = plain_text(message, 1000, escape=escaper, size=size)
    assert 900 < size(written) <= 1000
    assert written.endswith("https://sign.example/r/1")
    without = plain_text(message, 1000, escape=escaper, size=size, title=False)
    assert size(without) <= 1000


def test_title_can_be_left_out() -> None:
    card = Card("Employment Agreement", (("State", "signed"),))
    assert plain_text(outbound("Hello", card), 200, title=False) == "Hello\nState: signed"


def test_html_is_escaped() -> None:
    assert escape_html("<b> & 'c'") == "&lt;b&gt; &amp; 'c'"


def outbound(text: str, card: Card | None = None, *buttons: Button) -> Outbound:
    return Outbound(id="msg_1", attempt=1, to="x", text=text, card=card, buttons=buttons)


@given(
    st.text(max_size=400),
    st.text(max_size=200),
    st.lists(st.tuples(st.text(max_size=60), st.text(max_size=60)), max_size=8),
    st.sampled_from([str, escape_markdown, escape_html]),
    st.integers(200, 900),
)
def test_message_fits_and_keeps_its_links(
    text: str,
    title: str,
    facts: list[tuple[str, str]],
    escape: Callable[[str], str],
    limit: int,
) -> None:
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


@pytest.mark.parametrize(
    "number", ["+13175551234", "+5511961234567", "+525512345678", "+4915112345678"]
)
def test_country_does_not_depend_on_the_form_of_the_recipient(number: str) -> None:
    forms = (number, number.removeprefix("+"), f"00{number[1:]}", f"whatsapp:{number}")
    for form in forms:
        message = Outbound(id="msg_1", attempt=1, to=form, text="", address=number)
        assert message.country == phones.region(number)
        assert message.country
        senders = Senders("ACME", {message.country: "MG1"})
        assert senders.country_sender(message.address) == "MG1"
