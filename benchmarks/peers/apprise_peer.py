"""Apprise, as on https://github.com/caronc/apprise: one object with many addresses, told again and
again until the process is ended.

Its pause of 0.2 s between two calls of a service is switched off, and each person has an address of
their own, since Apprise sends to the addresses in parallel, but to the targets of one address one
by one: both are the fastest that it can do.
"""

from __future__ import annotations

import os

from apprise import Apprise
from apprise.plugins.twilio import NotifyTwilio

from benchmarks.peers import ACCOUNT, SENDER, TEXT, TOKEN, phone_number

AT_ONCE = 64


def main() -> None:
    NotifyTwilio.request_rate_per_sec = 0
    NotifyTwilio.notify_sms_url = (
        os.environ["BENCH_PROVIDER"] + "/2010-04-01/Accounts/{sid}/Messages.json"
    )
    n = 0
    while True:
        tower = Apprise()
        for _ in range(AT_ONCE):
            assert tower.add(f"twilio://{ACCOUNT}:{TOKEN}@{SENDER}/{phone_number(n)}")
            n += 1
        assert tower.notify(body=TEXT)


if __name__ == "__main__":
    main()
