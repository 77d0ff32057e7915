"""The sections of the configuration file, one model each."""

import re
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AwareDatetime, BeforeValidator, Field, field_validator, model_validator

from gateway.config.fields import (
    Address,
    ByteSize,
    ConfigPath,
    Duration,
    Freshness,
    Network,
    OptionalPath,
    Secret,
    Section,
    matching,
)
from gateway.config.places import S3_BUCKETS, PlaceConfig
from gateway.config.policies import PolicyConfig, Words
from gateway.model import MIB, is_bucket_name

SEGMENT_SIZE_MIN = ByteSize(32 * MIB)
SEGMENT_SIZE_MAX = ByteSize(1024 * MIB)
STORE_MEMORY_MIN = ByteSize(64 * MIB)
SHARE_MIN = ByteSize(768 * MIB)
"""Of the capacity for one path: 16 of the smallest segments, and what an index needs to compact itself."""
TTL_MIN_S = 1.0
TTL_MAX_S = 3650 * 86_400.0
TRANSFER_MEMORY_MIN = ByteSize(8 * 1024 * 1024)
"""Below it a few transfers at once would starve each other."""

_NODE_NAME = matching(
    r"[A-Za-z0-9][A-Za-z0-9._-]{0,252}", "not a node's name: letters, digits, '.', '_' and '-', a letter or digit first"
)
_KEY_ID = matching(
    r"(?!FBT)[\x21-\x2b\x2d\x2e\x30-\x7e]{1,128}",
    "not an access key id: 1 to 128 visible ASCII characters without blanks, '/' and ',', not beginning with FBT",
)
_HOST_NAME = re.compile(r"(?=.{1,253}$)[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*")


def _or_none(value: object) -> object:
    return None if value == "" else value


def _default_admission(given: Mapping[str, object]) -> str:
    return "bypass" if given.get("backend") in ("local", "memory") else "auto"


class NodeConfig(Section):
    """This node: its name, its directory, its end."""

    name: Annotated[str, _NODE_NAME] = Field(default_factory=socket.gethostname)
    """Shown in `x-cache-node`, logs and status. Default: the host's name."""

    data_dir: ConfigPath = Path("./forebay-data")
    """Directory of what the node keeps for itself: identity, settings. Never shared by two nodes."""

    stop_grace: Duration = Duration(20)
    """How long answers in progress may go on after SIGTERM."""


class ListenConfig(Section):
    """Addresses and TLS."""

    s3: Address = Address("127.0.0.1", 9000)
    """The S3 port."""

    admin: Address = Address("127.0.0.1", 9001)
    """Admin API, metrics and health."""

    tls_cert: OptionalPath = None
    """PEM file with the certificate and its chain; with `tls_key`: TLS on s3 and admin. Empty: no TLS."""

    tls_key: OptionalPath = None
    """PEM file with the certificate's private key."""

    domain: str = ""
    """Host name under which buckets are host names too, like `s3.example.org`; empty: path style only."""

    trusted_proxies: tuple[Network, ...] = ()
    """Networks of proxies whose `X-Forwarded-*` headers count."""

    @field_validator("domain", mode="after")
    @classmethod
    def _is_a_host_name(cls, domain: str) -> str:
        if domain and not _HOST_NAME.fullmatch(domain.lower()):
            raise ValueError('not a host name: write it without scheme and port, like "s3.example.org"')
        return domain.lower()

    @model_validator(mode="after")
    def _certificate_has_its_key(self) -> "ListenConfig":
        if (self.tls_cert is None) != (self.tls_key is None):
            raise ValueError("tls_cert and tls_key go together: give both or neither")
        return self


class S3Config(Section):
    """How the S3 API behaves."""

    region: Annotated[str, matching(r"[a-z0-9-]{1,64}", "not a region: a-z, 0-9 and '-'")] = "us-east-1"
    """The region that answers name; signatures for any region are accepted."""

    signature_v2: Literal["off", "urls-and-forms", "all"] = "urls-and-forms"
    """Where signatures of version 2 are accepted. SDKs make such URLs by default for own endpoints."""

    signature_v2_expires_max: Duration = Duration(7 * 86_400)
    """How far ahead a version 2 URL may expire; later ones are refused."""


