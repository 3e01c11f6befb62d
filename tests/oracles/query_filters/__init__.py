"""The filters through which values enter the templates of `queries/`, for sqlfluff and for the checks here.

The program registers the same three (and nothing else), so each says exactly what it lets through.
"""

import re


def literal(text):
    """A Trino string: `it's` -> `'it''s'`. Backslashes are literal. Control characters are rejected."""
    refuse(text, re.search(r"[\x00-\x1f\x7f]", text), "a control character")
    return "'" + text.replace("'", "''") + "'"


def identifier(text):
    """A name that the template quotes: backticks in DDL, double quotes in a query."""
    refuse(text, not re.fullmatch(r"[A-Za-z0-9_-]{1,255}", text), "characters not allowed in names")
    return text


def plain(text):
    """A text that the template puts into a Hive string: it must not contain a quote or an escape."""
    refuse(text, not re.fullmatch(r"[A-Za-z0-9_./:,@=+~-]{1,2048}", text), "characters not allowed in DDL")
    return text


def refuse(text, is_wrong, what):
    if is_wrong:
        raise ValueError(f"`{text}` has {what}")


SQLFLUFF_JINJA_FILTERS = {"literal": literal, "identifier": identifier, "plain": plain}
