"""Run a handler once with a sample event. Nothing is stored or sent by the hub."""

from __future__ import annotations

import json
from dataclasses import dataclass

from hub.core.errors import NotFound, Refused
from hub.core.quotes import quoted
from hub.db.types import new_id, now
from hub.endpoints.catalog import handler_event_kinds
from hub.endpoints.patterns import matches
from hub.endpoints.payloads import Audience, example_body
from hub.handlers import registration
from hub.handlers.calls import read_limits
from hub.handlers.child_process import Failure, HandlerProcess
from hub.handlers.registration import FoundHandler
from hub.handlers.sources import HandlerSource


@dataclass(frozen=True)
class TrialResult:
    """The result of a trial."""

    handler: str
    event_type: str
    milliseconds: int
    failure: Failure | None
    is_subscribed: bool  # whether the handler receives events of this type


def try_handler(name: str, event_type: str, *, output: int) -> TrialResult:
    """Run a handler with the sample of a type of events, by default the first that it receives.

    `output`: the file descriptor for what it prints. Raises NotFound or Refused.
    """
    source, handler = _find(name)
    types = tuple(handler_event_kinds())
    patterns = " ".join(handler.patterns)
    chosen = event_type or next(kind for kind in types if matches(patterns, kind))
    if chosen not in types:
        raise Refused("unknown_event", f"No event is named {quoted(chosen)}.", field="event")
    audience = Audience(None, None, with_addresses=True, with_texts=True)
    payload = json.loads(example_body(new_id("pev"), chosen, now(), audience))
    process = HandlerProcess(source, read_limits(), output=output)
    try:
        response = process.load(types)
        if response.failure is None:
            response = process.run(handler.name, payload, attempt=1)
    finally:
        process.stop()
    return TrialResult(
        handler.name, chosen, response.milliseconds, response.failure, matches(patterns, chosen)
    )


def _find(name: str) -> tuple[HandlerSource, FoundHandler]:
    """Return the handler of a name with its file or package; raise NotFound or Refused."""
    loaded = registration.load_all()
    found = [
        (item.source, handler)
        for item in loaded
        for handler in item.handlers
        if name in (handler.name, handler.name.partition(":")[2])
    ]
    if len(found) > 1:
        names = ", ".join(handler.name for _, handler in found)
        raise Refused("several_handlers", f"Several handlers have this name: {names}.")
    if found:
        source, handler = found[0]
        if handler.problem:
            raise Refused("handler_problem", f"{handler.name} cannot run. {handler.problem}")
        return source, handler
    failed = [item.source.name for item in loaded if item.failure is not None]
    reason = f"No handler is named {quoted(name[:80])}. `hub handlers` lists them."
    if failed:
        reason += f" These could not be loaded: {', '.join(failed)}."
    raise NotFound("no_such_handler", reason)
