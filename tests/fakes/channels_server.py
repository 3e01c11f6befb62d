#!/usr/bin/env python3
"""PagerDuty's Events API v2, Slack's incoming webhooks, and a receiver of signed webhooks, as strict as their documentation.

    python3 tests/fakes/channels_server.py [--control JSON] [--tls DIR]

| path | action | what it is |
| /v2/enqueue | enqueue | alert events: <https://developer.pagerduty.com/docs/send-alert-event> |
| /v2/change/enqueue | change | change events: <https://developer.pagerduty.com/docs/send-change-event> |
| /services/... | slack | an incoming webhook: <https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks> |
| /hook/... | hook | Standard Webhooks: <https://www.standardwebhooks.com>, with the document of `slowburn schema message` |

Stricter than the real services in one respect: undocumented fields are rejected, to detect typos.

Settings, beside those of every fake: `keys` (the routing keys that exist; any, if empty), `secret` (of signatures), `schema` (of documents). A
fault may have `headers` and `body` too.

`GET /_requests` returns all requests: action, path, headers, body, response status, and Slack's rendering (`mentions`, `links`,
`unescaped`). `POST /_alerts` returns PagerDuty's alerts: events with the same routing and dedup key are one until it is resolved.
`POST /_hooks` returns webhooks by ID, without duplicates.
"""

import argparse
import base64
import hashlib
import hmac
import json
import re
import time
from datetime import datetime

import jsonschema

import certificates
from fake_server import Handler, Fake, add_options, due, listen

EVENT_BYTES_MAX = 512 * 1024
ACTIONS = [("/v2/change/enqueue", "change"), ("/v2/enqueue", "enqueue"), ("/services/", "slack"), ("/hook", "hook")]


class Wrong(Exception):
    """A request that violates the rules of its service."""


def need(right, what):
    if not right:
        raise Wrong(what)


def text(value, name, most, least=1):
    need(isinstance(value, str), f"'{name}' is missing or not a string")
    need(least <= len(value) <= most, f"'{name}' has {len(value)} characters, not {least} to {most}")


def only(fields, known, where):
    need(isinstance(fields, dict), f"'{where}' is not an object")
    strange = fields.keys() - known
    need(not strange, f"'{where}' has fields that do not exist: {', '.join(sorted(strange))}")


# PagerDuty


def pagerduty(event, keys, is_change):
    """Checks an event."""
    top = {"routing_key", "payload", "links"}
    only(event, top if is_change else top | {"event_action", "dedup_key", "images", "client", "client_url"}, "event")
    text(event.get("routing_key"), "routing_key", 32, 32)
    need(not keys or event["routing_key"] in keys, "'routing_key' is invalid")
    for link in event.get("links", []):
        only(link, {"href", "text"}, "links")
        need(re.match(r"https?://", link.get("href", "")), "'links.href' is no URL")
    if is_change:
        return payload(event.get("payload"), {"summary", "source", "timestamp", "custom_details"}, ["summary"])
    action = event.get("event_action")
    need(action in ("trigger", "acknowledge", "resolve"), "'event_action' is invalid")
    if action != "trigger" or "dedup_key" in event:
        text(event.get("dedup_key"), "dedup_key", 255)
    if action == "trigger":
        known = {"summary", "source", "severity", "timestamp", "component", "group", "class", "custom_details"}
        payload(event.get("payload"), known, ["summary", "source", "severity"])
        severities = ("critical", "warning", "error", "info")
        need(event["payload"]["severity"] in severities, f"'payload.severity' is invalid (must be one of {severities})")


def payload(fields, known, required):
    only(fields, known, "payload")
    for name in required:
        text(fields.get(name), f"payload.{name}", 1024)
    for name in fields.keys() - {"custom_details"}:
        text(fields[name], f"payload.{name}", 1024)
    need(isinstance(fields.get("custom_details", {}), dict), "'payload.custom_details' is not an object")
    if "timestamp" in fields:
        try:
            moment = datetime.fromisoformat(fields["timestamp"])
        except ValueError as error:
            raise Wrong("'payload.timestamp' is not ISO 8601") from error
        need(moment.tzinfo, "'payload.timestamp' has no offset")


