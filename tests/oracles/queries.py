#!/usr/bin/env python3
"""Runs the queries of `queries/` through the Athena fake and compares their counts with counts computed without SQL.

  PYTHONPATH=target/test-packages python3 tests/oracles/queries.py [--slowburn BINARY --sets 40] [--shared DIR]

* both template engines render the same bytes, and sqlfluff accepts them as Athena's dialect
* wildcards as regular expressions match like a matcher without regular expressions
* hand-written lines: classification by each measure, owner, and which lines are unparsed
* with --slowburn: random log sets with random definitions, mutated lines among them, against slowburn's counts
* with --shared: every real line is read, and PetShop's minutes equal golden/per_minute.csv
"""

import argparse
import csv
import gzip
import json
import random
import subprocess
import sys
import tempfile
import time
from datetime import timedelta
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "fakes"))
import differential
from athena_check import AthenaSession
from query_rendering import (
    QUERIES,
    Counted,
    counts_context,
    host,
    latency,
    render,
    render_by_minijinja,
    rule,
    table_context,
    wildcard,
)
from running import Checks, running_fake

ACCOUNT, REGION = "123456789012", "eu-west-1"
ALB, CLASSIC = "app/shop/0a1b", "shop"
DAY, HOUR = "2026/10/31", "2026-10-31T23"
GROUP = f"arn:aws:elasticloadbalancing:{REGION}:{ACCOUNT}:targetgroup/orders/0b"
HEAD = 'https {minute}:10.500000Z app/shop/0a1b 198.51.100.7:2817 {target} {times} {status} - 34 366 "{request}"'
TAIL = (
    ' "{agent}" TLS_AES_128_GCM_SHA256 TLSv1.3 {group} "Root=1-0" "shop.example.com" "-" 1 {created} "{actions}" "-" '
    '"-" "10.0.0.1:80" "200" "-" "-" TID_0d "-" "-" "-" 192.0.2.1 "-" "-"'
)


def minute(number):
    return f"{HOUR}:{number:02}"


def line(number, kind="https", form=HEAD + TAIL, **changes):
    said = {
        "minute": minute(number),
        "target": "10.0.0.1:80",
        "times": "0.001 0.020 0.000",
        "status": "200",
        "request": "GET https://shop.example.com:443/cart?id=1 HTTP/2.0",
        "agent": "curl/8",
        "group": GROUP,
        "created": f"{minute(number)}:10.479000Z",
        "actions": "forward",
    } | changes
    return form.format(**said).replace("https", kind, 1)


class Logs:
    """A bucket with one day's folder of one account and region, and its table."""

    def __init__(self, ask, root, bucket, template="alb_table.sql"):
        self.ask, self.table, self.template = ask, bucket.replace("-", "_"), template
        self.folder = root / bucket / f"AWSLogs/{ACCOUNT}/elasticloadbalancing/{REGION}/{DAY}"
        self.location, self.bytes = f"s3://{bucket}", 0

    def write(self, lines, name="app.shop.0a1b", end="20261031T2355Z", file=None, packed=True):
        text = "".join(each + "\n" for each in lines).encode()
        path = self.folder / (
            file or f"{ACCOUNT}_elasticloadbalancing_{REGION}_{name}_{end}_192.0.2.7_1a2b.log{'.gz' if packed else ''}"
        )
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(gzip.compress(text) if packed else text)
        self.bytes += path.stat().st_size

    def create(self, accounts=(ACCOUNT,), regions=(REGION,)):
        reason = self.ask(render(self.template, table_context(self.table, self.location, list(accounts), list(regions))))
        if reason:
            sys.exit(f"{self.template}: {reason}")

    def count(self, template, rules, balancers=(), begin=f"{HOUR}:00", until="2026-11-01T00:00", days=(DAY, DAY)):
        context = counts_context(self.table, *days, begin, until, rules, balancers)
        rows = self.ask(render(template, context))
        if isinstance(rows, str):
            sys.exit(f"{template}: {rows}")
        return Counted(rows, context)


def rendering(checks, options):
    rules = [
        rule(1, ALB),
        rule(
            2,
            ALB,
            target_groups=["it's", 'a"b'],
            filter={"methods": ["GET"], "hosts": [host("*.Example.com")], "paths": [wildcard("/a'b;--\\{id}")]},
            excluded={"paths": [wildcard("/o'clock")]},
            included_responses=["fixed-response"],
            **latency(300_000, "total", "bad", True, 10_000_000),
        ),
    ]
    counts = counts_context("logs", DAY, DAY, f"{HOUR}:00", f"{HOUR}:59", rules, ["o'clock"])
    tables = [
        table_context("logs", "s3://logs/a", accounts, regions)
        for accounts, regions in (([ACCOUNT], [REGION]), ([ACCOUNT, "222222222222"], [REGION, "eu-central-1"]))
    ]
    for name in ("alb_counts.sql", "classic_counts.sql"):
        checks.equal(f"{name} by both engines", render_by_minijinja(name, counts), render(name, counts))
    for name in ("alb_table.sql", "classic_table.sql"):
        for context in tables:
            checks.equal(f"{name} by both engines", render_by_minijinja(name, context), render(name, context))
    for name, context in (
        ("alb_table.sql", tables[0] | {"location": "s3://x' OR"}),
        ("alb_counts.sql", counts | {"table": 'a"b'}),
        ("alb_counts.sql", counts | {"from": "a\nb"}),
    ):
        for engine in (render, render_by_minijinja):
            checks.equal(f"{name} refuses", refuses(engine, name, context), True)
    for command in ("parse", "lint"):
        done = subprocess.run([sys.executable, "-m", "sqlfluff", command, QUERIES], capture_output=True, text=True)
        checks.equal(f"sqlfluff {command}", (done.returncode, "" if done.returncode == 0 else done.stdout[-1000:]), (0, ""))
    print_sizes()


