from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emotion.errors import ModelError
from emotion.expressions import EXPRESSIONS, FER2013_LABELS, FERPLUS_LABELS
from emotion.model_store import store
from emotion.model_store.card import MODEL_KINDS, parse_card
from emotion.model_store.store import ModelBundle, compute_sha256, get_default_model, list_models, open_model

Card = dict[str, Any]
MakeBundle = Callable[..., Path]


def test_a_good_folder(make_bundle: MakeBundle, tmp_path: Path) -> None:
    bundle = open_model(make_bundle(tmp_path / "mine"))
    assert (bundle.name, bundle.kind, bundle.input_size, bundle.default_head) == ("mine", "classifier", 48, "ferplus")
    assert bundle.onnx_path == tmp_path / "mine" / "model.onnx"
    assert bundle.sha256 == hashlib.sha256(bundle.onnx_path.read_bytes()).hexdigest()
    assert list(bundle.heads) == ["ferplus", "fer2013"]
    assert bundle.heads["ferplus"].labels == FERPLUS_LABELS
    assert bundle.heads["fer2013"].labels == FER2013_LABELS
    assert open_model(str(tmp_path / "mine")) == bundle


@pytest.mark.parametrize("folder", ["", "nothing-there"])
def test_no_folder(tmp_path: Path, folder: str) -> None:
    with pytest.raises(ModelError, match=r"There is no card\.json"):
        open_model(tmp_path / folder)


def test_a_place_where_nobody_may_look(tmp_path: Path) -> None:
    """Root may look everywhere, but a name that is too long is refused to it as well."""
    with pytest.raises(ModelError, match=r"There is no card\.json in .* that can be read"):
        open_model(tmp_path / ("x" * 300))
    assert list_models("classifier", tmp_path / ("x" * 300)) == ([], [])


@pytest.mark.parametrize(
    "text",
    [b"", b"{", b"[]", b"null", b"7", b"\xff\xfe\x00", b'{"kind": "classifier"', b"[" * 100_000, b"1" * 10_000],
    ids=["empty", "open", "list", "null", "number", "bytes", "cut", "deep", "long number"],
)
def test_bad_json(make_bundle: MakeBundle, tmp_path: Path, text: bytes) -> None:
    folder = make_bundle(tmp_path / "bad")
    (folder / "card.json").write_bytes(text)
    with pytest.raises(ModelError, match=r"card\.json"):
        open_model(folder)


