// The timeline of a video: a ribbon of expressions for each face with its smiles below, highlights as thumbnails, and a playhead that follows
// the player of the page and moves it. It works without a player, also while the video is still being analyzed.
// Text is only ever set by textContent, so that none of it is run as markup. It comes translated, as `data.texts`.

const RIBBON_HEIGHT = 28; // pixels of height
const SMILE_HEIGHT = 8; // pixels of height of the smiles below a ribbon
const MIN_TICK_DISTANCE = 64; // pixels between two times on the axis
const STEPS = [0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800];

const make = (tag, className, text) => {
  const node = document.createElement(tag);
  node.className = className;
  if (text !== undefined) node.textContent = text;
  return node;
};

const findPlayer = () => document.querySelector("video[data-testid=stVideo]");

function clock(seconds, step = 0.1) {
  const tenths = Math.round(seconds * 10); // of a second: 59.96 is 1:00.0, not 0:60.0
  const [minutes, rest] = [Math.floor(tenths / 600), (tenths % 600) / 10];
  return `${minutes}:${(step < 1 ? rest.toFixed(1) : String(Math.floor(rest))).padStart(step < 1 ? 4 : 2, "0")}`;
}

// Find the index of the style of a lane at a time: that of the last segment that starts before it and has not ended.
function styleIndexAt(lane, seconds) {
  let [low, high] = [0, lane.segments.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (lane.segments[middle][0] <= seconds) low = middle + 1;
    else high = middle;
  }
  const segment = lane.segments[low - 1];
  return segment && seconds <= segment[1] ? segment[2] : null;
}

// ---------------------------------------------------------------- the playhead

function move(root, seconds) {
  root.timestamp = Math.max(0, Math.min(seconds, root.data.duration));
  const video = root.data.has_player ? findPlayer() : null;
  if (video && Math.abs(video.currentTime - root.timestamp) > 0.001) video.currentTime = root.timestamp;
  show(root);
}

function show(root) {
  const { data, timestamp, parts } = root;
  const position = data.duration > 0 ? Math.min(1, timestamp / data.duration) : 0;
  parts.inner.style.setProperty("--position", position);
  parts.time.textContent = clock(timestamp);
  data.lanes.forEach((lane, i) => {
    const style = data.styles[styleIndexAt(lane, timestamp)];
    const status = style ? `${style.symbol} ${style.name}` : data.texts.not_seen;
    if (parts.rows[i].status.textContent !== status) parts.rows[i].status.textContent = status;
  });
  let current = -1;
  data.highlights.forEach((highlight, i) => {
    if (highlight.timestamp <= timestamp + 0.05) current = i;
  });
  if (current !== root.current) {
    root.current = current;
    parts.highlights.forEach((button, i) => button.classList.toggle("current", i === current));
    const button = parts.highlights[current];
    // Scroll the list only: scrollIntoView would also scroll the page.
    if (button && !parts.highlightList.matches(":hover, :focus-within")) {
      parts.highlightList.scrollLeft = button.offsetLeft - (parts.highlightList.clientWidth - button.offsetWidth) / 2;
    }
  }
  const axis = parts.axis;
  if (data.is_live) return;
  axis.setAttribute("aria-valuenow", timestamp.toFixed(1));
  const words = data.lanes.map((lane, i) => `${lane.name} ${parts.rows[i].status.textContent}`);
  const spoken = data.texts.position.replace("{seconds}", timestamp.toFixed(1));
  axis.setAttribute("aria-valuetext", [spoken, ...words.slice(0, 4)].join(", "));
}

function follow(root) {
  const video = root.data.has_player ? findPlayer() : null;
  if (video && Math.abs(video.currentTime - root.timestamp) > 0.001) {
    root.timestamp = video.currentTime;
    show(root);
  }
  cancelAnimationFrame(root.frame);
  if (video && !video.paused && root.isConnected) root.frame = requestAnimationFrame(() => follow(root));
}

// ---------------------------------------------------------------- keys and pointer

function nextHighlight(root, direction) {
  const times = root.data.highlights.map((highlight) => highlight.timestamp).sort((a, b) => a - b);
  const found = direction > 0 ? times.find((t) => t > root.timestamp + 0.05) : times.findLast((t) => t < root.timestamp - 0.05);
  return found ?? (direction > 0 ? root.data.duration : 0);
}

