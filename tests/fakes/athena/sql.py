"""One SELECT in Athena's dialect -> the same in DuckDB's, with Trino's stricter rules held on the way.

Whatever is not known to come out right is refused: a function outside of FUNCTIONS, a pattern that is no literal.
"""

import re

import sqlglot
from sqlglot import exp
from sqlglot.errors import OptimizeError, ParseError
from sqlglot.optimizer.annotate_types import annotate_types
from sqlglot.optimizer.qualify import qualify

from athena import QueryFault
from athena.datetimes import strftime_of
from athena.tables import TYPES, name_of

# Each has an expected value in athena_check.py.
FUNCTIONS = set(
    """abs approx_distinct approx_percentile arbitrary array_agg array_join avg cardinality cast ceil coalesce concat contains
    count count_if date date_add date_diff date_format date_parse date_trunc day element_at floor from_iso8601_timestamp
    from_unixtime greatest hour if least length lower max max_by min min_by minute month nullif parse_datetime format_datetime
    regexp_extract regexp_like regexp_replace replace round row_number rpad second strpos substr substring sum
    to_unixtime trim try try_cast upper url_extract_host url_extract_path url_extract_query year stddev row lag lead bool_or
    bool_and""".split()
)
KEYWORDS = set(
    """in values as filter over and or not then when else between on by select from where with using exists having case end
    grouping sets rollup cube decimal varchar char timestamp any all interval array is""".split()
)
# Functions missing in DuckDB.
MACROS = [
    r"CREATE MACRO url_extract_path(u) AS regexp_extract(u, '^[a-zA-Z][a-zA-Z0-9+.-]*://[^/?#]*([^?#]*)', 1)",
    r"CREATE MACRO url_extract_host(u) AS nullif(regexp_extract(u, '^[a-zA-Z][a-zA-Z0-9+.-]*://(?:[^@/?#]*@)?([^:/?#]*)', 1), '')",
    r"CREATE MACRO url_extract_query(u) AS nullif(regexp_extract(u, '^[^?#]*\?([^#]*)', 1), '')",
]
# A Trino string or quoted name: a quote is escaped by doubling, and a backslash is literal.
STRING = r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\""
PATH_COLUMN = "$path"


def without_comments(query):
    return re.sub(rf"({STRING})|--[^\n]*", lambda found: found[1] or "", query)


class Translated:
    """DuckDB's SQL, and by flat table name: the table, and the condition of each reference to it."""

    def __init__(self, query, database, parameters, tables):
        self.references = {}
        check_functions(query)
        tree = parse(query, parameters)
        self.named = {table.alias_or_name.lower() for table in tree.find_all(exp.CTE)}
        self.schema = {}
        for table in list(tree.find_all(exp.Table)):
            self._flatten(table, database, tables, PATH_COLUMN in query)
        self._check_groups(tree)
        try:
            tree = qualify(tree, schema=self.schema, dialect="athena", quote_identifiers=True, expand_stars=True)
            tree = annotate_types(tree, schema=self.schema, dialect="athena")
        except OptimizeError as fault:
            raise QueryFault(f"COLUMN_NOT_FOUND: {fault}") from fault
        check_comparisons(tree)
        self.sql = rewritten(tree).sql("duckdb")

    def _flatten(self, table, database, tables, with_path):
        """Converts `db.table` to one name, under which the engine registers the rows."""
        key = name_of(f"{table.db}.{table.name}" if table.db else table.name, database)
        if not table.db and key[1] in self.named:
            return
        if key not in tables:
            raise QueryFault(f"TABLE_NOT_FOUND: line 1:1: Table 'awsdatacatalog.{key[0]}.{key[1]}' does not exist")
        flat = "__".join(key)
        held = tables[key]
        self.schema[flat] = {name: TYPES[kind].lower() for name, kind in held.columns + held.partitions}
        if with_path:
            self.schema[flat][PATH_COLUMN] = "varchar"
        select = table.find_ancestor(exp.Select)
        where = select.args.get("where") if select else None
        self.references.setdefault(flat, (held, []))[1].append(where.this.copy() if where else None)
        if not table.alias:
            table.set("alias", exp.TableAlias(this=exp.to_identifier(key[1])))
        table.set("this", exp.to_identifier(flat))
        table.set("db", None)
        table.set("catalog", None)

    def _check_groups(self, tree):
        """Trino resolves GROUP BY, WHERE and HAVING against input columns, never against names given in the SELECT."""
        for select in tree.find_all(exp.Select):
            given = {each.alias.lower() for each in select.expressions if isinstance(each, exp.Alias)}
            inputs = {column for table in select.find_all(exp.Table) for column in self.schema.get(table.name, {})}
            for clause in ("group", "where", "having"):
                for column in select.args[clause].find_all(exp.Column) if select.args.get(clause) else []:
                    name = column.name.lower()
                    if not column.table and name in given and name not in inputs and not self.named:
                        raise QueryFault(
                            f"COLUMN_NOT_FOUND: line 1:1: Column '{column.name}' cannot be resolved or requester is "
                            "not authorized to access requested resources"
                        )


