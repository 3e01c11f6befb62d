"""S3 with faults: a proxy in front of moto that fails, delays or truncates selected requests. It answers STS AssumeRole
itself, as every fake here does, so that the account and region of each request are visible.

    python3 s3_proxy.py --control '{"upstream": "http://127.0.0.1:5000"}'

Faults, in addition to the common fields (action, code, status, message, times, after, drop); the first match applies,
and `times` is unlimited by default:

    contains     a part of the path, such as a key
    rate         the share of matching requests that fail, chosen deterministically
    unless       {"header": name} or {"region": name}: skips requests with that header, or signed for that region
    headers      of the response
    cut          bytes of moto's body to send before the connection is closed
    pieces, pace_s   number of chunks of the body, and the pause before each
"""

import argparse
import http.client
import random
import time
from urllib.parse import parse_qs, unquote, urlsplit

from fake_server import Caller, Handler, Fake, add_options, listen

ERROR = """<?xml version="1.0" encoding="UTF-8"?>
<Error><Code>{code}</Code><Message>{message}</Message><RequestId>1</RequestId><HostId>1</HostId></Error>"""
# Per connection, or recalculated by the sender.
OWN_HEADERS = {"connection", "content-length", "date", "server", "transfer-encoding", "content-type"}


class Proxy(Fake):
    settings = {"upstream": ""}
    chance = random.Random(7)

    def fault_of(self, action, path, headers, caller):
        with self.lock:
            for fault in self.control["faults"]:
                unless = fault.get("unless", {})
                if (
                    fault.get("action", "*") not in (action, "*")
                    or fault.get("contains", "") not in path
                    or fault.get("times", 1) <= 0
                    or unless.get("header", "\0") in headers
                    or unless.get("region") == caller.region
                ):
                    continue
                if fault.get("after", 0) > 0:
                    fault["after"] -= 1
                    continue
                if self.chance.random() >= fault.get("rate", 1):
                    continue
                if "times" in fault:
                    fault["times"] -= 1
                return fault
        return {}

    def note(self, action, caller, **summary):
        with self.lock:
            asked = self.counters["requests"]
            asked[action] = asked.get(action, 0) + 1
            self.requests.append({"action": action, "account": caller.account, "region": caller.region, **summary})


class S3Handler(Handler):
    def do_GET(self):
        if self.path in ("/", "/_requests"):
            return super().do_GET()
        return self.pass_on(b"")

    def do_POST(self):
        if self.path == "/" or self.path.startswith("/_"):
            return super().do_POST()
        return self.do_PUT()

    def do_PUT(self):
        return self.pass_on(self.rfile.read(int(self.headers.get("Content-Length") or 0)))

    def do_DELETE(self):
        return self.pass_on(b"")

    def do_HEAD(self):
        return self.pass_on(b"")

    def action(self):
        parts = urlsplit(self.path)
        if self.command == "GET" and "list-type" in parse_qs(parts.query):
            return "ListObjectsV2"
        return {"GET": "GetObject", "HEAD": "HeadObject", "PUT": "PutObject", "DELETE": "DeleteObject"}.get(self.command, "?")

    def pass_on(self, body):
        action, caller, fake = self.action(), Caller(self.headers.get("Authorization")), self.fake
        path = unquote(self.path)
        fault = fake.fault_of(action, path, self.headers, caller)
        payer = self.headers.get("x-amz-request-payer")
        fake.note(action, caller, path=path, range=self.headers.get("Range"), payer=payer)
        time.sleep(fake.control["latency_s"])
        if fault.get("drop"):
            self.close_connection = True
            return
        if "code" in fault:
            fake.count("refused")
            text = ERROR.format(code=fault["code"], message=fault.get("message", ""))
            return self.send(fault.get("status", 400), text.encode(), "application/xml", fault.get("headers", {}).items())
        upstream = http.client.HTTPConnection(urlsplit(fake.control["upstream"]).netloc, timeout=60)
        headers = {name: value for name, value in self.headers.items() if name.lower() != "connection"}
        upstream.request(self.command, self.path, body, headers)
        answer = upstream.getresponse()
        given = answer.read()
        upstream.close()
        self.send_response(answer.status)
        length = answer.getheader("Content-Length") if self.command == "HEAD" else str(len(given))
        for name, value in answer.getheaders():
            if name.lower() not in OWN_HEADERS:
                self.send_header(name, value)
        self.send_header("Content-Type", answer.getheader("Content-Type") or "application/xml")
        self.send_header("Content-Length", length or "0")
        self.end_headers()
        self.send_slowly(given, fault)

    def send_slowly(self, body, fault):
        sent = body[: fault.get("cut", len(body))]
        size = max(1, -(-len(sent) // fault.get("pieces", 1)))
        for start in range(0, len(sent), size):
            if "pace_s" in fault:
                time.sleep(fault["pace_s"])
            self.wfile.write(sent[start : start + size])
            self.wfile.flush()
        self.close_connection |= len(sent) < len(body)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_options(parser)
    arguments = parser.parse_args()
    listen(Proxy(arguments.control), S3Handler, arguments.port)
