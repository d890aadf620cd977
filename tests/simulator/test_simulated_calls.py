"""The simulator performs TwiML as Twilio documents it."""

from __future__ import annotations

import pytest

from hub.simulator.voice.twiml import read_twiml


@pytest.mark.parametrize(
    ("attributes", "end_key"), [("", "#"), (' finishOnKey=""', ""), (' finishOnKey="*"', "*")]
)
def test_key_that_ends_the_entry_is_read(attributes: str, end_key: str) -> None:
    spoken = read_twiml(f'<Response><Gather action="/keys"{attributes}/><Say>Bye</Say></Response>')
    assert spoken is not None
    assert (spoken.action, spoken.end_key) == ("/keys", end_key)
    assert spoken.after == [("en-US", "Bye")]
