"""Cameras that come and go, over real WebRTC connections but without a browser.

EMOTION_RECONNECTS sets how many clients break off (20; 200 take some minutes).
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
from emotion.live.session import _RESULT_TIMEOUT_SECONDS, LiveSession
from emotion.live.state import LiveOptions
from emotion.recognition.analyzer import Analyzer
from emotion.recognition.classification import Prediction
from emotion.tracking.settings import StreamSettings
from emotion.ui.live.stream import make_frame_callback
from emotion.ui.streamlit_workarounds import disable_buffering

pytestmark = pytest.mark.slow
T = TypeVar("T")
TIMES = int(os.environ.get("EMOTION_RECONNECTS", "20"))
SIZE = (160, 120)
WHERE = Box(40, 30, 80, 70)
HERE = RTCConfiguration(iceServers=[])


class Speaker:
    """Says that everybody is happy; before that it does what `first` does."""

    input_size = 48
    bundle = SimpleNamespace(name="fake", sha256="0" * 64)

    def __init__(self) -> None:
        self.first: Callable[[], object] = lambda: None

    def predict(self, crops: NDArray[np.uint8], head: str | None = None) -> tuple[Prediction, ...]:
        self.first()
        return (Prediction(Scores(FERPLUS_LABELS, [0.05, 0.7, 0.05, 0.04, 0.04, 0.04, 0.04, 0.04]), 0.99),) * len(crops)


class Camera(VideoStreamTrack):
    """Thirty grey frames in a second, one a little brighter than the one before."""

    def __init__(self) -> None:
        super().__init__()
        self.sent = 0

    async def recv(self) -> av.VideoFrame:
        pts, time_base = await self.next_timestamp()
        self.sent += 1
        frame = av.VideoFrame.from_ndarray(np.full((*SIZE[::-1], 3), 60 + self.sent % 60, np.uint8), format="rgb24")
        frame.pts, frame.time_base = pts, time_base
        return frame


class Client:
    """A browser with a camera: connects to a worker, and counts what comes back."""

    def __init__(self, worker: WebRtcWorker, camera: Camera) -> None:
        self._worker, self._camera = worker, camera
        self._pc = RTCPeerConnection(HERE)
        self._task: asyncio.Task[None] | None = None
        self.pictures = list[NDArray[np.uint8]]()
        self.ended = False

    async def connect(self) -> None:
        self._pc.addTrack(self._camera)

        @self._pc.on("track")
        def on_track(track: Any) -> None:
            self._task = asyncio.ensure_future(self._take(track))

        await self._pc.setLocalDescription(await self._pc.createOffer())
        said = self._pc.localDescription
        answer = await asyncio.to_thread(self._worker.process_offer, said.sdp, said.type, 30)
        await self._pc.setRemoteDescription(RTCSessionDescription(answer.sdp, answer.type))

    async def _take(self, track: Any) -> None:
        try:
            while True:
                self.pictures = [*self.pictures[-50:], (await track.recv()).to_ndarray(format="rgb24")]
        except MediaStreamError:
            self.ended = True

    async def break_off(self) -> None:
        """As when a tab crashes: nothing more is sent, no farewell, and its sockets are gone."""
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
    """The loop that streamlit-webrtc works in, in a thread of its own."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, name="server", daemon=True)
        self._thread.start()
        self._relay = self.run(self._make_relay())

    async def _make_relay(self) -> MediaRelay:
        return disable_buffering(MediaRelay())

    def run(self, todo: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(todo, self.loop).result(60)

    def worker(self, session: LiveSession) -> WebRtcWorker:
        """As the live page has it made for a camera."""
        given = {
            "mode": WebRtcMode.SENDRECV,
            "rtc_configuration": HERE,
            "video_frame_callback": make_frame_callback(session),
            "async_processing": False,
            "video_receiver_size": 4,
            "audio_receiver_size": 4,
            "sendback_video": True,
            "sendback_audio": True,
            "loop": self.loop,
            "relay": self._relay,
        }
        return WebRtcWorker(**dict.fromkeys(inspect.signature(WebRtcWorker).parameters) | given)

    def close(self) -> None:
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(10)
        self.loop.run_until_complete(self.loop.shutdown_default_executor())
        self.loop.close()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr("aioice.ice.CONSENT_INTERVAL", 0.2)  # a lost browser is noticed soon, not after 30 seconds
    made = Server()
    yield made
    made.close()


@pytest.fixture
def speaker() -> Speaker:
    return Speaker()


@pytest.fixture
def session(fake_detector: Callable, speaker: Speaker) -> Iterator[LiveSession]:
    analyzer = Analyzer(fake_detector([WHERE]), speaker)  # type: ignore[arg-type]
    made = LiveSession(analyzer, LiveOptions(StreamSettings(classify_hz=1e6), mirror=False))
    yield made
    made.close()


@asynccontextmanager
async def visiting(server: Server, session: LiveSession, camera: Camera | None = None) -> AsyncIterator[Client]:
    """A client that is connected, and whose stream must live until it leaves."""
    client = Client(worker := server.worker(session), camera or Camera())
    await client.connect()
    await until(lambda: client.pictures and has_box(client.pictures[-1]), "a picture with a box")
    yield client
    assert not client.ended
    await client.leave()
    await asyncio.to_thread(worker.stop)


async def until(true: Callable[[], object], what: str, seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, f"waited in vain: {what}"
        await asyncio.sleep(0.02)


def has_box(picture: NDArray[np.uint8]) -> bool:
    """Whether a box was drawn: all else is grey."""
    return bool((np.ptp(picture.astype(int), axis=2) > 60).sum() > 50)


def quiet(seconds: float = 60.0, most: int = 0) -> int:
    """The number of threads, as soon as there are at most that many."""
    end = time.monotonic() + seconds
    while threading.active_count() > most and time.monotonic() < end:
        time.sleep(0.05)
    return threading.active_count()


def test_frames_go_out_with_boxes(server: Server, session: LiveSession) -> None:
    async def visit() -> None:
        async with visiting(server, session) as client:
            assert client.pictures[-1].shape == (*SIZE[::-1], 3)

    asyncio.run(visit())
    view = session.state()
    assert (len(view.faces), view.counters.errors) == (1, 0)


def test_many_break_off(server: Server, session: LiveSession) -> None:
    """Every other one says goodbye; of the others the server must notice by itself that they are gone."""
    process, marks = psutil.Process(), list[tuple[int, int]]()

    async def visit(number: int) -> None:
        client = Client(worker := server.worker(session), Camera())
        before = session.state().counters.num_frames
        await client.connect()
        await until(
            lambda: session.state().counters.num_frames > before and client.pictures, f"the picture of client {number}"
        )
        await (client.leave() if number % 2 else client.break_off())
        await until(lambda: worker.pc.connectionState == "closed", f"the end of client {number}")

    for number in range(TIMES + 2):
        asyncio.run(visit(number))
        if number == 1:  # by then everything that stays is there
            marks.append((quiet(3), process.memory_info().rss))
    (threads, memory) = marks[0]
    assert quiet(most=threads + 2) <= threads + 2
    assert process.memory_info().rss - memory < 50e6
    assert session.state().counters.errors == 0

    async def last() -> None:
        async with visiting(server, session) as client:
            assert client.pictures

    asyncio.run(last())


def test_one_in_ten_raises_and_the_stream_lives(server: Server, session: LiveSession, speaker: Speaker) -> None:
    calls = 0

    def sometimes() -> None:
        nonlocal calls
        calls += 1
        if calls % 10 == 0:
            raise RuntimeError("on purpose")

    speaker.first = sometimes

    async def visit() -> None:
        async with visiting(server, session) as client:
            await until(lambda: session.state().counters.errors >= 5, "five faults")
            count = session.state().counters.num_frames
            await until(lambda: session.state().counters.num_frames > count + 30, "thirty more frames")
            await until(lambda: has_box(client.pictures[-1]), "a picture with a box")

    asyncio.run(visit())
    view = session.state()
    assert view.counters.last_error == "RuntimeError: on purpose"
    assert view.counters.errors <= calls / 10


@pytest.mark.parametrize("blur", [False, True])
def test_a_stall_ends_no_stream(server: Server, session: LiveSession, speaker: Speaker, blur: bool) -> None:
    """The classifier hangs for much longer than a result is shown: the pictures go on without boxes, and with them
    again afterwards. Nothing in the connection waits for it, so longer is not different."""
    session.options = LiveOptions(StreamSettings(classify_hz=1e6), mirror=False, anonymize=blur)
    hung, go = threading.Event(), threading.Event()

    async def visit() -> None:
        async with visiting(server, session) as client:
            speaker.first = lambda: hung.set() or go.wait(60)
            await until(hung.is_set, "the stall")
            late, started = session.state().counters.late_frames, time.monotonic()
            await until(lambda: session.state().counters.late_frames >= late + 30, "frames without a result")
            assert time.monotonic() - started < 30 * _RESULT_TIMEOUT_SECONDS / 2, "none of them waited"
            await until(lambda: not has_box(client.pictures[-1]), "a picture without a box")
            go.set()
            await until(lambda: has_box(client.pictures[-1]), "a picture with a box again")

    asyncio.run(visit())
    assert session.state().counters.errors == 0


def test_the_size_changes_in_mid_stream(server: Server, session: LiveSession) -> None:
    """As when a phone is turned."""

    class Turning(Camera):
        async def recv(self) -> av.VideoFrame:
            frame = await super().recv()
            if self.sent % 20 < 10:
                return frame
            turned = av.VideoFrame.from_ndarray(frame.to_ndarray(format="rgb24").transpose(1, 0, 2).copy(), "rgb24")
            turned.pts, turned.time_base = frame.pts, frame.time_base
            return turned

    async def visit() -> None:
        async with visiting(server, session, Turning()) as client:
            for shape in ((*SIZE, 3), (*SIZE[::-1], 3)) * 2:
                await until(lambda s=shape: client.pictures[-1].shape == s, f"pictures of {shape}")

    asyncio.run(visit())
    assert session.state().counters.errors == 0


def test_whoever_is_slow_gets_the_newest_frame() -> None:
    """Half as fast as the camera: with the library's own relay it would soon be many frames behind."""

    class Fast(Camera):
        async def recv(self) -> av.VideoFrame:
            await asyncio.sleep(0.02)
            self.sent += 1
            frame = av.VideoFrame(16, 16, "yuv420p")
            frame.pts = self.sent
            return frame

    async def watch() -> list[int]:
        camera, behind = Fast(), list[int]()
        seen = disable_buffering(MediaRelay()).subscribe(camera)
        for _ in range(20):
            behind.append(camera.sent - int((await seen.recv()).pts or 0))
            await asyncio.sleep(0.04)
        return behind

    behind = asyncio.run(watch())
    assert max(behind) <= 4
    assert sum(behind) <= 20
