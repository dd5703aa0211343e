"""The Markdown that more than one page is made of."""

from collections.abc import Iterable, Sequence


def table(head: Sequence[str], cells: Iterable[Sequence[str]]) -> str:
    """A table of these lines of cells."""
    lines = [f"| {' | '.join(line)} |" for line in (head, *cells)]
    return "\n".join([lines[0], "|---" * len(head) + "|", *lines[1:]])
