"""Twilio's error codes are explained, and refused calls raise the right errors."""

from __future__ import annotations

import json
import re

import pytest

from hub.core.errors import (
    ConnectionBroken,
    OutcomeUnknown,
    PermanentError,
    RecipientRefused,
    SendError,
    SlowDown,
    TemplateRequired,
    TransientError,
    Unreachable,
)
from hub.integrations.twilio.errors import ERRORS
from hub.integrations.twilio.errors import error_for as error_of_response
from hub.lib.provider_http import ProviderResponse

CODES = ERRORS.codes
explain = ERRORS.explain

# every code that can meet us over SMS, WhatsApp and calls
LISTED = """
    10001 11200 11205 11206 11210 11220 11235 11236 11237 11243 11750 12100 12200 12300 14107
    20003 20005 20006 20008 20403 20404 20409 20410 20429 20500 20503     21210 21211 21212
    21214 21215 21216 21217 21265 21266 21268 21408     21601 21602 21603 21604 21606 21607
    21608 21609 21610 21611 21612 21614 21616 21617 21618 21619 21620 21621 21622 21623
    21624 21635 21654 21655 21656 21657 21658 21659 21660 21661 21664 21666 21667 21701 21702
    21703 21704 21705     30001 30002 30003 30004 30005 30006 30007 30008 30009 30010 30011
    30015 30016 30017 30018 30019 30022 30023 30024 30027     30029 30030 30032 30033 30034
    30035 30036 30400 30409 30410 30450 30453 30610 30640     57012 63001 63002 63003 63005
    63006 63007 63008 63009 63010 63011 63012 63013 63014 63015 63016 63017 63018 63019 63020
    63021 63022 63023 63024 63025 63026 63027 63028 63029 63030 63031 63032 63033 63034 63036
    63037 63038 63040 63041 63042     63046 63049 63051 63062 90007 572002 572005 573005 575001
"""

MESSAGE = "The 'To' number +13175551234 said: You've been sent a document"


def error_for(status: int, code: str, retry_after: float | None = None) -> SendError:
    headers = {} if retry_after is None else {"retry-after": str(retry_after)}
    body = json.dumps({"code": code, "message": MESSAGE}).encode()
    return error_of_response(ProviderResponse(status, headers, body), code)


def test_every_possible_code_is_known() -> None:
    assert set(LISTED.split()) - set(CODES) == set()


@pytest.mark.parametrize("code", sorted(CODES))
def test_every_entry_has_an_explanation_and_a_remedy(code: str) -> None:
    entry = CODES[code]
    assert code.isdecimal() or entry.from_signpost
    for sentence in (entry.text, entry.remedy):
        assert sentence.endswith(".")
        assert sentence[0].isupper()
        assert len(sentence) > 10
        assert not [
            unwanted for unwanted in ("!", "  ", "'", "please") if unwanted in sentence.lower()
        ]
    assert entry.text != entry.remedy


def test_unverified_recipient_of_a_trial_account_is_explained() -> None:
    problem = explain("21608")
    assert problem is not None
    assert "not verified" in problem.text
    assert "verif" in problem.remedy.lower()
    assert "upgrade" in problem.remedy
    assert "capab" not in (problem.text + problem.remedy).lower()
    assert problem.url == "https://www.twilio.com/docs/api/errors/21608"


def test_unverified_recipient_does_not_break_the_connection() -> None:
    assert type(error_for(400, "21608")) is PermanentError


def test_unknown_code_has_no_explanation() -> None:
    assert explain("99999") is None
    assert explain("") is None


def test_landline_receives_no_more_text_messages() -> None:
    assert CODES["21614"].error is RecipientRefused


def test_carrier_block_fails_one_message_only() -> None:
    assert CODES["30004"].error is PermanentError


@pytest.mark.parametrize("code", ["30003", "30450"])
def test_unreachable_phone_and_pumping_protection_are_retried_after_half_an_hour(code: str) -> None:
    entry = CODES[code]
    assert (entry.error, entry.retry_after) == (TransientError, 30 * 60)


