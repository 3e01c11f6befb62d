#!/usr/bin/env python3
"""A mail server that stores received emails: STARTTLS or TLS from the start, a login, and faults by recipient.

    python3 tests/fakes/smtp_server.py --folder DIR [--tls | --plain] [--name localhost] [--days 30]

DIR gets `ca.pem`, `other-ca.pem` (certificates.py), and each message as `001.eml` with its envelope in `001.json`. Mail is accepted only
after encryption and login, with user name and password `user@example.com` and `pass word/%`, unless it is
`--plain`, a relay of the machine itself. The part of a recipient before `@` selects a fault:

    tempfail   451, try later            full       452, over its quota        slow       an answer after `--slow` seconds
    reject     550, no such mailbox      drop       the connection is closed   lost       the message is stored, and the
                                                                                          connection closed without a response
"""

import argparse
import asyncio
import json
import sys
from pathlib import Path

from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword

import certificates

LOGIN, PASSWORD = b"user@example.com", b"pass word/%"
REFUSALS = {
    "tempfail": "451 4.3.0 try again later",
    "full": "452 4.2.2 mailbox full",
    "reject": "550 5.1.1 no such user here",
}


class Sink:
    """Handles SMTP commands."""

    def __init__(self, folder, slow_s):
        self.folder, self.slow_s, self.kept = folder, slow_s, 0

    async def handle_RCPT(self, server, session, envelope, address, _options):
        kind = address.split("@")[0]
        if kind in REFUSALS:
            return REFUSALS[kind]
        if kind == "slow":
            await asyncio.sleep(self.slow_s)
        if kind == "drop":
            server.transport.abort()
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        self.kept += 1
        stem = self.folder / f"{self.kept:03}"
        login = session.auth_data.login.decode() if session.auth_data else None
        tls = server.transport.get_extra_info("sslcontext") is not None
        about = {"from": envelope.mail_from, "to": envelope.rcpt_tos, "tls": tls, "login": login}
        stem.with_suffix(".eml").write_bytes(envelope.content)
        stem.with_suffix(".json").write_text(json.dumps(about))
        if any(address.startswith("lost@") for address in envelope.rcpt_tos):
            server.transport.abort()
        return f"250 2.0.0 OK queued as {self.kept:03}"


def authenticate(_server, _session, _envelope, _mechanism, data):
    right = isinstance(data, LoginPassword) and (data.login, data.password) == (LOGIN, PASSWORD)
    return AuthResult(success=right, handled=False, auth_data=data)


async def serve(arguments):
    folder = Path(arguments.folder)
    context = certificates.make(folder, names=(arguments.name,), days=arguments.days)
    sink = Sink(folder, arguments.slow)
    rules = {"authenticator": authenticate, "auth_required": not arguments.plain, "hostname": "localhost"}
    if arguments.tls or arguments.plain:
        # With implicit TLS the connection is already encrypted; aiosmtpd only detects STARTTLS.
        rules["auth_require_tls"] = False
    else:
        rules |= {"tls_context": context, "require_starttls": True}
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: SMTP(sink, loop=loop, **rules), "127.0.0.1", arguments.port, ssl=context if arguments.tls else None
    )
    print(f"listening on localhost:{server.sockets[0].getsockname()[1]}", file=sys.stderr, flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=0, help="port on 127.0.0.1; 0 takes a free one (default)")
    parser.add_argument("--control", help="taken and passed over, as every fake is started with it")
    parser.add_argument("--folder", required=True, help="where certificates and messages go")
    parser.add_argument("--tls", action="store_true", help="TLS from the first byte instead of STARTTLS")
    parser.add_argument("--plain", action="store_true", help="neither encryption nor login")
    parser.add_argument("--name", default="localhost", help="the host that the certificate is for")
    parser.add_argument("--days", type=int, default=30, help="how long the certificate still holds; negative if it has expired")
    parser.add_argument("--slow", type=float, default=3.0, help="seconds that `slow@` waits")
    asyncio.run(serve(parser.parse_args()))
