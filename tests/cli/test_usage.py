"""Usage, check-config, and what commands say when something is wrong."""

import subprocess
import sys
from pathlib import Path

import pytest

from gateway import __version__
from gateway.cli.status import duration_text
from tests.cli.run import forebay

GOOD = '[[access_key]]\nid = "a"\nsecret = "12345678"\n[[mount]]\nbucket = "demo"\nbackend = "local"\nuri = "demo"\n'


def test_the_version_is_told(tmp_path: Path) -> None:
    outcome = forebay("--version", cwd=tmp_path)
    assert (outcome.code, outcome.out) == (0, f"forebay {__version__}\n")


def test_the_help_names_every_command(tmp_path: Path) -> None:
    outcome = forebay("--help", cwd=tmp_path)
    assert outcome.code == 0
    for command in ("serve", "check-config", "status", "doctor"):
        assert command in outcome.out
        assert forebay(command, "--help", cwd=tmp_path).code == 0


@pytest.mark.parametrize(
    "arguments", [(), ("unknown",), ("check-config",), ("serve", "--unknown"), ("status", "--endpoint", "nowhere:1")]
)
def test_wrong_usage_ends_with_2(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    outcome = forebay(*arguments, cwd=tmp_path)
    assert outcome.code == 2
    assert outcome.err
    assert "Traceback" not in outcome.err


def test_a_good_configuration_is_called_good(tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text(GOOD)
    outcome = forebay("check-config", "c.toml", cwd=tmp_path)
    assert (outcome.code, outcome.out, outcome.err) == (0, "c.toml: good\n", "")


def test_warnings_do_not_spoil_a_configuration(tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text(GOOD.replace("demo", "forget").replace('"local"\nuri = "forget"', '"memory"'))
    outcome = forebay("check-config", "c.toml", cwd=tmp_path)
    assert outcome.code == 0
    assert outcome.out.startswith("warning: mount forget is kept in memory")


def test_every_problem_has_its_line(tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text(GOOD + '[listen]\ns4 = 1\n[log]\nlevel = "loud"\n')
    outcome = forebay("check-config", "c.toml", cwd=tmp_path)
    assert outcome.code == 2
    assert [line.split(": ")[0] for line in outcome.err.splitlines()] == ["c.toml:9", "c.toml:11"]


def test_serve_refuses_a_bad_configuration_before_it_starts(tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text("[listne]\n")
    outcome = forebay("serve", "--config", "c.toml", cwd=tmp_path)
    assert outcome.code == 2
    assert outcome.err == 'c.toml:1: listne: unknown key; did you mean "listen"?\n'
    assert [path.name for path in tmp_path.iterdir()] == ["c.toml"]


def test_a_directory_and_a_configuration_do_not_go_together(tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text(GOOD)
    outcome = forebay("serve", "--config", "c.toml", "--local", ".", cwd=tmp_path)
    assert outcome.code == 2
    assert "--local" in outcome.err


def test_no_node_is_one_clear_line(tmp_path: Path) -> None:
    outcome = forebay("status", "--endpoint", "http://127.0.0.1:1", cwd=tmp_path)
    assert outcome.code == 1
    assert outcome.err.startswith("no node answers at http://127.0.0.1:1: ")
    assert len(outcome.err.splitlines()) == 1


def test_help_and_version_do_not_load_what_only_commands_need() -> None:
    program = "import sys, gateway.cli.main; print(*sorted(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    assert not {"pydantic", "fastapi", "httpx", "uvicorn", "cryptography"} & set(loaded)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (59.9, "59 s"), (60, "1 min 0 s"), (3_725, "1 h 2 min"), (90_000, "1 d 1 h"), (86_400, "1 d 0 h")],
)
def test_durations_have_two_units(seconds: float, text: str) -> None:
    assert duration_text(seconds) == text


def test_a_directory_that_was_mistyped_is_not_made(tmp_path: Path) -> None:
    outcome = forebay("serve", "--local", "picturs", cwd=tmp_path)
    assert (outcome.code, outcome.err) == (2, "--local picturs: there is no such directory\n")
    assert list(tmp_path.iterdir()) == []
