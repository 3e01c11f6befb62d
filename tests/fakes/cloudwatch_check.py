#!/usr/bin/env python3
"""Compares the CloudWatch fake with CloudWatch's documentation, through boto3 and through raw CBOR.

PYTHONPATH=target/test-packages python3 tests/fakes/cloudwatch_check.py
"""

import urllib.request
from datetime import UTC, datetime, timedelta

import cbor2
from botocore.exceptions import ClientError, EndpointConnectionError, HTTPClientError

from running import Checks, running_fake

START = datetime(2026, 10, 31, tzinfo=UTC)
BALANCER = {"LoadBalancer": "app/shop/0a"}
TIME = "TargetResponseTime"


def series(metric, **data):
    return {"namespace": "AWS/ApplicationELB", "metric": metric, "dimensions": BALANCER, "start": "2026-10-31T00:00Z", **data}


def query(number, metric, stat, period=60, **more):
    dimensions = [{"Name": name, "Value": value} for name, value in BALANCER.items()]
    wanted = {"Namespace": "AWS/ApplicationELB", "MetricName": metric, "Dimensions": dimensions}
    return {"Id": f"q{number}", "MetricStat": {"Metric": wanted, "Period": period, "Stat": stat}, **more}


def ask(client, *queries, start=START, minutes=60, **more):
    return client.get_metric_data(
        MetricDataQueries=list(queries),
        StartTime=start,
        EndTime=start + timedelta(minutes=minutes),
        ScanBy="TimestampAscending",
        **more,
    )


def values(client, stat, metric=TIME, period=60, **more):
    return ask(client, query(0, metric, stat, period), **more)["MetricDataResults"][0]["Values"]


def statistics(checks, client):
    """Minute 0 has 0.1, 0.3 x 3 and 0.5; minute 1 nothing; minute 2 has 0.9."""
    for stat, wanted in {
        "SampleCount": [5.0, 1.0],
        "Sum": [1.5, 0.9],
        "Minimum": [0.1, 0.9],
        "Maximum": [0.5, 0.9],
        "Average": [0.3, 0.9],
        "TC(:0.3)": [4.0, 0.0],
        "TC(0.3:)": [1.0, 1.0],
        "TC(0.1:0.5)": [4.0, 0.0],
        "PR(:0.3)": [80.0, 0.0],
        "TS(:0.3)": [1.0, 0.0],
        "p50": [0.3, 0.9],
        "p99": [0.5, 0.9],
    }.items():
        checks.equal(stat, [round(value, 9) for value in values(client, stat)], wanted)
    checks.equal("a longer period adds up counts", values(client, "TC(:0.3)", period=300), [4.0])
    checks.equal("and takes percentiles of all values", values(client, "p50", period=300), [0.3])
    checks.equal("no data is no point", values(client, "Sum", metric="HTTPCode_Target_5XX_Count"), [3.0, 1.0])
    # The end is exclusive.
    checks.equal("half-open", values(client, "SampleCount", minutes=2), [5.0])
    for wrong in ("TC(0.3)", "p101", "tc90(", "TC(:)"):
        checks.equal(wrong, refused(lambda stat=wrong: values(client, stat)), "ValidationError")


def refused(call):
    try:
        call()
    except ClientError as error:
        return error.response["Error"]["Code"]
    except (EndpointConnectionError, HTTPClientError):
        return "dropped"
    return None


def accounts(checks, fake):
    fake.post(
        "/_series",
        [series("RequestCount", account="222222222222", sums=[7]), series("RequestCount", region="eu-central-1", sums=[9])],
    )
    mine = fake.client("cloudwatch")
    checks.equal("another account", values(mine, "Sum", "RequestCount"), [])
    linked = ask(mine, query(0, "RequestCount", "Sum", AccountId="222222222222"))
    checks.equal("a linked account", linked["MetricDataResults"][0]["Values"], [7.0])
    checks.equal("its own key", values(fake.client("cloudwatch", account="222222222222"), "Sum", "RequestCount"), [7.0])
    checks.equal("another region", values(fake.client("cloudwatch", region="eu-central-1"), "Sum", "RequestCount"), [9.0])
    role = fake.client("sts").assume_role(RoleArn="arn:aws:iam::222222222222:role/slo", RoleSessionName="slo")["Credentials"]
    checks.equal("a role carries its account", role["AccessKeyId"], "ASIA222222222222ROLE")
    fake.control(results=[{"account": "222222222222", "code": "Forbidden"}])
    both = ask(mine, query(0, "RequestCount", "Sum", AccountId="222222222222"), query(1, TIME, "SampleCount"))
    found = [(result["StatusCode"], result["Values"]) for result in both["MetricDataResults"]]
    checks.equal("one account is forbidden", found, [("Forbidden", []), ("Complete", [5.0, 1.0])])


def pages(checks, fake):
    client = fake.client("cloudwatch")
    fake.post("/_series", [series("Long", sums=list(range(1, 101)))])
    fake.control(page=30)
    first = ask(client, query(0, "Long", "Sum"), query(1, "Long", "SampleCount"), minutes=100)
    checks.equal(
        "a page",
        [(result["StatusCode"], len(result["Values"])) for result in first["MetricDataResults"]],
        [("PartialData", 15)] * 2,
    )
    found = list(
        client.get_paginator("get_metric_data").paginate(
            MetricDataQueries=[query(0, "Long", "Sum")], StartTime=START, EndTime=START + timedelta(minutes=100)
        )
    )
    merged = [value for page in found for value in page["MetricDataResults"][0]["Values"]]
    checks.equal("all pages, newest first", merged, [float(value) for value in range(100, 0, -1)])
    fake.control(faults=[{"action": "GetMetricData", "code": "InternalServiceFault", "status": 500, "after": 1}])
    paginator = client.get_paginator("get_metric_data")
    whole = lambda: list(
        paginator.paginate(MetricDataQueries=[query(0, "Long", "Sum")], StartTime=START, EndTime=START + timedelta(minutes=100))
    )
    checks.equal("the second page fails", refused(whole), "InternalServiceFault")
    checks.equal("and the next try does not", refused(whole), None)


