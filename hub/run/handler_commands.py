"""Define the commands of handlers."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from hub.run.command_application import open_application

if TYPE_CHECKING:
    from hub.handlers.handler_list import HandlerSummary
    from hub.handlers.registration import FoundHandler, LoadedSource


@click.group(invoke_without_command=True, short_help="List and try handlers.")
@click.pass_context
def handlers(context: click.Context) -> None:
    """List the handlers of HUB_HANDLERS and of installed packages, with their results.

    The exit status is 1 if a file could not be loaded, or a function cannot run.
    """
    if context.invoked_subcommand is not None:
        return
    with open_application():
        from hub.handlers import handler_list, registration

        loaded = registration.load_all()
        summaries = {one.row.description: one for one in handler_list.list_handlers()}
    lines: list[str] = []
    is_complete = True
    for item in loaded:
        lines += _source_lines(item)
        is_complete = is_complete and item.failure is None
        for found in item.handlers:
            is_complete = is_complete and not found.problem
            lines += _handler_lines(found)
            if summary := summaries.pop(found.name, None):
                lines.append(f"    {_result_line(summary)}")
            elif not found.problem:
                lines.append("    not active yet: restart the workers of Signpost")
    lines += [f"{name}: {_result_line(one)}" for name, one in summaries.items()]
    click.echo("\n".join(lines) or "There are no handlers. Set HUB_HANDLERS to a Python file.")
    if not is_complete:
        sys.exit(1)


@handlers.command("try", short_help="Run a handler with a sample event.")
@click.argument("name", metavar="NAME")
@click.option(
    "--event",
    "event_type",
    metavar="TYPE",
    help="Type of the event, such as sms_delivered. Default: the first one that it receives.",
)
def try_handler(name: str, event_type: str | None) -> None:
    """Run a handler once with the sample event of the catalog, and print the result.

    Signpost stores and sends nothing. The handler itself may send messages. NAME is the name of
    the function, with its module if several have the same name. The exit status is 1 if it fails.
    """
    with open_application():
        from hub.core.errors import HubError
        from hub.handlers import trial

        try:
            result = trial.try_handler(name, event_type or "", output=sys.stderr.fileno())
        except HubError as error:
            raise click.ClickException(str(error)) from None
    click.echo(f"{result.handler} received {result.event_type}.")
    if not result.is_subscribed:
        click.echo("Note: outside of this command, it does not receive events of this type.")
    if result.failure is None:
        click.echo(f"It returned after {result.milliseconds} ms.")
        return
    failure = result.failure
    # the problem of a call that was stopped names the limit
    click.echo("It failed." if failure.is_stopped else f"It failed after {result.milliseconds} ms.")
    click.echo(f"{failure.problem}: {failure.message}" if failure.message else failure.problem)
    for line in failure.lines:
        click.echo(f"  {line}")
    sys.exit(1)


def _result_line(summary: HandlerSummary) -> str:
    """Return the state and the events of a handler, in the words of its page."""
    from hub.admin.view.status_badges import ENDPOINTS

    label = ENDPOINTS[summary.word].label
    return f"{label}, {summary.pending} pending, {summary.failed} failed"


def _source_lines(item: LoadedSource) -> list[str]:
    if item.failure is None:
        return [item.source.name]
    failure = item.failure
    message = f"{failure.problem}: {failure.message}" if failure.message else failure.problem
    return [
        f"{item.source.name} could not be loaded. {message}",
        *(f"    {line}" for line in failure.lines),
    ]


def _handler_lines(found: FoundHandler) -> list[str]:
    lines = [f"  {found.name}  {' '.join(found.patterns)}"]
    if found.summary:
        lines.append(f"    {found.summary}")
    if found.problem:
        lines.append(f"    cannot run: {found.problem}")
    return lines