function press(root, event) {
  const keys = {
    ArrowRight: () => (event.shiftKey ? nextHighlight(root, 1) : root.timestamp + 1),
    ArrowLeft: () => (event.shiftKey ? nextHighlight(root, -1) : root.timestamp - 1),
    ArrowUp: () => nextHighlight(root, -1),
    ArrowDown: () => nextHighlight(root, 1),
    PageDown: () => root.timestamp + 10,
    PageUp: () => root.timestamp - 10,
    Home: () => 0,
    End: () => root.data.duration,
  };
  const video = root.data.has_player ? findPlayer() : null;
  if (event.altKey || event.ctrlKey || event.metaKey) return;
  if (keys[event.key]) move(root, keys[event.key]());
  else if (video && (event.key === "Enter" || event.key === " ")) video.paused ? video.play().catch(() => {}) : video.pause();
  else return;
  event.preventDefault();
}

function secondsAt(root, event) {
  const area = root.parts.axis.getBoundingClientRect();
  return (Math.max(0, Math.min(event.clientX - area.left, area.width)) / Math.max(1, area.width)) * root.data.duration;
}

function scrub(root, node) {
  node.onpointerdown = (event) => {
    if (event.button !== 0 || root.data.is_live) return;
    node.setPointerCapture(event.pointerId);
    move(root, secondsAt(root, event));
  };
  node.onpointermove = (event) => {
    if (node.hasPointerCapture(event.pointerId)) move(root, secondsAt(root, event));
    showTooltip(root, node, event);
  };
  node.onpointerleave = () => (root.parts.tip.hidden = true);
}

// Show the time and expression under the pointer.
function showTooltip(root, node, event) {
  const { tip, inner } = root.parts;
  const [seconds, lane] = [secondsAt(root, event), root.data.lanes[node.lane]];
  const style = lane ? root.data.styles[styleIndexAt(lane, seconds)] : null;
  const smiles = root.data.smile_color && lane?.smiles.some(([start, end]) => start <= seconds && seconds <= end);
  tip.hidden = event.pointerType === "touch";
  tip.textContent = [clock(seconds), ...(style ? [style.symbol, style.name] : []), ...(smiles ? [`· ${root.data.texts.smiles}`] : [])].join(" ");
  const area = inner.getBoundingClientRect();
  const left = Math.min(event.clientX - area.left + 10, area.width - tip.offsetWidth);
  tip.style.left = `${Math.max(0, left)}px`;
  tip.style.top = `${Math.max(0, event.clientY - area.top - 34)}px`;
}

// ---------------------------------------------------------------- drawing

function makeHatching(context, color) {
  const tile = document.createElement("canvas");
  tile.width = tile.height = 8;
  const pen = tile.getContext("2d");
  pen.strokeStyle = color;
  pen.lineWidth = 2;
  for (const shift of [-8, 0, 8]) {
    pen.beginPath();
    pen.moveTo(shift, 8);
    pen.lineTo(shift + 8, 0);
    pen.stroke();
  }
  return context.createPattern(tile, "repeat");
}

function ribbonHeight(data) {
  return RIBBON_HEIGHT + (data.smile_color ? SMILE_HEIGHT : 0);
}

function paint(root, lane, canvas) {
  const { duration, styles, highlights, smile_color } = root.data;
  const [width, ratio] = [canvas.parentElement.clientWidth, window.devicePixelRatio || 1];
  if (!width) return;
  canvas.width = Math.round(width * ratio);
  canvas.height = ribbonHeight(root.data) * ratio;
  const pen = canvas.getContext("2d");
  pen.scale(ratio, ratio);
  pen.textAlign = "center";
  pen.textBaseline = "middle";
  pen.font = `600 13px ${getComputedStyle(root).fontFamily}`;
  const toX = (seconds) => (duration > 0 ? (seconds / duration) * width : 0);
  for (const [start, end, styleIndex] of lane.segments) {
    const style = styles[styleIndex];
    const [x, w] = [toX(start), Math.max(1.5, toX(end) - toX(start) - 0.5)];
    pen.fillStyle = style.is_uncertain ? makeHatching(pen, style.color) : style.color;
    pen.fillRect(x, 3, w, RIBBON_HEIGHT - 6);
    pen.strokeStyle = style.is_uncertain ? style.color : "#80808080";
    pen.lineWidth = 1;
    if (w > 3) pen.strokeRect(x + 0.5, 3.5, w - 1, RIBBON_HEIGHT - 7);
    const word = `${style.symbol} ${style.name}`;
    const text = [word, style.symbol].find((t) => pen.measureText(t).width + 8 <= w);
    if (!text) continue;
    if (style.is_uncertain) {
      const half = pen.measureText(text).width / 2 + 3; // the stripes would run through the letters
      pen.fillStyle = style.color;
      pen.fillRect(x + w / 2 - half, 6, 2 * half, RIBBON_HEIGHT - 12);
    }
    pen.fillStyle = style.text_color;
    pen.fillText(text, x + w / 2, RIBBON_HEIGHT / 2 + 1);
  }
  pen.fillStyle = smile_color;
  for (const [start, end] of smile_color ? lane.smiles : []) {
    pen.fillRect(toX(start), RIBBON_HEIGHT, Math.max(1.5, toX(end) - toX(start)), SMILE_HEIGHT - 3);
  }
  pen.fillStyle = getComputedStyle(root).color;
  for (const highlight of highlights.filter((item) => item.track_id === lane.track_id)) {
    const x = toX(highlight.timestamp);
    pen.beginPath();
    pen.moveTo(x - 4, 0);
    pen.lineTo(x + 4, 0);
    pen.lineTo(x, 5);
    pen.fill();
  }
}

