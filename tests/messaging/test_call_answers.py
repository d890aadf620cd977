"""Answers to keys that belong to no call."""

from __future__ import annotations

from flask import Flask

from tests.hub_fixtures import queue_text
from tests.messaging.voice_steps import press


def test_key_for_a_message_of_another_channel_is_accepted_in_silence(hub_demo: Flask) -> None:
    answer = press(hub_demo, "1", message=queue_text(), sid="CA" + "1" * 32)
    assert answer.status_code < 300
    assert b"<Say" not in answer.data
