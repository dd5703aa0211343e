"""What README and the pages in docs repeat of the code and of the example files, made of these.

Such a block stands between two comments, `<!-- made: NAME -->` and `<!-- end -->`. A name with a slash is a file.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import typer

from market_mcp.actions import BESIDES, DEFAULT_TOOLSETS, TOOLSETS
from market_mcp.cli import app
from market_mcp.cli.reference.markdown import table
from market_mcp.config import PREFIX, Settings
from market_mcp.errors import ConfigError
from market_mcp.markets import MARKETS

MAKE = "python -m market_mcp.cli.reference"
"""The command that makes the blocks anew, in a checkout."""

BLOCK = re.compile(r"(?P<begin><!-- made: (?P<name>\S+) -->\n)(?:(?!<!-- made:).)*?(?P<end><!-- end -->)", re.DOTALL)

UNSET = {
    "markets": "all that are configured",
    "toolsets": f"`{','.join(DEFAULT_TOOLSETS)}`",
    "state": "`state.db` there",
}
"""What is done where a setting has no value."""


def pages(root: Path) -> list[Path]:
    """The pages of a checkout that hold blocks, or may."""
    return [root / "README.md", *sorted((root / "docs").glob("*.md"))]


def made_anew(text: str, root: Path) -> str:
    """A page with every block of it as it should be; what stands outside of them is left alone. Raises ConfigError."""
    if re.search(r"<!-- (?:made:|end -->)", BLOCK.sub("", text)):
        raise ConfigError("a block has no `<!-- end -->`, or an end no block")
    return BLOCK.sub(lambda block: f"{block['begin']}{_content(block['name'], root)}\n{block['end']}", text)


def _content(name: str, root: Path) -> str:
    if name in BLOCKS:
        return BLOCKS[name]()
    file = root / name
    if "/" not in name or not file.is_file():
        raise ConfigError(f"there is no block and no file {name!r}; the blocks are: {', '.join(BLOCKS)}")
    return f"```{file.suffix[1:]}\n{file.read_text(encoding='utf-8')}```"


def _toolsets() -> str:
    cells = [
        (name, "on" if name in DEFAULT_TOOLSETS else "off", _codes(action.tool_name() for action in actions))
        for name, actions in ((name, (*own, *BESIDES.get(name, ()))) for name, own in TOOLSETS.items())
    ]
    return table(("toolset", "by default", "tools"), cells)


def _inferred() -> str:
    found = [
        (market.name, list(dict.fromkeys(row.action.tool_name() for row in market.rows.values() if row.inferred)))
        for market in MARKETS.values()
    ]
    return table(("marketplace", "inferred"), [(name, _codes(tools)) for name, tools in found if tools])


def _settings() -> str:
    return table(("variable", "flag", "meaning", "default"), [*_of_the_markets(), *_of_the_server()])


def _of_the_markets() -> Iterator[Sequence[str]]:
    """What each market has a variable of its own for, whatever the server's settings are."""
    yield _codes(market.key_env for market in MARKETS.values()), "", "The key to act with.", "none: the sandbox"
    addresses = _codes(market.base_url_env for market in MARKETS.values())
    yield addresses, "", "Another address; https, or http on this machine.", "the platform's"
    meaning = "The password for `register_agent` and `login`, which take none as an argument."
    passwords = _codes(market.password_env for market in MARKETS.values() if market.password_env)
    yield passwords, "", meaning, "made up, stored"


def _of_the_server() -> Iterator[Sequence[str]]:
    serve: Any = typer.main.get_command(app)
    flags: dict[str, str] = {option.name: option.opts[0] for option in serve.commands["serve"].params}
    limits = Settings.model_json_schema()["properties"]
    for name, field in Settings.model_fields.items():
        # Tables of accounts are for the file alone.
        if name != "market":
            # A flag that is given once for each of several values has the name of one.
            flag = flags.get(name) or flags.get(name.removesuffix("s"))
            meaning = (field.description or "") + _range(limits[name])
            default = field.get_default(call_default_factory=True)
            yield f"`{PREFIX}{name.upper()}`", f"`{flag}`" if flag else "", meaning, _value(name, default)
    yield f"`{PREFIX}CONFIG`", f"`{flags['config']}`", "The configuration file.", "see above"


def _range(schema: Mapping[str, Any]) -> str:
    return f" From {schema['minimum']} to {schema['maximum']}." if {"minimum", "maximum"} <= schema.keys() else ""


def _value(name: str, default: object) -> str:
    if default is None or default == ():
        return UNSET.get(name, "none")
    return f"{default:g}" if isinstance(default, float) else str(default).lower()


def _codes(names: Iterable[str]) -> str:
    return " ".join(f"`{name}`" for name in names)


BLOCKS: Mapping[str, Callable[[], str]] = {"settings": _settings, "toolsets": _toolsets, "inferred": _inferred}
"""By their names, what is made of declarations."""
