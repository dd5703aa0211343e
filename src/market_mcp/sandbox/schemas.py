"""What the schemas of answers are written in: a few words for JSON Schema."""

from collections.abc import Mapping

Schema = Mapping[str, object]

TEXT: Schema = {"type": "string"}
TIME: Schema = {"type": "string", "format": "date-time"}
PAY: Schema = {"type": "string", "pattern": r"^[0-9]+\.[0-9]+$"}
"""An amount as a decimal in a string."""
NUMBER: Schema = {"type": "number"}
COUNT: Schema = {"type": "integer", "minimum": 0}
FLAG: Schema = {"type": "boolean"}
ANY: Schema = {"type": "object"}
"""An object of which the document of the platform does not say what stands in it."""


def record(fields: Mapping[str, Schema], maybe: Mapping[str, Schema] | None = None) -> Schema:
    """An object with all of these fields, and some that may be left out."""
    return {"type": "object", "properties": {**fields, **(maybe or {})}, "required": list(fields)}


def many(item: Schema) -> Schema:
    return {"type": "array", "items": item}


def null_or(schema: Schema) -> Schema:
    return {"anyOf": [schema, {"type": "null"}]}


def one_of(*values: str | int) -> Schema:
    return {"enum": list(values)}


def ref(name: str) -> Schema:
    """A record of the market that is described once, under this name."""
    return {"$ref": f"#/components/schemas/{name}"}
