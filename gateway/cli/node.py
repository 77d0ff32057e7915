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

READ = "admin:Read"
"""What the admin port asks of a key, said here anew: its code would take a second to load."""
WRITE = "admin:Write"
_WHERE_PROOF_IS = "`forebay --help` says where commands take key or token from."

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]


class NodeSilent(Exception):
    """The node did not answer, or not as a node does; the text says what to do."""


@dataclass(frozen=True, slots=True)
class NodeClient:
    """A node's admin API as one caller sees it. `proof` is a bearer token, a key, or nothing."""

    endpoint: str
    proof: Secret | Credentials | None

    def get(self, path: str) -> dict[str, Json]:
        """The JSON object that the node answers; raises `NodeSilent`."""
        return self._answered("GET", path)

    def post(self, path: str) -> dict[str, Json]:
        """As `get`, for what changes something; all there is to say stands in the path's query."""
        return self._answered("POST", path)

    def _answered(self, method: str, path: str) -> dict[str, Json]:
        answer = self._answer(method, path)
        content = _object_in(answer)
        if content is None:
            raise NodeSilent(f"{self.endpoint} does not answer as the admin port of a node does")
        if answer.is_success:
            return content
        detail = content.get("detail")
        advice = f" {_WHERE_PROOF_IS}" if answer.status_code in (401, 403) else ""
        raise NodeSilent(f"{self.endpoint} refuses ({answer.status_code}): {detail}{advice}")

    def _answer(self, method: str, path: str) -> httpx.Response:
        # Proxies of the environment are for the web: a token must not pass through them on its way to a node.
        trusted = ssl.create_default_context()
        try:
            with httpx.Client(trust_env=False, verify=trusted, timeout=ANSWER_TIME_MAX_S) as client:
                return client.request(method, self.endpoint + path, headers=self._headers(method, path))
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise NodeSilent(f"no node answers at {self.endpoint}: {error}; --endpoint names another") from error

    def _headers(self, method: str, path: str) -> Mapping[str, str]:
        match self.proof:
            case None:
                return {}
            case Secret() as token:
                return {"authorization": f"Bearer {token.reveal()}"}
            case Credentials() as credentials:
                return _signed(method, self.endpoint + path, credentials)


def _object_in(answer: httpx.Response) -> dict[str, Json] | None:
    try:
        content: Json = answer.json()
    except ValueError:
        return None
    return content if isinstance(content, dict) else None


def find_node(options: Options, action: str = READ) -> NodeClient:
    """The node that the options and the environment name, for a caller who may do `action`; raises `ConfigInvalid`."""
    config = load(options.config, options.environ) if options.config is not None else None
    endpoint = options.endpoint or options.environ.get("FOREBAY_ENDPOINT")
    if not endpoint:
        endpoint = ENDPOINT_DEFAULT if config is None else admin_endpoint(config)
    if urlsplit(endpoint).scheme not in ("http", "https"):
        raise ConfigInvalid([f"{endpoint}: an endpoint begins with http:// or https://"])
    return NodeClient(endpoint.rstrip("/"), _proof(options.environ, config, action))


def admin_endpoint(config: Config) -> str:
    """The admin port as a URL that this host can reach."""
    return endpoint_at(config.listen.admin, tls=config.listen.tls_cert is not None)


def endpoint_at(address: Address, *, tls: bool) -> str:
    """A URL by which this host reaches what listens on the address, all addresses of the host included."""
    everywhere = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  # compared with, not bound to
    reached = Address(everywhere.get(address.host, address.host), address.port)
    return f"{'https' if tls else 'http'}://{reached}"


def _proof(environ: Mapping[str, str], config: Config | None, action: str) -> Secret | Credentials | None:
    if token := environ.get("FOREBAY_TOKEN"):
        return Secret(token)
    key_id, secret = environ.get("FOREBAY_ACCESS_KEY_ID"), environ.get("FOREBAY_SECRET_ACCESS_KEY")
    if key_id and secret:
        return Credentials(key_id, Secret(secret))
    if config is not None and config.admin.token:
        return config.admin.token
    if config is not None and (credentials := _operator_of(config, action)):
        return credentials
    return read_credentials(DATA_DIR / FILE_NAME)


def _operator_of(config: Config, action: str) -> Credentials | None:
    """The first key of the file that may do `action`: who can read the file has its secret anyway."""
    now = datetime.now(UTC)
    for key in config.access_key:
        policies = [compile_policy(config.policy[name].statement) for name in key.policy]
        if (key.expires is None or key.expires > now) and allows(policies, Ask(action)):
            return Credentials(key.id, key.secret)
    return None


def _signed(method: str, url: str, credentials: Credentials) -> Mapping[str, str]:
    target = urlsplit(url)
    signer = Signer(credentials.key_id, credentials.secret.reveal(), region="us-east-1")
    return sign(Request(method, target.path, parse_qsl(target.query), {"host": target.netloc}), signer, time.time())
