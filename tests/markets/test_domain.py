"""Money is read as it was written: never converted, never guessed, and no text is too strange to be read."""

from decimal import Decimal
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clocks import ends
from market_mcp.markets.domain import Pay, newest, pay, plain, present


@pytest.mark.parametrize(
    ("text", "amount", "currency"),
    [
        ("450 USDC", "450", "USDC"),
        ("450USDC", "450", "USDC"),
        ("450 usdc", "450", "USDC"),
        ("450\u00a0USDC", "450", "USDC"),
        ("0.05 ETH", "0.05", "ETH"),
        ("0.050 ETH", "0.05", "ETH"),
        ("$1,200", "1200", "USD"),
        ("$1,200.50", "1200.5", "USD"),
        ("US$30", "30", "USD"),
        ("USD 30", "30", "USD"),
        ("USDC 450.", "450", "USDC"),
        ("€ 99.90", "99.9", "EUR"),
        ("30€", "30", "EUR"),
        ("Ξ0.001", "0.001", "ETH"),
        ("$30 CAD", "30", "CAD"),
        ("$450 USDC", "450", "USDC"),
        ("1,234,567.89 USDC", "1234567.89", "USDC"),
        ("about 450 USDC, negotiable", "450", "USDC"),
        ("50 USDC/hour", "50", "USDC"),
        ("($80)", "80", "USD"),
        ("0 USDC", "0", "USDC"),
        ("0.1234567890123456789012345 ETH", "0.1234567890123456789012345", "ETH"),
        ("1000000000000000000000000000001 MOLT", "1000000000000000000000000000001", "MOLT"),
    ],
)
def test_one_clear_amount_is_read_digit_for_digit_and_the_words_are_kept(text: str, amount: str, currency: str) -> None:
    assert pay(text) == {"amount": amount, "currency": currency, "text": text}


@pytest.mark.parametrize(
    "text",
    [
        "free",
        "negotiable",
        "1e999",
        "1e5 USDC",
        "-5 USDC",
        "\u22125 USDC",
        "$-5",
        "-$5",
        "between 100 and 200 USDC",
        "100-200 USDC",
        "100\u2013200 USDC",
        "100 or more",
        "3 tasks at 50 USDC",
        "450 USDC or 0.2 ETH",
        "5 days",
        "5k USDC",
        "$5k",
        "$1.5M",
        "450 AND MORE",
        "A$30",
        "HK$30",
        "€30 USD",
        "USD 30 EUR",
        "1.200 USDC",
        "1.200,50 EUR",
        "1,5 ETH",
        "12,3456 USDC",
        "1 200 USDC",
        "1'200 CHF",
        ".5 ETH",
        "450 USDCs",
        "0x10 ETH",
        "٤٥٠ USDC",
        "NaN USDC",
        "Infinity",
        "50%",
    ],
)
def test_a_text_without_one_clear_amount_keeps_only_its_words(text: str) -> None:
    assert pay(text) == {"text": text}


def test_a_long_text_is_no_price_even_if_it_names_one() -> None:
    text = "We look for somebody who knows harbours. " * 5 + "We pay 450 USDC."
    assert pay(text) == {"text": text}


def test_structured_fields_count_more_than_words() -> None:
    assert pay("about 400 USDC", 450, "usdc") == {"amount": "450", "currency": "USDC", "text": "about 400 USDC"}


def test_words_stand_in_for_structured_fields_that_are_missing() -> None:
    assert pay(None, 0.05, "ETH") == {"amount": "0.05", "currency": "ETH", "text": "0.05 ETH"}
    assert pay(None, "12.50") == {"amount": "12.5", "text": "12.5"}


@pytest.mark.parametrize("text", ["450", " 450 "])
def test_a_bare_number_is_in_the_currency_that_stands_beside_it(text: str) -> None:
    assert pay(text, None, "MOLT") == {"amount": "450", "currency": "MOLT", "text": "450"}
    assert pay(text) == {"amount": "450", "text": "450"}


@pytest.mark.parametrize(
    "amount",
    [None, True, -1, -0.5, float("nan"), float("inf"), 10**31, [], {}, "", {"amount": None}, {"amount": [1]}],
)
def test_a_structured_amount_that_is_no_price_is_no_amount(amount: object) -> None:
    assert pay(None, amount, "USDC") is None


