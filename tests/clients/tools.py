"""The clients under test, each told to do the same things in its own words."""

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import minio
import urllib3
from boto3.s3.transfer import TransferConfig
from botocore.client import BaseClient
from botocore.exceptions import ClientError
from minio.commonconfig import CopySource
from minio.deleteobjects import DeleteObject
from minio.error import S3Error

from tests.clients.contents import MIB
from tests.real.node import Node

PART_SIZE = 8 * MIB
COMMAND_MAX_S = 120
SCRIPTS = Path(sys.executable).parent


class ToolFailed(Exception):
    """The client says that it could not do it; the text is what it said."""


class Tool(Protocol):
    """What every client can do. A failure is `ToolFailed`."""

    def make_bucket(self, bucket: str) -> None: ...

    def remove_bucket(self, bucket: str) -> None: ...

    def put(self, bucket: str, key: str, source: Path) -> None:
        """Uploads a file; above `PART_SIZE` in parts of that size."""
        ...

    def get(self, bucket: str, key: str, target: Path) -> None: ...

    def get_from(self, bucket: str, key: str, start: int, target: Path) -> None:
        """Downloads the bytes from `start` to the end, as a range."""
        ...

    def list(self, bucket: str, prefix: str) -> tuple[set[str], set[str]]:
        """Keys and common prefixes under `prefix`, cut at `/`."""
        ...

    def copy(self, bucket: str, key: str, target: str) -> None: ...

    def remove_under(self, bucket: str, prefix: str) -> None:
        """Deletes all keys under `prefix`, many per request."""
        ...

    def can_name(self, key: str) -> bool:
        """Whether this client sends the key as it is; some refuse or rewrite keys before anything is sent."""
        ...


class Boto3:
    """boto3 with the defaults of its resource-free client."""

    def __init__(self, node: Node) -> None:
        self.client: BaseClient = node.boto3()
        self._parts = TransferConfig(multipart_threshold=PART_SIZE, multipart_chunksize=PART_SIZE, max_concurrency=4)

    def make_bucket(self, bucket: str) -> None:
        self.client.create_bucket(Bucket=bucket)

    def remove_bucket(self, bucket: str) -> None:
        with _translated():
            self.client.delete_bucket(Bucket=bucket)

    def put(self, bucket: str, key: str, source: Path) -> None:
        self.client.upload_file(str(source), bucket, key, Config=self._parts)

    def get(self, bucket: str, key: str, target: Path) -> None:
        with _translated():
            self.client.download_file(bucket, key, str(target), Config=self._parts)

    def get_from(self, bucket: str, key: str, start: int, target: Path) -> None:
        target.write_bytes(self.client.get_object(Bucket=bucket, Key=key, Range=f"bytes={start}-")["Body"].read())

    def list(self, bucket: str, prefix: str) -> tuple[set[str], set[str]]:
        pages = list(self.client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix, Delimiter="/"))
        keys = {row["Key"] for page in pages for row in page.get("Contents", [])}
        return keys, {row["Prefix"] for page in pages for row in page.get("CommonPrefixes", [])}

    def copy(self, bucket: str, key: str, target: str) -> None:
        self.client.copy_object(Bucket=bucket, Key=target, CopySource={"Bucket": bucket, "Key": key})

    def remove_under(self, bucket: str, prefix: str) -> None:
        for page in self.client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
            keys = [{"Key": row["Key"]} for row in page["Contents"]]
            done = self.client.delete_objects(Bucket=bucket, Delete={"Objects": keys})
            assert len(done["Deleted"]) == len(keys)
            assert "Errors" not in done

    def can_name(self, key: str) -> bool:
        return True


class Minio:
    """minio-py."""

    def __init__(self, node: Node) -> None:
        pool = urllib3.PoolManager(ca_certs=str(node.ca_file)) if node.ca_file else None
        address = node.endpoint.partition("://")[2]
        self.client = minio.Minio(
            address,
            access_key=node.access_key,
            secret_key=node.secret_key,
            secure=node.ca_file is not None,
            http_client=pool,
        )

    def make_bucket(self, bucket: str) -> None:
        self.client.make_bucket(bucket)

    def remove_bucket(self, bucket: str) -> None:
        with _translated():
            self.client.remove_bucket(bucket)

    def put(self, bucket: str, key: str, source: Path) -> None:
        self.client.fput_object(bucket, key, str(source), part_size=PART_SIZE)

    def get(self, bucket: str, key: str, target: Path) -> None:
        with _translated():
            self.client.fget_object(bucket, key, str(target))

    def get_from(self, bucket: str, key: str, start: int, target: Path) -> None:
        answer = self.client.get_object(bucket, key, offset=start)
        try:
            target.write_bytes(answer.read())
        finally:
            answer.close()
            answer.release_conn()

    def list(self, bucket: str, prefix: str) -> tuple[set[str], set[str]]:
        rows = list(self.client.list_objects(bucket, prefix=prefix))
        return {row.object_name for row in rows if not row.is_dir}, {row.object_name for row in rows if row.is_dir}

    def copy(self, bucket: str, key: str, target: str) -> None:
        self.client.copy_object(bucket, target, CopySource(bucket, key))

    def remove_under(self, bucket: str, prefix: str) -> None:
        rows = self.client.list_objects(bucket, prefix=prefix, recursive=True)
        failures = list(self.client.remove_objects(bucket, [DeleteObject(row.object_name) for row in rows]))
        assert not failures

    def can_name(self, key: str) -> bool:
        # "object name with '.' or '..' path segment is not supported"
        return not {".", ".."} & set(key.split("/"))


