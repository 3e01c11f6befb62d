"""StartQueryExecution, GetQueryExecution, GetQueryResults and StopQueryExecution over an engine."""

import io
import re
import threading
import time
import uuid

from athena import QueryFault
from fake_server import Fake, Refusal, due

ROWS_PER_PAGE = 1000
QUERY_BYTES = 262_144


def invalid(message):
    return Refusal("InvalidRequestException", message)


class Run:
    """One query execution."""

    def __init__(self, request, output):
        self.id, self.query = str(uuid.uuid4()), request["QueryString"]
        self.is_select = bool(re.match(r"\s*(--.*\n\s*)*(SELECT|WITH|VALUES|UNLOAD)", self.query, re.I))
        self.token, self.parameters = request.get("ClientRequestToken"), request.get("ExecutionParameters") or []
        self.context, self.group = request.get("QueryExecutionContext") or {}, request.get("WorkGroup", "primary")
        self.output = f"{output.rstrip('/')}/{self.id}.{'csv' if self.is_select else 'txt'}" if output else None
        self.status = {"State": "QUEUED", "SubmissionDateTime": time.time()}
        self.statistics = {"DataScannedInBytes": 0}
        self.columns, self.rows, self.scans = [], [], []

    def described(self):
        said = {
            "QueryExecutionId": self.id,
            "Query": self.query,
            "StatementType": "DML" if self.is_select else "DDL",
            "QueryExecutionContext": self.context,
            "Status": self.status,
            "Statistics": self.statistics,
            "WorkGroup": self.group,
            "EngineVersion": {"SelectedEngineVersion": "AUTO", "EffectiveEngineVersion": "Athena engine version 3"},
        }
        said |= {"ResultConfiguration": {"OutputLocation": self.output}} if self.output else {}
        return said | ({"ExecutionParameters": self.parameters} if self.parameters else {})

    def end(self, state, reason=None, category=2, retryable=False):
        self.status["CompletionDateTime"] = time.time()
        if reason:
            self.status["StateChangeReason"] = reason
        if state == "FAILED":
            self.status["AthenaError"] = {
                "ErrorCategory": category,
                "ErrorType": 1000,
                "Retryable": retryable,
                "ErrorMessage": reason,
            }
        self.status["State"] = state


