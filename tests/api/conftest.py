"""Fixtures of the API tests, which check every response against the OpenAPI document."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import jsonschema
import pytest
from flask import Flask
from werkzeug.test import TestResponse

from hub.accounts import api_keys
from hub.db.engine import db
from hub.db.store import transaction
from hub.models import Source
from tests.conftest import config_of
from tests.hub_fixtures import SigningApp
from tests.hub_fixtures import connection as connection
from tests.hub_fixtures import hub_demo as hub_demo
from tests.hub_fixtures import served as served


@dataclass
class StrictApp(SigningApp):
    """A signing app that checks each response against the OpenAPI document."""

    # read once, because it is the same for every application of a process
    document: ClassVar[dict[str, Any]] = {}

    def get(self, path: str, **query: Any) -> TestResponse:
        return self._check("get", path, super().get(path, **query))

    def post(self, path: str, content: Any = None, **headers: str) -> TestResponse:
        return self._check("post", path, super().post(path, content, **headers))

    def raw(self, path: str, body: bytes | str, kind: str = "application/json") -> TestResponse:
        return self._check("post", path, super().raw(path, body, kind))

    def _read_document(self) -> dict[str, Any]:
        if not self.document:
            self.document.update(self.client.get("/api/v1/openapi.json").json or {})
        return self.document

    def _check(self, method: str, path: str, response: TestResponse) -> TestResponse:
        document = self._read_document()
        operation = next(
            (
                operations[method]
                for template, operations in document["paths"].items()
                if method in operations
                and re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", template), f"/api/v1{path}")
            ),
            None,
        )
        assert operation is not None, f"{method} {path} is not in the document"
        assert str(response.status_code) in operation["responses"], (
            f"{method} {path} answered {response.status}, which is not in the document"
        )
        content = operation["responses"][str(response.status_code)]["content"]
        assert response.mimetype in content
        schema = {**content[response.mimetype]["schema"], "components": document["components"]}
        jsonschema.Draft202012Validator(schema, format_checker=jsonschema.FormatChecker()).validate(
            response.json
        )
        return response


@pytest.fixture
def signing_app(hub_demo: Flask) -> StrictApp:
    """Return the demo's signing app, whose key is for test connections."""
    return StrictApp(
        hub_demo.test_client(), (config_of(hub_demo).data_dir / "demo-key").read_text().strip()
    )


@pytest.fixture
def add_signing_app(hub_demo: Flask) -> Callable[..., StrictApp]:
    """Return a function that creates a signing app with its own key, by default of the same
    source.
    """

    @transaction
    def add_source(slug: str) -> None:
        db.session.add(Source(slug=slug, name=slug))

    def add_app(slug: str = "default", *, test: bool = True) -> StrictApp:
        if slug != "default":
            add_source(slug)
        return StrictApp(
            hub_demo.test_client(), api_keys.create_key("Another", test=test, source=slug)
        )

    return add_app
