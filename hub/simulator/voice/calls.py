"""Store the calls of the simulated account. They survive a restart."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from hub.simulator.record_store import RecordStore

KIND = "call"
KEPT = 500
FINAL = ("completed", "busy", "no-answer", "failed", "canceled")
INBOUND = "inbound"


@dataclass(frozen=True)
class Call:
    """One call. Times are Unix seconds."""

    sid: str
    to: str
    sender: str
    direction: str = "outbound-api"
    status: str = "queued"
    callback: str = ""
    events: list[str] = field(default_factory=lambda: ["completed"])
    twiml: str = ""
    timeout: int = 60
    created: float = 0.0
    answered: float = 0.0
    ended: float = 0.0
    sequence: int = 0  # of the next callback
    # what was said: [speaker, language, sentence]; the speaker is `call` or `person`
    lines: list[list[str]] = field(default_factory=list)
    action: str = ""  # the URL of a key, while the call waits for one
    after: list[list[str]] = field(default_factory=list)  # said if no key is pressed
    end_key: str = ""  # ends the entry of keys, and is not reported

    @property
    def is_final(self) -> bool:
        return self.status in FINAL

    @property
    def rings(self) -> bool:
        """True while the phone rings and may be answered."""
        return self.status in ("queued", "initiated", "ringing")

    @property
    def person(self) -> str:
        """The number of the phone's owner."""
        return self.sender if self.direction == INBOUND else self.to

    @property
    def duration(self) -> int:
        return max(1, round(self.ended - self.answered)) if self.answered and self.ended else 0


class Calls:
    """The calls, by their SID."""

    def __init__(self, records: RecordStore) -> None:
        self._records = records

    def add(self, call: Call) -> None:
        self._records.put(KIND, call.sid, asdict(call))
        self._records.keep_newest(KIND, KEPT)

    def get(self, sid: str) -> Call | None:
        record = self._records.get(KIND, sid)
        return Call(**record) if record else None

    def all(self) -> list[Call]:
        """Return all calls, newest first."""
        return [Call(**record) for record in reversed(self._records.all(KIND).values())]

    def change(self, sid: str, **values: Any) -> Call:
        """Replace values of a call. A call that was answered or has ended never rings again."""

        def edit(record: dict[str, Any]) -> dict[str, Any]:
            call = Call(**record)
            changed = replace(call, **values)
            keeps_status = call.is_final or (call.answered and changed.rings)
            return asdict(replace(changed, status=call.status) if keeps_status else changed)

        return self._edit(sid, edit)

    def take_number(self, sid: str) -> int:
        """Return the sequence number of the next callback of a call."""
        changed = self._edit(sid, lambda record: {**record, "sequence": record["sequence"] + 1})
        return changed.sequence - 1

    def clear(self) -> None:
        """Delete all calls that have ended."""
        self._records.keep_newest(KIND, 0)

    def _edit(self, sid: str, edit: Callable[[dict[str, Any]], dict[str, Any]]) -> Call:
        return Call(**self._records.change(KIND, sid, edit))


def new_sid() -> str:
    return "CA" + secrets.token_hex(16)


def current_time() -> float:
    return time.time()
