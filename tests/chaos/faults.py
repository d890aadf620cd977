"""All faults, and what the API may answer while each lasts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from tests.chaos import clocks, deaths, machinery, providers, proxy
from tests.chaos.setting import Setting

NOTHING: frozenset[str] = frozenset()
# the client sees that the connection broke; its repeat may come while the first request is still
# being worked off
HANGS_UP = frozenset({"broken", "409"})
UNAVAILABLE = frozenset({"503"})


@dataclass(frozen=True)
class Fault:
    """Something that breaks, for a number of seconds.

    `excuses`: what a client may meet meanwhile, besides being answered.
    """

    name: str
    strike: Callable[[Setting, float], None]
    excuses: frozenset[str] = NOTHING
    postgres: bool = False
    proxy: bool = False
    tls: bool = False

    @property
    def says(self) -> str:
        return (self.strike.__doc__ or "").strip().splitlines()[0]


_ALL = (
    Fault("worker-killed", deaths.worker_and_child, proxy=True),
    Fault("child-killed", deaths.child_alone, proxy=True),
    Fault("parent-killed", deaths.parent_alone, proxy=True),
    Fault("supervisor-killed", deaths.supervisor, proxy=True),
    Fault("cron-killed", deaths.cron),
    Fault("web-killed", deaths.web, HANGS_UP),
    Fault("redis-stopped", machinery.redis_stopped),
    Fault("redis-away", machinery.redis_away),
    Fault("redis-restarted", machinery.redis_restarted),
    Fault("redis-flushed", machinery.redis_flushed),
    Fault("redis-hung", machinery.redis_hung),
    Fault(
        "postgres-restarted", machinery.postgres_restarted, UNAVAILABLE, postgres=True, proxy=True
    ),
    Fault("disk-full", machinery.disk_full, UNAVAILABLE, proxy=True),
    Fault("provider-slow", providers.troubled(proxy.is_slow), proxy=True),
    Fault("provider-hangs-up", providers.troubled(proxy.hangs_up), proxy=True),
    Fault("provider-429", providers.troubled(proxy.refuses), proxy=True),
    Fault("provider-500", providers.troubled(proxy.breaks), proxy=True),
    Fault("certificate-wrong", providers.certificate_wrong, proxy=True, tls=True),
    Fault("dns-gone", providers.name_gone),
    Fault("clock-worker-ahead", clocks.off("worker", +clocks.HOURS), proxy=True),
    Fault("clock-worker-behind", clocks.off("worker", -clocks.HOURS), proxy=True),
    Fault("clock-web-ahead", clocks.off("web", +clocks.HOURS), HANGS_UP),
    Fault("clock-web-behind", clocks.off("web", -clocks.HOURS), HANGS_UP),
)
FAULTS: Mapping[str, Fault] = {fault.name: fault for fault in _ALL}


def in_turn(*names: str) -> Fault:
    """Return several faults as one, which befall the same hub one after the other."""
    parts = [FAULTS[name] for name in names]

    def strike(setting: Setting, seconds: float) -> None:
        for part in parts:
            part.strike(setting, seconds / len(parts))

    return Fault(
        "+".join(names),
        strike,
        frozenset().union(*(part.excuses for part in parts)),
        postgres=any(part.postgres for part in parts),
        proxy=any(part.proxy for part in parts),
        tls=any(part.tls for part in parts),
    )
