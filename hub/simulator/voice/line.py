"""Move calls through their statuses, post their callbacks, and let people answer and press keys.

https://www.twilio.com/docs/voice/api/call-resource#statuscallback
"""

from __future__ import annotations

import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from email.utils import formatdate

from hub.simulator import callbacks
from hub.simulator.account import Account
from hub.simulator.voice.calls import FINAL, INBOUND, Call, Calls, current_time, new_sid
from hub.simulator.voice.scripts import ScriptedPhone, find_script
from hub.simulator.voice.twiml import Spoken, read_twiml

log = logging.getLogger(__name__)
STEP = 0.1  # seconds between two statuses
DEFAULT_PATH = "/api/rpc/webhooks/twilio/voice"
# by status: the name with which a callback is requested
EVENTS = {"initiated": "initiated", "ringing": "ringing", "in-progress": "answered"}
SIP_CODES = {"busy": "486", "no-answer": "480", "failed": "404", "canceled": "487"}


class Line:
    """The telephone network between the account and the phones."""

    def __init__(self, calls: Calls, account: Account, public_url: str) -> None:
        self.calls = calls
        self._account = account
        self._public_url = public_url
        self._stopping = threading.Event()
        self._pool = ThreadPoolExecutor(16, thread_name_prefix="call")

    def start(self) -> None:
        """End the calls that a stop of the simulator interrupted."""
        for call in self.calls.all():
            if not call.is_final:
                self._pool.submit(self.end, call.sid, "completed" if call.answered else "no-answer")

    def stop(self) -> None:
        self._stopping.set()
        self._pool.shutdown(wait=False, cancel_futures=True)

    def ring(self, call: Call) -> None:
        """Let the phone of a new call ring, in the background."""
        self._pool.submit(self._ring, call)

    def _ring(self, call: Call) -> None:
        try:
            for status in ("initiated", "ringing"):
                self._stopping.wait(STEP)
                self._report(call.sid, status)
            script = find_script(call.to)
            if script is not None:
                self._stopping.wait(STEP)
                self._perform(call.sid, script)
            else:
                self._stopping.wait(call.timeout)
                self._end_unanswered(call.sid)
        except Exception:
            log.exception("Call %s: given up", call.sid)

    def _perform(self, sid: str, script: ScriptedPhone) -> None:
        if script.ends and script.ends != "completed":
            self.end(sid, script.ends)
            return
        self.answer(sid)
        for key in script.keys:
            self._stopping.wait(STEP)
            self.press(sid, key)
        call = self.calls.get(sid)
        if call is not None and not call.is_final:
            self.end(sid, "completed")

    def _end_unanswered(self, sid: str) -> None:
        call = self.calls.get(sid)
        if call is not None and call.rings:
            self.end(sid, "no-answer")

    # ── actions of people ──
    def answer(self, sid: str) -> Call:
        """Answer a call, and hear its TwiML."""
        call = self.calls.change(sid, status="in-progress", answered=current_time())
        self._report(sid, "in-progress")
        return self._hear(sid, read_twiml(call.twiml))

    def press(self, sid: str, key: str) -> Call:
        """Press a key, and hear the response."""
        call = self.calls.get(sid)
        if call is None or call.is_final or not call.action:
            raise ValueError("The call does not wait for a key.")
        if key == call.end_key:  # Twilio reports no key then
            return self.wait_for_no_key(sid)
        self.calls.change(sid, action="", lines=[*call.lines, ["person", "", f"Pressed {key}"]])
        fields = {**self._fields(call, "in-progress"), "Digits": key, "msg": "Gather End"}
        _, _, body = callbacks.call(
            call.action,
            fields,
            self._account,
            token=f"{sid}-{call.action}",
            subject=f"key of {sid}",
        )
        return self._hear(sid, read_twiml(body))

    def wait_for_no_key(self, sid: str) -> Call:
        """Press no key until the call gives up, as a voicemail does."""
        call = self.calls.get(sid)
        if call is not None:
            self.calls.change(sid, lines=[*call.lines, *_said(call.after)], action="")
        return self.end(sid, "completed")

    def end(self, sid: str, status: str) -> Call:
        """End a call with a final status."""
        call = self.calls.get(sid)
        if call is None or call.is_final:
            raise ValueError("The call has ended.")
        if status == "completed" and not call.answered:
            call = self.answer(sid)
            self.calls.change(sid, lines=[*call.lines, *_said(call.after)], action="")
        self.calls.change(sid, status=status, ended=current_time(), action="")
        self._report(sid, status)
        return self.calls.get(sid) or call

    def cancel(self, sid: str) -> None:
        """End a call that waits or rings. The callback does not delay the response of the API."""
        self.calls.change(sid, status="canceled", ended=current_time(), action="")
        self._pool.submit(self._report, sid, "canceled")

    def call_back(self, phone: str) -> Call:
        """Call the account's number from a phone, and hear the response."""
        number = self._account.credentials.phone_number
        call = Call(
            sid=new_sid(),
            to=number,
            sender=phone,
            direction=INBOUND,
            status="in-progress",
            callback=self._account.voice_callback,
            created=current_time(),
            answered=current_time(),
        )
        self.calls.add(call)
        fields = self._fields(call, "ringing")
        _, _, body = callbacks.call(
            self.voice_url, fields, self._account, token=call.sid, subject=f"call {call.sid}"
        )
        return self._hear(call.sid, read_twiml(body))

    @property
    def voice_url(self) -> str:
        """The URL that answers calls to the number: its own, or the hub's."""
        return self._account.voice_url or self._public_url.rstrip("/") + DEFAULT_PATH

    def _hear(self, sid: str, spoken: Spoken | None) -> Call:
        call = self.calls.get(sid)
        if call is None or spoken is None:
            return self.end(sid, "completed")
        lines = [*call.lines, *_said([list(line) for line in spoken.lines])]
        after = [list(line) for line in spoken.after]
        call = self.calls.change(
            sid, lines=lines, action=spoken.action, after=after, end_key=spoken.end_key
        )
        return call if spoken.action or call.is_final else self.end(sid, "completed")

    # ── callbacks ──
    def _report(self, sid: str, status: str) -> None:
        call = self.calls.change(sid, status=status) if status not in FINAL else self.calls.get(sid)
        if call is None or not call.callback or (call.is_final and status not in FINAL):
            return
        if EVENTS.get(status, "completed") not in call.events:
            return
        number = self.calls.take_number(sid)
        fields = {
            **self._fields(call, status),
            "SequenceNumber": str(number),
            "CallbackSource": "call-progress-events",
            "Timestamp": formatdate(),
        }
        if status in FINAL:
            fields |= {
                "CallDuration": str(call.duration),
                "Duration": "1" if call.duration else "0",
            }
            fields["SipResponseCode"] = SIP_CODES.get(status, "200")
        callbacks.call(
            call.callback,
            fields,
            self._account,
            token=f"{sid}-{number}",
            subject=f"{status} of {sid}",
        )

    def _fields(self, call: Call, status: str) -> dict[str, str]:
        return {
            "CallSid": call.sid,
            "AccountSid": self._account.sid,
            "ApiVersion": "2010-04-01",
            "CallStatus": status,
            "Direction": call.direction,
            "From": call.sender,
            "Caller": call.sender,
            "To": call.to,
            "Called": call.to,
        }


def _said(lines: list[list[str]]) -> list[list[str]]:
    return [["call", *line] for line in lines]
