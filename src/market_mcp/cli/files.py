"""Files that commands write for their user."""

from pathlib import Path

from market_mcp.errors import ConfigError


def write_whole(file: Path, text: str) -> None:
    """Puts a text in the place of a file's, so that nobody ever finds half of it. Raises ConfigError."""
    half = file.with_name(f".{file.name}.new")
    try:
        half.write_text(text, encoding="utf-8", newline="\n")
        half.replace(file)
    except OSError as error:
        half.unlink(missing_ok=True)
        raise ConfigError(f"{file} cannot be written: {error.strerror}") from None