@pytest.mark.parametrize(
    ("status", "code", "error"),
    [
        (400, "21702", TransientError),
        (429, "21702", SlowDown),
        (400, "21611", SlowDown),
        (429, "20429", SlowDown),
        (400, "21211", PermanentError),
        (400, "21612", PermanentError),
        (400, "21408", PermanentError),
        (404, "20404", PermanentError),
        (400, "21610", RecipientRefused),
        (400, "21614", RecipientRefused),
        (400, "63016", TemplateRequired),
        (401, "20003", ConnectionBroken),
        (403, "20403", ConnectionBroken),
        (400, "21606", ConnectionBroken),
        (400, "21660", ConnectionBroken),
        # the code decides before the status
        (400, "20003", ConnectionBroken),
        (401, "21211", PermanentError),
        (500, "21610", RecipientRefused),
        # codes we do not know, and answers without one
        (429, "99999", SlowDown),
        (401, "99999", ConnectionBroken),
        (401, "", Unreachable),
        (403, "", Unreachable),
        (400, "99999", PermanentError),
        (404, "99999", PermanentError),
        (400, "", PermanentError),
        # a gateway or a wrong address speaks for no message: what waits, waits until an admin has
        # looked
        (404, "", Unreachable),
        (405, "", Unreachable),
        (407, "", Unreachable),
        # nor does it say that nothing went through
        (408, "", OutcomeUnknown),
        (425, "", OutcomeUnknown),
        (302, "", OutcomeUnknown),
        (500, "", OutcomeUnknown),
        (502, "99999", OutcomeUnknown),
    ],
)
def test_refusal_raises_the_error_of_its_code_or_status(
    status: int, code: str, error: type[SendError]
) -> None:
    assert type(error_for(status, code)) is error


@pytest.mark.parametrize("code", sorted(CODES))
def test_every_known_code_can_be_raised_with_its_explanation_and_remedy(code: str) -> None:
    error = error_for(400, code)
    problem = explain(code)
    assert problem is not None
    assert str(error) == f"{problem.text} {problem.remedy}"
    assert error.code == code


@pytest.mark.parametrize("code", ["20500", "20503", "", "99999"])
@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_5xx_is_an_unknown_outcome(status: int, code: str) -> None:
    assert type(error_for(status, code)) is OutcomeUnknown


@pytest.mark.parametrize("code", ["20503", "", "99999"])
def test_503_with_retry_after_means_not_accepted(code: str) -> None:
    error = error_for(503, code, retry_after=7)
    assert isinstance(error, SlowDown), "it is the provider that comes back, not the message"
    assert error.retry_after == 7


@pytest.mark.parametrize("status", [500, 502, 504])
def test_other_5xx_with_retry_after_is_an_unknown_outcome(status: int) -> None:
    assert type(error_for(status, "20500", retry_after=7)) is OutcomeUnknown


@pytest.mark.parametrize(
    ("status", "code", "retry_after", "pause"),
    [
        (429, "20429", 3, 3),
        (429, "20429", 0, 0),
        (429, "20429", None, 10),
        (429, "", None, 10),
        (429, "", 2.5, 2.5),
        (400, "21611", None, 1800),
        (400, "30003", None, 1800),
        (400, "21702", 4, 4),
        (400, "21702", None, None),
    ],
)
def test_pause_comes_from_retry_after_or_the_code(
    status: int, code: str, retry_after: float | None, pause: float | None
) -> None:
    error = error_for(status, code, retry_after)
    assert isinstance(error, TransientError)
    assert error.retry_after == pause


def test_unknown_code_is_kept_with_a_link_to_the_provider() -> None:
    error = error_for(400, "99999")
    assert error.code == "99999"
    assert (
        str(error)
        == "Twilio rejected the message with a code that Signpost does not recognize. Look up the"
        " code at https://www.twilio.com/docs/api/errors."
    )


def test_response_without_a_code_is_named_by_its_status() -> None:
    assert error_for(404, "").code == "http_404"
    assert "404" in str(error_for(404, ""))
    assert "HUB_TWILIO_API_URL" in str(error_for(404, "")), "it is not Twilio that answers"
    assert error_for(502, "").code == "http_502"


@pytest.mark.parametrize("status", [302, 400, 401, 429, 500, 503])
@pytest.mark.parametrize("retry_after", [None, 5.0])
def test_errors_do_not_repeat_messages_of_twilio(status: int, retry_after: float | None) -> None:
    for code in (*CODES, "99999", ""):
        error = error_for(status, code, retry_after)
        error_text = f"{error} {error!r} {vars(error)} {error.__cause__!r} {error.__context__!r}"
        assert "13175551234" not in error_text
        assert "sent a document" not in error_text


def test_remedy_for_a_recipient_number_names_the_signing_app() -> None:
    asks = re.compile(
        r"(recipient’s|own mobile) number|[Aa]sk the person for a(nother)? |number for the"
    )
    remedies = {code: known.remedy for code, known in CODES.items() if asks.search(known.remedy)}
    assert len(remedies) > 10
    assert {code for code, remedy in remedies.items() if "signing app" not in remedy} == set()
