// Lies over the video of the stream, which is in a frame of its own, and gives the buttons of that frame the look of
// the page. Updates change the nodes in place, so that nothing flickers. Text is only ever set by textContent.

const FRAME = "iframe[title*=webrtc]";
const FRAME_STYLE = `
  body { margin: 0 !important; }
  .MuiBox-root:has(> video) { padding-top: 0 !important; }
  .MuiBox-root:has(> * > [data-testid=VideoLabelIcon]) { display: none !important; }
  button { text-transform: none !important; font: 400 16px system-ui, sans-serif !important; letter-spacing: 0 !important;
    border-radius: 9px !important; box-shadow: none !important; padding: 7px 12px !important; }
  button:focus-visible { outline: 2px solid currentColor; outline-offset: -3px; }`;
const ENTER = "M3 8V3h5M14 3h5v5M19 14v5h-5M8 19H3v-5", LEAVE = "M8 3v5H3M19 8h-5V3M14 19v-5h5M3 14h5v5";
const TYPED = "input:not([type=checkbox]):not([type=radio]), textarea, select, button, a, summary, [contenteditable=true], [role=slider]";
const INTERVAL_MS = 500; // the video begins, ends and grows without a message
const CENTER = [0.4, 0.6]; // a face that is between them leaves its bars where they are
const SVG = "http://www.w3.org/2000/svg";

const make = (tag, className) => {
  const node = document.createElement(tag);
  node.className = className;
  return node;
};

const set = (node, key, value) => {
  if (node[key] !== value) node[key] = value;
};

const resize = (parent, count, makeChild) => {
  while (parent.children.length > count) parent.lastChild.remove();
  while (parent.children.length < count) parent.append(makeChild());
};

const makeRow = () => {
  const row = make("div", "row");
  const track = make("span", "track");
  track.append(make("span", "bar"));
  row.append(make("span", "word"), track, make("span", "score"));
  return row;
};

const fillFace = (node, face) => {
  set(node.firstChild, "textContent", face.title);
  resize(node, face.scores.length + 1, makeRow);
  face.scores.forEach((score, i) => {
    const [word, track, text] = node.children[i + 1].children;
    set(word, "textContent", score.name);
    set(text, "textContent", score.text);
    track.firstChild.style.width = `${100 * score.score}%`;
    track.firstChild.style.background = score.color;
  });
};

// Puts the bars of two faces on their sides, those of one face on the other side of the image.
const chooseSides = (nodes, faces) => {
  const [first, second] = faces.map((face) => face.x);
  if (second !== undefined) {
    nodes[0].classList.toggle("right", first > second);
    nodes[1].classList.toggle("right", first <= second);
  } else if (first < CENTER[0] || first > CENTER[1]) nodes[0].classList.toggle("right", first < CENTER[0]);
};

const fillLane = (node, lane) => {
  const [name, segments] = node.children;
  set(name, "textContent", lane.name);
  resize(segments, lane.segments.length, () => make("span", "segment"));
  lane.segments.forEach((segment, i) => {
    const part = segments.children[i];
    part.classList.toggle("uncertain", segment.uncertain);
    set(part, "textContent", segment.word);
    set(part, "title", segment.title);
    Object.assign(part.style, {
      left: `${segment.left}%`, width: `${segment.width}%`, background: segment.color, color: segment.text_color,
      opacity: segment.opacity,
    });
  });
};

const makeTree = (root) => {
  const screen = make("button", "screen");
  screen.type = "button";
  const icon = document.createElementNS(SVG, "svg");
  icon.setAttribute("viewBox", "0 0 22 22");
  icon.setAttribute("aria-hidden", "true");
  icon.append(document.createElementNS(SVG, "path"));
  screen.append(icon);
  screen.hidden = !document.fullscreenEnabled;
  const bars = make("div", "bars"), lanes = make("div", "lanes");
  bars.setAttribute("aria-hidden", "true"); // the cards have the same words
  lanes.setAttribute("role", "img");
  const countdown = make("div", "countdown");
  countdown.setAttribute("role", "status");
  root.screen = screen;
  root.append(bars, lanes, countdown, make("div", "recording"), screen);
};

