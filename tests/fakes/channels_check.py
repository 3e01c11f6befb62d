#!/usr/bin/env python3
"""Compares the channel fakes with the documentation of PagerDuty, Slack, Standard Webhooks and SMTP, through third-party clients.

PYTHONPATH=target/test-packages python3 tests/fakes/channels_check.py
"""

import base64
import hashlib
import hmac
import http.client
import json
import smtplib
import ssl
import tempfile
import time
import urllib.error
import urllib.request
from email.message import EmailMessage
from pathlib import Path

from running import Checks, running_fake

checks = Checks()
KEY = "0123456789abcdef0123456789abcdef"


def post(fake, path, body, headers=None, kind="application/json"):
    """Status, headers and text of a response; 0 without a response."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    request = urllib.request.Request(fake.url + path, raw, {"Content-Type": kind, **(headers or {})})
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status, answer.headers, answer.read().decode()
    except urllib.error.HTTPError as refused:
        return refused.code, refused.headers, refused.read().decode()
    except (http.client.RemoteDisconnected, ConnectionError):
        return 0, {}, ""


def event(action="trigger", **changes):
    made = {"routing_key": KEY, "event_action": action, "dedup_key": "a"}
    if action == "trigger":
        made["payload"] = {"summary": "s", "source": "host", "severity": "error", "timestamp": "2026-10-01T10:05:00Z"}
    for name, value in changes.items():
        target = made["payload"] if name in ("summary", "severity", "timestamp", "source", "custom_details") else made
        target[name] = value
    return made


def check_pagerduty(fake):
    status, _, said = post(fake, "/v2/enqueue", event())
    wanted = {"status": "success", "message": "Event processed", "dedup_key": "a"}
    checks.equal("accepted", (status, json.loads(said)), (202, wanted))
    for name, wrong, status in [
        ("summary of 1,024 characters", {"summary": "ü" * 1024}, 202),
        ("of 1,025", {"summary": "ü" * 1025}, 400),
        ("no summary", {"summary": ""}, 400),
        ("key of 255", {"dedup_key": "k" * 255}, 202),
        ("of 256", {"dedup_key": "k" * 256}, 400),
        ("severity in capitals", {"severity": "Error"}, 400),
        ("routing key of 31", {"routing_key": KEY[1:]}, 400),
        ("another action", {"event_action": "open"}, 400),
        ("a typo", {"dedupkey": "x"}, 400),
        ("a link that is none", {"links": [{"href": "javascript:alert(1)", "text": "x"}]}, 400),
        ("a time without an offset", {"timestamp": "2026-10-01T10:05:00"}, 400),
        ("details that are no object", {"custom_details": "x"}, 400),
        ("512 KB", {"custom_details": {"x": "y" * (512 * 1024)}}, 400),
    ]:
        checks.equal(name, post(fake, "/v2/enqueue", event(**wrong))[0], status)
    resolve = {"routing_key": KEY, "event_action": "resolve"}
    checks.equal("resolve needs a key", post(fake, "/v2/enqueue", resolve)[0], 400)
    checks.equal("no JSON", post(fake, "/v2/enqueue", b"x")[0], 400)
    change = {"routing_key": KEY, "payload": {"summary": "s", "source": "slowburn"}}
    checks.equal("change", post(fake, "/v2/change/enqueue", change)[0], 202)
    checks.equal("a change has no severity", post(fake, "/v2/change/enqueue", event())[0], 400)
    fake.control(keys=["f" * 32])
    checks.equal("a key that does not exist", post(fake, "/v2/enqueue", event())[0], 400)


def check_alerts(fake):
    """One alert until it is resolved, then a new one; each routing key has its own."""
    for action, more in [("resolve", {}), ("trigger", {}), ("trigger", {"severity": "critical"}), ("resolve", {}), ("resolve", {}), ("trigger", {})]:
        post(fake, "/v2/enqueue", event(action, **more))
    post(fake, "/v2/enqueue", event(routing_key="e" * 32))
    alerts = [(alert["status"], alert["severities"]) for alert in fake.post("/_alerts", {})]
    checks.equal("alerts", alerts, [("resolved", ["error", "critical"]), ("triggered", ["error"]), ("triggered", ["error"])])


def check_slack(fake):
    def said(*blocks, **more):
        status, _, text = post(fake, "/services/T0/B0/x", {"text": "t", "blocks": list(blocks), **more})
        return status, text.split(":")[0]

    def section(text, kind="mrkdwn"):
        return {"type": "section", "text": {"type": kind, "text": text}}

    def header(text, kind="plain_text"):
        return {"type": "header", "text": {"type": kind, "text": text}}

    right, wrong = (200, "ok"), (400, "invalid_payload")
    field = {"type": "mrkdwn", "text": "x" * 2_000}
    for name, blocks, wanted in [
        ("header of 150", [header("x" * 150)], right),
        ("of 151", [header("x" * 151)], wrong),
        ("of mrkdwn", [header("x", "mrkdwn")], wrong),
        ("section of 3,000", [section("x" * 3_000)], right),
        ("of 3,001", [section("x" * 3_001)], wrong),
        ("of nothing", [section("")], wrong),
        ("10 fields of 2,000", [{"type": "section", "fields": [field] * 10}], right),
        ("11 fields", [{"type": "section", "fields": [field] * 11}], wrong),
        ("50 blocks", [{"type": "divider"}] * 50, right),
        ("51 blocks", [{"type": "divider"}] * 51, wrong),
        ("another block", [{"type": "table"}], wrong),
    ]:
        checks.equal(name, said(*blocks), wanted)
    checks.equal("no text", post(fake, "/services/T0/B0/x", {})[2], "no_text")
    checks.equal("a typo", said(blokcs=[])[0], 400)
    said(section("<!channel> <@U1> <https://a.example|x> a < b & c &amp; &lt;"))
    last = fake.get("/_requests")[-1]
    checks.equal("mentions", last["mentions"], ["!channel", "@U1"])
    checks.equal("links", last["links"], ["https://a.example|x"])
    checks.equal("unescaped", last["unescaped"], 2)


def check_webhook(fake):
    secret = base64.b64encode(b"0123456789abcdef01234567").decode()
    fake.control(secret=f"whsec_{secret}", schema={"type": "object", "required": ["schema"]})

    def sent(body, identity="a#1", age_s=0, key=b"0123456789abcdef01234567"):
        moment = str(int(time.time()) - age_s)
        raw = json.dumps(body).encode()
        digest = hmac.digest(key, f"{identity}.{moment}.".encode() + raw, hashlib.sha256)
        signature = f"v1,{base64.b64encode(digest).decode()}"
        headers = {"webhook-id": identity, "webhook-timestamp": moment, "webhook-signature": signature, "Idempotency-Key": f'"{identity}"'}
        return post(fake, "/hook", raw, headers)[0]

    checks.equal("signed", sent({"schema": 1}), 204)
    checks.equal("signed by another", sent({"schema": 1}, key=b"x"), 401)
    checks.equal("an old one", sent({"schema": 1}, age_s=400), 401)
    checks.equal("not of the schema", sent({}), 400)
    sent({"schema": 1}), sent({"schema": 1}, "a#2")
    checks.equal("once each", sorted(fake.post("/_hooks", {})), ["a#1", "a#2"])


def check_faults(fake):
    fake.control(faults=[
        {"action": "slack", "status": 429, "headers": {"Retry-After": "7"}, "body": "slow down"},
        {"action": "slack", "drop": True},
        {"action": "*", "status": 503},
    ])
    status, headers, said = post(fake, "/services/x", {"text": "x"})
    checks.equal("429", (status, headers["Retry-After"], said), (429, "7", "slow down"))
    checks.equal("dropped", post(fake, "/services/x", {"text": "x"})[0], 0)
    checks.equal("503", post(fake, "/v2/enqueue", event())[0], 503)
    checks.equal("then right", post(fake, "/v2/enqueue", event())[0], 202)
    fake.control(faults=[{"action": "enqueue", "lost": True}])
    checks.equal("the answer is lost", post(fake, "/v2/enqueue", event(dedup_key="lost"))[0], 0)
    checks.equal("but not the event", fake.post("/_alerts", {})[-1]["name"][1], "lost")


def letter(to):
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "slo@example.com", to, "s"
    message.set_content("a\n.b\n")
    return message


def refusal(do):
    """The code of an SMTP rejection; `gone` if the connection was closed."""
    try:
        do()
        return 250
    except smtplib.SMTPRecipientsRefused as refused:
        return next(iter(refused.recipients.values()))[0]
    except smtplib.SMTPResponseException as refused:
        return refused.smtp_code
    except (smtplib.SMTPServerDisconnected, ConnectionError):
        return "gone"


def check_smtp(tls):
    with tempfile.TemporaryDirectory() as folder, running_fake("smtp_server.py", "--folder", folder, "--slow", "0.1", *["--tls"] * tls) as fake:
        folder, port = Path(folder), int(fake.url.rsplit(":", 1)[1])

        def context(file="ca.pem"):
            return ssl.create_default_context(cafile=folder / file)

        def connect(file="ca.pem", host="localhost"):
            if tls:
                return smtplib.SMTP_SSL(host, port, context=context(file))
            client = smtplib.SMTP(host, port)
            client.starttls(context=context(file))
            return client

        for file in ["other-ca.pem"]:
            try:
                connect(file)
                checks.equal(f"{file} is trusted", True, False)
            except ssl.SSLCertVerificationError as error:
                checks.equal(file, "unable to get" in str(error) or "self-signed" in str(error), True)
        if not tls:
            plain = smtplib.SMTP("localhost", port)
            plain.ehlo()
            checks.equal("no login before encryption", plain.has_extn("auth"), False)
            checks.equal("nor mail", plain.mail("a@example.com")[0], 530)
        client = connect(host="127.0.0.1")
        checks.equal("no mail before a login", refusal(lambda: client.send_message(letter("a@example.com"))), 530)
        checks.equal("a wrong password", refusal(lambda: client.login("user@example.com", "x")), 535)
        client.login("user@example.com", "pass word/%")
        for to, code in [("a", 250), ("tempfail", 451), ("full", 452), ("reject", 550), ("slow", 250), ("drop", "gone")]:
            checks.equal(to, refusal(lambda to=to: client.send_message(letter(f"{to}@example.com"))), code)
        client = connect()
        client.login("user@example.com", "pass word/%")
        checks.equal("lost", refusal(lambda: client.send_message(letter("lost@example.com"))), "gone")
        kept = [json.loads(file.read_text())["to"] for file in sorted(folder.glob("*.json"))]
        checks.equal("what was kept", kept, [["a@example.com"], ["slow@example.com"], ["lost@example.com"]])
        envelope = json.loads((folder / "001.json").read_text())
        checks.equal("its envelope", (envelope["tls"], envelope["login"]), (True, "user@example.com"))
        checks.equal("its bytes", (folder / "001.eml").read_bytes().endswith(b"\r\n\r\na\r\n.b\r\n"), True)


for check in [check_pagerduty, check_alerts, check_slack, check_webhook, check_faults]:
    with running_fake("channels_server.py") as fake:
        check(fake)
check_smtp(tls=False)
check_smtp(tls=True)
with tempfile.TemporaryDirectory() as folder, running_fake("channels_server.py", "--tls", folder) as fake:
    context = ssl.create_default_context(cafile=Path(folder) / "ca.pem")
    with urllib.request.urlopen(fake.url, context=context) as answer:
        checks.equal("TLS", answer.status, 200)
checks.end("channels")
