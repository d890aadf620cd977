"""The page that asks before an action with consequences, and names them."""

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
    """Show what an action does before it is done.

    The page posts to its own address. `consequences` are sentences, empty ones left out; `button`
    carries out the action, and `cancel` is where the reader returns without it; `crumbs` are pairs
    of a title and an address.
    """
    return render_template(
        "confirmation.html",
        title=title,
        consequences=[sentence for sentence in consequences if sentence],
        button=button,
        cancel=cancel,
        crumbs=crumbs,
    )
