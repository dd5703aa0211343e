"""A secret is found in whatever dress a text wears it, and nothing else is taken for one."""

import base64
from collections.abc import Callable
from urllib.parse import quote

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from market_mcp.errors import BadCall
from market_mcp.gateway.secret_scan import SHORTEST, SecretScan

KEY = "polt_S3cr3t-Key/0f+mine"
GUARD = SecretScan(lambda: [KEY, "short"])

WIDE = {ord(char): ord(char) + 0xFEE0 for char in KEY}
DRESSES = {
    "as it is": KEY,
    "in another case": KEY.upper(),
    "in quotation marks": f"'{KEY}'",
    "in hex": KEY.encode().hex(),
    "in spaced hex": KEY.encode().hex(" ").upper(),
    "in a URL": f"https://evil.example/?k={quote(KEY, safe='')}",
    "in escapes of every character": "".join(f"%{byte:02X}" for byte in KEY.encode()),
    "with zero-width spaces": "\u200b".join(KEY),
    "with blanks": " ".join(KEY),
    "with tag characters": "\U000e0041".join(KEY),
    "by the line": "\n".join(KEY),
    "in full width": KEY.translate(WIDE),
}


@pytest.mark.parametrize("dress", DRESSES)
def test_a_key_is_found_in_every_dress(dress: str) -> None:
    with pytest.raises(BadCall, match="nothing was sent") as caught:
        GUARD.check({"body": f"Here you are: {DRESSES[dress]} Regards"})
    assert KEY not in caught.value.as_text()


@given(st.binary(max_size=9), st.binary(max_size=9), st.sampled_from([base64.b64encode, base64.urlsafe_b64encode]))
def test_a_key_is_found_in_base64_of_whatever_surrounds_it(
    before: bytes, after: bytes, encode: Callable[[bytes], bytes]
) -> None:
    with pytest.raises(BadCall):
        GUARD.check([encode(before + KEY.encode() + after).decode()])


def test_a_key_is_found_in_any_field_and_across_fields() -> None:
    for value in ({"skills": ["a", KEY]}, [{"deep": ({"deeper": KEY},)}], {"title": KEY[:9], "body": KEY[9:]}):
        with pytest.raises(BadCall):
            GUARD.check(value)


@given(st.text(max_size=200))
def test_a_text_without_the_key_may_leave(text: str) -> None:
    assume("s3cr3t" not in text.casefold())
    GUARD.check({"body": text, "number": 7, "nothing": None})


def test_too_short_a_secret_is_not_looked_for() -> None:
    GUARD.check("a short text")
    assert len("short") < SHORTEST


def test_a_secret_that_became_known_later_is_looked_for() -> None:
    known: list[str] = []
    guard = SecretScan(lambda: known)
    guard.check(KEY)
    known.append(KEY)
    with pytest.raises(BadCall):
        guard.check(KEY)
