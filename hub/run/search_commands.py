"""Define the commands of the search index."""

from __future__ import annotations

import sys

import click

from hub.run.command_application import open_application


@click.group(short_help="Manage the search index.")
def search() -> None:
    """Manage the index that finds people and requests by name, title and address."""


@search.command(short_help="Replace the key of the index, and index all rows.")
def rebuild() -> None:
    """Create a new key for the index, and write all entries again under it.

    Use it if the old key may be known to someone, or after you added a missing encryption key.
    The newest rows are indexed first, and searches find only indexed rows. If the command is
    interrupted, `hub cron` continues.
    """
    with open_application():
        from hub.search import indexing

        indexing.rebuild(_show_progress)
    click.echo("The search index is complete.")


def _show_progress(count: int) -> None:
    if sys.stderr.isatty():
        click.echo(f"\r{count:,} rows ", nl=False, err=True)
