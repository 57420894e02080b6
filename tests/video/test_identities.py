from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emotion.errors import EmotionError, JobError
from emotion.video.identities import LONGEST, Cast

tracks = st.integers(1, 8)


def test_nothing_was_changed(tmp_path: Path) -> None:
    cast = Cast.read(tmp_path)
    assert (cast.root(3), cast.name(3), cast.is_hidden(3)) == (3, "Face 3", False)


def test_it_is_kept(tmp_path: Path) -> None:
    cast = Cast().renamed(1, "Anna").with_merged(2, 1).with_hidden(4, True)
    cast.write(tmp_path)
    assert Cast.read(tmp_path) == cast


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("Anna", "Anna"), ("  Anna \n B. ", "Anna B."), ("", "Face 1"), ("\x00\x07\u202e", "Face 1"),
        ("<script>", "<script>"), ("=1+1", "=1+1"), ("é" * 200, "é" * LONGEST), ("🙂", "🙂"),
    ],
)  # fmt: skip
def test_names(given: str, name: str) -> None:
    assert Cast().renamed(1, given).name(1) == name


def test_merging_goes_along_chains() -> None:
    cast = Cast().with_merged(3, 2).with_merged(2, 1)
    assert [cast.root(track) for track in (1, 2, 3)] == [1, 1, 1]
    assert cast.with_merged(5, 3).root(5) == 1
    for one, other in ((1, 3), (3, 1), (2, 2)):
        with pytest.raises(EmotionError, match="are one face already"):
            cast.with_merged(one, other)


def test_a_name_goes_with_who_has_one() -> None:
    assert Cast().renamed(2, "Ben").with_merged(2, 1).name(1) == "Ben"
    assert Cast().renamed(1, "Anna").renamed(2, "Ben").with_merged(2, 1).name(2) == "Anna"
    assert Cast().with_merged(2, 1).renamed(2, "Ben").name(1) == "Ben"


def test_a_name_that_was_brought_along_leaves_with_who_brought_it() -> None:
    split = Cast().renamed(3, "Ben").with_merged(3, 2).with_merged(2, 1).split(1)
    assert [split.name(track) for track in (1, 2, 3)] == ["Face 1", "Face 2", "Ben"]
    both = Cast().renamed(1, "Anna").renamed(2, "Ben").with_merged(2, 1).split(1)
    assert [both.name(track) for track in (1, 2)] == ["Anna", "Ben"]
    same = Cast().renamed(1, "Anna").renamed(2, "Anna").with_merged(2, 1).split(1)
    assert [same.name(track) for track in (1, 2)] == ["Anna", "Anna"]
    other = Cast().renamed(2, "Ben").with_merged(2, 1).renamed(1, "Benjamin").split(1)
    assert [other.name(track) for track in (1, 2)] == ["Benjamin", "Ben"]


def test_the_name_that_was_shown_stays_when_it_is_merged_again() -> None:
    cast = Cast().renamed(3, "Ben").renamed(2, "Cid").with_merged(3, 2).with_merged(2, 1)
    assert cast.name(1) == "Cid"
    first = Cast().renamed(5, "Bob").renamed(4, "Anna").with_merged(5, 3).with_merged(4, 3)
    assert first.name(3) == "Bob"


def test_the_order_of_merging_is_kept(tmp_path: Path) -> None:
    Cast().renamed(5, "Bob").renamed(4, "Anna").with_merged(5, 3).with_merged(4, 3).write(tmp_path)
    assert Cast.read(tmp_path).name(3) == "Bob"


def test_a_name_is_taken_away_whoever_brought_it() -> None:
    cast = Cast().renamed(2, "Ben").with_merged(2, 1).renamed(1, "")
    assert (cast.name(1), cast.split(1).name(2)) == ("Face 1", "Face 2")


def test_who_is_merged_into_a_hidden_face_is_hidden() -> None:
    cast = Cast().with_hidden(1, True).with_merged(2, 1)
    assert cast.is_hidden(2)
    assert not cast.with_hidden(2, False).is_hidden(1)
    assert not Cast().with_hidden(2, True).with_merged(2, 1).is_hidden(2)  # part of one who is shown


def test_split_undoes_all_of_one_face_only() -> None:
    cast = Cast().with_merged(3, 2).with_merged(2, 1).with_merged(5, 4)
    split = cast.split(3)
    assert [split.root(track) for track in (1, 2, 3, 5)] == [1, 2, 3, 4]


@given(st.lists(st.tuples(st.sampled_from(["merge", "split", "hide", "show", "name"]), tracks, tracks), max_size=30))
def test_whatever_is_done_every_face_leads_somewhere(actions: list[tuple[str, int, int]]) -> None:
    cast = Cast()
    for action, one, other in actions:
        if action == "merge" and cast.root(one) != cast.root(other):
            cast = cast.with_merged(one, other)
            assert cast.root(one) == cast.root(other)
        elif action == "split":
            cast = cast.split(one)
        elif action == "name":
            cast = cast.renamed(one, f"N{other}")
            assert cast.name(one) == f"N{other}"
        else:
            cast = cast.with_hidden(one, action == "hide")
            assert cast.is_hidden(one) == (action == "hide")
        assert all(cast.root(cast.root(track)) == cast.root(track) for track in range(1, 9))


@given(st.dictionaries(tracks, tracks))
def test_circles_made_by_hand_end(tmp_path_factory: pytest.TempPathFactory, merged: dict[int, int]) -> None:
    folder = tmp_path_factory.mktemp("cast")
    (folder / "cast.json").write_text(json.dumps({"merged": merged}))
    cast = Cast.read(folder)
    for track, into in merged.items():
        assert cast.root(track) == cast.root(into)


@pytest.mark.parametrize("text", ["{", "[]", '{"names": []}', '{"merged": {"a": 1}}', '{"hidden": 7}'])
def test_a_damaged_file_is_said(tmp_path: Path, text: str) -> None:
    (tmp_path / "cast.json").write_text(text)
    with pytest.raises(JobError, match=r"cast\.json is damaged"):
        Cast.read(tmp_path)
