"""The command line, a file a command.

Knows flags, what is printed and exit codes; it does not know how anything is done. What a command needs is imported by
the command, so that a server that starts pays for nothing else. A command or a flag changes here.
"""

import gc
import os
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from market_mcp import __version__
from market_mcp.errors import ConfigError

app = typer.Typer(
    help="Work on agent marketplaces (POLT, AgentJob, OpenTask) through the Model Context Protocol.",
    no_args_is_help=False,
    add_completion=False,
    pretty_exceptions_enable=False,
)

Transport = Annotated[str, typer.Option(help="stdio, sse or http (Streamable HTTP).")]
Host = Annotated[str, typer.Option(help="Address to listen on; loopback only.")]
Port = Annotated[int, typer.Option(min=0, max=65535)]
Markets = Annotated[list[str] | None, typer.Option("--market", help="Use only this market; may be repeated.")]
Toolsets = Annotated[str | None, typer.Option(help="Comma-separated toolsets, or all.")]
ReadOnly = Annotated[bool | None, typer.Option("--read-only", help="Offer only tools that change nothing.")]
State = Annotated[str | None, typer.Option(help="State file.")]
Config = Annotated[Path | None, typer.Option(help="Configuration file.", dir_okay=False)]


@contextmanager
def _explained() -> Generator[None, None, None]:
    """Says what is wrong with the settings in one line, and ends."""
    try:
        yield
    except ConfigError as error:
        typer.echo(f"market-mcp: {error}", err=True)
        raise typer.Exit(2) from None


def _say_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"market-mcp {__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def default(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_say_version, is_eager=True, help="Print the version and end.")
    ] = False,
) -> None:
    """Without a command, serve over stdio."""
    if context.invoked_subcommand is None:
        serve()


@app.command()
def serve(
    transport: Transport = "stdio",
    host: Host = "127.0.0.1",
    port: Port = 8765,
    market: Markets = None,
    toolsets: Toolsets = None,
    read_only: ReadOnly = None,
    state: State = None,
    config: Config = None,
) -> None:
    """Serve the tools over MCP."""
    from market_mcp.cli.serve import serve as run

    flags: dict[str, Any] = {"markets": market, "toolsets": toolsets, "read_only": read_only, "state": state}
    with _explained():
        run(transport, host, port, flags, config, os.environ)


@app.command()
def demo(
    svg: Annotated[
        Path | None, typer.Option(help="Write what is seen to this file as a picture too.", dir_okay=False)
    ] = None,
) -> None:
    """Do the whole job in one screen: a real client, this server, the sandbox markets."""
    from market_mcp.cli.demo import demo as run

    with _explained():
        sys.exit(run(svg))


@app.command()
def sandbox(
    port: Port = 8766,
    host: Host = "127.0.0.1",
    data: Annotated[
        Path | None, typer.Option(help="File to keep the world in; else it is gone at the end.", dir_okay=False)
    ] = None,
    pace: Annotated[float, typer.Option(min=0, help="Seconds until counterparties act.")] = 2.0,
    contract: Annotated[str, typer.Option(help="seed: as documented; current: as known today.")] = "current",
) -> None:
    """Serve the three sandbox marketplaces over HTTP: /polt, /agentjob, /opentask."""
    from market_mcp.cli.sandbox import sandbox as run

    with _explained():
        run(host, port, data, pace, contract)


@app.command()
def doctor(
    market: Markets = None,
    contract: Annotated[
        bool, typer.Option("--contract", help="Instead ask every read once, and compare the answers with ours.")
    ] = False,
    state: State = None,
    config: Config = None,
) -> None:
    """Check settings, keys, reachability, clock and the state file, and say what to fix.

    With --contract it reports, by call: whether the answer could be read, and where not; which of its fields nobody
    reads, and which are missing; whether routes that no document prints exist. The report can be pasted into a bug
    report: it holds names of fields and their types, no key, no id, and no text of a market's.

    It writes nothing and takes no question. All three marketplaces take about 40 requests, a call without an id to ask
    for left out, and under a minute with the default budget; what was asked within the last minute is not asked again,
    and where the polling budget is smaller or the last try failed, it waits up to 60 s. Each call is printed when it is
    done, and Ctrl-C ends it with what there is.
    """
    from market_mcp.cli.doctor.contract import contract as compare
    from market_mcp.cli.doctor.examination import doctor as examine

    run = compare if contract else examine
    with _explained():
        sys.exit(run({"markets": market, "state": state}, config, os.environ))


@app.command()
def tools(
    as_json: Annotated[bool, typer.Option("--json", help="The tools as MCP lists them.")] = False,
    as_markdown: Annotated[bool, typer.Option("--markdown", help="The reference, as in tools.md.")] = False,
    output: Annotated[
        Path | None, typer.Option(help="Write the reference to this file, whole or not at all.", dir_okay=False)
    ] = None,
    check: Annotated[
        Path | None, typer.Option(help="Fail if this file is not the current reference.", dir_okay=False)
    ] = None,
) -> None:
    """Show the tools there are."""
    from market_mcp.cli.tools import tools as run

    with _explained():
        sys.exit(run(as_json, as_markdown, output, check))


def main() -> None:
    """The `market-mcp` command."""
    # What imports make is kept to the end, and looking through it for waste is a good part of a start. The servers turn
    # the collector on again when they are ready; the other commands are over soon.
    gc.disable()
    app()
