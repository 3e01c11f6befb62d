#!/usr/bin/env python3
"""The same traffic through every source gives the same counts.

    PYTHONPATH=target/test-packages python3 tests/oracles/conformance.py --slowburn BINARY [--work DIR]

One deterministic traffic of 30 hours, including the end of daylight saving time in Berlin, goes into access logs in a directory,
the same objects in a bucket (moto), a table of Athena (athena_server.py) and metrics of CloudWatch (cloudwatch_server.py). It has
errors of targets and of the balancer with and without a target, clients that disconnect early or after ten seconds, redirects, fixed responses, AWS WAF, authentication, WebSockets,
idle minutes, late objects and metrics that still grow. Each source is run twice, before and after the
late part, and every minute that `export` shows is compared with the events themselves.

`CANNOT` lists the counts that a source does not provide; the comparison expects exactly these differences.
"""

import argparse
import contextlib
import csv
import gzip
import io
import json
import os
import random
import subprocess
import sys
import tempfile
from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "fakes"))
from running import Checks, running_fake, running_moto

ACCOUNT, REGION, BUCKET = "123456789012", "eu-west-1", "logs"
BEGIN, END = datetime(2026, 10, 24, 20, tzinfo=UTC), datetime(2026, 10, 26, 2, tzinfo=UTC)
FIRST, SECOND = END - timedelta(hours=1), END + timedelta(minutes=75)
MART, SOLO, OLD = "app/mart/50dc6c495c0c9188", "app/solo/00000000000000aa", "classic/old"
GROUPS = {"orders": "73e2d6bc24d8a067", "cart": "83e2d6bc24d8a067"}
UNDER_MS = 300

# Event kinds by frequency: status, origin (target or load balancer), and text in place of the times.
KINDS = {
    "good": (60, 200, "target"), "missing": (4, 404, "target"), "broken": (3, 500, "target"), "unavailable": (2, 503, "target"),
    "reset": (2, 502, "balancer"), "timeout": (2, 504, "balancer"), "no_targets": (1, 503, "balancer"), "gave_up": (2, 460, "balancer"),
    "malformed": (1, 400, "balancer"), "identity": (1, 561, "rule"), "redirect": (2, 301, "rule"), "fixed": (2, 503, "rule"),
    "waf": (3, 403, "rule"), "hung": (2, 460, "balancer"), "hung_http2": (1, 0, "balancer"), "websocket": (1, 101, "target"),
}
# The client closed the connection after ten seconds without an answer.
HUNG = {"hung", "hung_http2"}
ACTIONS = {"redirect": "redirect", "fixed": "fixed-response", "malformed": "-", "identity": "waf,authenticate", "waf": "waf"}
# Counts that a source does not provide.
CANNOT = {
    "cloudwatch": {
        # There is no 1XX count, and none per target group for responses of the load balancer.
        "mart/availability": {"websocket", "hung_http2"},
        "solo/availability": {"websocket", "hung_http2"},
        "orders/availability": {"websocket", "reset", "timeout", "no_targets", "gave_up", "malformed", *HUNG},
    },
}
# Responses of AWS WAF and of authentication that a source counts with those of the load balancer.
ADDS = {"cloudwatch": {"mart/availability": {"waf", "identity"}, "solo/availability": {"waf", "identity"}}}

# Sources without values before the first request, for which earlier minutes are unknown.
SILENT_AT_FIRST = {"cloudwatch"}


@dataclass(frozen=True)
class Event:
    balancer: str
    group: str | None
    at: datetime
    kind: str
    taken_ms: int

    @property
    def minute(self):
        return self.at.replace(second=0, microsecond=0)

    @property
    def status(self):
        return KINDS[self.kind][1]

    @property
    def made_by(self):
        return KINDS[self.kind][2]

    @property
    def answered(self):
        """Whether a target responded, which gives a target time."""
        return self.made_by == "target" and self.kind != "websocket"


