#!/usr/bin/env python3
"""Compares the Athena fake with examples in Trino's documentation and with Athena's API reference.

PYTHONPATH=target/test-packages python3 tests/fakes/athena_check.py
"""

import gzip
import tempfile
import time
from pathlib import Path

from botocore.exceptions import ClientError

from running import Checks, running_fake, running_moto

OUTPUT = "s3://results/a"
INSTANT = "timestamp '2024-05-06 07:08:09'"
SCALARS = {
    "abs(-3)": "3",
    "ceil(1.2)": "2",
    "floor(-1.2)": "-2",
    "greatest(1,3,2)": "3",
    "least(1,3,2)": "1",
    "greatest(1,NULL)": None,
    "length('héy')": "3",
    "lower('AB')": "ab",
    "upper('ab')": "AB",
    "replace('aXb','X','-')": "a-b",
    "trim('  a ')": "a",
    "nullif(1,1)": None,
    "coalesce(NULL,2)": "2",
    "concat('a','b','c')": "abc",
    "'a'||NULL": None,
    "rpad('18',6,'0')": "180000",
    "rpad('1234567',6,'0')": "123456",
    "strpos('abc','z')": "0",
    "substr('abc',2)": "bc",
    "substr('abc',9,6)": "",
    "'a''b'": "a'b",
    r"'\'": "\\",
    r"'\d%_'": r"\d%_",
    "'--'": "--",
    "'a;--b'": "a;--b",
    # Dates
    "year(date '2024-05-06')": "2024",
    "month(date '2024-05-06')": "5",
    "day(date '2024-05-06')": "6",
    f"hour({INSTANT})": "7",
    f"minute({INSTANT})": "8",
    f"second({INSTANT})": "9",
    "date('2024-05-06')": "2024-05-06",
    f"date_trunc('hour', {INSTANT})": "2024-05-06 07:00:00.000",
    "date_trunc('week', timestamp '2024-05-08 07:08:09')": "2024-05-06 00:00:00.000",
    f"format_datetime({INSTANT},'yyyy/MM/dd HH:mm:ss')": "2024/05/06 07:08:09",
    f"date_format({INSTANT},'%Y-%m-%d %H:%i:%s')": "2024-05-06 07:08:09",
    "from_unixtime(1714979289)": "2024-05-06 07:08:09.000 UTC",
    "to_unixtime(timestamp '2024-05-06 07:08:09 UTC')": "1.714979289E9",
    "from_iso8601_timestamp('2024-05-06T07:08:09.123456Z')": "2024-05-06 07:08:09.123 UTC",
    "try(from_iso8601_timestamp('2024-02-30T07:08:09Z'))": None,
    "parse_datetime('2024-05-06T07:08:09.123456Z','yyyy-MM-dd''T''HH:mm:ss.SSSSSS''Z''')": "2024-05-06 07:08:09.123 UTC",
    f"date_add('minute',5,{INSTANT})": "2024-05-06 07:13:09.000",
    "date_format(date_add('second', CAST(51 AS bigint) + 0, from_iso8601_timestamp('2024-05-06T07:08:09Z')), '%Y-%m-%dT%H:%i')": "2024-05-06T07:09",
    f"date_diff('second',{INSTANT},timestamp '2024-05-06 07:09:09')": "60",
    f"date_diff('second',timestamp '2024-05-06 07:09:09',{INSTANT})": "-60",
    # URLs and patterns
    "url_extract_host('https://u@h.example:443/a/b?x=1#f')": "h.example",
    "url_extract_path('https://h.example:443/a/b?x=1#f')": "/a/b",
    "url_extract_query('https://h.example:443/a/b?x=1#f')": "x=1",
    r"regexp_replace('a1b22','(\d+)','<$1>')": "a<1>b<22>",
    r"regexp_extract('ab12','\d+')": "12",
    r"regexp_extract('ab','\d+')": None,
    "regexp_extract('a-b','-(.)',1)": "b",
    "regexp_like('ab12','^ab')": "true",
    "regexp_like('xab','^ab')": "false",
    r"regexp_like('a.b\c', '^a\.b\\c$')": "true",
    # Arrays
    "element_at(ARRAY[1,2],-1)": "2",
    "cardinality(ARRAY[1,2])": "2",
    "contains(ARRAY[1,2],2)": "true",
    "contains(CAST(NULL AS ARRAY(VARCHAR)),'a')": None,
    "array_join(ARRAY['a','b'],' ')": "a b",
    # Numbers
    "7/2": "3",
    "-7/2": "-3",
    "7e0/2": "3.5",
    "1e10": "1.0E10",
    "0.0001e0": "1.0E-4",
    "123456789e0": "1.23456789E8",
    "CAST(0.1 AS double)+0.2e0": "0.30000000000000004",
    "round(2.567,1)": "2.6",
    "round(2.5e0)": "3.0",
    "CAST('5' AS bigint)": "5",
    "CAST(CAST('0.300001' AS decimal(18,6)) * 1000000 AS bigint)": "300001",
    "try_cast('x' AS bigint)": None,
    "TRY(CAST('x' AS bigint))": None,
    "true": "true",
    "CAST(1.50 AS decimal(5,2))": "1.50",
    "CAST(3 AS varchar)": "3",
    "if(1=1,'a','b')": "a",
    "5 % 3": "2",
}
AGGREGATES = {
    "min_by(v,k)": "a",
    "max_by(v,k)": "c",
    "stddev(k)": "1.0",
    "bool_and(k>0)": "true",
    "bool_or(k>2)": "true",
    "count_if(k>1)": "2",
    "count_if(CAST(NULL AS boolean))": "0",
    "sum(k)": "6",
    "avg(k)": "2.0",
    "approx_distinct(v)": "3",
    "array_agg(k)": "[1, 2, 3]",
    "count(DISTINCT v)": "3",
    "sum(k) FILTER (WHERE k>1)": "5",
    "max(row_n)": "3",
    "array_join(array_agg(v ORDER BY k DESC), ' ')": "c b a",
}
REFUSED = {
    # NULL beyond the last part in Trino, an empty string in DuckDB.
    "SELECT split_part('a', '?', 2)": "FUNCTION_NOT_FOUND",
    "SELECT 1, sha256(x) FROM (VALUES 1) AS t(x)": "FUNCTION_NOT_FOUND",
    "SELECT k AS a FROM (VALUES 1) AS t(k) GROUP BY a": "COLUMN_NOT_FOUND",
    "SELECT 1 FROM nowhere": "TABLE_NOT_FOUND",
    "SELECT 'a' = 1": "TYPE_MISMATCH",
    "SELECT (1": "SYNTAX_ERROR",
    "INSERT INTO t VALUES (1)": "NOT_SUPPORTED",
}
TABLE = r"""CREATE EXTERNAL TABLE lines (a string, b int, rest string) PARTITIONED BY (day string)
ROW FORMAT SERDE 'org.apache.hadoop.hive.serde2.RegexSerDe' -- a comment with ' in it
WITH SERDEPROPERTIES ('input.regex' = '([a-z]+)(?: ([0-9]+)(.*))?')
LOCATION 's3://logs/x/'
TBLPROPERTIES ('projection.enabled' = 'true', 'projection.day.type' = 'date', 'projection.day.range' = '2026/10/30,NOW',
'projection.day.format' = 'yyyy/MM/dd', 'storage.location.template' = 's3://logs/x/${day}')"""


