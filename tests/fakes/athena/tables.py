"""External tables: what CREATE EXTERNAL TABLE says, and which partitions of them a query can see.

Partition projection as in https://docs.aws.amazon.com/athena/latest/ug/partition-projection-supported-types.html: of types
date, integer, enum and injected. A partition outside of its range has no rows, and no error says so.
"""

import re
from datetime import UTC, datetime, timedelta

import duckdb
from sqlglot import exp

from athena import QueryFault
from athena.datetimes import strftime_of
from athena.storage import split

TYPES = {
    "string": "VARCHAR",
    "varchar": "VARCHAR",
    "char": "VARCHAR",
    "int": "INTEGER",
    "integer": "INTEGER",
    "bigint": "BIGINT",
    "smallint": "SMALLINT",
    "tinyint": "TINYINT",
    "double": "DOUBLE",
    "float": "FLOAT",
    "boolean": "BOOLEAN",
    "date": "DATE",
    "timestamp": "TIMESTAMP",
}
# A Hive string: a backslash escapes the next character.
HIVE_STRING = r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\""
CREATE = re.compile(
    r"CREATE\s+EXTERNAL\s+TABLE\s+(?P<lenient>IF\s+NOT\s+EXISTS\s+)?(?P<name>[`\"\w.-]+)\s*\((?P<columns>.*?)\)\s*"
    r"(PARTITIONED\s+BY\s*\((?P<partitions>.*?)\)\s*)?ROW\s+FORMAT\s+SERDE\s*'(?P<serde>[^']+)'\s*"
    rf"(WITH\s+SERDEPROPERTIES\s*\((?P<serde_properties>(?:{HIVE_STRING}|[^)'\"])*)\)\s*)?"
    rf"LOCATION\s*(?P<location>{HIVE_STRING})\s*"
    rf"(TBLPROPERTIES\s*\((?P<properties>(?:{HIVE_STRING}|[^)'\"])*)\))?\s*;?\s*$",
    re.S | re.I,
)
NOW = re.compile(r"NOW(?:\s*([+-])\s*(\d+)\s*(YEAR|MONTH|WEEK|DAY|HOUR|MINUTE)S?)?")
UNITS = {
    "YEAR": timedelta(days=365),
    "MONTH": timedelta(days=30),
    "WEEK": timedelta(weeks=1),
    "DAY": timedelta(days=1),
    "HOUR": timedelta(hours=1),
    "MINUTE": timedelta(minutes=1),
}


def unquoted(text):
    """The value of a Hive string literal."""
    return re.sub(r"\\(.)", lambda found: {"n": "\n", "t": "\t"}.get(found[1], found[1]), text[1:-1])


def properties(text):
    return {unquoted(key): unquoted(value) for key, value in re.findall(rf"({HIVE_STRING})\s*=\s*({HIVE_STRING})", text or "")}


def columns(text):
    parts = [column.split() for column in (text or "").split(",") if column.strip()]
    return [(name.strip("`").lower(), kind.lower()) for name, kind, *_ in parts]


def name_of(text, database):
    """`db.table`, `table` in any quotes -> (database, table)."""
    bare = text.replace("`", "").replace('"', "")
    return tuple(f"{database}.{bare}".lower().split(".")[-2:])