def traffic():
    chance = random.Random(20261025)
    names, weights = list(KINDS), [weight for weight, *_ in KINDS.values()]
    events, moment = [], BEGIN
    while moment < END:
        for balancer, most in ((MART, 12), (SOLO, 1), (OLD, 9)):
            # The small one is idle most of the time, and for a full half hour.
            silent = balancer == SOLO and moment != BEGIN and (moment.hour == 3 and moment.minute < 30 or chance.random() < 0.6)
            for _ in range(0 if silent else chance.randint(1 if balancer == SOLO else 3, most)):
                # What comes before the first object is unknown.
                kind = "good" if moment == BEGIN else chance.choices(names, weights)[0]
                if balancer == OLD and kind in ("websocket", "gave_up", *HUNG, *ACTIONS):
                    kind = "good"
                group = chance.choice([*GROUPS]) if balancer == MART and kind not in ACTIONS else None
                at = moment + timedelta(seconds=chance.randrange(60), milliseconds=chance.randrange(1000))
                events.append(Event(balancer, group, at, kind, chance.choice([3, 120, UNDER_MS, UNDER_MS + 1, 900, 2500])))
        moment += timedelta(minutes=1)
    return events


def stamp(moment):
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%f") + "Z"


def line(event):
    dispatched = event.kind not in ("no_targets", *ACTIONS)
    target = "10.0.0.1:80" if dispatched else "-"
    times = f"0.001 {event.taken_ms / 1000:.3f} 0.000" if event.made_by == "target" else "-1 -1 -1"
    of_target = event.status if event.made_by == "target" else "-"
    if event.balancer == OLD:
        # Classic Load Balancers log the time of the request; all counts use the time of the response.
        received = event.at - timedelta(milliseconds=event.taken_ms + 1 if event.made_by == "target" else 0)
        return (f"{stamp(received)} old 198.51.100.7:1 {target} {times} {event.status} {of_target} 34 366 "
                f"\"GET http://shop.example.com:80/ HTTP/1.1\" \"curl/8\" - -")
    arn = f"arn:aws:elasticloadbalancing:{REGION}:{ACCOUNT}:targetgroup/{event.group}/{GROUPS[event.group]}" if event.group else "-"
    action = ACTIONS.get(event.kind, "forward")
    request = "- http://shop.example.com:80- -" if event.kind == "malformed" else "GET https://shop.example.com:443/ HTTP/2.0"
    created = stamp(event.at - timedelta(milliseconds=10_000 if event.kind in HUNG else event.taken_ms))
    kind = {"websocket": "ws", "hung_http2": "h2"}.get(event.kind, "https")
    return (f"{kind} {stamp(event.at)} {event.balancer} 198.51.100.7:1 {target} {times} {event.status:03} {of_target} 34 366 \"{request}\" "
            f"\"curl/8\" - - {arn} \"Root=1-0\" \"-\" \"-\" 1 {created} \"{action}\" \"-\" \"-\" \"{target}\" \"{of_target}\" \"-\" \"-\" TID_0")


def objects(events):
    """Keys, lateness and bytes: every five minutes each node writes an object if it had requests."""
    of = defaultdict(list)
    for event in events:
        length = 60 if event.balancer == OLD else 5
        came = event.at - timedelta(milliseconds=event.taken_ms + 1 if event.balancer == OLD and event.made_by == "target" else 0)
        start = came.replace(minute=came.minute - came.minute % length, second=0, microsecond=0)
        of[event.balancer, start + timedelta(minutes=length)].append(event)
    chance = random.Random(7)
    for (balancer, end), some in of.items():
        name, packed = ("old", False) if balancer == OLD else (balancer.replace("/", "."), True)
        # For tables, only the last half day is queried again.
        late = end > FIRST or (balancer == MART and end > FIRST - timedelta(hours=10) and chance.random() < 0.1)
        # Folders are by delivery day, however old the lines are.
        delivered = SECOND - timedelta(minutes=10) if late else end + timedelta(minutes=2)
        key = (f"AWSLogs/{ACCOUNT}/elasticloadbalancing/{REGION}/{delivered:%Y/%m/%d}/{ACCOUNT}_elasticloadbalancing_{REGION}_{name}_"
               f"{end:%Y%m%dT%H%MZ}_192.0.2.7_1a2b.log{'.gz' if packed else ''}")
        text = "".join(line(event) + "\n" for event in sorted(some, key=lambda event: event.at)).encode()
        yield key, late, gzip.compress(text, mtime=0) if packed else text


