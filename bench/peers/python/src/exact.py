"""JSON whose numbers stay exact, as DynamoDB keeps it."""

import json
from decimal import Context, Decimal, InvalidOperation
from typing import Any, NoReturn

# DynamoDB's precision, and how far boto3 reads a number back that DynamoDB writes out.
_MAX_DIGITS = 38
_MAGNITUDE = range(-128, 38)
# Numbers with more zeros before or after their digits are written with an exponent.
_MAX_PLAIN_ZEROS = 20
_WIDE = Context(prec=10_000, Emin=-999_999, Emax=999_999)


class Number(str):
    """The canonical spelling of a number that DynamoDB keeps digit by digit."""

    __slots__ = ()


class Unkept(str):
    """The text of a number that DynamoDB cannot keep."""

    __slots__ = ()


def loads(text: bytes | str) -> Any:
    """Parses JSON. Integers are Python's own; everything with a fraction or an exponent is a `Number`."""
    return _decode(text if isinstance(text, str) else text.decode())


def number(text: str) -> Number | Unkept:
    # Nearly all: a few digits and a fraction.
    if len(text) <= _MAX_PLAIN_ZEROS and "e" not in text and "E" not in text:
        text = text.rstrip("0").removesuffix(".") if "." in text else text
        return Number("0" if text in ("-0", "") else text)
    return _unusual(text)


def integer(value: int) -> Number | Unkept:
    return Number(value) if -(10**_MAX_PLAIN_ZEROS) < value < 10**_MAX_PLAIN_ZEROS else _unusual(str(value))


def _unusual(text: str) -> Number | Unkept:
    try:
        sign, digits, exponent = Decimal(text, _WIDE).normalize(_WIDE).as_tuple()
    except InvalidOperation:
        return Unkept(text)
    if digits == (0,):
        return Number("0")
    if not isinstance(exponent, int) or len(digits) > _MAX_DIGITS or len(digits) + exponent - 1 not in _MAGNITUDE:
        return Unkept(text)
    return Number("-" * sign + _plain("".join(map(str, digits)), exponent))


def _plain(digits: str, scale: int) -> str:
    point = len(digits) + scale
    if scale > _MAX_PLAIN_ZEROS or point < -_MAX_PLAIN_ZEROS:
        return f"{digits}E{scale}"
    if scale >= 0:
        return digits + "0" * scale
    return f"{digits[:point]}.{digits[point:]}" if point > 0 else "0." + "0" * -point + digits


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


_decode = json.JSONDecoder(parse_float=number, parse_constant=_refuse).decode
