#!/usr/bin/env python3
"""Compares every count with DuckDB on random log sets with random definitions.

    differential.py --slowburn BINARY --work DIR [--sets 1000] [--seed 1]

Each set is the access log of one load balancer in a few five-minute objects, with definitions that cover all options of an
access-log indicator. slowburn reads the objects, `export` prints its minutes and `status` its timeslices and
budgets; DuckDB counts the same objects by the SQL below, which shares only the semantics of the
definitions with slowburn. Any difference ends it with code 1 and keeps the folder of the set.

Needs duckdb (tests/requirements.txt).
"""

import argparse
import gzip
import json
import random
import re
import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path

import duckdb

ACCOUNT, REGION, NAME, ID = "123456789012", "eu-west-1", "mart", "50dc6c495c0c9188"
BALANCER = f"app/{NAME}/{ID}"
START = datetime(2026, 10, 31, 23, 0, tzinfo=UTC)
GROUPS = ["orders", "carts", "orders-green"]
HOSTS = ["shop.example.com", "API.example.com", "api.example.com", "203.0.113.9"]
PATHS = ["/", "/v1/orders", "/v1/orders/7", "/v1/orders/7/items", "/v1/carts/a-b", "/img/a.png", "/V1/orders", "/health"]
METHODS = ["GET", "POST", "PUT", "-", "SSTP_DUPLEX_POST"]
AGENTS = ["curl/8.5.0", "Mozilla/5.0 (X11; Linux) Gecko", "-", r"odd \x22quoted\x22 \xC3\xA4", "ELB-HealthChecker/2.0"]
KINDS = ["http", "https", "h2", "grpcs", "ws", "wss"]
STATUSES = [200] * 12 + [101, 204, 301, 302, 400, 404, 460, 499, 500, 502, 503, 504, 561, "000", "-"]
ACTIONS = ["forward", "fixed-response", "redirect", "waf,fixed-response", "waf", "waf-failed", "waf,authenticate", "waf,forward", "-", ""]
RESPONSES = ["fixed-response", "redirect", "waf", "authenticate"]
COLUMNS = (
    "type time elb client target request_time target_time response_time status target_status received sent request agent "
    "cipher protocol target_group trace domain certificate rule created actions redirect reason targets target_codes "
    "classification classification_reason connection"
).split()


def stamp(moment):
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def seconds(chance):
    return chance.choice(["0.000", "0.001", "-1", "0.300", "0.3001", "1.000", "12.345", "0.299", "0.301913"]) if chance.random() < 0.4 else f"{chance.expovariate(5):.3f}"


def line(chance, moment, fields):
    """One log line, occasionally an invalid one."""
    if chance.random() < 0.01:
        return chance.choice(["", "garbage", f"https {stamp(moment)} {BALANCER} 198.51.100.7:1 - 0.1", "# comment"])
    status = chance.choice(STATUSES)
    answered = chance.random() < 0.85
    target = f"10.0.0.{chance.randrange(1, 9)}:80" if answered or chance.random() < 0.1 else "-"
    times = [seconds(chance), seconds(chance), seconds(chance)] if answered else chance.choice([["-1"] * 3, ["0.000", "-1", "-1"]])
    group = chance.choice(GROUPS) if target != "-" or chance.random() < 0.5 else None
    arn = f"arn:aws:elasticloadbalancing:{REGION}:{ACCOUNT}:targetgroup/{group}/6d0ecf831eec9f09" if group else "-"
    actions = "forward" if group else chance.choice(ACTIONS)
    path = chance.choice(PATHS) + chance.choice(["", "", "?q=a%20b", "?x=/v1/orders"])
    scheme, port = chance.choice([("https", 443), ("http", 80)])
    url = chance.choice([f"{scheme}://{chance.choice(HOSTS)}:{port}{path}"] * 20 + ["http://203.0.113.9:80-", "-"])
    version = chance.choice(["HTTP/1.1", "HTTP/2.0", "- "])
    created = moment - timedelta(microseconds=chance.choice([0, 5_000, 300_000, 301_000, 10_001_000, -200]))
    values = [
        chance.choice(KINDS), stamp(moment), BALANCER, chance.choice(["198.51.100.7:2817", "2001:db8::7:2817"]), target, *times,
        status, "-" if target == "-" else status, 34, 366, f'"{chance.choice(METHODS)} {url} {version}"', f'"{chance.choice(AGENTS)}"',
        "-", "-", arn, '"Root=1-58337262-36d228ad5d99923122bbe354"', '"shop.example.com"', '"-"', chance.choice(["0", "1", "-1"]),
        stamp(created), f'"{actions}"', '"-"', '"-"', f'"{target}"', '"-"', '"-"', '"-"', "TID_1234abcd",
    ]
    return " ".join(map(str, values[:fields]))


