"""Cameras that connect and disconnect, over real WebRTC connections but without a browser.

The environment variable EMOTION_RECONNECTS sets the number of clients (4; 200 take some minutes).
"""

from __future__ import annotations

import asyncio
import inspect
import os
import threading
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any, TypeVar

import av
import numpy as np
import psutil
import pytest
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.contrib.media import MediaRelay
from aiortc.mediastreams import MediaStreamError, VideoStreamTrack
from numpy.typing import NDArray
from streamlit_webrtc.webrtc import WebRtcMode, WebRtcWorker

from emotion.expressions import FERPLUS_LABELS
from emotion.faces import Box, Scores
from emotion.live.session import RESULT_TIMEOUT_SECONDS, LiveSession
from emotion.live.state import LiveOptions
from emotion.recognition.analyzer import Analyzer
from emotion.recognition.classification import Prediction
from emotion.tracking.settings import StreamSettings
from emotion.ui.live.stream import make_frame_callback
from emotion.ui.webrtc_workarounds import disable_buffering

pytestmark = pytest.mark.slow
ResultT = TypeVar("T")
NUM_CLIENTS = int(os.environ.get("EMOTION_RECONNECTS", "4"))
SIZE = (160, 120)
FACE_BOX = Box(40, 30, 80, 70)
NO_ICE_SERVERS = RTCConfiguration(iceServers=[])


class FakeClassifier:
    """Predicts "happy" for every face after calling `before_predict`."""

    input_size = 48
    bundle = SimpleNamespace(name="fake", sha256="0" * 64)

    def __init__(self) -> None:
        self.before_predict: Callable[[], object] = lambda: None

    def predict(self, crops: NDArray[np.uint8], head: str | None = None) -> tuple[Prediction, ...]:
        self.before_predict()
        return (Prediction(Scores(FERPLUS_LABELS, [0.05, 0.7, 0.05, 0.04, 0.04, 0.04, 0.04, 0.04]), 0.99),) * len(crops)


class Camera(VideoStreamTrack):
    """Sends thirty gray frames per second, each slightly brighter than the one before."""

    def __init__(self) -> None:
        super().__init__()
        self.num_sent = 0

    async def recv(self) -> av.VideoFrame:
        pts, time_base = await self.next_timestamp()
        self.num_sent += 1
        frame = av.VideoFrame.from_ndarray(np.full((*SIZE[::-1], 3), 60 + self.num_sent % 60, np.uint8), format="rgb24")
        frame.pts, frame.time_base = pts, time_base
        return frame


class Client:
    """A client like a browser with a camera: connects to a worker and keeps the returned images."""

    def __init__(self, worker: WebRtcWorker, camera: Camera) -> None:
        self._worker, self._camera = worker, camera
        self._pc = RTCPeerConnection(NO_ICE_SERVERS)
        self._task: asyncio.Task[None] | None = None
        self.images = list[NDArray[np.uint8]]()
        self.ended = False

    async def connect(self) -> None:
        self._pc.addTrack(self._camera)

        @self._pc.on("track")
        def on_track(track: Any) -> None:
            self._task = asyncio.ensure_future(self._receive(track))

        await self._pc.setLocalDescription(await self._pc.createOffer())
        offer = self._pc.localDescription
        answer = await asyncio.to_thread(self._worker.process_offer, offer.sdp, offer.type, 30)
        await self._pc.setRemoteDescription(RTCSessionDescription(answer.sdp, answer.type))

    async def _receive(self, track: Any) -> None:
        try:
            while True:
                self.images = [*self.images[-50:], (await track.recv()).to_ndarray(format="rgb24")]
        except MediaStreamError:
            self.ended = True

    async def break_off(self) -> None:
        """Disconnect like a crashed tab: without a message, with closed sockets."""
        for transceiver in self._pc.getTransceivers():
            ice = transceiver.sender.transport.transport
            for protocol in ice._connection._protocols:
                protocol.transport.abort()
        if self._task:
            self._task.cancel()
        await self._pc.close()

    async def leave(self) -> None:
        await self._pc.close()
        if self._task:
            self._task.cancel()


