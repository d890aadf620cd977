"""The oracle itself: a hub that loses, doubles or forgets would be found out."""

from __future__ import annotations

from collections import Counter

from tests.chaos import report
from tests.chaos.load import MESSAGES_PER_POST, TOKEN, post
from tests.chaos.oracle import Verdict, judge

ACCEPTED = {"1-0": "msg_a", "1-1": "msg_b"}
BOTH = {"msg_a": "delivered", "msg_b": "delivered"}


def line(verdict: Verdict, **wrong: int) -> report.Line:
    return report.line(
        "some-fault", verdict, repeated=0, slowest=0.1, seconds=9, wrong=wrong, notes=()
    )


def test_stored_value_of_an_older_version_stays_valid() -> None:
    verdict = judge(ACCEPTED, Counter(["1-0", "1-1"]), BOTH)
    assert (
        verdict.accepted,
        verdict.received,
        verdict.delivered,
        verdict.bad,
        verdict.settled,
    ) == (2, 2, 2, False, True)
    assert line(verdict).held


def test_a_message_that_the_provider_never_got_is_lost_whatever_the_hub_says() -> None:
    verdict = judge(ACCEPTED, Counter(["1-0"]), BOTH)
    assert verdict.lost == ("1-1",)
    assert not line(verdict).held


def test_a_text_that_the_provider_got_twice_is_doubled_whatever_the_hub_says() -> None:
    verdict = judge(ACCEPTED, Counter(["1-0", "1-1", "1-1"]), BOTH)
    assert verdict.doubled == ("1-1",)
    assert not line(verdict).held


def test_a_message_without_an_end_is_stuck_even_if_it_arrived() -> None:
    verdict = judge(ACCEPTED, Counter(["1-0", "1-1"]), {**BOTH, "msg_b": "unknown"})
    assert verdict.stuck == ("1-1",)
    assert not line(verdict).held
    assert judge(ACCEPTED, Counter(["1-0", "1-1"]), {"msg_a": "delivered"}).stuck == ("1-1",), (
        "one that the hub does not list is too"
    )


def test_unaccepted_message_must_not_exist_at_the_provider() -> None:
    assert judge(ACCEPTED, Counter(["1-0", "1-1", "9-9"]), BOTH).unasked == ("9-9",)
    half_done = judge(ACCEPTED, Counter(["1-0", "1-1"]), {**BOTH, "msg_c": "queued"})
    assert half_done.unasked == ("msg_c",)
    assert not line(half_done).held


def test_an_answer_that_nothing_excuses_counts() -> None:
    verdict = judge(ACCEPTED, Counter(["1-0", "1-1"]), BOTH)
    found = line(verdict, broken=2)
    assert (found.held, found.why) == (False, ("2 × broken",))


def test_every_text_holds_a_token_of_its_own() -> None:
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
