"""Comparable software, each set up as its documentation recommends.

The addresses come in the environment:

BENCH_PROVIDER   the provider's stand-in, in place of https://api.twilio.com
BENCH_QUEUE      the socket of the queue server
"""

from __future__ import annotations

import os

from requests.adapters import HTTPAdapter
from twilio.http.http_client import TwilioHttpClient
from twilio.rest import Client

ACCOUNT = "AC" + "0" * 32
TOKEN = "0" * 32
SENDER = "+13175550100"
TEXT = (
    'You\'ve been sent "Employment Agreement" by Acme HR. Please review & sign:'
    " https://sign.example/r/agr-1001/eric"
)


class Elsewhere(TwilioHttpClient):  # type: ignore[misc]
    """The SDK's client with another address, as the Twilio library documents it."""

    def __init__(self, connections: int = 10) -> None:
        super().__init__(timeout=10)
        # as many as threads: kinder than the default
        self.session.mount("http://", HTTPAdapter(pool_maxsize=connections))

    def request(self, method: str, url: str, *args: object, **kwargs: object) -> object:
        return super().request(
            method,
            url.replace("https://api.twilio.com", os.environ["BENCH_PROVIDER"]),
            *args,
            **kwargs,
        )


def create_client(connections: int = 10) -> Client:
    return Client(ACCOUNT, TOKEN, http_client=Elsewhere(connections))


def phone_number(n: int) -> str:
    return f"+1317{2_000_000 + n:07}"
