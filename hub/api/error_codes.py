"""List the `code` of every error of the API with its meaning, for the documentation."""

from __future__ import annotations

from types import MappingProxyType
from typing import NamedTuple


class ErrorCode(NamedTuple):
    """A code of a problem document: its HTTP status and its meaning."""

    status: int
    meaning: str


ERROR_CODES = MappingProxyType(
    {
        "bad_json": ErrorCode(400, "The body is not valid JSON in UTF-8."),
        "bad_request": ErrorCode(400, "The request cannot be read, or it holds a NUL character."),
        "unauthorized": ErrorCode(401, "The API key is missing, unknown or revoked."),
        "key_expired": ErrorCode(401, "The API key has expired."),
        "forbidden": ErrorCode(403, "API keys cannot access this URL."),
        "missing_scope": ErrorCode(403, "The API key lacks the scope that `scope` names."),
        "not_found": ErrorCode(404, "The URL does not exist."),
        "evidence_deleted": ErrorCode(
            404, "The evidence of this request is no longer kept (`HUB_EVIDENCE_DAYS`)."
        ),
        "link_expired": ErrorCode(404, "The link to a file has expired or is not valid."),
        "no_such_connection": ErrorCode(
            404, "No connection with this name is available to this key."
        ),
        "no_such_endpoint": ErrorCode(404, "Your source has no webhook endpoint with this ID."),
        "no_such_event": ErrorCode(404, "No event with this ID is visible to this key."),
        "no_such_file": ErrorCode(404, "The file was deleted when its retention period ended."),
        "no_such_media": ErrorCode(
            404, "No file with this ID is available to this key, or the file was deleted."
        ),
        "no_such_message": ErrorCode(404, "No message with this ID is visible to this key."),
        "no_such_request": ErrorCode(
            404, "No signing request with this ID is visible to this key."
        ),
        "no_such_signer": ErrorCode(404, "The request has no signer with this ID."),
        "not_suppressed": ErrorCode(
            404, "The opt-out does not exist, belongs to another source, or is removed."
        ),
        "method_not_allowed": ErrorCode(
            405,
            "The endpoint does not support this method. The `Allow` header lists the"
            " methods that it supports.",
        ),
        "already_signed": ErrorCode(409, "Every signer concerned has signed or declined."),
        "body_gone": ErrorCode(
            409, "The text was deleted when its retention period ended, so it cannot be resent."
        ),
        "cannot_invite": ErrorCode(
            409, "The connection has no saved settings yet, so it cannot create a link."
        ),
        "connection_off": ErrorCode(409, "The connection is not enabled."),
        "download_expired": ErrorCode(
            409, "The link in the message has expired, so the message cannot be resent."
        ),
        "media_gone": ErrorCode(
            409, "The attached file was deleted when its retention period ended."
        ),
        "newer_edit": ErrorCode(
            409, "The team's post has been updated since, so this update is outdated."
        ),
        "not_invited": ErrorCode(
            409,
            "No signer was invited yet. `detail` says when the invitation is scheduled, or that it"
            " was canceled.",
        ),
        "not_queued": ErrorCode(
            409, "The message is no longer in the queue, so it cannot be canceled."
        ),
        "not_scheduled": ErrorCode(
            409, "The messages of this event are already planned, or it was canceled."
        ),
        "not_their_turn": ErrorCode(409, "Other signers sign first. Remind them instead."),
        "not_snoozed": ErrorCode(409, "Reminders are not snoozed or stopped."),
        "reminded_recently": ErrorCode(
            409,
            "The signers were reminded less than an hour ago. `detail` says when to try again.",
        ),
        "request_closed": ErrorCode(
            409, "The request is completed, declined, expired or canceled."
        ),
        "request_expired": ErrorCode(409, "The signing request has expired."),
        "resent_already": ErrorCode(
            409, "The message was already resent. `detail` names the new message."
        ),
        "signer_removed": ErrorCode(409, "The signer was removed from the request."),
        "snoozed": ErrorCode(409, "Reminders are snoozed. End the snooze first."),
        "still_running": ErrorCode(
            409, "A request with this `Idempotency-Key` is still in progress."
        ),
        "too_many_endpoints": ErrorCode(
            409, "The source has as many webhook endpoints as it can have."
        ),
        "under_way": ErrorCode(409, "The message is still in progress, so it cannot be resent."),
        "unreadable": ErrorCode(
            409, "A stored value is damaged. See [unreadable rows](outages.md#unreadable-rows)."
        ),
        "too_large": ErrorCode(
            413, "The body is larger than 256 KiB, or the file is larger than the limit."
        ),
        "not_a_form": ErrorCode(415, "A file must be sent as `multipart/form-data`."),
        "not_json": ErrorCode(415, "The body must be sent as `application/json`."),
        "bad_address": ErrorCode(422, "The address is not valid for this channel."),
        "bad_cursor": ErrorCode(422, "`after` is not a cursor of this list."),
        "bad_event_pattern": ErrorCode(
            422, "The text is neither the name of an event nor its beginning with a star."
        ),
        "bad_description": ErrorCode(422, "The description is too long."),
        "bad_url": ErrorCode(422, "The URL is not a public https address."),
        "no_events": ErrorCode(422, "The endpoint would receive no events."),
        "too_many_events": ErrorCode(422, "The endpoint has more patterns than it can have."),
        "unknown_event": ErrorCode(422, "No event matches the pattern."),
        "bad_idempotency_key": ErrorCode(
            422, "The `Idempotency-Key` is too long or holds control characters."
        ),
        "after_expiry": ErrorCode(422, "`send_at` is not before the request expires."),
        "bad_media_url": ErrorCode(422, "The file's URL is not a public https URL."),
        "bad_time": ErrorCode(422, "The value is not a time with an offset."),
        "empty_file": ErrorCode(422, "The file is empty."),
        "empty_text": ErrorCode(422, "The message has no text and no file."),
        "idempotency_mismatch": ErrorCode(
            422, "This `Idempotency-Key` was used with a different body."
        ),
        "in_the_future": ErrorCode(422, "The time is in the future."),
        "invalid_field": ErrorCode(
            422, "The value of a field is not valid. `errors` lists all invalid fields."
        ),
        "media_too_large": ErrorCode(422, "The file is larger than the channel accepts."),
        "media_type": ErrorCode(422, "The channel does not accept files of this type."),
        "missing_field": ErrorCode(422, "A required field is missing."),
        "no_address": ErrorCode(422, "The recipient has no address for this channel."),
        "no_connection": ErrorCode(422, "No enabled connection serves this channel."),
        "no_direct_messages": ErrorCode(
            422, "The connection posts to one channel only and sends no direct messages."
        ),
        "no_media": ErrorCode(422, "The connection sends no files."),
        "no_reason": ErrorCode(422, "Removing an opt-out requires a reason."),
        "no_such_channel": ErrorCode(422, "The channel does not exist."),
        "no_such_kind": ErrorCode(422, "The kind of address does not exist."),
        "not_public": ErrorCode(
            422, "`HUB_PUBLIC_URL` is a local address, so no provider can fetch the file."
        ),
        "out_of_range": ErrorCode(422, "The time is not between 2000 and 2099."),
        "repeated_field": ErrorCode(422, "A JSON object names a field twice."),
        "repeated_parameter": ErrorCode(422, "The query names a parameter twice."),
        "text_too_long": ErrorCode(422, "The text is longer than the provider accepts."),
        "too_long": ErrorCode(422, "A value is longer than allowed."),
        "too_far_ahead": ErrorCode(422, "`send_at` is more than 90 days ahead."),
        "two_files": ErrorCode(422, "Both `media` and `media_url` are given."),
        "unknown_field": ErrorCode(422, "The API has no such field."),
        "why_too_long": ErrorCode(422, "The reason is longer than allowed."),
        "too_many_requests": ErrorCode(
            429, "The API key reached its limit. `Retry-After` says how long to wait."
        ),
        "fault": ErrorCode(
            500, "Signpost had an internal error. `detail` says whether the change was stored."
        ),
        "error": ErrorCode(500, "Another HTTP error. See the status code."),
        "not_configured": ErrorCode(
            503, "A setting that this request needs is missing. `detail` names it."
        ),
        "unavailable": ErrorCode(
            503, "The database is not available. `detail` says whether the change was stored."
        ),
    }
)
