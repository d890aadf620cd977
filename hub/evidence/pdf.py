"""Write evidence as PDF for people, with the file that can be verified attached."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import structlog

from hub.core.errors import HubError
from hub.lib import canonical_json

COMPILER = Path(__file__).with_name("typst_compiler.py")
TIMEOUT = 60  # seconds
LEAD = (
    "What Signpost recorded about the messages of this request, and by whom it was reported. The"
    " attached JSON file is signed and can be verified."
)

log = structlog.get_logger(__name__)


class PdfFailed(HubError):
    """The PDF could not be written."""


class PdfLine(NamedTuple):
    """One entry for people."""

    at: str
    title: str
    text: str
    by: str


def write_pdf(evidence: Mapping[str, Any], lines: Sequence[PdfLine]) -> bytes:
    """Return evidence as PDF. `lines` describe its entries. Raises PdfFailed."""
    # a separate process: Typst needs memory and time, and its memory is given back
    try:
        done = subprocess.run(
            [sys.executable, "-I", str(COMPILER)],
            input=json.dumps(_document(evidence, lines)).encode(),
            capture_output=True,
            timeout=TIMEOUT,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise PdfFailed("The PDF took too long to write. Download the JSON file.") from None
    if done.returncode:
        log.error("evidence.pdf_failed", why=done.stderr.decode(errors="replace")[-500:])
        raise PdfFailed("The PDF could not be written. The log has the reason.")
    return done.stdout


def _document(evidence: Mapping[str, Any], lines: Sequence[PdfLine]) -> dict[str, Any]:
    """Return the data of the layout."""
    about = evidence["about"]
    request = about["request"]
    exported = datetime.fromisoformat(about["exported_at"])
    head = evidence["entries"][-1]["hash"] if evidence["entries"] else ""
    interim = " (interim)" if about["status"] == "interim" else ""
    document = {
        "title": f"Evidence of request {request['external_id']}{interim}",
        "lead": LEAD,
        "date": [*exported.timetuple()[:6]],
        "facts": [
            ["Request", request["id"]],
            ["ID in the signing app", request["external_id"]],
            ["Source", request["source"] or ""],
            ["State", f"{request['state']} since {request['state_at'] or 'an unknown time'}"],
            ["Exported", about["exported_at"]],
            ["Recorded by", about["recorded_by"]],
            ["Entries", str(len(evidence["entries"]))],
        ],
        "footer": f"Exported by {about['recorded_by']} at {about['exported_at']}{interim}",
        "head": f"Hash of the last entry: {head}",
        "lines": [line._asdict() for line in lines],
        "file": f"evidence-{request['id']}.json",
        "evidence": canonical_json.encode(evidence).decode(),
    }
    described: dict[str, Any] = canonical_json.representable(document)
    return described
