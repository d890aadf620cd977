"""Find the signers of a request who have the same address, and describe them on pages.

Each text to such an address names its reader. See decision 0143.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from hub.core.vocabulary import PHONE_CHANNELS, Address, Channel
from hub.lib.text import clean_line
from hub.messaging.compose.text_values import format_names
from hub.shared.sentences import ENGLISH
from hub.signing import people
from hub.signing.signing_batch import RequestRecord, SignerRecord

# the kind of address that a channel sends to; chats belong to one person
ADDRESS_KINDS = {
    **{channel.value: Address.PHONE.value for channel in PHONE_CHANNELS},
    Channel.EMAIL.value: Address.EMAIL.value,
}
WORDS = {Address.PHONE.value: "phone number", Address.EMAIL.value: "email address"}


@dataclass(frozen=True)
class SharedAddress:
    """An address that several signers of a request have."""

    kind: str
    address: str
    names: tuple[str, ...]

    def describe(self) -> str:
        """Return the note for admins."""
        return (
            f"{format_names(self.names, ENGLISH)} have the same {WORDS[self.kind]}."
            " Each text to it names its reader."
        )


def find_shared_addresses(
    request: RequestRecord, kinds: Collection[str], person: SignerRecord | None = None
) -> list[SharedAddress]:
    """Return the addresses of some kinds that several signers have, those of a person if given."""
    own = None if person is None else people.addresses(person).items()
    shared = people.shared_addresses(request)
    return [
        SharedAddress(kind, address, _names(request, kind, address))
        for kind, address in sorted(shared)
        if kind in kinds and (own is None or (kind, address) in own)
    ]


def _names(request: RequestRecord, kind: str, address: str) -> tuple[str, ...]:
    """Return the names of the signers with an address, or their IDs in the app."""
    return tuple(
        clean_line(str(signer.details.get("name") or "")) or signer.external_id
        for signer in request.signers
        if people.addresses(signer).get(kind) == address
    )