def check_functions(query):
    tokens = sqlglot.tokenize(query, read="athena")
    for token, following in zip(tokens, tokens[1:], strict=False):
        name = token.text.lower()
        if following.text != "(" or token.token_type.name in ("STRING", "IDENTIFIER", "NUMBER") or not re.fullmatch(r"\w+", name):
            continue
        # Column names that are not functions: `AS x (k, v)`, `WITH x (k, v) AS (`.
        is_named = re.search(rf"\bAS\s+{name}\s*\(|(\bWITH|,)\s*{name}\s*\([^()]*\)\s*AS\s*\(", query, re.I)
        if name not in FUNCTIONS | KEYWORDS and not is_named:
            raise QueryFault(f"FUNCTION_NOT_FOUND: function '{name}' not registered (or not proven in this fake)")


def parse(query, parameters):
    """The tree of a SELECT with its execution parameters substituted; each is the text of an SQL literal."""
    try:
        tree = sqlglot.parse_one(query, read="athena")
    except ParseError as fault:
        raise QueryFault("SYNTAX_ERROR: " + str(fault).split("\n")[0]) from fault
    if not isinstance(tree, exp.Select | exp.Union | exp.Values):
        raise QueryFault(f"NOT_SUPPORTED: {type(tree).__name__} in this fake")
    expected = sum(1 for _ in tree.find_all(exp.Placeholder))
    if expected != len(parameters):
        raise QueryFault(
            f"INVALID_PARAMETER_USAGE: line 1:1: Incorrect number of parameters: expected {expected} but found {len(parameters)}"
        )
    if not parameters:
        return tree
    left = iter(parameters)
    pieces = re.split(rf"({STRING}|\?)", query)
    filled = [f"({sqlglot.parse_one(next(left), read='athena').sql('athena')})" if piece == "?" else piece for piece in pieces]
    return sqlglot.parse_one("".join(filled), read="athena")


def check_comparisons(tree):
    """Trino does not compare text with numbers; DuckDB would cast."""
    for node in tree.find_all(exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE):
        sides = [
            "text" if side.is_type(*exp.DataType.TEXT_TYPES) else "number" if side.is_type(*exp.DataType.NUMERIC_TYPES) else ""
            for side in (node.left, node.right)
        ]
        if sorted(filter(None, sides)) == ["number", "text"]:
            kinds = [side.type.sql().lower() for side in (node.left, node.right)]
            raise QueryFault(f"TYPE_MISMATCH: line 1:1: Cannot apply operator: {kinds[0]} {node.key} {kinds[1]}")
    if tree.find(exp.AtTimeZone):
        raise QueryFault("NOT_SUPPORTED: AT TIME ZONE in this fake (DuckDB drops the zone that Trino keeps)")


def rewritten(tree):
    """Expressions whose results differ between the two engines."""
    tree = tree.transform(with_own_patterns)
    for node in list(tree.find_all(exp.RegexpExtract)):
        # NULL without a match in Trino, an empty string in DuckDB.
        matches = exp.RegexpLike(this=node.this.copy(), expression=node.expression.copy())
        node.replace(exp.Case(ifs=[exp.If(this=matches, true=node.copy())]))
    for node in list(tree.find_all(exp.CountIf)):
        # 0 when nothing is true in Trino, NULL in DuckDB when every input is NULL.
        node.replace(exp.Count(this=exp.Case(ifs=[exp.If(this=node.this.copy(), true=exp.Literal.number(1))])))
    for node in list(tree.find_all(exp.Anonymous)):
        if node.name.lower() == "rpad":
            node.set("this", "rpad")
    return tree


def with_own_patterns(node):
    if isinstance(node, exp.RegexpReplace) and isinstance(node.args.get("replacement"), exp.Literal):
        node.set("replacement", exp.Literal.string(re.sub(r"\$(\d)", r"\\\1", node.args["replacement"].name)))
    is_format = isinstance(node, exp.Anonymous) and node.name.lower() == "format_datetime"
    if isinstance(node, exp.ParseDatetime) or is_format:
        pattern = node.expressions[1] if is_format else node.args.get("format")
        if not isinstance(pattern, exp.Literal):
            raise QueryFault("NOT_SUPPORTED: a datetime pattern that is no literal")
        pattern = exp.Literal.string(strftime_of(pattern.name))
        if is_format:
            return exp.Anonymous(this="strftime", expressions=[node.expressions[0], pattern])
        return exp.cast(exp.Anonymous(this="strptime", expressions=[node.this, pattern]), "timestamptz")
    return node