def test_a_huge_card_is_not_even_read(make_bundle: MakeBundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = make_bundle(tmp_path / "huge", lambda card: card.update(note="x" * 1_000_000))
    monkeypatch.setattr(Path, "read_text", lambda *_, **__: pytest.fail("it was read"))
    with pytest.raises(ModelError, match=r"has 100\d+ bytes; a card has at most 1000000"):
        open_model(folder)


def head(card: Card, **fields: object) -> None:
    card["heads"]["ferplus"].update(fields)


LABELS = list(FERPLUS_LABELS)
GENERATOR: Card = {
    "kind": "generator",
    "latent_dim": 128,
    "labels": list(FER2013_LABELS),
    "truncation": 1.0,
    "output": {"size": 48},
}
CARDS: dict[str, tuple[Callable[[Card], object], str]] = {
    "no kind": (lambda c: c.pop("kind"), '"kind" is missing'),
    "unknown kind": (
        lambda c: c.update(kind="oracle"),
        "expected one of classifier, detector, features, generator, upscaler",
    ),
    "kind is a list": (lambda c: c.update(kind=["classifier"]), '"kind"'),
    "no files": (lambda c: c.pop("files"), "the field 'files' of a classifier is missing"),
    "files without the network": (lambda c: c.update(files={}), '"files" must name model.onnx'),
    "wrong sha256": (lambda c: c["files"]["model.onnx"].update(sha256="0" * 64), "sha256 differs"),
    "no sha256": (lambda c: c["files"]["model.onnx"].pop("sha256"), "model.onnx.sha256' of a classifier is missing"),
    "sha256 is a number": (lambda c: c["files"]["model.onnx"].update(sha256=7), "is 7; expected text"),
    "facts are a text": (lambda c: c["files"].update({"model.onnx": "x"}), "is 'x'; expected an object"),
    "a missing file": (lambda c: c["files"].update({"model.keras": {"sha256": ""}}), "lacks its file model.keras"),
    "a name with a folder": (lambda c: c["files"].update({"../card/card.json": {"sha256": ""}}), "lacks its file"),
    "an absolute name": (lambda c: c["files"].update({"/etc/hostname": {"sha256": ""}}), "lacks its file"),
    "the folder itself": (
        lambda c: c["files"].update({name: {"sha256": ""} for name in (".", "..", "")}),
        "lacks its file",
    ),
    "a null character": (lambda c: c["files"].update({"a\0b": {"sha256": ""}}), "lacks its file"),
    "a name too long for a disk": (lambda c: c["files"].update({"x" * 5000: {"sha256": ""}}), "cannot be read"),
    "no input": (lambda c: c.pop("input"), "'input' of a classifier is missing"),
    "a size in words": (lambda c: c["input"].update(size="big"), "'input.size' is 'big'; expected a whole number"),
    "an infinite size": (
        lambda c: c["input"].update(size=float("inf")),
        "'input.size' is inf; expected a finite number",
    ),
    "no size": (lambda c: c["input"].update(size=0), "is 0; expected a number of at least 8"),
    "a size for no memory": (lambda c: c["input"].update(size=10**9), "expected a number of at most 512"),
    "no heads": (lambda c: c.update(heads={}), '"default_head" is'),
    "heads are a list": (lambda c: c.update(heads=[1]), r"'heads' is \[1\]; expected an object"),
    "no default head": (lambda c: c.pop("default_head"), "'default_head' of a classifier is missing"),
    "the default head is no head": (
        lambda c: c.update(default_head="affectnet"),
        "'affectnet'; expected one of the heads ferplus, fer2013",
    ),
    "the default head is a list": (lambda c: c.update(default_head=["ferplus"]), "'default_head' is .* expected text"),
    "a head named face": (
        lambda c: c["heads"].update(face=dict(c["heads"]["ferplus"], output="x")),
        'none named "face"',
    ),
    "unknown labels": (lambda c: head(c, labels=["hapy", *LABELS[1:]]), "'hapy'"),
    "duplicate labels": (lambda c: head(c, labels=["happy", *LABELS[1:]]), "different ones"),
    "own labels that are paths": (
        lambda c: head(c, labels=["/../../x", *LABELS[1:]]) or c.update(label_set="own"),
        "expected different ones",
    ),
    "own labels that cannot be shown": (
        lambda c: head(c, labels=["", *LABELS[1:]]) or c.update(label_set="own"),
        "the labels of ferplus are ''",
    ),
    "one label": (lambda c: head(c, labels=["happy"]), "a list of at least 2"),
    "no labels": (lambda c: head(c, labels=[]), "a list of at least 2"),
    "labels are a text": (lambda c: head(c, labels="happy"), "'happy'; expected a list"),
    "labels are lists": (lambda c: head(c, labels=[["happy"], ["sad"]]), r"\['happy'\]; expected text"),
    "labels are a number": (lambda c: head(c, labels=8), "is 8; expected a list"),
    "no output": (lambda c: c["heads"]["ferplus"].pop("output"), "'heads.ferplus.output' of a classifier is missing"),
    "an output is a list": (lambda c: head(c, output=["ferplus"]), "expected text"),
    "one output for both": (lambda c: head(c, output="fer2013"), "a different name for each head"),
    "temperature 0": (lambda c: head(c, temperature=0), "is 0; expected a number above 0"),
    "temperature below 0": (lambda c: head(c, temperature=-1), "is -1; expected a number above 0"),
    "no temperature": (lambda c: head(c, temperature=None), "is None; expected a number"),
    "temperature NaN": (lambda c: head(c, temperature=float("nan")), "is nan; expected a finite number"),
    "temperature infinite": (lambda c: head(c, temperature=float("inf")), "is inf; expected a finite number"),
    "face without output": (
        lambda c: c.update(face_head={"threshold": 0.5}),
        "'face_head.output' of a classifier is missing",
    ),
    "face is a text": (lambda c: c.update(face_head="face"), "'face_head' is 'face'; expected an object"),
    "a face at the threshold 1": (
        lambda c: c["face_head"].update(threshold=1),
        "is 1; expected a number below 1",
    ),
    "a face at the threshold 0": (lambda c: c["face_head"].update(threshold=0), "is 0; expected a number above 0"),
    "a face below all": (lambda c: c["face_head"].update(threshold=-1), "is -1; expected a number above 0"),
    "a threshold NaN": (lambda c: c["face_head"].update(threshold=float("nan")), "is nan; expected a number below 1"),
    "face speaks by a head": (lambda c: c["face_head"].update(output="ferplus"), "a different name for each head"),
}


@pytest.mark.parametrize(("change", "words"), CARDS.values(), ids=CARDS)
def test_a_spoilt_card_names_what_is_wrong(
    make_bundle: MakeBundle, tmp_path: Path, change: Callable[[Card], object], words: str
) -> None:
    with pytest.raises(ModelError, match=words) as caught:
        open_model(make_bundle(tmp_path / "card", change))
    assert str(caught.value).endswith(".")
    assert len(str(caught.value).splitlines()) == 1


def test_a_spoilt_file_is_refused(make_bundle: MakeBundle, tmp_path: Path) -> None:
    folder = make_bundle(tmp_path / "bad")
    data = bytearray((folder / "model.onnx").read_bytes())
    data[len(data) // 2] ^= 1
    (folder / "model.onnx").write_bytes(data)
    with pytest.raises(ModelError, match="sha256 differs"):
        open_model(folder)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=5,
)


def places(value: object, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place in a JSON value, as the keys that lead there."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, inner in items for place in places(inner, (*path, key)))]


def test_labels_of_a_data_set_of_ones_own(make_bundle: Callable[..., Path], tmp_path: Path) -> None:
    def change(card: Card) -> None:
        head(card, labels=["bored", *LABELS[1:]])
        card["label_set"] = "own"

    make_bundle(tmp_path / "own", change)
    assert open_model(tmp_path / "own").heads["ferplus"].labels == ("bored", *LABELS[1:])


@given(data=st.data())
def test_anything_anywhere_in_a_card_is_taken_or_refused_in_words(
    tiny: ModelBundle, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.getbasetemp() / "fuzzed"
    folder.mkdir(exist_ok=True)
    shutil.copy(tiny.onnx_path, folder)
    card = json.loads((tiny.folder / "card.json").read_text())
    *path, last = data.draw(st.sampled_from(places(card)[1:]))
    inner = card
    for key in path:
        inner = inner[key]
    inner[last] = data.draw(JSON)
    (folder / "card.json").write_text(json.dumps(card))
    with suppress(ModelError):
        bundle = open_model(folder)
        assert bundle.card_fields == json.loads(json.dumps(bundle.card_fields))
        assert all(set(head.labels) <= set(EXPRESSIONS) for head in bundle.heads.values())
        assert bundle.default_head in bundle.heads


# ------------------------------------------------------------------ finding them


def test_nothing_is_found_in_nothing(tmp_path: Path) -> None:
    assert list_models("classifier", tmp_path) == ([], [])
    assert list_models("classifier", tmp_path / "missing") == ([], [])
    with pytest.raises(ModelError, match=f"There is no model of the kind classifier in {tmp_path}; train one first"):
        get_default_model("classifier", tmp_path)


def test_the_search_goes_on_after_a_bad_one_and_reports_it(make_bundle: MakeBundle, tmp_path: Path) -> None:
    make_bundle(tmp_path / "a-bad", CARDS["unknown labels"][0])
    make_bundle(tmp_path / "b")
    make_bundle(tmp_path / "c-bad", CARDS["a name too long for a disk"][0])
    make_bundle(tmp_path / "d")
    (tmp_path / "not-a-model").mkdir()
    (tmp_path / "card.json").write_text("{}")
    good, bad = list_models("classifier", tmp_path)
    assert [bundle.name for bundle in good] == ["b", "d"]
    assert ["a-bad" in bad[0], "c-bad" in bad[1], len(bad)] == [True, True, 2]


def test_the_default_comes_first_then_by_name(make_bundle: MakeBundle, tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    make_bundle(here / "b")
    make_bundle(here / "a")
    make_bundle(there / "z", lambda card: card.update(default=True))
    assert [bundle.name for bundle in list_models("classifier", here, there)[0]] == ["z", "a", "b"]
    assert get_default_model("classifier", here, there).name == "z"
    assert get_default_model("classifier", here).name == "a"


def test_only_the_kind_asked_for(make_bundle: MakeBundle, tmp_path: Path) -> None:
    make_bundle(tmp_path / "a", lambda card: card.update(GENERATOR))
    make_bundle(tmp_path / "b")
    assert [bundle.name for bundle in list_models("generator", tmp_path)[0]] == ["a"]
    assert [bundle.name for bundle in list_models("classifier", tmp_path)[0]] == ["b"]
    assert list_models("detector", tmp_path) == ([], [])


GENERATORS: dict[str, tuple[Card, str]] = {
    "no latent": ({"latent_dim": None}, "'latent_dim' is None; expected a whole number"),
    "latent 0": ({"latent_dim": 0}, "is 0; expected a number of at least 1"),
    "a latent for no memory": ({"latent_dim": 10**9}, "expected a number of at most 4096"),
    "an infinite latent": ({"latent_dim": float("inf")}, "expected a finite number"),
    "no output": ({"output": {}}, "'output.size' of a generator is missing"),
    "a size for no memory": ({"output": {"size": 10**6}}, "is 1000000; expected a number of at most 512"),
    "truncation above 1": ({"truncation": 1.5}, "is 1.5; expected a number of at most 1"),
    "truncation NaN": ({"truncation": float("nan")}, "is nan; expected a number of at most 1"),
    "truncation in words": ({"truncation": "much"}, "is 'much'; expected a number"),
    "no labels": ({"labels": []}, "expected a list of at least 1"),
    "labels are a number": ({"labels": 7}, "is 7; expected a list"),
    "unknown labels": ({"labels": ["glad"]}, "the labels are 'glad'"),
    "labels are lists": ({"labels": [["sad"]]}, r"\['sad'\]; expected text"),
    "a label twice": ({"labels": ["sad", "sad"]}, "the labels are 'sad', 'sad'"),
}


def test_a_generator(make_bundle: MakeBundle, tmp_path: Path) -> None:
    assert open_model(make_bundle(tmp_path / "mine", lambda card: card.update(GENERATOR))).kind == "generator"


@pytest.mark.parametrize(("change", "words"), GENERATORS.values(), ids=GENERATORS)
def test_a_spoilt_card_of_a_generator_names_what_is_wrong(
    make_bundle: MakeBundle, tmp_path: Path, change: Card, words: str
) -> None:
    with pytest.raises(ModelError, match=words):
        open_model(make_bundle(tmp_path / "card", lambda card: card.update(GENERATOR | change)))


def test_when_all_are_bad_the_reasons_are_given(make_bundle: MakeBundle, tmp_path: Path) -> None:
    make_bundle(tmp_path / "bad", CARDS["duplicate labels"][0])
    with pytest.raises(ModelError, match="different ones"):
        get_default_model("classifier", tmp_path)


def test_the_shipped_models_are_whole() -> None:
    assert list_models("classifier")[1] == []
    bundle = get_default_model("classifier")
    assert bundle.folder.parent == store.BUILTIN_MODELS
    assert bundle.heads["ferplus"].labels == FERPLUS_LABELS
    assert bundle.heads["fer2013"].labels == FER2013_LABELS


@pytest.mark.parametrize("kind", MODEL_KINDS)
def test_the_fields_of_a_card_are_those_of_its_file(kind: str) -> None:
    bundle = get_default_model(kind)
    assert bundle.card_fields == json.loads((bundle.folder / "card.json").read_text())


@pytest.mark.parametrize("kind", MODEL_KINDS)
def test_the_card_of_another_kind_is_refused(kind: str) -> None:
    bundle = get_default_model(kind)
    cards = {
        "classifier": lambda: bundle.classifier_card,
        "detector": lambda: bundle.detector_card,
        "features": lambda: bundle.features_card,
        "generator": lambda: bundle.generator_card,
        "upscaler": lambda: bundle.upscaler_card,
    }
    assert cards.pop(kind)() is bundle.card
    for other, get_card in cards.items():
        with pytest.raises(ModelError, match=f"is a {kind}; expected an? {other}"):
            get_card()


DETECTORS: dict[str, tuple[Card, str]] = {
    "no calibration": ({"score_calibration": None}, "'score_calibration' is None; expected an object"),
    "slope 0": ({"score_calibration": {"slope": 0, "offset": 0}}, "is 0; expected a number above 0"),
    "infinite offset": (
        {"score_calibration": {"slope": 1, "offset": float("inf")}},
        "is inf; expected a finite number",
    ),
    "scale 0": ({"crop_geometry": {"scale": 0, "y_offset": 0}}, "is 0; expected a number of at least 0.5"),
    "offset of a whole side": ({"crop_geometry": {"scale": 1, "y_offset": 1}}, "expected a number of at most 0.5"),
    "unknown geometry": ({"crop_geometry": {"scale": 1, "y_offset": 0, "x": 0}}, "expected no field of this name"),
    "fusion without weights": ({"score_fusion": {"classifier": "0"}}, "'score_fusion.detector_weight' of a detector"),
    "negative weight": (
        {"score_fusion": {"classifier": "0", "detector_weight": 1, "classifier_weight": -1, "bias": 0}},
        "is -1; expected a number of at least 0",
    ),
}


@pytest.mark.parametrize(("change", "words"), DETECTORS.values(), ids=DETECTORS)
def test_a_wrong_card_of_a_detector_names_what_is_wrong(change: Card, words: str) -> None:
    fields = get_default_model("detector").card_fields
    with pytest.raises(ModelError, match=rf"^card\.json: .*{words}.*\.$"):
        parse_card(Path("card.json"), fields | change)


@pytest.mark.parametrize("data", [b"", b"abc", bytes(3_000_000)])
def test_sha256(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "file").write_bytes(data)
    assert compute_sha256(tmp_path / "file") == hashlib.sha256(data).hexdigest()