class AthenaSession:
    def __init__(self, fake, **more):
        self.client, self.more = fake.client("athena"), {"ResultConfiguration": {"OutputLocation": OUTPUT}} | more

    def __call__(self, query, **more):
        """The rows after the header, or the failure reason."""
        started_as = self.client.start_query_execution(QueryString=query, **self.more, **more)["QueryExecutionId"]
        while True:
            run = self.client.get_query_execution(QueryExecutionId=started_as)["QueryExecution"]
            if run["Status"]["State"] not in ("QUEUED", "RUNNING"):
                break
            time.sleep(0.01)
        self.run = run
        if run["Status"]["State"] != "SUCCEEDED":
            return run["Status"]["StateChangeReason"]
        rows = []
        for page in self.client.get_paginator("get_query_results").paginate(QueryExecutionId=started_as):
            rows += [[cell.get("VarCharValue") for cell in row["Data"]] for row in page["ResultSet"]["Rows"]]
        return rows[1:]


def functions(checks, ask):
    for text, wanted in SCALARS.items():
        checks.equal(text, ask(f"SELECT {text} AS v"), [[wanted]])
    rows = "SELECT k, v, row_number() OVER (ORDER BY k) AS row_n FROM (VALUES (1,'a'),(2,'b'),(3,'c')) AS x(k,v)"
    for text, wanted in AGGREGATES.items():
        checks.equal(text, ask(f"WITH t AS ({rows}) SELECT {text} AS r FROM t"), [[wanted]])
    for query, wanted in REFUSED.items():
        checks.equal(query, str(ask(query))[: len(wanted)], wanted)
    checks.equal(
        "parameters",
        ask("SELECT k FROM (VALUES ('a'), ('?')) AS x(k) WHERE k = ? OR k = '?'", ExecutionParameters=["'a'"]),
        [["a"], ["?"]],
    )


