"""The oracle detects a hub that loses, duplicates or forgets messages."""

from __future__ import annotations

from collections import Counter

from tests.chaos import report
from tests.chaos.load import MESSAGES_PER_POST, TOKEN, post
from tests.chaos.oracle import Verdict, compare

ACCEPTED = {"1-0": "msg_a", "1-1": "msg_b"}
BOTH = {"msg_a": "delivered", "msg_b": "delivered"}


def line(verdict: Verdict, **wrong: int) -> report.Line:
    return report.line(
        "some-fault", verdict, repeated=0, slowest=0.1, seconds=9, wrong=wrong, notes=()
    )


def test_complete_delivery_has_no_errors() -> None:
    verdict = compare(ACCEPTED, Counter(["1-0", "1-1"]), BOTH)
    assert (
        verdict.accepted,
        verdict.received,
        verdict.delivered,
        verdict.has_errors,
        verdict.is_settled,
    ) == (2, 2, 2, False, True)
    assert line(verdict).has_held


def test_message_missing_at_the_provider_is_lost_whatever_its_status() -> None:
    verdict = compare(ACCEPTED, Counter(["1-0"]), BOTH)
    assert verdict.lost == ("1-1",)
    assert not line(verdict).has_held


def test_text_received_twice_is_doubled_whatever_its_status() -> None:
    verdict = compare(ACCEPTED, Counter(["1-0", "1-1", "1-1"]), BOTH)
    assert verdict.doubled == ("1-1",)
    assert not line(verdict).has_held


def test_message_without_a_final_status_is_stuck_even_if_received() -> None:
    verdict = compare(ACCEPTED, Counter(["1-0", "1-1"]), {**BOTH, "msg_b": "unknown"})
    assert verdict.stuck == ("1-1",)
    assert not line(verdict).has_held
    assert compare(ACCEPTED, Counter(["1-0", "1-1"]), {"msg_a": "delivered"}).stuck == ("1-1",), (
        "one that the hub does not list is too"
    )


def test_unaccepted_message_must_not_exist_at_the_provider() -> None:
    assert compare(ACCEPTED, Counter(["1-0", "1-1", "9-9"]), BOTH).unexpected == ("9-9",)
    partial = compare(ACCEPTED, Counter(["1-0", "1-1"]), {**BOTH, "msg_c": "queued"})
    assert partial.unexpected == ("msg_c",)
    assert not line(partial).has_held


def test_unexpected_response_is_an_error() -> None:
    verdict = compare(ACCEPTED, Counter(["1-0", "1-1"]), BOTH)
    result = line(verdict, broken=2)
    assert (result.has_held, result.reasons) == (False, ("2 × broken",))


def test_every_text_has_a_unique_token() -> None:
    posts = [post(n) for n in range(40)]
    tokens = [token for sent_post in posts for token in sent_post.expected]
    assert len(set(tokens)) == len(tokens) == 40 * MESSAGES_PER_POST
    assert len({sent_post.key for sent_post in posts}) == 40
    assert all(
        TOKEN.findall(sent_post.body.decode()) == list(sent_post.expected) for sent_post in posts
    )
    assert all(
        len(set(sent_post.expected.values())) == len(sent_post.expected) for sent_post in posts
    ), "the answer is read by number"
