"""RQ with a job per message, as on https://python-rq.org/docs/: a plain function, `rq worker` or
`rq worker-pool`, a fork per job.

`python -m benchmarks.peers.rq_naive COUNT` enqueues, many jobs in one round trip.
"""

from __future__ import annotations

import os
import sys

from redis import Redis
from rq import Queue

from benchmarks.peers import SENDER, TEXT, create_client, phone_number

QUEUE = "bench"


def send_message(to: str) -> str:
    """Send one message with a new client, as in Twilio's quickstart."""
    return str(create_client().messages.create(to=to, from_=SENDER, body=TEXT).sid)


def main(count: int) -> None:
    queue = Queue(QUEUE, connection=Redis(unix_socket_path=os.environ["BENCH_QUEUE"]))
    queue.empty()
    for first in range(0, count, 500):
        queue.enqueue_many(
            [
                Queue.prepare_data(send_message, (phone_number(n),), result_ttl=0)
                for n in range(first, min(count, first + 500))
            ]
        )


if __name__ == "__main__":
    # by its real name, since workers import it: run as a program it would be __main__.send
    from benchmarks.peers import rq_naive

    rq_naive.main(int(sys.argv[1]))