class Athena(Fake):
    """Settings beside those of every fake:

    delay_s      seconds that a query takes, half of them QUEUED and half RUNNING
    scan_limit   bytes after which a query is cancelled, as by a work group's limit
    scanned      bytes that a query tells it has scanned while it still runs
    queries      list of {contains, state, reason, category, retryable, times, after}: SELECTs whose text has `contains` end in
                 `state` (FAILED unless said, or CANCELLED) instead of running, `times` times once `after` of them have passed
    """

    settings = {"delay_s": 0.0, "scan_limit": None, "scanned": 0, "queries": []}

    def __init__(self, engine, output, managed, control=None):
        self.engine, self.output, self.managed = engine, output, managed
        self.runs = {}
        super().__init__(control)

    def state(self):
        return {"tables": [".".join(key) for key in self.engine.tables], "runs": len(self.runs)}

    def summary(self, action, body):
        return {key: body[key] for key in ("QueryString", "ClientRequestToken", "QueryExecutionId", "MaxResults") if key in body}

    def post(self, path, raw):
        if path != "/_queries":
            return None
        return [
            {
                "id": run.id,
                "state": run.status["State"],
                "reason": run.status.get("StateChangeReason"),
                "query": run.query,
                "bytes": run.statistics["DataScannedInBytes"],
                "scans": run.scans,
                "rows": len(run.rows),
            }
            for run in self.runs.values()
        ]

    def answer(self, action, body, caller):
        if action == "StartQueryExecution":
            return self.start(body)
        run = self.runs.get(body.get("QueryExecutionId"))
        if run is None:
            raise invalid(f"QueryExecution {body.get('QueryExecutionId')} was not found")
        match action:
            case "GetQueryExecution":
                return {"QueryExecution": run.described()}
            case "GetQueryResults":
                return self.results(run, body)
            case "StopQueryExecution":
                with self.lock:
                    if run.status["State"] in ("QUEUED", "RUNNING"):
                        run.end("CANCELLED", "Query cancelled by user")
                return {}
        raise invalid(f"{action} is not in this fake")

    def start(self, body):
        query = body["QueryString"]
        if not 1 <= len(query.encode()) <= QUERY_BYTES:
            raise invalid(
                f"1 validation error detected: Value at 'queryString' must have length less than or equal to {QUERY_BYTES}"
            )
        output = (body.get("ResultConfiguration") or {}).get("OutputLocation") or self.output
        if self.managed and output:
            raise invalid("ManagedQueryResultsConfiguration and ResultConfiguration cannot be set together")
        if not self.managed and not output:
            raise invalid(
                "No output location provided. An output location is required either through the Workgroup result "
                "configuration setting or as an API input."
            )
        with self.lock:
            run = Run(body, output)
            for earlier in self.runs.values():
                # "A unique case-sensitive string used to ensure the request to create the query is idempotent"
                # https://docs.aws.amazon.com/athena/latest/APIReference/API_StartQueryExecution.html
                if run.token and earlier.token == run.token:
                    if earlier.query != query:
                        raise invalid("Idempotent parameters do not match")
                    return {"QueryExecutionId": earlier.id}
            self.runs[run.id] = run
        threading.Thread(target=self.run, args=(run,), daemon=True).start()
        return {"QueryExecutionId": run.id}

    def run(self, run):
        began, delay = time.time(), self.control["delay_s"]
        time.sleep(delay / 2)
        with self.lock:
            if run.status["State"] == "QUEUED":
                run.status["State"] = "RUNNING"
                run.statistics["DataScannedInBytes"] = self.control["scanned"] if run.is_select else 0
        time.sleep(delay / 2)
        try:
            fault = self.due_query(run)
            if fault:
                return self.finish(
                    run,
                    fault.get("state", "FAILED"),
                    fault.get("reason", "GENERIC_INTERNAL_ERROR: by request"),
                    fault.get("category", 1),
                    fault.get("retryable", False),
                )
            database = (run.context.get("Database") or "default").lower()
            result = self.engine.execute(run.query, database, run.parameters, self.control["scan_limit"])
            if run.output:
                self.engine.storage.put(run.output, csv_of(result) if result.is_select else b"")
            with self.lock:
                run.columns, run.rows, run.scans = result.columns, result.rows, result.scans
                run.statistics["DataScannedInBytes"] = result.bytes_scanned
                self.count("bytes_scanned", result.bytes_scanned)
                self.count("scans", len(result.scans))
            self.finish(run, "SUCCEEDED")
        except QueryFault as fault:
            self.finish(run, "CANCELLED" if "cancelled" in str(fault) else "FAILED", str(fault))
        except Exception as fault:  # a test must see it as the query's end, not as a query that never ends
            self.finish(run, "FAILED", f"GENERIC_INTERNAL_ERROR: {type(fault).__name__}: {fault}", category=1)
        finally:
            run.statistics["EngineExecutionTimeInMillis"] = int((time.time() - began) * 1000)

    def finish(self, run, state, reason=None, category=2, retryable=False):
        with self.lock:
            if run.status["State"] != "CANCELLED":
                run.end(state, reason, category, retryable)

    def due_query(self, run):
        with self.lock:
            return due(self.control["queries"], lambda fault: run.is_select and fault.get("contains", "") in run.query)

    def results(self, run, body):
        state = run.status["State"]
        if state in ("QUEUED", "RUNNING"):
            raise invalid(f"Query has not yet finished. Current state: {state}")
        if state != "SUCCEEDED":
            raise invalid(f"Query did not finish successfully. Final query state: {state}")
        wanted = body.get("MaxResults", ROWS_PER_PAGE)
        if not 1 <= wanted <= ROWS_PER_PAGE:
            raise invalid("MaxResults is more than maximum allowed length of 1000.")
        # The first row of a SELECT holds the column names.
        rows = ([[name for name, _ in run.columns]] if run.is_select else []) + run.rows
        at = int(body.get("NextToken") or 0)
        page = rows[at : at + wanted]
        self.count("pages")
        self.count("rows", len(page))
        answer = {
            "ResultSet": {
                "Rows": [{"Data": [{} if value is None else {"VarCharValue": value} for value in row]} for row in page],
                "ResultSetMetadata": {"ColumnInfo": [column_info(name, kind) for name, kind in run.columns]},
            },
            "UpdateCount": 0,
        }
        return answer | ({"NextToken": str(at + wanted)} if at + wanted < len(rows) else {})


def column_info(name, kind):
    return {
        "CatalogName": "hive",
        "SchemaName": "",
        "TableName": "",
        "Name": name,
        "Label": name,
        "Type": kind,
        "Precision": 0,
        "Scale": 0,
        "Nullable": "UNKNOWN",
        "CaseSensitive": kind == "varchar",
    }


def csv_of(result):
    """Athena quotes every value and leaves NULL empty."""
    text = io.StringIO()
    for row in [[name for name, _ in result.columns], *result.rows]:
        text.write(",".join("" if value is None else '"' + value.replace('"', '""') + '"' for value in row) + "\n")
    return text.getvalue().encode()
