"""The attributes that tie a form's control to its error and its help.

What a field's `render_kw` says for the page is read here and kept out of the HTML: `legend` begins
a group, `optional` stands beside it, `mono` asks for a face in which codes read well, `half` puts a
field beside the next half one.
"""

from __future__ import annotations

from typing import Any

from wtforms import Field

KEEP = "Stored. Leave blank to keep it"
TYPED = "Entered but not saved. Leave blank to use it"
FOR_THE_PAGE = ("legend", "optional", "mono", "half")


def with_error_attributes(field: Field, classes: str) -> dict[str, Any]:
    """Return the attributes to render a field with: classes, what describes it, whether it is
    wrong, a secret's hint.
    """
    own: dict[str, Any] = dict(field.render_kw or {})
    names = [
        classes,
        own.get("class", ""),
        "sp-mono" if own.get("mono") else "",
        "is-invalid" if field.errors else "",
    ]
    described = [f"{field.id}-error", f"{field.id}-help" if field.description else ""]
    attributes: dict[str, Any] = {
        "class": " ".join(filter(None, names)),
        "aria-describedby": " ".join(filter(None, described)),
    }
    if field.errors:
        attributes["aria-invalid"] = "true"
    if getattr(field.widget, "input_type", "") == "password" and "autocomplete" not in own:
        # browsers ignore `off`, and would fill in the reader's own password
        attributes["autocomplete"] = "new-password"
    if getattr(field, "kept", "") or getattr(field, "stored", False):
        attributes.update(placeholder=TYPED if getattr(field, "kept", "") else KEEP, required=False)
    if own.get("mono"):
        attributes["spellcheck"] = "false"
    return attributes | dict.fromkeys((name for name in FOR_THE_PAGE if name in own), False)
