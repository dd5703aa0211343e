"""The whole reference as Markdown."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from mcp_types import Tool

from market_mcp.actions import BESIDES, DEFAULT_TOOLSETS, TOOLSETS, Action
from market_mcp.cli.reference import arguments, rows
from market_mcp.cli.reference.left_out import LEFT_OUT, RESERVED, LeftOut
from market_mcp.cli.reference.markdown import table
from market_mcp.cli.reference.samples import sample
from market_mcp.cli.reference.stage import Example, ExampleFailed
from market_mcp.errors import CallError
from market_mcp.markets import MARKETS

MAKE = "market-mcp tools --output"
"""The command that writes it to the file named behind it."""

TITLE = f"""\
# Tools

What each tool takes, what it sends where, and what it brings. Made by `{MAKE}` from the tools' own
declarations; every result below was brought by that very run, against the pretend markets, at a fixed time. Results are
shortened: `…` stands for what was left out."""

TOOLSETS_CHOSEN = """\
`--toolsets work,inbox` or `all` chooses others. A tool that none of your markets supports is not offered, nor is a
filter that none of them knows. A tool's *tier* is how much it can do: *read* looks, *speak* says something in public or
to somebody, *bind* takes on or settles an obligation, *account* touches identity, keys and money. `--read-only` offers
the first tier only."""

IDS = """\
## Ids

Ids are handles: `polt:`, `agentjob:`, `opentask:` (the configured name of the market) and the platform's own id. Every
result gives them and every tool takes them, so most calls need no market. A bare id is taken where only one market can
be meant: because one market alone supports the tool, or because that id was seen in a result. Agents of POLT go by
their username, as in `polt:quanta-7`."""

LISTS = """\
## Lists and feeds

A list asks every market that supports it, at the same time, and deals out their items in turn; `market` asks one only.
What a market cannot answer is named under `skipped`, with the reason, and spoils nothing: a market that fails, or one
that lacks a filter. `limit` counts items of the whole answer and `next_cursor` continues it, with the same filters.
Long texts are cut in lists; the tools `get_…` bring them whole.

The same question goes to a market once in 60 s (`MARKET_MCP_POLL_INTERVAL`), whoever asks it. Asked again before that,
it is answered with what is held: `feeds` tells, by market, how old that is and when a new look is due. Other pages and
filters of a feed draw on a budget (`MARKET_MCP_POLL_BUDGET`, 3 in that time); beyond it the error says when to come
back. Questions share a budget when they are paced as the same topic, which is named with each read below. A write of
yours puts the answers that it changes out of date, so you are shown its effect at once. Asked for the second time in
20 s:"""

ERRORS = """\
## Errors

A call that fails returns `isError` with one line of text and the same as structured content: `error` (its kind, below),
`message`, `effect` (`none`; of a write also `unknown`, when its answer was lost, `partly` or `done`), `next` (what to
do now) where there is advice, and `retry_after_seconds` where time helps. `refused` has the market's `status` too."""

UNTRUSTED = """\
## Untrusted text

Titles, bodies, messages, names: nearly every text in a result was written by strangers, who may want a model to do what
its user does not. Such results carry `untrusted`, which says so. Control characters, direction overrides, invisible
characters and lone surrogates are taken out of every text. No result holds a key or a password: what `register_agent`,
`login` and `create_token` get goes to the credential store, and the result has its name."""

INFERRED = """\
## Documented and inferred

*Documented* means that the platform's document prints method and path. *Inferred* means that it describes the call
without them, and that they were concluded; the reason stands beside the row. No row has been tried on a live market.
Where the truth turns out to be different, this can be set for each account, in its `[market.NAME]` table:

- `contract = "seed"` does what the document says; `"current"`, the default for live markets, what is publicly known of
  the platform as it runs today, where the two differ. The pretend markets keep to the documents.
- `upvote = "rest"` votes on AgentJob by an inferred route in place of the platform's own MCP tool.
- `base_url`, or `POLT_BASE_URL`, `AGENTJOB_BASE_URL` and `OPENTASK_BASE_URL`, names another address."""

NOT_TOOLS = """\
## Calls without a tool of their own

Other tools make these, when they need them."""

NO_TOOL = """\
## Documented calls that no tool makes"""

FORBIDDEN = """\
## Calls that cannot be made

POLT reserves these to its CTO ("Restricted Endpoints") and wants nobody else to try them. No row says how they are
made, so nothing can make them."""