class Command:
    """A client that is a program; each call is a process of its own."""

    def __init__(self, environment: dict[str, str], program: str, *options: str) -> None:
        self._environment = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "LC_ALL": "C.UTF-8", **environment}
        self._command = [str(SCRIPTS / program), *options]

    def __call__(self, *words: str) -> str:
        """Runs it and returns what it printed; `ToolFailed` when it ends with an error."""
        return self.output(*words).decode()

    def output(self, *words: str, stdin: bytes = b"") -> bytes:
        """The same with bytes: fed `stdin`, returns what it printed."""
        done = subprocess.run(
            [*self._command, *words],
            check=False,
            capture_output=True,
            env=self._environment,
            input=stdin,
            timeout=COMMAND_MAX_S,
        )
        if done.returncode != 0:
            raise ToolFailed(f"{words}: exit {done.returncode}: {done.stdout.decode()}{done.stderr.decode()}")
        return done.stdout


class AwsCli:
    """aws cli, its own defaults: parts of 8 MiB from 8 MiB on."""

    def __init__(self, node: Node) -> None:
        environment = {
            "AWS_ACCESS_KEY_ID": node.access_key,
            "AWS_SECRET_ACCESS_KEY": node.secret_key,
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": node.endpoint,
            "AWS_EC2_METADATA_DISABLED": "true",
        }
        if node.ca_file:
            environment["AWS_CA_BUNDLE"] = str(node.ca_file)
        self.run = Command(environment, "aws")

    def make_bucket(self, bucket: str) -> None:
        self.run("s3", "mb", f"s3://{bucket}")

    def remove_bucket(self, bucket: str) -> None:
        self.run("s3", "rb", f"s3://{bucket}")

    def put(self, bucket: str, key: str, source: Path) -> None:
        if key.endswith("/"):  # `s3 cp` would put the file's name behind it
            self.run("s3api", "put-object", "--bucket", bucket, "--key", key, "--body", str(source))
        else:
            self.run("s3", "cp", "--only-show-errors", str(source), f"s3://{bucket}/{key}")

    def get(self, bucket: str, key: str, target: Path) -> None:
        if key.endswith("/"):
            self.run("s3api", "get-object", "--bucket", bucket, "--key", key, str(target))
        else:
            self.run("s3", "cp", "--only-show-errors", f"s3://{bucket}/{key}", str(target))

    def get_from(self, bucket: str, key: str, start: int, target: Path) -> None:
        self.run("s3api", "get-object", "--bucket", bucket, "--key", key, "--range", f"bytes={start}-", str(target))

    def list(self, bucket: str, prefix: str) -> tuple[set[str], set[str]]:
        keys: set[str] = set()
        prefixes: set[str] = set()
        for line in self.run("s3", "ls", f"s3://{bucket}/{prefix}").splitlines():
            first, _, name = line.strip().partition(" ")
            if first == "PRE":
                prefixes.add(prefix + name)
            else:
                keys.add(prefix + line[31:])
        return keys, prefixes

    def copy(self, bucket: str, key: str, target: str) -> None:
        self.run("s3", "cp", "--only-show-errors", f"s3://{bucket}/{key}", f"s3://{bucket}/{target}")

    def remove_under(self, bucket: str, prefix: str) -> None:
        self.run("s3", "rm", "--only-show-errors", "--recursive", f"s3://{bucket}/{prefix}")

    def can_name(self, key: str) -> bool:
        return True