def tables(checks, ask, root):
    for day, text in {"2026/10/30": "one 1 x\ntwo\n3\n", "2026/10/31": "four 4\n", "2026/10/29": "five 5\n"}.items():
        file = root / "logs/x" / day / "a_1.log.gz"
        file.parent.mkdir(parents=True)
        file.write_bytes(gzip.compress(text.encode()))
    (root / "logs/x/2026/10/30/_SUCCESS").write_text("no data")
    checks.equal("create", ask(TABLE), [])
    checks.equal("create again", "AlreadyExists" in ask(TABLE), True)
    checks.equal("create if not there", ask(TABLE.replace("TABLE", "TABLE IF NOT EXISTS")), [])
    checks.equal(
        "rows, and one of NULLs",
        ask("SELECT a, b, rest FROM lines WHERE day = '2026/10/30' ORDER BY a"),
        [["one", "1", " x"], ["two", None, None], [None, None, None]],
    )
    size = (root / "logs/x/2026/10/30/a_1.log.gz").stat().st_size
    checks.equal("only one day was read", ask.run["Statistics"]["DataScannedInBytes"], size)
    checks.equal("no day before the range", ask("SELECT count(*) FROM lines"), [["4"]])
    checks.equal(
        "the object's address",
        ask("""SELECT "$path" FROM lines WHERE day = '2026/10/31'"""),
        [["s3://logs/x/2026/10/31/a_1.log.gz"]],
    )
    twice = """SELECT count(*) FROM lines WHERE day = '2026/10/30'
               UNION ALL SELECT count(*) FROM lines WHERE day = '2026/10/30' AND a IS NULL"""
    checks.equal("two references", sorted(ask(twice)), [["1"], ["3"]])
    checks.equal("are two scans", ask.run["Statistics"]["DataScannedInBytes"], 2 * size)
    checks.equal("drop", ask("DROP TABLE lines"), [])
    checks.equal("groups must be columns", str(ask(TABLE.replace("(.*)", "(.)(.*)")))[:17], "HIVE_CURSOR_ERROR")


def code(call):
    try:
        call()
    except ClientError as error:
        return error.response["Error"]["Code"]
    return None