class Table:
    def __init__(self, found):
        if not found["serde"].endswith(".RegexSerDe"):
            raise QueryFault(f"NOT_SUPPORTED: SerDe {found['serde']}")
        self.columns, self.partitions = columns(found["columns"]), columns(found["partitions"])
        self.regex = properties(found["serde_properties"])["input.regex"]
        groups = re.compile(self.regex).groups
        # Some Athena versions accept more groups than columns; tables of slowburn must have as many.
        if groups != len(self.columns):
            raise QueryFault(f"HIVE_CURSOR_ERROR: the regex has {groups} groups for {len(self.columns)} columns")
        self.location, self.properties = unquoted(found["location"]), properties(found["properties"])
        self.added = []  # (values, location) of ALTER TABLE ADD PARTITION

    @property
    def names(self):
        return [name for name, _ in self.partitions]

    def is_projected(self):
        return self.properties.get("projection.enabled") == "true"

    def visible(self, storage, where):
        """{partition values: [(uri, bytes, handle)]} of existing partitions that match a condition."""
        if not self.partitions:
            return {(): [found for found in storage.objects(self.location) if is_data(found[0])]}
        found = self._projected(storage, where) if self.is_projected() else self._added(storage)
        return self._kept(found, where)

    def _added(self, storage):
        found = {}
        for values, location in self.added:
            found.setdefault(values, []).extend(each for each in storage.objects(location) if is_data(each[0]))
        return found

    def _projected(self, storage, where):
        folders = "/".join(f"{name}=${{{name}}}" for name in self.names)
        template = self.properties.get("storage.location.template") or f"{self.location.rstrip('/')}/{folders}"
        patterns = {name: self._pattern(name, where) for name in self.names}
        pieces = re.split(r"(\$\{\w+\})", template.rstrip("/"))
        pattern = re.compile(
            "".join(
                f"(?P<{piece[2:-1]}>{patterns[piece[2:-1]]})" if piece.startswith("${") else re.escape(piece) for piece in pieces
            )
            + "/"
        )
        split(template)
        found = {}
        for each in storage.objects(pieces[0]):
            place = pattern.match(each[0])
            if place and is_data(each[0]):
                found.setdefault(tuple(place[name] for name in self.names), []).append(each)
        return {values: objects for values, objects in found.items() if self._in_range(values)}

    def _pattern(self, name, where):
        kind = self.properties.get(f"projection.{name}.type")
        match kind:
            case "date":
                return re.sub(r"[a-zA-Z]", r"\\d", self.properties[f"projection.{name}.format"])
            case "integer":
                return r"\d+"
            case "enum":
                return r"[^/]+"
            case "injected":
                if where is None or not re.search(rf"\b{name}\b\"?\s*(=|IN)", where.sql(), re.I):
                    raise QueryFault(
                        f"CONSTRAINT_VIOLATION: For the injected projected partition column {name}, the WHERE clause "
                        "must contain only static equality conditions, and at least one such condition must be present."
                    )
                return r"[^/]+"
        raise QueryFault(f"INVALID_TABLE_PROPERTY: projection.{name}.type")

    def _in_range(self, values):
        for name, value in zip(self.names, values, strict=True):
            said = lambda what, name=name: self.properties.get(f"projection.{name}.{what}", "")
            match said("type"):
                case "date":
                    first, last = (bound(text, said("format")) for text in said("range").split(","))
                    inside = first <= value <= last
                case "integer":
                    first, last = said("range").split(",")
                    inside = int(first) <= int(value) <= int(last) and len(value) >= int(said("digits") or 1)
                case "enum":
                    inside = value in said("values").split(",")
                case _:
                    inside = True
            if not inside:
                return False
        return True

    def _kept(self, found, where):
        """Conditions on partition columns alone select the partitions to read."""
        terms = where.flatten() if isinstance(where, exp.And) else [where] if where is not None else []
        used = [(term, {column.name.lower() for column in term.find_all(exp.Column)}) for term in terms]
        used = [term for term, names in used if names and names <= set(self.names)]
        if not used or not found:
            return found
        with duckdb.connect() as connection:
            connection.execute("CREATE TABLE p(%s)" % ", ".join(f'"{name}" {TYPES[kind]}' for name, kind in self.partitions))
            connection.executemany("INSERT INTO p VALUES (%s)" % ", ".join("?" * len(self.names)), list(found))
            bare = lambda node: exp.column(node.name) if isinstance(node, exp.Column) else node
            condition = " AND ".join(term.transform(bare).sql("duckdb") for term in used)
            kept = {tuple(map(str, row)) for row in connection.execute(f"SELECT * FROM p WHERE {condition}").fetchall()}
        return {values: objects for values, objects in found.items() if values in kept}


def bound(text, form):
    """Formats `NOW`, `NOW-3DAYS` or a date in the partition's format."""
    found = NOW.fullmatch(text.strip())
    if not found:
        return text.strip()
    sign, number, unit = found.groups()
    away = UNITS[unit] * int(number) if unit else timedelta()
    now = datetime.now(UTC)
    return (now - away if sign == "-" else now + away).strftime(strftime_of(form))


def is_data(uri):
    """Hive ignores files and folders whose names start with `_` or `.`."""
    return not uri.endswith("/") and not any(part.startswith(("_", ".")) for part in split(uri)[1].split("/"))
