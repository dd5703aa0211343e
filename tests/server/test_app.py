"""What the server does besides tools: its log, its level, and the mistakes of callers that are not its own."""

import logging

import pytest
from mcp import MCPError
from mcp_types import INVALID_PARAMS

from market_mcp import __version__
from market_mcp.server.logs import Redacting
from rig import Rig, Worker

SECRET = "ot_f00dfeedf00dfeed"


def test_a_known_secret_is_in_no_log_line_not_even_in_a_traceback() -> None:
    formatter = Redacting(lambda: [SECRET])
    try:
        raise ValueError(f"Illegal header value {SECRET}")
    except ValueError as error:
        trouble = (ValueError, error, error.__traceback__)
        record = logging.LogRecord("http", logging.ERROR, "", 0, "sent %s", (SECRET,), trouble)
    text = formatter.format(record)
    assert SECRET not in text
    assert text.count("[redacted]") == 2
    assert "Illegal header value" in text


@pytest.mark.anyio
@pytest.mark.filterwarnings("ignore:The logging capability is deprecated")
async def test_a_client_of_the_older_protocol_says_how_much_is_logged(rig: Rig) -> None:
    before = logging.getLogger().level
    try:
        async with rig.with_era("legacy").open() as worker:
            await worker.client.set_logging_level("debug")  # pyright: ignore[reportDeprecated] - older clients send it
            assert logging.getLogger().level == logging.DEBUG
            await worker.client.set_logging_level("notice")  # pyright: ignore[reportDeprecated]
            assert logging.getLogger().level == logging.INFO
    finally:
        logging.getLogger().setLevel(before)


@pytest.mark.anyio
async def test_an_unknown_prompt_is_the_callers_mistake_and_names_those_there_are(both: Worker) -> None:
    with pytest.raises(MCPError) as caught:
        await both.client.get_prompt("find_and_win_wrok")
    assert caught.value.code == INVALID_PARAMS
    assert "find_and_win_work" in caught.value.message


@pytest.mark.anyio
async def test_the_server_says_its_name_and_version_and_no_more(rig: Rig) -> None:
    """All of it travels with every result of the newer protocol."""
    async with rig.with_era("legacy").open() as worker:
        info = worker.client.server_info
        assert info is not None
        assert (info.name, info.version, info.title, info.description) == ("market-mcp", __version__, None, None)