class Alerts:
    """Alerts with PagerDuty's semantics."""

    def __init__(self):
        self.all = []

    def apply(self, event):
        name = (event["routing_key"], event.get("dedup_key", str(len(self.all))))
        alive = [alert for alert in self.all if alert["name"] == name and alert["status"] == "triggered"]
        if event["event_action"] == "trigger":
            if not alive:
                self.all.append({"name": name, "status": "triggered", "severities": [], "events": 0})
            alert = alive[0] if alive else self.all[-1]
            alert["events"] += 1
            alert["severities"].append(event["payload"]["severity"])
            alert["summary"] = event["payload"]["summary"]
        elif event["event_action"] == "resolve" and alive:
            alive[0]["status"] = "resolved"
        return name[1]


# Slack

CONTROL = re.compile(r"<([^<>]*)>")
ENTITY = re.compile(r"&(?!amp;|lt;|gt;)")


def text_object(found, seen, most, kinds=("mrkdwn", "plain_text")):
    need(isinstance(found, dict) and found.get("type") in kinds, "invalid_blocks: a text of another type")
    is_mrkdwn = found["type"] == "mrkdwn"
    only(found, {"type", "text", "verbatim"} if is_mrkdwn else {"type", "text", "emoji"}, "text")
    text(found["text"], "text", most)
    if is_mrkdwn:
        read_mrkdwn(found["text"], seen)
    else:
        seen["unescaped"] += len(ENTITY.findall(found["text"])) + len(re.findall("[<>]", found["text"]))


def read_mrkdwn(found, seen):
    """Records the links and mentions that Slack would create, and unescaped text."""
    for control in CONTROL.findall(found):
        seen["mentions" if control[:1] in "!@#" else "links"].append(control)
    seen["unescaped"] += len(ENTITY.findall(found)) + len(re.findall("[<>]", CONTROL.sub("", found)))


def slack(message, seen):
    """Checks a message, and records in `seen` how Slack would render it."""
    only(message, {"text", "blocks", "unfurl_links", "unfurl_media", "mrkdwn"}, "message")
    need("text" in message or "blocks" in message, "no_text")
    if "text" in message:
        text(message["text"], "text", 40_000)
        read_mrkdwn(message["text"], seen)
    blocks = message.get("blocks", [])
    need(len(blocks) <= 50, "invalid_blocks: more than 50")
    for block in blocks:
        kind = block.get("type")
        if kind == "header":
            only(block, {"type", "text", "block_id"}, "header")
            text_object(block["text"], seen, 150, ("plain_text",))
        elif kind == "context":
            only(block, {"type", "elements", "block_id"}, "context")
            need(1 <= len(block["elements"]) <= 10, "invalid_blocks: context of 1 to 10 elements")
            for element in block["elements"]:
                text_object(element, seen, 3_000)
        elif kind == "section":
            only(block, {"type", "text", "fields", "block_id", "expand"}, "section")
            need("text" in block or "fields" in block, "invalid_blocks: a section without text and fields")
            if "text" in block:
                text_object(block["text"], seen, 3_000)
            need(1 <= len(block.get("fields", [1])) <= 10, "invalid_blocks: 1 to 10 fields")
            for field in block.get("fields", []):
                text_object(field, seen, 2_000)
        else:
            need(kind == "divider", f"invalid_blocks: {kind}")


# Webhooks


def check_signature(secret, headers, raw):
    """Verifies the signature of a body as a receiver does."""
    identity, moment = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    need(moment.isdigit() and abs(time.time() - int(moment)) < 300, "the timestamp is missing, or too old or too new")
    key = base64.b64decode(secret.removeprefix("whsec_")) if secret.startswith("whsec_") else secret.encode()
    wanted = base64.b64encode(hmac.digest(key, f"{identity}.{moment}.".encode() + raw, hashlib.sha256)).decode()
    given = [part.removeprefix("v1,") for part in headers.get("webhook-signature", "").split(" ")]
    need(any(hmac.compare_digest(one, wanted) for one in given), "the signature is wrong")


