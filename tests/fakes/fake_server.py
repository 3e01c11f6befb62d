"""Common parts of the AWS fakes: HTTP, faults, counters, and the caller's identity.

A fake serves the protocol of its service on `/`; tests control the fake through the paths below. Bodies are JSON.

    GET  /            stored data and counters
    GET  /_requests   the latest requests, oldest first
    POST /_control    merged into the control settings; returns all of them. Unknown names are rejected
    POST /_reset      control settings, counters and requests to the initial state; loaded data stays

Settings of every fake:

    latency_s   delay of each response in seconds
    faults      list of {action, code, status, message, times, after, drop}: requests of the action (`*` is any), once
                `after` of them have passed, fail `times` times with that error; `drop` closes the connection instead
"""

import copy
import gzip
import json
import re
import socket
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs

ACCOUNT = "123456789012"
REGION = "eu-west-1"
REQUESTS_KEPT = 10_000


def due(faults, fits):
    """Returns and consumes the first matching fault; its first `after` matches pass."""
    for fault in faults:
        if not fits(fault) or fault.get("times", 1) <= 0:
            continue
        if fault.get("after", 0) > 0:
            fault["after"] -= 1
            continue
        fault["times"] = fault.get("times", 1) - 1
        return fault
    return None


class Refusal(Exception):
    """An API error response."""

    def __init__(self, code, message, status=400):
        super().__init__(message)
        self.code, self.message, self.status = code, message, status


class Caller:
    """Account and region of a request, out of its signature (which is not checked).

    An access key `ASIA` + account number + anything belongs to that account; `AssumeRole`, which every fake answers, gives
    out such keys. All other keys belong to the default account.
    """

    def __init__(self, authorization):
        found = re.search(r"Credential=([^/,\s]+)/\d+/([^/]+)/", authorization or "")
        key, self.region = found.groups() if found else ("", REGION)
        account = re.match(r"ASIA(\d{12})", key)
        self.account = account[1] if account else ACCOUNT


class Fake:
    """Settings, counters and the request log. Subclasses add settings and actions."""

    settings: dict = {}

    def __init__(self, control=None):
        self.lock = threading.RLock()
        self.at_start = control or {}
        self.reset()

    def reset(self):
        with self.lock:
            self.control = {"latency_s": 0.0, "faults": [], **copy.deepcopy(self.settings)}
            self.counters = {"requests": {}, "refused": 0}
            self.requests = []
            self.set_control(copy.deepcopy(self.at_start))

    def set_control(self, changes):
        unknown = changes.keys() - self.control.keys()
        if unknown:
            raise Refusal("UnknownSetting", f"no such setting: {', '.join(sorted(unknown))}")
        with self.lock:
            self.control.update(changes)
            return self.control

    def count(self, name, amount=1):
        with self.lock:
            self.counters[name] = self.counters.get(name, 0) + amount

    def begin(self, action, caller, summary):
        """Counts a request and applies a fault if one is due."""
        with self.lock:
            asked = self.counters["requests"]
            asked[action] = asked.get(action, 0) + 1
            self.requests.append({"action": action, "account": caller.account, "region": caller.region, **summary})
            del self.requests[:-REQUESTS_KEPT]
            fault = self.due_fault(action)
        time.sleep(self.control["latency_s"])
        if fault is None:
            return
        self.count("refused")
        if fault.get("drop"):
            raise ConnectionAbortedError
        code = fault.get("code", "ThrottlingException")
        raise Refusal(code, fault.get("message", "Rate exceeded"), fault.get("status", 400))

    def due_fault(self, action):
        return due(self.control["faults"], lambda fault: fault["action"] in (action, "*"))

    def state(self):
        """Additional fields of `GET /` beside the counters."""
        return {}

    def summary(self, action, body):
        """The request log entry of a request."""
        return {}

    def answer(self, action, body, caller):
        raise NotImplementedError

    def post(self, path, body):
        """Handles a control path of the fake; `None` if the path does not exist."""
        return None


