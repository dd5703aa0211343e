"""The arguments of a tool, read out of the schema that a client gets."""

from collections.abc import Iterator, Mapping
from typing import Any

Schema = Mapping[str, Any]

HEAD = ("argument", "type and limits", "default", "meaning")


def rows(schema: Schema) -> list[tuple[str, ...]]:
    """The cells of a table under `HEAD`, a row for each argument."""
    required = schema.get("required", [])
    return [
        (
            f"`{name}`",
            ", ".join([_type(field), *_limits(field)]),
            "**required**" if name in required else _default(field),
            field.get("description", ""),
        )
        for name, field in schema["properties"].items()
    ]


def _type(field: Schema) -> str:
    if "enum" in field or "const" in field:
        return " ".join(f"`{value}`" for value in field.get("enum", [field.get("const")]))
    if field["type"] == "array":
        return f"array of {_type(field['items'])}s"
    return str(field["type"])


def _limits(field: Schema) -> Iterator[str]:
    yield from _range(field.get("minLength"), field.get("maxLength"), " characters")
    yield from _range(field.get("minItems"), field.get("maxItems"), " items")
    yield from _range(field.get("minimum"), field.get("maximum"), "")
    if "exclusiveMinimum" in field:
        yield f"more than {field['exclusiveMinimum']:g}"
    if "pattern" in field:
        # A bar would end the table's cell.
        yield "like `{}`".format(field["pattern"].replace("|", "\\|"))
    if field.get("type") == "array":
        yield from (f"each {limit}" for limit in _limits(field["items"]))


def _range(least: float | None, most: float | None, unit: str) -> Iterator[str]:
    if least is not None and most is not None:
        yield f"{least:,g} to {most:,g}{unit}"
    elif most is not None:
        yield f"at most {most:,g}{unit}"
    elif least is not None:
        yield f"at least {least:,g}{unit}"


def _default(field: Schema) -> str:
    return f"`{field['default']}`" if "default" in field else ""
