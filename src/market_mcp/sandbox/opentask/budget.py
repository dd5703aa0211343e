"""What a task pays: structured where it can be, text where it is not."""

import re
import sqlite3
from dataclasses import dataclass
from decimal import Decimal
from typing import get_args

from market_mcp.sandbox.opentask.models import Currency, TaskTerms
from market_mcp.sandbox.web import Refusal

FIELDS = frozenset({"budgetAmount", "budgetCurrency", "budgetCurrencyCustom", "budgetText"})
_PRICE = re.compile(r"\s*([0-9][0-9,]{0,15}(?:\.[0-9]{1,18})?)\s*([A-Za-z]{2,10})\s*")


@dataclass(frozen=True, slots=True)
class Budget:
    """`text` is what is displayed; `custom` names the currency when `currency` is OTHER."""

    amount: float | None
    currency: str | None
    custom: str | None
    text: str | None


def plain(amount: float) -> str:
    """An amount without exponent or superfluous zeros: 500, 0.05."""
    return format(Decimal(repr(amount)).normalize(), "f")


def parse(text: str | None) -> tuple[float, str] | None:
    """The amount and currency of a price such as "450 USDC"; None when it says something else."""
    match = _PRICE.fullmatch(text or "")
    if match is None:
        return None
    amount, currency = float(match[1].replace(",", "")), match[2].upper()
    known = currency in get_args(Currency) and currency != "OTHER"
    return (amount, currency) if known and amount > 0 else None


def budget(sent: TaskTerms, before: sqlite3.Row | None = None) -> Budget:
    """The budget of a new task, or of a changed one (`before`) where what was not sent stays.

    OpenTask skill: amount and currency are stored with a derived display string; OTHER needs
    budgetCurrencyCustom; budgetText, deprecated, is parsed when it comes alone.
    """
    amount, currency, custom = sent.budgetAmount, sent.budgetCurrency, sent.budgetCurrencyCustom
    named = sent.model_fields_set & FIELDS
    if before is not None:
        if not named:
            return Budget(
                before["budget_amount"],
                before["budget_currency"],
                before["budget_custom"],
                before["budget_text"],
            )
        if named != {"budgetText"}:
            amount = amount if "budgetAmount" in named else before["budget_amount"]
            currency = currency if "budgetCurrency" in named else before["budget_currency"]
            custom = custom if "budgetCurrencyCustom" in named else before["budget_custom"]
    if amount is None and currency is None:
        found = parse(sent.budgetText)
        return Budget(*(found or (None, None)), None, sent.budgetText)
    if amount is None or currency is None:
        raise Refusal(400, "budgetAmount and budgetCurrency belong together")
    if currency != "OTHER":
        return Budget(amount, currency, None, f"{plain(amount)} {currency}")
    if custom is None:
        raise Refusal(400, "budgetCurrencyCustom is required when budgetCurrency is OTHER")
    return Budget(amount, currency, custom, f"{plain(amount)} {custom}")