function ticks(root) {
  const { axis } = root.parts;
  const [width, duration] = [axis.clientWidth, root.data.duration];
  if (!width || !(duration > 0)) return axis.replaceChildren();
  const step = STEPS.find((s) => (s / duration) * width >= MIN_TICK_DISTANCE) ?? Math.ceil((duration * MIN_TICK_DISTANCE) / width / 3600) * 3600;
  const marks = [];
  for (let i = 0; i * step <= duration; i++) {
    const mark = make("span", "tick", clock(i * step, step));
    const at = (i * step) / duration;
    mark.style.left = `${at * 100}%`;
    mark.classList.toggle("last", width * (1 - at) < MIN_TICK_DISTANCE / 2);
    mark.classList.toggle("first", i === 0);
    marks.push(mark);
  }
  axis.replaceChildren(...marks);
}

function draw(root) {
  if (!root.data) return;
  root.parts.rows.forEach(({ label, canvas }, i) => {
    const lane = root.data.lanes[i];
    canvas.setAttribute("aria-label", lane.description);
    label.title = root.data.is_live ? lane.description : `${lane.description} ${root.data.texts.jump}`;
    paint(root, lane, canvas);
  });
  ticks(root);
}

// ---------------------------------------------------------------- the parts

function makeLane(root, lane, i) {
  const row = make("div", "lane");
  const label = make("button", "label");
  label.type = "button";
  label.disabled = root.data.is_live;
  label.onclick = () => move(root, root.data.lanes[i].segments[0]?.[0] ?? 0);
  if (lane.image) {
    const image = make("img", "");
    image.src = lane.image;
    image.alt = "";
    label.append(image);
  }
  const words = make("span", "words");
  const status = make("span", "status", "");
  words.append(make("span", "name", lane.name), status);
  label.append(words);
  const ribbon = make("div", "ribbon");
  ribbon.lane = i;
  ribbon.style.height = `${ribbonHeight(root.data)}px`;
  const canvas = make("canvas", "");
  canvas.setAttribute("role", "img");
  ribbon.append(canvas);
  scrub(root, ribbon);
  row.append(label, ribbon);
  return { row, label, canvas, status };
}

function makeHighlightButton(root, highlight) {
  const style = root.data.styles[highlight.style];
  const button = make("button", "highlight");
  button.type = "button";
  button.title = highlight.title;
  button.setAttribute("aria-label", `${clock(highlight.timestamp)}: ${highlight.title}`);
  if (highlight.image) {
    const image = make("img", "");
    image.src = highlight.image;
    image.alt = "";
    image.style.borderBottomColor = style.color;
    button.append(image);
  }
  button.append(make("span", "when", clock(highlight.timestamp)), make("span", "what", `${style.symbol} ${style.name}`));
  if (root.data.lanes.length > 1) button.append(make("span", "who", highlight.name));
  button.onclick = () => move(root, highlight.timestamp);
  return button;
}

