"""Scopes that the routes of the API need. A route that is in neither table is refused."""

from __future__ import annotations

from types import MappingProxyType

from hub.core.vocabulary import Scope

# endpoint → the one scope it needs
SCOPES = MappingProxyType(
    {
        "api.events.post_event": Scope.EVENTS_WRITE,
        "api.messages.post_message": Scope.MESSAGES_WRITE,
        "api.messages.list_messages": Scope.MESSAGES_READ,
        "api.messages.get_message": Scope.MESSAGES_READ,
        "api.messages.cancel_message": Scope.MESSAGES_WRITE,
        "api.messages.resend_message": Scope.MESSAGES_WRITE,
        "api.media.post_media": Scope.MESSAGES_WRITE,
        "api.suppressions.list_suppressions": Scope.CONTACTS_READ,
        "api.suppressions.add_suppression": Scope.CONTACTS_WRITE,
        "api.suppressions.lift_suppression": Scope.CONTACTS_WRITE,
        "api.suppressions.list_consents": (
            Scope.EVIDENCE_READ
        ),  # with the proofs: words, address, browser
        "api.suppressions.record_consent": Scope.CONTACTS_WRITE,
        "api.requests.get_request": Scope.MESSAGES_READ,
        "api.requests.remind": Scope.MESSAGES_WRITE,
        "api.requests.snooze": Scope.MESSAGES_WRITE,
        "api.requests.unsnooze": Scope.MESSAGES_WRITE,
        "api.requests.invite": Scope.CONTACTS_WRITE,
    }
)
# open without a key: the documentation, and files, whose links are secrets of their own
PUBLIC = frozenset({"api_document.openapi", "api_document.docs", "lending.files.lend"})
