#!/usr/bin/env python3
"""Compares slowburn with two independent counts of real traffic.

    real_traffic.py --slowburn BINARY --shared DIR --work DIR

For PetShop and Nezha it writes definitions (availability, and latency under eight thresholds, once evaluated by time alone
and once with errors as bad), runs slowburn on the access logs, and compares

  * every minute: total, 5xx, requests with a latency, and requests in time   with  golden/per_minute.csv
  * every SLI over the whole span of its balancer, and over 1 and 7 days      with  golden/sli.csv
  * every hour, for PetShop: bad and total of seven windows                   with  golden/burn_hourly.csv

PetShop is then read from a bucket (moto) and through the Athena fake, and compared in the same way; its
CloudWatch metrics are read from the CloudWatch fake. All of it needs PYTHONPATH=target/test-packages.
Any difference ends it with code 1.
"""

import argparse
import contextlib
import csv
import io
import json
import os
import subprocess
import sys
import tarfile
from datetime import datetime, timedelta
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "fakes"))
from running import running_fake, running_moto

THRESHOLDS_MS = [50, 100, 200, 300, 500, 1000, 2000, 5000]


def rows(path):
    with open(path, newline="") as file:
        yield from csv.DictReader(file)


def minute(text):
    return datetime.strptime(text.replace(":00Z", "Z") if text.count(":") == 2 else text, "%Y-%m-%dT%H:%MZ")


def text(moment):
    return moment.strftime("%Y-%m-%dT%H:%MZ")


class Program:
    """The binary, with one folder of definitions and one ledger."""

    def __init__(self, binary, slos, ledger, at):
        self.binary, self.at, self.place = binary, at, ["--slos", str(slos), "--ledger", str(ledger)]

    def __call__(self, command, *arguments, at=None):
        line = [self.binary, command, *arguments, *self.place, "--at", at or self.at]
        done = subprocess.run(line, capture_output=True, text=True)
        if done.returncode != 0:
            sys.exit(f"{' '.join(line)} ended with {done.returncode}:\n{done.stderr}")
        return done.stdout


def define(folder, balancers, wholes, source):
    (folder / "real").mkdir(parents=True)
    (folder / "fleet.yaml").write_text(
        f"sources:\n  logs: {{ {source}, delay: 0m }}\n"
        "classes:\n  bare: {}\ndefault_class: bare\nteams:\n  real: {}\n"
    )
    for name, balancer in balancers.items():
        lines = [f"service: {name}", f"load_balancer: {balancer}",
                 f"windows: [30d, 1d, 7d, {wholes[name]}]", "slos:", "  availability: 99.5%"]
        for limit in THRESHOLDS_MS:
            for kind, errors in (("le", "counted"), ("good", "bad")):
                lines.append(f"  {kind}-{limit}: {{ indicator: latency, objective: 95%, under: {limit}ms, "
                             f"measure: total, errors: {errors} }}")
        (folder / "real" / f"{name}.yaml").write_text("\n".join(lines) + "\n")


def compare_minutes(program, golden):
    """Every golden row against the exported ledger, and no minute with traffic that the golden file lacks."""
    ours = {}
    for row in csv.DictReader(io.StringIO(program("export"))):
        if int(row["total"]):
            service, _, slo = row["slo"].partition("/")
            ours.setdefault((service, minute(row["minute"])), {})[slo] = (int(row["total"]), int(row["bad"]))
    wrong, compared, seen = [], 0, set()
    for row in golden:
        key = (row["lb"], minute(row["minute_utc"]))
        seen.add(key)
        mine = ours.get(key, {})
        want = {"availability": (int(row["total"]), int(row["err5xx"]))}
        for limit in THRESHOLDS_MS:
            timed = int(row["n_lat"])
            want[f"le-{limit}"] = (timed, timed - int(row[f"le_{limit}"]))
            want[f"good-{limit}"] = (timed, timed - int(row[f"good_{limit}"]))
        for slo, counts in want.items():
            compared += 2
            if counts[0] and mine.get(slo) != counts:
                wrong.append(f"{key[0]}/{slo} at {text(key[1])}: {mine.get(slo)} instead of {counts}")
    wrong += [f"{name} at {text(at)}: traffic that nobody else saw" for name, at in ours if (name, at) not in seen]
    return compared, wrong


