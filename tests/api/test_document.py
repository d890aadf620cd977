"""The OpenAPI document: valid, complete and usable by a client."""

from __future__ import annotations

import json
import re
from typing import Any

import jsonschema
import pytest
from flask import Flask
from openapi_spec_validator import OpenAPIV31SpecValidator

from hub.api.operations import list_routes
from tests.hub_fixtures import SigningApp, json_of


@pytest.fixture
def document(app: Flask) -> dict[str, Any]:
    return json_of(app.test_client().get("/api/v1/openapi.json"))  # type: ignore[no-any-return]


def test_document_is_valid_openapi_3_1(document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.1")
    OpenAPIV31SpecValidator(document).validate()


def test_document_lists_exactly_the_routes(app: Flask, document: dict[str, Any]) -> None:
    served = {
        (method.lower(), re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule))
        for rule in app.url_map.iter_rules()
        if rule.rule.startswith("/api/v1/") and rule.endpoint != "api_document.openapi"
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    assert served == {
        (method, path) for path, operations in document["paths"].items() for method in operations
    }


def test_examples_match_their_schemas(app: Flask, document: dict[str, Any]) -> None:
    for route in list_routes(app):
        if route.operation.body is not None:
            described = document["paths"][route.path][route.method]
            content = described["requestBody"]["content"]["application/json"]
            schema = {**content["schema"], "components": document["components"]}
            jsonschema.Draft202012Validator(schema).validate(content["example"])


def test_preference_lists_every_channel(document: dict[str, Any]) -> None:
    document_schema = json.dumps(
        [
            schema
            for name, schema in document["components"]["schemas"].items()
            if name.startswith("SignerIn")
        ]
    )
    assert (
        '"enum": ["whatsapp", "sms", "voice", "email", "chat", "slack", "telegram"'
        in document_schema
    )


def test_every_operation_has_a_name_a_summary_and_errors(document: dict[str, Any]) -> None:
    ids = []
    for operations in document["paths"].values():
        for operation in operations.values():
            ids.append(operation["operationId"])
            assert operation["summary"]
            assert "401" in operation["responses"]
    assert len(set(ids)) == len(ids)


def test_document_names_the_public_address(
    document: dict[str, Any], environ: dict[str, str]
) -> None:
    assert document["servers"] == [{"url": f"http://{environ['HUB_BIND']}"}]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/api/v1/nothing", 404),
        ("DELETE", "/api/v1/messages", 405),
        ("GET", "/api/v1/events", 405),
        ("GET", "/api/nothing", 404),
        ("POST", "/api/v1/openapi.json", 405),
    ],
)
def test_unknown_route_returns_a_problem(app: Flask, method: str, path: str, status: int) -> None:
    answer = app.test_client().open(path, method=method)
    assert (answer.status_code, answer.mimetype) == (status, "application/problem+json")
    assert json_of(answer)["status"] == status


def test_reference_page_works_under_the_content_security_policy(app: Flask) -> None:
    answer = app.test_client().get("/api/docs")
    assert answer.status_code == 200
    assert "script-src 'self'" in answer.headers["Content-Security-Policy"]
    assert "<script>" not in answer.text
    assert "style=" not in answer.text
    assert "postEvent" in answer.text or "/api/v1/events" in answer.text


def test_list_names_its_required_parameters(document: dict[str, Any]) -> None:
    parameters = document["paths"]["/api/v1/consents"]["get"]["parameters"]
    assert {parameter["name"] for parameter in parameters if parameter["required"]} == {"address"}


def test_repeated_parameter_is_refused(signing_app: SigningApp) -> None:
    answer = signing_app.get("/messages", limit=[1, 2])
    assert answer.status_code == 422
    assert answer.json
    assert answer.json["field"] == "limit"
