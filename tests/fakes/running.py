"""Starts and stops a fake for a check."""

import contextlib
import json
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import boto3
from botocore.config import Config

HERE = Path(__file__).parent


class RunningServer:
    """A running fake."""

    def __init__(self, url):
        self.url = url

    def client(self, service, retries=0, account=None, region="eu-west-1"):
        key = f"ASIA{account}TEST" if account else "test"
        config = Config(retries={"max_attempts": retries}, read_timeout=300)
        return boto3.client(
            service, endpoint_url=self.url, region_name=region, aws_access_key_id=key, aws_secret_access_key="test", config=config
        )

    def get(self, path="/"):
        with urllib.request.urlopen(self.url + path) as answer:
            return json.load(answer)

    def post(self, path, body):
        raw = body.encode() if isinstance(body, str) else json.dumps(body).encode()
        try:
            with urllib.request.urlopen(urllib.request.Request(self.url + path, data=raw)) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as refused:
            sys.exit(f"{path} was refused: {refused.read().decode()}")

    def control(self, **changes):
        return self.post("/_control", changes)


@contextlib.contextmanager
def running_fake(script, *arguments):
    """Runs a fake on a free port within the block."""
    command = [sys.executable, str(HERE / script), "--port", "0", *map(str, arguments)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        ready = process.stderr.readline()
        if "listening on " not in ready:
            sys.exit(f"{script} did not start: {ready}{process.stderr.read()}")
        yield RunningServer(ready.split("listening on ")[1].strip())
    finally:
        process.kill()
        process.wait()


@contextlib.contextmanager
def running_module(command, environment=None):
    """Runs a third-party server on a free port within the block; `command` and `environment` are functions of the port."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen([sys.executable, "-m", *command(port)], env=environment and environment(port),
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(300):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.1)
        yield RunningServer(f"http://127.0.0.1:{port}")
    finally:
        process.kill()
        process.wait()


def running_moto():
    """S3 on a free port."""
    return running_module(lambda port: ["moto.server", "-H", "127.0.0.1", "-p", str(port)])


class Checks:
    """Counts comparisons, and exits with code 1 if any differed."""

    def __init__(self):
        self.held, self.wrong = 0, []

    def equal(self, name, found, wanted):
        if found == wanted:
            self.held += 1
        else:
            self.wrong.append(f"{name}: {found!r} instead of {wanted!r}")

    def end(self, what):
        print(f"{what}: {self.held} checks pass, {len(self.wrong)} fail")
        for line in self.wrong[:20]:
            print(f"  {line}")
        sys.exit(1 if self.wrong or not self.held else 0)