class S3cmd:
    """s3cmd with a configuration file of its own."""

    def __init__(self, node: Node) -> None:
        address = node.endpoint.partition("://")[2]
        config = node.directory / "s3cmd.ini"
        lines = [
            "[default]",
            f"access_key = {node.access_key}",
            f"secret_key = {node.secret_key}",
            f"host_base = {address}",
            f"host_bucket = {address}",
            f"use_https = {node.ca_file is not None}",
            f"multipart_chunk_size_mb = {PART_SIZE // MIB}",
        ]
        if node.ca_file:
            lines.append(f"ca_certs_file = {node.ca_file}")
        config.write_text("\n".join(lines) + "\n")
        self.run = Command({}, "s3cmd", "--config", str(config), "--no-progress")

    def make_bucket(self, bucket: str) -> None:
        self.run("mb", f"s3://{bucket}")

    def remove_bucket(self, bucket: str) -> None:
        self.run("rb", f"s3://{bucket}")

    def put(self, bucket: str, key: str, source: Path) -> None:
        self.run("put", str(source), f"s3://{bucket}/{key}")

    def get(self, bucket: str, key: str, target: Path) -> None:
        self.run("get", "--force", f"s3://{bucket}/{key}", str(target))

    def get_from(self, bucket: str, key: str, start: int, target: Path) -> None:
        # It asks for ranges only to go on with a download: `start` bytes are there, the rest is wanted.
        target.write_bytes(bytes(start))
        self.run("get", "--continue", f"s3://{bucket}/{key}", str(target))
        target.write_bytes(target.read_bytes()[start:])

    def list(self, bucket: str, prefix: str) -> tuple[set[str], set[str]]:
        keys: set[str] = set()
        prefixes: set[str] = set()
        for line in self.run("ls", f"s3://{bucket}/{prefix}").splitlines():
            before, _, name = line.partition(f"s3://{bucket}/")
            (prefixes if before.strip() == "DIR" else keys).add(name)
        return keys, prefixes

    def copy(self, bucket: str, key: str, target: str) -> None:
        self.run("cp", f"s3://{bucket}/{key}", f"s3://{bucket}/{target}")

    def remove_under(self, bucket: str, prefix: str) -> None:
        self.run("del", "--recursive", "--force", f"s3://{bucket}/{prefix}")

    def can_name(self, key: str) -> bool:
        # A target that ends in "/" is a directory to it, and a download of something with `*` is one of a pattern.
        return not key.endswith("/") and "*" not in key


class Rclone:
    """rclone with its backend for any S3 server."""

    def __init__(self, node: Node) -> None:
        environment = {
            "RCLONE_CONFIG": "",
            "RCLONE_CONFIG_NODE_TYPE": "s3",
            "RCLONE_CONFIG_NODE_PROVIDER": "Other",
            "RCLONE_CONFIG_NODE_ENDPOINT": node.endpoint,
            "RCLONE_CONFIG_NODE_ACCESS_KEY_ID": node.access_key,
            "RCLONE_CONFIG_NODE_SECRET_ACCESS_KEY": node.secret_key,
            "RCLONE_CONFIG_NODE_REGION": "us-east-1",
            "RCLONE_S3_UPLOAD_CUTOFF": f"{PART_SIZE // MIB}Mi",
            "RCLONE_S3_CHUNK_SIZE": f"{PART_SIZE // MIB}Mi",
        }
        if node.ca_file:
            environment["RCLONE_CA_CERT"] = str(node.ca_file)
        self.run = Command(environment, "rclone", "--retries", "1", "--low-level-retries", "1")

    def make_bucket(self, bucket: str) -> None:
        self.run("mkdir", f"node:{bucket}")

    def remove_bucket(self, bucket: str) -> None:
        self.run("rmdir", f"node:{bucket}")

    def put(self, bucket: str, key: str, source: Path) -> None:
        self.run("copyto", str(source), f"node:{bucket}/{key}")

    def get(self, bucket: str, key: str, target: Path) -> None:
        self.run("copyto", "--error-on-no-transfer", f"node:{bucket}/{key}", str(target))

    def get_from(self, bucket: str, key: str, start: int, target: Path) -> None:
        target.write_bytes(self.run.output("cat", "--offset", str(start), f"node:{bucket}/{key}"))

    def list(self, bucket: str, prefix: str) -> tuple[set[str], set[str]]:
        names = {prefix + line for line in self.run("lsf", f"node:{bucket}/{prefix}").splitlines()}
        prefixes = {name for name in names if name.endswith("/")}
        return names - prefixes, prefixes

    def copy(self, bucket: str, key: str, target: str) -> None:
        self.run("copyto", f"node:{bucket}/{key}", f"node:{bucket}/{target}")

    def remove_under(self, bucket: str, prefix: str) -> None:
        self.run("delete", f"node:{bucket}/{prefix}")

    def can_name(self, key: str) -> bool:
        # It cleans paths as a file system would.
        segments = key.split("/")
        return not {".", "..", ""} & set(segments)


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except (ClientError, S3Error) as error:
        raise ToolFailed(str(error)) from error
