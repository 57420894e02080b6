"""The share of photos that all visitors analyze at a time."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace

import pytest
from PIL import Image

from emotion.recognition.settings import AnalyzerSettings
from emotion.ui.photos import photo_cache
from emotion.ui.photos.photo_cache import MAX_ANALYSES, MAX_MEGAPIXELS
from tests.waiting import wait_until

TIMEOUT = 20.0  # seconds, more than a busy machine needs


def make_photo(megapixels: int) -> bytes:
    """Return a PNG whose header states that size; nothing decodes its pixels."""
    file = io.BytesIO()
    Image.new("1", (1000, 1000 * megapixels)).save(file, "PNG")
    return file.getvalue()


def test_few_megapixels_are_decoded_at_a_time_and_the_others_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 16)
    lock, leave = threading.Lock(), threading.Event()
    sizes, inside, most, waiting = [12, 12, 6, 12, 30, 40, 12, 40], list[int](), [0], set[int]()

    def analyze(index: int) -> None:
        photo = photos[index]
        with photo_cache.take_turn([photo], lambda num_ahead: waiting.add(index)):
            with lock:
                inside.append(sizes[index])
                most[0] = max(most[0], sum(inside))
            leave.wait(TIMEOUT)
            with lock:
                inside.remove(sizes[index])

    photos = [make_photo(min(16, size)) if size < 17 else b"no header, so it counts as the largest" for size in sizes]
    threads = [threading.Thread(target=analyze, args=(index,), daemon=True) for index in range(len(sizes))]
    for count, thread in enumerate(threads, 1):
        thread.start()
        wait_until(lambda count=count: len(inside) + len(waiting) >= count)
    assert inside == [12, 12, 6, 12]
    assert waiting == {4, 5, 6, 7}
    leave.set()
    for thread in threads:
        thread.join(TIMEOUT)
    assert inside == []
    assert most[0] <= MAX_MEGAPIXELS


@pytest.mark.parametrize(("num_processors", "expected"), [(1, 1), (2, 1), (4, 3)])
def test_photos_leave_a_processor_for_the_pages(
    num_processors: int, expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: num_processors)
    inside, waiting, leave = set[int](), set[int](), threading.Event()

    def analyze(index: int) -> None:
        with photo_cache.take_turn([make_photo(1)], lambda num_ahead: waiting.add(index)):
            inside.add(index)
            leave.wait(TIMEOUT)

    threads = [threading.Thread(target=analyze, args=(index,), daemon=True) for index in range(expected + 1)]
    for thread in threads:
        thread.start()
    wait_until(lambda: len(inside) + len(waiting) > expected)
    assert len(inside) == expected
    leave.set()
    for thread in threads:
        thread.join(TIMEOUT)


def test_everything_is_released_after_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    returned = list[bool]()
    monkeypatch.setattr(photo_cache, "return_free_memory", lambda: returned.append(True))
    for _ in range(3):
        with (
            pytest.raises(ZeroDivisionError),
            photo_cache.take_turn([b"no image"], lambda num_ahead: pytest.fail("nothing else is read")),
        ):
            1 / 0  # noqa: B018
    assert len(returned) == 3, "the memory of the photos, too"
    with photo_cache.take_turn([b"x", b"y"], lambda num_ahead: pytest.fail("nothing else is read")):
        pass


def test_no_more_photos_than_processors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 1)
    photo, waited = make_photo(1), list[int]()

    def give_up(num_ahead: int) -> None:
        waited.append(num_ahead)
        raise InterruptedError

    with (
        photo_cache.take_turn([photo], give_up),
        pytest.raises(InterruptedError),
        photo_cache.take_turn([photo], give_up),
    ):
        pass
    assert waited == [0]


def test_a_photo_that_is_analyzed_again_takes_a_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    """The analysis that was used last the longest ago is the one that is left out."""
    state: dict[str, object] = {}
    analyzed, turns = list[str](), list[bytes]()

    @contextmanager
    def take_turn(contents: Iterable[bytes], on_wait: Callable[[int], None]) -> Iterator[None]:
        turns.extend(contents)
        yield

    def analyze(content: bytes, analyzer: object, settings: object, name: str) -> str:
        analyzed.append(name)
        return name

    analyzer = SimpleNamespace(classifier=SimpleNamespace(bundle=SimpleNamespace(sha256="0")))
    settings = SimpleNamespace(analyzer_settings=AnalyzerSettings(), detector="none")
    monkeypatch.setattr(photo_cache.st, "session_state", state)
    monkeypatch.setattr(photo_cache.session, "get_analyzer", lambda: analyzer)
    monkeypatch.setattr(photo_cache.session, "get_settings", lambda: settings)
    monkeypatch.setattr(photo_cache.photos, "analyze_photo", analyze)
    monkeypatch.setattr(photo_cache, "take_turn", take_turn)
    names = [str(number) for number in range(MAX_ANALYSES)]
    for name in [*names, names[0], "one more", names[0], names[1]]:
        assert photo_cache.analyze_photo(name.encode(), name) == name
    assert analyzed == [*names, "one more", names[1]]
    assert turns == [name.encode() for name in analyzed]
