"""Where the objects of a bucket lie: a backend, its `uri` and its options."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator, model_validator

from gateway.config.fields import Duration, OptionalPath, Secret, Section


class LocalOptions(Section):
    """Options of the backend `local`, a directory."""

    keys: Literal["exact", "escape"] = "exact"
    """`exact`: file names are the keys as they are, and keys a file system cannot hold are refused;
    `escape`: every key is held, for directories that belong to the gateway alone."""

    threads: Annotated[int, Field(ge=1, le=256)] = 16
    """Threads that wait for this directory's disk."""


class MemoryOptions(Section):
    """Options of the backend `memory`: there are none."""


class HttpOptions(Section):
    """Options of every backend that is reached over HTTP."""

    connect_timeout: Duration = Duration(3)
    """How long connecting to the store may take."""

    silence_timeout: Duration = Duration(30)
    """How long the store may be silent amid an answer, or before a listing; before other answers a third of it,
    before those of copies and completed uploads ten times as long."""

    ca_file: OptionalPath = None
    """PEM file with the authorities that the store's certificate may come from. Empty: the system's."""

    proxy: Secret = Secret()
    """URL of an HTTP proxy, perhaps with credentials in it. Empty: what `HTTPS_PROXY` and `NO_PROXY` say."""

    @field_validator("connect_timeout", "silence_timeout", mode="after")
    @classmethod
    def _is_some_time(cls, duration: Duration) -> Duration:
        if not duration:
            raise ValueError("must be more than 0s")
        return duration


class S3Options(HttpOptions):
    """Options of the backend `s3`. Without credentials here they come from where AWS SDKs look for them:
    environment, profiles, web identity, the metadata services of containers and machines."""

    endpoint_url: str = ""
    """The store's address, `https://host:port`. Empty: AWS."""

    region: Annotated[str, Field(max_length=64)] = "us-east-1"
    """The region to sign for; where the store names another one, that is used from then on."""

    access_key_id: str = ""
    """With `secret_access_key`: fixed credentials."""

    secret_access_key: Secret = Secret()
    """The secret of `access_key_id`."""

    session_token: Secret = Secret()
    """The session token of temporary credentials."""

    profile: str = ""
    """A profile in the AWS configuration files of the machine."""

    role_arn: str = ""
    """A role to assume with the credentials found otherwise, or with `web_identity_token_file`."""

    external_id: str = ""
    """The external id that the role asks for."""

    web_identity_token_file: OptionalPath = None
    """File with a web identity token for `role_arn`; read again at each use."""

    anonymous: bool = False
    """Send no credentials: for public buckets."""

    addressing: Literal["path", "virtual"] = "path"
    """Where the bucket stands in a URL: in the path or in the host's name."""

    @field_validator("endpoint_url", mode="after")
    @classmethod
    def _is_an_endpoint(cls, url: str) -> str:
        if url and not _ENDPOINT.fullmatch(url):
            raise ValueError('not an endpoint: write "https://host" or "http://host:port", without a path')
        return url.rstrip("/")

    @model_validator(mode="after")
    def _credentials_go_together(self) -> "S3Options":
        if bool(self.access_key_id) != bool(self.secret_access_key):
            raise ValueError("access_key_id and secret_access_key go together: give both or neither")
        if self.session_token and not self.access_key_id:
            raise ValueError("session_token belongs to an access_key_id")
        if self.profile and self.access_key_id:
            raise ValueError("profile and access_key_id exclude each other")
        if (self.external_id or self.web_identity_token_file) and not self.role_arn:
            raise ValueError("external_id and web_identity_token_file need a role_arn")
        if self.anonymous and (self.access_key_id or self.profile or self.role_arn):
            raise ValueError("anonymous excludes credentials")
        return self


BackendOptions = LocalOptions | MemoryOptions | S3Options
_OPTIONS: Mapping[str, type[LocalOptions] | type[MemoryOptions] | type[S3Options]] = {
    "local": LocalOptions,
    "memory": MemoryOptions,
    "s3": S3Options,
}
S3_BUCKETS = "s3://"
"""The uri of `[new_buckets]` that makes real buckets at the store."""
_ENDPOINT = re.compile(r"https?://[^/?#@\s]+/?")
_S3_URI = re.compile(r"s3://([A-Za-z0-9][A-Za-z0-9._-]{1,254})(?:/.*)?", re.DOTALL)


def _default_options(given: Mapping[str, str]) -> BackendOptions:
    return _OPTIONS[given.get("backend", "memory")]()


class PlaceConfig(Section):
    """A place at a backend; what `[[mount]]` and `[new_buckets]` share."""

    backend: Literal["local", "memory", "s3"]
    """The kind of store: `local`, a directory; `s3`, a bucket of an S3 store; `memory`, for tests: gone when the
    node stops."""

    uri: Annotated[str, Field(validate_default=True)] = ""
    """The place there: for `local` a directory, made if it is missing; for `s3` `s3://bucket/prefix`, whose prefix
    is put before each key as it is written; for `memory` empty."""

    options: Annotated[BackendOptions, Field(default_factory=_default_options)]
    """What only this backend knows."""

    @field_validator("uri", mode="after")
    @classmethod
    def _suits_the_backend(cls, uri: str, info: ValidationInfo) -> str:
        match info.data.get("backend"):
            case "memory" if uri:
                raise ValueError("must be empty for the backend memory")
            case "s3":
                cls._check_bucket(uri)
            case "local":
                return cls._directory(uri, Path(info.context["base"]) if info.context else Path())
        return uri

    @classmethod
    def _check_bucket(cls, uri: str) -> None:
        if not _S3_URI.fullmatch(uri):
            raise ValueError('names no bucket: write "s3://bucket" or "s3://bucket/prefix/"')

    @classmethod
    def _directory(cls, uri: str, base: Path) -> str:
        if not uri:
            raise ValueError("names no directory")
        if "://" in uri:
            raise ValueError("a directory is written as a plain path")
        return str(base / Path(uri).expanduser())

    @field_validator("options", mode="before")
    @classmethod
    def _known_to_the_backend(cls, options: object, info: ValidationInfo) -> object:
        model = _OPTIONS.get(info.data.get("backend", ""))
        if model is None or isinstance(options, model):
            return options
        return model.model_validate(options, context=info.context)
