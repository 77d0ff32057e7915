"""The write fence, held to a model that keeps the whole history and looks everything up in it."""

from dataclasses import dataclass, field

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from gateway.cache.fence import CHANGED_MAX, OPEN_MAX, BucketQuestion, Fence, Question, Write
from gateway.errors import SlowDown
from gateway.model import Bucket, Key

BUCKETS = [Bucket("one"), Bucket("two")]
KEYS = [Key(b"a"), Key(b"b"), Key(b"c")]
NAMES = st.tuples(st.sampled_from(BUCKETS), st.sampled_from(KEYS))
BUCKET, KEY = BUCKETS[0], KEYS[0]


def numbered(number: int) -> Key:
    return Key(b"%d" % number)


def left_behind(fence: Fence) -> int:
    """How many keys and buckets the fence keeps something for."""
    return sum(len(kept) for kept in vars(fence).values() if isinstance(kept, dict))


@dataclass(eq=False)
class Episode:
    """A write or a question of the model, from `start` to `stop`; None while it is open."""

    bucket: Bucket
    key: Key | None
    start: int
    stop: int | None = None

    def meets(self, other: "Episode", now: int) -> bool:
        """Whether both were open at some time up to now."""
        last = now if self.stop is None else self.stop
        last_of_other = now if other.stop is None else other.stop
        return max(self.start, other.start) < min(last, last_of_other)


@dataclass(eq=False)
class Opened:
    """The same thing to the fence and to the model."""

    handle: Write | Question | BucketQuestion
    episode: Episode


@dataclass
class History:
    """Everything that ever happened. Its clock ticks at every event."""

    now: int = 0
    writes: list[Episode] = field(default_factory=list)
    spoilings: list[Episode] = field(default_factory=list)
    """Of whole buckets, for pages: which keys they are about is not remembered."""

    def tick(self) -> int:
        self.now += 1
        return self.now

    def met(self, episode: Episode, key: Key) -> bool:
        """Whether some other write of the key was open while the episode was."""
        return any(
            write is not episode
            and (write.bucket, write.key) == (episode.bucket, key)
            and episode.meets(write, self.now)
            for write in self.writes
        )

    def was_spoiled(self, page: Episode) -> bool:
        """Whether something was told of keys of the bucket while the page was asked for."""
        return any(each.bucket == page.bucket and page.meets(each, self.now) for each in self.spoilings)


class FenceMachine(RuleBasedStateMachine):
    """Writes and questions of a few keys in every order."""

    writes: Bundle[Opened] = Bundle("writes")
    questions: Bundle[Opened] = Bundle("questions")
    pages: Bundle[Opened] = Bundle("pages")

    def __init__(self) -> None:
        super().__init__()
        self.fence = Fence()
        self.history = History()
        self.open: list[Opened] = []

    @rule(target=writes, name=NAMES)
    def begin(self, name: tuple[Bucket, Key]) -> Opened:
        opened = Opened(self.fence.begin(*name), Episode(*name, self.history.tick()))
        self.history.writes.append(opened.episode)
        self.history.tick()
        self.open.append(opened)
        return opened

    @rule(opened=consumes(writes))
    def end(self, opened: Opened) -> None:
        assert isinstance(opened.handle, Write)
        may_install = self.fence.end(opened.handle)
        opened.episode.stop = self.history.tick()
        self.history.tick()
        self.open.remove(opened)
        assert opened.episode.key is not None
        assert may_install == (not self.history.met(opened.episode, opened.episode.key))

    @rule(target=questions, name=NAMES)
    def ask(self, name: tuple[Bucket, Key]) -> Opened:
        return self._asked(self.fence.ask(*name), Episode(*name, self.history.tick()))

    @rule(target=pages, bucket=st.sampled_from(BUCKETS))
    def ask_bucket(self, bucket: Bucket) -> Opened:
        return self._asked(self.fence.ask_bucket(bucket), Episode(bucket, None, self.history.tick()))

    def _asked(self, handle: Question | BucketQuestion, episode: Episode) -> Opened:
        opened = Opened(handle, episode)
        self.history.tick()
        self.open.append(opened)
        return opened

    @rule(bucket=st.sampled_from(BUCKETS), prefix=st.sampled_from([b"", *KEYS]))
    def spoil_all(self, bucket: Bucket, prefix: bytes) -> None:
        """To what runs it is as a write of every key, that ends as it begins."""
        self.fence.spoil_all(bucket, prefix)
        start, stop = self.history.tick(), self.history.tick()
        self.history.tick()
        self.history.writes += [Episode(bucket, key, start, stop) for key in KEYS if key.startswith(prefix)]
        self.history.spoilings.append(Episode(bucket, None, start, stop))

    @rule(opened=consumes(questions) | consumes(pages))
    def close(self, opened: Opened) -> None:
        assert isinstance(opened.handle, Question | BucketQuestion)
        self.fence.close(opened.handle)
        self.open.remove(opened)

    @invariant()
    def a_question_is_spoiled_exactly_when_a_write_was_open_while_it_ran(self) -> None:
        for opened in self.open:
            match opened.handle:
                case Question(_, key):
                    assert opened.handle.spoiled == self.history.met(opened.episode, key)
                case BucketQuestion():
                    was_spoiled = self.history.was_spoiled(opened.episode)
                    for key in KEYS:
                        assert opened.handle.spoiled(key) == (was_spoiled or self.history.met(opened.episode, key))

    @invariant()
    def a_write_is_alone_as_long_as_no_other_met_it(self) -> None:
        for opened in self.open:
            match opened.handle:
                case Write(_, key):
                    assert self.fence.is_alone(opened.handle) == (not self.history.met(opened.episode, key))

    @invariant()
    def a_key_is_open_exactly_while_a_write_of_it_is(self) -> None:
        for bucket in BUCKETS:
            for key in KEYS:
                writes = [write for write in self.history.writes if (write.bucket, write.key) == (bucket, key)]
                assert self.fence.is_open(bucket, key) == any(write.stop is None for write in writes)

    def teardown(self) -> None:
        for opened in self.open:
            if isinstance(opened.handle, Write):
                self.fence.end(opened.handle)
            else:
                self.fence.close(opened.handle)
        assert left_behind(self.fence) == 0