def series(events, until):
    """Metrics as a load balancer reports them `until` a time; its last minutes are partial."""
    counts, samples = defaultdict(lambda: defaultdict(int)), defaultdict(lambda: defaultdict(list))
    for number, event in enumerate(events):
        if event.minute >= until or (event.minute >= until - timedelta(minutes=10) and number % 3 == 0):
            continue
        if event.balancer == OLD:
            places, namespace, target, own, time = [{"LoadBalancerName": "old"}], "AWS/ELB", "HTTPCode_Backend_{}XX", "HTTPCode_ELB_{}XX", "Latency"
        else:
            places, namespace, target, own, time = ([{"LoadBalancer": event.balancer}], "AWS/ApplicationELB", "HTTPCode_Target_{}XX_Count",
                                                    "HTTPCode_ELB_{}XX_Count", "TargetResponseTime")
        group = [places[0] | {"TargetGroup": f"targetgroup/{event.group}/{GROUPS[event.group]}"}] if event.group else []
        if event.kind == "fixed":
            names, at = ["HTTP_Fixed_Response_Count"], places
        elif event.kind == "hung_http2":
            names, at = [], []
        elif event.made_by != "target":
            names, at = [own.format(event.status // 100)], places
        else:
            names, at = [target.format(event.status // 100)] if event.status >= 200 else [], places + group
        for place in at:
            for name in names:
                counts[namespace, name, tuple(place.items())][event.minute] += 1
            if event.answered:
                samples[namespace, time, tuple(place.items())][event.minute].append(event.taken_ms / 1000)
    for what, values in (("sums", counts), ("samples", samples)):
        for (namespace, name, place), by_minute in values.items():
            grid = [by_minute.get(BEGIN + timedelta(minutes=slot)) for slot in range(int((END - BEGIN).total_seconds()) // 60)]
            yield {"namespace": namespace, "metric": name, "dimensions": dict(place), "account": ACCOUNT, "region": REGION,
                   "start": BEGIN.strftime("%Y-%m-%dT%H:%MZ"), what: grid}


SERVICES = {
    "mart": (MART, None), "orders": (MART, "orders"), "solo": (SOLO, None), "old": (OLD, None),
}


def truth(events, source):
    """Counts by SLO and minute, as far as a source provides them."""
    cannot, adds = CANNOT.get(source, {}), ADDS.get(source, {})
    counts = defaultdict(lambda: [0, 0])
    for event in events:
        for service, (balancer, group) in SERVICES.items():
            if event.balancer != balancer or (group and event.group != group):
                continue
            slo = f"{service}/availability"
            has_hung = event.kind in HUNG and source != "cloudwatch"
            if event.kind in adds.get(slo, ()) or (event.made_by != "rule" and event.kind not in cannot.get(slo, ())):
                counts[slo, event.minute][0] += 1
                counts[slo, event.minute][1] += event.status >= 500 or has_hung
            if has_hung:
                counts[f"{service}/latency", event.minute][0] += 1
                counts[f"{service}/latency", event.minute][1] += 1
            if event.answered:
                counts[f"{service}/latency", event.minute][0] += 1
                counts[f"{service}/latency", event.minute][1] += event.taken_ms > UNDER_MS
    return counts


def define(folder, source, excluded):
    (folder / "shop").mkdir(parents=True)
    fleet = {"sources": {"source": source}, "classes": {"standard": {"windows": ["7d", "month"], "time_zone": "Europe/Berlin", "slos": {}}}}
    (folder / "fleet.yaml").write_text(json.dumps(fleet))
    for name, (balancer, group) in SERVICES.items():
        slos = {"availability": {"objective": "99.9%"}, "latency": {"objective": "99%", "under": f"{UNDER_MS}ms"}}
        service = {"service": name, "load_balancer": balancer, "slos": slos}
        if group:
            service["target_group"] = f"{group}/{GROUPS[group]}"
            if excluded:
                slos["availability"]["elb_5xx"] = "excluded"
        (folder / "shop" / f"{name}.yaml").write_text(json.dumps(service))


class Source:
    """One source with its own definitions and ledger."""

    def __init__(self, binary, work, name, text, environment=None):
        self.binary, self.name, self.work = binary, name, work / name
        self.environment = {"PATH": os.environ["PATH"]} | (environment or {})
        define(self.work / "slos", text, name == "cloudwatch")

    def __call__(self, command, at, *arguments):
        place = ["--slos", self.work / "slos", "--ledger", self.work / "ledger", "--at", f"{at:%Y-%m-%dT%H:%MZ}"]
        done = subprocess.run([self.binary, command, *place, *arguments], capture_output=True, text=True, check=False,
                              env=self.environment | {"SLOWBURN_CLOCK": f"{at:%Y-%m-%dT%H:%MZ}"})
        if done.returncode not in (0, 3):
            sys.exit(f"{self.name} {command}: {done.returncode}\n{done.stderr}")
        return done

    def run(self, at, checks):
        done = self("run", at, "--quiet")
        checks.equal(f"{self.name} at {at}: the run is done", (done.returncode, "warning" in done.stderr), (0, False))
        return done.stderr

    def compare(self, events, checks):
        found = {(row["slo"], row["minute"]): (int(row["total"]), int(row["bad"]))
                 for row in csv.DictReader(io.StringIO(self("export", SECOND).stdout))}
        wanted = truth(events, self.name)
        settled = END - timedelta(minutes=60)
        minutes = [BEGIN + timedelta(minutes=slot) for slot in range(int((END - BEGIN).total_seconds()) // 60)]
        known = 0
        for service in SERVICES:
            for slo in (f"{service}/availability", f"{service}/latency"):
                first = min(moment for of, moment in wanted if of == slo) if self.name in SILENT_AT_FIRST else BEGIN
                for moment in minutes:
                    mine = found.get((slo, f"{moment:%Y-%m-%dT%H:%MZ}"))
                    total, bad = wanted.get((slo, moment), (0, 0))
                    if mine is not None or total or moment < settled:
                        known += mine is not None
                        checks.equal(f"{self.name} {slo} {moment:%d %H:%M}", mine, (total, bad) if moment >= first else None)
        return known


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--slowburn", required=True)
    parser.add_argument("--work", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        check(os.path.abspath(options.slowburn), options.work or Path(scratch))


def check(binary, work):
    checks, events = Checks(), traffic()
    files = list(objects(events))
    keys = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_REGION": REGION, "AWS_EC2_METADATA_DISABLED": "true"}
    folder = work / "root" / BUCKET
    with contextlib.ExitStack() as stack:
        moto, cloudwatch = stack.enter_context(running_moto()), stack.enter_context(running_fake("cloudwatch_server.py"))
        # Athena reads the objects in the bucket.
        athena = stack.enter_context(running_fake("athena_server.py", "--s3", moto.url, "--managed"))
        s3 = moto.client("s3")
        s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
        sources = [
            Source(binary, work, "directory", {"access_logs": str(folder)}),
            Source(binary, work, "bucket", {"access_logs": f"s3://{BUCKET}"}, keys | {"AWS_ENDPOINT_URL_S3": moto.url}),
            Source(binary, work, "athena", {
                "athena": "elb.alb", "classic_table": "elb.classic", "logs": f"s3://{BUCKET}", "accounts": [ACCOUNT], "regions": [REGION],
                "region": REGION, "since": "2026-10-01",
            }, keys | {"AWS_ENDPOINT_URL_ATHENA": athena.url}),
            Source(binary, work, "cloudwatch", {"cloudwatch": REGION}, keys | {"AWS_ENDPOINT_URL_CLOUDWATCH": cloudwatch.url}),
        ]
        made = subprocess.run([binary, "tables", "--create", "--slos", sources[2].work / "slos"], env=sources[2].environment, check=False)
        checks.equal("tables are made", made.returncode, 0)
        for late, at in ((False, FIRST), (True, SECOND)):
            for key, _, content in (file for file in files if file[1] == late):
                (folder / key).parent.mkdir(parents=True, exist_ok=True)
                (folder / key).write_bytes(content)
                s3.put_object(Bucket=BUCKET, Key=key, Body=content)
            cloudwatch.post("/_clear", {})
            cloudwatch.control(now=f"{at:%Y-%m-%dT%H:%MZ}")
            cloudwatch.post("/_series", list(series(events, at if late is False else END + timedelta(hours=1))))
            for source in sources:
                source.run(at, checks)
        for source in sources:
            print(f"{source.name}: {source.compare(events, checks):,} known minutes compared")
    checks.end(f"conformance of {len(events):,} events")


if __name__ == "__main__":
    main()
