"""IAM's JSON as an input: a policy file loads or is refused, and what loads can be asked."""

import os
import tempfile
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from pydantic import ValidationError

from gateway.access.policies import Ask, allows, compile_policy
from gateway.config import PolicyConfig
from gateway.model import Bucket, Key

ASKS = (
    Ask("s3:ListAllMyBuckets"),
    Ask("s3:ListBucket", Bucket("train"), None, {"s3:prefix": "a/\udcff", "s3:max-keys": "9" * 400}),
    Ask(
        "s3:GetObject",
        Bucket("train"),
        Key(b"a/" + b"ab" * 500),
        {"aws:sourceip": "::1", "aws:securetransport": "true", "aws:username": "alice"},
    ),
    Ask("admin:Read"),
)


def policy(data: bytes) -> str:
    """The policy file of a configuration."""
    with tempfile.NamedTemporaryFile() as file, closing(file):
        file.write(data)
        file.flush()
        try:
            config = PolicyConfig.model_validate({"file": file.name}, context={"base": os.curdir})
        except ValidationError as error:
            # Its text is what people get to see.
            return str(error).splitlines()[-2][:60] if str(error).isprintable() else error.title
    assert config.file == Path(file.name)
    policies = [compile_policy(config.statement)]
    return " ".join(str(allows(policies, ask)) for ask in ASKS)


def policy_samples() -> Sequence[bytes]:
    """Policies as people write them, and corners."""
    return _SAMPLES


_SAMPLES = (
    b'{"Version": "2012-10-17", "Id": "p", "Statement": {"Sid": "s", "Effect": "Allow", "Action": "s3:*", '
    b'"Resource": ["arn:aws:s3:::train", "arn:aws:s3:::train/*"]}}',
    b'{"Statement": [{"Effect": "Deny", "NotAction": ["s3:Get?bject", "admin:Read"], "NotResource": "*a*b?c*", '
    b'"Condition": {"StringLikeIfExists": {"s3:prefix": ["a*", "*?*?b"]}, "IpAddress": {"aws:SourceIp": '
    b'["10.0.0.0/8", "::1"]}, "Bool": {"aws:SecureTransport": true}, "NumericLessThanEquals": {"s3:max-keys": 1000}, '
    b'"StringNotEquals": {"aws:username": "alice"}, "NotIpAddress": {"aws:SourceIp": "1.2.3.4"}}}]}',
    b'{"Statement": [{"Effect": "Allow", "Action": ["admin:*", "*"], "Resource": "' + b"*a" * 500 + b'"}]}',
    b'\xef\xbb\xbf{"Statement": []}',
    b'{"Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": '
    b'{"NumericLessThanEquals": {"s3:max-keys": "' + b"9" * 400 + b'.5"}}}]}',
)
