"""From a file, the environment and the command line to a configuration, or to all its problems."""

from pathlib import Path

import pytest

from gateway.config import Config, LocalOptions, MemoryOptions, Secret, load
from gateway.errors import ConfigInvalid

EXAMPLE = Path(__file__).parents[2] / "config.example.toml"
EXAMPLE_ENVIRON = {"TEAM_A_SECRET": "secret-of-team-a", "OPERATOR_SECRET": "secret-of-operator"}


def config_of(tmp_path: Path, text: str, environ: dict[str, str] | None = None, sets: tuple[str, ...] = ()) -> Config:
    file = tmp_path / "config.toml"
    file.write_text(text)
    return load(file, environ or {}, sets)


def problems_of(
    tmp_path: Path, text: str, environ: dict[str, str] | None = None, sets: tuple[str, ...] = ()
) -> list[str]:
    with pytest.raises(ConfigInvalid) as caught:
        config_of(tmp_path, text, environ, sets)
    return caught.value.problems


def test_the_example_is_a_good_configuration() -> None:
    config = load(EXAMPLE, EXAMPLE_ENVIRON)
    assert config.access_key[0].secret.reveal() == "secret-of-team-a"
    assert config.access_key[0].policy == ("train-readonly",)
    assert config.access_key[0].expires is None
    assert config.mount[0].bucket == "train"


def test_the_example_shows_the_defaults() -> None:
    shown, defaults = load(EXAMPLE, EXAMPLE_ENVIRON), load(None, {})
    for section in ("listen", "s3", "admin", "limits", "log"):
        assert getattr(shown, section) == getattr(defaults, section)
    assert shown.node.stop_grace == defaults.node.stop_grace


def test_no_file_is_the_defaults_on_loopback() -> None:
    config = load(None, {})
    assert config.listen.s3.is_loopback
    assert config.listen.admin.is_loopback
    assert config.access_key == ()
    assert config.mount == ()
    assert config.new_buckets is None


def test_every_problem_is_named_with_its_line(tmp_path: Path) -> None:
    problems = problems_of(
        tmp_path,
        """\
[listen]
s4 = "127.0.0.1:9000"
admin = "nowhere"
[[mount]]
bucket = "Bad_Name"
backend = "local"
uri = "data"
[mount.options]
kyes = "exact"
threads = 0
[[mount]]
bucket = "good-name"
backend = "lokal"
[lmits]
requests = 1
""",
    )
    assert problems == [
        'config.toml:2: listen.s4: unknown key; did you mean "s3"?',
        'config.toml:3: listen.admin: not an address: write host and port, like "127.0.0.1:9000" or "0.0.0.0:9000"',
        "config.toml:5: mount[0].bucket: not a bucket name: 3 to 63 of a-z, 0-9, '.' and '-', as S3 has them",
        'config.toml:9: mount[0].options.kyes: unknown key; did you mean "keys"?',
        "config.toml:10: mount[0].options.threads: must be greater than or equal to 1",
        "config.toml:13: mount[1].backend: must be 'local', 'memory' or 's3'",
        'config.toml:14: lmits: unknown key; did you mean "limits"?',
    ]


def test_a_missing_key_is_named_where_its_table_stands(tmp_path: Path) -> None:
    assert problems_of(tmp_path, '\n[[access_key]]\nid = "a"\n') == ["config.toml:2: access_key[0].secret: is missing"]


def test_text_that_is_no_toml_is_named_with_its_line(tmp_path: Path) -> None:
    [problem] = problems_of(tmp_path, "[node]\nname = \n")
    assert problem.startswith("config.toml:2: ")


@pytest.mark.parametrize("content", [b"\xff", b"x" * (4 * 1024 * 1024 + 1)])
def test_a_file_that_is_no_text_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "c.toml").write_bytes(content)
    with pytest.raises(ConfigInvalid, match=r"UTF-8|too large"):
        load(tmp_path / "c.toml", {})


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigInvalid, match=r"absent\.toml: cannot be read: No such file"):
        load(tmp_path / "absent.toml", {})


def test_relative_paths_count_from_the_directory_of_the_file(tmp_path: Path) -> None:
    config = config_of(
        tmp_path,
        """\
[node]
data_dir = "state"
[listen]
tls_cert = "cert.pem"
tls_key = "/etc/key.pem"
[[mount]]
bucket = "one"
backend = "local"
uri = "./one"
[new_buckets]
backend = "local"
uri = "made"
""",
    )
    assert config.node.data_dir == tmp_path / "state"
    assert config.listen.tls_cert == tmp_path / "cert.pem"
    assert config.listen.tls_key == Path("/etc/key.pem")
    assert Path(config.mount[0].uri) == tmp_path / "one"
    assert config.new_buckets is not None
    assert Path(config.new_buckets.uri) == tmp_path / "made"


def test_a_default_path_counts_from_the_directory_of_the_file_too(tmp_path: Path) -> None:
    assert config_of(tmp_path, "").node.data_dir == tmp_path / "forebay-data"
    assert load(None, {}).node.data_dir == Path("forebay-data")


