"""Ask for confirmation of an action, on a page that names its consequences."""

from __future__ import annotations

from collections.abc import Sequence

from flask import render_template


def ask(
    title: str,
    consequences: Sequence[str],
    *,
    button: str,
    cancel: str,
    crumbs: Sequence[tuple[str, str]],
) -> str:
    """Return the page that asks for confirmation. It posts to its own URL.

    `consequences`: sentences, of which empty ones are omitted. `button`: the label of the button
    that performs the action. `cancel`: the URL of the Cancel link. `crumbs`: pairs of a title and
    a URL.
    """
    return render_template(
        "confirmation.html",
        title=title,
        consequences=[sentence for sentence in consequences if sentence],
        button=button,
        cancel=cancel,
        crumbs=crumbs,
    )