def write_logs(chance, folder):
    """Objects of five minutes from START on. Returns the span that they cover."""
    intervals, nodes = chance.randrange(2, 6), chance.randrange(1, 3)
    fields = chance.choice([29, 30, 30])
    rate = chance.choice([2, 20, 60])
    for interval in range(intervals):
        begin = START + timedelta(minutes=5 * interval)
        end = begin + timedelta(minutes=5)
        for node in range(nodes):
            moments = sorted(begin + timedelta(microseconds=chance.randrange(300_000_000)) for _ in range(chance.randrange(1, rate)))
            if chance.random() < 0.3:
                moments = [moment for moment in moments if moment.minute % 5 != 2]
            text = "".join(line(chance, moment, fields) + "\n" for moment in moments)
            name = f"{ACCOUNT}_elasticloadbalancing_{REGION}_app.{NAME}.{ID}_{end:%Y%m%dT%H%MZ}_10.0.0.{node}_{interval}ab{node}cd.log.gz"
            path = folder / f"AWSLogs/{ACCOUNT}/elasticloadbalancing/{REGION}/{end:%Y/%m/%d}/{name}"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(gzip.compress(text.encode(), 1))
    return START, START + timedelta(minutes=5 * intervals)


def some(chance, values):
    return chance.sample(values, chance.randrange(1, 3))


def definition(chance):
    """One SLO as the mapping in the YAML file."""
    slo = {"indicator": chance.choice(["availability", "latency", "latency_percentile"]), "tiers": "none"}
    slo["objective"] = chance.choice(["50%", "90%", "99%", "99.9%", "99.999%", "100%"])
    if chance.random() < 0.6:
        slo["gave_up_after"] = chance.choice(["5s", "10s", "10001ms", "10002ms", "120s"])
    if slo["indicator"] == "availability":
        if chance.random() < 0.4:
            slo["bad"] = chance.choice([["5xx"], ["4xx", 503], [460], [404, "404", "5xx"], ["1xx", "3xx"]])
    else:
        slo["under"] = chance.choice(["300ms", "1ms", "0.3s", "1s", "120s", "299999us"])
        if chance.random() < 0.5:
            slo["measure"] = chance.choice(["target", "total"])
        if chance.random() < 0.5:
            slo["errors"] = chance.choice(["bad", "counted", "excluded"])
        if chance.random() < 0.4:
            slo["timeouts"] = "bad"
    if slo["indicator"] == "latency_percentile":
        slo["percentile"] = chance.choice(["p50", "p90", "p99", "p99.9"])
    elif chance.random() < 0.5:
        slo |= {"budgeting": "timeslices", "slice_target": chance.choice(["50%", "90%", "99%"])}
    if "percentile" in slo or "budgeting" in slo:
        slo["slice"] = chance.choice(["1m", "2m", "5m"])
        slo["idle"] = chance.choice(["good", "excluded"])
    where = {}
    if chance.random() < 0.3:
        where["method"] = some(chance, ["GET", "POST", "PUT"])
    if chance.random() < 0.3:
        where["host"] = some(chance, ["api.example.com", "*.example.com", "Shop.example.com", "203.0.113.?"])
    if chance.random() < 0.4:
        where["path"] = some(chance, ["/v1/*", "/v1/orders/{id}", "/v1/{kind}", "*/items", "/img/?.png", "/health", "/"])
    if chance.random() < 0.3:
        where["not"] = chance.choice([
            {"path": ["/health", "/img/*"]}, {"method": "POST", "path": "/v1/*"}, {"host": "*.EXAMPLE.com"}, {"method": ["GET"]},
        ])
    if where:
        slo["where"] = where
    if chance.random() < 0.3:
        slo["include"] = some(chance, RESPONSES)
    return slo


