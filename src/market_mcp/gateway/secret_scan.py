"""No key leaves in a text: who talks a model into posting one gets nothing, and the model is told.

A key is found as it stands, in base64, in hex, in a URL's escapes, in full-width letters, and with anything between its
characters that is neither letter nor digit. It is not found in a cipher of the model's own making.
"""

import base64
import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import cast
from urllib.parse import unquote

from market_mcp.errors import BadCall

SHORTEST = 8
"""Letters and digits that a secret has at least; a shorter one would be found in innocent words."""

_BETWEEN = re.compile(r"[\W_]+")


class SecretScan:
    """Looks for secrets in what is about to leave; `secrets` gives those known at the time."""

    def __init__(self, secrets: Callable[[], Iterable[str]]) -> None:
        self._secrets = secrets

    def check(self, value: object) -> None:
        """Raises BadCall when a text anywhere in the value, or all of them in a row, hold a secret."""
        texts = list(_texts(value))
        together = "\n".join(texts)
        forms = [_bare(text) for text in {together, unquote(together)}]
        for secret in self._secrets():
            if any(shape in form for shape in _shapes(secret) for form in forms):
                raise BadCall(
                    "A text in this call holds one of the user's keys or passwords, so nothing was sent.",
                    next="Leave it out: no marketplace and nobody on one ever needs it from you.",
                )


@lru_cache(maxsize=256)
def _shapes(secret: str) -> frozenset[str]:
    """How a secret looks in a text of which only letters and digits are left; nothing for one that is too short."""
    if len(_bare(secret)) < SHORTEST:
        return frozenset()
    data = secret.encode()
    return frozenset({_bare(secret), data.hex()} | {_bare(_inside(data, shift)) for shift in range(3)})


def _inside(data: bytes, shift: int) -> str:
    """What is the same in every base64 text that holds the data after `shift` bytes (modulo 3) of something else."""
    text = base64.b64encode(bytes(shift) + data).decode()
    return text[(0, 2, 3)[shift] : (shift + len(data)) * 8 // 6]


def _bare(text: str) -> str:
    """The letters and digits of a text, all in one case and one width."""
    return _BETWEEN.sub("", unicodedata.normalize("NFKC", text)).casefold()


def _texts(value: object) -> Iterable[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for inner in cast("Mapping[object, object]", value).values():
            yield from _texts(inner)
    elif isinstance(value, Sequence) and not isinstance(value, bytes):
        for inner in cast("Sequence[object]", value):
            yield from _texts(inner)
