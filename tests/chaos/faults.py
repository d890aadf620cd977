"""The list of all faults, and the API errors that each may cause."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from tests.chaos import clocks, infrastructure, process_kills, provider_faults, proxy
from tests.chaos.fault_context import FaultContext

NOTHING: frozenset[str] = frozenset()
# the client sees that the connection broke; its repeat may come while the first request is still
# being worked off
BROKEN_CONNECTION = frozenset({"broken", "409"})
UNAVAILABLE = frozenset({"503"})


@dataclass(frozen=True)
class Fault:
    """A fault that is injected for a number of seconds.

    `expected_errors` are the errors that a client may receive meanwhile.
    """

    name: str
    inject: Callable[[FaultContext, float], None]
    expected_errors: frozenset[str] = NOTHING
    postgres: bool = False
    proxy: bool = False
    tls: bool = False

    @property
    def summary(self) -> str:
        return (self.inject.__doc__ or "").strip().splitlines()[0]


_ALL = (
    Fault("worker-killed", process_kills.kill_workers_and_children, proxy=True),
    Fault("child-killed", process_kills.kill_children, proxy=True),
    Fault("parent-killed", process_kills.kill_workers, proxy=True),
    Fault("supervisor-killed", process_kills.kill_supervisor, proxy=True),
    Fault("cron-killed", process_kills.kill_cron),
    Fault("web-killed", process_kills.kill_web_server, BROKEN_CONNECTION),
    Fault("redis-stopped", infrastructure.stop_redis),
    Fault("redis-away", infrastructure.keep_redis_stopped),
    Fault("redis-restarted", infrastructure.restart_redis),
    Fault("redis-flushed", infrastructure.flush_redis),
    Fault("redis-hung", infrastructure.suspend_redis),
    Fault(
        "postgres-restarted",
        infrastructure.restart_postgres,
        UNAVAILABLE,
        postgres=True,
        proxy=True,
    ),
    Fault("disk-full", infrastructure.fill_disk, UNAVAILABLE, proxy=True),
    Fault("provider-slow", provider_faults.with_provider_fault(proxy.respond_slowly), proxy=True),
    Fault(
        "provider-hangs-up",
        provider_faults.with_provider_fault(proxy.break_connections),
        proxy=True,
    ),
    Fault(
        "provider-429", provider_faults.with_provider_fault(proxy.return_rate_limits), proxy=True
    ),
    Fault(
        "provider-500", provider_faults.with_provider_fault(proxy.return_server_errors), proxy=True
    ),
    Fault("certificate-wrong", provider_faults.present_untrusted_certificate, proxy=True, tls=True),
    Fault("dns-gone", provider_faults.break_name_resolution),
    Fault("clock-worker-ahead", clocks.with_clock_offset("worker", +clocks.HOURS), proxy=True),
    Fault("clock-worker-behind", clocks.with_clock_offset("worker", -clocks.HOURS), proxy=True),
    Fault("clock-web-ahead", clocks.with_clock_offset("web", +clocks.HOURS), BROKEN_CONNECTION),
    Fault("clock-web-behind", clocks.with_clock_offset("web", -clocks.HOURS), BROKEN_CONNECTION),
)
FAULTS: Mapping[str, Fault] = {fault.name: fault for fault in _ALL}


def combine_faults(*names: str) -> Fault:
    """Return one fault that injects several faults into the same hub, one after another."""
    parts = [FAULTS[name] for name in names]

    def inject(context: FaultContext, seconds: float) -> None:
        for part in parts:
            part.inject(context, seconds / len(parts))

    return Fault(
        "+".join(names),
        inject,
        frozenset().union(*(part.expected_errors for part in parts)),
        postgres=any(part.postgres for part in parts),
        proxy=any(part.proxy for part in parts),
        tls=any(part.tls for part in parts),
    )