def print_sizes():
    """Number of services that fit into the query limit of 262,144 bytes."""
    names = [(f"app/service-{number:04}/50dc6c495c0c9188", f"service-{number:04}") for number in range(1_000)]

    def size(*kinds, balancers=names, shared=False):
        rules = [
            rule(2 * number + place, names[0][0] if shared else name, target_groups=[group], **kind)
            for number, (name, group) in enumerate(names)
            for place, kind in enumerate(kinds)
        ]
        return len(
            render("alb_counts.sql", counts_context("logs", DAY, DAY, "x", "y", rules, [name for name, _ in balancers])).encode()
        )

    bare = size(balancers=[])
    each = [(size() - bare) / 1_000, (size({}) - size()) / 1_000, (size({}, latency(300_000)) - size({})) / 1_000]
    both = (size({}, latency(300_000)) - bare) / 1_000
    shared = (size({}, latency(300_000), balancers=[], shared=True) - bare) / 1_000
    room = 262_144 - bare
    print(
        f"bytes: {bare} of a query; {each[0]:.0f} of a balancer, {each[1]:.0f} of a traffic with availability, {each[2]:.0f} of a "
        f"latency more; {int(room / both)} services with both and a balancer each, {int(room / shared)} with one balancer"
    )


def refuses(engine, name, context):
    try:
        engine(name, context)
    except Exception as refusal:
        return "has " in str(refusal)
    return False


def fits(pattern, text):
    """Matches a wildcard pattern by trying all alternatives."""
    if not pattern:
        return not text
    end = pattern.find("}") if pattern[0] == "{" else -1
    if end > 1:
        longest = next((place for place, sign in enumerate(text) if sign == "/"), len(text))
        return any(fits(pattern[end + 1 :], text[length:]) for length in range(1, longest + 1))
    if pattern[0] == "*":
        return any(fits(pattern[1:], text[length:]) for length in range(len(text) + 1))
    return bool(text) and pattern[0] in ("?", text[0]) and fits(pattern[1:], text[1:])


def wildcards(checks, ask):
    chance = random.Random(7)
    hostile = [
        "/it's",
        '/"q"',
        "/a\\b",
        "/{id}",
        "/{}",
        "/{open",
        "/}",
        "/100%",
        "/;--",
        "/a--b",
        "/$1",
        "/^x$",
        "/(a|b)",
        "/[a-z]+",
        "/a.b",
        "/a/*/b",
        "/?",
        "//",
        "/'; DROP TABLE x; --",
        "/\\",
        "/\\'",
        "/a_b",
        "/%s",
        "/#",
        "/~!@&=,",
        "/{a}{b}",
        "/x{2}",
        "/\\d",
        "/*?{n}",
    ]
    pairs = [(pattern, text) for pattern in hostile for text in [*hostile, "/7", "/axb", "/aab", "/77", "/d", "/xx", "/a/c/d/b"]]
    signs = "/ab*?{}'\\.%;-+("
    for _ in range(2_000):
        pattern = "".join(chance.choice(signs) for _ in range(chance.randrange(6)))
        text = "".join(chance.choice(signs) for _ in range(chance.randrange(6)))
        if chance.random() < 0.5:
            text = pattern.replace("*", chance.choice(["", "b/"])).replace("?", "a")
        pairs.append((pattern, text))
    template = "SELECT v.n FROM (VALUES {rows}) AS v (n, pattern, path) WHERE regexp_like(v.path, v.pattern)"
    quoted = lambda text: "'" + text.replace("'", "''") + "'"
    for start in range(0, len(pairs), 500):
        part = pairs[start : start + 500]
        rows = ", ".join(
            f"({number}, {quoted('^(?:' + wildcard(pattern) + ')$')}, {quoted(text)})"
            for number, (pattern, text) in enumerate(part)
        )
        found = {int(row[0]) for row in ask(template.replace("{rows}", rows))}
        wrong = [pair for number, pair in enumerate(part) if fits(*pair) != (number in found)]
        checks.equal(f"{len(part)} patterns, {len(found)} fit", wrong, [])


