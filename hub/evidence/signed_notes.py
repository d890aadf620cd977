"""Sign and open notes in the format of C2SP, which tools of several languages verify.

https://c2sp.org/signed-note. A note is a text that ends with a line break, an empty line, and one
line for each signature: an em dash, the name of the key, and base64 of the key's ID and the
signature.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

ED25519 = b"\x01"
MARK = "\N{EM DASH} "
_VALID_NAME = re.compile(r"[^\s+\x00-\x1f\x7f]+")


class InvalidNote(ValueError):
    """A note is malformed, or no known key has signed it.

    `key`: the name of a sentence for people, without `evidence_`, if the note is not valid.
    """

    def __init__(self, problem: str, key: str = "") -> None:
        super().__init__(problem)
        self.key = key


@dataclass(frozen=True)
class VerifierKey:
    """The public half of a key, with the name that its signatures carry."""

    name: str
    public: bytes

    @property
    def id(self) -> bytes:
        """The 4 bytes that name the key in a signature."""
        text = self.name.encode() + b"\n" + ED25519 + self.public
        return hashlib.sha256(text).digest()[:4]

    def __str__(self) -> str:
        encoded = base64.b64encode(ED25519 + self.public).decode()
        return f"{self.name}+{self.id.hex()}+{encoded}"

    @classmethod
    def parse(cls, text: str) -> VerifierKey:
        """Return the key of a text `name+id+base64`. Raises InvalidNote."""
        parts = text.strip().split("+", 2)
        try:
            raw = base64.b64decode(parts[2], validate=True)
        except (ValueError, IndexError):
            raise InvalidNote("This is no verifier key in the form name+id+base64.") from None
        key = cls(parts[0], raw[1:])
        if raw[:1] != ED25519 or len(raw) != 33 or str(key) != text.strip():
            raise InvalidNote("The parts of this verifier key do not belong together.")
        return key


def is_valid_name(name: str) -> bool:
    """Return whether a name can be the name of a key."""
    return _VALID_NAME.fullmatch(name) is not None


def sign(text: str, key: VerifierKey, private: bytes) -> str:
    """Return a note: the text with its signature. The text ends with a line break."""
    if not text.endswith("\n"):
        raise InvalidNote("The text of a note ends with a line break.")
    signature = Ed25519PrivateKey.from_private_bytes(private).sign(text.encode())
    return f"{text}\n{MARK}{key.name} {base64.b64encode(key.id + signature).decode()}\n"


def open_note(note: str, keys: Iterable[VerifierKey]) -> tuple[str, VerifierKey]:
    """Return the text of a note, and the known key that signed it. Raises InvalidNote."""
    text, separator, signatures = note.rpartition("\n\n")
    if not separator or not signatures.endswith("\n"):
        raise InvalidNote("The note has no signature.", "signature_missing")
    text += "\n"
    known = {(key.name, key.id): key for key in keys}
    signer: VerifierKey | None = None
    for line in signatures[:-1].split("\n"):
        name, raw = _parse_signature(line)
        key = known.get((name, raw[:4]))
        if key is None:
            continue
        try:
            Ed25519PublicKey.from_public_bytes(key.public).verify(raw[4:], text.encode())
        except (InvalidSignature, ValueError):
            raise InvalidNote("The signature does not fit the note.", "signature_wrong") from None
        signer = signer or key
    if signer is None:
        raise InvalidNote(
            "The note was signed with a key that is not known here.", "signature_unknown"
        )
    return text, signer


def _parse_signature(line: str) -> tuple[str, bytes]:
    name, _, encoded = line.removeprefix(MARK).partition(" ")
    try:
        raw = base64.b64decode(encoded, validate=True)
    except ValueError:
        raw = b""
    is_valid = line.startswith(MARK) and is_valid_name(name) and len(raw) > 4
    # the one valid form: other texts could decode to the same bytes
    if not is_valid or base64.b64encode(raw).decode() != encoded:
        raise InvalidNote("A signature line of the note is malformed.", "signature_form")
    return name, raw
