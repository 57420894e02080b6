"""The command line of measurements: bench, bench-stream and bench-films."""

from __future__ import annotations

import argparse
import json
from pathlib import Path


def _run_benchmark(options: argparse.Namespace) -> int:
    from emotion.benchmarks.steps import benchmark_steps

    if options.stream is not None:
        return _run_stream_benchmark(options)
    if options.film:
        return _run_video_benchmark(options)
    rows = benchmark_steps()
    if options.json:
        print(json.dumps(rows, indent=1))
        return 0
    for row in rows:
        memory = f", {row['memory_mb']:.0f} MB" if "memory_mb" in row else ""
        print(f"{row['detector']:<6} {row['num_faces']} faces  {row['step']:<9} {row['ms']:8.2f} ms{memory}")
    return 0


def _run_stream_benchmark(options: argparse.Namespace) -> int:
    from emotion.benchmarks.live import benchmark_stream, load_frames

    rows = benchmark_stream(frames=load_frames(Path(options.stream)) if options.stream else None)
    if options.json:
        print(json.dumps(rows, indent=1))
        return 0
    for row in rows:
        print(
            f"{row['detector']:<6} {row['num_faces']} faces  {row['fps']:4.1f} frames a second, "
            f"{row['age_p95_ms']:5.1f} ms old, {row['cores']:.2f} processors, {row['memory_mb']:+.1f} MB"
        )
    return 0


def _run_video_benchmark(options: argparse.Namespace) -> int:
    from emotion.benchmarks.video import benchmark_videos

    rows = benchmark_videos()
    if options.json:
        print(json.dumps(rows, indent=1))
        return 0
    for row in rows:
        memory = f", {row['memory_mb']:.0f} MB" if "memory_mb" in row else ""
        print(
            f"{row['detector']:<6} {row['size']:<9} {row['num_faces']} faces  {row['mode']:<7} "
            f"{row['realtime_factor']:6.2f} times as fast as it plays{memory}"
        )
    return 0
