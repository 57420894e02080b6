from __future__ import annotations

import threading

from emotion.live.latest_worker import LatestItemWorker
from tests.waiting import wait_until


def test_newest_item_replaces_the_waiting_one() -> None:
    called, release, handled = threading.Event(), threading.Event(), list[int]()

    def handle(item: int) -> None:
        handled.append(item)
        called.set()
        release.wait(5)

    worker = LatestItemWorker(handle, "test")
    assert worker.put(0) is None
    assert called.wait(5)
    assert [worker.put(i) for i in range(1, 10)] == [None, *range(1, 9)]
    release.set()
    assert worker.close()
    assert handled == [0, 9]
    assert worker.put(11) == 11
    assert worker.close()


def test_idle_thread_ends_and_starts_again() -> None:
    threads, handled = threading.active_count(), list[int]()
    worker = LatestItemWorker(handled.append, "test", idle_seconds=0.05)
    for i in range(3):
        worker.put(i)
        wait_until(lambda: len(handled) == i + 1 and threading.active_count() == threads)  # noqa: B023
    assert handled == [0, 1, 2]
    assert worker.close()


def test_thread_survives_errors_of_the_handler() -> None:
    handled = list[int]()

    def handle(item: int) -> None:
        handled.append(item)
        raise RuntimeError("on purpose")

    worker = LatestItemWorker(handle, "test")
    for i in range(3):
        worker.put(i)
        wait_until(lambda: len(handled) == i + 1)  # noqa: B023
    assert worker.close()


def test_close_waits_no_longer_than_its_timeout() -> None:
    release = threading.Event()
    worker = LatestItemWorker(lambda _: release.wait(10), "test")
    worker.put(1)
    assert not worker.close(0.05)
    release.set()
    assert worker.close(5)


def test_concurrent_puts_drop_no_item_silently() -> None:
    """Every item is either handled or returned by `put`, never both."""
    handled, replaced_items = list[int](), list[int]()
    worker = LatestItemWorker(handled.append, "test")

    def put(start: int) -> None:
        for i in range(start, start + 200):
            replaced = worker.put(i)
            if replaced is not None:
                replaced_items.append(replaced)

    threads = [threading.Thread(target=put, args=(1 + 200 * n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert worker.close(5)
    assert sorted(handled + replaced_items) == [*range(1, 801)]
