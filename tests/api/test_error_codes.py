"""The table of API error codes holds every code that the code behind the API can raise."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from hub.api.error_codes import ERROR_CODES

HUB = Path(__file__).resolve().parents[2] / "hub"
BEHIND_THE_API = ("addresses.py", "idempotency.py", "times.py")
STATUSES = {"Refused": 422, "NotFound": 404, "Conflict": 409}
# raised for pages, imports and webhooks only
NOT_IN_THE_API = {
    "ambiguous_request",
    "bad_amount",
    "bad_currency",
    "bad_encoding",
    "bad_event",
    "bad_grammar",
    "bad_header",
    "bad_line",
    "bad_locale",
    "bad_number",
    "bad_overlap",
    "bad_period",
    "bad_prefix",
    "bad_quote",
    "bad_server",
    "bad_subject",
    "bad_user",
    "bad_value",
    "bad_wait",
    "bad_word",
    "changed_meanwhile",
    "contradiction",
    "control_characters",
    "duplicate_column",
    "empty_message",
    "empty_subject",
    "endpoint_off",
    "erased",
    "erased_already",
    "event_deleted",
    "exists",
    "held_already",
    "jinja",
    "legal_hold",
    "link_in_call",
    "missing_column",
    "never_opened",
    "never_reached",
    "never_reported",
    "posts_to_team",
    "repeated_step",
    "no_connection_test",
    "no_hold",
    "no_letters",
    "no_line",
    "no_opt_out",
    "no_place",
    "no_prices",
    "no_secret",
    "no_signer",
    "no_such_button",
    "no_such_contact",
    "no_such_conversation",
    "no_such_country",
    "no_such_delivery",
    "no_such_link",
    "no_such_mapping",
    "no_such_route",
    "no_such_source",
    "no_such_template",
    "no_such_text",
    "no_such_version",
    "no_variable",
    "not_approved",
    "not_set_aside",
    "nothing_before",
    "reserved_header",
    "rotation_running",
    "shipped_text",
    "too_many_headers",
    "too_many_steps",
    "twice",
    "two_authorizations",
    "two_meanings",
    "unknown_column",
    "unknown_sender",
    "unknown_source",
    "window_closed",
}
# codes that pages raise with another status than the API
OTHER_STATUS_ON_PAGES = {("too_large", 422), ("unreadable", 422)}


def raised_codes() -> Iterator[tuple[str, int]]:
    """Return every literal error code behind the API, with its status."""
    folders = (HUB / "api", HUB / "signing", HUB / "messaging", HUB / "endpoints")
    modules = [
        path
        for path in HUB.rglob("*.py")
        if path.name in BEHIND_THE_API or any(folder in path.parents for folder in folders)
    ]
    for path in modules:
        for call in ast.walk(ast.parse(path.read_text())):
            if not (isinstance(call, ast.Call) and isinstance(call.func, ast.Name)):
                continue
            values = [arg.value for arg in call.args if isinstance(arg, ast.Constant)]
            if call.func.id in STATUSES and values and isinstance(values[0], str):
                yield values[0], STATUSES[call.func.id]
            elif call.func.id == "Problem" and len(values) > 1 and isinstance(values[0], int):
                yield str(values[1]), values[0]


def test_every_raised_code_is_in_the_table_with_its_status() -> None:
    raised = {(code, status) for code, status in raised_codes() if code not in NOT_IN_THE_API}
    raised -= OTHER_STATUS_ON_PAGES
    assert len(raised) > 50
    missing = {code: status for code, status in raised if code not in ERROR_CODES}
    assert not missing
    wrong = {(code, status) for code, status in raised if ERROR_CODES[code].status != status}
    assert not wrong


def test_every_code_of_the_table_is_raised() -> None:
    source = "\n".join(
        path.read_text() for path in HUB.rglob("*.py") if path.name != "error_codes.py"
    )
    assert not [code for code in ERROR_CODES if f'"{code}"' not in source]


def test_table_lists_no_excluded_code() -> None:
    assert not NOT_IN_THE_API & ERROR_CODES.keys()
