"""Metrics from JSON, CSV or a made-up fleet into the store.

JSON is a list of series, each minute by minute from `start` on:

    [{"namespace": "AWS/ApplicationELB", "metric": "TargetResponseTime",
      "dimensions": {"LoadBalancer": "app/shop/0a"}, "account": "123456789012", "region": "eu-west-1",
      "start": "2026-10-31T00:00Z",
      "samples": [[0.12, [0.3, 20]], null, [0.5]]},        per minute, single values or [value, count]
     {"namespace": "AWS/ApplicationELB", "metric": "HTTPCode_Target_5XX_Count", "dimensions": {...},
      "start": "2026-10-31T00:00Z", "sums": [3, null, 1]}]   one sample a minute; null is no data

CSV has a header and a sample a row; dimensions are written `LoadBalancer=app/shop/0a;TargetGroup=targetgroup/x/0b`:

    namespace,metric,dimensions,account,region,minute,value,count

Account, region and count may be missing. The same minute twice adds up, as with PutMetricData.
"""

import csv
import io
import json
from datetime import UTC, datetime

import numpy as np

from cloudwatch.series import Series
from fake_server import ACCOUNT, REGION


def key(account, region, namespace, metric, dimensions):
    """The key of a series. Dimensions are a set."""
    return account, region, namespace, metric, tuple(sorted(dimensions))


def minute_of(text):
    moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    return int(moment.replace(tzinfo=moment.tzinfo or UTC).timestamp() // 60)


def load(store, text):
    """Adds a JSON or CSV text to the store. Returns the number of samples."""
    return load_json(store, json.loads(text)) if text.lstrip().startswith("[") else load_csv(store, text)


def load_json(store, entries):
    loaded = 0
    for entry in entries:
        unknown = entry.keys() - {"namespace", "metric", "dimensions", "account", "region", "start", "samples", "sums"}
        if unknown or ("samples" in entry) == ("sums" in entry):
            raise ValueError(f"a series has `samples` or `sums`, and no {sorted(unknown)}")
        name = key(
            entry.get("account", ACCOUNT),
            entry.get("region", REGION),
            entry["namespace"],
            entry["metric"],
            entry.get("dimensions", {}).items(),
        )
        series, start = store.setdefault(name, Series()), minute_of(entry["start"])
        for offset, cell in enumerate(entry.get("samples") or entry.get("sums")):
            if cell is None or cell == []:
                continue
            cell = cell if isinstance(cell, list) else [cell]
            pairs = [tuple(map(float, sample)) if isinstance(sample, list) else (float(sample), 1.0) for sample in cell]
            series.add(start + offset, pairs)
            loaded += len(pairs)
    return loaded


def load_csv(store, text):
    loaded = 0
    for row in csv.DictReader(io.StringIO(text)):
        dimensions = [tuple(part.split("=", 1)) for part in row["dimensions"].split(";") if part]
        name = key(row.get("account") or ACCOUNT, row.get("region") or REGION, row["namespace"], row["metric"], dimensions)
        sample = float(row["value"]), float(row.get("count") or 1)
        store.setdefault(name, Series()).add(minute_of(row["minute"]), [sample])
        loaded += 1
    return loaded


def load_fleet(store, balancers, days, now_s):
    """Deterministic traffic for a number of load balancers, up to three minutes ago."""
    minutes = days * 1440
    start = int(now_s // 60) - 3 - minutes
    chance = np.random.default_rng(1)
    wave = 300 + 200 * np.sin(np.arange(minutes) / 229.2)
    for number in range(balancers):
        requests = chance.poisson(wave, minutes).astype(float)
        failed = {
            "HTTPCode_Target_2XX_Count": requests,
            "HTTPCode_Target_5XX_Count": chance.binomial(requests.astype(int), 0.001).astype(float),
            "HTTPCode_ELB_5XX_Count": chance.binomial(requests.astype(int), 0.0002).astype(float),
        }
        dimensions = [("LoadBalancer", f"app/svc{number}/{number:016x}")]
        for metric, values in failed.items():
            store[key(ACCOUNT, REGION, "AWS/ApplicationELB", metric, dimensions)] = Series.of_sums(start, values)
