"""What stories need besides what all tests share."""

from collections.abc import Generator
from pathlib import Path

import pytest

from rig import Square, square


@pytest.fixture
def lively_square(tmp_path: Path) -> Generator[Square]:
    """The sandbox over HTTP, whose counterparties act as soon as anybody looks."""
    with square(tmp_path, pace=0) as running:
        yield running


@pytest.fixture
def still_square(tmp_path: Path) -> Generator[Square]:
    """The sandbox over HTTP, whose counterparties never act."""
    with square(tmp_path, pace=1e6) as running:
        yield running
