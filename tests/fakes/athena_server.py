#!/usr/bin/env python3
"""An Athena fake for the AWS SDKs (awsJson1_1) that executes the SQL.

    athena_server.py [--port 0] [--control JSON] --root DIR | --s3 http://127.0.0.1:PORT  [--output s3://bucket/prefix | --managed]

SQL is parsed as Athena's dialect (sqlglot), checked against rules of Trino that DuckDB is laxer about, translated, and run by
DuckDB over RegexSerDe tables, with partition projection, whose objects are those of an S3 fake or files of a folder
(s3://bucket/key is DIR/bucket/key). Unsupported SQL ends as FAILED instead of with approximate results.

In addition to the common paths (fake_server.py), `POST /_queries` lists all queries with their state and bytes, also per scan of
a table. Settings for `/_control` are in athena/api.py.
"""

import argparse
import json
import tempfile
from pathlib import Path

from athena.api import Athena
from athena.engine import Engine
from athena.storage import Bucket, Folder
from fake_server import Handler, Refusal, add_options, listen


class Wire(Handler):
    def serve(self, raw, caller):
        action = self.headers.get("X-Amz-Target", "").split(".")[-1]
        try:
            body = json.loads(raw or b"{}")
            self.fake.begin(action, caller, self.fake.summary(action, body))
            answer = json.dumps(self.fake.answer(action, body, caller)).encode()
            return self.send(200, answer, "application/x-amz-json-1.1")
        except Refusal as fault:
            answer = {"__type": fault.code, "Message": fault.message, "message": fault.message}
            if fault.code == "InvalidRequestException":
                answer["AthenaErrorCode"] = "INVALID_INPUT"
            headers = [("x-amzn-ErrorType", fault.code)]
            return self.send(fault.status, json.dumps(answer).encode(), "application/x-amz-json-1.1", headers)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_options(parser)
    place = parser.add_mutually_exclusive_group(required=True)
    place.add_argument("--root", type=Path, help="folder that holds the buckets")
    place.add_argument("--s3", help="endpoint of an S3 fake")
    parser.add_argument("--output", help="where the work group keeps results; else the client must say")
    parser.add_argument("--managed", action="store_true", help="the work group keeps results itself, and no client may say where")
    parser.add_argument("--cache", type=Path, help="folder for what was read of logs; else a temporary one")
    options = parser.parse_args()
    cache = options.cache or Path(tempfile.mkdtemp(prefix="athena-fake-"))
    cache.mkdir(parents=True, exist_ok=True)
    storage = Folder(options.root) if options.root else Bucket(options.s3, cache)
    listen(Athena(Engine(storage, cache), options.output, options.managed, options.control), Wire, options.port)


if __name__ == "__main__":
    main()
