"""A fleet of 561 services on CloudWatch: requests and metrics of a warm tick and of a cold backfill, whole processes.

    cargo build --release && PYTHONPATH=target/test-packages python3 benches/metrics.py [DAYS]

The fake CloudWatch of tests/fakes/ answers in Python and takes most of the wall time of a backfill; the CPU figure is slowburn's own.
"""

import json
import os
import shutil
import sys
import tempfile
import urllib.request
from datetime import UTC, datetime, timedelta
from pathlib import Path

from measure import cost

sys.path.insert(0, "tests/fakes")
from running import running_fake  # noqa: E402

SERVICES = 561
BINARY = "target/release/slowburn"


def define(folder, days):
    (folder / "fleet").mkdir(parents=True)
    (folder / "fleet.yaml").write_text(
        "sources: { metrics: { cloudwatch: eu-west-1 } }\n"
        "classes: { standard: { slos: { availability: 99.9%, latency: { objective: 99%, under: 500ms } }, windows: [" f"{days}d] }} }}\n"
    )
    for number in range(SERVICES):
        (folder / "fleet" / f"svc{number}.yaml").write_text(f"service: svc{number}\nload_balancer: app/svc{number}/{number:016x}\n")


def counters(fake):
    return json.load(urllib.request.urlopen(fake.url))["counters"]


def show(what, figures, before, after):
    grown = {name: after.get(name, 0) - before.get(name, 0) for name in ("metrics_billed", "datapoints")}
    requests = after["requests"]["GetMetricData"] - before.get("requests", {}).get("GetMetricData", 0)
    print(f"{what:<22} {requests:5} requests {grown['metrics_billed']:6} metrics billed {grown['datapoints']:11,} values "
          f"{figures.wall:7.2f} s wall {figures.cpu:6.2f} s CPU {figures.peak_mb:5.0f} MB", flush=True)


def main():
    days = int(sys.argv[1]) if len(sys.argv) > 1 else 15
    work = Path(tempfile.mkdtemp(dir="target"))
    define(work / "slos", days - 1)
    with running_fake("cloudwatch_server.py", "--fleet", SERVICES, "--days", days) as fake:
        os.environ |= {"AWS_ENDPOINT_URL_CLOUDWATCH": fake.url, "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test",
                       "AWS_EC2_METADATA_DISABLED": "true"}
        now = datetime.now(UTC).replace(second=0, microsecond=0)
        place = [BINARY, "run", "--quiet", "--slos", work / "slos", "--ledger", work / "ledger"]
        moments = [("cold backfill", now - timedelta(minutes=10)), ("warm tick", now - timedelta(minutes=5)), ("warm tick", now)]
        for what, at in moments:
            before = counters(fake)
            figures = cost([*place, "--at", f"{at:%Y-%m-%dT%H:%MZ}"])
            show(f"{what}, {days} days" if what == "cold backfill" else what, figures, before, counters(fake))
    shutil.rmtree(work)


if __name__ == "__main__":
    main()
