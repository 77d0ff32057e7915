"""Random addresses of requests, and what botocore signs for them."""

from urllib.parse import quote

from botocore.auth import S3SigV4Auth, S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import strategies as st

from gateway.s3.auth import AuthRules
from gateway.s3.head import Head
from tests.s3.auth.requests import head_of_botocore
from tests.s3.auth.signer import ACCESS_KEY, SECRET

KEYS = st.text(st.characters(exclude_characters="\0", codec="utf-8"), min_size=1, max_size=40)
QUERIES = st.dictionaries(
    KEYS.filter(lambda name: not name.lower().startswith("x-amz-")), KEYS | st.just(""), max_size=4
)
ENDPOINTS = st.sampled_from(
    ["http://localhost:9000/bucket/", "https://s3.example.com/bucket/", "http://bucket.s3.example.com:9000/"]
)
RULES = AuthRules(domain="s3.example.com")


def url_of(endpoint: str, key: str, query: dict[str, str]) -> str:
    pairs = [f"{quote(name, safe='-_.~')}={quote(value, safe='-_.~')}" for name, value in query.items()]
    return endpoint + quote(key, safe="/~") + ("?" + "&".join(pairs) if pairs else "")


def botocore_head(url: str, headers: dict[str, str], *, presigned: bool = False) -> Head:
    request = AWSRequest("GET", url, headers=headers)
    auth = S3SigV4QueryAuth if presigned else S3SigV4Auth
    auth(Credentials(ACCESS_KEY, SECRET), "s3", "eu-central-1").add_auth(request)
    return head_of_botocore(request)
