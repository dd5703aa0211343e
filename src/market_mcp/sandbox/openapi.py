"""A pretend market described as OpenAPI 3.1, derived from its endpoints and their models."""

import re
from http import HTTPStatus
from typing import Any

from pydantic import BaseModel

from market_mcp.sandbox.schemas import Schema
from market_mcp.sandbox.web import Endpoint, Market, Query

Json = dict[str, object]

_SECURITY: dict[str, list[Json]] = {
    "none": [],
    "key": [{"key": []}],
    "session": [{"session": []}],
    "any": [{"key": []}, {"session": []}],
}

_ERROR: Json = {
    "type": "object",
    "properties": {"error": {"type": "string"}},
    "required": ["error"],
}


def document(market: Market, prefix: str) -> Json:
    """The OpenAPI 3.1 document of a market served under `prefix`; routes that are not for agents stay out."""
    paths: dict[str, Json] = {}
    schemas: Json = {"Error": _ERROR, **market.records}
    for endpoint in market.endpoints:
        answer = market.answers.get(f"{endpoint.method} {endpoint.path}")
        paths.setdefault(endpoint.path, {})[endpoint.method.lower()] = _operation(endpoint, answer, schemas)
    return {
        "openapi": "3.1.0",
        "info": {"title": f"{market.name}, a pretend marketplace", "version": "1"},
        "servers": [{"url": prefix}],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "key": {"type": "http", "scheme": "bearer"},
                "session": {"type": "apiKey", "in": "cookie", "name": "session"},
            },
        },
    }


def _operation(endpoint: Endpoint, answer: Schema | None, schemas: Json) -> Json:
    """One endpoint; the models that its own models refer to are added to `schemas`."""
    operation: Json = {
        "operationId": re.sub(r"[^a-z]+", "_", f"{endpoint.method} {endpoint.path}".lower()).strip("_"),
        "summary": endpoint.summary,
        "security": _SECURITY[endpoint.auth],
        "parameters": _parameters(endpoint, schemas),
        "responses": {str(status): _response(endpoint, status, answer) for status in sorted(_statuses(endpoint))},
    }
    said = [f"Scope: {endpoint.scope}."] if endpoint.scope is not None else []
    if endpoint.inferred:
        said.append("Inferred: the platform's document describes this call without its method and path.")
    if said:
        operation["description"] = " ".join(said)
    if endpoint.body is not None:
        operation["requestBody"] = {
            "required": not endpoint.body_optional,
            "content": {"application/json": {"schema": _body(endpoint, endpoint.body, schemas)}},
        }
    return operation


def _body(endpoint: Endpoint, model: type[BaseModel], schemas: Json) -> dict[str, Any]:
    schema = _schema(model, schemas)
    if endpoint.method == "PATCH":
        # What is left out stays as it is, and takes no value of its own.
        for field in schema["properties"].values():
            field.pop("default", None)
    return schema


def _schema(model: type[BaseModel], schemas: Json) -> dict[str, Any]:
    schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas.update(schema.pop("$defs", {}))
    return schema


def _parameters(endpoint: Endpoint, schemas: Json) -> list[Json]:
    named = re.findall(r"\{(\w+)\}", endpoint.path)
    parameters = [_parameter(name, "path", True, {"type": "string", "minLength": 1}) for name in named]
    if endpoint.query is not None:
        schema = _schema(endpoint.query, schemas)
        required = schema.get("required", [])
        for name, shape in schema.get("properties", {}).items():
            parameter = _parameter(name, "query", name in required, shape)
            # One of these without a value counts as left out.
            parameters.append(parameter | {"allowEmptyValue": True} if issubclass(endpoint.query, Query) else parameter)
    return parameters


def _parameter(name: str, where: str, required: bool, schema: Json) -> Json:
    return {"name": name, "in": where, "required": required, "schema": schema}


def _statuses(endpoint: Endpoint) -> set[int]:
    """What its own list says, and what follows from its shape."""
    statuses = {*endpoint.statuses, 400}
    if endpoint.auth != "none":
        statuses.add(401)
    if endpoint.scope is not None:
        statuses.add(403)
    if "{" in endpoint.path:
        statuses.add(404)
    return statuses


def _response(endpoint: Endpoint, status: int, answer: Schema | None) -> Json:
    response: Json = {"description": HTTPStatus(status).phrase}
    # A message of a protocol that only has to be accepted has no answer.
    told = None if endpoint.foreign and status == 202 else answer
    schema = {"$ref": "#/components/schemas/Error"} if status >= 400 else told
    if schema is not None:
        response["content"] = {"application/json": {"schema": schema}}
    return response
