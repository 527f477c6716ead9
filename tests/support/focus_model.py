"""Runs the requirements of a FOCUS specification, as its own machine-readable model states them, on rows of an export.

The model is the compressed `model-VERSION.json` of the FinOps Foundation's `focus_validator` (MIT). Rows are texts as
in CSV; an empty one is null. Rules that the model itself calls dynamic cannot be told from the rows alone.
"""

import json
import lzma
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

__all__ = ["FocusModel", "Violation"]

Row = Mapping[str, str]
Check = Mapping[str, Any]
"""A check as the model writes it. Any: its arguments differ."""
_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?([eE][+-]?\d+)?")
_TIME = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z")
_UNIT = re.compile(r"(\d+ )?[A-Z0-9][A-Za-z0-9 -]*(/[A-Z][A-Za-z ]*)?")
_NAMES = ("ColumnName", "ColumnAName", "ColumnBName", "ResultColumnName", "CheckCondition")
_BINDING = frozenset(("MUST", "MUST NOT"))


@dataclass(frozen=True)
class Violation:
    """A rule that rows do not keep, in the specification's own words."""

    rule: str
    says: str
    row: Row | None

    def __str__(self) -> str:
        return f"{self.rule}: {self.says}"


class FocusModel:
    """The rules of one version, for a provider that supports some of what the specification makes rules for."""

    def __init__(self, path: Path, supported: Collection[str]) -> None:
        document = json.loads(lzma.decompress(path.read_bytes()))
        unknown = set(supported) - set(document["ApplicabilityCriteria"])
        assert not unknown, f"the model knows no criteria {sorted(unknown)}"
        self._rules: dict[str, Check] = document["ModelRules"]
        self._supported = frozenset(supported)

    def applicable(self, columns: Collection[str]) -> list[str]:
        """Return the rules that rows with these columns must keep and that can be told from the rows."""
        return [name for name, rule in self._rules.items() if self._applies(rule, columns)]

    def violations(self, rows: Sequence[Row]) -> Iterator[Violation]:
        """Run every applicable rule."""
        columns = set(rows[0])
        for name in self.applicable(columns):
            rule = self._rules[name]["ValidationCriteria"]
            if self._rules[name]["Function"] == "Presence":
                if not self._holds(rule["Requirement"], dict.fromkeys(columns, "")):
                    yield Violation(name, rule["MustSatisfy"], None)
                continue
            for row in rows:
                if self._is_meant(rule, row) and not self._holds(rule["Requirement"], row):
                    yield Violation(name, rule["MustSatisfy"], row)
                    break
            yield from self._distinct(name, rule, rows)

    def _applies(self, rule: Check, columns: Collection[str]) -> bool:
        criteria = rule["ValidationCriteria"]
        return (
            rule["Status"] == "Active"
            and rule["Type"] == "Static"
            and rule["Function"] != "Composite"  # its parts are rules of their own
            and criteria["Keyword"] in _BINDING
            and self._supported.issuperset(rule["ApplicabilityCriteria"])
            and (rule["Function"] == "Presence" or set(_columns(criteria)) <= set(columns))
        )

    def _is_meant(self, rule: Check, row: Row) -> bool:
        return not rule["Condition"] or self._holds(rule["Condition"], row)

    def _holds(self, check: Check, row: Row) -> bool:
        match check["CheckFunction"]:
            case "AND":
                return all(self._holds(item, row) for item in check["Items"])
            case "OR":
                return any(self._holds(item, row) for item in check["Items"])
            case "CheckModelRule":
                rule = self._rules[check["ModelRuleId"]]["ValidationCriteria"]
                return not self._is_meant(rule, row) or self._holds(rule["Requirement"], row)
            case "ColumnPresent":
                return check["ColumnName"] in row
            case "CheckDistinctCount":
                return True  # of all rows together
            case "CheckSameValue":
                return row[check["ColumnAName"]] == row[check["ColumnBName"]]
            case "CheckNotSameValue":
                return row[check["ColumnAName"]] != row[check["ColumnBName"]]
            case "ColumnByColumnEqualsColumnValue":
                names = (check["ColumnAName"], check["ColumnBName"], check["ResultColumnName"])
                one, other, product = (Decimal(row[name] or "NaN") for name in names)
                return one * other == product or any(not row[name] for name in names)
            case function:
                name = check.get("ColumnName") or check["CheckCondition"]  # two checks of 1.2 misname it
                return _value_holds(function, row[name], check)

    def _distinct(self, name: str, rule: Check, rows: Sequence[Row]) -> Iterator[Violation]:
        check = rule["Requirement"]
        if check["CheckFunction"] != "CheckDistinctCount":
            return
        found: dict[str, set[str]] = {}
        for row in rows:
            if self._is_meant(rule, row):
                found.setdefault(row[check["ColumnAName"]], set()).add(row[check["ColumnBName"]])
        if any(len(values) != check["ExpectedCount"] for values in found.values()):
            yield Violation(name, rule["MustSatisfy"], None)


def _columns(node: Any) -> Iterator[str]:  # Any: a part of the model
    if isinstance(node, dict):
        for name, value in node.items():
            if name in _NAMES:
                yield value
            yield from _columns(value)
    elif isinstance(node, list):
        for item in node:
            yield from _columns(item)


def _value_holds(function: str, value: str, check: Check) -> bool:
    match function:
        case "CheckValue":
            return value == ("" if check["Value"] is None else str(check["Value"]))
        case "CheckNotValue":
            return value != ("" if check["Value"] is None else str(check["Value"]))
    if not value:
        return True
    match function:
        case "TypeString":
            return True
        case "FormatString":
            return value == value.strip()
        case "TypeDecimal" | "FormatNumeric" | "CheckDecimalValue":
            return _NUMBER.fullmatch(value) is not None
        case "CheckGreaterOrEqualThanValue":
            return _number(value) >= Decimal(str(check["Value"]))
        case "TypeDateTime" | "FormatDateTime":
            return _TIME.fullmatch(value) is not None
        case "FormatCurrency" | "CheckNationalCurrency":
            return re.fullmatch(r"[A-Z]{3}", value) is not None
        case "FormatKeyValue":
            return _is_key_value(value)
        case "FormatUnit":
            return _UNIT.fullmatch(value) is not None
        case _:
            raise AssertionError(f"the model checks {function}, which is not known here")


def _number(value: str) -> Decimal:
    try:
        return Decimal(value)
    except InvalidOperation:
        return Decimal("-Infinity")


def _is_key_value(value: str) -> bool:
    try:
        pairs = json.loads(value)
    except ValueError:
        return False
    return isinstance(pairs, dict) and all(
        item is None or isinstance(item, str | int | float | bool) for item in pairs.values()
    )
