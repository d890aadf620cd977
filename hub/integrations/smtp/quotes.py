"""Find the text that a person wrote in a reply, without the quoted message.

Mail programs quote in many languages, so the rules look at the form of the lines, not at words.
Only two kinds of lines are known by their words: the first line of a forwarded header, and lines
that a program adds below a reply.
"""

from __future__ import annotations

import html
import re
from collections.abc import Sequence

# a line that separates a reply from what follows: a rule with or without a text, or a signature
_RULE = re.compile(r"-{2,} ?\S.*\S ?-{2,}|_{10,}|-- ?")
_FROM = re.compile(
    r"(?:From|Von|De|De la|Da|Van|Från|Fra|Lähettäjä|Od|От|Від|Kimden|Gönderen|Feladó|Από"
    r"|Expéditeur|发件人|寄件者|差出人|送信元|보낸 사람|من|מאת) ?[:：]",
    re.IGNORECASE,
)
_LABEL = re.compile(r"[^\s:：][^:：]{0,30}[:：](?:\s|\Z)")
_DATE = re.compile(r"\d{1,2}[:.h/-]\d\d")
_TIME = re.compile(r"\d{1,2}[:.h]\d\d")
_ADDRESS = re.compile(r"<\s*[^<>\s]+@[^<>\s]+>")
_COLONS = (":", "：")
_TAG = re.compile(r"(<[^<>]*>)")
_TAG_NAME = re.compile(r"<(/?[a-z][a-z0-9]*)\b", re.IGNORECASE)
_HIDDEN = {"head", "script", "style", "title"}
_LINE_ENDS = {"br", "/p", "/div", "/tr", "/li", "/h1", "/h2", "/h3", "/h4"}
MAX_READ = 200_000  # characters of an email; quotes below them are not looked for
MAX_LINE = 500  # characters of a line that are compared
MAX_ATTRIBUTION = 3  # lines, as programs wrap the line with sender and date
_ADDED = re.compile(
    r"(?:Sent (?:from|with|via)|Get Outlook|Von meinem|Gesendet (?:mit|von)|Holen Sie sich Outlook"
    r"|Envoyé (?:de|depuis|à partir)|Télécharger Outlook|Obtenez Outlook|Enviado d(?:esde|e|o)"
    r"|Obtener Outlook|Obter o Outlook|Inviato da|Scarica Outlook|Ottieni Outlook"
    r"|Verzonden (?:vanaf|met|van)|Skickat från|Sendt fra|Lähetetty|Wysłan[eo] z|Odesláno z"
    r"|Отправлено (?:с|из)|Надіслано з|发自|發自|从我的|iPhoneから送信|나의 iPhone에서).{0,120}",
    re.IGNORECASE,
)


def text_of_html(content: str) -> str:
    """Return HTML as text, in which quoted lines begin with `>` as in a plain text."""
    written: list[str] = []
    depth = 0  # of quotes
    hidden_until = ""
    for piece in _TAG.split(content):
        if hidden_until:
            hidden_until = "" if hidden_until in piece.lower() else hidden_until
            continue
        tag = _TAG_NAME.match(piece)
        name = tag[1].lower() if tag else ""
        if name in _HIDDEN:
            hidden_until = f"</{name}"
        elif piece.startswith("<!--") and not piece.endswith("-->"):
            hidden_until = "-->"
        elif name in ("blockquote", "/blockquote"):
            depth = max(depth + (1 if name == "blockquote" else -1), 0)
            written.append(_line_break(depth))
        elif name == "hr":
            written.append(f"\n{'_' * 10}{_line_break(depth)}")
        elif name in _LINE_ENDS:
            written.append(_line_break(depth))
        elif not _TAG.fullmatch(piece):
            written.append(" ".join(re.split(r"\s+", html.unescape(piece))))
    return "".join(written)


def _line_break(depth: int) -> str:
    return "\n> " if depth else "\n"


def own_text(text: str) -> str:
    """Return what a person wrote in a reply, without quotes, signature and programs' lines."""
    lines = [line.replace("\xa0", " ").rstrip() for line in text[:MAX_READ].split("\n")]
    first = next((index for index, line in enumerate(lines) if line), 0)
    # text below a header that begins the email cannot be distinguished from the quoted message
    end = next((index for index in range(first, len(lines)) if _begins_history(lines, index)), 0)
    own = _without_quotes(lines[:end] if end > first else lines)
    while own and (not own[-1] or _ADDED.fullmatch(own[-1].strip())):
        own.pop()
    return "\n".join(own).strip()


def _begins_history(lines: Sequence[str], index: int) -> bool:
    """Return whether a message without `>` before its lines follows from a line on."""
    line, *following = (
        line[:MAX_LINE].replace("*", "").strip() for line in lines[index : index + 2]
    )
    if _RULE.fullmatch(line):
        return True
    is_header = bool(_FROM.match(line) and following and _LABEL.match(following[0]))
    return is_header or _is_attribution(lines[index : index + MAX_ATTRIBUTION])


def _is_attribution(lines: Sequence[str]) -> bool:
    """Return whether lines begin with a sender's address and a time, and a colon after them."""
    for count in range(1, len(lines) + 1):
        joined = " ".join(line[-MAX_LINE:] for line in lines[:count])
        if not lines[count - 1] or joined.endswith(_COLONS):
            return bool(_TIME.search(joined) and _ADDRESS.search(joined)) and bool(lines[count - 1])
    return False


def _without_quotes(lines: Sequence[str]) -> list[str]:
    """Return lines without those that begin with `>`, and without the line that introduces them."""
    end = max(
        (at for at, line in enumerate(lines) if line and not line.startswith(">")), default=-1
    )
    kept: list[str] = []
    for index, line in enumerate(lines):
        if not line.startswith(">"):
            kept.append(line)
        elif not kept or not kept[-1].startswith(">"):
            del kept[_start_of_attribution(kept, is_last=index > end) :]
            kept.append(line)
    return [line for line in kept if not line.startswith(">")]


def _start_of_attribution(lines: Sequence[str], *, is_last: bool) -> int:
    """Return the index at which the line with author and date begins, or the end of the lines.

    Above a quote with which the email ends, a paragraph of one line is enough.
    """
    end = len(lines)
    while end and not lines[end - 1]:
        end -= 1
    if not end or not lines[end - 1].endswith(_COLONS):
        return len(lines)
    for start in range(end - 1, max(end - 1 - MAX_ATTRIBUTION, -1), -1):
        if not lines[start]:
            break
        if _DATE.search(" ".join(line[-MAX_LINE:] for line in lines[start:end])):
            return start
    is_alone = is_last and end > 1 and not lines[end - 2]
    is_attribution = is_alone or _ADDRESS.search(lines[end - 1][-MAX_LINE:])
    return end - 1 if is_attribution else len(lines)