def wildcard(pattern):
    """One of slowburn's patterns as a regular expression for DuckDB's full match."""
    text, rest = "", pattern
    while rest:
        if rest.startswith("{"):
            text, rest = text + "[^/]+", rest.split("}", 1)[1]
            continue
        text += {"*": ".*", "?": "."}.get(rest[0], "\\" + rest[0] if not rest[0].isalnum() else rest[0])
        rest = rest[1:]
    return text


def any_of(column, patterns, options=""):
    return "(" + " OR ".join(f"regexp_full_match({column}, '{wildcard(text)}', 's{options}')" for text in patterns) + ")"


def belongs(slo, groups):
    """The SQL condition of an SLO's requests."""
    terms = [f"grp IN ({', '.join(repr(name) for name in groups)})"] if groups else []
    for response in set(RESPONSES) - set(slo.get("include", [])):
        terms.append(f"by_rule IS DISTINCT FROM '{response}'")
    where = slo.get("where", {})
    terms += conditions(where)
    if "not" in where:
        terms.append(f"NOT ({' AND '.join(conditions(where['not']))})")
    return " AND ".join(terms) or "true"


def conditions(where):
    """The SQL conditions of a filter."""
    values = {key: value if isinstance(value, list) else [value] for key, value in where.items()}
    terms = []
    if "method" in where:
        terms.append(f"method IN ({', '.join(repr(name) for name in values['method'])})")
    if "host" in where:
        terms.append(any_of("host", values["host"], "i"))
    if "path" in where:
        terms.append(any_of("path", values["path"]))
    return terms


def micros(duration):
    """A duration such as `300ms` or `1h` in microseconds."""
    number, unit = re.fullmatch(r"([0-9.]+)(us|ms|s|h)", duration).groups()
    return int(Fraction(number) * {"us": 1, "ms": 1_000, "s": 1_000_000, "h": 3_600_000_000}[unit])


def bad_condition(slo):
    """The SQL value of a request: microseconds for a latency, `bad`; NULL if it is not an event."""
    gave_up = (
        "NOT websocket AND target_us IS NULL AND status IN ('460', '000', '-') "
        f"AND coalesce(elapsed_us >= {micros(slo.get('gave_up_after', '10s'))}, false)"
    )
    if slo["indicator"] == "availability":
        listed = [str(status).replace("x", "_") for status in slo.get("bad", ["5xx"])]
        return f"({' OR '.join(f'status LIKE {text!r}' for text in listed)} OR ({gave_up}))"
    under = micros(slo["under"])
    taken = "target_us"
    if slo.get("measure") == "total":
        taken = "target_us + coalesce(request_us, 0) + coalesce(response_us, 0)"
    errors = slo.get("errors", "counted")
    cases = ["WHEN websocket THEN NULL", f"WHEN {gave_up} THEN true"]
    if errors == "bad":
        cases.append("WHEN is_5xx THEN true")
    if slo.get("timeouts") == "bad":
        cases.append(f"WHEN target_us IS NULL AND status IN ('504', '460') THEN coalesce(elapsed_us > {under}, true)")
    if errors == "excluded":
        cases.append("WHEN is_5xx THEN NULL")
    return f"CASE {' '.join(cases)} WHEN target_us IS NULL THEN NULL ELSE {taken} > {under} END"


