"""That every list ends: no cursor of a market is trusted to lead anywhere, and why a list ends early is said."""

import hashlib
from collections.abc import Mapping
from typing import Any, NamedTuple

from market_mcp.text.truncate import compact

MOST_PAGES = 50
"""Pages of one list that are read for one answer."""

MOST_SECONDS = 40.0
"""Seconds within which a further page of a list is asked for, for one answer."""

MOST_SIZE = 8 * 1024 * 1024
"""Characters of a list, as JSON, beyond which no further page is read for one answer."""

STANDS = "its market leads to the same page again and again"
EMPTY = "its market gave an empty page and leads on all the same"
BEFORE = "its market gave a page that it had given before; ask anew, without a cursor, if it may have changed meanwhile"

Page = Mapping[str, Any]


class Walk(NamedTuple):
    """How far a list was followed: so many pages, and what marks one of them.

    A mark is set anew at the first, second, fourth, eighth … page, so that a circle of any length comes back to one.
    """

    pages: int = 0
    cursor: str = ""
    page: str = ""

    def after(self, page: Page) -> "Walk":
        """How far it is with this page."""
        pages = self.pages + 1
        if pages & (pages - 1):
            return self._replace(pages=pages)
        return Walk(pages, mark(page["next"] or ""), mark(*_names(page)))

    def end(self, page: Page, asked: str | None) -> str:
        """Why the list ends with this page, which was `asked` for and leads on; empty where it does not end here."""
        following = page["next"]
        if following is None:
            return ""
        if following == asked or (self.pages and mark(following) == self.cursor):
            return STANDS
        if not page["items"] and not page["unreadable"]:
            return EMPTY
        return BEFORE if self.pages and mark(*_names(page)) == self.page else ""


START = Walk()


def mark(*texts: str) -> str:
    """A few characters that tell these texts from others."""
    return hashlib.sha256("\n".join(texts).encode("utf-8", "surrogatepass")).hexdigest()[:8]


def name_of(item: Mapping[str, Any]) -> str:
    """What tells an item from others: its id, or all of it."""
    return str(item["id"]) if "id" in item else compact(item)


def _names(page: Page) -> list[str]:
    return [name_of(item) for item in page["items"]]
