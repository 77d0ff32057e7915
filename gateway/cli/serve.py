"""`forebay serve`: runs a node; without a configuration it says how to use it."""

import sys
from collections.abc import Callable

from gateway import __version__
from gateway.cli.node import admin_endpoint, endpoint_at
from gateway.cli.options import Options
from gateway.config import Config, embedded_default, load
from gateway.config.credentials import FILE_NAME
from gateway.errors import ConfigInvalid


def serve(options: Options) -> int:
    """Runs a node until it is told to stop; returns the exit code."""
    if options.config is not None and options.local is not None:
        raise ConfigInvalid(["--local goes without --config: there, add a [[mount]]"])
    if options.config is not None:
        return _run(load(options.config, options.environ, options.sets))
    if options.local is not None and not options.local.is_dir():
        # A directory of the configuration is made; of one that was typed just now the name may be wrong.
        raise ConfigInvalid([f"--local {options.local}: there is no such directory"])
    config = embedded_default(local=options.local, environ=options.environ, sets=options.sets)

    def announce() -> None:
        sys.stdout.write(greeting(config))
        sys.stdout.flush()

    return _run(config, announce)


def greeting(config: Config) -> str:
    """What a newcomer needs: endpoint, key, secret, and three lines to paste."""
    endpoint = endpoint_at(config.listen.s3, tls=config.listen.tls_cert is not None)
    key, bucket = config.access_key[0], config.mount[0]
    secret, region = key.secret.reveal(), config.s3.region
    lines = (
        f"Forebay {__version__} is ready.",
        "",
        f"  endpoint    {endpoint}",
        f"  bucket      {bucket.bucket}  ({bucket.uri})",
        f"  access key  {key.id}",
        f"  secret key  {secret}",
        f"  admin       {admin_endpoint(config)}  (its operations: /api/docs)",
        "",
        f"The key is kept in {config.node.data_dir / FILE_NAME}. To try it, paste one of these lines:",
        "",
        f"AWS_ACCESS_KEY_ID={key.id} AWS_SECRET_ACCESS_KEY={secret} AWS_DEFAULT_REGION={region} "
        f"aws --endpoint-url {endpoint} s3 ls s3://{bucket.bucket}",
        f"python3 -c \"import boto3; print(boto3.client('s3', endpoint_url='{endpoint}', region_name='{region}', "
        f"aws_access_key_id='{key.id}', aws_secret_access_key='{secret}').list_objects_v2(Bucket='{bucket.bucket}'))\"",
        f"curl --aws-sigv4 aws:amz:{region}:s3 --user {key.id}:{secret} "
        f"-H 'x-amz-content-sha256: UNSIGNED-PAYLOAD' '{endpoint}/{bucket.bucket}?list-type=2'",
        "",
        "",
    )
    return "\n".join(lines)


def _run(config: Config, announce: Callable[[], None] | None = None) -> int:
    # Loading all of a node takes a while: a mistake in the configuration is told before.
    from gateway.app import run

    return run(config, announce)
