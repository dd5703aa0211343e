"""What goes to stderr: warnings and worse, on plain lines, with no key in them."""

import logging
from collections.abc import Callable, Iterable


class Redacting(logging.Formatter):
    """Formats a record, traceback included, and then takes every known secret out of it."""

    def __init__(self, secrets: Callable[[], Iterable[str]]) -> None:
        super().__init__("%(levelname)s %(name)s: %(message)s")
        self._secrets = secrets

    def format(self, record: logging.LogRecord) -> str:
        text = super().format(record)
        for secret in self._secrets():
            text = text.replace(secret, "[redacted]")
        return text


def configure_logs(secrets: Callable[[], Iterable[str]]) -> None:
    """Sets the process's logging up, before the SDK does it its own way; `secrets` gives those known at the time."""
    handler = logging.StreamHandler()
    handler.setFormatter(Redacting(secrets))
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
