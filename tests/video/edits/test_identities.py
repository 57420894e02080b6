from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emotion.errors import EmotionError, JobError
from emotion.video.edits.identities import MAX_NAME_LENGTH, IdentityEdits

track_ids = st.integers(1, 8)


def test_missing_edits_are_empty(tmp_path: Path) -> None:
    edits = IdentityEdits.read(tmp_path)
    assert (edits.canonical_track(3), edits.display_name(3), edits.is_hidden(3)) == (3, "Face 3", False)


def test_edits_are_read_as_written(tmp_path: Path) -> None:
    edits = IdentityEdits().with_name(1, "Anna").merge(2, 1).with_hidden(4, True)
    edits.write(tmp_path)
    assert IdentityEdits.read(tmp_path) == edits


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
def test_names_are_sanitized(given: str, name: str) -> None:
    assert IdentityEdits().with_name(1, given).display_name(1) == name


def test_merges_are_transitive() -> None:
    edits = IdentityEdits().merge(3, 2).merge(2, 1)
    assert [edits.canonical_track(track_id) for track_id in (1, 2, 3)] == [1, 1, 1]
    assert edits.merge(5, 3).canonical_track(5) == 1
    for first, second in ((1, 3), (3, 1), (2, 2)):
        with pytest.raises(EmotionError, match="are one face already"):
            edits.merge(first, second)


def test_merged_face_has_the_name_of_either() -> None:
    assert IdentityEdits().with_name(2, "Ben").merge(2, 1).display_name(1) == "Ben"
    assert IdentityEdits().with_name(1, "Anna").with_name(2, "Ben").merge(2, 1).display_name(2) == "Anna"
    assert IdentityEdits().merge(2, 1).with_name(2, "Ben").display_name(1) == "Ben"


def test_unmerging_restores_the_names() -> None:
    unmerged = IdentityEdits().with_name(3, "Ben").merge(3, 2).merge(2, 1).unmerge(1)
    assert [unmerged.display_name(track_id) for track_id in (1, 2, 3)] == ["Face 1", "Face 2", "Ben"]
    named_pair = IdentityEdits().with_name(1, "Anna").with_name(2, "Ben").merge(2, 1).unmerge(1)
    assert [named_pair.display_name(track_id) for track_id in (1, 2)] == ["Anna", "Ben"]
    equal_names = IdentityEdits().with_name(1, "Anna").with_name(2, "Anna").merge(2, 1).unmerge(1)
    assert [equal_names.display_name(track_id) for track_id in (1, 2)] == ["Anna", "Anna"]
    renamed = IdentityEdits().with_name(2, "Ben").merge(2, 1).with_name(1, "Benjamin").unmerge(1)
    assert [renamed.display_name(track_id) for track_id in (1, 2)] == ["Benjamin", "Ben"]


def test_displayed_name_is_kept_by_another_merge() -> None:
    edits = IdentityEdits().with_name(3, "Ben").with_name(2, "Cid").merge(3, 2).merge(2, 1)
    assert edits.display_name(1) == "Cid"
    edits = IdentityEdits().with_name(5, "Bob").with_name(4, "Anna").merge(5, 3).merge(4, 3)
    assert edits.display_name(3) == "Bob"


def test_order_of_merges_is_written(tmp_path: Path) -> None:
    IdentityEdits().with_name(5, "Bob").with_name(4, "Anna").merge(5, 3).merge(4, 3).write(tmp_path)
    assert IdentityEdits.read(tmp_path).display_name(3) == "Bob"


def test_removed_name_is_removed_from_all_merged_tracks() -> None:
    edits = IdentityEdits().with_name(2, "Ben").merge(2, 1).with_name(1, "")
    assert (edits.display_name(1), edits.unmerge(1).display_name(2)) == ("Face 1", "Face 2")


def test_face_merged_into_a_hidden_one_is_hidden() -> None:
    edits = IdentityEdits().with_hidden(1, True).merge(2, 1)
    assert edits.is_hidden(2)
    assert not edits.with_hidden(2, False).is_hidden(1)
    assert not IdentityEdits().with_hidden(2, True).merge(2, 1).is_hidden(2)  # part of a visible face


def test_unmerge_affects_one_face_only() -> None:
    edits = IdentityEdits().merge(3, 2).merge(2, 1).merge(5, 4)
    unmerged = edits.unmerge(3)
    assert [unmerged.canonical_track(track_id) for track_id in (1, 2, 3, 5)] == [1, 2, 3, 4]


@given(
    st.lists(st.tuples(st.sampled_from(["merge", "split", "hide", "show", "name"]), track_ids, track_ids), max_size=30)
)
def test_edits_are_consistent_after_any_actions(actions: list[tuple[str, int, int]]) -> None:
    edits = IdentityEdits()
    for action, first, second in actions:
        if action == "merge" and edits.canonical_track(first) != edits.canonical_track(second):
            edits = edits.merge(first, second)
            assert edits.canonical_track(first) == edits.canonical_track(second)
        elif action == "split":
            edits = edits.unmerge(first)
        elif action == "name":
            edits = edits.with_name(first, f"N{second}")
            assert edits.display_name(first) == f"N{second}"
        else:
            edits = edits.with_hidden(first, action == "hide")
            assert edits.is_hidden(first) == (action == "hide")
        assert all(
            edits.canonical_track(edits.canonical_track(track_id)) == edits.canonical_track(track_id)
            for track_id in range(1, 9)
        )


@given(st.dictionaries(track_ids, track_ids))
def test_cyclic_merges_in_a_file_are_resolved(
    tmp_path_factory: pytest.TempPathFactory, merged_into: dict[int, int]
) -> None:
    folder = tmp_path_factory.mktemp("edits")
    (folder / "people.json").write_text(json.dumps({"merged_into": merged_into}))
    edits = IdentityEdits.read(folder)
    for track_id, target_id in merged_into.items():
        assert edits.canonical_track(track_id) == edits.canonical_track(target_id)


@pytest.mark.parametrize("text", ["{", "[]", '{"names": []}', '{"merged_into": {"a": 1}}', '{"hidden": 7}'])
def test_damaged_file_is_an_error(tmp_path: Path, text: str) -> None:
    (tmp_path / "people.json").write_text(text)
    with pytest.raises(JobError, match=r"people\.json is damaged"):
        IdentityEdits.read(tmp_path)
