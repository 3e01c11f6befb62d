"""Executes statements: tables are stored here, a SELECT runs in DuckDB over the rows of its tables."""

import math
import re
import uuid

import duckdb

from athena import QueryFault
from athena.lines import READ_OPTIONS, as_csv
from athena.sql import MACROS, PATH_COLUMN, Translated, without_comments
from athena.tables import CREATE, HIVE_STRING, TYPES, Table, name_of


class Result:
    def __init__(self, columns=(), rows=(), bytes_scanned=0, scans=(), is_select=False):
        self.columns, self.rows, self.bytes_scanned = list(columns), list(rows), bytes_scanned
        self.scans, self.is_select = list(scans), is_select


class Engine:
    def __init__(self, storage, cache):
        self.storage, self.cache = storage, cache
        self.tables, self.databases = {}, {"default"}

    def execute(self, query, database, parameters, scan_limit):
        """The result of a statement; the work group cancels it after `scan_limit` bytes."""
        statement = without_comments(query).strip().removesuffix(";").strip()
        words = " ".join(statement.split()[:3]).upper()
        if words.startswith(("CREATE", "DROP", "ALTER")):
            # Hive strings, in which no comment can start either.
            statement = re.sub(rf"({HIVE_STRING})|--[^\n]*", lambda found: found[1] or "", query).strip()
            return self._define(statement, words, database)
        unload = re.match(r"UNLOAD\s*\((.*)\)\s*TO\s*'([^']+)'\s*WITH\s*\((.*)\)$", statement, re.I | re.S)
        translated = Translated(unload[1] if unload else statement, database, parameters, self.tables)
        connection = duckdb.connect(config={"threads": 1})
        connection.execute("SET TimeZone='UTC'; SET integer_division=true;")
        for macro in MACROS:
            connection.execute(macro)
        scans = [(flat, held, where) for flat, (held, wheres) in translated.references.items() for where in wheres]
        read = [
            (flat, self._read(connection, flat, held, where, is_only=len(translated.references[flat][1]) == 1))
            for flat, held, where in scans
        ]
        bytes_scanned = sum(size for _, size in read)
        if scan_limit is not None and bytes_scanned > scan_limit:
            raise QueryFault("Query cancelled! : Bytes scanned limit was exceeded")
        try:
            connection.execute(f"CREATE TEMP TABLE __result AS {translated.sql}")
        except duckdb.Error as fault:
            raise QueryFault(f"GENERIC_INTERNAL_ERROR: {str(fault).splitlines()[0]} [duckdb: {translated.sql[:300]}]") from fault
        if unload:
            self._unload(connection, unload[2], unload[3])
            return Result([("rows", "bigint")], [], bytes_scanned, read)
        columns = [(row[0], type_name(row[1])) for row in connection.execute("DESCRIBE __result").fetchall()]
        shown = ", ".join(as_text(name, kind) for name, kind in columns)
        rows = connection.execute(f"SELECT {shown} FROM __result").fetchall()
        rows = [[java_double(value) if isinstance(value, float) else value for value in row] for row in rows]
        return Result(columns, rows, bytes_scanned, read, is_select=True)

    def _define(self, statement, words, database):
        if created := re.match(r"CREATE\s+(?:DATABASE|SCHEMA)\s+(?:IF\s+NOT\s+EXISTS\s+)?[`\"]?([\w-]+)", statement, re.I):
            self.databases.add(created[1].lower())
        elif words.startswith("CREATE EXTERNAL TABLE"):
            self._create(statement, database)
        elif dropped := re.match(r"DROP\s+TABLE\s+(IF\s+EXISTS\s+)?([\w.`\"-]+)", statement, re.I):
            key = name_of(dropped[2], database)
            if key not in self.tables and not dropped[1]:
                raise QueryFault(f"FAILED: SemanticException [Error 10001]: Table not found {dropped[2]}")
            self.tables.pop(key, None)
        elif added := re.match(
            r"ALTER\s+TABLE\s+([\w.`\"-]+)\s+ADD\s+(?:IF\s+NOT\s+EXISTS\s+)?PARTITION\s*\((.*?)\)\s*"
            r"LOCATION\s*'([^']+)'",
            statement,
            re.I | re.S,
        ):
            table = self.tables.get(name_of(added[1], database))
            if table is None:
                raise QueryFault(f"FAILED: SemanticException [Error 10001]: Table not found {added[1]}")
            values = dict(re.findall(r"`?(\w+)`?\s*=\s*'([^']*)'", added[2]))
            table.added.append((tuple(values[name] for name in table.names), added[3]))
        else:
            raise QueryFault(f"NOT_SUPPORTED: {words} in this fake")
        return Result()

    def _create(self, statement, database):
        found = CREATE.match(statement)
        if not found:
            raise QueryFault(
                "FAILED: ParseException: this fake takes CREATE EXTERNAL TABLE .. ROW FORMAT SERDE .. LOCATION .. only"
            )
        key = name_of(found["name"], database)
        if key[0] not in self.databases:
            raise QueryFault(f"FAILED: SemanticException [Error 10072]: Database does not exist: {key[0]}")
        if key in self.tables and not found["lenient"]:
            raise QueryFault(f"FAILED: Execution Error: AlreadyExistsException(message:Table {key[1]} already exists)")
        self.tables.setdefault(key, Table(found))

    def _read(self, connection, flat, table, where, is_only):
        """Lays a table's rows under its flat name; answers with the bytes that a scan of them reads.

        A query that names a table twice reads it twice. Its rows are laid once, unpruned, because the conditions differ.
        """
        partitions = table.visible(self.storage, where)
        bytes_scanned = sum(size for objects in partitions.values() for _, size, _ in objects)
        exists = connection.execute("SELECT count(*) FROM duckdb_tables() WHERE table_name = ?", [flat]).fetchone()[0]
        if not exists:
            self._lay(connection, flat, table, partitions if is_only else table.visible(self.storage, None))
        return bytes_scanned

    def _lay(self, connection, flat, table, partitions):
        names = table.names
        connection.execute(
            f'CREATE TEMP TABLE "{flat}__objects"(csv VARCHAR, path VARCHAR%s)'
            % "".join(f', "{name}" {TYPES[kind]}' for name, kind in table.partitions)
        )
        rows = [
            (str(as_csv(self.storage.local(handle), table.regex, self.cache)), uri, *values)
            for values, objects in partitions.items()
            for uri, _, handle in objects
        ]
        cells = [f"c{number}" for number in range(len(table.columns))]
        source = "(SELECT %s, NULL::VARCHAR AS csv WHERE false)" % ", ".join(f"NULL::VARCHAR AS {cell}" for cell in cells)
        if rows:
            marks = ", ".join("?" * (2 + len(names)))
            connection.executemany(f'INSERT INTO "{flat}__objects" VALUES ({marks})', rows)
            files = ", ".join("'" + row[0].replace("'", "''") + "'" for row in rows)
            kinds = ", ".join(f"'{cell}': 'VARCHAR'" for cell in cells)
            source = f"read_csv([{files}], columns={{{kinds}}}, filename='csv', {READ_OPTIONS})"
        read = ", ".join(
            (f"g.{cell}" if TYPES[kind] == "VARCHAR" else f"TRY_CAST(g.{cell} AS {TYPES[kind]})") + f' AS "{name}"'
            for cell, (name, kind) in zip(cells, table.columns, strict=True)
        )
        more = "".join(f', o."{name}"' for name in names)
        connection.execute(
            f'CREATE TEMP TABLE "{flat}" AS SELECT {read}{more}, o.path AS "{PATH_COLUMN}" '
            f'FROM {source} g JOIN "{flat}__objects" o ON o.csv = g.csv'
        )

    def _unload(self, connection, target, options):
        form = dict(re.findall(r"(\w+)\s*=\s*'(\w+)'", options)).get("format", "")
        if form.upper() != "PARQUET":
            raise QueryFault("NOT_SUPPORTED: UNLOAD format")
        folder = target.rstrip("/") + "/"
        if any(True for _ in self.storage.objects(folder)):
            raise QueryFault(f"HIVE_PATH_ALREADY_EXISTS: Target directory for table '{target}' already exists")
        name = uuid.uuid4().hex
        file = self.cache / name
        connection.execute(f"COPY __result TO '{file}' (FORMAT parquet)")
        self.storage.put(folder + name, file.read_bytes())


