#!/usr/bin/env python3
"""Compares the wire format of the CloudWatch fake with ministack's, using the same CBOR requests. Then slowburn queries
ministack and must find the stored sum.

    python3 -m pip install --target target/test-ministack -r tests/requirements-ministack.txt
    PYTHONPATH=target/test-packages python3 tests/fakes/cloudwatch_wire_check.py --ministack target/test-ministack --slowburn BINARY

Only sums are compared: ministack returns averages for TC and PR.
"""

import argparse
import csv
import io
import json
import os
import subprocess
import tempfile
import time
import urllib.request
from datetime import UTC, datetime
from pathlib import Path

import cbor2

from running import Checks, running_fake, running_module

METRIC = {"Namespace": "shop", "MetricName": "requests", "Dimensions": [{"Name": "LoadBalancer", "Value": "app/shop/0a"}]}


def call(url, operation, body):
    request = urllib.request.Request(
        f"{url}/service/GraniteServiceVersion20100801/operation/{operation}",
        cbor2.dumps(body),
        {
            "smithy-protocol": "rpc-v2-cbor",
            "Content-Type": "application/cbor",
            "Authorization": "AWS4-HMAC-SHA256 Credential=test/20261031/eu-west-1/monitoring/aws4_request, SignedHeaders=host, Signature=0",
        },
    )
    with urllib.request.urlopen(request) as answer:
        return answer.headers["Content-Type"], answer.headers["smithy-protocol"], cbor2.loads(answer.read())


def conversation(url, start):
    """The responses to putting and getting a sum."""
    moment = lambda seconds: cbor2.CBORTag(1, float(start + seconds))
    datum = {"MetricName": METRIC["MetricName"], "Dimensions": METRIC["Dimensions"], "Timestamp": moment(0), "Value": 3.0}
    query = {"Id": "a", "MetricStat": {"Metric": METRIC, "Period": 60, "Stat": "Sum"}}
    said = [
        call(url, "PutMetricData", {"Namespace": "shop", "MetricData": [datum]}),
        call(url, "GetMetricData", {"MetricDataQueries": [query], "StartTime": moment(0), "EndTime": moment(600)}),
        call(url, "ListMetrics", {"Namespace": "shop"}),
    ]
    # An empty and a missing list are equal to a client.
    said[1][2].pop("Messages", None)
    return said


def counted(binary, url, minute):
    """Total and bad of a minute by slowburn, for a ratio whose failure metric never had data."""
    with tempfile.TemporaryDirectory() as work:
        slos = Path(work) / "slos"
        (slos / "shop").mkdir(parents=True)
        metric = {"namespace": "shop", "metric": "requests", "dimensions": {"LoadBalancer": "app/shop/0a"}}
        slo = {"indicator": "ratio", "objective": "99%", "total": metric, "bad": metric | {"metric": "failed"}}
        (slos / "fleet.yaml").write_text(json.dumps({"sources": {"metrics": {"cloudwatch": "eu-west-1"}}, "classes": {"standard": {"windows": ["7d"]}}}))
        (slos / "shop" / "shop.yaml").write_text(json.dumps({"service": "shop", "slos": {"requests": slo}}))
        environment = {"AWS_ENDPOINT_URL_CLOUDWATCH": url, "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test",
                       "AWS_EC2_METADATA_DISABLED": "true"}
        place = ["--slos", str(slos), "--ledger", str(Path(work) / "ledger")]
        subprocess.run([binary, "run", "--quiet", *place], env=environment, check=True)
        export = subprocess.run([binary, "export", *place], env=environment, check=True, capture_output=True, text=True).stdout
    rows = {row["minute"]: (int(row["total"]), int(row["bad"])) for row in csv.DictReader(io.StringIO(export))}
    return rows.get(f"{datetime.fromtimestamp(minute, UTC):%Y-%m-%dT%H:%MZ}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ministack", required=True, help="folder that it is installed in")
    parser.add_argument("--slowburn", required=True)
    options = parser.parse_args()

    def environment(port):
        return os.environ | {"BIND_HOST": "127.0.0.1", "IOT_MTLS_ENABLED": "0", "GATEWAY_PORT": str(port), "PYTHONPATH": options.ministack}

    checks, start = Checks(), int(time.time()) // 60 * 60 - 3600
    with running_module(lambda _: ["ministack.app"], environment) as ministack:
        theirs = conversation(ministack.url, start)
        checks.equal("what the program counts", counted(os.path.abspath(options.slowburn), ministack.url, start), (3, 0))
    with running_fake("cloudwatch_server.py") as fake:
        for ours, other in zip(conversation(fake.url, start), theirs, strict=True):
            checks.equal("an answer", ours, other)
    checks.end("CloudWatch on the wire, beside ministack")


if __name__ == "__main__":
    main()