class Server:
    """The event loop of streamlit-webrtc in its own thread."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, name="server", daemon=True)
        self._thread.start()
        self._relay = self.run(self._make_relay())

    async def _make_relay(self) -> MediaRelay:
        return disable_buffering(MediaRelay())

    def run(self, coroutine: Coroutine[Any, Any, ResultT]) -> ResultT:
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(60)

    def worker(self, session: LiveSession) -> WebRtcWorker:
        """Return a worker like that of the live page."""
        arguments = {
            "mode": WebRtcMode.SENDRECV,
            "rtc_configuration": NO_ICE_SERVERS,
            "video_frame_callback": make_frame_callback(session),
            "async_processing": False,
            "video_receiver_size": 4,
            "audio_receiver_size": 4,
            "sendback_video": True,
            "sendback_audio": True,
            "loop": self.loop,
            "relay": self._relay,
        }
        return WebRtcWorker(**dict.fromkeys(inspect.signature(WebRtcWorker).parameters) | arguments)

    def close(self) -> None:
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(10)
        self.loop.run_until_complete(self.loop.shutdown_default_executor())
        self.loop.close()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr("aioice.ice.CONSENT_INTERVAL", 0.2)  # a missing browser is noticed soon, not after 30 seconds
    server = Server()
    yield server
    server.close()


@pytest.fixture
def classifier() -> FakeClassifier:
    return FakeClassifier()


@pytest.fixture
def session(fake_detector: Callable, classifier: FakeClassifier) -> Iterator[LiveSession]:
    analyzer = Analyzer(fake_detector([FACE_BOX]), classifier)  # type: ignore[arg-type]
    session = LiveSession(analyzer, LiveOptions(StreamSettings(classify_hz=1e6), mirror=False))
    yield session
    session.close()


@asynccontextmanager
async def connected_client(server: Server, session: LiveSession, camera: Camera | None = None) -> AsyncIterator[Client]:
    """Connect a client whose stream must continue until it leaves."""
    client = Client(worker := server.worker(session), camera or Camera())
    await client.connect()
    await wait_until_async(lambda: client.images and has_box(client.images[-1]), "an image with a box")
    yield client
    assert not client.ended
    await client.leave()
    await asyncio.to_thread(worker.stop)


async def wait_until_async(condition: Callable[[], object], description: str, seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"timed out waiting for {description}"
        await asyncio.sleep(0.02)


def has_box(image: NDArray[np.uint8]) -> bool:
    """Return whether a box was drawn: everything else is gray."""
    return bool((np.ptp(image.astype(int), axis=2) > 60).sum() > 50)


def wait_for_threads(max_threads: int) -> int:
    """Return the number of threads as soon as there are at most `max_threads`."""
    end = time.monotonic() + 60
    while threading.active_count() > max_threads and time.monotonic() < end:
        time.sleep(0.05)
    return threading.active_count()


def wait_for_stable_threads() -> int:
    """Return the number of threads as soon as it stays the same for half a second, or after three seconds."""
    started = since = time.monotonic()
    num_threads = threading.active_count()
    while time.monotonic() < min(started + 3, since + 0.5):
        time.sleep(0.05)
        if threading.active_count() != num_threads:
            num_threads, since = threading.active_count(), time.monotonic()
    return num_threads


def test_frames_are_returned_with_boxes(server: Server, session: LiveSession) -> None:
    async def visit() -> None:
        async with connected_client(server, session) as client:
            assert client.images[-1].shape == (*SIZE[::-1], 3)

    asyncio.run(visit())
    state = session.state()
    assert (len(state.faces), state.counters.errors) == (1, 0)


def test_disconnected_clients_leave_no_threads_and_no_memory(server: Server, session: LiveSession) -> None:
    """Every second client closes its connection; the server must detect that the others are gone."""
    process, baseline = psutil.Process(), list[tuple[int, int]]()

    async def visit(index: int) -> None:
        client = Client(worker := server.worker(session), Camera())
        before = session.state().counters.num_frames
        await client.connect()
        await wait_until_async(
            lambda: session.state().counters.num_frames > before and client.images, f"an image for client {index}"
        )
        await (client.leave() if index % 2 else client.break_off())
        await wait_until_async(lambda: worker.pc.connectionState == "closed", f"the end of client {index}")

    for index in range(NUM_CLIENTS + 2):
        asyncio.run(visit(index))
        if index == 1:  # everything permanent exists by now
            baseline.append((wait_for_stable_threads(), process.memory_info().rss))
    (threads, memory) = baseline[0]
    assert wait_for_threads(threads + 2) <= threads + 2
    assert process.memory_info().rss - memory < 50e6
    assert session.state().counters.errors == 0

    async def visit_again() -> None:
        async with connected_client(server, session) as client:
            assert client.images

    asyncio.run(visit_again())


def test_stream_continues_after_errors(server: Server, session: LiveSession, classifier: FakeClassifier) -> None:
    calls = 0

    def fail_every_tenth_call() -> None:
        nonlocal calls
        calls += 1
        if calls % 10 == 0:
            raise RuntimeError("on purpose")

    classifier.before_predict = fail_every_tenth_call

    async def visit() -> None:
        async with connected_client(server, session) as client:
            await wait_until_async(lambda: session.state().counters.errors >= 5, "five errors")
            count = session.state().counters.num_frames
            await wait_until_async(lambda: session.state().counters.num_frames > count + 30, "thirty more frames")
            await wait_until_async(lambda: has_box(client.images[-1]), "an image with a box")

    asyncio.run(visit())
    state = session.state()
    assert state.counters.last_error == "RuntimeError: on purpose"
    assert state.counters.errors <= calls / 10


@pytest.mark.parametrize("anonymize", [False, True])
def test_stream_continues_after_a_stall(
    server: Server, session: LiveSession, classifier: FakeClassifier, anonymize: bool
) -> None:
    """While the classifier hangs, images come without boxes, and afterwards with boxes again.

    Nothing in the connection waits for the classifier, so the length of the stall does not matter.
    """
    session.options = LiveOptions(StreamSettings(classify_hz=1e6), mirror=False, anonymize=anonymize)
    stalled, release = threading.Event(), threading.Event()

    async def visit() -> None:
        async with connected_client(server, session) as client:
            classifier.before_predict = lambda: stalled.set() or release.wait(60)
            await wait_until_async(stalled.is_set, "the stall")
            num_late, start = session.state().counters.late_frames, time.monotonic()
            await wait_until_async(
                lambda: session.state().counters.late_frames >= num_late + 30, "frames without a result"
            )
            assert time.monotonic() - start < 30 * RESULT_TIMEOUT_SECONDS / 2, "no frame waits for a result"
            await wait_until_async(lambda: not has_box(client.images[-1]), "an image without a box")
            release.set()
            await wait_until_async(lambda: has_box(client.images[-1]), "an image with a box again")

    asyncio.run(visit())
    assert session.state().counters.errors == 0


def test_frame_size_can_change_during_the_stream(server: Server, session: LiveSession) -> None:
    """The camera alternates between two orientations like a rotated phone."""

    class RotatingCamera(Camera):
        async def recv(self) -> av.VideoFrame:
            frame = await super().recv()
            if self.num_sent % 20 < 10:
                return frame
            turned = av.VideoFrame.from_ndarray(frame.to_ndarray(format="rgb24").transpose(1, 0, 2).copy(), "rgb24")
            turned.pts, turned.time_base = frame.pts, frame.time_base
            return turned

    async def visit() -> None:
        async with connected_client(server, session, RotatingCamera()) as client:
            for shape in ((*SIZE, 3), (*SIZE[::-1], 3)) * 2:
                await wait_until_async(lambda s=shape: client.images[-1].shape == s, f"images of {shape}")

    asyncio.run(visit())
    assert session.state().counters.errors == 0


def test_slow_receiver_gets_the_newest_frame() -> None:
    """The receiver is half as fast as the camera; with the original relay its delay would grow."""

    class FastCamera(Camera):
        async def recv(self) -> av.VideoFrame:
            await asyncio.sleep(0.02)
            self.num_sent += 1
            frame = av.VideoFrame(16, 16, "yuv420p")
            frame.pts = self.num_sent
            return frame

    async def measure_delays() -> list[int]:
        camera, delays = FastCamera(), list[int]()
        subscription = disable_buffering(MediaRelay()).subscribe(camera)
        for _ in range(20):
            delays.append(camera.num_sent - int((await subscription.recv()).pts or 0))
            await asyncio.sleep(0.04)
        return delays

    delays = asyncio.run(measure_delays())
    assert max(delays) <= 4
    assert sum(delays) <= 20