def type_name(text):
    """Athena's name of a DuckDB type."""
    known = {
        "HUGEINT": "bigint",
        "UBIGINT": "bigint",
        "BIGINT": "bigint",
        "INTEGER": "integer",
        "VARCHAR": "varchar",
        "TIMESTAMP WITH TIME ZONE": "timestamp with time zone",
        "FLOAT": "float",
    }
    bare = str(text).split("(")[0]
    return "array" if str(text).endswith("[]") else known.get(bare, bare.lower())


def as_text(name, kind):
    """Formats a value of a type as Athena does."""
    if kind == "timestamp with time zone":
        return f"strftime(\"{name}\", '%Y-%m-%d %H:%M:%S.%g UTC')"
    if kind.startswith("timestamp"):
        return f"strftime(\"{name}\", '%Y-%m-%d %H:%M:%S.%g')"
    return f'"{name}"' if kind in ("double", "float") else f'CAST("{name}" AS VARCHAR)'


def java_double(value):
    """Formats a double as Java does: plain between 1e-3 and 1e7, otherwise with an exponent."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    if value == 0 or 1e-3 <= abs(value) < 1e7:
        return repr(value) if "e" not in repr(value) else f"{value:.10f}".rstrip("0")
    if "e" in repr(value):
        digits, exponent = repr(value).split("e")
    else:
        exponent = int(f"{value:.17e}".split("e")[1])
        digits = repr(value / 10**exponent)
    return f"{digits if '.' in digits else digits + '.0'}E{int(exponent)}"
