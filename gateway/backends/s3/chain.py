"""The credential chain of the AWS SDKs: the one module that knows its library."""

from aiobotocore.credentials import (
    AioAssumeRoleCredentialFetcher,
    AioAssumeRoleWithWebIdentityCredentialFetcher,
    AioCredentials,
    AioDeferredRefreshableCredentials,
    AioRefreshableCredentials,
)
from aiobotocore.session import AioSession
from botocore.exceptions import BotoCoreError, ClientError
from botocore.utils import FileWebIdentityTokenLoader

from gateway.backends.signing import Signer
from gateway.config.places import S3Options
from gateway.errors import BackendUnavailable, CredentialsRefused

SESSION_NAME = "forebay"
"""How assumed roles are called in the logs of AWS."""

_UNFOUND = "There are no credentials for the store behind this bucket."
_UNASKED = "The credentials for the store behind this bucket cannot be had now."


class ChainSource:
    """Credentials of the library, which knows how to renew them (`Source`)."""

    def __init__(self, found: AioCredentials | AioRefreshableCredentials, region: str) -> None:
        self._found = found
        self._region = region

    def ends_within(self, seconds: float) -> bool:
        """Whether they end that soon; fixed ones never do."""
        renewable = isinstance(self._found, AioRefreshableCredentials)
        return renewable and bool(self._found.refresh_needed(refresh_in=seconds))

    async def signer(self) -> Signer:
        """Raises `CredentialsRefused` or `BackendUnavailable` where they cannot be renewed."""
        try:
            frozen = await self._found.get_frozen_credentials()
        except ClientError as error:
            raise CredentialsRefused(_UNFOUND) from error
        except (BotoCoreError, OSError, RuntimeError) as error:
            raise BackendUnavailable(_UNASKED) from error
        return Signer(frozen.access_key, frozen.secret_key, self._region, frozen.token)


async def find(options: S3Options) -> ChainSource:
    """The credentials that a mount's options lead to; raises `CredentialsRefused` where there are none."""
    try:
        session = AioSession(profile=options.profile or None)
        found = _role(session, options) if options.web_identity_token_file else await _found(session, options)
        if found is not None and options.role_arn and not options.web_identity_token_file:
            found = _assumed(session, options, found)
    except (BotoCoreError, OSError) as error:
        raise CredentialsRefused(_UNFOUND) from error
    if found is None:
        raise CredentialsRefused(_UNFOUND)
    return ChainSource(found, options.region)


async def _found(session: AioSession, options: S3Options) -> AioCredentials | AioRefreshableCredentials | None:
    if options.access_key_id:
        secret, token = options.secret_access_key.reveal(), options.session_token.reveal()
        return AioCredentials(options.access_key_id, secret, token or None)
    return await session.get_credentials()


def _assumed(
    session: AioSession, options: S3Options, source: AioCredentials | AioRefreshableCredentials
) -> AioDeferredRefreshableCredentials:
    external = {"ExternalId": options.external_id} if options.external_id else {}
    fetcher = AioAssumeRoleCredentialFetcher(
        client_creator=session.create_client,
        source_credentials=source,
        role_arn=options.role_arn,
        extra_args={"RoleSessionName": SESSION_NAME, **external},
    )
    return AioDeferredRefreshableCredentials(method="assume-role", refresh_using=fetcher.fetch_credentials)


def _role(session: AioSession, options: S3Options) -> AioDeferredRefreshableCredentials:
    fetcher = AioAssumeRoleWithWebIdentityCredentialFetcher(
        client_creator=session.create_client,
        web_identity_token_loader=FileWebIdentityTokenLoader(str(options.web_identity_token_file)),
        role_arn=options.role_arn,
        extra_args={"RoleSessionName": SESSION_NAME},
    )
    return AioDeferredRefreshableCredentials(
        method="assume-role-with-web-identity", refresh_using=fetcher.fetch_credentials
    )
