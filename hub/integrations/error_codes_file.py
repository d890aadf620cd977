"""Read the error codes of a provider from a TOML file with one line for each code.

    "4" = { error = "ConnectionBroken", text = "…", remedy = "…", field = "api_secret" }

    [receipt]
    "3" = { error = "PermanentError", text = "…", remedy = "…" }

The keys are the fields of ErrorCode. A code in a table, as `[receipt]`, begins with the table's
name: `receipt_3`. A code such as `"400 general"` has this meaning with that HTTP status only.
"""

from __future__ import annotations

import dataclasses
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from importlib.resources import files
from typing import Any

from hub.core import errors as core_errors
from hub.core.errors import Scope, SendError
from hub.integrations.error_table import Code, ErrorCode


def read_error_codes(
    package: str, name: str = "errors.toml", *, errors: Sequence[type[SendError]] = ()
) -> dict[Code, ErrorCode]:
    """Return the codes in a file of a package, as an ErrorTable needs them.

    Pass `__package__`. `errors` are classes of the integration that entries may name in addition.
    Raises ValueError if an entry is incomplete or names an unknown error.
    """
    known = {**vars(core_errors), **{error.__name__: error for error in errors}}
    entries = tomllib.loads(files(package).joinpath(name).read_text("utf-8"))
    codes: dict[Code, ErrorCode] = {}
    for code, entry in _all_entries(entries):
        with_status = re.fullmatch(r"([1-5][0-9]{2}) (.+)", code)
        key = (int(with_status[1]), with_status[2]) if with_status else code
        codes[key] = _error_code(code, entry, known)
    return codes


def read_codes_beside(module: str) -> dict[Code, ErrorCode]:
    """Return the codes in the file beside a module: `ntfy.toml` of `ntfy`, or `errors.toml`.

    Returns {} if there is no such file.
    """
    package, _, name = module.rpartition(".")
    for file_name in (f"{name}.toml", "errors.toml") if package else ():
        if files(package).joinpath(file_name).is_file():
            return read_error_codes(package, file_name)
    return {}


def _all_entries(entries: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for name, value in entries.items():
        if "error" in value:
            yield name, value
        else:
            yield from ((f"{name}_{code}", entry) for code, entry in value.items())


def _error_code(code: str, entry: Mapping[str, Any], known: Mapping[str, Any]) -> ErrorCode:
    error = known.get(entry["error"])
    if not isinstance(error, type) or not issubclass(error, SendError):
        raise ValueError(f"The code {code} names an unknown error: {entry['error']!r}.")
    fields = {**entry, "error": error}
    if unknown := set(entry) - {item.name for item in dataclasses.fields(ErrorCode)}:
        raise ValueError(f"The code {code} has unknown fields: {', '.join(sorted(unknown))}.")
    if "scope" in entry:
        if entry["scope"] not in list(Scope):
            raise ValueError(f"The code {code} has an unknown scope. Use {', '.join(Scope)}.")
        fields["scope"] = Scope(entry["scope"])
    if "words" in entry:
        fields["words"] = tuple(entry["words"])
    if isinstance(entry.get("field"), list):
        fields["field"] = tuple(entry["field"])
    try:
        return ErrorCode(**fields)
    except TypeError as problem:
        raise ValueError(f"The code {code} cannot be read: {problem}.") from problem
