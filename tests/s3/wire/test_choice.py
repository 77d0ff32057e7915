"""Which operation a request is, and what is refused instead of ignored."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import (
    AclUnsupported,
    ArgumentInvalid,
    DigestWrong,
    GatewayError,
    KeyTooLong,
    MetadataTooLarge,
    MethodRefused,
    RequestInvalid,
    StorageClassInvalid,
    TagInvalid,
    Unsupported,
)
from gateway.model import Algorithm, Bucket, Checksum, ChecksumSpec, ChecksumType, ContentHeaders, Key
from gateway.s3.choice import REFUSED, RULES, choose
from gateway.s3.guards import DeleteConditions, ReadConditions, TagList, WriteConditions
from gateway.s3.operations import (
    AbortMultipartUpload,
    BucketSetting,
    BucketTruth,
    CompleteMultipartUpload,
    CopyObject,
    CreateBucket,
    CreateMultipartUpload,
    DeleteBucket,
    DeleteObject,
    DeleteObjects,
    GetObject,
    HeadBucket,
    HeadObject,
    ListBuckets,
    ListMultipartUploads,
    ListObjects,
    ListParts,
    ListStyle,
    ObjectAcl,
    ObjectTagging,
    PostObject,
    PutObject,
    RangeSpec,
    ReadSpec,
    Source,
    Stored,
    UploadPart,
    UploadPartCopy,
    Verb,
)
from gateway.s3.rules import Level
from gateway.s3.target import quote, resolve
from tests.s3.wire.heads import chosen, head

B, K = Bucket("b"), Key(b"k")
TAG = TagList(strong=("tag",))


@pytest.mark.parametrize(
    ("method", "target", "operation"),
    [
        ("GET", "/", ListBuckets()),
        ("GET", "/?prefix=p&max-buckets=5&x-id=ListBuckets", ListBuckets("p", 5)),
        ("PUT", "/b", CreateBucket(B)),
        ("HEAD", "/b/", HeadBucket(B)),
        ("DELETE", "/b", DeleteBucket(B)),
        ("GET", "/b", ListObjects(B, ListStyle.V1)),
        ("GET", "/b?list-type=2&max-keys=5000", ListObjects(B, ListStyle.V2)),
        ("GET", "/b?marker=(null)&key-marker=x", ListObjects(B, ListStyle.V1, marker=b"(null)")),
        ("GET", "/b?uploads=&max-uploads=2", ListMultipartUploads(B, uploads_max=2)),
        ("POST", "/b?delete", DeleteObjects(B)),
        ("POST", "/b", PostObject(B)),
        ("GET", "/b?location", BucketSetting(B, BucketTruth.LOCATION, Verb.GET, "s3:GetBucketLocation")),
        ("DELETE", "/b?cors", BucketSetting(B, BucketTruth.CORS, Verb.DELETE, "s3:PutBucketCORS")),
        ("GET", "/b/k", GetObject(B, K)),
        ("HEAD", "/b/k?versionId=null", HeadObject(B, K, ReadSpec("null"))),
        ("PUT", "/b/k?x-id=PutObject", PutObject(B, K)),
        ("DELETE", "/b/k", DeleteObject(B, K)),
        ("GET", "/b/k?acl", ObjectAcl(B, K, Verb.GET, "s3:GetObjectAcl")),
        ("DELETE", "/b/k?tagging", ObjectTagging(B, K, Verb.DELETE, "s3:DeleteObjectTagging")),
        ("POST", "/b/k?uploads", CreateMultipartUpload(B, K)),
        ("PUT", "/b/k?x-id=UploadPart&partNumber=1&uploadId=U", UploadPart(B, K, "U", 1)),
        ("POST", "/b/k?uploadId=U", CompleteMultipartUpload(B, K, "U")),
        ("DELETE", "/b/k?uploadId=U", AbortMultipartUpload(B, K, "U")),
        ("GET", "/b/k?uploadId=U&max-parts=2&part-number-marker=7", ListParts(B, K, "U", 2, 7)),
    ],
)
def test_method_level_and_sub_resource_choose(method: str, target: str, operation: object) -> None:
    assert chosen(method, target) == operation


@pytest.mark.parametrize(
    ("method", "target", "named"),
    [
        ("GET", "/b?versions", "versions"),
        ("POST", "/b?batch", "batch"),
        ("GET", "/b/k?attributes", "attributes"),
        ("GET", "/b/k?member=x", "member"),
        ("GET", "/b?analytics&id=1", "analytics"),
        ("PUT", "/b?versioning", "versioning"),
        ("PUT", "/b?policy", "policy"),
        ("DELETE", "/b?ownershipControls", "ownershipControls"),
        ("DELETE", "/b/k?attributes", "attributes"),
        ("DELETE", "/b/k?made-up", "made-up"),
        ("PUT", "/b/k?renameObject", "renameObject"),
        ("PUT", "/b/k?versionId=1", "versionId"),
        ("PUT", "/b/k?uploadId=U", "uploadId"),
        ("GET", "/b?location&prefix=x", "prefix"),
        ("GET", "/b/k?acl&tagging", "tagging"),
        ("POST", "/b/k?restore", "restore"),
        ("POST", "/b/k?made-up", "made-up"),
        ("GET", "/?made-up", "made-up"),
    ],
)
def test_what_no_line_of_the_table_knows_is_refused_by_its_name(method: str, target: str, named: str) -> None:
    with pytest.raises(Unsupported) as caught:
        chosen(method, target)
    assert caught.value.details == {"Parameter": named}
    assert named in str(caught.value)


@pytest.mark.parametrize(
    ("method", "target", "allow"),
    [
        ("PATCH", "/b/k", "DELETE, GET, HEAD, PUT"),
        ("POST", "/b/k", "DELETE, GET, HEAD, PUT"),
        ("TRACE", "/b", "DELETE, GET, HEAD, POST, PUT"),
        ("PUT", "/", "GET"),
    ],
)
def test_a_method_nobody_has_there_is_told_which_ones_there_are(method: str, target: str, allow: str) -> None:
    with pytest.raises(MethodRefused) as caught:
        chosen(method, target)
    assert caught.value.details["allow"] == allow


def test_preflights_are_not_implemented_yet() -> None:
    with pytest.raises(Unsupported):
        chosen("OPTIONS", "/b/k", {"origin": "http://example.org"})


def test_a_signature_in_the_query_selects_nothing() -> None:
    v4 = "X-Amz-Algorithm=a&x-amz-credential=b&X-AMZ-Signature=c"
    assert chosen("GET", f"/b/k?{v4}") == GetObject(B, K)
    v2 = "AWSAccessKeyId=a&Signature=b&Expires=1&content-type=text/plain"
    assert chosen("PUT", f"/b/k?{v2}") == PutObject(B, K, Stored(ContentHeaders("text/plain")))


def test_a_listing_keeps_its_bytes() -> None:
    query = "list-type=2&prefix=a%20%2B&delimiter=%C3%A9&start-after=z&continuation-token=&fetch-owner=true"
    assert chosen("GET", f"/b?{query}&encoding-type=url") == ListObjects(
        B, ListStyle.V2, b"a +", "é".encode(), url_encoded=True, start_after=b"z", token="", fetch_owner=True
    )


@pytest.mark.parametrize(
    "target",
    [
        "/b?max-keys=-1",
        "/b?max-keys=x",
        "/b?max-keys=2147483648",
        "/b?max-keys=1&max-keys=1",
        "/b?prefix=%00",
        "/b?prefix=%FF",
        "/b?list-type=1",
        "/b?encoding-type=base64",
        "/?max-buckets=0",
        "/?max-buckets=10001",
        "/b/k?partNumber=0",
        "/b/k?partNumber=10001",
        "/b/k?versionId=",
        "/b/k?response-expires=a%0D%0Ab",
        "/b/k?response-content-type=%E2%82%AC",
        "/b/k?uploadId=U&max-parts=x",
    ],
)
def test_parameters_that_are_not_well_formed_are_named(target: str) -> None:
    with pytest.raises(ArgumentInvalid) as caught:
        chosen("GET", target)
    assert caught.value.details["ArgumentName"] in target


def test_reads_know_range_conditions_overrides_and_checksum_mode() -> None:
    fields = {
        "range": "bytes=1-2",
        "if-range": '"tag"',
        "if-match": "tag",
        "if-modified-since": "Sun, 06 Nov 1994 08:49:37 GMT",
        "if-unmodified-since": "nonsense",
        "x-amz-checksum-mode": "enabled",
    }
    assert chosen("GET", "/b/k?response-content-type=a%C3%A9", fields) == GetObject(
        B,
        K,
        ReadSpec(
            range=RangeSpec(1, 2),
            if_range=TAG,
            conditions=ReadConditions(TAG, if_modified_since_s=784_111_777),
            overrides=(("content-type", "aé"),),
            with_checksum=True,
        ),
    )


def test_a_part_is_read_alone_and_not_with_a_range() -> None:
    assert chosen("HEAD", "/b/k?partNumber=3") == HeadObject(B, K, ReadSpec(part_number=3))
    with pytest.raises(RequestInvalid):
        chosen("GET", "/b/k?partNumber=3", {"range": "bytes=0-1"})


def test_a_write_knows_what_to_keep_and_its_conditions() -> None:
    fields = {
        "content-type": "text/plain",
        "content-encoding": "gzip,aws-chunked",
        "x-amz-meta-b": "",
        "x-amz-meta-a": "1",
        "x-amz-tagging": "t=1%202&u=",
        "x-amz-acl": "private",
        "x-amz-storage-class": "STANDARD",
        "if-none-match": "*",
    }
    stored = Stored(
        ContentHeaders("text/plain", content_encoding="gzip"), (("a", "1"), ("b", "")), (("t", "1 2"), ("u", ""))
    )
    assert chosen("PUT", "/b/k", fields) == PutObject(B, K, stored, WriteConditions(if_none_match=TagList(any=True)))


@pytest.mark.parametrize(
    ("name", "value", "failure"),
    [
        ("x-amz-server-side-encryption", "AES256", Unsupported),
        ("x-amz-server-side-encryption-customer-key", "k", Unsupported),
        ("x-amz-website-redirect-location", "/", Unsupported),
        ("x-amz-write-offset-bytes", "3", Unsupported),
        ("x-amz-storage-class", "GLACIER", Unsupported),
        ("x-amz-storage-class", "made-up", StorageClassInvalid),
        ("x-amz-acl", "made-up", ArgumentInvalid),
        ("x-amz-grant-read", "id=1", AclUnsupported),
        ("x-amz-object-lock-mode", "GOVERNANCE", RequestInvalid),
        ("x-amz-tagging", "a=%zz", ArgumentInvalid),
        ("x-amz-tagging", "a=1&a=2", TagInvalid),
        ("x-amz-meta-a", "x" * 2048, MetadataTooLarge),
        ("x-amz-if-match-size", "1", Unsupported),
        ("if-modified-since", "any", Unsupported),
        ("if-unmodified-since", "any", Unsupported),
        ("x-amz-copy-source", "", ArgumentInvalid),
    ],
)
def test_headers_that_would_change_a_write_are_never_ignored(
    name: str, value: str, failure: type[GatewayError]
) -> None:
    with pytest.raises(failure):
        chosen("PUT", "/b/k", {name: value})


@pytest.mark.parametrize("value", ["BucketOwnerEnforced", "ObjectWriter"])
def test_a_new_bucket_is_owned_as_all_are(value: str) -> None:
    fields = {"x-amz-object-ownership": value, "x-amz-bucket-object-lock-enabled": "False"}
    if value == "BucketOwnerEnforced":
        assert chosen("PUT", "/b", fields) == CreateBucket(B)
    else:
        with pytest.raises(Unsupported):
            chosen("PUT", "/b", fields)


def test_metadata_may_have_2_kib_of_names_and_values() -> None:
    fields = {"x-amz-meta-ab": "x" * 2046}
    operation = chosen("PUT", "/b/k", fields)
    assert isinstance(operation, PutObject)
    with pytest.raises(MetadataTooLarge):
        chosen("PUT", "/b/k", fields | {"x-amz-meta-c": ""})


def test_a_delete_keeps_its_guards_and_refuses_others() -> None:
    fields = {"if-match": "tag", "x-amz-if-match-size": "3"}
    fields["x-amz-if-match-last-modified-time"] = "Sun, 06 Nov 1994 08:49:37 GMT"
    assert chosen("DELETE", "/b/k?versionId=v", fields) == DeleteObject(
        B, K, "v", DeleteConditions(TAG, 3, 784_111_777)
    )
    for name in ("if-none-match", "if-modified-since", "if-unmodified-since"):
        with pytest.raises(Unsupported):
            chosen("DELETE", "/b/k", {name: "x"})
    for name in ("x-amz-if-match-size", "x-amz-if-match-last-modified-time"):
        with pytest.raises(ArgumentInvalid):
            chosen("DELETE", "/b/k", {name: "x"})


@pytest.mark.parametrize(
    ("text", "source"),
    [
        ("s/a", Source(Bucket("s"), Key(b"a"))),
        ("/s/a/b", Source(Bucket("s"), Key(b"a/b"))),
        ("s%2Fa+b%2Bc", Source(Bucket("s"), Key(b"a+b+c"))),
        ("s/x%25y", Source(Bucket("s"), Key(b"x%y"))),
        ("s//a", Source(Bucket("s"), Key(b"/a"))),
        ("s/a?versionId=null", Source(Bucket("s"), Key(b"a"), "null")),
        ("s/a%3FversionId=1", Source(Bucket("s"), Key(b"a?versionId=1"))),
    ],
)
def test_a_copy_source_is_decoded_once(text: str, source: Source) -> None:
    assert chosen("PUT", "/b/k", {"x-amz-copy-source": text}) == CopyObject(B, K, source)


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=200))
def test_every_key_comes_back_from_a_copy_source(key: str) -> None:
    operation = chosen("PUT", "/b/k", {"x-amz-copy-source": f"s/{quote(key.encode())}"})
    assert isinstance(operation, CopyObject)
    assert operation.source == Source(Bucket("s"), Key(key.encode()))


@pytest.mark.parametrize(
    ("text", "failure"),
    [
        ("s", ArgumentInvalid),
        ("/s/", ArgumentInvalid),
        ("//k", ArgumentInvalid),
        ("s/%zz", ArgumentInvalid),
        ("s/%ff", ArgumentInvalid),
        ("s/%00", ArgumentInvalid),
        ("arn:aws:s3:region:id:accesspoint/x/object/k", Unsupported),
        ("s/" + "k" * 1025, KeyTooLong),
    ],
)
def test_a_copy_source_that_names_no_object_is_refused(text: str, failure: type[GatewayError]) -> None:
    with pytest.raises(failure):
        chosen("PUT", "/b/k", {"x-amz-copy-source": text})


def test_a_copy_knows_its_directives_and_the_conditions_of_its_source() -> None:
    fields = {
        "x-amz-copy-source": "s/a",
        "x-amz-metadata-directive": "REPLACE",
        "x-amz-tagging-directive": "REPLACE",
        "x-amz-copy-source-if-match": "tag",
        "x-amz-checksum-algorithm": "sha256",
    }
    assert chosen("PUT", "/b/k", fields) == CopyObject(
        B,
        K,
        Source(Bucket("s"), Key(b"a"), conditions=ReadConditions(TAG)),
        replaces_metadata=True,
        replaces_tags=True,
        checksum=ChecksumSpec(Algorithm.SHA256, ChecksumType.FULL_OBJECT),
    )
    with pytest.raises(ArgumentInvalid):
        chosen("PUT", "/b/k", fields | {"x-amz-metadata-directive": "KEEP"})


def test_a_part_may_be_a_copy() -> None:
    fields = {"x-amz-copy-source": "s/a", "x-amz-copy-source-range": "bytes=0-4"}
    source = Source(Bucket("s"), Key(b"a"))
    target = "/b/k?partNumber=2&uploadId=U"
    assert chosen("PUT", target, fields) == UploadPartCopy(B, K, "U", 2, source, RangeSpec(0, 4))
    with pytest.raises(ArgumentInvalid):
        chosen("PUT", target, fields | {"x-amz-copy-source-range": "bytes=1-"})
    with pytest.raises(Unsupported):
        chosen("PUT", target, {"if-match": "tag"})


@pytest.mark.parametrize(
    ("algorithm", "type_", "spec"),
    [
        ("crc32", None, ChecksumSpec(Algorithm.CRC32, ChecksumType.COMPOSITE)),
        ("CRC32C", "full_object", ChecksumSpec(Algorithm.CRC32C, ChecksumType.FULL_OBJECT)),
        ("CRC64NVME", None, ChecksumSpec(Algorithm.CRC64NVME, ChecksumType.FULL_OBJECT)),
        ("CRC64NVME", "COMPOSITE", None),
        ("SHA1", "COMPOSITE", ChecksumSpec(Algorithm.SHA1, ChecksumType.COMPOSITE)),
        ("SHA256", "FULL_OBJECT", None),
        ("SHA512", None, None),
        ("made-up", None, None),
        ("CRC32", "made-up", None),
        (None, "COMPOSITE", None),
    ],
)
def test_an_upload_knows_the_checksum_of_its_parts(
    algorithm: str | None, type_: str | None, spec: ChecksumSpec | None
) -> None:
    said = {"x-amz-checksum-algorithm": algorithm, "x-amz-checksum-type": type_}
    fields = {name: value for name, value in said.items() if value is not None}
    if spec is None:
        with pytest.raises(RequestInvalid):
            chosen("POST", "/b/k?uploads", fields)
    else:
        assert chosen("POST", "/b/k?uploads", fields) == CreateMultipartUpload(B, K, checksum=spec)


def test_complete_knows_what_the_whole_must_be() -> None:
    fields = {"x-amz-checksum-crc32": "AAAAAQ==-2", "x-amz-checksum-type": "composite", "x-amz-mp-object-size": "9"}
    checksum = Checksum(Algorithm.CRC32, b"\0\0\0\1", ChecksumType.COMPOSITE, 2)
    assert chosen("POST", "/b/k?uploadId=U", fields | {"if-match": "tag"}) == CompleteMultipartUpload(
        B, K, "U", WriteConditions(TAG), checksum, ChecksumType.COMPOSITE, 9
    )
    with pytest.raises(DigestWrong):
        chosen("POST", "/b/k?uploadId=U", {"x-amz-checksum-crc32": "AAAA"})
    with pytest.raises(RequestInvalid):
        chosen("POST", "/b/k?uploadId=U", fields | {"x-amz-checksum-sha1": "2jmj7l5rSw0yVb/vlWAYkK/YBwk="})
    with pytest.raises(ArgumentInvalid):
        chosen("POST", "/b/k?uploadId=U", {"x-amz-mp-object-size": "-1"})


NAMES = sorted({name for level in Level for rule in RULES[level] for name in rule.selectors | rule.parameters})
REFUSED_NAMES = sorted(name for level in Level for name in REFUSED[level])
HEADER_NAMES = [
    *("range", "if-match", "if-range", "if-none-match", "x-amz-copy-source", "x-amz-copy-source-range"),
    *("x-amz-tagging", "x-amz-acl", "x-amz-checksum-crc32", "x-amz-checksum-type", "x-amz-checksum-algorithm"),
    *("x-amz-meta-a", "content-encoding", "x-amz-if-match-size", "x-amz-mp-object-size"),
]
PATHS = {"/": Level.SERVICE, "/b": Level.BUCKET, "/b/k": Level.OBJECT}
TEXTS = st.text(st.characters(max_codepoint=0xFF), max_size=12)


@given(
    st.sampled_from(["GET", "HEAD", "PUT", "POST", "DELETE", "PATCH"]),
    st.sampled_from(list(PATHS)),
    st.lists(st.tuples(st.sampled_from(NAMES + REFUSED_NAMES), TEXTS), max_size=4),
    st.dictionaries(st.sampled_from(HEADER_NAMES), TEXTS, max_size=4),
)
def test_no_request_raises_anything_but_expected_failures_nor_passes_with_a_refused_name(
    method: str, path: str, query: list[tuple[str, str]], fields: dict[str, str]
) -> None:
    pairs = "&".join(f"{name}={quote(value.encode('latin-1'), '')}" for name, value in query)
    request, refused = head(method, f"{path}?{pairs}", fields), REFUSED[PATHS[path]]
    try:
        operation = choose(request, resolve(request, ""))
    except GatewayError:
        return
    assert refused.isdisjoint(name for name, _ in query), operation