def test_variables_are_replaced_everywhere_and_only_once(tmp_path: Path) -> None:
    config = config_of(
        tmp_path,
        '[node]\nname = "n-${A}"\n[[mount]]\nbucket = "${B}"\nbackend = "local"\nuri = "/x/${A}/${B}"\n',
        {"A": "one", "B": "two"},
    )
    assert config.node.name == "n-one"
    assert config.mount[0].bucket == "two"
    assert config.mount[0].uri == "/x/one/two"
    nested = config_of(tmp_path, '[admin]\ntoken = "${A}"\n', {"A": "${B}", "B": "no"})
    assert nested.admin.token.reveal() == "${B}"


def test_a_variable_that_is_not_set_is_named_and_no_other_value_is_shown(tmp_path: Path) -> None:
    problems = problems_of(tmp_path, '[admin]\ntoken = "${A}${B}"\n[node]\nname="${not one}"\n', {"A": "hush"})
    assert problems == [
        "config.toml:2: admin.token: the environment variable B is not set",
        "config.toml:4: node.name: ${ begins an environment variable, ${NAME}; this is none",
    ]


@pytest.mark.parametrize(
    ("content", "secret"), [("s3cret\n", "s3cret"), ("s3cret\r\n", "s3cret"), ("a\nb\n\n", "a\nb\n")]
)
def test_a_secret_is_read_from_a_file_without_its_last_line_end(tmp_path: Path, content: str, secret: str) -> None:
    (tmp_path / "token").write_bytes(content.encode())
    assert config_of(tmp_path, '[admin]\ntoken = "file:token"\n').admin.token == Secret(secret)


def test_a_secret_file_that_cannot_be_read_is_named_without_its_content(tmp_path: Path) -> None:
    (tmp_path / "binary").write_bytes(b"hush\xff")
    [problem] = problems_of(tmp_path, '[admin]\ntoken = "file:binary"\n')
    assert "binary" in problem
    assert "hush" not in problem
    [problem] = problems_of(tmp_path, '[admin]\ntoken = "file:absent"\n')
    assert problem.endswith("absent: No such file or directory")


def test_file_means_nothing_where_no_secret_stands(tmp_path: Path) -> None:
    [problem] = problems_of(tmp_path, '[node]\nname = "file:token"\n')
    assert "node.name" in problem


def test_no_problem_ever_shows_a_secret(tmp_path: Path) -> None:
    text = '[admin]\ntoken = ["hush-hush"]\n[[access_key]]\nid = "a"\nsecret = "hush"\n'
    problems = problems_of(tmp_path, text)
    assert len(problems) == 2
    assert "hush" not in "".join(problems)


def test_the_environment_overrides_the_file_and_the_command_line_both(tmp_path: Path) -> None:
    text = '[limits]\nrequests = 1\nconnections = 1\n[log]\nlevel = "error"\n'
    environ = {"FOREBAY__LIMITS__REQUESTS": "2", "FOREBAY__LIMITS__CONNECTIONS": "2", "FOREBAY_ENDPOINT": "ignored"}
    config = config_of(tmp_path, text, environ, ("limits.connections=3", "node.name=set"))
    assert (config.limits.requests, config.limits.connections, config.log.level) == (2, 3, "error")
    assert config.node.name == "set"


def test_lists_and_tables_are_overridden_as_the_file_writes_them(tmp_path: Path) -> None:
    sets = ('listen.trusted_proxies=["10.0.0.0/8", "::1"]', 'new_buckets={ backend = "memory" }')
    config = config_of(tmp_path, "", None, sets[:1])
    assert [str(network) for network in config.listen.trusted_proxies] == ["10.0.0.0/8", "::1/128"]
    config = config_of(tmp_path, "", {"FOREBAY__NEW_BUCKETS": sets[1].partition("=")[2]})
    assert config.new_buckets is not None
    assert config.new_buckets.options == MemoryOptions()


def test_a_problem_in_an_override_names_the_override(tmp_path: Path) -> None:
    problems = problems_of(tmp_path, "", {"FOREBAY__LIMITS__REQUESTS": "many"}, ("log.levle=info",))
    assert problems == [
        "FOREBAY__LIMITS__REQUESTS: limits.requests: must be a valid integer, unable to parse string as an integer",
        '--set log.levle: log.levle: unknown key; did you mean "level"?',
    ]


