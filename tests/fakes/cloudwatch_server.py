#!/usr/bin/env python3
"""A CloudWatch fake for the AWS SDKs for Rust (smithy rpc-v2-cbor) and Python (awsJson).

    cloudwatch_server.py [--port 0] [--control JSON] [--load FILE]... [--fleet BALANCERS --days DAYS]

It answers GetMetricData, PutMetricData and ListMetrics with exact statistics (Sum, SampleCount, Average, Minimum, Maximum,
pNN, PR, TC, TS), in pages, for several accounts and regions, with CloudWatch's retention. In addition to the common paths
(fake_server.py):

    POST /_series   add series, JSON or CSV as in cloudwatch/loading.py
    POST /_clear    delete all series

Settings for `/_control` are in cloudwatch/api.py.
"""

import argparse
import json
from pathlib import Path

import cbor2

from cloudwatch.api import CloudWatch
from cloudwatch.loading import load, load_fleet
from fake_server import Handler, Refusal, add_options, listen

EPOCH_TAG = 1


class Wire(Handler):
    """Both protocols, distinguished by their headers."""

    def serve(self, raw, caller):
        is_cbor = self.headers.get("smithy-protocol") == "rpc-v2-cbor"
        action = self.path.split("/")[-1] if is_cbor else self.headers.get("X-Amz-Target", "").split(".")[-1]
        status, fault = 200, None
        try:
            body = cbor2.loads(raw) if is_cbor else json.loads(raw)
            self.fake.begin(action, caller, self.fake.summary(action, body))
            answer = self.fake.answer(action, body, caller)
        except KeyError as missing:
            fault = Refusal("MissingParameter", f"the parameter {missing} is missing")
        except Refusal as refusal:
            fault = refusal
        if fault:
            status = fault.status
            answer = {"__type": "com.amazonaws.cloudwatch#" + fault.code, "message": fault.message}
        if is_cbor:
            for result in answer.get("MetricDataResults", []):
                result["Timestamps"] = [cbor2.CBORTag(EPOCH_TAG, moment) for moment in result["Timestamps"]]
            return self.send(status, cbor2.dumps(answer), "application/cbor", [("smithy-protocol", "rpc-v2-cbor")])
        headers = [("x-amzn-query-error", fault.code + ";Sender")] if fault else []
        return self.send(status, json.dumps(answer).encode(), "application/x-amz-json-1.0", headers)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_options(parser)
    parser.add_argument("--load", type=Path, action="append", default=[], help="series to begin with, JSON or CSV")
    parser.add_argument("--fleet", type=int, default=0, help="balancers of a made-up fleet")
    parser.add_argument("--days", type=int, default=30, help="days of its past")
    options = parser.parse_args()
    fake = CloudWatch(options.control)
    for file in options.load:
        load(fake.store, file.read_text())
    load_fleet(fake.store, options.fleet, options.days, fake.now_s())
    listen(fake, Wire, options.port)


if __name__ == "__main__":
    main()
