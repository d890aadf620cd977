"""Define the commands of message texts."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import IO, TYPE_CHECKING

import click

from hub.run.command_application import open_application, write_output

if TYPE_CHECKING:
    from hub.signing.text_import import ImportPlan


@click.group(short_help="Export and import message texts.")
def texts() -> None:
    """Export message texts for translators, and import their files."""


@texts.command("export", short_help="Write texts as PO files.")
@click.argument("language", required=False)
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write into this file instead of the standard output.",
)
def export_texts(language: str | None, output: Path | None) -> None:
    """Write the texts in LANGUAGE, such as `pl`, as a PO file, or all languages as a ZIP archive.

    A language without texts gives a file without translations.
    """
    from hub.lib.localized import LANGUAGE_CODE

    if language is not None and not LANGUAGE_CODE.fullmatch(language):
        raise click.BadParameter("Enter a language code such as en, de or pt-BR.")
    with open_application():
        from hub.signing import text_export

        if language is None:
            data = text_export.export_all()
        else:
            data = text_export.export_language(language).encode()
    write_output(data, output)


@texts.command("import", short_help="Import texts from a PO file.")
@click.argument("file", type=click.File("rb"))
@click.option("--publish", is_flag=True, help="Publish the texts instead of saving drafts.")
@click.option("--dry-run", is_flag=True, help="Print what would change, and store nothing.")
def import_texts(file: IO[bytes], publish: bool, dry_run: bool) -> None:
    """Import the texts of a PO file, or of a ZIP archive of PO files, as drafts.

    Texts with errors are left out. The exit status is 1 if there are any.
    """
    from hub.core.errors import Refused
    from hub.lib import po_files

    with open_application():
        from hub.signing import text_import

        try:
            files = po_files.read_files(file.read(po_files.MAX_SIZE + 1), file.name)
        except Refused as refusal:
            raise click.ClickException(str(refusal)) from None
        plan = text_import.plan_import(files, publish=publish)
        if plan.changes and not dry_run:
            text_import.apply_import(plan, plan.fingerprint)
        _report(plan, dry_run=dry_run)
    sys.exit(1 if plan.problems else 0)


def _report(plan: ImportPlan, *, dry_run: bool) -> None:
    for problem in plan.problems:
        click.echo(f"{problem.file}:{problem.line}: {problem.context}: {problem.reason}", err=True)
    for change in plan.changes:
        state = "draft" if change.as_draft else "version"
        click.echo(f"{change.title}: {'new text, ' if not change.template_id else ''}{state}")
        for warning in change.warnings:
            click.echo(f"  {warning}")
    verb = "would change" if dry_run else "changed"
    click.echo(
        f"{len(plan.changes):,} texts {verb}, {plan.unchanged:,} are unchanged,"
        f" {len(plan.problems):,} entries have errors."
    )
