"""The hunt for inputs that break a target, and what is kept of those it finds."""

import hashlib
import re
import resource
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from random import Random
from types import FrameType

from gateway.errors import GatewayError
from gateway.s3 import errors as s3_errors
from gateway.s3 import xml
from tests.fuzz.mutation import bent

INPUT_TIME_MAX_S = 1.0
"""Of processor time, for one input of at most 64 KiB."""
ENDLESS_S = 10.0
"""After so much processor time an input is given up."""
MEMORY_MAX = 64 * 1024
"""KiB by which one input may lift the peak of the process."""
OUTCOMES_MAX = 500
"""So many inputs, each the first of its outcome, are bent further."""
FAILURES = Path(__file__).parent / "failures"

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_UNCARRIED = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]|[^\x00-\xff]")


@dataclass(frozen=True, slots=True)
class Target:
    """What is fuzzed. `run` takes any bytes; an exception is a finding.

    What `run` returns names the outcome: an input with a new one is bent further. `samples` makes
    the first inputs.
    """

    name: str
    run: Callable[[bytes], str]
    samples: Callable[[], Sequence[bytes]]


def outcome(run: Callable[[], str]) -> str:
    """What came of it, where a `GatewayError` is no surprise; its answer must be one that can be sent."""
    try:
        return run()
    except GatewayError as error:
        xml.read(s3_errors.document(error, resource="", request_id="", host_id=""), "Error")
        for name, value in s3_errors.fields_of(error):
            check_field(name, value)
        return f"{type(error).__name__} {' '.join(error.details)}"


def kind_of(read: Callable[[], object]) -> str:
    """What came of it, if only the kind of a result matters."""
    return outcome(lambda: type(read()).__name__)


def check_field(name: str, value: str) -> None:
    """Whether this can be a header field of an answer (RFC 9110, section 5)."""
    assert _TOKEN.fullmatch(name), f"no field can be called {name!r}"
    assert not _UNCARRIED.search(value), f"no field can carry {value!r}"


def check(target: Target, data: bytes, where: str) -> str:
    """Runs one input; a failure is written down and names it, so that it can be repeated."""
    started, peak = time.process_time(), _peak()
    try:
        with _not_endless():
            said = target.run(data)
        spent_s, grown = time.process_time() - started, _peak() - peak
        assert spent_s < INPUT_TIME_MAX_S, f"it took {spent_s:.1f} s"
        assert grown < MEMORY_MAX, f"it took {grown} KiB"
    except BaseException as error:
        raise AssertionError(f"{target.name} at {where}, kept in {_keep(target, data)}: {data!r}") from error
    return said


def hunt(target: Target, chance: Random, end_s: float, where: str) -> int:
    """Bends samples until `end_s` of the monotonic clock, and says how many inputs that were."""
    pool = list(samples_of(target))
    seen: set[str] = set()
    count = 0
    while time.monotonic() < end_s:
        data = bent(chance, pool)
        said = check(target, data, f"{where}, input {count}")
        if said not in seen and len(seen) < OUTCOMES_MAX:
            seen.add(said)
            pool.append(data)
        count += 1
    return count


@cache
def samples_of(target: Target) -> Sequence[bytes]:
    """The target's samples, and the inputs that it once failed at."""
    return [*target.samples(), *(path.read_bytes() for path in sorted(FAILURES.glob(f"{target.name}-*")))]


def _keep(target: Target, data: bytes) -> str:
    FAILURES.mkdir(exist_ok=True)
    path = FAILURES / f"{target.name}-{hashlib.sha256(data).hexdigest()[:16]}"
    path.write_bytes(data)
    return path.name


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


@contextmanager
def _not_endless() -> Iterator[None]:
    def give_up(_number: int, _frame: FrameType | None) -> None:
        raise TimeoutError("it does not end")

    before = signal.signal(signal.SIGVTALRM, give_up)
    signal.setitimer(signal.ITIMER_VIRTUAL, ENDLESS_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)
