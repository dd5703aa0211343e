"""`python -m market_mcp.cli.reference`, in a checkout: makes the blocks of README and docs anew."""

import sys
from pathlib import Path

from market_mcp.cli.files import write_whole
from market_mcp.cli.reference.blocks import made_anew, pages
from market_mcp.errors import ConfigError


def main(root: Path) -> int:
    """The exit code: 0 when every page is as it should be, 2 when not; then a line says why."""
    try:
        for page in pages(root):
            if not page.is_file():
                raise ConfigError(f"there is no {page.name} here; run this in a checkout")
            found = page.read_text(encoding="utf-8")
            try:
                current = made_anew(found, root)
            except ConfigError as error:
                raise ConfigError(f"{page.name}: {error}") from None
            if current != found:
                write_whole(page, current)
                print(page.relative_to(root))  # noqa: T201
    except ConfigError as error:
        print(f"market-mcp: {error}", file=sys.stderr)  # noqa: T201
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(Path.cwd()))
