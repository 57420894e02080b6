from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emotion.errors import EmotionError, JobError
from emotion.video.identities import MAX_NAME_LENGTH, IdentityEdits

tracks = st.integers(1, 8)


def test_nothing_was_changed(tmp_path: Path) -> None:
    cast = IdentityEdits.read(tmp_path)
    assert (cast.canonical_track(3), cast.display_name(3), cast.is_hidden(3)) == (3, "Face 3", False)


def test_it_is_kept(tmp_path: Path) -> None:
    cast = IdentityEdits().with_name(1, "Anna").merge(2, 1).with_hidden(4, True)
    cast.write(tmp_path)
    assert IdentityEdits.read(tmp_path) == cast


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("Anna", "Anna"),
        ("  Anna \n B. ", "Anna B."),
        ("", "Face 1"),
        ("\x00\x07\u202e", "Face 1"),
        ("<script>", "<script>"),
        ("=1+1", "=1+1"),
        ("é" * 200, "é" * MAX_NAME_LENGTH),
        ("🙂", "🙂"),
    ],
)
def test_names(given: str, name: str) -> None:
    assert IdentityEdits().with_name(1, given).display_name(1) == name


def test_merging_goes_along_chains() -> None:
    cast = IdentityEdits().merge(3, 2).merge(2, 1)
    assert [cast.canonical_track(track) for track in (1, 2, 3)] == [1, 1, 1]
    assert cast.merge(5, 3).canonical_track(5) == 1
    for one, other in ((1, 3), (3, 1), (2, 2)):
        with pytest.raises(EmotionError, match="are one face already"):
            cast.merge(one, other)


def test_a_name_goes_with_who_has_one() -> None:
    assert IdentityEdits().with_name(2, "Ben").merge(2, 1).display_name(1) == "Ben"
    assert IdentityEdits().with_name(1, "Anna").with_name(2, "Ben").merge(2, 1).display_name(2) == "Anna"
    assert IdentityEdits().merge(2, 1).with_name(2, "Ben").display_name(1) == "Ben"


def test_a_name_that_was_brought_along_leaves_with_who_brought_it() -> None:
    split = IdentityEdits().with_name(3, "Ben").merge(3, 2).merge(2, 1).unmerge(1)
    assert [split.display_name(track) for track in (1, 2, 3)] == ["Face 1", "Face 2", "Ben"]
    both = IdentityEdits().with_name(1, "Anna").with_name(2, "Ben").merge(2, 1).unmerge(1)
    assert [both.display_name(track) for track in (1, 2)] == ["Anna", "Ben"]
    same = IdentityEdits().with_name(1, "Anna").with_name(2, "Anna").merge(2, 1).unmerge(1)
    assert [same.display_name(track) for track in (1, 2)] == ["Anna", "Anna"]
    other = IdentityEdits().with_name(2, "Ben").merge(2, 1).with_name(1, "Benjamin").unmerge(1)
    assert [other.display_name(track) for track in (1, 2)] == ["Benjamin", "Ben"]


def test_the_name_that_was_shown_stays_when_it_is_merged_again() -> None:
    cast = IdentityEdits().with_name(3, "Ben").with_name(2, "Cid").merge(3, 2).merge(2, 1)
    assert cast.display_name(1) == "Cid"
    first = IdentityEdits().with_name(5, "Bob").with_name(4, "Anna").merge(5, 3).merge(4, 3)
    assert first.display_name(3) == "Bob"


def test_the_order_of_merging_is_kept(tmp_path: Path) -> None:
    IdentityEdits().with_name(5, "Bob").with_name(4, "Anna").merge(5, 3).merge(4, 3).write(tmp_path)
    assert IdentityEdits.read(tmp_path).display_name(3) == "Bob"


def test_a_name_is_taken_away_whoever_brought_it() -> None:
    cast = IdentityEdits().with_name(2, "Ben").merge(2, 1).with_name(1, "")
    assert (cast.display_name(1), cast.unmerge(1).display_name(2)) == ("Face 1", "Face 2")


def test_who_is_merged_into_a_hidden_face_is_hidden() -> None:
    cast = IdentityEdits().with_hidden(1, True).merge(2, 1)
    assert cast.is_hidden(2)
    assert not cast.with_hidden(2, False).is_hidden(1)
    assert not IdentityEdits().with_hidden(2, True).merge(2, 1).is_hidden(2)  # part of one who is shown


def test_split_undoes_all_of_one_face_only() -> None:
    cast = IdentityEdits().merge(3, 2).merge(2, 1).merge(5, 4)
    split = cast.unmerge(3)
    assert [split.canonical_track(track) for track in (1, 2, 3, 5)] == [1, 2, 3, 4]


@given(st.lists(st.tuples(st.sampled_from(["merge", "split", "hide", "show", "name"]), tracks, tracks), max_size=30))
def test_whatever_is_done_every_face_leads_somewhere(actions: list[tuple[str, int, int]]) -> None:
    cast = IdentityEdits()
    for action, one, other in actions:
        if action == "merge" and cast.canonical_track(one) != cast.canonical_track(other):
            cast = cast.merge(one, other)
            assert cast.canonical_track(one) == cast.canonical_track(other)
        elif action == "split":
            cast = cast.unmerge(one)
        elif action == "name":
            cast = cast.with_name(one, f"N{other}")
            assert cast.display_name(one) == f"N{other}"
        else:
            cast = cast.with_hidden(one, action == "hide")
            assert cast.is_hidden(one) == (action == "hide")
        assert all(
            cast.canonical_track(cast.canonical_track(track)) == cast.canonical_track(track) for track in range(1, 9)
        )


@given(st.dictionaries(tracks, tracks))
def test_circles_made_by_hand_end(tmp_path_factory: pytest.TempPathFactory, merged: dict[int, int]) -> None:
    folder = tmp_path_factory.mktemp("cast")
    (folder / "people.json").write_text(json.dumps({"merged_into": merged}))
    cast = IdentityEdits.read(folder)
    for track, into in merged.items():
        assert cast.canonical_track(track) == cast.canonical_track(into)


@pytest.mark.parametrize("text", ["{", "[]", '{"names": []}', '{"merged_into": {"a": 1}}', '{"hidden": 7}'])
def test_a_damaged_file_is_said(tmp_path: Path, text: str) -> None:
    (tmp_path / "people.json").write_text(text)
    with pytest.raises(JobError, match=r"people\.json is damaged"):
        IdentityEdits.read(tmp_path)