REQUESTS = {
    "GET http://shop.example.com:80/ HTTP/1.1": ("GET", "shop.example.com", "/"),
    "POST https://Shop.Example.com:443/v1/orders/7?a=/b&c=? HTTP/2.0": ("POST", "shop.example.com", "/v1/orders/7"),
    "GET http://h:80/a b c HTTP/1.1": ("GET", "h", "/a b c"),
    "GET http://h:80/a ": ("GET", "h", "/a"),
    "GET http://h:80/a - ": ("GET", "h", "/a"),
    "GET http://h:80?q HTTP/1.1": ("GET", "h", "/"),
    "GET http://[2001:db8::1]:80/x HTTP/1.1": ("GET", "[2001:db8::1]", "/x"),
    "GET http://[2001:db8::1]/x HTTP/1.1": ("GET", "[2001:db8::1]", "/x"),
    "- http://host:80- -": ("-", "host", "/"),
    "- http://host:80-/ ": ("-", "host", "/"),
    "- - - ": ("-", "", ""),
    "- - -": ("-", "", ""),
    "": ("", "", ""),
    "CONNECT host:443 HTTP/1.1": ("CONNECT", "", ""),
    "GET http://:80/x HTTP/1.1": ("GET", ":80", "/x"),
    "GET": ("GET", "", ""),
    "GET http://xh:80/x/a HTTP/1.1": ("GET", "xh", "/x/a"),
    "GET http://hx:80/a/x HTTP/1.1": ("GET", "hx", "/a/x"),
}


def requests(checks, logs):
    """Each request in its own minute; a rule for each method, host and path."""
    logs.write([line(number, request=text) for number, text in enumerate(REQUESTS)])
    logs.create()
    hosts = sorted({host for _, host, _ in REQUESTS.values() if host})
    paths = sorted({path for _, _, path in REQUESTS.values() if path})
    methods = sorted({method for method, _, _ in REQUESTS.values()})
    rules = [rule(1 + place, ALB, filter={"hosts": [wildcard(name)]}) for place, name in enumerate(hosts)]
    rules += [rule(101 + place, ALB, filter={"paths": [wildcard(name)]}) for place, name in enumerate(paths)]
    rules += [rule(201 + place, ALB, filter={"methods": [name]}) for place, name in enumerate(methods)]
    found = logs.count("alb_counts.sql", rules)
    for number, (text, (method, name, path)) in enumerate(REQUESTS.items()):
        wanted = (
            {201 + methods.index(method)}
            | ({1 + hosts.index(name)} if name else set())
            | ({101 + paths.index(path)} if path else set())
        )
        checks.equal(f"`{text}`", found.at(minute(number)), wanted)


MEASURES = [
    {},
    latency(300_000),
    latency(300_000, "total"),
    latency(300_000, errors="bad"),
    latency(300_000, errors="excluded"),
    latency(300_000, timeouts=True),
    latency(300_000, errors="excluded", timeouts=True),
    {"gave_up_after_us": 10_000_000},
    latency(300_000, gave_up_after_us=10_000_000),
    {"bad": ["4..", "502"]},
]
NEAR, FAR, LATER = "2026-10-31T23:{:02}:10.400000Z", "2026-10-31T23:{:02}:00.499999Z", "2026-10-31T23:{:02}:11.000000Z"
# Type, times, status, arrival; then the classification by each of MEASURES: good, bad, or not an event.
CLASSIFIED = [
    ("http", "0.000 0.300 0.000", "200", NEAR, "ggggggg ggg"),
    ("http", "0.001 0.300 0.000", "200", NEAR, "ggbgggg ggg"),
    ("http", "0.000 0.300001 0.000", "200", NEAR, "gbbbbbb gbg"),
    ("http", "0.000 0.100 -1", "404", NEAR, "ggggggg ggb"),
    ("http", "0.000 0.100 0.000", "500", NEAR, "bggb-g- bgg"),
    ("http", "-1 -1 -1", "502", NEAR, "b--b--- b-b"),
    ("http", "-1 -1 -1", "503", NEAR, "b--b--- b-g"),
    ("http", "-1 -1 -1", "504", FAR, "b--b-bb b-g"),
    ("http", "-1 -1 -1", "460", FAR, "g----bb bbb"),
    ("http", "-1 -1 -1", "460", NEAR, "g----gg g-b"),
    ("http", "-1 -1 -1", "460", LATER, "g----gg g-b"),
    ("http", "-1 -1 -1", "460", "-", "g----bb g-b"),
    ("http", "-1 -1 -1", "460", "2026-02-30T23:{:02}:10.4Z", "g----bb g-b"),
    ("http", "-1 -1 -1", "460", "2026-10-31T23:{:02}:10.2Z", "g----gg g-b"),
    ("http", "-1 -1 -1", "460", "2026-10-31T23:{:02}:10.1999999Z", "g----bb g-b"),
    ("http", "-1 -1 -1", "460", NEAR + "x", "g----bb g-b"),
    ("http", "-1 -1 -1", "400", NEAR, "g------ g-b"),
    ("ws", "0.000 0.100 0.000", "101", NEAR, "g------ g-g"),
    ("wss", "0.000 0.100 0.000", "502", NEAR, "b------ b-b"),
    ("http", "0.000 0.100 0.000", "101", NEAR, "g------ g-g"),
    ("http", "0.000 0.100 0.000", "561", NEAR, "bggb-g- bgg"),
    ("h2", "0.000 0.100 0.000", "000", NEAR, "ggggggg ggg"),
    ("grpcs", "12.5 999999999999.999999 0.000", "200", NEAR, "gbbbbbb gbg"),
    ("http", "0.000000 0.000913 0.000001", "-", NEAR, "ggggggg ggg"),
    ("http", "0.000 0.100 0.000", "504", FAR, "bggb-g- bgg"),
    ("h2", "0.001 -1 -1", "000", FAR, "g------ bbg"),
    ("h2", "0.001 -1 -1", "-", FAR, "g------ bbg"),
    ("h2", "0.001 -1 -1", "000", NEAR, "g------ g-g"),
    ("wss", "-1 -1 -1", "000", FAR, "g------ g-g"),
]