@pytest.mark.parametrize("given", ["requests=1", "limits.requests", "=", "mount.bucket=x"])
def test_an_override_that_names_no_key_is_refused(tmp_path: Path, given: str) -> None:
    text = '[[mount]]\nbucket = "abc"\nbackend = "memory"\n'
    assert problems_of(tmp_path, text, None, (given,))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('[listen]\ntls_cert = "a"\n', "config.toml:1: listen: tls_cert and tls_key go together: give both or neither"),
        ('[listen]\nadmin = "127.0.0.1:9000"\n', "config.toml:2: listen.admin: is the address of listen.s3 too"),
        (
            '[[access_key]]\nid = "a"\nsecret = "12345678"\npolicy = "nope"\n',
            "config.toml:4: access_key[0].policy: there is no [policy.nope]",
        ),
        (
            '[[access_key]]\nid = "a"\nsecret = "12345678"\n[[access_key]]\nid = "a"\nsecret = "12345678"\n',
            "config.toml:5: access_key[1].id: another access key has this id",
        ),
        (
            '[[mount]]\nbucket = "abc"\nbackend = "memory"\n[[mount]]\nbucket = "abc"\nbackend = "memory"\n',
            "config.toml:5: mount[1].bucket: another mount has this bucket",
        ),
        (
            '[[mount]]\nbucket = "abc"\nbackend = "memory"\nbandwidth = "1MiB"\n',
            "config.toml:4: mount[0].bandwidth: limits stores over a network, and memory is none",
        ),
        (
            '[[mount]]\nbucket = "abc"\nbackend = "memory"\nrequest_rate = 5\n',
            "config.toml:4: mount[0].request_rate: limits stores over a network, and memory is none",
        ),
        ('[listen]\ndomain = "http://a.b"\n', "listen.domain: not a host name"),
        ('[[mount]]\nbucket = "abc"\nbackend = "local"\n', "mount[0].uri: names no directory"),
        (
            '[[mount]]\nbucket = "abc"\nbackend = "local"\nuri = "s3://x"\n',
            "mount[0].uri: a directory is written as a plain path",
        ),
        ('[[mount]]\nbucket = "abc"\nbackend = "memory"\nuri = "x"\n', "mount[0].uri: must be empty"),
        (
            '[[mount]]\nbucket = "abc"\nbackend = "memory"\noptions = { keys = "exact" }\n',
            "mount[0].options.keys: unknown key",
        ),
        ('[listen]\ntrusted_proxies = ["10.0.0.1/8"]\n', "listen.trusted_proxies[0]: 10.0.0.1/8 has host bits set"),
        ('[limits]\ntransfer_memory = "1MiB"\n', "limits.transfer_memory: must be at least 8MiB"),
        ('[node]\nname = "-"\n', "node.name: not a node's name"),
        ('[s3]\nregion = "Eu"\n', "s3.region: not a region"),
        ('[[access_key]]\nid = "a b"\nsecret = "12345678"\n', "access_key[0].id: not an access key id"),
        ('[[access_key]]\nid = "FBTeam"\nsecret = "12345678"\n', "not beginning with FBT"),
        ('[[access_key]]\nid = "a"\nsecret = "12345678"\nexpires = "2027-01-01T00:00:00"\n', "access_key[0].expires: "),
    ],
)
def test_what_does_not_fit_together_is_refused(tmp_path: Path, text: str, problem: str) -> None:
    [found] = problems_of(tmp_path, text)
    assert problem in found


def test_a_key_has_one_policy_or_several_and_its_id_is_its_user(tmp_path: Path) -> None:
    statement = 'statement = [{ effect = "Allow", action = "*", resource = "*" }]'
    config = config_of(
        tmp_path,
        f"""\
[policy.p]
{statement}
[policy.q]
{statement}
[[access_key]]
id = "a"
secret = "12345678"
policy = "p"
[[access_key]]
id = "b"
secret = "12345678"
user = "alice"
policy = ["p", "q"]
expires = 2027-01-31T00:00:00Z
""",
    )
    assert [key.policy for key in config.access_key] == [("p",), ("p", "q")]
    assert [key.owner for key in config.access_key] == ["a", "alice"]
    assert config.access_key[1].expires is not None


def test_options_are_those_of_the_backend(tmp_path: Path) -> None:
    config = config_of(
        tmp_path,
        '[[mount]]\nbucket = "abc"\nbackend = "local"\nuri = "x"\noptions = { keys = "escape" }\n'
        '[[mount]]\nbucket = "def"\nbackend = "memory"\n',
    )
    assert [mount.options for mount in config.mount] == [LocalOptions(keys="escape", threads=16), MemoryOptions()]


MEMORY_MOUNT = '[[mount]]\nbucket = "demo"\nbackend = "memory"\n'


@pytest.mark.parametrize(("ttl", "seconds"), [("", None), ("1s", 1.0), ("30d", 2_592_000.0), ("3650d", 315_360_000.0)])
def test_bytes_live_for_ever_or_for_some_seconds(tmp_path: Path, ttl: str, seconds: float | None) -> None:
    assert config_of(tmp_path, f'{MEMORY_MOUNT}ttl = "{ttl}"').mount[0].ttl == seconds


@pytest.mark.parametrize("ttl", ["0s", "999ms", "3651d", "soon"])
def test_a_life_that_is_none_is_refused_with_its_line(tmp_path: Path, ttl: str) -> None:
    [problem] = problems_of(tmp_path, f'{MEMORY_MOUNT}ttl = "{ttl}"')
    assert problem.startswith("config.toml:4: mount[0].ttl: ")