TestFence = FenceMachine.TestCase
TestFence.settings = settings(max_examples=200, stateful_step_count=30)


def test_a_question_asked_before_a_write_ended_is_not_kept_after_it() -> None:
    fence = Fence()
    before = fence.ask(BUCKET, KEY)
    write = fence.begin(BUCKET, KEY)
    during = fence.ask(BUCKET, KEY)
    assert fence.end(write)
    after = fence.ask(BUCKET, KEY)
    assert (before.spoiled, during.spoiled, after.spoiled) == (True, True, False)


def test_of_two_writes_that_overlap_neither_says_what_is_there() -> None:
    fence = Fence()
    first, second = fence.begin(BUCKET, KEY), fence.begin(BUCKET, KEY)
    assert not fence.end(first)
    third = fence.begin(BUCKET, KEY)
    assert not fence.end(second)
    assert not fence.end(third)
    assert fence.end(fence.begin(BUCKET, KEY))


def test_writes_beyond_the_limit_are_refused_and_come_through_when_one_ends() -> None:
    fence = Fence()
    writes = [fence.begin(BUCKET, numbered(number)) for number in range(OPEN_MAX)]
    with pytest.raises(SlowDown):
        fence.begin(BUCKET, KEY)
    assert not fence.is_open(BUCKET, KEY)
    fence.end(writes.pop())
    writes.append(fence.begin(BUCKET, KEY))
    assert all(fence.end(write) for write in writes)
    assert left_behind(fence) == 0


@pytest.mark.parametrize(("changed", "others_spoiled"), [(CHANGED_MAX, False), (CHANGED_MAX + 1, True)])
def test_a_page_during_which_too_much_changed_is_not_believed_at_all(changed: int, others_spoiled: bool) -> None:
    fence = Fence()
    page = fence.ask_bucket(BUCKET)
    for number in range(changed):
        fence.end(fence.begin(BUCKET, numbered(number)))
    younger = fence.ask_bucket(BUCKET)
    assert all(page.spoiled(numbered(number)) for number in range(changed))
    assert page.spoiled(KEY) == others_spoiled
    assert not any(younger.spoiled(key) for key in (KEY, numbered(0), numbered(changed - 1)))
    fence.close(page)
    fence.close(younger)
    assert left_behind(fence) == 0


def test_one_key_written_over_and_over_spoils_no_other_in_a_page() -> None:
    fence = Fence()
    page = fence.ask_bucket(BUCKET)
    for _ in range(CHANGED_MAX * 2):
        fence.end(fence.begin(BUCKET, KEY))
    assert page.spoiled(KEY)
    assert not page.spoiled(KEYS[1])


def test_a_page_is_believed_though_a_key_changed_before_it_changes_again() -> None:
    fence = Fence()
    long_page = fence.ask_bucket(BUCKET)
    for number in range(CHANGED_MAX):
        fence.end(fence.begin(BUCKET, numbered(number)))
    page = fence.ask_bucket(BUCKET)
    fence.end(fence.begin(BUCKET, numbered(0)))
    fence.end(fence.begin(BUCKET, KEY))
    assert [page.spoiled(key) for key in (numbered(0), KEY, KEYS[1])] == [True, True, False]
    assert long_page.spoiled(KEYS[1])


def test_a_question_left_open_is_the_only_thing_kept() -> None:
    fence = Fence()
    question = fence.ask(BUCKET, KEY)
    for number in range(100):
        fence.end(fence.begin(BUCKET, numbered(number)))
    assert left_behind(fence) == 1
    fence.close(question)
    assert left_behind(fence) == 0