def classifications(checks, logs):
    lines = [
        line(number, kind, times=times, status=status, created=created.format(number))
        for number, (kind, times, status, created, _) in enumerate(CLASSIFIED)
    ]
    logs.write(lines)
    logs.create()
    found = logs.count("alb_counts.sql", [rule(1 + place, ALB, **measure) for place, measure in enumerate(MEASURES)])
    for number, case in enumerate(CLASSIFIED):
        checks.equal(" ".join(case[:4]), letters(found, minute(number)), case[4].replace(" ", ""))
    checks.equal("lines of the balancer", found.lines[ALB], {minute(number): (1, 0) for number in range(len(CLASSIFIED))})
    checks.equal("one scan", (logs.ask.run["Statistics"]["DataScannedInBytes"]), logs.bytes)


def letters(found, moment):
    """The classification of a minute's only line by each of MEASURES."""
    said = {None: "-", (1, 0): "g", (1, 1): "b"}
    return "".join(said[found.events.get(1 + place, {}).get(moment)] for place in range(len(MEASURES)))


NO_GROUP = {"target": "-", "group": "-"}
# The line, and the rules of `belonging` that count it.
BELONGING = [
    ({}, {1, 2, 3, 4, 5}),
    ({"group": "-"}, {1, 3, 4, 5}),
    (NO_GROUP, {1, 3, 4, 5}),
    ({"group": GROUP.replace("orders", "carts")}, {1, 3, 4, 5}),
    ({"group": GROUP.replace("arn:aws:", "arn:aws-cn:")}, {1, 2, 3, 4, 5}),
    ({"group": GROUP.removesuffix("/0b")}, {1, 2, 3, 4, 5}),
    ({"group": GROUP.replace("targetgroup", "loadbalancer")}, {1, 3, 4, 5}),
    ({"group": "x" + GROUP}, {1, 3, 4, 5}),
    ({"group": GROUP.replace("orders", "orders2")}, {1, 3, 4, 5}),
    (NO_GROUP | {"actions": "fixed-response"}, {3, 5}),
    (NO_GROUP | {"actions": "waf,fixed-response"}, {3, 5}),
    (NO_GROUP | {"actions": "redirect"}, {4, 5}),
    (NO_GROUP | {"actions": "authenticate,redirect"}, {4, 5}),
    (NO_GROUP | {"actions": "waf"}, {5}),
    (NO_GROUP | {"actions": "waf-failed"}, {5}),
    (NO_GROUP | {"actions": "waf,authenticate"}, {5}),
    (NO_GROUP | {"actions": "waf,forward"}, {1, 3, 4, 5}),
    (NO_GROUP | {"actions": ""}, {1, 3, 4, 5}),
    (NO_GROUP | {"actions": "no-fixed-response"}, {1, 3, 4, 5}),
    ({"target": "-", "actions": "fixed-response"}, {1, 2, 3, 4, 5}),
    ({"group": "-", "actions": "redirect"}, {1, 3, 4, 5}),
    ({"agent": r"a\x22 b\x5C"}, {1, 2, 3, 4, 5}),
    ({"agent": 'a"b "c" x'}, {1, 3, 4, 5}),
    ({"agent": 'a"b; c"d'}, {1, 2, 3, 4, 5}),
    ({"agent": r"a\" b"}, {1, 2, 3, 4, 5}),
    ({"agent": "\\" * 4}, {1, 2, 3, 4, 5}),
    ({"agent": "x" * 8_000 + r"\x22" * 500}, {1, 2, 3, 4, 5}),
]


