"""Emails per second over 8 kept sessions, beside `smtplib` in a loop.

The mail server's stand-in answers each command after 25 ms, so an email takes 100 ms in a session
that is open. Emails wait in the database, each to a separate person; `hub worker deliver` is
started, and once it is warm the accepted emails are counted for some seconds. It builds each email
with its HTML and records each outcome. The loop sends a short text that is built once, over one
session that stays open: it does less for each email, and opening a session for each would take
twice as long. At the end what the server received is compared with what is recorded.
"""

from __future__ import annotations

import smtplib
import time
from email.message import EmailMessage

from benchmarks.hubs import Hub
from benchmarks.mail_server import MailServer
from benchmarks.plan import Plan
from benchmarks.sending import Sent, check_counts, measure_sending
from benchmarks.table import Row, at_least, ratio_row, unmeasured_row

WHAT = "emails per second over 8 kept sessions, server takes 25 ms per reply"
AGAINST = "smtplib in a loop, one kept session"
GOAL = at_least(5)
REPLY_MILLISECONDS = 25
REPLIES = 4  # to MAIL, RCPT, DATA and the email
SESSIONS = 8
IDEAL = SESSIONS / (REPLIES * REPLY_MILLISECONDS / 1000)  # emails a second


def run(plan: Plan) -> list[Row]:
    """Measure the worker and the loop in turn."""
    found: list[Sent] = []
    looped: list[float] = []
    with plan.crew("emailing") as crew:
        server = MailServer(crew, REPLY_MILLISECONDS)
        hub = Hub(crew, server.url, connections=0)
        connection = hub.run_module("benchmarks.emails", port=server.port)
        hub.start_queue()
        others = 0
        for _ in plan.each_run("emailing"):
            waiting = hub.count("messages WHERE status = 'queued'")
            count = max(1, round(IDEAL * (plan.seconds + 6)) - waiting)
            hub.run_module("benchmarks.emails", count=count, connection=connection)
            helpers = [hub.start_worker("deliver"), hub.start_cron()]
            found.append(measure_sending(crew, server, helpers[:1], plan.seconds, SESSIONS))
            left = hub.count("messages WHERE status = 'queued'")
            for helper in helpers:
                crew.stop(helper)
            assert left, "the emails ran out before the end of the run: the fill must be larger"
            sent, seconds = send_in_a_loop(server.port, plan.seconds)
            others += sent
            looped.append(sent / seconds)
        check_counts(hub, server, others)
    note = (
        f"The ideal of 8 sessions is {IDEAL:,.0f}. Sessions in use at once:"
        f" {max(one.most_flying for one in found)}. {min(one.cpu for one in found):.2f} ms of"
        f" processor time for each email, {max(one.memory for one in found):.0f} MB."
    )
    return [ratio_row(WHAT, AGAINST, GOAL, [one.rate for one in found], looped, "/s", note)]


def unmeasured_rows(reason: str) -> list[Row]:
    return [unmeasured_row(WHAT, AGAINST, GOAL, reason)]


def send_in_a_loop(port: int, seconds: float) -> tuple[int, float]:
    """Send one email after the other; return how many, and the seconds that it took."""
    email = EmailMessage()
    email["From"] = "documents@acme.example"
    email["To"] = "eric@example.com"
    email["Subject"] = "Employment Agreement"
    email.set_content("Please review and sign: https://sign.example/r/agr-1/eric")
    sent = 0
    with smtplib.SMTP("127.0.0.1", port, local_hostname="bench.example", timeout=10) as session:
        session.ehlo()
        started_at = time.monotonic()
        while time.monotonic() < started_at + seconds:
            session.send_message(email)
            sent += 1
        return sent, time.monotonic() - started_at
