"""The process that loads one file or package of handlers and runs its functions.

It reads requests from its input and writes one response for each, as lines of JSON:
`{"source": …}` loads it, and `{"handler": …, "payload": …, "attempt": …}` runs a function. It is a
new interpreter without the hub's keys and database. If it does not respond in time, its own alarm
ends it, even if the worker that watches it is gone.
"""

from __future__ import annotations

import faulthandler
import importlib.util
import io
import json
import os
import signal
import sys
import time
import traceback
from contextlib import suppress
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import IO, Any

from hub.handlers.declaration import Event, declarations

GRACE = 5  # seconds after the limit, in which the watching worker ends this process first
MAX_LINES = 30  # of a traceback
MAX_MESSAGE = 500  # characters
RESERVED = 4 * 1024**3  # bytes of address space, as threads reserve far more than they use


def main() -> None:
    """Serve requests until the input ends."""
    requests, responses, hang_file = _take_streams()
    own_id = os.getpid()
    for line in requests:
        request = json.loads(line)
        seconds = request["seconds"]
        signal.alarm(seconds + GRACE)
        faulthandler.dump_traceback_later(seconds, file=hang_file)
        started = time.monotonic()
        response = _load(request) if "source" in request else _run(request)
        if os.getpid() != own_id:
            os._exit(0)  # a copy that a handler made must not respond, or take the next request
        response["milliseconds"] = round((time.monotonic() - started) * 1000)
        _flush_output()  # the worker may end this process as soon as it has the response
        faulthandler.cancel_dump_traceback_later()
        signal.alarm(0)
        responses.write(json.dumps(response) + "\n")
        responses.flush()
    os._exit(0)  # threads of handlers must not keep the process running


def _take_streams() -> tuple[IO[str], IO[str], IO[bytes]]:
    """Return the streams of the worker, and let handlers read and print elsewhere."""
    requests = os.fdopen(os.dup(0), encoding="utf-8")
    responses = os.fdopen(os.dup(1), "w", encoding="utf-8")
    with open(os.devnull, "rb") as nothing:
        os.dup2(nothing.fileno(), 0)
    os.dup2(2, 1)
    if isinstance(sys.stdout, io.TextIOWrapper):  # print at once, also if the process is stopped
        sys.stdout.reconfigure(line_buffering=True)
    hang_file = os.fdopen(int(sys.argv[2]), "wb", closefd=False)
    os.set_inheritable(hang_file.fileno(), False)
    return requests, responses, hang_file


def _flush_output() -> None:
    """Write what handlers printed, which may end without a line break."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(Exception):  # a handler may have closed or replaced the stream
            stream.flush()


def _load(request: dict[str, Any]) -> dict[str, Any]:
    """Load the file or package; return its handlers, or why it could not be loaded."""
    _limit_memory(request["memory"])
    declarations.known_types = frozenset(request["types"])
    source = request["source"]
    try:
        if source["is_file"]:
            _load_file(Path(source["location"]))
        else:
            EntryPoint("handlers", source["location"], "hub.handlers").load()
    except BaseException as error:
        return {"error": _describe(error)}
    return {
        "handlers": [
            {
                "name": handler.name,
                "patterns": handler.patterns,
                "problem": handler.problem,
                "summary": (handler.function.__doc__ or "").strip().partition("\n")[0],
            }
            for handler in declarations.handlers.values()
        ]
    }


def _load_file(path: Path) -> None:
    """Load a file as a module with the name of the file. It can import the modules next to it."""
    name = path.stem if path.stem not in sys.modules else f"{path.stem}_file"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path.name} is not a Python file. Its name must end with .py.")
    sys.path.insert(0, str(path.parent))
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)


def _run(request: dict[str, Any]) -> dict[str, Any]:
    """Run a handler; return {} after a success, or the error that it raised."""
    handler = declarations.handlers.get(request["handler"])
    if handler is None:
        return {"missing": True}
    if handler.problem:
        return {"error": {"type": "It cannot run", "message": handler.problem, "lines": []}}
    try:
        handler.function(Event.from_payload(request["payload"], request["attempt"]))
    except BaseException as error:
        return {"error": _describe(error)}
    return {}


def _describe(error: BaseException) -> dict[str, Any]:
    """Return the type and the message of an error, and where it was raised, without any code."""
    own = str(Path(__file__).parent)
    frames = traceback.extract_tb(error.__traceback__)
    lines = [
        f"{frame.filename}, line {frame.lineno}, in {frame.name}"
        for frame in frames
        if not frame.filename.startswith((own, "<frozen importlib"))
        and f"{os.sep}importlib{os.sep}" not in frame.filename
    ]
    if isinstance(error, SyntaxError) and error.filename:
        lines.append(f"{error.filename}, line {error.lineno}")
    message = ""
    with suppress(Exception):  # an error whose own text cannot be built
        message = str(error)
    return {
        "type": type(error).__qualname__[:100],
        "message": message[:MAX_MESSAGE],
        "lines": lines[-MAX_LINES:],
    }


def _limit_memory(limit: int) -> None:
    """Limit the address space, for memory that grows faster than the worker can watch."""
    with suppress(ImportError, ValueError, OSError):
        import resource

        size = limit + RESERVED
        resource.setrlimit(resource.RLIMIT_AS, (size, size))


if __name__ == "__main__":
    main()