// A lane of flags, each at the moment of a marker.
function makeMarkerLane(root) {
  const { markers, texts, duration } = root.data;
  const row = make("div", "lane markers");
  const area = make("div", "flags");
  for (const marker of markers) {
    const flag = make("button", "flag", "⚑");
    flag.type = "button";
    flag.title = marker.title;
    flag.setAttribute("aria-label", marker.title);
    flag.style.left = `${duration > 0 ? Math.min(100, (marker.timestamp / duration) * 100) : 0}%`;
    flag.onclick = () => move(root, marker.timestamp);
    area.append(flag);
  }
  row.append(make("span", "words", texts.markers), area);
  return row;
}

function build(root) {
  const { data } = root;
  const rows = data.lanes.map((lane, i) => makeLane(root, lane, i));
  const axis = make("div", "axis");
  if (!data.is_live) {
    axis.tabIndex = 0;
    axis.setAttribute("role", "slider");
    axis.setAttribute("aria-label", data.texts.label);
    axis.setAttribute("aria-valuemin", 0);
    axis.setAttribute("aria-valuemax", data.duration.toFixed(1));
    axis.title = data.texts.help;
  }
  axis.onkeydown = (event) => !data.is_live && press(root, event);
  scrub(root, axis);
  const time = make("span", "time", "");
  const foot = make("div", "lane foot");
  foot.append(time, axis);
  const head = make("div", "head");
  const tip = make("div", "tip");
  tip.hidden = true;
  const inner = make("div", "inner");
  inner.append(...rows.map((one) => one.row), ...(data.markers.length ? [makeMarkerLane(root)] : []), foot, head, tip);
  const board = make("div", "board");
  board.append(inner);
  const highlights = data.highlights.map((highlight) => makeHighlightButton(root, highlight));
  const highlightList = make("div", "highlights");
  highlightList.setAttribute("role", "group");
  highlightList.setAttribute("aria-label", data.texts.highlights);
  highlightList.append(...highlights);
  const legend = make("div", "legend");
  legend.append(
    ...data.styles.map((style) => {
      const entry = make("span", style.is_uncertain ? "style uncertain" : "style");
      entry.style.setProperty("--color", style.color);
      entry.append(make("i", ""), `${style.symbol} ${style.name}`);
      return entry;
    }),
  );
  if (data.smile_color) {
    const entry = make("span", "style smile");
    entry.style.setProperty("--color", data.smile_color);
    entry.append(make("i", ""), data.texts.smiles);
    legend.append(entry);
  }
  const scrolled = [root.parts?.board.scrollTop ?? 0, root.parts?.highlightList.scrollLeft ?? 0];
  root.parts = { axis, time, inner, board, highlightList, tip, highlights, rows };
  root.replaceChildren(board, ...(highlights.length ? [highlightList] : []), legend);
  root.classList.toggle("live", data.is_live);
  [board.scrollTop, highlightList.scrollLeft] = scrolled;
  root.current = undefined;
}

function listen(root) {
  const stop = new AbortController();
  // Events of a player do not bubble, but they can be caught on the way down: also those of a player that comes later.
  for (const name of ["timeupdate", "seeking", "play", "pause", "loadedmetadata"]) {
    document.addEventListener(name, (event) => event.target === findPlayer() && follow(root), {
      capture: true, signal: stop.signal,
    });
  }
  const watcher = new ResizeObserver(() => draw(root));
  watcher.observe(root);
  return () => {
    stop.abort();
    watcher.disconnect();
    cancelAnimationFrame(root.frame);
    root.stop = null;
  };
}

export default function ({ data, parentElement }) {
  const root = parentElement.querySelector(".timeline");
  const { seek, timestamp, lanes, ...rest } = data;
  // While a video is being analyzed, its ribbons grow every second: they are only redrawn.
  const fingerprint = JSON.stringify([rest, lanes.map(({ track_id, name, image }) => [track_id, name, image])]);
  root.data = data;
  if (root.fingerprint !== fingerprint) {
    const focused = root.fingerprint && root.getRootNode().activeElement?.classList.contains("axis");
    root.fingerprint = fingerprint;
    build(root);
    if (focused) root.parts.axis.focus();
  }
  root.timestamp ??= 0;
  if (data.is_live) root.timestamp = timestamp;
  root.stop ??= listen(root);
  draw(root); // also where only the theme is another
  show(root);
  follow(root);
  // Seek once per request, and not when the page is opened again.
  if (seek && root.seekId !== undefined && root.seekId !== seek.id) move(root, seek.timestamp);
  root.seekId = seek ? seek.id : 0;
  return () => root.stop?.();
}
