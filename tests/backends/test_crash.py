"""Killed at any moment: every acknowledged change is there, no other object is, and no leftover."""

import hashlib
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.backends.base import Backend, ListQuery
from tests.backends.crash_worker import content_of
from tests.contract.bodies import get
from tests.contract.stores import asynchronous, local_escape, local_exact

Allowed = dict[str, set[str]]
"""Per key the recipes that its content may have; `-` is absence."""


def crash(root: Path, naming: str, seed: int, allowed: Allowed) -> None:
    """Runs a worker, kills it after a random number of its lines, and notes what it has said."""
    chance = random.Random(seed)
    command = [sys.executable, "-m", "tests.backends.crash_worker", str(root), naming, str(seed)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as worker:
        assert worker.stdout is not None
        last_line = chance.randrange(8, 200)
        for count, line in enumerate(worker.stdout):
            note(line, allowed)
            if count == last_line:
                worker.kill()
    assert worker.returncode == -signal.SIGKILL


def note(line: str, allowed: Allowed) -> None:
    words = line.split()
    if not line.endswith("\n") or len(words) != 3:
        return
    step, key, recipe = words
    if step == "start":
        allowed[key] = allowed.get(key, {"-"}) | {recipe}
    else:
        allowed[key] = {recipe}


async def verify(backend: Backend, root: Path, allowed: Allowed) -> None:
    entries = {entry.key.decode(): entry for entry in (await backend.list(ListQuery())).entries}
    assert entries.keys() <= allowed.keys()
    for key, recipes in allowed.items():
        if key not in entries:
            assert "-" in recipes, key
            continue
        data = await get(backend, key.encode())
        found = [recipe for recipe in recipes if recipe != "-" and content_of(recipe) == data]
        assert found, key
        assert len(data) == entries[key].size
        if "-" not in entries[key].etag:
            assert entries[key].etag == hashlib.md5(data).hexdigest()
        # What the crash decided stays decided.
        allowed[key] = {found[0]}
    for key in allowed.keys() - entries.keys():
        allowed[key] = {"-"}
    prefixes = (await backend.list(ListQuery(delimiter=b"/"))).prefixes
    assert {prefix.decode() for prefix in prefixes} == {key.split("/")[0] + "/" for key in entries}
    assert list((root / ".forebay" / "tmp").iterdir()) == []


def crash_and_verify(root: Path, naming: str, rounds: int) -> None:
    allowed: Allowed = {}
    store = local_escape(root) if naming == "escape" else local_exact(root)
    for seed in range(rounds):
        crash(root, naming, seed, allowed)

        @asynchronous
        async def reopened() -> None:
            async with store.opened() as backend:
                await verify(backend, root, allowed)

        reopened()
    assert any(recipes != {"-"} for recipes in allowed.values())


@pytest.mark.slow
@pytest.mark.parametrize("naming", ["exact", "escape"])
def test_a_killed_node_leaves_old_or_new_objects_only(tmp_path: Path, naming: str) -> None:
    crash_and_verify(tmp_path / "root", naming, rounds=10)


@pytest.mark.long
@pytest.mark.parametrize("naming", ["exact", "escape"])
def test_a_node_killed_very_often_leaves_old_or_new_objects_only(tmp_path: Path, naming: str) -> None:
    crash_and_verify(tmp_path / "root", naming, rounds=200)
