from __future__ import annotations

import threading
import time

from emotion.live.latest_worker import LatestItemWorker


def wait_until(true: object, seconds: float = 5.0) -> None:
    end = time.monotonic() + seconds
    while not true():  # type: ignore[operator]
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.002)


def test_the_newest_replaces_what_waits() -> None:
    busy, go, done = threading.Event(), threading.Event(), list[int]()

    def work(item: int) -> None:
        done.append(item)
        busy.set()
        go.wait(5)

    mailbox = LatestItemWorker(work, "test")
    assert mailbox.put(0) is None
    assert busy.wait(5)
    assert [mailbox.put(i) for i in range(1, 10)] == [None, *range(1, 9)]
    go.set()
    assert mailbox.close()
    assert done == [0, 9]
    assert mailbox.put(11) == 11
    assert mailbox.close()


def test_the_thread_ends_when_nothing_comes_and_starts_again() -> None:
    threads, done = threading.active_count(), list[int]()
    mailbox = LatestItemWorker(done.append, "test", idle_seconds=0.05)
    for i in range(3):
        mailbox.put(i)
        wait_until(lambda: len(done) == i + 1 and threading.active_count() == threads)  # noqa: B023
    assert done == [0, 1, 2]
    assert mailbox.close()


def test_work_that_raises_is_not_the_end() -> None:
    done = list[int]()

    def work(item: int) -> None:
        done.append(item)
        raise RuntimeError("on purpose")

    mailbox = LatestItemWorker(work, "test")
    for i in range(3):
        mailbox.put(i)
        wait_until(lambda: len(done) == i + 1)  # noqa: B023
    assert mailbox.close()


def test_closing_does_not_wait_for_ever() -> None:
    go = threading.Event()
    mailbox = LatestItemWorker(lambda _: go.wait(10), "test")
    mailbox.put(1)
    assert not mailbox.close(0.05)
    go.set()
    assert mailbox.close(5)


def test_many_who_put() -> None:
    """Every item is either worked on or given back, never both."""
    done, back = list[int](), list[int]()
    mailbox = LatestItemWorker(done.append, "test")

    def put(start: int) -> None:
        for i in range(start, start + 200):
            replaced = mailbox.put(i)
            if replaced is not None:
                back.append(replaced)

    threads = [threading.Thread(target=put, args=(1 + 200 * n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert mailbox.close(5)
    assert sorted(done + back) == [*range(1, 801)]
