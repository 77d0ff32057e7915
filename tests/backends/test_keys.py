"""Keys and names undo each other; nothing names a place outside the root."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.backends.keys import EscapedNaming, ExactNaming, Naming, Place
from gateway.errors import KeyTooLong, KeyUnusable
from gateway.model import Key

NAMINGS: list[Naming] = [ExactNaming(), EscapedNaming()]
SEGMENTS = st.one_of(
    st.sampled_from(["", ".", "..", "=", "=d", "=m", "=3D", "a", "a=d", ".forebay", "é", "=2E", "=2e", "d", "m"]),
    st.text(st.characters(codec="utf-8", exclude_characters="/\0"), max_size=8),
)
KEYS = st.lists(SEGMENTS, min_size=1, max_size=5).map(lambda segments: Key("/".join(segments).encode()))


def place_of(naming: Naming, key: Key) -> Place | None:
    try:
        return naming.place(key)
    except (KeyUnusable, KeyTooLong):
        return None


def key_of(naming: Naming, place: Place) -> bytes | None:
    """The key a walk down to `place` would tell."""
    steps = [naming.step(name, is_folder=True) for name in place.folders]
    if place.name:
        steps.append(naming.step(place.name, is_folder=False))
    return None if None in steps else b"".join(step for step in steps if step is not None)


@pytest.mark.parametrize("naming", NAMINGS)
@given(key=KEYS)
def test_decoding_undoes_encoding(naming: Naming, key: Key) -> None:
    place = place_of(naming, key)
    assert place is None or key_of(naming, place) == key


@pytest.mark.parametrize("naming", NAMINGS)
@given(key=KEYS, other=KEYS)
def test_different_keys_never_share_a_place(naming: Naming, key: Key, other: Key) -> None:
    place = place_of(naming, key)
    assert place is None or (place == place_of(naming, other)) == (key == other)


@given(key=KEYS, other=KEYS)
def test_no_escaped_name_is_an_ancestor_of_another(key: Key, other: Key) -> None:
    place, other_place = place_of(EscapedNaming(), key), place_of(EscapedNaming(), other)
    if place is None or other_place is None:
        return
    path = (*place.folders, place.name)
    assert other_place.folders[: len(path)] != path


@pytest.mark.parametrize("naming", NAMINGS)
@given(key=KEYS)
def test_no_place_leaves_the_root_or_is_the_gateways_own(naming: Naming, key: Key) -> None:
    place = place_of(naming, key)
    if place is None:
        return
    names = [*place.folders, *([place.name] if place.name else [])]
    assert names
    for name in names:
        assert name not in (b"", b".", b"..")
        assert b"/" not in name
        assert b"\0" not in name
        assert len(name) <= 255
    assert not names[0].startswith(b".forebay")


@given(name=st.binary(max_size=12).filter(lambda name: b"/" not in name), is_folder=st.booleans())
def test_an_escaped_name_means_one_key_or_none(name: bytes, is_folder: bool) -> None:
    naming = EscapedNaming()
    step = naming.step(name, is_folder=is_folder)
    if step is None:
        return
    place = place_of(naming, Key(b"x/" + step))
    assert place is not None
    assert place.folders[-1 if is_folder else 0] == (name if is_folder else b"x=d")
    assert is_folder or place.name == name


@given(key=KEYS)
def test_escaping_holds_every_key_of_short_segments(key: Key) -> None:
    place = place_of(EscapedNaming(), key)
    assert (place is None) == (not key or key.startswith(b".forebay"))


@pytest.mark.parametrize("naming", NAMINGS)
def test_a_key_over_1024_bytes_is_too_long(naming: Naming) -> None:
    with pytest.raises(KeyTooLong) as failure:
        naming.place(Key(b"k/" * 512 + b"k"))
    assert failure.value.details == {"Size": "1025", "MaxSizeAllowed": "1024"}


@pytest.mark.parametrize("naming", NAMINGS)
def test_the_folders_of_a_prefix_hold_its_keys(naming: Naming) -> None:
    assert naming.folders(b"") == ()
    assert naming.folders(b"a/b/") == naming.place(Key(b"a/b/c")).folders


@pytest.mark.parametrize("name", [b"\xff", b"a\xc3", b"\xed\xa0\x80"])
@pytest.mark.parametrize("naming", NAMINGS)
def test_names_that_are_not_utf8_are_no_keys(naming: Naming, name: bytes) -> None:
    assert naming.step(name, is_folder=False) is None
    assert naming.step(name + b"=d", is_folder=True) is None
