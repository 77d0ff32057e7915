"""The configuration: one TOML file, mirrored section by section by frozen models."""

from gateway.config.checks import warnings_of
from gateway.config.embedded import embedded_default
from gateway.config.fields import Address, ByteSize, Duration, Freshness, Secret
from gateway.config.loading import load
from gateway.config.places import LocalOptions, MemoryOptions, PlaceConfig
from gateway.config.policies import PolicyConfig, StatementConfig
from gateway.config.sections import (
    AccessKeyConfig,
    AdminConfig,
    Config,
    LimitsConfig,
    ListenConfig,
    LogConfig,
    MountConfig,
    NewBucketsConfig,
    NodeConfig,
    S3Config,
    StoreConfig,
)

__all__ = [
    "AccessKeyConfig",
    "Address",
    "AdminConfig",
    "ByteSize",
    "Config",
    "Duration",
    "Freshness",
    "LimitsConfig",
    "ListenConfig",
    "LocalOptions",
    "LogConfig",
    "MemoryOptions",
    "MountConfig",
    "NewBucketsConfig",
    "NodeConfig",
    "PlaceConfig",
    "PolicyConfig",
    "S3Config",
    "Secret",
    "StatementConfig",
    "StoreConfig",
    "embedded_default",
    "load",
    "warnings_of",
]
