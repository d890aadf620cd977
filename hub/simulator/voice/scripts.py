"""Phone numbers that answer calls automatically. All other phones ring until someone acts."""

from __future__ import annotations

from dataclasses import dataclass

from hub.core.vocabulary import Status


@dataclass(frozen=True)
class ScriptedPhone:
    """A number that acts automatically when it is called, and the final status of the message.

    `keys` are pressed one after the other. `ends` is a final status without an answer.
    """

    number: str
    title: str
    final_status: Status
    keys: str = ""
    ends: str = ""
    refuses: int = 0  # error code of the API's response
    breaks: bool = False  # the call is made, and the API returns 500


SCRIPTS = (
    ScriptedPhone("+15005550001", "Number that cannot be called", Status.FAILED, refuses=21217),
    ScriptedPhone("+15005550002", "No route", Status.FAILED, refuses=21214),
    ScriptedPhone("+15005550003", "Country not enabled", Status.FAILED, refuses=21215),
    ScriptedPhone("+15005550004", "On the account's block list", Status.FAILED, refuses=21216),
    ScriptedPhone("+15005550051", "Confirms with 2", Status.DELIVERED, keys="2"),
    ScriptedPhone("+15005550052", "Listens three times", Status.DELIVERED, keys="112"),
    ScriptedPhone("+15005550053", "Opts out with 9", Status.DELIVERED, keys="9"),
    ScriptedPhone("+15005550054", "Voicemail", Status.UNDELIVERED, ends="completed"),
    ScriptedPhone("+15005550055", "Line is busy", Status.UNDELIVERED, ends="busy"),
    ScriptedPhone("+15005550056", "Nobody answers", Status.UNDELIVERED, ends="no-answer"),
    ScriptedPhone("+15005550057", "Call fails", Status.UNDELIVERED, ends="failed"),
    ScriptedPhone(
        "+15005550058", "Error after the call began", Status.DELIVERED, keys="2", breaks=True
    ),
)
_BY_NUMBER = {phone.number: phone for phone in SCRIPTS}


def find_script(number: str) -> ScriptedPhone | None:
    """Return the script of a number, or None if it only rings."""
    return _BY_NUMBER.get(number)
