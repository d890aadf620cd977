"""Files attached to messages: uploaded here, lent to the provider when a message is sent."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, request
from werkzeug.exceptions import RequestEntityTooLarge

from hub.api.guard import caller
from hub.api.operations import operation
from hub.api.problems import Problem
from hub.api.shapes import MediaOut, stored_value
from hub.core.vocabulary import Scope
from hub.messaging.compose import media

blueprint = Blueprint("media", __name__)
lending = Blueprint("files", __name__)
AROUND = 64 * 1024  # bytes of a form around its file


@blueprint.post("/media")
@operation(
    id="postMedia",
    tag="Media",
    summary="Upload a file",
    description=(
        "Stores the file encrypted for HUB_MEDIA_DAYS. At each attempt to send a message"
        " with it, the provider gets a link that is valid for 15 minutes."
    ),
    scope=Scope.MESSAGES_WRITE,
    status=201,
    response=MediaOut,
    errors="401 413 415 422 503",
    file="An image of at most 5 MB, or another file of at most 16 MB, such as a signed PDF.",
)
def post_media() -> tuple[dict[str, Any], int]:
    """Keep a file."""
    request.max_content_length = _largest_form()
    try:
        given = request.files.get("file")
    except RequestEntityTooLarge:
        raise Problem(
            413,
            "too_large",
            f"The file is larger than {media.largest_file() / 1024 / 1024:.3g} MB.",
            field="file",
        ) from None
    if request.mimetype != "multipart/form-data":
        raise Problem(
            415,
            "not_a_form",
            "Send a multipart/form-data form with the file in the field `file`, as curl"
            " -F file=@… does.",
        )
    if given is None:
        raise Problem(
            422,
            "missing_field",
            "Send the file in the form field `file`, with its file name.",
            field="file",
        )
    who = caller()
    content = given.read()
    return (
        stored_value(
            lambda: media.store_file(
                given.filename or "",
                given.content_type or "",
                content,
                source_id=who.source_id,
                test=who.test,
            ),
            lambda kept: MediaOut.model_validate(kept, from_attributes=True).model_dump(
                mode="json"
            ),
        ),
        201,
    )


def _largest_form() -> int:
    return media.largest_file() + AROUND


post_media.largest = _largest_form  # type: ignore[attr-defined]  # the web server asks, before it reads


@lending.get("/api/files/<token>/<name>")
def lend(token: str, name: str) -> Response:
    """Give a file to the provider that it was lent to."""
    kept, content = media.open_linked_file(token)
    response = Response(content, content_type=kept.content_type)
    response.headers.set("Content-Disposition", "inline", filename=kept.name)
    response.headers["Content-Security-Policy"] = "sandbox; default-src 'none'"
    response.headers["Cache-Control"] = "private, no-store"
    return response