def faults(checks, fake, ask):
    one = "SELECT 1 AS one"
    fake.control(faults=[{"action": "StartQueryExecution", "code": "TooManyRequestsException", "times": 1}])
    checks.equal("throttled", [code(lambda: ask(one)) for _ in range(2)], ["TooManyRequestsException", None])
    fake.control(
        queries=[
            {"contains": "one", "reason": "INTERNAL_ERROR_QUERY_ENGINE", "category": 1, "retryable": True, "times": 1},
            {"state": "CANCELLED", "reason": "Query cancelled by administrator"},
        ]
    )
    checks.equal("failed", ask(one), "INTERNAL_ERROR_QUERY_ENGINE")
    checks.equal("retryable", ask.run["Status"]["AthenaError"]["Retryable"], True)
    checks.equal("cancelled", (ask(one), ask.run["Status"]["State"]), ("Query cancelled by administrator", "CANCELLED"))
    checks.equal("and then not", ask(one), [["1"]])
    many = "SELECT x.k FROM (VALUES %s) AS x(k)" % ", ".join(f"({number})" for number in range(2500))
    checks.equal("three pages", len(ask(many)), 2500)
    fake.control(faults=[{"action": "GetQueryResults", "code": "InternalServerException", "status": 500, "after": 1}])
    checks.equal("the second page fails", [code(lambda: ask(many)) for _ in range(2)], ["InternalServerException", None])
    fake.control(delay_s=1.0)
    began = ask.client.start_query_execution(QueryString=one, ResultConfiguration={"OutputLocation": OUTPUT})["QueryExecutionId"]
    checks.equal("not yet", code(lambda: ask.client.get_query_results(QueryExecutionId=began)), "InvalidRequestException")
    ask.client.stop_query_execution(QueryExecutionId=began)
    time.sleep(1.2)
    state = ask.client.get_query_execution(QueryExecutionId=began)["QueryExecution"]["Status"]["State"]
    checks.equal("stopped", state, "CANCELLED")
    fake.control(delay_s=0)
    token = {"ClientRequestToken": "a" * 32}
    ids = {ask.client.start_query_execution(QueryString=one, **ask.more, **token)["QueryExecutionId"] for _ in range(2)}
    checks.equal("a token is one query", len(ids), 1)
    checks.equal("of one text", code(lambda: ask("SELECT 2", **token)), "InvalidRequestException")
    checks.equal("no output", code(lambda: ask.client.start_query_execution(QueryString=one)), "InvalidRequestException")


def over_s3(checks):
    with running_moto() as moto, running_fake("athena_server.py", "--s3", moto.url, "--output", OUTPUT) as fake:
        s3 = moto.client("s3", region="us-east-1")
        for bucket in ("logs", "results"):
            s3.create_bucket(Bucket=bucket)
        s3.put_object(Bucket="logs", Key="x/2026/10/31/a.log", Body=b"one 1\ntwo 2\n")
        ask = AthenaSession(fake, ResultConfiguration={})
        ask(TABLE)
        checks.equal("objects of a bucket", ask("SELECT sum(b) AS b FROM lines WHERE day = '2026/10/31'"), [["3"]])
        result = s3.get_object(Bucket="results", Key=f"a/{ask.run['QueryExecutionId']}.csv")["Body"].read()
        checks.equal("and the result there", result, b'"b"\n"3"\n')
        ask("UNLOAD (SELECT a, b FROM lines) TO 's3://results/unloaded/' WITH (format = 'PARQUET')")
        checks.equal("unloaded", s3.list_objects_v2(Bucket="results", Prefix="unloaded/")["KeyCount"], 1)


def main():
    checks = Checks()
    with tempfile.TemporaryDirectory() as folder, running_fake("athena_server.py", "--root", folder, "--cache", f"{folder}/cache") as fake:
        ask = AthenaSession(fake)
        functions(checks, ask)
        tables(checks, ask, Path(folder))
        fake.post("/_reset", {})
        ask(TABLE)
        fake.control(scan_limit=10)
        checks.equal(
            "the work group's limit",
            (ask("SELECT count(*) FROM lines"), ask.run["Status"]["State"]),
            ("Query cancelled! : Bytes scanned limit was exceeded", "CANCELLED"),
        )
        fake.post("/_reset", {})
        faults(checks, fake, ask)
    with tempfile.TemporaryDirectory() as folder, running_fake("athena_server.py", "--root", folder, "--managed") as fake:
        checks.equal("managed results", AthenaSession(fake, ResultConfiguration={})("SELECT 1 AS one"), [["1"]])
        checks.equal("take no output", code(lambda: AthenaSession(fake)("SELECT 1")), "InvalidRequestException")
    over_s3(checks)
    checks.end("Athena fake")


if __name__ == "__main__":
    main()