// Puts the overlay over the video; hides it while there is none.
const place = (root, layout) => {
  const frame = layout?.querySelector(FRAME), inner = frame?.contentDocument;
  if (inner?.head && !inner.getElementById("studio")) {
    const style = inner.createElement("style");
    style.id = "studio";
    style.textContent = FRAME_STYLE;
    inner.head.append(style);
  }
  const video = inner?.querySelector("video");
  root.hidden = !video?.videoWidth;
  if (root.hidden) return;
  layout.style.setProperty("--live-ratio", video.videoWidth / video.videoHeight);
  const outer = frame.getBoundingClientRect(), box = video.getBoundingClientRect(), own = root.getBoundingClientRect();
  const [left, top] = [parseFloat(root.style.left) || 0, parseFloat(root.style.top) || 0];
  const next = {
    left: `${left + outer.left + box.left - own.left}px`, top: `${top + outer.top + box.top - own.top}px`,
    width: `${box.width}px`, height: `${box.height}px`,
  };
  for (const [side, value] of Object.entries(next)) set(root.style, side, value);
};

// Follows the video, the keys and the screen; once, since a component is called for each update.
const follow = (root, layout) => {
  const update = () => {
    if (!root.isConnected) return root.end?.(); // removed before it was told so
    const isFull = document.fullscreenElement === layout;
    set(root.screen, "title", isFull ? root.data.leave : root.data.enter);
    root.screen.setAttribute("aria-label", root.screen.title);
    root.screen.querySelector("path").setAttribute("d", isFull ? LEAVE : ENTER);
    place(root, layout);
    const inner = layout.querySelector(FRAME)?.contentDocument;
    if (inner !== root.inner) inner?.addEventListener("keydown", onKey);
    root.inner = inner;
  };
  const onKey = (event) => {
    const target = event.composedPath()[0];
    if (event.key !== " " || !root.isBusy || target.closest?.(TYPED)) return;
    event.preventDefault(); // does not scroll during the countdown either
    if (root.data.recording && !event.repeat) root.mark(event.timeStamp);
  };
  root.screen.onclick = () => (document.fullscreenElement ? document.exitFullscreen() : layout.requestFullscreen());
  document.addEventListener("keydown", onKey);
  document.addEventListener("fullscreenchange", update);
  window.addEventListener("resize", update);
  const timer = setInterval(update, INTERVAL_MS);
  root.end = () => {
    root.end = null;
    clearInterval(timer);
    for (const one of [document, root.inner]) one?.removeEventListener("keydown", onKey);
    document.removeEventListener("fullscreenchange", update);
    window.removeEventListener("resize", update);
  };
  root.update = update;
};

// A button that keeps the focus after its click would take the space key, which sets a marker.
const releaseFocus = () => {
  const focused = document.activeElement;
  if (focused?.closest(".st-key-live_record")) focused.blur();
};

export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".overlay");
  root.data = data;
  root.mark = (time) => setTriggerValue("marker", time); // of this call; that of an earlier one has no effect
  if (!root.firstChild) makeTree(root);
  const layout = root.getRootNode().host?.closest(".st-key-live_layout"); // none while the page removes it
  if (!root.end && layout) follow(root, layout);
  const [bars, lanes, countdown, recording] = root.children;
  resize(bars, data.faces.length, () => {
    const face = make("div", "face");
    face.append(make("div", "title"));
    return face;
  });
  data.faces.forEach((face, i) => fillFace(bars.children[i], face));
  chooseSides(bars.children, data.faces);
  lanes.setAttribute("aria-label", data.label);
  resize(lanes, data.lanes.length, () => {
    const lane = make("div", "lane");
    lane.append(make("span", "name"), make("span", "segments"));
    return lane;
  });
  data.lanes.forEach((lane, i) => fillLane(lanes.children[i], lane));
  set(countdown, "textContent", data.countdown);
  set(recording, "textContent", data.recording);
  const wasBusy = root.isBusy;
  root.isBusy = !!(data.countdown || data.recording);
  if (root.isBusy && !wasBusy) releaseFocus();
  root.update?.();
  return root.end;
}
