"""A load of constant rate that does not wait for answers: `python -m benchmarks.pacer PORT FILE
RATE START`.

Request number n of the file is meant to leave at START + n / RATE (the machine's monotonic clock),
independently of earlier requests, and its latency counts from that moment: a server that stalls is
charged for all that had to wait (no coordinated omission). Prints JSON: the milliseconds of each
request, and how late the pacer itself was.
"""

from __future__ import annotations

import json
import select
import socket
import sys
import time
from collections import deque
from pathlib import Path

from benchmarks.posts import read_requests

CLIENTS = 32
# between connecting one and the next, so that not one process of the server takes them all
APART = 0.005
PATIENCE = 20.0  # seconds after the last request was to leave


class Client:
    """One persistent connection."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.number = -1
        self.got = b""

    def fileno(self) -> int:
        return self.socket.fileno()

    def answered(self) -> int:
        """Read; return the status once a response is complete, otherwise 0."""
        data = self.socket.recv(65536)
        if not data:
            raise ConnectionError(f"the server hung up on request {self.number}")
        self.got += data
        end = self.got.find(b"\r\n\r\n")
        if end < 0:
            return 0
        head = self.got[:end].lower()
        start = head.find(b"\r\ncontent-length:")
        length = int(head[start + 17 :].split(b"\r\n", 1)[0]) if start >= 0 else 0
        if len(self.got) < end + 4 + length:
            return 0
        self.got = b""
        return int(head[9:12])


def send_paced(port: int, requests: list[bytes], rate: float, start: float) -> dict[str, object]:
    """Send the requests at their times, and return the latencies."""
    free = deque[Client]()
    busy = set[Client]()
    for _ in range(CLIENTS):
        free.append(Client(port))
        time.sleep(APART)
    took = [0.0] * len(requests)
    refused = 0
    lateness = []
    sent = 0
    end = start + len(requests) / rate + PATIENCE
    while sent < len(requests) or busy:
        now = time.monotonic()
        if now > end:
            raise TimeoutError(
                f"{len(requests) - sent + len(busy)} requests were not answered within"
                f" {PATIENCE:g} s"
            )
        while sent < len(requests) and free and start + sent / rate <= now:
            client = free.popleft()
            client.number = sent
            client.socket.sendall(requests[sent])
            lateness.append(now - start - sent / rate)
            busy.add(client)
            sent += 1
        # select, not epoll: it wakes to the microsecond, epoll to the millisecond
        pause = (
            max(0.0, start + sent / rate - time.monotonic())
            if sent < len(requests) and free
            else 1.0
        )
        for client in select.select(list(busy), [], [], pause)[0]:
            if status := client.answered():
                took[client.number] = time.monotonic() - start - client.number / rate
                refused += not 200 <= status < 300
                busy.remove(client)
                free.append(client)
    late = sorted(lateness)[len(lateness) * 95 // 100]
    return {
        "milliseconds": [round(t * 1000, 3) for t in took],
        "refused": refused,
        "late": round(late * 1000, 3),
    }


if __name__ == "__main__":
    print(
        json.dumps(
            send_paced(
                int(sys.argv[1]),
                read_requests(Path(sys.argv[2])),
                float(sys.argv[3]),
                float(sys.argv[4]),
            )
        )
    )
