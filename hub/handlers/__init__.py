"""Run Python functions of an admin when something happens: `@on("sms_delivered")`.

A package declares the entry point `hub.handlers`, or HUB_HANDLERS names a file:

    from hub.handlers import Event, on

    @on("sms_delivered", "call_*")
    def update_crm(event: Event) -> None: ...

declaration   what such a file imports; it loads nothing else of Signpost
child         the process that loads one file and runs its functions
sources, child_process, calls   find the files, start and watch the processes, run a delivery
registration, handler_list   store which functions exist, and list them with their results
retries, trial, masking   retry and skip events, try a function, hide values in errors
"""

from __future__ import annotations

from hub.handlers.declaration import Event as Event
from hub.handlers.declaration import on as on