class AdminConfig(Section):
    """The admin API."""

    token: Secret = Secret()
    """A bearer token with all rights; empty: none."""

    metrics: Literal["token", "open"] = "token"
    """`open`: /metrics without credentials. On loopback it is open anyway."""


class LimitsConfig(Section):
    """Limits of the node; what is above waits up to 5 s, then `503 SlowDown`."""

    requests: Annotated[int, Field(ge=1)] = 1024
    """S3 requests in progress."""

    connections: Annotated[int, Field(ge=1)] = 8192
    """Open connections to the S3 port."""

    transfer_memory: ByteSize = ByteSize(256 * 1024 * 1024)
    """Bytes in flight from and to backends and of uploads. At least 8MiB."""

    @field_validator("transfer_memory", mode="after")
    @classmethod
    def _holds_a_few_pieces(cls, size: ByteSize) -> ByteSize:
        if size < TRANSFER_MEMORY_MIN:
            raise ValueError(f"must be at least {TRANSFER_MEMORY_MIN}")
        return size


class LogConfig(Section):
    """Log lines go to standard error."""

    format: Literal["auto", "human", "json"] = "auto"
    """`auto`: human on a terminal, else json."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    """The least level that is written; `debug` writes a line per request."""

    slow: Duration = Duration(5)
    """Requests that take longer are logged at warning; `0s`: never."""


class StoreConfig(Section):
    """The block store: bytes kept on this node's disks."""

    paths: Annotated[tuple[ConfigPath, ...], Field(min_length=1)] = (Path("./forebay-data/store"),)
    """One directory per disk, each on its own file system; never shared by two nodes."""

    capacity: ByteSize = ByteSize(10 * 1024**3)
    """Bytes on disk over all paths, index included; never exceeded. At least 768MiB per path."""

    memory: ByteSize = ByteSize(512 * 1024 * 1024)
    """Memory of index and store, beside `limits.transfer_memory`. At least 64MiB."""

    segment_size: ByteSize = ByteSize(128 * 1024 * 1024)
    """Size of one segment file, 32MiB to 1GiB; halved until a disk holds 16. Fixed when the store is formatted."""

    index_cache: ByteSize = ByteSize(0)
    """Memory of the index's block cache, of all paths together; 0: an eighth of `memory`."""

    read_threads: Annotated[int, Field(ge=1, le=256)] = 8
    """Threads that read and check what is not in the page cache."""

    object_max: Annotated[int, Field(ge=1, le=100)] = 25
    """Largest object that is kept, in percent of `capacity`."""

    scrub_rate: Annotated[ByteSize, Field(gt=0)] = ByteSize(20 * MIB)
    """Bytes a second that each path is read at once a week, to find what is damaged."""

    min_free: Annotated[int, Field(ge=0, le=90)] = 3
    """Free space left on each file system, in percent of its size; other tenants shrink the cache."""

    pin_max: Annotated[int, Field(ge=0, le=90)] = 50
    """What may be pinned, in percent of each path's part of `capacity`; more is refused."""

    @field_validator("segment_size", mode="after")
    @classmethod
    def _is_a_size_of_segments(cls, size: ByteSize) -> ByteSize:
        if not SEGMENT_SIZE_MIN <= size <= SEGMENT_SIZE_MAX or size % MIB:
            raise ValueError(f"must be whole MiB from {SEGMENT_SIZE_MIN} to {SEGMENT_SIZE_MAX}")
        return size

    @field_validator("memory", mode="after")
    @classmethod
    def _holds_an_index(cls, size: ByteSize) -> ByteSize:
        if size < STORE_MEMORY_MIN:
            raise ValueError(f"must be at least {STORE_MEMORY_MIN}")
        return size

    @model_validator(mode="after")
    def _has_room_on_every_disk(self) -> "StoreConfig":
        least = ByteSize(SHARE_MIN * len(self.paths))
        if self.capacity < least:
            raise ValueError(f"capacity must be at least {least}: {SHARE_MIN} for each path")
        return self


