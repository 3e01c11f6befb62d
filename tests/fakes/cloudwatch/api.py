"""GetMetricData, PutMetricData and ListMetrics over a store of series, with limits, pagination and pricing."""

import base64
import time
from datetime import UTC, datetime

from cloudwatch.loading import key, load, minute_of
from cloudwatch.metric_math import evaluate
from cloudwatch.series import Series
from cloudwatch.statistics import points
from fake_server import Fake, Refusal

POINTS_PER_PAGE = 100_800
METRICS_PER_LIST = 500


def epoch_s(value):
    if isinstance(value, datetime):
        return value.timestamp()
    if isinstance(value, int | float):
        return float(value)
    return datetime.fromisoformat(value.replace("Z", "+00:00")).timestamp()


class CloudWatch(Fake):
    """Settings beside those of every fake:

    now         `2026-10-31T12:00Z`: the moment from which ages are counted; without it the real one
    retention   false keeps one-minute data for ever
    page        datapoints of a page
    results     list of {account, region, metric, dimension, code, times}: results of queries that fit all that is said
                (`dimension` is any dimension's value) carry this StatusCode: `Forbidden` and `InternalError` without values,
                `PartialData` with the first half of them
    messages    list of {Code, Value}: the answer's own messages, such as that too many metrics were asked for
    """

    settings = {"now": None, "retention": True, "page": POINTS_PER_PAGE, "results": [], "messages": []}

    def __init__(self, control=None):
        self.store = {}
        super().__init__(control)

    def now_s(self):
        now = self.control["now"]
        return minute_of(now) * 60.0 if now else time.time()

    def state(self):
        return {"series": len(self.store)}

    def post(self, path, raw):
        match path:
            case "/_series":
                with self.lock:
                    return {"samples": load(self.store, raw.decode())}
            case "/_clear":
                self.store.clear()
                return {}
        return None

    def summary(self, action, body):
        if action != "GetMetricData":
            return {}
        text = lambda moment: datetime.fromtimestamp(epoch_s(moment), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        queries = body.get("MetricDataQueries", [])
        return {
            "start": text(body["StartTime"]),
            "end": text(body["EndTime"]),
            "first_page": not body.get("NextToken"),
            "queries": [described(query) for query in queries],
        }

    def answer(self, action, body, caller):
        actions = {"GetMetricData": self.get_metric_data, "PutMetricData": self.put_metric_data, "ListMetrics": self.list_metrics}
        if action not in actions:
            raise Refusal("InvalidAction", f"not in this fake: {action}")
        with self.lock:
            return actions[action](body, caller)

    def get_metric_data(self, body, caller):
        queries = body["MetricDataQueries"]
        start, end = epoch_s(body["StartTime"]), epoch_s(body["EndTime"])
        check(queries, start, end)
        found = {query["Id"]: self.of_metric(query, start, end, caller) for query in queries if "MetricStat" in query}
        moments = sorted({moment for times, _ in found.values() for moment in times})
        for query in queries:
            if "Expression" in query:
                found[query["Id"]] = evaluate(query["Expression"], found, moments)
        shown = [query for query in queries if query.get("ReturnData", True)]
        # Every query advances by the same number of points per page.
        page = min(int(body.get("MaxDatapoints") or POINTS_PER_PAGE), self.control["page"])
        at = int(base64.b64decode(body["NextToken"])) if body.get("NextToken") else 0
        step = max(1, page // max(1, len(shown)))
        falling = body.get("ScanBy", "TimestampDescending") == "TimestampDescending"
        results = [self.result(query, found[query["Id"]], falling, at, step, caller) for query in shown]
        self.count("pages")
        self.count("datapoints", sum(len(result["Values"]) for result in results))
        # Whether CloudWatch bills further pages is not documented, so both are counted.
        self.count("metrics_billed" if at == 0 else "metrics_on_further_pages", metrics_billed(queries, caller))
        answer = {"MetricDataResults": results, "Messages": self.control["messages"]}
        if any(len(found[query["Id"]][0]) > at + step for query in shown):
            answer["NextToken"] = base64.b64encode(str(at + step).encode()).decode()
        return answer

    def of_metric(self, query, start, end, caller):
        wanted = query["MetricStat"]
        series = self.store.get(name_of(query, caller))
        now = self.now_s() if self.control["retention"] else None
        return points(series, wanted["Stat"], int(wanted["Period"]), start, end, now)

    def result(self, query, found, falling, at, step, caller):
        times, values = (column[::-1] for column in found) if falling else found
        code = "PartialData" if len(times) > at + step else "Complete"
        times, values = times[at : at + step], values[at : at + step]
        fault = self.due_result(query, caller)
        if fault:
            code = fault["code"]
            left = len(times) // 2 if code == "PartialData" else 0
            times, values = times[:left], values[:left]
        result = {
            "Id": query["Id"],
            "Label": query.get("Label", query["Id"]),
            "Timestamps": [float(moment) for moment in times],
            "Values": [float(value) for value in values],
            "StatusCode": code,
        }
        return result | ({"Messages": [{"Code": code, "Value": f"{code} for query {query['Id']}"}]} if fault else {})

    def due_result(self, query, caller):
        if "MetricStat" not in query:
            return None
        account, region, _, metric, dimensions = name_of(query, caller)
        facts = {"account": [account], "region": [region], "metric": [metric], "dimension": [value for _, value in dimensions]}
        for fault in self.control["results"]:
            fits = all(fault[name] in values for name, values in facts.items() if name in fault)
            if fits and fault.get("times", 1) > 0:
                if "times" in fault:
                    fault["times"] -= 1
                return fault
        return None

    def put_metric_data(self, body, caller):
        if len(body["MetricData"]) > 1000:
            raise Refusal("ValidationError", "The collection MetricData must not have a size greater than 1000.")
        for datum in body["MetricData"]:
            dimensions = [(dimension["Name"], dimension["Value"]) for dimension in datum.get("Dimensions") or []]
            name = key(caller.account, caller.region, body["Namespace"], datum["MetricName"], dimensions)
            minute = int(epoch_s(datum.get("Timestamp", time.time())) // 60)
            values = datum.get("Values") or [datum.get("Value", 0.0)]
            pairs = list(zip(values, datum.get("Counts") or [1.0] * len(values), strict=True))
            self.store.setdefault(name, Series()).add(minute, pairs, datum.get("StatisticValues"))
        return {}

    def list_metrics(self, body, caller):
        wanted = [(dimension["Name"], dimension.get("Value")) for dimension in body.get("Dimensions") or []]
        linked, owner = body.get("IncludeLinkedAccounts"), body.get("OwningAccount")
        found = []
        for account, region, namespace, metric, dimensions in self.store:
            own = region == caller.region and (account == (owner or account) if linked else account == caller.account)
            named = body.get("Namespace") in (None, namespace) and body.get("MetricName") in (None, metric)
            if own and named and all(any(name == n and value in (None, v) for n, v in dimensions) for name, value in wanted):
                found.append((account, namespace, metric, dimensions))
        at = int(body.get("NextToken") or 0)
        page = found[at : at + METRICS_PER_LIST]
        answer = {
            "Metrics": [
                {
                    "Namespace": namespace,
                    "MetricName": metric,
                    "Dimensions": [{"Name": name, "Value": value} for name, value in dimensions],
                }
                for _, namespace, metric, dimensions in page
            ]
        }
        if linked:
            answer["OwningAccounts"] = [account for account, *_ in page]
        return answer | ({"NextToken": str(at + METRICS_PER_LIST)} if len(found) > at + METRICS_PER_LIST else {})


def check(queries, start, end):
    """The limits of GetMetricData's reference page.

    https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_GetMetricData.html
    """
    if len(queries) > 500:
        raise Refusal("ValidationError", "The collection MetricDataQueries must not have a size greater than 500.")
    if start >= end:
        raise Refusal("ValidationError", "The parameter StartTime must be less than the parameter EndTime.")
    if len({query["Id"] for query in queries}) < len(queries):
        raise Refusal("ValidationError", "The values for parameter id in MetricDataQueries are not unique.")


def name_of(query, caller):
    """The series of a query; `AccountId` names a linked account."""
    metric = query["MetricStat"]["Metric"]
    dimensions = [(dimension["Name"], dimension["Value"]) for dimension in metric.get("Dimensions") or []]
    return key(query.get("AccountId") or caller.account, caller.region, metric["Namespace"], metric["MetricName"], dimensions)


def metrics_billed(queries, caller):
    """AWS bills up to five statistics of one metric in one call as one metric."""
    statistics = {}
    for query in queries:
        if "MetricStat" in query:
            wanted = query["MetricStat"]
            statistics.setdefault(name_of(query, caller), set()).add((wanted["Stat"], wanted["Period"]))
    return sum(-(-len(asked) // 5) for asked in statistics.values())


def described(query):
    if "MetricStat" not in query:
        return {"expression": query.get("Expression")}
    wanted, metric = query["MetricStat"], query["MetricStat"]["Metric"]
    return {
        "metric": metric["MetricName"],
        "stat": wanted["Stat"],
        "period": wanted["Period"],
        "account": query.get("AccountId"),
        "dimensions": {dimension["Name"]: dimension["Value"] for dimension in metric.get("Dimensions") or []},
    }
