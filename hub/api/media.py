"""Upload files for messages, and serve them to providers through temporary links."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, request
from werkzeug.exceptions import RequestEntityTooLarge

from hub.api.guard import current_caller
from hub.api.operations import operation
from hub.api.problems import Problem
from hub.api.shapes import MediaOut, store_and_respond
from hub.core.vocabulary import Scope
from hub.messaging.compose import media

blueprint = Blueprint("media", __name__)
lending = Blueprint("files", __name__)
FORM_OVERHEAD = 64 * 1024  # bytes of a form besides its file


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
    """Store an uploaded file."""
    request.max_content_length = _max_form_size()
    try:
        upload = request.files.get("file")
    except RequestEntityTooLarge:
        raise Problem(
            413,
            "too_large",
            f"The file is larger than {media.max_file_size() / 1024 / 1024:.3g} MB.",
            field="file",
        ) from None
    if request.mimetype != "multipart/form-data":
        raise Problem(
            415,
            "not_a_form",
            "Send a multipart/form-data form with the file in the field `file`, as curl"
            " -F file=@… does.",
        )
    if upload is None:
        raise Problem(
            422,
            "missing_field",
            "Send the file in the form field `file`, with its file name.",
            field="file",
        )
    client = current_caller()
    content = upload.read()
    response = store_and_respond(
        lambda: media.store_file(
            upload.filename or "",
            upload.content_type or "",
            content,
            source_id=client.source_id,
            test=client.test,
        ),
        lambda stored: MediaOut.model_validate(stored, from_attributes=True).model_dump(
            mode="json"
        ),
    )
    return response, 201


def _max_form_size() -> int:
    return media.max_file_size() + FORM_OVERHEAD


# the web server applies this limit before it reads a body
post_media.max_body_size = _max_form_size  # type: ignore[attr-defined]


@lending.get("/api/files/<token>/<name>")
def serve_file(token: str, name: str) -> Response:
    """Serve a file to the provider that has the link."""
    file, content = media.open_linked_file(token)
    response = Response(content, content_type=file.content_type)
    response.headers.set("Content-Disposition", "inline", filename=file.name)
    response.headers["Content-Security-Policy"] = "sandbox; default-src 'none'"
    response.headers["Cache-Control"] = "private, no-store"
    return response
