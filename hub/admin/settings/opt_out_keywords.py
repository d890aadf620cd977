"""Show and change the keywords for STOP, START and HELP, and the scope of STOP."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import flash, redirect, render_template, request, url_for
from flask_wtf import FlaskForm
from wtforms import BooleanField, TextAreaField

from hub import integrations
from hub.admin.auth.guard import admin, has_role, require_role
from hub.admin.view.forms import add_error
from hub.core.errors import Refused
from hub.core.quotes import quoted
from hub.core.vocabulary import Role
from hub.messaging.compose import render
from hub.messaging.contacts import keywords
from hub.messaging.inbox import opt_out
from hub.shared.sentences import sentence

LINES = {"rows": 3, "mono": True, "placeholder": "de: ABMELDEN, STOPP"}


class RulesForm(FlaskForm):  # type: ignore[misc]
    """Additional keywords, one line for each language."""

    stop = TextAreaField(
        "Additional STOP keywords",
        description=(
            "Enter one line for each language: its code, a colon, and the keywords,"
            " separated by commas. The whole message must match: STOP alone, not STOP in a"
            " sentence. Case, accents, punctuation, emoji and words such as please make"
            " no difference."
        ),
        render_kw=LINES,
    )
    start = TextAreaField(
        "Additional START keywords", render_kw={**LINES, "placeholder": "de: WEITER"}
    )
    help = TextAreaField(
        "Additional HELP keywords", render_kw={**LINES, "placeholder": "de: HILFE"}
    )
    everywhere = BooleanField(
        "STOP applies to every channel",
        description="If off, it applies to the channel and sender that received it.",
    )


@admin.get("/settings/opt-out-words")
@require_role(Role.VIEWER)
def opt_out_rules() -> Any:
    """Show the keywords."""
    stored = opt_out.stored_rules()
    return _page(
        RulesForm(
            data={
                "stop": _lines(stored.stop),
                "start": _lines(stored.start),
                "help": _lines(stored.help),
                "everywhere": stored.everywhere,
            }
        )
    )


@admin.post("/settings/opt-out-words")
@require_role(Role.ADMIN)
def save_opt_out_rules() -> Any:
    """Save the keywords."""
    form = RulesForm(request.form)
    try:
        words = {
            name: _parse_words(form[name].data or "", name) for name in ("stop", "start", "help")
        }
        opt_out.save_rules(words, everywhere=bool(form.everywhere.data))
    except Refused as refusal:
        add_error(form, refusal)
        return _page(form), 422
    flash("Changes saved. They apply to messages received from now on.", "good")
    return redirect(url_for("admin.opt_out_rules"), 303)


def _page(form: RulesForm) -> str:
    shipped = [
        ("STOP", keywords.STOP + keywords.STOP_PHRASES),
        ("START", keywords.START),
        ("HELP", keywords.HELP + keywords.HELP_PHRASES),
    ]
    return render_template(
        "opt_out_words.html",
        form=form,
        shipped=shipped,
        may_change=has_role(Role.ADMIN),
        confirmation=sentence("opted_out", render.default_locale()),
        answers=_keyword_repliers(),
    )


def _keyword_repliers() -> str:
    """Return who replies to keywords on each integration: its provider or Signpost."""
    two_way = [
        integration_class
        for integration_class in integrations.registry().values()
        if integration_class.replies_to_keywords is not None
    ]
    sentences = [
        f"{integration_class.provider} replies on {integration_class.title}."
        for integration_class in two_way
        if integration_class.replies_to_keywords
    ]
    own = [entry.title for entry in two_way if not entry.replies_to_keywords]
    if own:
        listed = " and ".join(filter(None, (", ".join(own[:-1]), own[-1])))
        sentences.append(f"Signpost replies on {listed}.")
    return " ".join(sentences)


def _lines(words: Mapping[str, str]) -> str:
    return "\n".join(f"{language}: {line}" for language, line in words.items())


def _parse_words(text: str, field: str) -> dict[str, str]:
    words_by_language: dict[str, str] = {}
    for line in filter(None, map(str.strip, text.splitlines())):
        language, colon, words = line.partition(":")
        if not colon or not words.strip() or not language.strip():
            raise Refused(
                "bad_line",
                f"Enter {quoted(line)} as a language code, a colon and words, such as de:"
                " ABMELDEN, STOPP.",
                field=field,
            )
        separate = filter(None, map(str.strip, words.split(",")))
        words_by_language[language.strip().lower()] = ", ".join(separate)
    return words_by_language
