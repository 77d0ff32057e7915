"""Changes a directory as fast as it can until it is killed, and says before and after each change what it does.

One line per step: `start` or `done`, the key, and the content's recipe (seed and size) or `-` for none.
"""

import asyncio
import random
import sys

from gateway.backends.base import PART_SIZE_MIN, Backend, Completion, WriteSpec
from gateway.backends.local import LocalBackend
from gateway.config.places import LocalOptions
from gateway.model import Key
from tests.contract.bodies import Sent

SIZES = [0, 10, 5_000, 200_000, 1_500_000]
WRITERS = 4


def content_of(recipe: str) -> bytes:
    seed, size = recipe.split(":")
    return random.Random(int(seed)).randbytes(int(size))


def say(*words: str) -> None:
    sys.stdout.write(" ".join(words) + "\n")
    sys.stdout.flush()


async def change(backend: Backend, key: Key, recipe: str, chance: random.Random) -> None:
    if recipe == "-":
        await backend.delete(key, None)
    elif chance.random() < 0.7:
        await backend.write(key, Sent(content_of(recipe)), WriteSpec())
    else:
        data = content_of(recipe)
        upload = await backend.begin_upload(key, WriteSpec())
        pieces = [data[:PART_SIZE_MIN], data[PART_SIZE_MIN:]] if len(data) > PART_SIZE_MIN else [data]
        parts = [await backend.write_part(upload, number, Sent(piece)) for number, piece in enumerate(pieces, 1)]
        await backend.complete_upload(upload, parts, Completion())


async def writer(backend: Backend, number: int, chance: random.Random) -> None:
    keys = [f"w{number}/{name}" for name in ("a", "b", "deep/er/c", "deep/d", "mark/")]
    while True:
        key = chance.choice(keys)
        size = 0 if key.endswith("/") else chance.choice([*SIZES, PART_SIZE_MIN + 77])
        recipe = "-" if chance.random() < 0.3 else f"{chance.randrange(10**6)}:{size}"
        say("start", key, recipe)
        await change(backend, Key(key.encode()), recipe, chance)
        say("done", key, recipe)


async def main(root: str, naming: str, seed: str) -> None:
    backend = LocalBackend(root, LocalOptions(keys="escape" if naming == "escape" else "exact"))
    async with asyncio.TaskGroup() as writers:
        for number in range(WRITERS):
            writers.create_task(writer(backend, number, random.Random(f"{seed}-{number}")))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
