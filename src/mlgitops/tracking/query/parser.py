"""Text of a filter to its tree, by recursive descent.

    either     := both {"or" both}
    both       := unary {"and" unary}
    unary      := "not" unary | "(" either ")" | comparison
    comparison := field ("=" | "!=" | "<" | "<=" | ">" | ">=") value
                | field ["not"] ("like" | "ilike") text
                | field ["not"] "in" "(" value {"," value} ")"
                | field "is" ["not"] "null"

Keywords in any case. ``==`` is ``=`` and ``<>`` is ``!=``.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NoReturn

from mlgitops.tracking.query import fields
from mlgitops.tracking.query.language import (
    Absence,
    AllOf,
    AnyOf,
    Comparison,
    Field,
    FilterError,
    Kind,
    Negation,
    Order,
    Term,
)
from mlgitops.tracking.query.lexer import Token, tokens

DEEPEST = 50  # parentheses and negations inside of each other
MOST_COMPARISONS = 500
MOST_VALUES = 10_000  # of one list
_KEYWORDS = ("and", "or", "not", "in", "like", "ilike", "is", "null")


def parse_filter(text: str) -> Term:
    """Return the tree of a filter; an empty one holds for every run.

    Raises:
        FilterError: it cannot be understood; the message points at the column.
    """
    parser = _Parser(text, "filter")
    if parser.token.kind == "end":
        return AllOf(())
    term = parser.either()
    if parser.token.kind != "end":
        parser.fail(f"expected and, or, or the end, found {parser.token}")
    return term


def parse_order(texts: str | Sequence[str]) -> tuple[Order, ...]:
    """Return what to sort by: each text is a field and perhaps ``asc`` or ``desc``.

    Raises:
        FilterError: one cannot be understood, or names data, of which a run may have several.
    """
    return tuple(_order(text) for text in ([texts] if isinstance(texts, str) else texts))


def parse_field(text: str) -> Field:
    """Return the field that a text names, such as ``params.C`` or ``metrics.loss.min``.

    Raises:
        FilterError: it names none, or more than one.
    """
    parser = _Parser(text, "field")
    found = parser.field()
    if parser.token.kind != "end":
        parser.fail(f"expected the end, found {parser.token}")
    return found


def _order(text: str) -> Order:
    parser = _Parser(text, "order")
    token = parser.token
    found = parser.field()
    if found.group == "datasets":
        raise FilterError("a run may have several data sets; order by something else", text, token.column, what="order")
    descending = parser.token.word == "desc"
    if parser.token.word in ("asc", "desc"):
        parser.advance()
    if parser.token.kind != "end":
        parser.fail(f"expected asc, desc or the end, found {parser.token}")
    return Order(found, descending)


class _Parser:
    def __init__(self, text: str, what: str) -> None:
        self._text = text
        self._what = what
        self._tokens = tokens(text, what)
        self._position = 0
        self._depth = 0
        self._comparisons = 0

    @property
    def token(self) -> Token:
        return self._tokens[self._position]

    def advance(self) -> Token:
        token = self.token
        self._position += token.kind != "end"
        return token

    def fail(self, message: str, token: Token | None = None) -> NoReturn:
        raise FilterError(message, self._text, (token or self.token).column, what=self._what)

    def take(self, *words: str) -> bool:
        """Go on when the next token is one of these words; say whether it was."""
        found = self.token.word in words
        if found:
            self.advance()
        return found

    def expect(self, word: str, where: str) -> None:
        if not self.take(word):
            self.fail(f"expected {word} {where}, found {self.token}")

    def either(self) -> Term:
        terms = [self.both()]
        while self.take("or"):
            terms.append(self.both())
        return terms[0] if len(terms) == 1 else AnyOf(tuple(terms))

    def both(self) -> Term:
        terms = [self.unary()]
        while self.take("and"):
            terms.append(self.unary())
        return terms[0] if len(terms) == 1 else AllOf(tuple(terms))

    def unary(self) -> Term:
        if self.token.word not in ("not", "("):
            return self.comparison()
        self._depth += 1
        if self._depth > DEEPEST:
            self.fail(f"more than {DEEPEST} parentheses and negations are inside of each other")
        term: Term
        if self.take("not"):
            term = Negation(self.unary())
        else:
            self.advance()
            term = self.either()
            self.expect(")", "to close the parenthesis")
        self._depth -= 1
        return term

    def field(self) -> Field:
        token = self.token
        if token.kind != "path" or token.word in _KEYWORDS:
            self.fail(f"expected a field such as metrics.accuracy or status, found {token}")
        self.advance()
        return fields.field(token, self._text, self._what)

    def comparison(self) -> Term:
        self._comparisons += 1
        if self._comparisons > MOST_COMPARISONS:
            self.fail(f"more than {MOST_COMPARISONS} comparisons; a list of values is: field in (…)")
        found = self.field()
        if self.take("is"):
            negated = self.take("not")
            self.expect("null", "after is")
            return Negation(Absence(found)) if negated else Absence(found)
        negated = self.take("not")
        if self.take("in"):
            return self._listed(found, negated)
        if self.token.word in ("like", "ilike"):
            return self._alike(found, negated)
        if negated:
            self.fail(f"expected in, like or ilike after not, found {self.token}")
        return self._compared(found)

    def _compared(self, found: Field) -> Comparison:
        if self.token.kind != "operator":
            self.fail(f"expected a comparison (=, !=, <, <=, >, >=, like, ilike, in, is null), found {self.token}")
        operator = {"==": "=", "<>": "!="}.get(self.token.text, self.token.text)
        self.advance()
        value = self._value(found)
        return Comparison(found, "=" if operator == "!=" else operator, (value,), negated=operator == "!=")

    def _alike(self, found: Field, negated: bool) -> Comparison:
        operator = self.token
        self.advance()
        if found.kind in (Kind.NUMBER, Kind.TIME):
            self.fail(f"{found.kind.value} are not text; {operator} compares text only", operator)
        if self.token.kind != "text":
            self.fail(f"expected a 'pattern' (% any text, _ any character), found {self.token}")
        pattern = self.advance().value
        if found.kind is Kind.STATUS:
            pattern = pattern.lower()
        return Comparison(found, operator.word, (pattern,), negated)

    def _listed(self, found: Field, negated: bool) -> Term:
        self.expect("(", "before the values of a list")
        values = [self._value(found)]
        while self.take(","):
            values.append(self._value(found))
            if len(values) > MOST_VALUES:
                self.fail(f"a list has at most {MOST_VALUES} values")
        self.expect(")", "or a comma after a value of a list")
        texts = tuple(value for value in values if isinstance(value, str))
        numbers = tuple(value for value in values if isinstance(value, float))
        terms = [Comparison(found, "=", texts, negated)] if texts else []
        if numbers:
            terms.append(Comparison(found, "=", numbers, negated))
        if len(terms) == 1:
            return terms[0]
        return AllOf(tuple(terms)) if negated else AnyOf(tuple(terms))

    def _value(self, found: Field) -> str | float:
        """Take the next value, as the field compares with it."""
        token = self.advance()
        number = float(token.text) if token.kind == "number" else None
        if token.kind == "path" and token.word in ("inf", "infinity"):
            number = float("inf")
        if number is None and token.kind != "text" and token.word not in ("true", "false"):
            quoted = f"; put it in quotes: '{token}'" if token.kind == "path" and found.kind is not Kind.NUMBER else ""
            self.fail(f"expected a number or 'text', found {token}{quoted}", token)
        text = token.word.capitalize() if token.kind == "path" else token.value
        if found.kind is Kind.NUMBER and number is None:
            self.fail(f"expected a number, found {token}", token)
        if found.kind is Kind.TIME:
            return number if number is not None else self._milliseconds(text, token)
        if found.kind in (Kind.TEXT, Kind.STATUS) and number is not None:
            self.fail(f"expected 'text' in quotes, found {token}", token)
        if number is not None:
            return number
        return text.lower() if found.kind is Kind.STATUS else text

    def _milliseconds(self, text: str, token: Token) -> float:
        found = milliseconds(text)
        if found is None:
            self.fail(f"{token} is no date; expected '2026-01-31', '2026-01-31T12:00:00Z' or milliseconds", token)
        return found


def milliseconds(text: str) -> float | None:
    """Return an RFC 3339 date or time as milliseconds since the epoch; UTC unless it says otherwise, None if none."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    found = found if found.tzinfo else found.replace(tzinfo=UTC)
    try:
        return float(round(found.timestamp() * 1000))
    except (OverflowError, ValueError):
        return None
