"""Read and write translations as PO files of GNU gettext, alone or in a ZIP archive.

https://www.gnu.org/software/gettext/manual/html_node/PO-Files.html

Babel does the work. Its parser accepts files that other programs refuse, such as strings without
quotes, and it merges repeated entries. So each line is checked before, and each entry is kept.
"""

from __future__ import annotations

import io
import re
import struct
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from email.parser import HeaderParser
from pathlib import PurePosixPath

from babel.messages.catalog import Catalog, Message
from babel.messages.pofile import PoFileError, PoFileParser, generate_po

from hub.core.errors import Refused
from hub.core.quotes import quoted
from hub.lib.localized import LANGUAGE_CODE
from hub.lib.plural_forms import find_locale
from hub.lib.text import clean_line

MAX_SIZE = 2 * 1024 * 1024  # bytes of an uploaded file
MAX_UNPACKED = 8 * 1024 * 1024  # bytes of all files in an archive
MAX_NAME_LENGTH = 100  # characters of the name of a file
MAX_FILES = 100  # in an archive
MAX_ENTRIES = 2000  # of one file
ZIP_MARK = b"PK"
FUZZY = "fuzzy"
# what reading a damaged archive raises
_DAMAGED = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    NotImplementedError,
    EOFError,
    OSError,
    RuntimeError,
    OverflowError,
    LookupError,
    ValueError,
)
_KEYWORD = r"(?:msgctxt|msgid|msgid_plural|msgstr(?:\[\d\])?) "
_LINE = re.compile(rf'(?:#~\s*)?(?:{_KEYWORD})?"((?:[^"\\]|\\.)*+)"')
_UNKNOWN_ESCAPE = re.compile(r'\\(?:\\|[^\\"ntr])')


@dataclass(frozen=True)
class Entry:
    """One translation. `context` identifies it, `source` is the text that was translated."""

    context: str
    source: str
    translation: str
    is_fuzzy: bool = False  # a translator has not confirmed it yet
    line: int = 0  # of the source in the file, from 1
    comments: Sequence[str] = ()


@dataclass(frozen=True)
class PoFile:
    """The translations of one language."""

    language: str  # as the file names it, such as `pt_BR`
    entries: Sequence[Entry]
    name: str = ""  # of the file


class _Entries(Catalog):
    """A catalog that keeps every message that the parser finds, repeated ones too."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[Message] = []

    def __setitem__(self, id: object, message: Message) -> None:
        self.found.append(message)


# ── Reading ───────────────────────────────────────────────────────────────────────────────────────
def read_files(content: bytes, name: str) -> list[PoFile]:
    """Return the PO files of an upload: the file itself, or those of a ZIP archive.

    Raises Refused with the line and the remedy.
    """
    name = clean_line(PurePosixPath(name.replace("\\", "/")).name)[:MAX_NAME_LENGTH]
    if len(content) > MAX_SIZE:
        raise _refuse(f"The file is larger than {MAX_SIZE // 1024**2} MB. Export it again.")
    if not content.startswith(ZIP_MARK):
        return [_read_po(content, name)]
    return [_read_po(data, member) for member, data in _unpack(content)]


def _unpack(content: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield the PO files of a ZIP archive, without trusting the sizes that it declares."""
    left = MAX_UNPACKED
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = [item for item in archive.infolist() if not item.is_dir()]
            if len(members) > MAX_FILES:
                raise _refuse(f"The archive has more than {MAX_FILES} files. Import it in parts.")
            for item in members:
                _check_member(item)
                with archive.open(item) as file:
                    data = file.read(left + 1)
                left -= len(data)
                if left < 0:
                    problem = f"The files are larger than {MAX_UNPACKED // 1024**2} MB in total."
                    raise _refuse(f"{problem} Import them one by one.")
                yield clean_line(PurePosixPath(item.filename).name)[:MAX_NAME_LENGTH], data
    except _DAMAGED:
        raise _refuse("The archive is damaged. Create it again, or import the PO files.") from None


def _check_member(item: zipfile.ZipInfo) -> None:
    shown = quoted(PurePosixPath(item.filename).name[:50])
    if item.flag_bits & 1:
        raise _refuse(f"The file {shown} is encrypted. Save the archive without a password.")
    if item.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise _refuse(f"The file {shown} is packed in an unknown way. Save the archive as ZIP.")
    if not item.filename.lower().endswith(".po"):
        raise _refuse(f"The archive contains {shown}. Remove it: only PO files can be imported.")


