"""Watch messages until a callback has changed them: `python -m benchmarks.watcher DATABASE_URL FILE
START RATE WORD`.

The file lists message ids; number n's callback is meant to leave at START + n / RATE. Every few
milliseconds those that are due are looked up from outside, on a connection of this process's own.
Prints JSON: the milliseconds until each was seen with the status WORD.
"""

from __future__ import annotations

import json
import sys
import time
import uuid
from pathlib import Path

from sqlalchemy import bindparam, create_engine, text

LOOK_EVERY = 0.005
PATIENCE = 20.0


def watch(url: str, ids: list[str], start: float, rate: float, status: str) -> list[float]:
    """Return the milliseconds until each message changed, in order."""
    engine = create_engine(url)
    values = [uuid.UUID(message_id.partition("_")[2]) for message_id in ids]
    keys = {
        (value if engine.dialect.name == "postgresql" else value.bytes): n
        for n, value in enumerate(values)
    }
    names = list(keys)
    statement = text("SELECT id FROM messages WHERE id IN :ids AND status = :word").bindparams(
        bindparam("ids", expanding=True)
    )
    took = [0.0] * len(ids)
    waiting = set[int]()
    due = 0
    end = start + len(ids) / rate + PATIENCE
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        while due < len(ids) or waiting:
            now = time.monotonic()
            if now > end:
                raise TimeoutError(
                    f"{len(waiting)} callbacks were not applied within {PATIENCE:g} s"
                )
            while due < len(ids) and start + due / rate <= now:
                waiting.add(due)
                due += 1
            if waiting:
                rows = connection.execute(
                    statement, {"ids": [names[n] for n in waiting], "word": status}
                ).all()
                moment = time.monotonic()
                for (key,) in rows:
                    n = keys[bytes(key) if isinstance(key, memoryview) else key]
                    took[n] = (moment - start - n / rate) * 1000
                    waiting.discard(n)
            time.sleep(LOOK_EVERY)
    return [round(t, 3) for t in took]


if __name__ == "__main__":
    url, file, start, rate, word = sys.argv[1:]
    print(
        json.dumps(watch(url, json.loads(Path(file).read_text()), float(start), float(rate), word))
    )