def compare_slis(program, golden, wholes):
    """Each balancer's windows end with its own last minute, so the status is asked for at each such end."""
    ours = {}
    for end in sorted({row["to_utc_exclusive"] for row in golden}):
        status = json.loads(program("status", "--format", "json", at=text(minute(end))))
        for row in status["slos"]:
            ours[(end, row["service"], row["slo"], row["window"])] = row
    wrong, compared = [], 0
    for row in golden:
        window = wholes[row["lb"]] if row["window"] == "whole" else row["window"]
        want = {"availability": row["availability"]}
        want |= {f"le-{limit}": row[f"sli_le_{limit}"] for limit in THRESHOLDS_MS}
        want |= {f"good-{limit}": row[f"sli_good_{limit}"] for limit in THRESHOLDS_MS}
        for slo, value in want.items():
            mine = ours[(row["to_utc_exclusive"], row["lb"], slo, window)]
            compared += 1
            # The golden file has twelve decimals.
            if mine["sli"] is None or f"{mine['sli']:.12f}" != value:
                wrong.append(f"{row['lb']}/{slo} over {window}: {mine['sli']} instead of {value}")
        mine = ours[(row["to_utc_exclusive"], row["lb"], "availability", window)]
        compared += 2
        if (mine["total"], mine["bad"]) != (int(row["total"]), int(row["err5xx"])):
            wrong.append(f"{row['lb']} over {window}: counts differ from {row['total']}, {row['err5xx']}")
    return compared, wrong


def compare_hours(program, golden):
    """The golden file names windows in minutes: 5m, 30m, 60m, ... 4320m."""
    hours = {}
    for row in golden:
        slo = {"availability": "availability", "good_500": "good-500"}[row["sli"]]
        hours.setdefault((row["lb"], slo), {})[row["at_utc"]] = row
    lengths = ["5m", "30m", "60m", "120m", "360m", "1440m", "4320m"]
    wrong, compared = [], 0
    for (service, slo), wanted in sorted(hours.items()):
        moments = sorted(minute(at) for at in wanted)
        out = program("replay", f"{service}/{slo}", "--raw", "--from", text(moments[0]),
                      "--to", text(moments[-1] + timedelta(minutes=1)), "--windows", ",".join(lengths), "--format", "csv", at=text(moments[-1]))
        ours = {row["minute"]: row for row in csv.DictReader(io.StringIO(out))}
        for at, row in wanted.items():
            mine = ours[text(minute(at))]
            for length in lengths:
                # The program may say 1h where it was asked for 60m; the order of the columns is the order asked for.
                names = [name for name in mine if name.startswith("bad_")]
                name = names[lengths.index(length)].removeprefix("bad_")
                compared += 2
                pair, want = (mine[f"bad_{name}"], mine[f"total_{name}"]), (row[f"bad_{length}"], row[f"total_{length}"])
                if pair != want:
                    wrong.append(f"{service}/{slo} at {at}, {length}: {pair} instead of {want}")
    return compared, wrong


@contextlib.contextmanager
def bucket(folder):
    """The logs below a folder in a bucket of a server of their own, which the environment then names."""
    with running_moto() as moto:
        os.environ.update(AWS_ENDPOINT_URL_S3=moto.url, AWS_ACCESS_KEY_ID="test", AWS_SECRET_ACCESS_KEY="test",
                          AWS_REGION="us-east-1", AWS_EC2_METADATA_DISABLED="true")
        s3 = moto.client("s3", region="us-east-1")
        s3.create_bucket(Bucket="logs")
        for path in (folder / "AWSLogs").rglob("*"):
            if path.is_file():
                s3.put_object(Bucket="logs", Key=f"a/prefix/{path.relative_to(folder)}", Body=path.read_bytes())
        yield "s3://logs/a/prefix"


