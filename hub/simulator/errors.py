"""Twilio's errors: their HTTP status, sentence and JSON.

`{}` in a sentence is replaced with the rejected value. https://www.twilio.com/docs/api/errors
"""

from __future__ import annotations

import secrets

from flask import Response, jsonify


class RestError(Exception):
    """A request is refused with a Twilio error code."""

    def __init__(
        self, code: int, value: str = "", *, headers: dict[str, str] | None = None
    ) -> None:
        self.code = code
        self.status, sentence = ERRORS[code]
        self.sentence = sentence.format(value)
        self.headers = headers or {}
        super().__init__(self.sentence)

    def response(self) -> Response:
        body = {
            "code": self.code,
            "message": self.sentence,
            "more_info": f"https://www.twilio.com/docs/errors/{self.code}",
            "status": self.status,
        }
        answer = jsonify(body)
        answer.status_code = self.status
        answer.headers.update(self.headers)
        return answer


def request_id() -> str:
    return "RQ" + secrets.token_hex(16)


def failure_message(code: int) -> str:
    """Return Twilio's `ErrorMessage` for a message that failed after it was accepted."""
    return FAILURE_MESSAGES[code]


FAILURE_MESSAGES = {
    11200: "HTTP retrieval failure",
    30003: "Unreachable destination handset",
    30006: "Landline or unreachable carrier",
    30019: "Content size exceeds carrier limit",
    63005: "Channel did not accept given content",
    63013: "Message send failed because it violates the channel provider's policy",
    63016: "Failed to send freeform message because you are outside the allowed window",
    63019: "Media failed to download",
    63021: "Channel invalid content error",
    63024: "Invalid message recipient",
    63027: "Template does not exist for a language and locale",
    63028: "Number of parameters provided does not match the expected number of parameters",
    63040: "Template rejected",
    63041: "Template paused",
    63042: "Template disabled",
}

ERRORS: dict[int, tuple[int, str]] = {
    20001: (400, "Invalid parameter: {}"),
    20003: (401, "Authenticate"),
    20004: (405, "Method not allowed"),
    20009: (409, "Resource is not complete: {} is still being sent"),
    20403: (403, "The account lacks permission to access the API: it is suspended"),
    20404: (404, "The requested resource {} was not found"),
    20429: (429, "Too Many Requests"),
    20500: (500, "An internal server error has occurred"),
    20503: (503, "Service is unavailable; try again later"),
    21201: (400, "No 'To' number is specified"),
    21205: (400, "'Url' or 'Twiml' is required"),
    21210: (400, "The source phone number {} is not yet verified for your account"),
    21211: (400, "Invalid 'To' Phone Number: {}"),
    21212: (400, "Invalid 'From' Number (caller ID): {}"),
    21214: (400, "'To' phone number cannot be reached: {}"),
    21215: (400, "Your account is not authorized to call {}"),
    21216: (403, "Your account is not allowed to call {}"),
    21217: (400, "Phone number does not appear to be valid: {}"),
    21220: (400, "The call {} is not in progress, and cannot be changed"),
    21266: (400, "'To' and 'From' number cannot be the same: {}"),
    21408: (
        400,
        (
            "Permission to send an SMS has not been enabled for the region indicated by the 'To'"
            " number: {}"
        ),
    ),
    21502: (400, "The 'SmsUrl' {} is not a valid URL"),
    21602: (400, "Message body is required"),
    21603: (400, "A 'From' phone number or a Messaging Service is required"),
    21604: (400, "A 'To' phone number is required"),
    21606: (
        400,
        (
            "The 'From' phone number {} is not a valid, message-capable Twilio phone number for"
            " this destination/account"
        ),
    ),
    21608: (
        400,
        "The number {} is unverified. Trial accounts cannot send messages to unverified numbers",
    ),
    21609: (400, "The 'StatusCallback' URL {} is not a valid URL"),
    21610: (400, "Attempt to send to unsubscribed recipient"),
    21611: (429, "This 'From' number has exceeded the maximum number of queued messages: {}"),
    21612: (
        400,
        "Message cannot be sent with the current combination of 'To' ({}) and 'From' parameters",
    ),
    21614: (400, "'To' number is not a valid mobile number: {}"),
    21617: (400, "The concatenated message body exceeds the 1600 character limit"),
    21620: (400, "Invalid media URL(s): {}"),
    21623: (400, "Number of media files exceeds allowed limit of 10"),
    21624: (400, "The validity period is out of range; give 1 to 36000 seconds, not {}"),
    21654: (400, "'ContentVariables' were given without a 'ContentSid'"),
    21655: (400, "The ContentSid {} is invalid"),
    21656: (400, "The 'ContentVariables' parameter is invalid"),
    21659: (400, "'From' {} is not a Twilio phone number or Short Code country mismatch"),
    21701: (404, "The Messaging Service {} does not exist"),
    21705: (400, "The Messaging Service SID {} is invalid"),
    30015: (400, "The address {} has an unknown channel prefix"),
    30016: (400, "Invalid 'From' and 'To' pair; both should be of the same channel"),
    30400: (400, "A message cannot be canceled and redacted in one request"),
    30409: (409, "The message {} can no longer be canceled"),
    35111: (400, "'SendAt' is missing; a fixed schedule needs it"),
    35114: (400, "'SendAt' must lie between 15 minutes and 35 days ahead"),
    35118: (400, "A 'MessagingServiceSid' is needed to schedule a message"),
    63007: (400, "Twilio could not find a Channel with the specified From address: {}"),
}