def belonging(checks, logs):
    logs.write([line(number, **changes) for number, (changes, _) in enumerate(BELONGING)])
    logs.write([line(50).replace(ALB, "app/other/0c")], name="app.other.0c")
    logs.create()
    everything = {"included_responses": differential.RESPONSES}
    found = logs.count(
        "alb_counts.sql",
        [
            rule(1, ALB),
            rule(2, ALB, target_groups=["orders", "none"]),
            rule(3, ALB, included_responses=["fixed-response"]),
            rule(4, ALB, included_responses=["redirect"]),
            rule(5, ALB, **everything),
        ],
    )
    for number, (changes, wanted) in enumerate(BELONGING):
        checks.equal(str(changes)[:100], found.at(minute(number)), wanted)
    checks.equal("another balancer's line is nobody's", (found.at(minute(50)), minute(50) in found.lines[ALB]), (set(), False))


def unparsed(checks, logs):
    """Lines of 13 to 36 fields are read; unread lines are reported with their load balancer."""
    whole = line(1)
    ends = [
        len(
            HEAD.format(
                minute=minute(1),
                target="10.0.0.1:80",
                times="0.001 0.020 0.000",
                status="200",
                request="GET https://shop.example.com:443/cart?id=1 HTTP/2.0",
            )
        )
    ]
    ends += [place for place in range(ends[0] + 1, len(whole)) if whole[place] == " "] + [len(whole)]
    wrong = [
        whole.replace("0.020", "fast"),
        whole.replace(" 200 - ", " 20x - "),
        whole.replace("10.500000Z", "10.5"),
        whole.replace("2026-10-31T23:01:10", "2026-10-31T25:01:10"),
        whole[: ends[0] - 1],
        whole.replace('"GET', "GET"),
        "garbage",
        whole.replace("0.001 ", "0.0000001 "),
        whole.replace("https ", "https  ", 1),
    ]
    logs.write([whole[:end] for end in ends] + wrong + [""])
    logs.write([line(2), line(3), "garbage too"], name="app.other.0c")
    logs.write(["nobody's"], file="copied-by-hand.log.gz")
    logs.write([whole, "late"], end="20261101T0000Z")
    logs.write(["later"], end="20261101T0005Z")
    for name, file in (
        ("net.shop.0d", None),
        ("shop", None),
        ("", f"conn_log.{ACCOUNT}_elasticloadbalancing_{REGION}_app.shop.0a1b_20261031T2355Z_192.0.2.7_1a.log.gz"),
        ("", f"health_check_log_{ACCOUNT}_elasticloadbalancing_{REGION}_app.shop.0a1b_20261031T2355Z_192.0.2.7_1a.log.gz"),
    ):
        logs.write(["no line of these is missed"], name=name, file=file)
    logs.create()
    found = logs.count("alb_counts.sql", [rule(1, ALB)])
    checks.equal("all lengths are read", found.events[1], {minute(1): (len(ends) + 1, 0), minute(2): (1, 0), minute(3): (1, 0)})
    checks.equal(
        "unparsed lines stand where their object ends",
        found.lines[ALB],
        {
            minute(1): (len(ends) + 1, 0),
            minute(2): (1, 0),
            minute(3): (1, 0),
            minute(55): (len(wrong), len(wrong)),
            "2026-11-01T00:00": (1, 1),
        },
    )
    checks.equal("and those of no known object", found.lines[""], {minute(0): (1, 1)})
    checks.equal("with an example", (found.examples[""], found.examples[ALB] in [*wrong, "late"]), ("nobody's", True))
    checks.equal("nothing else", (set(found.events), set(found.lines)), ({1}, {ALB, ""}))
    later = logs.count("alb_counts.sql", [rule(1, ALB)], begin=minute(2), until=minute(3))
    checks.equal("half-open", (later.events, later.lines[ALB]), ({1: {minute(2): (1, 0)}}, {minute(2): (1, 0)}))
    silent = logs.count("alb_counts.sql", [], ["app/silent/0e", ALB], begin=minute(0), until=minute(3))
    checks.equal(
        "without rules",
        (silent.events, silent.lines),
        ({}, {ALB: {minute(1): (len(ends) + 1, 0), minute(2): (1, 0)}, "": {minute(0): (1, 1)}}),
    )


