"""How reading commands find their node, prove themselves and ask it."""

import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import parse_qsl, urlsplit

import httpx

from gateway.access.policies import Ask, allows, compile_policy
from gateway.backends.signing import Request, Signer, sign
from gateway.cli.options import Options
from gateway.config import Address, Config, Secret, load
from gateway.config.credentials import FILE_NAME, Credentials, read_credentials
from gateway.config.embedded import DATA_DIR
from gateway.errors import ConfigInvalid

ENDPOINT_DEFAULT = "http://127.0.0.1:9001"
ANSWER_TIME_MAX_S = 30.0

_READ = "admin:Read"
"""What the admin port asks of a key, said here anew: its code would take a second to load."""
_WHERE_PROOF_IS = "`forebay --help` says where commands take key or token from."

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]


class NodeSilent(Exception):
    """The node did not answer, or not as a node does; the text says what to do."""


@dataclass(frozen=True, slots=True)
class NodeClient:
    """A node's admin API as one caller sees it. `proof` is a bearer token, a key, or nothing."""

    endpoint: str
    proof: Secret | Credentials | None

    def get(self, path: str) -> Json:
        """The JSON that the node answers; raises `NodeSilent`."""
        answer = self._answer(path)
        try:
            content: Json = answer.json()
        except ValueError as error:
            raise NodeSilent(f"{self.endpoint} does not answer as the admin port of a node does") from error
        if answer.is_success:
            return content
        detail = content.get("detail") if isinstance(content, dict) else answer.reason_phrase
        advice = f" {_WHERE_PROOF_IS}" if answer.status_code in (401, 403) else ""
        raise NodeSilent(f"{self.endpoint} refuses ({answer.status_code}): {detail}{advice}")

    def _answer(self, path: str) -> httpx.Response:
        # Proxies of the environment are for the web: a token must not pass through them on its way to a node.
        trusted = ssl.create_default_context()
        try:
            with httpx.Client(trust_env=False, verify=trusted, timeout=ANSWER_TIME_MAX_S) as client:
                return client.get(self.endpoint + path, headers=self._headers(path))
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise NodeSilent(f"no node answers at {self.endpoint}: {error}; --endpoint names another") from error

    def _headers(self, path: str) -> Mapping[str, str]:
        match self.proof:
            case None:
                return {}
            case Secret() as token:
                return {"authorization": f"Bearer {token.reveal()}"}
            case Credentials() as credentials:
                return _signed(self.endpoint, path, credentials)


def find_node(options: Options) -> NodeClient:
    """The node that the options and the environment name; raises `ConfigInvalid`."""
    config = load(options.config, options.environ) if options.config is not None else None
    endpoint = options.endpoint or options.environ.get("FOREBAY_ENDPOINT")
    if not endpoint:
        endpoint = ENDPOINT_DEFAULT if config is None else admin_endpoint(config)
    if urlsplit(endpoint).scheme not in ("http", "https"):
        raise ConfigInvalid([f"{endpoint}: an endpoint begins with http:// or https://"])
    return NodeClient(endpoint.rstrip("/"), _proof(options.environ, config))


def admin_endpoint(config: Config) -> str:
    """The admin port as a URL that this host can reach."""
    return endpoint_at(config.listen.admin, tls=config.listen.tls_cert is not None)


def endpoint_at(address: Address, *, tls: bool) -> str:
    """A URL by which this host reaches what listens on the address, all addresses of the host included."""
    everywhere = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  # compared with, not bound to
    reached = Address(everywhere.get(address.host, address.host), address.port)
    return f"{'https' if tls else 'http'}://{reached}"


def _proof(environ: Mapping[str, str], config: Config | None) -> Secret | Credentials | None:
    if token := environ.get("FOREBAY_TOKEN"):
        return Secret(token)
    key_id, secret = environ.get("FOREBAY_ACCESS_KEY_ID"), environ.get("FOREBAY_SECRET_ACCESS_KEY")
    if key_id and secret:
        return Credentials(key_id, Secret(secret))
    if config is not None and config.admin.token:
        return config.admin.token
    if config is not None and (credentials := _operator_of(config)):
        return credentials
    return read_credentials(DATA_DIR / FILE_NAME)


def _operator_of(config: Config) -> Credentials | None:
    """The first key of the file that may read the admin API: who can read the file has its secret anyway."""
    now = datetime.now(UTC)
    for key in config.access_key:
        policies = [compile_policy(config.policy[name].statement) for name in key.policy]
        if (key.expires is None or key.expires > now) and allows(policies, Ask(_READ)):
            return Credentials(key.id, key.secret)
    return None


def _signed(endpoint: str, path: str, credentials: Credentials) -> Mapping[str, str]:
    target = urlsplit(endpoint + path)
    signer = Signer(credentials.key_id, credentials.secret.reveal(), region="us-east-1")
    return sign(Request("GET", target.path, parse_qsl(target.query), {"host": target.netloc}), signer, time.time())