class AccessKeyConfig(Section):
    """A key that S3 clients sign with."""

    id: Annotated[str, _KEY_ID]
    """The access key id: visible ASCII without blanks, `/` and `,`; `FBT` at the start is reserved."""

    secret: Secret
    """The secret access key; at least 8 characters."""

    user: Annotated[str, Field(max_length=128)] = ""
    """The S3 owner behind the key; several keys may share one. Default: the key's id."""

    policy: Words = ()
    """A policy's name, or a list of them; none: only what its user's own buckets give."""

    expires: Annotated[AwareDatetime | None, BeforeValidator(_or_none)] = None
    """When the key ends, like `2027-01-31T00:00:00Z`; empty: never."""

    @field_validator("secret", mode="after")
    @classmethod
    def _is_long_enough(cls, secret: Secret) -> Secret:
        if len(secret.reveal()) < 8:
            raise ValueError("a secret has at least 8 characters")
        return secret

    @property
    def owner(self) -> str:
        """The user that owns what this key makes."""
        return self.user or self.id


class NewBucketsConfig(PlaceConfig):
    """What CreateBucket makes. Without this section it answers 403 AccessDenied."""

    @classmethod
    def _check_bucket(cls, uri: str) -> None:
        # Without a bucket in it, each new one is a real bucket of the same name at the store.
        if uri != S3_BUCKETS:
            super()._check_bucket(uri)


class MountConfig(PlaceConfig):
    """A bucket, and the place its objects lie in."""

    bucket: str
    """The bucket's name as clients see it."""

    writes: Literal["through", "deny"] = "through"
    """`deny`: a read-only bucket."""

    freshness: Freshness = Freshness(300)
    """How long info is trusted before the backend is asked again: a duration, `always` (ask at every read) or
    `immutable` (never ask again until told)."""

    cache_writes: bool = True
    """Keep what is written through here, so that it is read back from the store."""

    admission: Annotated[Literal["auto", "churn", "hold", "bypass"], Field(default_factory=_default_admission)]
    """What is kept of what is read once the store is full. `churn`: all, what was read longest ago gives way; `hold`:
    hardly anything, what is there stays; `auto`: whichever of the two has served better of late; `bypass`: nothing
    ever, every read asks the backend. Default: `bypass` for `local` and `memory`, which are as near as the store,
    else `auto`."""

    ttl: Annotated[Duration | None, BeforeValidator(_or_none)] = None
    """How long bytes are kept at most, `1s` to `3650d`; counts from when they come. Empty: as long as there is room."""

    stale_if_error: Duration = Duration(0)
    """How long past its freshness info may still serve while the backend is down; `0s`: never."""

    readahead: Literal["auto", "off"] = "auto"
    """`auto`: fill ahead of readers that read in order."""

    request_rate: Annotated[int, Field(ge=0)] = 0
    """Requests per second and node that the store behind an `s3` mount gets at most; more wait. 0: no limit."""

    bandwidth: ByteSize = ByteSize(0)
    """Bytes per second and node from and to the store behind an `s3` mount, at most; more wait. 0: no limit."""

    @field_validator("ttl", mode="after")
    @classmethod
    def _is_some_time(cls, ttl: Duration | None) -> Duration | None:
        if ttl is not None and not TTL_MIN_S <= ttl <= TTL_MAX_S:
            raise ValueError(f"must be {Duration(TTL_MIN_S)} to {Duration(TTL_MAX_S)}, or empty")
        return ttl

    @field_validator("bucket", mode="after")
    @classmethod
    def _is_a_bucket_name(cls, bucket: str) -> str:
        if not is_bucket_name(bucket):
            raise ValueError("not a bucket name: 3 to 63 of a-z, 0-9, '.' and '-', as S3 has them")
        return bucket


class Config(Section):
    """The whole file."""

    node: NodeConfig = Field(default_factory=NodeConfig)
    listen: ListenConfig = Field(default_factory=ListenConfig)
    s3: S3Config = Field(default_factory=S3Config)
    admin: AdminConfig = Field(default_factory=AdminConfig)
    limits: LimitsConfig = Field(default_factory=LimitsConfig)
    store: StoreConfig = Field(default_factory=StoreConfig)
    log: LogConfig = Field(default_factory=LogConfig)
    access_key: tuple[AccessKeyConfig, ...] = ()
    policy: dict[str, PolicyConfig] = Field(default_factory=dict)
    new_buckets: NewBucketsConfig | None = None
    mount: tuple[MountConfig, ...] = ()
