"""Verify a file of evidence without signing in, and list the public keys."""

from __future__ import annotations

from typing import Any

from flask import Response, render_template, request
from flask_wtf import FlaskForm
from flask_wtf.file import FileField, FileRequired

from hub.accounts.rate_limits import VERIFY
from hub.admin.auth.guard import accepts_body, admin, public
from hub.admin.auth.page_rate_limits import limit_visitors
from hub.evidence import signing_keys, verification

MAX_FILE_SIZE = 4 * 1024 * 1024  # bytes


class VerifyForm(FlaskForm):  # type: ignore[misc]
    """Choose a file to verify."""

    file = FileField(
        "File",
        [FileRequired("Choose a file.")],
        description=("Choose the JSON file that was exported, of at most 4 MB. It is not stored."),
    )


@admin.route("/evidence", methods=["GET", "POST"])
@public
@accepts_body(MAX_FILE_SIZE)
@limit_visitors(VERIFY)
def verify_evidence() -> Any:
    """Verify a file of evidence."""
    form = VerifyForm()
    verdict = None
    if request.method == "POST" and form.validate():
        keys = [signing_keys.verifier_key(row) for row in signing_keys.list_keys()]
        verdict = verification.verify(form.file.data.read(), keys)
    page = render_template(
        "verify_evidence.html", form=form, verdict=verdict, keys=_describe_keys()
    )
    return page, 422 if form.errors else 200


def _describe_keys() -> list[tuple[str, str]]:
    """Return each public key, newest first, with its state."""
    described = []
    for row in signing_keys.list_keys():
        state = "Retired" if row.retired_at else "Signs now"
        described.append(
            (str(signing_keys.verifier_key(row)), "Compromised" if row.compromised else state)
        )
    return described


@admin.get("/evidence/keys")
@public
def evidence_keys() -> Response:
    """Return the public keys, one in a line, newest first, with the notes that link them."""
    lines = [
        "# Public keys that sign evidence, newest first: NAME+KEYID+BASE64 (C2SP verifier keys).",
        "# After a retired key: the note in which it names the key that follows it.",
    ]
    for row in signing_keys.list_keys():
        until = f", until {row.retired_at:%Y-%m-%dT%H:%M:%SZ}" if row.retired_at else ""
        state = ". Compromised: do not trust it for newer files." if row.compromised else ""
        lines += ["", f"# from {row.created_at:%Y-%m-%dT%H:%M:%SZ}{until}{state}"]
        lines.append(str(signing_keys.verifier_key(row)))
        lines += [f"#   {line}" for line in row.succession.splitlines()]
    return Response("\n".join(lines) + "\n", content_type="text/plain; charset=utf-8")
