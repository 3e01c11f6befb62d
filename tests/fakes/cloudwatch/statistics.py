"""Statistics of a series per period, exactly, from the single values.

Bounds as "Statistics definitions" has them: lower exclusive, upper inclusive; PR is a percentage, TC a count.
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/Statistics-definitions.html
"""

import re

import numpy as np

from cloudwatch.series import COUNT, GREATEST, LEAST, SUM
from fake_server import Refusal

PLAIN = ("Sum", "SampleCount", "Average", "Minimum", "Maximum")
# Retention in days by period in seconds.
KEPT_DAYS = ((300, 15), (3600, 63), (None, 455))


def kept_minutes(period_s):
    """Applies CloudWatch's retention: 1-minute data for 15 days, 5-minute for 63, 1-hour for 455."""
    days = next(days for below, days in KEPT_DAYS if below is None or period_s < below)
    return days * 1440


def points(series, statistic, period_s, start_s, end_s, now_s=None):
    """Epoch seconds in ascending order, and their values. Without `now_s` there is no retention limit."""
    if period_s <= 0 or period_s % 60:
        raise Refusal("ValidationError", "The parameter MetricDataQueries.member.1.MetricStat.Period must be a multiple of 60.")
    empty = np.zeros(0), np.zeros(0)
    if statistic not in PLAIN:
        parse(statistic)
    if series is None or series.start is None:
        return empty
    width = period_s // 60
    first, last = int((start_s - start_s % period_s) // 60), int(-(-end_s // 60))
    if now_s is not None:
        first = max(first, int(now_s // 60) - kept_minutes(period_s))
        first += -first % width
    starts, cells = series.periods(first, last, width)
    count = cells[COUNT].sum(axis=1)
    seen = count > 0
    if statistic in PLAIN:
        return starts[seen] * 60.0, plain(statistic, cells, count, seen)[seen]
    found = []
    for start in starts[seen]:
        samples = series.samples(int(start), int(start) + width)
        if samples is not None:
            found.append((start * 60.0, extended(statistic, samples)))
    return tuple(map(np.array, zip(*found, strict=True))) if found else empty


def plain(statistic, cells, count, seen):
    total = cells[SUM].sum(axis=1)
    match statistic:
        case "Sum":
            return total
        case "SampleCount":
            return count
        case "Average":
            return np.divide(total, count, out=np.zeros(len(count)), where=seen)
        case "Minimum":
            return cells[LEAST].min(axis=1)
        case _:
            return cells[GREATEST].max(axis=1)


def parse(statistic):
    """`p99.9` -> ("p", share, None), `TC(a:b)` -> ("TC", a, b); a bound that is left out is infinite."""
    if percentile := re.fullmatch(r"p(\d{1,2}(?:\.\d{1,10})?|100)", statistic):
        return "p", float(percentile[1]) / 100, None
    bounded = re.fullmatch(r"(PR|TC|TS)\((\d+(?:\.\d+)?)?:(\d+(?:\.\d+)?)?\)", statistic)
    if not bounded or not (bounded[2] or bounded[3]):
        message = f"The value {statistic} for parameter MetricDataQueries.member.1.MetricStat.Stat is not supported."
        raise Refusal("ValidationError", message)
    return bounded[1], float(bounded[2] or "-inf"), float(bounded[3] or "inf")


def extended(statistic, samples):
    kind, low, high = parse(statistic)
    total = sum(count for _, count in samples)
    if kind == "p":
        below = 0
        for value, count in sorted(samples):
            below += count
            if below >= low * total:
                return value
        return max(samples)[0]
    inside = [(value, count) for value, count in samples if low < value <= high]
    number = sum(count for _, count in inside)
    match kind:
        case "PR":
            return 100.0 * number / total
        case "TC":
            return float(number)
        case _:
            return sum(value * count for value, count in inside)
