"""What README and docs repeat is made where it is marked, and nothing else of a page is touched."""

from pathlib import Path

import pytest

from market_mcp.cli.reference.__main__ import main
from market_mcp.cli.reference.blocks import made_anew

PAGE = """\
# Title

<!-- made: {name} -->
{content}<!-- end -->

Words of our own, with `code` and \\1.
"""


def page(name: str, content: str) -> str:
    return PAGE.format(name=name, content=content)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    (tmp_path / "docs").mkdir()
    (tmp_path / "README.md").write_text(page("docs/some.json", "of last year\n"))
    (tmp_path / "docs" / "some.json").write_text("{}\n")
    (tmp_path / "docs" / "still.md").write_text("Nothing is made here.\n")
    return tmp_path


def test_a_block_gets_what_its_file_says_and_the_rest_of_the_page_stays(
    checkout: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(checkout) == 0
    assert capsys.readouterr().out == "README.md\n"
    assert (checkout / "README.md").read_text() == page("docs/some.json", "```json\n{}\n```\n")

    assert main(checkout) == 0
    assert capsys.readouterr().out == ""


def test_a_block_of_declarations_says_what_they_say_and_is_the_same_every_time() -> None:
    made = made_anew(page("settings", ""), Path())

    assert "\n| `MARKET_MCP_MARKETS` | `--market` | " in made
    assert "\n| `MARKET_MCP_POLL_BUDGET` |  | " in made and " From 0 to 20. | 3 |\n" in made
    assert "MARKET_MCP_MARKET`" not in made
    assert made_anew(made, Path()) == made


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (page("toolset", ""), "README.md: there is no block and no file 'toolset'; the blocks are: settings"),
        (page("docs/none.json", ""), "README.md: there is no block and no file 'docs/none.json'"),
        (page("settings", "").replace("<!-- end -->", "") + page("toolsets", ""), "README.md: a block has no"),
        (page("settings", "") + "<!-- end -->\n", "or an end no block"),
    ],
)
def test_a_mark_that_means_nothing_is_explained_and_the_page_left_as_it_was(
    checkout: Path, text: str, why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (checkout / "README.md").write_text(text)

    assert main(checkout) == 2
    assert why in capsys.readouterr().err
    assert (checkout / "README.md").read_text() == text


def test_outside_of_a_checkout_the_command_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(tmp_path) == 2
    assert "run this in a checkout" in capsys.readouterr().err