class Handler(BaseHTTPRequestHandler):
    """One connection. Subclasses implement the wire format of their service."""

    protocol_version = "HTTP/1.1"
    # Head and body in one packet, to avoid a delay by Nagle's algorithm and delayed acknowledgements.
    wbufsize = -1
    fake: Fake

    def log_message(self, *_):
        pass

    def send(self, status, body, content_type, headers=()):
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def send_json(self, value, status=200):
        self.send(status, json.dumps(value, default=str).encode(), "application/json")

    def do_GET(self):
        if self.path == "/_requests":
            return self.send_json(self.fake.requests)
        return self.send_json({"status": "ok", **self.fake.state(), "counters": self.fake.counters})

    def do_POST(self):
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.headers.get("Content-Encoding") == "gzip":
            raw = gzip.decompress(raw)
        if self.path.startswith("/_"):
            return self.post_to_fake(raw)
        if raw.startswith(b"Action=AssumeRole&") or b"&Action=AssumeRole&" in raw:
            return self.assume_role(parse_qs(raw.decode()))
        try:
            return self.serve(raw, Caller(self.headers.get("Authorization")))
        except ConnectionAbortedError:
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)

    def post_to_fake(self, raw):
        try:
            if self.path == "/_control":
                return self.send_json(self.fake.set_control(json.loads(raw or b"{}")))
            if self.path == "/_reset":
                self.fake.reset()
                return self.send_json({})
            answer = self.fake.post(self.path, raw)
            return self.send_json({"error": f"no such path: {self.path}"}, 404) if answer is None else self.send_json(answer)
        except (Refusal, ValueError, KeyError, TypeError) as fault:
            return self.send_json({"error": f"{type(fault).__name__}: {fault}"}, 400)

    def assume_role(self, form):
        """STS AssumeRole: returns a key that encodes the role's account."""
        arn, session = form["RoleArn"][0], form.get("RoleSessionName", ["session"])[0]
        account = arn.split(":")[4]
        with self.fake.lock:
            fault = due(self.fake.control["faults"], lambda fault: fault.get("action") == "AssumeRole")
        if fault:
            text = NOT_ASSUMED.format(code=fault["code"], message=fault.get("message", ""))
            return self.send(fault.get("status", 403), text.encode(), "text/xml")
        self.fake.count("roles_assumed")
        with self.fake.lock:
            self.fake.counters.setdefault("roles", []).append([arn, form.get("ExternalId", [None])[0]])
        self.send(200, ASSUMED.format(account=account, arn=arn, session=session).encode(), "text/xml")

    def serve(self, raw, caller):
        raise NotImplementedError


NOT_ASSUMED = """<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type>
<Code>{code}</Code><Message>{message}</Message></Error><RequestId>1</RequestId></ErrorResponse>"""

ASSUMED = """<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult><Credentials>
<AccessKeyId>ASIA{account}ROLE</AccessKeyId><SecretAccessKey>secret</SecretAccessKey><SessionToken>token</SessionToken>
<Expiration>2099-01-01T00:00:00Z</Expiration></Credentials><AssumedRoleUser><AssumedRoleId>AROA:{session}</AssumedRoleId>
<Arn>{arn}/{session}</Arn></AssumedRoleUser></AssumeRoleResult><ResponseMetadata><RequestId>1</RequestId></ResponseMetadata>
</AssumeRoleResponse>"""


def add_options(parser):
    parser.add_argument("--port", type=int, default=0, help="port on 127.0.0.1; 0 takes a free one (default)")
    parser.add_argument("--control", type=json.loads, default={}, help="settings to begin with, as for POST /_control")


def listen(fake, handler, port, tls=None):
    """Serves until the process ends. A line on stderr reports readiness and the address."""
    handler.fake = fake
    server = ThreadingHTTPServer(("127.0.0.1", port), handler)
    server.daemon_threads = True
    if tls:
        # The TLS handshake runs in the thread of its connection.
        server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    scheme = "https" if tls else "http"
    print(f"listening on {scheme}://127.0.0.1:{server.server_port}", file=sys.stderr, flush=True)
    server.serve_forever()