def reference(tools: Sequence[Tool], examples: Mapping[str, Example], asides: Mapping[str, Example]) -> str:
    """The document: `tools` as a client is told of them, their examples by name, and calls for the general part.

    Raises ExampleFailed where a tool has none.
    """
    listed = {tool.name: tool for tool in tools}
    if listed.keys() - examples.keys():
        raise ExampleFailed(f"no example was run of {', '.join(sorted(listed.keys() - examples.keys()))}")
    parts = [TITLE, _toolsets(), IDS, LISTS, _call(asides["held"]), ERRORS, _errors(), _call(asides["refused"])]
    parts += [UNTRUSTED, _markets(), INFERRED]
    for toolset, actions in TOOLSETS.items():
        parts.append(f"## Toolset {toolset}")
        for action in actions:
            parts += _tool(listed[action.tool_name()], action, toolset, examples[action.tool_name()])
    parts += [NOT_TOOLS, _bullets(_rows_without_a_tool()), NO_TOOL, _left_out(), FORBIDDEN, _reserved()]
    return "\n\n".join(parts) + "\n"


def _toolsets() -> str:
    cells = [
        (
            name,
            "on" if name in DEFAULT_TOOLSETS else "off",
            " ".join(_link(action) for action in (*actions, *BESIDES.get(name, ()))),
        )
        for name, actions in TOOLSETS.items()
    ]
    return f"## Toolsets\n\n{table(('toolset', 'by default', 'tools'), cells)}\n\n{TOOLSETS_CHOSEN}"


def _link(action: type[Action]) -> str:
    return f"[{action.tool_name()}](#{action.tool_name()})"


def _errors() -> str:
    kinds = [
        (f"`{kind.kind}`", f"`{kind.effect}`", " ".join((kind.__doc__ or "").split()))
        for kind in CallError.__subclasses__()
    ]
    return table(("kind", "effect", "meaning"), kinds)


def _markets() -> str:
    cells = [
        (
            market.name,
            f"`{kind}:`",
            market.document,
            *(f"<{url}>" for url in market.base_urls.values()),
            f"`{market.key_env}`",
        )
        for kind, market in MARKETS.items()
    ]
    head = ("market", "ids", "document", 'address, `contract = "seed"`', '`"current"`', "key")
    return f"## Markets\n\n{table(head, cells)}\n\n{_keys()}"


def _keys() -> str:
    keyed = [market.name for market in MARKETS.values() if market.idempotency_from == "current"]
    return f'Writes to {" and ".join(keyed)} carry an `Idempotency-Key` with `contract = "current"`.'


def _tool(tool: Tool, action: type[Action], toolset: str, example: Example) -> Iterator[str]:
    state = "on" if toolset in DEFAULT_TOOLSETS else "off"
    besides = "".join(f", and with {name}" for name, actions in BESIDES.items() if action in actions)
    hints = tool.annotations.model_dump(by_alias=True, exclude={"title"}) if tool.annotations else {}
    told_hints = ", ".join(f"{name} {str(value).lower()}" for name, value in hints.items())
    yield f"### {tool.name}"
    yield f"{tool.description}"
    yield f"Toolset {toolset}, {state} by default{besides}; tier *{action.tier}*; {told_hints}."
    cells = arguments.rows(tool.input_schema)
    yield table(arguments.HEAD, cells) if cells else "No arguments."
    found = [rows.told(market, row) for market in MARKETS.values() for row in market.rows_of(action)]
    yield _bullets(found) if found else "Answered from what other calls bring and what is remembered."
    yield _call(example)


def _call(example: Example) -> str:
    return f"`{example.tool}` with\n\n{_json(example.arguments)}\n\nbrings\n\n{_json(example.result)}"


def _json(value: object) -> str:
    return f"```json\n{sample(value)}\n```"


def _rows_without_a_tool() -> Iterator[str]:
    for market in MARKETS.values():
        for row in market.rows.values():
            if not row.action.offered:
                yield f"{rows.told(market, row)} {row.action.purpose([market.name])}"


def _left_out() -> str:
    cells = [(MARKETS[call.market].name, _request(call), call.what, call.why) for call in LEFT_OUT]
    return table(("market", "request", "what it does", "why no tool makes it"), cells)


def _request(call: LeftOut) -> str:
    lost = ", path lost" if "/" not in call.request else ", inferred" if call.inferred else ""
    return f"`{call.request}`{lost}"


def _reserved() -> str:
    return table(("request", "what it would do"), [(f"`{request}`", what) for request, what in RESERVED.items()])


def _bullets(items: Iterable[str]) -> str:
    return "\n".join(f"- {item}" for item in items)
