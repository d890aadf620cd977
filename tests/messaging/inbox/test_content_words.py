"""Every content has a description and can be stored as JSON."""

from __future__ import annotations

import json
from typing import Any

import pytest
from flask import Flask
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from hub.core.vocabulary import Channel, ContentKind
from hub.db.engine import db
from hub.db.types import now
from hub.integrations import inbound_contents
from hub.integrations.base import Inbound as Came
from hub.messaging.inbox import contents, inbound
from hub.messaging.track.statuses import Origin
from hub.models import Connection, InboundMessage
from tests.hub_fixtures import (
    ERIC,
    callbacks,
    count,
    credentials,
    post_callback,
    process_pending_callbacks,
)
from tests.messaging.inbox.content_forms import INBOUND

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
)
CONTENTS = st.one_of(
    st.builds(inbound_contents.location, JSON, JSON, st.text(max_size=9), st.text(max_size=9)),
    st.builds(
        inbound_contents.contact, st.text(max_size=9), st.lists(st.text(max_size=9), max_size=3)
    ),
    st.builds(inbound_contents.reaction, st.text(max_size=3), st.text(max_size=9)),
    st.builds(inbound_contents.sticker, st.text(max_size=3)),
    st.builds(inbound_contents.form, JSON.map(json.dumps) | st.text(max_size=30)),
    st.builds(
        inbound_contents.poll, st.text(max_size=9), st.lists(st.text(max_size=9), max_size=30)
    ),
    st.builds(inbound_contents.dice, st.text(max_size=3), st.none() | st.integers()),
    st.builds(inbound_contents.referral, *[st.text(max_size=9)] * 5),
    st.builds(inbound_contents.edit, st.text(max_size=9)),
    st.builds(inbound_contents.other, st.text(max_size=200)),
).filter(lambda stored_content: stored_content is not None)


@given(CONTENTS)
def test_every_content_has_a_description_and_can_be_stored(content: Any) -> None:
    stored = {"kind": content.kind.value, **content.fields}
    text = json.dumps(stored, allow_nan=False)
    description = contents.describe_content(json.loads(text))
    assert description
    assert description != contents.UNKNOWN
    assert contents.coordinates(stored).count(",") in (0, 1)


@pytest.mark.parametrize("kind", list(ContentKind))
def test_every_kind_has_a_description_and_names_its_fields(kind: ContentKind) -> None:
    assert kind in contents.DESCRIBERS
    assert kind.meaning


@given(st.dictionaries(st.sampled_from(["kind", "emoji", "latitude", "answers", "phones"]), JSON))
def test_content_of_another_version_can_be_shown(stored: dict[str, Any]) -> None:
    assert contents.describe_content(stored)


def test_content_and_coordinates_of_a_package_are_stored(hub_demo: Flask) -> None:
    connection = db.session.scalars(
        select(Connection).where(Connection.slug == "demo-whatsapp")
    ).one()
    message = Came(
        provider_id="x" * 5000,
        channel=Channel.WHATSAPP,
        senders=(connection.sender,),
        address=ERIC,
        contents=(inbound_contents.sticker("🎉"),),
    )
    for _ in range(2):
        assert inbound.store_inbound(message, Origin("callback", [connection.id]), now())
    assert count(InboundMessage) == 1


def test_unknown_kind_is_not_retried(hub_demo: Flask) -> None:
    answer = post_callback(
        hub_demo,
        {"AccountSid": credentials(hub_demo).account_sid, "Hello": "there"},
        target=INBOUND,
    )
    assert answer.status_code == 200
    process_pending_callbacks()
    [row] = callbacks()
    assert (row.tries, row.due_at) == (1, None)
    assert row.error == "This webhook is neither a message nor a message status."
