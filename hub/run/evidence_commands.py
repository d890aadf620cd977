"""Define the commands of evidence."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import IO

import click

from hub.run.command_application import open_application, write_output


@click.group(short_help="Export and verify the evidence of requests.")
def evidence() -> None:
    """Export and verify the evidence of signing requests, and manage its signing key."""


@evidence.command("export", short_help="Write the evidence of a request.")
@click.argument("request_id", metavar="ID")
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write into this file instead of the standard output.",
)
@click.option("--pdf", "as_pdf", is_flag=True, help="Write a PDF with the JSON attached.")
def export_evidence(request_id: str, output: Path | None, as_pdf: bool) -> None:
    """Write the evidence of a request as JSON. ID is the request's ID in Signpost or in your
    app.
    """
    with open_application():
        from hub.admin.evidence.entry_lines import pdf_lines
        from hub.evidence import export, pdf

        row = export.find_request(request_id)
        evidence = export.export_evidence(row.id)
        if as_pdf:
            data = pdf.write_pdf(evidence, pdf_lines(evidence))
        else:
            data = export.encode_evidence(evidence)
    write_output(data, output)


@evidence.command(short_help="Verify a file of evidence.")
@click.argument("file", type=click.File("rb"))
@click.option(
    "--key",
    "keys",
    multiple=True,
    metavar="KEY",
    help="Public key to trust, as on the hub's page /evidence/keys. Repeatable. Default: the"
    " keys of this hub.",
)
def verify(file: IO[bytes], keys: tuple[str, ...]) -> None:
    """Verify a file of evidence: print that it is intact, or where it was changed.

    The exit status is 1 if it was changed.
    """
    from hub.evidence import verdict_text, verification
    from hub.evidence.signed_notes import InvalidNote, VerifierKey

    try:
        trusted = [VerifierKey.parse(key) for key in keys]
    except InvalidNote as error:
        raise click.BadParameter(str(error), param_hint="--key") from None
    if not keys:
        with open_application():
            from hub.evidence import signing_keys

            trusted = [signing_keys.verifier_key(row) for row in signing_keys.list_keys()]
    verdict = verification.verify(file.read(), trusted)
    click.echo("\n".join(verdict_text.describe(verdict)))
    sys.exit(0 if verdict.is_intact else 1)


@evidence.command(short_help="Place a legal hold.")
@click.argument("request_id", metavar="ID")
@click.option("--reason", required=True, help="Reason, such as the number of the case.")
def hold(request_id: str, reason: str) -> None:
    """Place a legal hold on a request: nothing about it is deleted by age or erased."""
    with open_application():
        from hub.evidence import export, holds

        holds.place_hold(export.find_request(request_id).id, reason)


@evidence.command(short_help="Remove a legal hold.")
@click.argument("request_id", metavar="ID")
def release(request_id: str) -> None:
    """Remove the legal hold of a request. Its data is then deleted as usual."""
    with open_application():
        from hub.evidence import export, holds

        holds.remove_hold(export.find_request(request_id).id)


@evidence.command(short_help="Erase an address from evidence.")
@click.argument("address")
def erase(address: str) -> None:
    """Remove the values about a phone number or email address from all evidence.

    Use it for a person whose contact no longer exists. An erasure on a contact's page includes the
    evidence.
    """
    with open_application():
        from hub.evidence import erasure

        count = erasure.erase_address(address)
        click.echo(f"Values removed from {count:,} {'record' if count == 1 else 'records'}.")


@evidence.command("rotate-key", short_help="Replace the signing key.")
@click.option(
    "--compromised",
    is_flag=True,
    help="Someone else may know the old key. The old key then does not confirm the new one.",
)
def rotate_key(compromised: bool) -> None:
    """Create a new signing key and print its public half.

    Files that the old key signed can still be verified.
    """
    with open_application():
        from hub.evidence import signing_keys

        row = signing_keys.rotate(compromised=compromised)
        click.echo(str(signing_keys.verifier_key(row)))
