"""Objects by `s3://` URI, from an S3 fake or from files below a folder."""

import os
from pathlib import Path

from athena import QueryFault


def split(uri):
    """`s3://bucket/a/key` -> bucket and key."""
    bucket, slash, key = uri.removeprefix("s3://").partition("/")
    if not uri.startswith("s3://") or not bucket:
        raise QueryFault(f"INVALID_TABLE_PROPERTY: not an s3 location: {uri}")
    return bucket, key if slash else ""


class Folder:
    """`s3://bucket/key` is the file `root/bucket/key`."""

    def __init__(self, root):
        self.root = Path(root)

    def objects(self, uri):
        """(uri, bytes, handle) of every object whose URI starts with `uri`."""
        bucket, prefix = split(uri)
        base = self.root / bucket
        # Only the folder of the prefix's last slash can contain matches.
        for folder, _, files in os.walk(base / prefix.rpartition("/")[0]):
            for file in files:
                path = Path(folder, file)
                key = path.relative_to(base).as_posix()
                if key.startswith(prefix):
                    yield f"s3://{bucket}/{key}", path.stat().st_size, path

    def local(self, handle):
        """The object as a file."""
        return handle

    def put(self, uri, body):
        bucket, key = split(uri)
        path = self.root / bucket / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)


class Bucket:
    """Objects of an S3 fake, fetched once and cached in a folder."""

    def __init__(self, endpoint, cache):
        import boto3
        from botocore.config import Config

        self.cache = Path(cache)
        self.client = boto3.client(
            "s3",
            endpoint_url=endpoint,
            region_name="us-east-1",
            aws_access_key_id="test",
            aws_secret_access_key="test",
            config=Config(s3={"addressing_style": "path"}),
        )

    def objects(self, uri):
        bucket, prefix = split(uri)
        for page in self.client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
            for found in page.get("Contents", []):
                yield f"s3://{bucket}/{found['Key']}", found["Size"], (bucket, found["Key"], found["ETag"].strip('"'))

    def local(self, handle):
        bucket, key, tag = handle
        path = self.cache / bucket / tag / Path(key).name
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            part = path.with_name(path.name + ".part")
            self.client.download_file(bucket, key, str(part))
            part.replace(path)
        return path

    def put(self, uri, body):
        bucket, key = split(uri)
        self.client.put_object(Bucket=bucket, Key=key, Body=body)