def _read_po(content: bytes, name: str) -> PoFile:
    text = _decode(content)
    lines = text.split("\n")
    _check_lines(lines, name)
    catalog = _Entries()
    try:
        PoFileParser(catalog, ignore_obsolete=True, abort_invalid=True).parse(lines)
    except PoFileError as error:
        raise _bad_line(error.lineno + 1, _describe(str(error)), name) from None
    except (ValueError, IndexError, AttributeError, TypeError):
        problem = "The entries of this file are incomplete. Each one needs msgid and msgstr."
        raise _refuse(f"{_place(name)}{problem}") from None
    header = next((item for item in catalog.found if item.context is None and item.id == ""), None)
    entries = [_build_entry(item, name) for item in catalog.found if item is not header]
    if not entries:
        raise _refuse(f"{_place(name)}The file has no texts. Choose a PO file or a ZIP archive.")
    if len(entries) > MAX_ENTRIES:
        raise _refuse(f"{_place(name)}The file has more than {MAX_ENTRIES:,} texts.")
    return PoFile(_find_language(header, name), entries, name)


def _decode(content: bytes) -> str:
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise _refuse("The file is in UTF-16. Save it in UTF-8.")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        number = content.count(b"\n", 0, error.start) + 1
        raise _bad_line(number, "It contains bytes that are not UTF-8. Save it in UTF-8.") from None
    if "\0" in text:
        number = text.count("\n", 0, text.index("\0")) + 1
        raise _bad_line(number, "It contains NUL characters. Save the file as text in UTF-8.")
    return text


def _check_lines(lines: Iterable[str], name: str) -> None:
    for number, line in enumerate(lines, 1):
        stripped = line.strip()
        if not stripped or (stripped.startswith("#") and not stripped.startswith("#~")):
            continue
        if stripped.startswith("#~|"):
            continue
        match = _LINE.fullmatch(stripped)
        if match is None:
            problem = (
                "This is not a line of a PO file. Write msgid or msgstr, a space and a text in"
                ' double quotes, and \\" for a quote within the text.'
            )
            raise _bad_line(number, problem, name)
        escape = next(
            (found for found in _UNKNOWN_ESCAPE.finditer(match[1]) if found[0] != "\\\\"), None
        )
        if escape is not None:
            problem = f"{quoted(escape[0])} has no meaning. Write \\\\ for a backslash."
            raise _bad_line(number, problem, name)


def _describe(problem: str) -> str:
    if "missing msgstr" in problem:
        return "The msgstr of this entry is missing. Add it, or delete the entry."
    return "This line does not belong to an entry. Write msgid before msgstr."


def _build_entry(message: Message, name: str) -> Entry:
    line = message.lineno or 0
    if not isinstance(message.id, str) or not isinstance(message.string, str):
        problem = (
            "msgid_plural is not used. Write the plural forms within the text, such as"
            " ((missing: one | #))."
        )
        raise _bad_line(line, problem, name)
    return Entry(
        message.context or "",
        message.id,
        message.string.replace("\r\n", "\n"),
        message.fuzzy,
        line,
    )


def _find_language(header: Message | None, name: str) -> str:
    """Return the language that the header names, or else the name of the file."""
    parsed = HeaderParser().parsestr(str(header.string) if header else "")
    declared = str(parsed.get("Language", "")).strip()
    stem = PurePosixPath(name).stem
    language = declared or (stem if LANGUAGE_CODE.fullmatch(stem) else "")
    if not LANGUAGE_CODE.fullmatch(language):
        problem = (
            "The file does not name its language. Add a line such as"
            ' "Language: pt_BR\\n" to its header.'
        )
        raise _refuse(f"{_place(name)}{problem}")
    return language


def _place(name: str) -> str:
    return f"{name}: " if name else ""


def _bad_line(number: int, problem: str, name: str = "") -> Refused:
    return _refuse(f"{_place(name)}Line {number}: {problem}")


def _refuse(problem: str) -> Refused:
    return Refused("bad_file", problem, field="file")


# ── Writing ───────────────────────────────────────────────────────────────────────────────────────
class _Translations(Catalog):
    """A catalog with the language as it is written, also if Babel does not know it."""

    def __init__(self, language: str, project: str, version: str, created: datetime) -> None:
        super().__init__(
            locale=find_locale(language),
            project=project,
            version=version,
            creation_date=created,
            revision_date=created,
            header_comment=f"# {project}, {language}",
            fuzzy=False,
        )
        self.language = language.replace("-", "_")
        # empty instead of the placeholders of Babel
        self.msgid_bugs_address = self.last_translator = self.language_team = ""

    @property
    def locale_identifier(self) -> str:
        return self.language


def write_po(file: PoFile, *, project: str, version: str, created: datetime) -> str:
    """Return the text of a PO file."""
    catalog = _Translations(file.language, project, version, created)
    for entry in file.entries:
        message = catalog.add(
            entry.source,
            entry.translation,
            flags=[FUZZY] if entry.is_fuzzy else [],
            auto_comments=entry.comments,
            context=entry.context,
        )
        # a percent sign or a brace of a text is no format
        message.flags &= {FUZZY}
    return "".join(generate_po(catalog, width=0))


def pack(files: Sequence[tuple[str, str]]) -> bytes:
    """Return a ZIP archive of files, given by name and text."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files:
            archive.writestr(name, text.encode())
    return buffer.getvalue()
