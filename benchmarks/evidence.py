"""The evidence of a signing request with 200 entries, as a file and as PDF.

A hub on SQLite (FULL) accepts an event with 100 signers and sends their messages, so the evidence
has the event, and the message and the call of the provider for each signer. No worker runs during
the measurement. Each file is the first of its request, which also stores the entries. The PDF is
made afterwards, by the button of the page. The figure is the time of one request over HTTP, of the
slowest of several requests.
"""

from __future__ import annotations

import json
import secrets
import time
import urllib.request

from benchmarks import posts
from benchmarks.growth import Reader
from benchmarks.hubs import Hub
from benchmarks.plan import Plan
from benchmarks.provider import Provider
from benchmarks.running import Crew
from benchmarks.table import Row, at_most, figure_row, unmeasured_row

SIGNERS = 100
ENTRIES = 200
REQUESTS = 5  # of each run
GOAL = at_most(1000, "ms")
FILE = f"evidence of a request with {ENTRIES} entries, JSON"
PDF = f"evidence of a request with {ENTRIES} entries, PDF"


def run(plan: Plan) -> list[Row]:
    files: list[float] = []
    pdfs: list[float] = []
    with plan.crew("evidence") as crew:
        provider = Provider(crew)
        hub = Hub(crew, provider.url)
        hub.start_queue()
        hub.start_web()
        reader = Reader(hub)
        for _ in plan.each_run("evidence"):
            names = [_send_request(hub) for _ in range(1 if plan.quick else REQUESTS)]
            _send_messages(crew, hub)
            measured = [_export(hub, name) for name in names]
            files.append(max(took for took, _ in measured))
            pdfs.append(max(_time_pdf(reader, request_id) for _, request_id in measured))
    return [figure_row(FILE, "", GOAL, files), figure_row(PDF, "", GOAL, pdfs)]


def _send_request(hub: Hub) -> str:
    """Post an event about a new request, and return the name of the request."""
    name = f"agr-{secrets.token_hex(6)}"
    numbers = [f"+1317{2_000_000 + index}" for index in range(SIGNERS)]
    request = urllib.request.Request(
        f"{hub.url}/api/v1/events",
        json.dumps(posts.event_content(name, numbers)).encode(),
        {"Authorization": f"Bearer {hub.api_key}", "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        assert answer.status == 202, answer.read()
    return name


def _send_messages(crew: Crew, hub: Hub) -> None:
    worker = hub.start_worker("deliver")
    crew.wait_for(
        lambda: not hub.count("messages WHERE status IN ('queued', 'sending')"),
        "all messages being sent",
        of=worker,
    )
    crew.stop(worker)


def _export(hub: Hub, name: str) -> tuple[float, str]:
    """Return the milliseconds until a file of evidence was read, and the ID of its request."""
    request = urllib.request.Request(
        f"{hub.url}/api/v1/requests/{name}/evidence",
        headers={"Authorization": f"Bearer {hub.api_key}"},
    )
    began = time.perf_counter()
    with urllib.request.urlopen(request, timeout=60) as answer:
        data = answer.read()
    took = (time.perf_counter() - began) * 1000
    file = json.loads(data)
    count = len(file["entries"])
    assert count >= ENTRIES, f"the evidence has {count} entries"
    return took, str(file["about"]["request"]["id"])


def _time_pdf(reader: Reader, request_id: str) -> float:
    began = time.perf_counter()
    data = reader.download(f"/requests/{request_id}/evidence.pdf")
    took = (time.perf_counter() - began) * 1000
    assert data.startswith(b"%PDF-"), data[:80]
    return took


def unmeasured_rows(reason: str) -> list[Row]:
    return [unmeasured_row(what, "", GOAL, reason) for what in (FILE, PDF)]