class Receivers(Fake):
    settings = {"keys": [], "secret": "", "schema": {}}

    def reset(self):
        super().reset()
        self.alerts, self.hooks = Alerts(), {}

    def post(self, path, body):
        with self.lock:
            return {"/_alerts": self.alerts.all, "/_hooks": self.hooks}.get(path)

    def take(self, action, raw, headers, seen):
        """Answers a request without an injected fault: status, content type, body."""
        need(headers.get("content-type", "").startswith("application/json"), "the body is not said to be JSON")
        body = json.loads(raw)
        with self.lock:
            if action == "slack":
                slack(body, seen)
                return 200, "text/html", "ok"
            if action == "hook":
                if self.control["secret"]:
                    check_signature(self.control["secret"], headers, raw)
                if self.control["schema"]:
                    jsonschema.validate(body, self.control["schema"])
                need(headers.get("idempotency-key") == f'"{headers.get("webhook-id")}"', "two ids")
                self.hooks.setdefault(headers["webhook-id"], body)
                return 204, "text/plain", ""
            need(len(raw) <= EVENT_BYTES_MAX, "the event is larger than 512 KB")
            pagerduty(body, self.control["keys"], action == "change")
            answer = {"status": "success", "message": "Event processed"}
            if action == "enqueue":
                answer["dedup_key"] = self.alerts.apply(body)
            return 202, "application/json", json.dumps(answer)


def refused(action, reason):
    """An error response in the format of the service."""
    if action == "slack":
        return 400, "text/html", reason if "no_text" in reason else f"invalid_payload: {reason}"
    if action == "hook":
        return 401 if "signature" in reason or "timestamp" in reason else 400, "text/plain", reason
    body = {"status": "invalid event", "message": "Event object is invalid", "errors": [reason]}
    return 400, "application/json", json.dumps(body)


class NotifyHandler(Handler):
    def serve(self, raw, _caller):
        action = next((action for path, action in ACTIONS if self.path.startswith(path)), "unknown")
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = {"action": action, "path": self.path, "headers": headers, "body": raw.decode()}
        request |= {"mentions": [], "links": [], "unescaped": 0}
        with self.fake.lock:
            self.fake.requests.append(request)
            self.fake.counters["requests"][action] = self.fake.counters["requests"].get(action, 0) + 1
            fault = due(self.fake.control["faults"], lambda fault: fault["action"] in (action, "*"))
        time.sleep(self.fake.control["latency_s"])
        if fault and fault.get("drop"):
            raise ConnectionAbortedError
        if fault and fault.get("lost"):
            self.answer(action, raw, headers, request)
            raise ConnectionAbortedError
        if fault:
            status, kind, body = fault["status"], "text/plain", fault.get("body", "")
        else:
            status, kind, body = self.answer(action, raw, headers, request)
        request["status"] = status
        self.send(status, body.encode(), kind, (fault or {}).get("headers", {}).items())

    def answer(self, action, raw, headers, request):
        if action == "unknown":
            return 404, "text/plain", "not found"
        try:
            return self.fake.take(action, raw, headers, request)
        except (Wrong, ValueError, KeyError, TypeError, AttributeError, jsonschema.ValidationError) as reason:
            self.fake.count("refused")
            return refused(action, getattr(reason, "message", None) or str(reason))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    add_options(parser)
    parser.add_argument("--tls", metavar="DIR", help="speak TLS, with certificates that are made in this folder")
    arguments = parser.parse_args()
    context = certificates.make(arguments.tls) if arguments.tls else None
    listen(Receivers(arguments.control), NotifyHandler, arguments.port, context)
