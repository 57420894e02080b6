// Buttons below the player of a video: play, a frame back or on, the speed, and a marker at the moment that is shown. Keys work on the
// whole page as in other players, unless the focus is in a field. Text comes translated, as `data.texts`, and is only set by textContent.

const SPEEDS = [0.25, 0.5, 1, 1.5, 2];
const INSIDE_FRAME = 0.25; // of a frame: a seek to its very start may show the one before it
const ICONS = {
  play: "M8 5v14l11-7z",
  pause: "M6 5h4v14H6zM14 5h4v14h-4z",
  previous: "M6 6h2v12H6zM18 6v12l-8.5-6z",
  next: "M16 6h2v12h-2zM6 6v12l8.5-6z",
  marker: "M5 21V4h9l.4 2H20v10h-7l-.4-2H7v7z",
};

const findPlayer = () => document.querySelector("video[data-testid=stVideo]");

function makeIcon(name) {
  const icon = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  icon.setAttribute("viewBox", "0 0 24 24");
  icon.setAttribute("aria-hidden", "true");
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  path.setAttribute("d", ICONS[name]);
  icon.append(path);
  return icon;
}

function makeButton(name, label, key, onclick) {
  const button = document.createElement("button");
  button.type = "button";
  button.append(makeIcon(name));
  button.title = `${label} (${key})`;
  button.setAttribute("aria-label", label);
  button.onclick = onclick;
  return button;
}

function step(root, direction) {
  const video = findPlayer();
  if (!video) return;
  video.pause();
  const frame = root.data.frame_seconds;
  const index = Math.floor(video.currentTime / frame + 0.01) + direction;
  video.currentTime = Math.max(0, Math.min((index + INSIDE_FRAME) * frame, video.duration || 0));
}

function toggle() {
  const video = findPlayer();
  if (video) video.paused ? video.play().catch(() => {}) : video.pause();
}

function setMarker(root) {
  const video = findPlayer();
  if (video) root.mark(video.currentTime);
}

// Show what the player does, also where it was told by its own menu.
function showState(root) {
  const video = findPlayer();
  if (!video || !root.parts) return;
  const { play, speed } = root.parts;
  play.replaceChildren(makeIcon(video.paused ? "play" : "pause"));
  const label = video.paused ? root.data.texts.play : root.data.texts.pause;
  play.title = `${label} (K)`;
  play.setAttribute("aria-label", label);
  speed.value = SPEEDS.includes(video.playbackRate) ? String(video.playbackRate) : "";
}

function press(root, event) {
  // The field may be inside of another component: the path goes through its shadow.
  const isField = event.composedPath().some((node) => node.matches?.("input, textarea, select, [contenteditable=true]"));
  if (isField || event.altKey || event.ctrlKey || event.metaKey) return;
  const keys = { ",": () => step(root, -1), ".": () => step(root, 1), k: toggle, m: () => setMarker(root) };
  const run = keys[event.key.toLowerCase()];
  if (!run) return;
  event.preventDefault();
  run();
}

function build(root) {
  const { texts } = root.data;
  const speed = document.createElement("select");
  speed.setAttribute("aria-label", texts.speed);
  speed.title = texts.speed;
  speed.append(...SPEEDS.map((rate) => new Option(`${rate}×`, String(rate))));
  speed.value = "1";
  speed.onchange = () => {
    const video = findPlayer();
    if (video) video.playbackRate = Number(speed.value);
  };
  const play = makeButton("play", texts.play, "K", toggle);
  const marker = makeButton("marker", texts.add_marker, "M", () => setMarker(root));
  marker.className = "marker";
  const word = document.createElement("span");
  word.textContent = texts.add_marker;
  marker.append(word);
  root.parts = { play, speed };
  root.replaceChildren(
    makeButton("previous", texts.previous_frame, ",", () => step(root, -1)),
    play,
    makeButton("next", texts.next_frame, ".", () => step(root, 1)),
    speed,
    marker,
  );
}

function listen(root) {
  const stop = new AbortController();
  const options = { capture: true, signal: stop.signal };
  for (const name of ["play", "pause", "ratechange", "loadedmetadata"]) {
    document.addEventListener(name, (event) => event.target === findPlayer() && showState(root), options);
  }
  document.addEventListener("keydown", (event) => press(root, event), { signal: stop.signal });
  return () => {
    stop.abort();
    root.stop = null;
  };
}

export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".player_controls");
  root.mark = (seconds) => setTriggerValue("marked", seconds); // of this run: the callback of an earlier run no longer works
  root.data = data;
  const fingerprint = JSON.stringify(data.texts);
  if (root.fingerprint !== fingerprint) {
    root.fingerprint = fingerprint;
    root.setAttribute("aria-label", data.texts.label);
    build(root);
  }
  root.stop ??= listen(root);
  showState(root);
  return () => root.stop?.();
}