REQUESTS = """
CREATE OR REPLACE TEMP TABLE requests AS
SELECT *, CASE WHEN target <> '-' OR grp IS NOT NULL THEN NULL
               WHEN last_action IN ('fixed-response', 'redirect', 'waf', 'authenticate') THEN last_action
               WHEN last_action = 'waf-failed' THEN 'waf' END AS by_rule
FROM (
  SELECT date_trunc('minute', time::TIMESTAMP) AS minute, type IN ('ws', 'wss') OR status = '101' AS websocket, status, target,
         try_cast(status AS INTEGER) BETWEEN 500 AND 599 IS TRUE AS is_5xx,
         string_split(actions, ',')[-1] AS last_action,
         CASE WHEN request_time <> '-1' THEN (request_time::DECIMAL(18, 6) * 1000000)::BIGINT END AS request_us,
         CASE WHEN target_time <> '-1' THEN (target_time::DECIMAL(18, 6) * 1000000)::BIGINT END AS target_us,
         CASE WHEN response_time <> '-1' THEN (response_time::DECIMAL(18, 6) * 1000000)::BIGINT END AS response_us,
         greatest(0, date_diff('microsecond', try_cast(created AS TIMESTAMP), time::TIMESTAMP)) AS elapsed_us,
         string_split(request, ' ')[1] AS method,
         coalesce(regexp_extract(request, '^\\S+ [a-z]+://([^:/]*)', 1), '') AS host,
         CASE WHEN request LIKE '%://%' THEN coalesce(nullif(regexp_extract(request, '^\\S+ [a-z]+://[^/? ]*(/[^? ]*)', 1), ''), '/')
              ELSE '' END AS path,
         nullif(regexp_extract(target_group, ':targetgroup/([^/]+)', 1), '') AS grp
  FROM read_csv('{files}', delim = ' ', quote = '"', escape = '"', header = false, auto_detect = false,
                null_padding = true, ignore_errors = true, strict_mode = false, columns = {columns})
  WHERE request IS NOT NULL)
"""


def count(connection, slo, groups, minutes):
    """Events by minute, and timeslices if the SLO has any."""
    events = f"SELECT minute, {bad_condition(slo)} AS bad FROM requests WHERE {belongs(slo, groups)}"
    rows = connection.execute(
        f"SELECT minute, count(*), count(*) FILTER (bad) FROM ({events}) WHERE bad IS NOT NULL GROUP BY 1"
    ).fetchall()
    by_minute = {minute: (total, bad) for minute, total, bad in rows}
    return [by_minute.get(minute, (0, 0)) for minute in minutes]


def slices(slo, counts):
    """Total and bad timeslices; object sets begin with a timeslice of any length, and may end within one.

    The unfinished timeslice counts as bad if it stays bad with only good events at its present rate until its end.
    """
    length = int(slo["slice"][:-1])
    target = Fraction(slo.get("slice_target", slo.get("percentile", "p0")[1:] + "%")[:-1]) / 100
    rest = len(counts) % length
    events, failed = map(sum, zip(*counts[len(counts) - rest :], strict=True)) if rest else (0, 0)
    total = bad = int(rest > 0 and failed * rest > (1 - target) * events * length)
    for start in range(0, len(counts) - length + 1, length):
        events, failed = (sum(column) for column in zip(*counts[start : start + length], strict=True))
        if events:
            total, bad = total + 1, bad + (Fraction(failed, events) > 1 - target)
        elif slo["idle"] == "good":
            total += 1
    return total, bad


def percentile_minutes(connection, slo, groups, minutes):
    """For a percentile over one minute: the minutes whose nearest-rank percentile, computed by DuckDB, exceeds the threshold."""
    plain = {**slo, "errors": "counted"}
    plain.pop("timeouts", None)
    taken = bad_condition(plain).split(" ELSE ")[1].rsplit(" > ", 1)
    under = taken[1].removesuffix(" END")
    share = Fraction(slo["percentile"][1:]) / 100
    rows = connection.execute(
        f"SELECT minute, quantile_disc({taken[0]}, {float(share)}) > {under} FROM requests "
        f"WHERE NOT websocket AND target_us IS NOT NULL AND {belongs(slo, groups)} GROUP BY 1"
    ).fetchall()
    return sum(bad for _, bad in rows), len(rows)


def ledger_of(folder):
    """The logs lie in the folder itself, so that its ledger lies beside it."""
    return folder.with_name(folder.name + "-ledger")


def run(binary, folder, at, *arguments):
    place = ["--slos", str(folder / "slos"), "--ledger", str(ledger_of(folder)), "--at", at]
    return subprocess.run([binary, *arguments, *place], capture_output=True, text=True)


