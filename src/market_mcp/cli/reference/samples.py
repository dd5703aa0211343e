"""Results as the reference prints them: valid JSON, narrow, and short, with `…` where something was left out."""

import json
from typing import cast

WIDTH = 110
"""Characters of a line."""

LINES = 25
"""Lines above which a sample is cut further."""

TEXT = 100
"""Characters that are kept of a text."""

SIMPLE = 6
"""Numbers and texts that are kept of a list."""

MORE = "…"


def sample(value: object) -> str:
    """The value, cut until it is at most `LINES` long: of a list of objects three are kept, or fewer."""
    text = ""
    for objects in (3, 2, 1):
        text = _laid_out(_shortened(value, objects), "")
        if text.count("\n") < LINES:
            break
    return text


def _shortened(value: object, objects: int) -> object:
    if isinstance(value, str):
        return value if len(value) <= TEXT else f"{value[: TEXT - 1].rstrip()}{MORE}"
    if isinstance(value, dict):
        fields = cast("dict[str, object]", value)
        return {name: _shortened(inner, objects) for name, inner in fields.items()}
    if isinstance(value, list):
        items = cast("list[object]", value)
        kept = objects if any(isinstance(item, dict) for item in items) else SIMPLE
        left = [f"{MORE} {len(items) - kept} more"] if len(items) > kept else []
        return [*(_shortened(item, objects) for item in items[:kept]), *left]
    return value


def _laid_out(value: object, indent: str) -> str:
    """JSON in which a line holds as much as fits on it."""
    line = _json(value)
    if not isinstance(value, dict | list) or len(indent) + len(line) <= WIDTH:
        return line
    deeper = indent + " "
    if isinstance(value, dict):
        fields = cast("dict[str, object]", value)
        return f"{{\n{_filled([f'{_json(n)}: {_laid_out(v, deeper)}' for n, v in fields.items()], deeper)}\n{indent}}}"
    items = cast("list[object]", value)
    return f"[\n{_filled([_laid_out(item, deeper) for item in items], deeper)}\n{indent}]"


def _filled(parts: list[str], indent: str) -> str:
    """The parts separated by commas, as many on a line as fit; one that takes several lines stands alone."""
    lines: list[str] = []
    for part, comma in zip(parts, [","] * (len(parts) - 1) + [""], strict=True):
        whole = "\n" not in part
        if lines and whole and "\n" not in lines[-1] and len(lines[-1]) + len(part) + 2 <= WIDTH:
            lines[-1] += f" {part}{comma}"
        else:
            lines.append(f"{indent}{part}{comma}")
    return "\n".join(lines)


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)