def partitions(checks, ask, root):
    """Accounts and regions of the table, days of the query, and a file delivered on the next day."""
    for account, region, day, number in (
        ("1" * 12, "eu-west-1", "31", 1),
        ("2" * 12, "eu-central-1", "31", 2),
        ("3" * 12, "eu-west-1", "31", 3),
        ("1" * 12, "us-east-1", "31", 4),
        ("1" * 12, "eu-west-1", "30", 5),
    ):
        logs = Logs(ask, root, "partitions")
        logs.folder = root / f"partitions/some/prefix/AWSLogs/{account}/elasticloadbalancing/{region}/2026/10/{day}"
        logs.write(
            [line(number)], file=f"{account}_elasticloadbalancing_{region}_app.shop.0a1b_20261031T2355Z_192.0.2.7_1a2b.log.gz"
        )
    logs.folder = root / f"partitions/some/prefix/AWSLogs/{'2' * 12}/elasticloadbalancing/eu-west-1/2026/11/01"
    logs.write([line(59), line(0).replace("2026-10-31T23:", "2026-11-01T00:")], end="20261101T0000Z")
    logs.location = "s3://partitions/some/prefix"
    logs.create(["1" * 12, "2" * 12], ["eu-west-1", "eu-central-1"])
    found = logs.count("alb_counts.sql", [rule(1, ALB)], days=(DAY, "2026/11/01"))
    checks.equal("partitions", found.events[1], {minute(1): (1, 0), minute(2): (1, 0), minute(59): (1, 0)})
    found = logs.count("alb_counts.sql", [rule(1, ALB)], days=(DAY, DAY))
    checks.equal("days", found.events[1], {minute(1): (1, 0), minute(2): (1, 0)})


CLASSIC_HEAD = '{time} shop 198.51.100.7:2817 {backend} {times} {status} 0 29 "{request}"'
CLASSIC_LINES = [
    # Time, times, both statuses, tail, minute in which it was answered, then what it is to each of MEASURES.
    ("23:00:58.900000Z", "0.000073 1.2 0.000057", "200 200", "", 1, "gbbbbbb gbg"),
    ("23:01:58.900000Z", "0.000073 0.2 0.000057", "200 200", ' "curl/7.38.0" - -', 1, "ggggggg ggg"),
    ("23:03:00Z", "0.3 0.3 0.3", "200 200", r' "odd \"quoted\" agent" DHE-RSA-AES128-SHA TLSv1.2', 3, "ggbgggg ggg"),
    ("23:04:59.999999Z", "-1 -1 -1", "504 0", ' "-" - -', 4, "b--b-bb b-g"),
    ("23:05:59.999999Z", "0.000001 0.0 0", "500 500", "", 6, "bggb-g- bgg"),
    ("23:07:00.5Z", "-1 -1 -1", "503 0", "", 7, "b--b--- b-g"),
    ("23:08:00.5Z", "0.1 60.3 0.1", "200 200", "", 9, "gbbbbbb gbg"),
    ("23:10:00.5Z", "-1 -1 -1", "408 0", "", 10, "g------ g-b"),
    ("23:11:00.5Z", "0.1 0.1 0.1", "101 101", "", 11, "g------ g-g"),
    ("23:12:00.5Z", "0.1 0.1 0.1", "- -", "", 12, "ggggggg ggg"),
]


def classic(checks, logs):
    line_of = lambda time, times, status, tail, request="GET http://shop.example.com:80/cart HTTP/1.1": (
        CLASSIC_HEAD.format(time=f"2026-10-31T{time}", backend="10.0.0.1:80", times=times, status=status, request=request) + tail
    )
    lines = [line_of(*case[:4]) for case in CLASSIC_LINES]
    lines.append(line_of("23:20:00.1Z", "0.1 0.1 0.1", "- -", ' "-" - -', request="- - - "))
    # One record of three lines: the first is counted, two are reported.
    lines += [line_of("23:21:00.1Z", "0.1 0.1 0.1", "200 200", ' "one'), "two", 'three" - -', "garbage"]
    logs.write(lines, name=CLASSIC, packed=False)
    logs.write([line(1)], name="app.shop.0a1b")
    logs.create()
    rules = [rule(1 + place, CLASSIC, **measure) for place, measure in enumerate(MEASURES)]
    rules += [rule(20, CLASSIC, filter={"paths": ["/cart"], "methods": ["GET"]}), rule(21, CLASSIC, target_groups=["orders"])]
    found = logs.count("classic_counts.sql", rules)
    for case in CLASSIC_LINES[2:]:
        checks.equal(" ".join(case[:3]), letters(found, minute(case[4])), case[5].replace(" ", ""))
    checks.equal("two in one minute", (found.events[1][minute(1)], found.events[2][minute(1)]), ((2, 0), (2, 1)))
    checks.equal("a connection is a line and no request", (found.lines[CLASSIC][minute(20)], found.at(minute(20))), ((1, 0), set()))
    checks.equal("a record of three lines", (found.events[1][minute(21)], found.lines[CLASSIC][minute(55)]), ((1, 0), (3, 3)))
    checks.equal("conditions", (found.events[20] == found.events[1], 21 in found.events), (True, False))
    checks.equal("nothing else", set(found.lines), {CLASSIC})
    found = logs.count("classic_counts.sql", rules[:1], begin=minute(3), until=minute(6))
    checks.equal("half-open, by the answer", set(found.lines[CLASSIC]), {minute(3), minute(4)})


