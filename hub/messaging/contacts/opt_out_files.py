"""Opt-outs in CSV files: exported, and imported again line by line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from sqlalchemy import select

from hub.core.errors import Refused
from hub.core.quotes import quoted
from hub.db.engine import db
from hub.db.types import BadTime, is_id, now
from hub.lib import addresses, text, times
from hub.messaging.contacts.csv_files import (
    NO,
    Columns,
    ImportReport,
    Line,
    csv_line,
    import_lines,
)
from hub.messaging.contacts.suppressions import (
    BY_IMPORT,
    REASONS,
    AddressOptOut,
    list_opt_outs,
    store_opt_out,
    with_addresses,
)
from hub.messaging.state import unreadable_rows
from hub.models import Connection, Source, Suppression

MAX_NAME_LENGTH = 200  # characters of a sender or a code
COLUMNS = "address", "channel", "reason", "why", "since", "sender", "code", "kind", "app"


def _refuse_other_lines(lines: Sequence[Line]) -> None:
    """Reject a file with lines that are not opt-outs: consents, and opt-outs that were removed.

    Raises Refused.
    """
    for number, line in lines:
        if line.get("given", "").strip().lower() not in ("", *NO):
            problem = "This line contains a consent. Import consents as a separate file."
        elif line.get("lifted_at", "").strip():
            problem = "This opt-out was removed. Delete the line and import the file again."
        else:
            continue
        raise Refused("no_opt_out", f"Line {number}: {problem}", field="file")


FILE = Columns(("address",), COLUMNS[1:], ignores_others=True, check=_refuse_other_lines)


def import_opt_outs(content: str | bytes, *, test: bool) -> ImportReport:
    """Add the opt-outs of a CSV file: exported ones unchanged, others with the reason `import`.

    Raises Refused before anything is stored if the file cannot be read.
    """
    apps = {row.slug: row.id for row in db.session.scalars(select(Source))}
    return import_lines(
        content,
        lambda line: _import_line(line, apps, test),
        columns=FILE,
        action="suppression.imported",
    )


def _import_line(line: dict[str, str], apps: Mapping[str, str], test: bool) -> bool:
    address = addresses.parse_kind_and_address(line["address"], line["kind"])
    sender = line["sender"].strip()
    if is_id("con", sender) and db.session.get(Connection, sender) is None:
        sender = ""  # a connection of another hub: the opt-out applies to the whole channel
    since = line["since"].strip()
    reason = line["reason"].strip().lower()
    for name in ("sender", "code"):
        if len(line[name]) > MAX_NAME_LENGTH:
            raise Refused("too_long", f"Use at most {MAX_NAME_LENGTH} characters.", field=name)
    _, is_new = store_opt_out(
        address,
        line["channel"].strip().lower(),
        line["why"],
        test,
        reason if reason in REASONS else BY_IMPORT,
        sender=sender,
        code=line["code"].strip(),
        source_id=find_source_id(line, apps),
        since=(
            times.past_time(times.parse(since, field="since"), now(), field="since")
            if since
            else None
        ),
    )
    return is_new


def find_source_id(line: Mapping[str, str], apps: Mapping[str, str]) -> str | None:
    """Return the ID of the source whose slug a line names, or None for all sources.

    Raises Refused.
    """
    slug = line["app"].strip()
    if slug and slug not in apps:
        problem = (
            f"There is no source {quoted(slug[:50])}. Create it first, or leave this empty for"
            f" every"
            " source."
        )
        raise Refused("no_such_source", problem, field="app")
    return apps[slug] if slug else None


def _format_line(opt_out: AddressOptOut, apps: dict[str, str]) -> str:
    row = opt_out.row
    # an opt-out with a damaged date still blocks its address
    since = "" if isinstance(row.since, BadTime) else row.since.isoformat()
    return csv_line(
        [
            opt_out.address,
            row.channel,
            row.reason,
            text.clean_line(row.explanation),
            since,
            row.sender,
            row.code,
            opt_out.kind,
            apps.get(row.source_id or "", ""),
        ]
    )


def export_opt_outs(*, test: bool) -> Iterator[str]:
    """Yield the active opt-outs of live or test addresses as lines of a CSV file.

    Opt-outs of erased people are omitted, because their address is not known.
    """
    yield ",".join(COLUMNS) + "\r\n"
    apps = {row.id: row.slug for row in db.session.scalars(select(Source))}
    last = ""
    while True:
        query = list_opt_outs(test=test)
        if last:
            query = query.where(Suppression.id > last)
        rows = list(db.session.scalars(query.order_by(Suppression.id).limit(500)))
        opt_outs = [opt_out for opt_out in with_addresses(rows) if opt_out.address]
        yield from unreadable_rows.readable_rows(
            "suppressions", opt_outs, lambda opt_out: _format_line(opt_out, apps)
        )
        if not rows:
            return
        last = rows[-1].id
