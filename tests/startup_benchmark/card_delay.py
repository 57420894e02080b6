"""Delay of the cards of the Live page after the labels in the image, as a browser shows them."""

from __future__ import annotations

import itertools

from playwright.sync_api import Page

from emotion.expressions import get_style

SECONDS = 20
EDGE_SECONDS = 1.0  # at both ends of the samples, where a change may have its counterpart outside of them

# Every 25 ms for so many seconds: the time, whether the label's color is in the image, and whether there is a card.
_SAMPLE_SCRIPT = """async ([seconds, color]) => {
  const roots = node => [...node.querySelectorAll("*")].filter(one => one.shadowRoot).map(one => one.shadowRoot);
  const all = root => [root, ...roots(root).flatMap(all)];
  const cards = all(document).map(root => root.querySelector(".cards")).find(found => found);
  const video = document.querySelector("iframe[title*=webrtc]").contentDocument.querySelector("video");
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [320, 240];
  const context = canvas.getContext("2d", {willReadFrequently: true});
  const samples = [], end = performance.now() + 1000 * seconds;
  while (performance.now() < end) {
    context.drawImage(video, 0, 0, 320, 240);
    const pixels = context.getImageData(0, 0, 320, 240).data;
    let near = 0;
    for (let i = 0; i < pixels.length; i += 4) near += [0, 1, 2].every(k => Math.abs(pixels[i + k] - color[k]) < 45);
    samples.push([performance.now() / 1000, near > 120, cards.querySelectorAll(".card").length > 0]);
    await new Promise(resolve => setTimeout(resolve, 25));
  }
  return samples;
}"""

Sample = tuple[float, bool, bool]


def measure_card_delays(page: Page) -> list[float]:
    """Return the delay in seconds of each change, on a Live page whose camera shows `make_blinking_faces`."""
    color = [int(get_style("happy").color[i : i + 2], 16) for i in (1, 3, 5)]
    return list_card_delays(page.evaluate(_SAMPLE_SCRIPT, [SECONDS, color]))


def list_card_delays(samples: list[Sample]) -> list[float]:
    """Return how many seconds after the labels the cards come and go, and 0 where they come before.

    Args:
        samples: Time in seconds, whether the image has labels, whether the page has cards; in order of time.
    """
    label_changes, card_changes = (_list_changes(samples, part) for part in (1, 2))
    return [
        max(0.0, min((at - moment for at, has in card_changes if has == comes), key=abs))
        for moment, comes in label_changes
        if samples[0][0] + EDGE_SECONDS < moment < samples[-1][0] - EDGE_SECONDS
    ]


def _list_changes(samples: list[Sample], part: int) -> list[tuple[float, bool]]:
    """Return the time and the new value of each change of a column of `samples`."""
    column = [(sample[0], bool(sample[part])) for sample in samples]
    return [(now, has) for (_, had), (now, has) in itertools.pairwise(column) if had != has]
