"""One fault from beginning to end: a hub, a load, the fault in the middle of it, and the result."""

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
from tests.chaos.faults import Fault
from tests.chaos.hubs import CannotRun, Hub
from tests.chaos.load import Load
from tests.chaos.oracle import Verdict, judge
from tests.chaos.proxy import Proxy
from tests.chaos.report import Line
from tests.chaos.setting import Setting

# a lease, a lookup, a pause of half a minute that a lookup may have led to, and the sweeps between
# them
SETTLES_WITHIN = 180.0
CALLBACKS_WITHIN = 10.0  # those of a message that has arrived; later ones the provider has given up
SHOWN = 5  # stories of messages that fared ill
CALLBACK_FAILED = re.compile(
    r"Status callback of \w+: (could not connect|no answer|\S+ answered \d+)"
)


@dataclass(frozen=True)
class Plan:
    """The amount of load: messages a second, for so many seconds; the fault takes the middle half.

    `database_url`: '' for SQLite.
    """

    rate: float = 60.0
    seconds: float = 20.0
    database_url: str = ""
    keep: bool = False


def run(fault: Fault, plan: Plan, turn: AbstractContextManager[Any] | None = None) -> Line:
    """Bring a fault about and judge; `turn` is held while messages are posted, so that runs wait at
    once and work in turn.
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
                setting = _setting(fault, plan, stack, stack.enter_context(Crew(folder)))
                load = Load(setting.hub.bind, setting.hub.key, plan.rate, plan.seconds)
                load.start()
                setting.hub.pass_time(plan.seconds / 4)
                fault.strike(setting, plan.seconds / 2)
                while load.running:
                    setting.hub.pass_time(0.1)
            verdict = _settle(setting.hub, load)
            wrong = _wrong(fault, load, setting.hub)
            return report.line(
                name,
                verdict,
                repeated=load.repeated,
                slowest=load.slowest,
                seconds=time.monotonic() - began,
                wrong=wrong,
                notes=_notes(setting.hub, load, verdict, folder if plan.keep else None),
            )
    except CannotRun as problem:
        return report.skipped(name, str(problem))
    except Exception as problem:
        return report.failed(name, f"the run did not come to its end: {problem!r}")


def _setting(fault: Fault, plan: Plan, stack: ExitStack, crew: Crew) -> Setting:
    """Start what the fault needs, and the hub on top of it."""
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
        **({"provider_url": proxy.at} if proxy else {}),
    )
    return Setting(hub, server, proxy, files)


def _tls(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


def _settle(hub: Hub, load: Load) -> Verdict:
    """Wait until every message has come to its end, or should have."""
    until = time.monotonic() + SETTLES_WITHIN
    arrived_by = None
    while True:
        states = _states(hub)
        verdict = judge(load.accepted, hub.simulator.received(), states)
        if not verdict.stuck:
            arrived_by = arrived_by or time.monotonic() + CALLBACKS_WITHIN
        if verdict.settled or time.monotonic() > min(until, arrived_by or until):
            return verdict
        hub.pass_time(1)


def _states(hub: Hub) -> Mapping[str, str]:
    try:
        return hub.messages.states()
    except OSError:  # the web server is on its way back
        return {}


def _wrong(fault: Fault, load: Load, hub: Hub) -> Counter[str]:
    """Count what nothing excuses: answers to the signing app, and to the provider's callbacks."""
    wrong = Counter(
        {
            what: count
            for what, count in load.answers.items()
            if what != "202" and what not in fault.excuses
        }
    )
    if not fault.excuses:
        wrong.update(
            f"callback: {match[1]}"
            for match in CALLBACK_FAILED.finditer(hub.provider_log.read_text(errors="replace"))
        )
    return wrong


def _notes(hub: Hub, load: Load, verdict: Verdict, folder: Path | None) -> tuple[str, ...]:
    """Tell the stories of messages that fared ill."""
    ill = {"lost": verdict.lost, "doubled": verdict.doubled, "stuck": verdict.stuck}
    stories = [
        f"{kind} {token}: {hub.messages.story(load.accepted[token])}"
        for kind, tokens in ill.items()
        for token in tokens[:SHOWN]
        if token in load.accepted
    ]
    ended = [f"{name} ended by itself {count} ×" for name, count in hub.ended.items()]
    return (*stories, *ended, *([f"logs: {folder}"] if folder else []))
