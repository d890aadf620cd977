"""Write a PDF in a separate process: `python typst_compiler.py < JSON > PDF`.

Typst takes 100 MB of memory, which ends with the process. It imports nothing of Signpost. A
character without a glyph never stops it: PDF/A refuses such a character, which is then replaced by
its number, such as [U+1F44D].
"""

from __future__ import annotations

import importlib.util
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typst

FONT_PACKAGES = (
    "fontpkg_noto_sans",
    "fontpkg_noto_sans_arabic",
    "fontpkg_noto_sans_devanagari",
    "fontpkg_noto_sans_khmer",
    "fontpkg_noto_sans_tamil",
    "fontpkg_noto_sans_telugu",
    "fontpkg_noto_sans_thai",
    "noto_cjk_sans_jp_regular",
)
# archivable and accessible, with the evidence attached
STANDARDS: list[Any] = ["a-3a", "ua-1"]
LAYOUT = Path(__file__).with_name("evidence.typ")
# names the characters that no font has a glyph for
PROBE = """#set document(title: "Probe", date: none)
#for character in json(bytes(sys.inputs.data)).characters [#box(character) ]
"""
MAX_PROBED = 10_000  # more different characters take too long; the others are replaced
MAX_TRIES = 20
MISSING = re.compile(r'the text `"(.*?)"` could not be displayed', re.DOTALL)
ESCAPED = re.compile(r"\\u\{([0-9a-fA-F]+)\}")
# line breaks, joiners and isolates: they shape the letters and the direction beside them
KEPT = "\n\u200c\u200d\u2066\u2067\u2068\u2069"
NOT_REPLACED = {"evidence"}  # the attached file is bytes, and needs no glyphs


def compile_pdf(data: dict[str, Any]) -> bytes:
    """Return the PDF. It succeeds for every text."""
    folders = [str(folder) for folder in _font_folders()]
    families = typst.Fonts(include_system_fonts=False, font_paths=folders).families()
    # the first has the shape of Latin letters; each next one adds what is still missing
    order = sorted(families, key=lambda name: (name != "Noto Sans", "Mono" in name, name))
    data = {**_map_texts(data, _without_controls), "fonts": order, "replaced": False}
    characters = {character for text in _texts(data) for character in text if ord(character) > 0xFF}
    try:
        return _compile_replacing(data, characters, folders)
    except Exception:
        return _compile_plain(data, characters, folders)
    except BaseException as error:
        if type(error).__name__ != "PanicException":  # an error inside Typst
            raise
        return _compile_plain(data, characters, folders)


def _compile_replacing(data: dict[str, Any], characters: set[str], folders: list[str]) -> bytes:
    """Return the PDF, with the numbers of the characters for which no font has a glyph."""
    rare = characters - set(sorted(characters)[:MAX_PROBED])
    data = _replace(data, rare) if rare else data
    # each character alone, because Typst fails at long words without glyphs
    probe = f"#set text(font: {json.dumps(data['fonts'])[1:-1].join('()')})\n" + PROBE
    try:
        _compile({"characters": sorted(characters - rare)}, folders, STANDARDS, probe.encode())
    except typst.TypstError as error:
        data = _replace(data, set(_missing_characters(error)))
    for _ in range(MAX_TRIES):
        try:
            return _compile(data, folders, STANDARDS)
        except typst.TypstError as error:
            missing = set(_missing_characters(error))
            if not missing:
                raise
            data = _replace(data, missing)
    raise ValueError("too many characters are without a glyph")


def _compile_plain(data: dict[str, Any], characters: set[str], folders: list[str]) -> bytes:
    """Return the PDF with numbers in place of all characters but the common Latin ones."""
    plain = _replace(data, characters)
    try:
        return _compile(plain, folders, STANDARDS)
    except typst.TypstError:
        return _compile(plain, folders, [])


def _font_folders() -> Iterator[Path]:
    """Return the folders of the fonts that are installed."""
    for name in FONT_PACKAGES:
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.origin:
            yield Path(spec.origin).parent


def _compile(
    data: dict[str, Any],
    folders: list[str],
    standards: list[Any],
    layout: bytes | None = None,
) -> bytes:
    source: Any = layout or LAYOUT.read_bytes()
    pdf: Any = typst.compile(
        source,
        font_paths=folders,
        ignore_system_fonts=True,
        pdf_standards=standards,
        sys_inputs={"data": json.dumps(data)},
    )
    return bytes(pdf)


def _missing_characters(error: typst.TypstError) -> Iterator[str]:
    """Return the characters for which no font has a glyph, as an error names them."""
    for text in MISSING.findall(str(getattr(error, "diagnostic", "") or error)):
        decoded = ESCAPED.sub(lambda match: chr(int(match[1], 16)), text)
        yield from (character for character in decoded if not character.isascii())


def _replace(data: dict[str, Any], characters: set[str]) -> dict[str, Any]:
    numbers = {ord(character): f"[U+{ord(character):04X}]" for character in characters}
    return {**_map_texts(data, lambda text: text.translate(numbers)), "replaced": True}


def _without_controls(text: str) -> str:
    """Return a text without control characters, which have no glyphs and no meaning here."""
    return "".join(
        character if character.isprintable() or character in KEPT else " " for character in text
    )


def _map_texts(value: Any, change: Any) -> Any:
    if isinstance(value, str):
        return change(value)
    if isinstance(value, list):
        return [_map_texts(item, change) for item in value]
    if isinstance(value, dict):
        return {
            name: item if name in NOT_REPLACED else _map_texts(item, change)
            for name, item in value.items()
        }
    return value


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)
    elif isinstance(value, dict):
        for name, item in value.items():
            if name not in NOT_REPLACED:
                yield from _texts(item)


if __name__ == "__main__":
    sys.stdout.buffer.write(compile_pdf(json.load(sys.stdin)))
