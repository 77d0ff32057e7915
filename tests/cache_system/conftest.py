"""One node with a store that the tests of this folder share, and one of a test's own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cache_system.scene import Scene, opened


@pytest.fixture(scope="session")
def _shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with opened(tmp_path_factory.mktemp("cached")) as scene:
        yield scene


@pytest.fixture
def scene(_shared: Scene) -> Scene:
    """The shared node and stub: nothing fails, nothing is slow, and the stub counts from here on."""
    _shared.stub.calm()
    _shared.stub.pace()
    _shared.stub.reset()
    return _shared


@pytest.fixture
def own_scene(tmp_path: Path) -> Iterator[Scene]:
    """A node and a stub that this test may end."""
    with opened(tmp_path) as scene:
        yield scene
