"""Webhooks are verified with the address at which they arrived."""

from __future__ import annotations

from urllib.parse import urlencode

import pytest
from flask import Flask
from twilio.request_validator import RequestValidator

from hub.messaging.send import claims
from hub.models import Connection
from tests.conftest import config_of
from tests.hub_fixtures import (
    CALLBACK,
    credentials,
    post_callback,
    queue_text,
    status_form,
)
from tests.webhooks.webhook_steps import SID


@pytest.mark.parametrize(
    "path",
    [
        CALLBACK + "/",
        "/" + CALLBACK,
        "/api//rpc/webhooks/twilio/sms",
        CALLBACK + "//",
        "/api/rpc/webhooks",
    ],
)
@pytest.mark.parametrize("method", ["POST", "GET"])
def test_webhook_addresses_do_not_redirect(hub_demo: Flask, path: str, method: str) -> None:
    answer = hub_demo.test_client().open(path, method=method)
    assert answer.status_code in (403, 404, 405)


def test_trailing_slash_is_signed_and_accepted(hub_demo: Flask) -> None:
    assert (
        post_callback(
            hub_demo, status_form(hub_demo, SID, "sent"), target=CALLBACK + "/"
        ).status_code
        == 200
    )


SPOOFED = {
    "X-Forwarded-Host": "evil.example",
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Port": "444",
    "X-Forwarded-Prefix": "/x",
    "X-Original-URL": "/y",
    "Forwarded": "host=evil.example;proto=https",
    "Host": "evil.example",
}


@pytest.mark.parametrize("header", list(SPOOFED))
def test_headers_do_not_change_the_signed_address(hub_demo: Flask, header: str) -> None:
    headers = {header: SPOOFED[header]}
    assert (
        post_callback(hub_demo, status_form(hub_demo, SID, "sent"), headers=headers).status_code
        == 200
    )
    forged = "https://evil.example" + CALLBACK
    assert (
        post_callback(
            hub_demo, status_form(hub_demo, SID, "delivered"), url=forged, headers=headers
        ).status_code
        == 403
    )


@pytest.mark.parametrize(
    "target",
    [
        CALLBACK + "?a=%2B&b=%20c",
        CALLBACK + "?message=msg_1&attempt=1&message=msg_2",
        CALLBACK + "?",
    ],
)
def test_query_is_signed_as_sent(hub_demo: Flask, target: str) -> None:
    # werkzeug's client rewrites some targets, so the raw one is given as a server would
    form = status_form(hub_demo, SID, "sent")
    public = config_of(hub_demo).public_url
    signature = RequestValidator(credentials(hub_demo).auth_token).compute_signature(
        public + target, form
    )
    answer = hub_demo.test_client().post(
        target,
        data=urlencode(form),
        content_type="application/x-www-form-urlencoded",
        headers={"X-Twilio-Signature": signature},
        environ_overrides={"RAW_URI": target, "REQUEST_URI": target},
    )
    assert answer.status_code == 200


class TestUnderAPath:
    """A hub whose public address has a path."""

    @pytest.fixture
    def settings(self) -> dict[str, str]:
        return {"HUB_PUBLIC_URL": "http://127.0.0.1:9/signpost/eu"}

    @pytest.mark.parametrize("arrives", ["/signpost/eu" + CALLBACK, CALLBACK])
    def test_signature_covers_the_whole_address(self, hub_demo: Flask, arrives: str) -> None:
        form = status_form(hub_demo, SID, "sent")
        url = "http://127.0.0.1:9/signpost/eu" + CALLBACK
        assert post_callback(hub_demo, form, target=arrives, url=url).status_code == 200
        assert (
            post_callback(
                hub_demo, form, target=arrives, url="http://127.0.0.1:9" + CALLBACK
            ).status_code
            == 403
        )

    def test_provider_receives_the_whole_address(
        self, hub_demo: Flask, connection: Connection
    ) -> None:
        message_id = queue_text()
        [claim] = claims.record_and_claim([], {connection.id: 1})
        assert (
            claim.outbound.status_url
            == f"http://127.0.0.1:9/signpost/eu{CALLBACK}?message={message_id}&attempt=1"
        )
