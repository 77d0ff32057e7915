"""What is known of objects: trusted from the store, or asked of the backend, one question for all who wait."""

import asyncio
import logging
from dataclasses import dataclass

from gateway.cache.absences import Absences
from gateway.cache.fence import Fence, Question
from gateway.cache.freshness import Demand, Trust, judge, may_serve_stale
from gateway.cache.misses import Misses, MissReason
from gateway.clock import Clock
from gateway.errors import BackendBroken, CredentialsRefused, GatewayError, InternalError, ObjectMissing
from gateway.model import Bucket, Info, Key, Known, Version
from gateway.mounts import Mount
from gateway.store.store import BlockStore
from gateway.store.values import Outcome

log = logging.getLogger(__name__)

Name = tuple[Bucket, Key]


@dataclass(frozen=True, slots=True)
class Seen:
    """An info, and how a request came by it.

    `asked`: the backend was asked about the version for it; `is_new`: and told something that was not
    known; `is_stale`: it should have been asked, and did not answer.
    """

    known: Known
    asked: bool = False
    is_new: bool = False
    is_stale: bool = False

    @property
    def info(self) -> Info:
        return self.known.info


@dataclass(frozen=True, slots=True)
class Look:
    """What the store knows of an object, and whether a request may use it."""

    known: Known | None
    trust: Trust


@dataclass(frozen=True, slots=True)
class _Asking:
    question: Question
    task: asyncio.Task[Known | GatewayError]


class Infos:
    """Infos of this node's objects. Writes and questions meet in the `fence`."""

    def __init__(self, store: BlockStore, clock: Clock, tasks: asyncio.TaskGroup) -> None:
        self.fence = Fence()
        self.absences = Absences()
        self.misses = Misses()
        self._store = store
        self._clock = clock
        self._tasks = tasks
        self._asking: dict[Name, _Asking] = {}

    def look(self, mount: Mount, key: Key, demand: Demand, *, complete: bool) -> Look:
        """What may be used now, without asking anybody. With `complete` an info that lacks something will not do."""
        known = self._store.known(mount.bucket, key)
        trust = judge(known, mount.policy, demand, self._clock.now_s())
        if trust is Trust.FRESH:
            assert known is not None
            if self.fence.is_open(mount.bucket, key) or (complete and not known.complete):
                return Look(known, Trust.EXPIRED)
            return Look(known, trust)
        self._note_miss(mount, key, demand, known)
        return Look(known, trust)

    def is_absent(self, mount: Mount, key: Key, demand: Demand) -> bool:
        """Whether the backend has just said that there is no such object, and nobody is writing it."""
        return (
            demand is Demand.NORMAL
            and mount.policy.freshness_s > 0
            and not self.fence.is_open(mount.bucket, key)
            and self.absences.holds(mount.bucket, key, self._clock.monotonic_s())
        )

    async def ask(self, mount: Mount, key: Key, known: Known | None, *, ride: bool) -> Seen:
        """Asks the backend. With `ride` an answer will do whose question is on its way already.

        Where the backend cannot be asked, `known` may answer if the mount says so.
        """
        asking = self._asking.get((mount.bucket, key)) if ride else None
        if asking is None or asking.question.spoiled:
            asking = self._start(mount, key)
        answer = await asyncio.shield(asking.task)
        if isinstance(answer, Known):
            return Seen(answer, asked=True, is_new=known is None or known.info.version != answer.info.version)
        if known is not None and _is_down(answer) and self._may_be_stale(mount, key, known):
            log.warning("served stale, as the backend does not answer", extra={"bucket": mount.bucket})
            return Seen(known, asked=True, is_stale=True)
        raise answer

    async def learn(self, question: Question, known: Known) -> None:
        """Keeps an answer of the backend, unless a write makes it doubtful."""
        if question.spoiled:
            return
        self.absences.drop(question.bucket, question.key)
        await self._store.install(question.bucket, question.key, known)

    async def forget(self, mount: Mount, key: Key, reason: MissReason) -> None:
        """Drops what is known, also by questions that run; blocks stay under their version's name."""
        self.misses.note(mount.bucket, key, reason, self._clock.now_s())
        self.fence.spoil(mount.bucket, key)
        await self._store.forget(mount.bucket, key)

    def doubt(self, mount: Mount, prefix: bytes) -> None:
        """No answer to what was asked up to now about keys that begin with `prefix` is kept, or shared any more."""
        self.fence.spoil_all(mount.bucket, prefix)
        self.absences.clear()

    def refused(self, mount: Mount, key: Key, outcome: Outcome) -> None:
        """Remembers why a block was not kept, if it was refused."""
        if outcome.is_refusal:
            self.misses.refused(mount.bucket, key, outcome, self._clock.now_s())

    async def contradict(self, mount: Mount, key: Key, version: Version) -> None:
        """The backend has this version no more: whoever knows of it forgets it. What a write knows is left to it."""
        if self.fence.is_open(mount.bucket, key):
            return
        known = self._store.known(mount.bucket, key)
        if known is None or known.info.version == version:
            await self.forget(mount, key, MissReason.CHANGED)

    def _start(self, mount: Mount, key: Key) -> _Asking:
        name = (mount.bucket, key)
        question = self.fence.ask(*name)
        asking = _Asking(question, self._tasks.create_task(self._answer(mount, key, question)))
        self._asking[name] = asking
        return asking

    async def _answer(self, mount: Mount, key: Key, question: Question) -> Known | GatewayError:
        asked_s = int(self._clock.now_s())
        asked_monotonic_s = self._clock.monotonic_s()
        name = (mount.bucket, key)
        try:
            known = Known(await mount.backend.stat(key), asked_s)
            await self.learn(question, known)
        except ObjectMissing as missing:
            if not question.spoiled:
                self.absences.note(*name, asked_monotonic_s)
                await self._store.forget(*name)
            return missing
        except GatewayError as error:
            return error
        except Exception:
            log.exception("a question to a backend failed")
            return InternalError()
        finally:
            self.fence.close(question)
            asking = self._asking.get(name)
            if asking is not None and asking.question is question:
                del self._asking[name]
        return known

    def _may_be_stale(self, mount: Mount, key: Key, known: Known) -> bool:
        if mount.policy.stale_if_error_s <= 0 or self.fence.is_open(mount.bucket, key):
            return False
        return may_serve_stale(known, mount.policy, self._clock.now_s())

    def _note_miss(self, mount: Mount, key: Key, demand: Demand, known: Known | None) -> None:
        if known is None:
            last = self.misses.last(mount.bucket, key)
            if last is not None and last.reason in (MissReason.CHANGED, MissReason.WRITTEN):
                # Noted when it was forgotten, and the reason still.
                return
            reason = MissReason.NEVER_SEEN if last is None else MissReason.GONE
        else:
            reason = MissReason.REVALIDATE if demand is Demand.REVALIDATE else MissReason.EXPIRED
        self.misses.note(mount.bucket, key, reason, self._clock.now_s())


def _is_down(error: GatewayError) -> bool:
    """Whether the backend could not be asked, so that what was known last is the best there is."""
    return error.retry or isinstance(error, BackendBroken | CredentialsRefused)
