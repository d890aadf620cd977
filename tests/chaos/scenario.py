"""Run one fault from beginning to end: a hub, a load, the fault, and the comparison."""

from __future__ import annotations

import re
import ssl
import tempfile
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.running import Crew
from tests.chaos import certificates, postgres, report
from tests.chaos.fault_context import FaultContext
from tests.chaos.faults import Fault
from tests.chaos.load import Load
from tests.chaos.managed_hub import FaultUnavailable, Hub
from tests.chaos.oracle import Verdict, compare
from tests.chaos.proxy import Proxy
from tests.chaos.report import Line

# a lease, a lookup, a pause of half a minute that a lookup may have led to, and the sweeps between
# them
SETTLE_SECONDS = 180.0
CALLBACK_SECONDS = 10.0  # those of a message that has arrived; later ones the provider has given up
SHOWN = 5  # stories of messages that fared ill
CALLBACK_FAILED = re.compile(
    r"Status callback of \w+: (could not connect|no answer|\S+ answered \d+)"
)


@dataclass(frozen=True)
class Plan:
    """The load of a run: messages a second for some seconds, with the fault in the middle half.

    `database_url` is empty for SQLite.
    """

    rate: float = 60.0
    seconds: float = 20.0
    database_url: str = ""
    keep: bool = False


def run(fault: Fault, plan: Plan, turn: AbstractContextManager[Any] | None = None) -> Line:
    """Inject a fault and compare the results.

    `turn` is held while messages are posted, so that runs post in turn and wait concurrently.
    """
    name = fault.name
    try:
        with ExitStack() as stack:
            folder = (
                Path(tempfile.mkdtemp(prefix=f"hub-chaos-{name}-"))
                if plan.keep
                else Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="hub-chaos-")))
            )
            with turn or nullcontext():
                began = time.monotonic()
                context = _start_context(fault, plan, stack, stack.enter_context(Crew(folder)))
                load = Load(context.hub.bind, context.hub.key, plan.rate, plan.seconds)
                load.start()
                context.hub.run_for(plan.seconds / 4)
                fault.inject(context, plan.seconds / 2)
                while load.running:
                    context.hub.run_for(0.1)
            verdict = _wait_until_settled(context.hub, load)
            wrong = _unexpected_responses(fault, load, context.hub)
            return report.line(
                name,
                verdict,
                repeated=load.repeated,
                slowest=load.slowest,
                seconds=time.monotonic() - began,
                wrong=wrong,
                notes=_describe_failures(context.hub, load, verdict, folder if plan.keep else None),
            )
    except FaultUnavailable as problem:
        return report.skipped(name, str(problem))
    except Exception as problem:
        return report.failed(name, f"the run did not come to its end: {problem!r}")


def _start_context(fault: Fault, plan: Plan, stack: ExitStack, crew: Crew) -> FaultContext:
    """Start the services that the fault needs, and the hub."""
    server = stack.enter_context(postgres.server()) if fault.postgres else None
    files = certificates.write(crew.folder) if fault.tls else None
    proxy = None
    if fault.proxy:
        proxy = Proxy(_tls(files[1]) if files else None)
        stack.callback(proxy.server_close)
        stack.callback(proxy.shutdown)
    hub = Hub(
        crew,
        database_url=server.url if server else plan.database_url,
        ca_file=files[0] if files else None,
        **({"provider_url": proxy.forward_to} if proxy else {}),
    )
    return FaultContext(hub, server, proxy, files)


def _tls(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


def _wait_until_settled(hub: Hub, load: Load) -> Verdict:
    """Wait until every message has its final status, or the time is over."""
    until = time.monotonic() + SETTLE_SECONDS
    arrived_by = None
    while True:
        statuses = _statuses(hub)
        verdict = compare(load.accepted, hub.simulator.received(), statuses)
        if not verdict.stuck:
            arrived_by = arrived_by or time.monotonic() + CALLBACK_SECONDS
        if verdict.is_settled or time.monotonic() > min(until, arrived_by or until):
            return verdict
        hub.run_for(1)


def _statuses(hub: Hub) -> Mapping[str, str]:
    try:
        return hub.messages.statuses()
    except OSError:  # the web server is on its way back
        return {}


def _unexpected_responses(fault: Fault, load: Load, hub: Hub) -> Counter[str]:
    """Count unexpected responses to the signing app and to the provider's callbacks."""
    wrong = Counter(
        {
            response: count
            for response, count in load.answers.items()
            if response != "202" and response not in fault.expected_errors
        }
    )
    if not fault.expected_errors:
        wrong.update(
            f"callback: {match[1]}"
            for match in CALLBACK_FAILED.finditer(hub.provider_log.read_text(errors="replace"))
        )
    return wrong


def _describe_failures(
    hub: Hub, load: Load, verdict: Verdict, folder: Path | None
) -> tuple[str, ...]:
    """Return the timelines of lost, duplicated and stuck messages."""
    failures = {"lost": verdict.lost, "doubled": verdict.doubled, "stuck": verdict.stuck}
    stories = [
        f"{kind} {token}: {hub.messages.describe(load.accepted[token])}"
        for kind, tokens in failures.items()
        for token in tokens[:SHOWN]
        if token in load.accepted
    ]
    ended = [f"{name} ended by itself {count} ×" for name, count in hub.ended.items()]
    return (*stories, *ended, *([f"logs: {folder}"] if folder else []))