def retention(checks, fake):
    client = fake.client("cloudwatch")
    fake.control(now="2026-11-16T00:00Z", retention=True)
    checks.equal("after 15 days", values(client, "SampleCount"), [])
    checks.equal("five minutes are left", values(client, "SampleCount", period=300), [6.0])
    fake.control(now="2027-01-03T00:00Z")
    checks.equal("after 63 days", values(client, "SampleCount", period=300), [])
    checks.equal("an hour is left", values(client, "SampleCount", period=3600), [6.0])
    fake.control(now=None, retention=False)
    checks.equal("without retention", values(client, "SampleCount"), [5.0, 1.0])


def faults(checks, fake):
    client = fake.client("cloudwatch")
    fake.control(faults=[{"action": "GetMetricData", "code": "ThrottlingException", "times": 2}])
    checks.equal("throttled", [refused(lambda: values(client, "Sum")) for _ in range(3)], ["ThrottlingException"] * 2 + [None])
    fake.control(faults=[{"action": "*", "drop": True}])
    checks.equal("dropped", [refused(lambda: values(client, "Sum")) for _ in range(2)], ["dropped", None])
    fake.control(results=[{"metric": TIME, "code": "PartialData", "times": 1}])
    cut = [ask(client, query(0, TIME, "SampleCount"))["MetricDataResults"][0] for _ in range(2)]
    checks.equal(
        "half is there",
        [(result["StatusCode"], result["Values"]) for result in cut],
        [("PartialData", [5.0]), ("Complete", [5.0, 1.0])],
    )
    fake.control(messages=[{"Code": "MaxMetricsExceeded", "Value": "Maximum number of allowed metrics exceeded"}])
    checks.equal("a message of the answer", ask(client, query(0, TIME, "Sum"))["Messages"][0]["Code"], "MaxMetricsExceeded")


def counters(checks, fake):
    client = fake.client("cloudwatch")
    six = ["Sum", "SampleCount", "Average", "TC(:0.3)", "TC(:1)", "p99"]
    ask(client, *(query(number, TIME, stat) for number, stat in enumerate(six)), query(6, "Long", "Sum"), minutes=100)
    found = fake.get()["counters"]
    checks.equal("six statistics are billed as two metrics", found["metrics_billed"], 3)
    checks.equal("datapoints", found["datapoints"], 6 * 2 + 100)
    checks.equal("pages", (found["pages"], found["requests"]), (1, {"GetMetricData": 1}))
    asked = fake.get("/_requests")[0]
    checks.equal(
        "the request is kept",
        (asked["start"], asked["end"], len(asked["queries"])),
        ("2026-10-31T00:00:00Z", "2026-10-31T01:40:00Z", 7),
    )


def cbor(checks, fake):
    body = {
        "MetricDataQueries": [query(0, TIME, "TC(:0.3)")],
        "StartTime": cbor2.CBORTag(1, START.timestamp()),
        "EndTime": cbor2.CBORTag(1, START.timestamp() + 3600),
        "ScanBy": "TimestampAscending",
    }
    request = urllib.request.Request(
        fake.url + "/service/GraniteServiceVersion20100801/operation/GetMetricData",
        cbor2.dumps(body),
        {"smithy-protocol": "rpc-v2-cbor", "Content-Type": "application/cbor"},
    )
    with urllib.request.urlopen(request) as answer:
        found = cbor2.loads(answer.read())["MetricDataResults"][0]
    checks.equal("cbor", (found["Timestamps"], found["Values"]), ([START, START + timedelta(minutes=2)], [4.0, 0.0]))


def csv(checks, fake):
    fake.post(
        "/_series",
        "namespace,metric,dimensions,account,region,minute,value,count\n"
        "AWS/ELB,Latency,LoadBalancerName=old,,,2026-10-31T00:01Z,0.25,4\n",
    )
    wanted = {"Namespace": "AWS/ELB", "MetricName": "Latency", "Dimensions": [{"Name": "LoadBalancerName", "Value": "old"}]}
    found = ask(fake.client("cloudwatch"), {"Id": "a", "MetricStat": {"Metric": wanted, "Period": 60, "Stat": "SampleCount"}})
    checks.equal("csv", found["MetricDataResults"][0]["Values"], [4.0])
    listed = fake.client("cloudwatch").list_metrics(Namespace="AWS/ELB")["Metrics"]
    checks.equal("list", [metric["MetricName"] for metric in listed], ["Latency"])


def main():
    checks = Checks()
    with running_fake("cloudwatch_server.py", "--control", '{"retention": false}') as fake:
        fake.post(
            "/_series",
            [series(TIME, samples=[[0.1, [0.3, 3], 0.5], None, [0.9]]), series("HTTPCode_Target_5XX_Count", sums=[3, None, 1])],
        )
        statistics(checks, fake.client("cloudwatch"))
        for check in (accounts, pages, retention, faults, counters, cbor, csv):
            fake.post("/_reset", {})
            check(checks, fake)
    checks.end("CloudWatch fake")


if __name__ == "__main__":
    main()