def one_set(binary, folder, seed, connection):
    """Differences of one random set, and the number of compared values."""
    chance = random.Random(seed)
    begin, end = write_logs(chance, folder)
    at = end.strftime("%Y-%m-%dT%H:%MZ")
    slos = {f"s{number}": definition(chance) for number in range(chance.randrange(2, 8))}
    groups = chance.choice([[], [], ["orders"], ["orders", "orders-green"], ["nobody"]])
    service = {"service": "checkout", "load_balancer": BALANCER, "windows": ["1d"], "slos": slos}
    if groups:
        service["target_group"] = groups
    (folder / "slos/mart").mkdir(parents=True)
    (folder / "slos/fleet.yaml").write_text(
        f"sources:\n  logs: {{ access_logs: {json.dumps(str(folder))}, delay: 0m, unparsed_limit: 100% }}\n"
        "classes:\n  bare: {}\ndefault_class: bare\nteams:\n  mart: {}\n"
    )
    (folder / "slos/mart/checkout.yaml").write_text(json.dumps(service, indent=2))
    done = run(binary, folder, at, "run", "--quiet", "--threads", "1")
    if done.returncode != 0:
        return [f"run ended with {done.returncode}: {done.stderr}"], 0
    exported: dict = {}
    for row in run(binary, folder, at, "export").stdout.splitlines()[1:]:
        name, minute, total, bad = row.split(",")
        exported.setdefault(name, {})[minute] = (int(total), int(bad))
    status = {row["slo"]: row for row in json.loads(run(binary, folder, at, "status", "--format", "json").stdout)["slos"]}
    fields = 29 if "TID_" not in gzip.open(next(folder.rglob("*.gz")), "rt").read() else 30
    columns = {name: "VARCHAR" for name in COLUMNS[:fields]}
    connection.execute(REQUESTS.replace("{files}", f"{folder}/**/*.log.gz").replace("{columns}", str(columns)))
    length = int((end - begin).total_seconds() // 60)
    minutes = [(begin + timedelta(minutes=step)).replace(tzinfo=None) for step in range(length)]
    faults, compared = [], 0
    for name, slo in slos.items():
        counts = count(connection, slo, groups, minutes)
        theirs = {minute.strftime("%Y-%m-%dT%H:%MZ"): pair for minute, pair in zip(minutes, counts, strict=True)}
        ours = exported.get(f"checkout/{name}", {})
        if ours != theirs:
            wrong = {key: (ours.get(key), theirs.get(key)) for key in ours.keys() | theirs.keys() if ours.get(key) != theirs.get(key)}
            faults.append(f"{name} {slo}: minutes {dict(sorted(wrong.items())[:5])}")
        compared += 2 * length
        expected = slices(slo, counts) if "slice" in slo else tuple(map(sum, zip(*counts, strict=True)))
        found = status[name]["total"], status[name]["bad"]
        if found != expected:
            faults.append(f"{name} {slo}: window {found} instead of {expected}")
        compared += 2
        plain = slo.get("errors", "counted") == "counted" and "timeouts" not in slo and slo.get("gave_up_after") == "120s"
        if slo.get("slice") == "1m" and "percentile" in slo and plain:
            bad, seen = percentile_minutes(connection, slo, groups, minutes)
            total = length if slo["idle"] == "good" else seen
            if (total, bad) != found:
                faults.append(f"{name} {slo}: by percentile {(total, bad)}, ours {found}")
            compared += 2
    return faults, compared


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--slowburn", required=True)
    parser.add_argument("--work", required=True, type=Path)
    parser.add_argument("--sets", type=int, default=1_000)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    arguments.work.mkdir(parents=True, exist_ok=True)
    connection = duckdb.connect(config={"threads": 1})
    compared = 0
    for seed in range(arguments.seed, arguments.seed + arguments.sets):
        folder = arguments.work / f"set-{seed}"
        shutil.rmtree(folder, ignore_errors=True)
        shutil.rmtree(ledger_of(folder), ignore_errors=True)
        folder.mkdir()
        faults, values = one_set(str(Path(arguments.slowburn).resolve()), folder.resolve(), seed, connection)
        compared += values
        if faults:
            print(*faults, sep="\n")
            sys.exit(f"set {seed} differs; it is kept in {folder}")
        shutil.rmtree(folder)
        shutil.rmtree(ledger_of(folder))
    print(f"{arguments.sets} random log sets, {compared} values compared with DuckDB {duckdb.__version__}, 0 differ")


if __name__ == "__main__":
    main()
