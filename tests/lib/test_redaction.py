"""One-time codes and card numbers are redacted from lists and logs, and other numbers are not."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.lib.redaction import mask, mask_log_event, mask_response


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Your code is 123456.", "Your code is ••••••."),
        ("123456 is your verification code", "•••••• is your verification code"),
        ("Your Acme PIN: 4821", "Your Acme PIN: ••••"),
        ("G-918273 is your Google verification code", "G-•••••• is your Google verification code"),
        ("Use 123-456 as your one-time passcode.", "Use •••-••• as your one-time passcode."),
        ("Ihre TAN lautet 778 899", "Ihre TAN lautet ••• •••"),
        ("Su código es 5566", "Su código es ••••"),
        ("Ваш код 4455", "Ваш код ••••"),
        ("您的验证码是 884422", "您的验证码是 ••••••"),
        ("Card 4111 1111 1111 1111 was charged", "Card ••••1111 was charged"),
        ("Your code is:\n123456", "Your code is:\n••••••"),
        ("Your code (valid 10 minutes): 123456", "Your code (valid 10 minutes): ••••••"),
        ("Use 123456 to sign in", "Use •••••• to sign in"),
        ("Toegangscode: 123456", "Toegangscode: ••••••"),
        ("verification_code=123456", "verification_code=••••••"),
        ("Your code for agreement 2024 is 123456", "Your code for agreement •••• is ••••••"),
        ("Code 12 34 56 78", "Code •• •• •• ••"),
        ("Card 4111.1111.1111.1111", "Card ••••1111"),
        ("378282246310005", "••••0005"),
        ("Pay with 5555-5555-5555-4444 now, code 99887", "Pay with ••••4444 now, code •••••"),
    ],
)
def test_codes_and_cards_are_redacted(text: str, expected: str) -> None:
    assert mask(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "Please sign the Employment Agreement of 2026.",
        (
            'You\'ve been sent "Lease 2026" by Acme HR. Please review & sign:'
            " https://sign.example/r/123456"
        ),
        "Call +13175551234 or +49 151 23456789",
        "msg_01a20003-8110-7697-95ef-ddf3488ccf74",
        "4111 1111 1111 1112",  # no card has that check digit
        "Due on 2026-11-21 at 09:30, 1,250.00 USD",
        "",
    ],
)
def test_text_without_codes_is_unchanged(text: str) -> None:
    assert mask(text) == text


@given(st.text(max_size=300))
def test_redaction_accepts_any_text_and_is_idempotent(text: str) -> None:
    assert mask(mask(text)) == mask(text)
    assert len(mask(text)) <= len(text) + 6


@given(st.lists(st.integers(0, 9), min_size=15, max_size=15), st.sampled_from(["", " ", "-"]))
def test_every_number_with_a_valid_card_check_digit_is_redacted(
    digits: list[int], gap: str
) -> None:
    doubled = [sum(divmod(digit * 2, 10)) for digit in digits[::2]]
    total = sum(doubled) + sum(digits[1::2])
    number = "".join(map(str, [*digits, -total % 10]))
    text = gap.join(number[start : start + 4] for start in range(0, 16, 4))
    assert mask(f"Card {text}.") == f"Card ••••{number[-4:]}."


def test_log_lines_are_redacted() -> None:
    line = mask_log_event(
        None,
        "info",
        {
            "event": "provider.said",
            "why": "Your code is 123456",
            "count": 7,
            "timestamp": "2026-11-21T10:00:00Z",
        },
    )
    assert line == {
        "event": "provider.said",
        "why": "Your code is ••••••",
        "count": 7,
        "timestamp": "2026-11-21T10:00:00Z",
    }


SECRETS = [
    "Authorization: Bearer abcdef.123456",
    "authorization: Basic YWNtZTpwYXNz",
    '{"token": "abc-123-def"}',
    '{\\"api_key\\": \\"abc-123-def\\"}',
    "password=hunter22&x=1",
    "https://app.example/hooks?access_token=abcdef123",
    "X-Api-Key: abcdef123",
    "Set-Cookie: session=abcdef123; Path=/",
    "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLw==",
    "sk_live_51H8abcdefghijklmnop",
    "xoxb-123456789012-abcdef",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.abc",
    "no contact with +13175550142",
    "no contact with +1 (317) 555-0142.",
    "no contact with 0049 30 1234567",
    "Eric <eric.smith+x@example.co.uk> is not known",
]
PARTS = (
    "abcdef", "YWNtZ", "abc-123", "hunter22", "MfKQ9", "51H8", "123456789012", "eyJ", "5550142",
    "555-0142", "1234567", "eric.smith",
)  # fmt: skip


@pytest.mark.parametrize("text", SECRETS)
def test_answer_of_a_server_shows_no_secret_and_no_address(text: str) -> None:
    masked = mask_response(f"Error 500 at 10:15: {text} (line 42)")
    assert not any(part in masked for part in PARTS), masked
    assert masked.startswith("Error 500 at 10:15: ")
    assert masked.endswith("(line 42)")


@pytest.mark.parametrize(
    "text",
    [
        '{"error":"unknown field","request_id":"req_0199aa","at":"2026-11-30T07:15:00Z"}',
        "<h1>502 Bad Gateway</h1> nginx/1.25.3",
        "Traceback: KeyError: 'status' at app.py:42",
        "The signature is wrong. A token is missing.",
        "12345678 + 1 = 12345679",
    ],
)
def test_answer_of_a_server_stays_readable(text: str) -> None:
    assert mask_response(text) == text


def test_values_of_the_request_are_masked_in_its_answer() -> None:
    text = "You sent X-Tenant: acme-blue-42 and a short a"
    assert mask_response(text, ["acme-blue-42", "a"]) == ("You sent X-Tenant: ••• and a short a")


@pytest.mark.parametrize(
    "piece", ["a", "token", "+1", "1 ", "a@", "key_", "eyJ", "\\", '"', "secret-"]
)
def test_masking_an_answer_takes_no_longer_than_it_is_long(piece: str) -> None:
    started = time.process_time()
    mask_response(piece * (4000 // len(piece)))
    assert time.process_time() - started < 1
