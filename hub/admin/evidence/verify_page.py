"""Verify a file of evidence without signing in, and list the public keys."""

from __future__ import annotations

from typing import Any

from flask import Response, render_template, request
from flask_wtf import FlaskForm
from flask_wtf.file import FileField, FileRequired

from hub.accounts.rate_limits import VERIFY
from hub.admin.auth.guard import (
    accepts_body,
    admin,
    has_own_error_texts,
    opened_by_signers,
    public,
)
from hub.admin.auth.page_rate_limits import limit_visitors
from hub.admin.view import public_pages
from hub.evidence import signing_keys, verdict_text, verification
from hub.shared.sentences import sentence

MAX_FILE_SIZE = 4 * 1024 * 1024  # bytes


class VerifyForm(FlaskForm):  # type: ignore[misc]
    """Choose a file to verify."""

    file: FileField


def _build_form(locale: str) -> VerifyForm:
    """Return the form in a language, with what was posted."""
    field = FileField(
        sentence("evidence_file", locale),
        [FileRequired(sentence("evidence_file_missing", locale))],
        description=sentence("evidence_file_help", locale),
    )
    form: VerifyForm = type("LocalizedVerifyForm", (VerifyForm,), {"file": field})()
    return form


@admin.route("/evidence", methods=["GET", "POST"])
@public
@opened_by_signers
@has_own_error_texts("evidence_")
@accepts_body(MAX_FILE_SIZE)
@limit_visitors(VERIFY)
def verify_evidence() -> Any:
    """Verify a file of evidence."""
    locale = public_pages.reader_locale(None)
    form = _build_form(locale)
    verdict = None
    if request.method == "POST" and form.validate():
        keys = [signing_keys.verifier_key(row) for row in signing_keys.list_keys()]
        verdict = verification.verify(form.file.data.read(), keys)
    page = render_template(
        "verify_evidence.html",
        form=form,
        is_intact=verdict.is_intact if verdict else None,
        is_pdf=verdict is not None and verdict.is_pdf,
        result=verdict_text.describe_for_visitor(verdict, locale) if verdict else [],
        keys=_describe_keys(locale),
        locale=locale,
    )
    return page, 422 if form.errors else 200


def _describe_keys(locale: str) -> list[tuple[str, str]]:
    """Return each public key, newest first, with its state."""
    described = []
    for row in signing_keys.list_keys():
        state = "retired" if row.retired_at else "current"
        if row.compromised:
            state = "compromised"
        key = str(signing_keys.verifier_key(row))
        described.append((key, sentence(f"evidence_key_{state}", locale)))
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