def mutated(chance, text):
    """One mutation after the load balancer's name: both readers must classify the line alike."""
    lines = text.splitlines()
    for _ in range(chance.randrange(8) if lines else 0):
        place = chance.randrange(len(lines))
        start = lines[place].find(differential.BALANCER) + len(differential.BALANCER) + 1
        if start > len(differential.BALANCER) + 1 and start < len(lines[place]):
            at = chance.randrange(start, len(lines[place]))
            sign = chance.choice(['"', " ", "\\", "x", "", "-", "9", '" "', '\\"', ".", "arn:", "/"])
            lines[place] = lines[place][:at] + sign + lines[place][at + chance.choice([0, 1]) :]
    return "".join(each + "\n" for each in lines)


def random_sets(checks, ask, root, options):
    values = 0
    for seed in range(1, 1 + options.sets):
        chance, folder = random.Random(seed), root / f"set-{seed}"
        folder.mkdir()
        begin, end = differential.write_logs(chance, folder)
        for path in folder.rglob("*.gz"):
            path.write_bytes(gzip.compress(mutated(chance, gzip.decompress(path.read_bytes()).decode()).encode()))
        slos = {f"s{number}": differential.definition(chance) for number in range(chance.randrange(2, 8))}
        slos["all"] = {"indicator": "availability", "objective": "50%", "tiers": "none", "include": differential.RESPONSES}
        groups = chance.choice([[], [], ["orders"], ["orders", "orders-green"], ["nobody"]])
        ours = of_program(options.slowburn, folder, slos, groups, end)
        first, last = begin.strftime("%Y/%m/%d"), (end + timedelta(days=1)).strftime("%Y/%m/%d")
        rules = [rule(1 + number, differential.BALANCER, **of_definition(slo, groups)) for number, slo in enumerate(slos.values())]
        logs = Logs(ask, root, f"set-{seed}")
        logs.create()
        found = logs.count(
            "alb_counts.sql",
            rules,
            [differential.BALANCER],
            begin.strftime("%Y-%m-%dT%H:%M"),
            end.strftime("%Y-%m-%dT%H:%M"),
            (first, last),
        )
        for number, name in enumerate(slos):
            theirs = {f"{at}Z": pair for at, pair in found.events.get(1 + number, {}).items()}
            mine = {at: pair for at, pair in ours.get(name, {}).items() if pair != (0, 0)}
            checks.equal(
                f"set {seed} {name} {slos[name]}", sorted(theirs.items() - mine.items()), sorted(mine.items() - theirs.items())
            )
            values += len(mine)
        if not groups:
            parsed = {f"{at}Z": lines - unparsed for at, (lines, unparsed) in found.lines.get(differential.BALANCER, {}).items()}
            mine = {at: total for at, (total, _) in ours["all"].items()}
            checks.equal(
                f"set {seed} lines",
                {at: number for at, number in parsed.items() if number},
                {at: total for at, total in mine.items() if total},
            )
    print(f"{options.sets} random log sets, {values} minutes with events compared with slowburn")


def of_program(binary, folder, slos, groups, end):
    """slowburn's {slo: {minute: (total, bad)}}."""
    service = {"service": "checkout", "load_balancer": differential.BALANCER, "windows": ["1d"], "slos": slos}
    (folder / "slos/mart").mkdir(parents=True)
    (folder / "slos/fleet.yaml").write_text(
        f"sources:\n  logs: {{ access_logs: {json.dumps(str(folder))}, delay: 0m, unparsed_limit: 100% }}\n"
        "classes:\n  bare: {}\ndefault_class: bare\nteams:\n  mart: {}\n"
    )
    (folder / "slos/mart/checkout.yaml").write_text(json.dumps(service | ({"target_group": groups} if groups else {})))
    at = end.strftime("%Y-%m-%dT%H:%MZ")
    done = differential.run(binary, folder, at, "run", "--quiet")
    if done.returncode != 0:
        sys.exit(done.stderr)
    exported = {}
    for row in differential.run(binary, folder, at, "export").stdout.splitlines()[1:]:
        name, moment, total, bad = row.split(",")
        exported.setdefault(name.removeprefix("checkout/"), {})[moment] = int(total), int(bad)
    return exported


def of_definition(slo, groups):
    """A definition of differential.py as a row of `rules`."""
    where, include = slo.get("where", {}), slo.get("include", [])
    row = {
        "target_groups": groups,
        "filter": of_filter(where),
        "excluded": of_filter(where.get("not", {})),
        "included_responses": sorted(include, key=differential.RESPONSES.index),
    }
    gave_up_after_us = differential.micros(slo.get("gave_up_after", "10s"))
    if slo["indicator"] == "availability":
        bad = [str(status).replace("x", ".") for status in slo.get("bad", ["5xx"])]
        return row | {"bad": bad, "gave_up_after_us": gave_up_after_us}
    under = differential.micros(slo["under"])
    errors, timeouts = slo.get("errors", "counted"), slo.get("timeouts") == "bad"
    return row | latency(under, slo.get("measure", "target"), errors, timeouts, gave_up_after_us)