@pytest.mark.parametrize("amount", ["-3", "sNaN", "1e999", "1e-999", "to be agreed"])
def test_of_an_amount_that_is_a_text_and_no_price_the_words_are_kept(amount: str) -> None:
    assert pay(None, amount, "USDC") == {"text": amount}


@pytest.mark.parametrize(
    "amount",
    ["1200.50", 1200.5, "1,200.50", "1,200.50 USDC", {"amount": "1200.50"}, {"value": 1200.5, "currency": "USDC"}],
)
def test_an_amount_is_pay_in_whatever_form_it_comes(amount: object) -> None:
    found = pay(None, amount, "USDC") or Pay()
    assert (found.get("amount"), found.get("currency")) == ("1200.5", "USDC")


DATED = ("2026-03-14T09:00:00Z", "2026-03-14T08:30:00Z", "2026-03-15")


@pytest.mark.parametrize("order", list(permutations(DATED)))
def test_the_newest_is_found_wherever_it_stands(order: tuple[str, ...]) -> None:
    things = [{"created_at": time} for time in order]
    assert newest(things) == {"created_at": "2026-03-15"}
    assert newest([*things, {}]) == {"created_at": "2026-03-15"}


def test_of_things_without_a_time_the_last_one_counts() -> None:
    assert newest([{"id": "1"}, {"id": "2"}]) == {"id": "2"}
    assert newest([]) is None


@pytest.mark.parametrize(
    "word", ["in_progress", "IN_PROGRESS", "In Progress", "in-progress", "inProgress", " in progress"]
)
def test_a_word_is_the_same_in_any_case_and_with_anything_between_its_parts(word: str) -> None:
    assert plain(word) == plain("in_progress") != plain("in_review")


def test_a_number_too_long_to_be_printed_is_no_amount() -> None:
    assert pay("a lot", 10**5000, "USDC") == {"text": "a lot"}


@pytest.mark.parametrize(
    ("amount", "digits"),
    [(450, "450"), (450.0, "450"), ("450.00", "450"), (1e-7, "0.0000001"), ("1e3", "1000"), (-0.0, "0"), (100, "100")],
)
def test_a_structured_amount_is_printed_plainly(amount: object, digits: str) -> None:
    assert pay(None, amount) == {"amount": digits, "text": digits}


def test_nothing_known_is_nothing() -> None:
    assert pay() is None
    assert pay("", None, "USDC") is None
    assert pay(" \n") is None


PRICES = st.text(st.sampled_from("0123456789.,$€£ -+eEkUSDCETHusdc\n/x\u00a0"), max_size=40)


@given(
    st.one_of(st.none(), st.text(), PRICES),
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(), PRICES, st.lists(st.integers())),
    st.one_of(st.none(), st.text(max_size=10)),
)
def test_no_text_and_no_amount_is_too_strange_to_be_read(
    text: str | None, amount: object, currency: str | None
) -> None:
    found = pay(text, amount, currency)
    if found is not None:
        assert "text" in found
        assert Decimal(found.get("amount", "0")) >= 0
        assert "e" not in found.get("amount", "").lower()
        assert len(found.get("amount", "")) < 70


@given(st.text(max_size=60).map(str.strip), PRICES.map(str.strip))
def test_an_amount_out_of_a_text_stands_in_it_digit_for_digit(before: str, price: str) -> None:
    for text in (price, f"{before} {price}"):
        found = pay(text) or Pay(text="")
        digits = found.get("amount", "").rstrip("0").rstrip(".")
        assert digits in text.replace(",", "")


@given(st.decimals(min_value=0, max_value=10**12, places=6), st.sampled_from(["USDC", "ETH", "SOL", "BTC"]))
def test_what_a_market_prints_is_read_back_as_the_same_number(amount: Decimal, currency: str) -> None:
    found = pay(f"{amount:f} {currency}")
    assert found is not None
    assert Decimal(found.get("amount", "-1")) == amount
    assert found.get("currency") == currency


@pytest.mark.parametrize("part", ["1", "1,", "$", "1.", "USDC ", "$1", " ", "1,111"])
def test_a_hostile_price_costs_no_more_than_its_length(part: str) -> None:
    ends(lambda text: pay(text, text), part)


def test_empty_fields_are_dropped_and_others_are_not() -> None:
    value: dict[str, object] = {
        "id": "polt:1",
        "body": None,
        "tasks": [],
        "pay": {},
        "votes": 0,
        "online": False,
        "title": "",
    }
    assert present(value) == {"id": "polt:1", "votes": 0, "online": False, "title": ""}
