"""Celery with a task per message, as on https://docs.celeryq.dev/en/stable/: one application, a
client per process, no results kept.

Started as `celery -A benchmarks.peers.celery_app worker`; `python -m benchmarks.peers.celery_app
COUNT` enqueues.
"""

from __future__ import annotations

import os
import sys
from functools import cache

from celery import Celery
from twilio.rest import Client

from benchmarks.peers import SENDER, TEXT, create_client, phone_number

CONNECTIONS = 128  # kept by the client of a process, for as many threads

app = Celery("bench", broker="redis+socket://" + os.environ.get("BENCH_QUEUE", ""))
app.conf.update(
    task_ignore_result=True,
    worker_hijack_root_logger=False,
    broker_connection_retry_on_startup=True,
)


@cache
def get_client() -> Client:
    """Return the client of this process: threads share it, prefork children have their own."""
    return create_client(CONNECTIONS)


@app.task(name="bench.send")  # type: ignore[untyped-decorator]
def send_message(to: str) -> None:
    get_client().messages.create(to=to, from_=SENDER, body=TEXT)


def main(count: int) -> None:
    app.control.purge()
    with app.producer_pool.acquire(block=True) as producer:
        for n in range(count):
            send_message.apply_async((phone_number(n),), producer=producer)


if __name__ == "__main__":
    main(int(sys.argv[1]))