def of_filter(where):
    values = {key: value if isinstance(value, list) else [value] for key, value in where.items()}
    return {
        "methods": values.get("method", []),
        "hosts": [host(text) for text in values.get("host", [])],
        "paths": [wildcard(text) for text in values.get("path", [])],
    }


def genuine_lines(checks, ask, root, shared):
    """Every published line is read by the table of its kind, and by no other."""
    for template, mine, named in (
        ("alb_table.sql", "alb", "app.any.0a"),
        ("classic_table.sql", "clb", "any"),
    ):
        logs = Logs(ask, root, f"genuine-{mine}", template)
        wanted = {}
        for path in sorted((shared / "data/elb_lines").glob("*.log")):
            lines = [text for text in path.read_bytes().split(b"\n") if text]
            logs.write([text.decode(errors="surrogateescape") for text in lines], name=named, file=path.name, packed=False)
            wanted[path.name] = len(lines) if path.name.startswith(mine) else 0
        logs.create()
        rows = ask(
            f"""SELECT "$path", count(time) FROM {logs.table} WHERE day = '{DAY}' AND (time IS NOT NULL OR rest <> '') GROUP BY "$path" """
        )
        checks.equal(f"{template} reads", {path.rsplit("/", 1)[1]: int(number) for path, number in rows}, wanted)


def petshop(checks, ask, root, shared):
    (root / "petshop").symlink_to((shared / "data/petshop").resolve(strict=True))
    ask(render("alb_table.sql", table_context("petshop", "s3://petshop", [ACCOUNT], ["us-east-1"], "2023/04/01")))
    names = {
        path.name.split("_app.")[1].split(".")[0]: "app/" + path.name.split("_app.")[1].split("_")[0].replace(".", "/")
        for path in (shared / "data/petshop/AWSLogs").rglob("*.log.gz")
    }
    limits = [50, 100, 200, 300, 500, 1000, 2000, 5000]
    columns = [("total", "err5xx", {})]
    columns += [(f"le_{limit}", False, latency(limit * 1_000, "total")) for limit in limits]
    columns += [(f"good_{limit}", False, latency(limit * 1_000, "total", "bad")) for limit in limits]
    rules, places = [], {}
    for name, balancer in names.items():
        for column, _, measure in columns:
            places[len(rules) + 1] = (name, column)
            rules.append(rule(len(rules) + 1, balancer, included_responses=differential.RESPONSES, **measure))
    began = time.time()
    context = counts_context("petshop", "2023/04/18", "2023/05/01", "2023-04-18T00:00", "2023-05-01T00:00", rules)
    found = Counted(ask(render("alb_counts.sql", context)), context)
    took, size = time.time() - began, sum(path.stat().st_size for path in (shared / "data/petshop/AWSLogs").rglob("*.log.gz"))
    checks.equal("petshop: one scan", ask.run["Statistics"]["DataScannedInBytes"], size)
    wanted = {number: {} for number in places}
    lines = {balancer: {} for balancer in names.values()}
    with open(shared / "data/petshop/golden/per_minute.csv", newline="") as rows:
        for row in csv.DictReader(rows):
            at = row["minute_utc"][:16]
            lines[names[row["lb"]]][at] = (int(row["total"]), 0)
            for number, (name, column) in places.items():
                if name == row["lb"]:
                    total = int(row["total"] if column == "total" else row["n_lat"])
                    bad = int(row["err5xx"]) if column == "total" else total - int(row[column])
                    if total:
                        wanted[number][at] = total, bad
    for number, place in places.items():
        checks.equal(f"petshop {place}", set(found.events[number].items()) ^ set(wanted[number].items()), set())
    checks.equal("petshop lines", found.lines, lines)
    number = sum(map(len, wanted.values())) + sum(map(len, lines.values()))
    print(f"petshop: {number} minutes compared, {len(rules)} rules, {size} bytes scanned, {took:.1f} s")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--slowburn", help="binary to compare random log sets with")
    parser.add_argument("--sets", type=int, default=40)
    parser.add_argument("--shared", type=Path, help="folder of real traffic")
    options = parser.parse_args()
    checks = Checks()
    rendering(checks, options)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder, "buckets")
        root.mkdir()
        with running_fake("athena_server.py", "--root", root, "--cache", f"{folder}/cache") as fake:
            ask = AthenaSession(fake)
            wildcards(checks, ask)
            requests(checks, Logs(ask, root, "requests"))
            classifications(checks, Logs(ask, root, "classifications"))
            belonging(checks, Logs(ask, root, "belonging"))
            unparsed(checks, Logs(ask, root, "unparsed"))
            classic(checks, Logs(ask, root, "classic", "classic_table.sql"))
            partitions(checks, ask, root)
            if options.slowburn:
                random_sets(checks, ask, root, options)
            if options.shared and (options.shared / "data").is_dir():
                genuine_lines(checks, ask, root, options.shared)
                petshop(checks, ask, root, options.shared)
            else:
                print("left out: real traffic, which is not there")
    checks.end("queries")


if __name__ == "__main__":
    main()