@contextlib.contextmanager
def lake(folder):
    """An Athena whose buckets are folders beside the one of the logs, which the environment then names."""
    with running_fake("athena_server.py", "--root", folder.parent, "--managed") as athena:
        os.environ.update(AWS_ENDPOINT_URL_ATHENA=athena.url, AWS_ACCESS_KEY_ID="test", AWS_SECRET_ACCESS_KEY="test",
                          AWS_EC2_METADATA_DISABLED="true")
        yield (f"athena: elb.alb, logs: s3://{folder.name}, accounts: ['123456789012'], regions: [us-east-1], region: us-east-1, "
               "since: 2023-04-01, every: 5m")


def check_metrics(data, binary, work):
    """Requests and failures as PetShop's own CloudWatch had them, asked for while it still has every minute, and when only sums
    of five minutes and of an hour are left. Returns whether any differ."""
    wanted, failed = {}, False
    for row in rows(data / "datapoints.csv"):
        if row["stat"] == "Sum":
            column = {"RequestCount": "total", "HTTPCode_Target_5XX_Count": "bad"}[row["metric"]]
            wanted.setdefault(row["load_balancer"], {}).setdefault(minute(row["timestamp_utc"]), {})[column] = int(float(row["value"]))
    begin, end = datetime(2023, 4, 18, 17), datetime(2023, 4, 30, 16)
    grid = [begin + timedelta(minutes=slot) for slot in range(int((end - begin).total_seconds()) // 60)]
    series = [
        {"namespace": "AWS/ApplicationELB", "metric": metric, "dimensions": {"LoadBalancer": balancer}, "start": text(begin),
         "sums": [points.get(at, {}).get(column) for at in grid]}
        for balancer, points in wanted.items() for metric, column in (("RequestCount", "total"), ("HTTPCode_Target_5XX_Count", "bad"))
    ]
    slos = work / "slos"
    (slos / "real").mkdir(parents=True)
    (slos / "fleet.yaml").write_text("sources: { metrics: { cloudwatch: eu-west-1 } }\nclasses: { bare: { windows: [90d] } }\n")
    for balancer in wanted:
        metric = f"namespace: AWS/ApplicationELB, dimensions: {{ LoadBalancer: {balancer} }}, metric"
        name = balancer.split("/")[1]
        (slos / "real" / f"{name}.yaml").write_text(
            f"service: {name}\nslos:\n  requests:\n    indicator: ratio\n    objective: 99%\n"
            f"    total: {{ {metric}: RequestCount }}\n    bad: {{ {metric}: HTTPCode_Target_5XX_Count }}\n")
    with running_fake("cloudwatch_server.py") as fake:
        fake.post("/_series", series)
        os.environ.update(AWS_ENDPOINT_URL_CLOUDWATCH=fake.url, AWS_ACCESS_KEY_ID="test", AWS_SECRET_ACCESS_KEY="test", AWS_EC2_METADATA_DISABLED="true")
        for period, clock in ((1, end), (5, end + timedelta(days=30)), (60, end + timedelta(days=70))):
            fake.control(now=text(clock))
            os.environ["SLOWBURN_CLOCK"] = text(clock)
            program = Program(binary, slos, work / f"ledger-{period}", text(clock))
            program("run", "--quiet")
            ours = {}
            for row in csv.DictReader(io.StringIO(program("export"))):
                if int(row["total"]):
                    ours[row["slo"], minute(row["minute"])] = (int(row["total"]), int(row["bad"]))
            sums = {}
            for balancer, points in wanted.items():
                for at, point in points.items():
                    key = (f"{balancer.split('/')[1]}/requests", at - timedelta(minutes=at.minute % period))
                    total, bad = sums.get(key, (0, 0))
                    sums[key] = (total + point.get("total", 0), bad + point.get("bad", 0))
            sums = {key: counts for key, counts in sums.items() if counts[0]}
            differ = [key for key in sums.keys() | ours.keys() if sums.get(key) != ours.get(key)]
            totals = [sum(total for total, _ in sums.values()), sum(bad for _, bad in sums.values())]
            print(f"petshop in CloudWatch, period {period}: {len(sums)} sums compared ({totals[0]} requests, {totals[1]} failed), {len(differ)} differ")
            failed |= bool(differ) or not sums
    del os.environ["SLOWBURN_CLOCK"]
    return failed


def check(name, data, binary, work, hourly, logs=None, source="access_logs: ."):
    golden = data / "golden"
    minutes = list(rows(golden / "per_minute.csv"))
    slis = list(rows(golden / "sli.csv"))
    spans = {row["lb"]: (minute(row["from_utc"]), minute(row["to_utc_exclusive"])) for row in slis if row["window"] == "whole"}
    wholes = {name: length(int((end - start).total_seconds() // 60)) for name, (start, end) in spans.items()}
    start, end = min(start for start, _ in spans.values()), max(end for _, end in spans.values())
    balancers = {}
    for path in (data / "AWSLogs").rglob("*.log.gz"):
        middle = path.name.split("_elasticloadbalancing_")[1].split("_")[1]
        kind, balancer, identity = middle.split(".")
        balancers[balancer] = f"{kind}/{balancer}/{identity}"
    define(work / "slos", balancers, wholes, source)
    program = Program(binary, work / "slos", work / "ledger", text(end))
    days = ["--days", str((end - start).days + 2), "--quiet"]
    if source.startswith("athena"):
        subprocess.run([binary, "tables", "--create", "--slos", work / "slos"], check=True, capture_output=True)
        # It is asked up to the last five minutes that are over.
        program("run", *days, at=text(end + timedelta(minutes=5)))
    else:
        program("run", "--logs", logs or str(data), *days)
    results = {"minutes": compare_minutes(program, minutes), "SLIs": compare_slis(program, slis, wholes)}
    if hourly:
        results["hourly windows"] = compare_hours(program, rows(golden / "burn_hourly.csv"))
    failed = False
    for what, (compared, wrong) in results.items():
        print(f"{name}: {what}: {compared} numbers compared, {len(wrong)} differ")
        for line in wrong[:10]:
            print(f"  {line}")
        failed |= bool(wrong) or compared == 0
    return failed


def length(minutes):
    """As the program writes lengths: in the largest unit that divides them."""
    for unit, size in (("d", 1440), ("h", 60)):
        if minutes % size == 0:
            return f"{minutes // size}{unit}"
    return f"{minutes}m"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--slowburn", required=True)
    parser.add_argument("--shared", required=True, type=Path)
    parser.add_argument("--work", required=True, type=Path)
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    with tarfile.open(options.shared / "data" / "nezha.tar") as tar:
        tar.extractall(options.work, filter="data")
    failed = check("petshop", options.shared / "data" / "petshop", options.slowburn, options.work / "petshop", True)
    petshop = options.shared / "data" / "petshop"
    with bucket(petshop) as logs:
        failed |= check("petshop in S3", petshop, options.slowburn, options.work / "petshop-s3", False, logs)
    with lake(petshop) as source:
        failed |= check("petshop in Athena", petshop, options.slowburn, options.work / "petshop-athena", False, source=source)
    failed |= check_metrics(options.shared / "data" / "cloudwatch" / "petshop", options.slowburn, options.work / "petshop-metrics")
    failed |= check("nezha", options.work / "nezha", options.slowburn, options.work / "nezha-out", False)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
