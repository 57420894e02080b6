// The timeline of a film: a ribbon of expressions for each face, moments as small pictures, and a playhead that
// follows the page's player and moves it. Without a player, or while the film is still read, it stands alone.
// Every text comes in as data and goes out by textContent, so that nothing in it is ever run.

const RIBBON = 28; // pixels of height
const ROOM = 64; // pixels from which two times on the axis do not touch
const STEPS = [0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800];

const make = (tag, className, text) => {
  const node = document.createElement(tag);
  node.className = className;
  if (text !== undefined) node.textContent = text;
  return node;
};

const player = () => document.querySelector("video[data-testid=stVideo]");

function clock(seconds, step = 0.1) {
  const tenths = Math.round(seconds * 10); // of a second: 59.96 is 1:00.0, not 0:60.0
  const [minutes, rest] = [Math.floor(tenths / 600), (tenths % 600) / 10];
  return `${minutes}:${(step < 1 ? rest.toFixed(1) : String(Math.floor(rest))).padStart(step < 1 ? 4 : 2, "0")}`;
}

// What a lane shows at a time: the last run that began before it, if it has not ended.
function lookAt(lane, seconds) {
  let [low, high] = [0, lane.runs.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (lane.runs[middle][0] <= seconds) low = middle + 1;
    else high = middle;
  }
  const run = lane.runs[low - 1];
  return run && seconds <= run[1] ? run[2] : null;
}

// ---------------------------------------------------------------- the playhead

function move(root, seconds) {
  root.at = Math.max(0, Math.min(seconds, root.data.duration));
  const film = root.data.player ? player() : null;
  if (film && Math.abs(film.currentTime - root.at) > 0.001) film.currentTime = root.at;
  show(root);
}

function show(root) {
  const { data, at, parts } = root;
  const share = data.duration > 0 ? Math.min(1, at / data.duration) : 0;
  parts.inner.style.setProperty("--at", share);
  parts.time.textContent = clock(at);
  data.lanes.forEach((lane, i) => {
    const look = data.looks[lookAt(lane, at)];
    const said = look ? `${look.sign} ${look.name}` : "not seen";
    if (parts.rows[i].said.textContent !== said) parts.rows[i].said.textContent = said;
  });
  let current = -1;
  data.moments.forEach((moment, i) => {
    if (moment.seconds <= at + 0.05) current = i;
  });
  if (current !== root.current) {
    root.current = current;
    parts.moments.forEach((button, i) => button.classList.toggle("current", i === current));
    const button = parts.moments[current];
    // The strip alone is moved: scrollIntoView would move the page, too.
    if (button && !parts.strip.matches(":hover, :focus-within")) {
      parts.strip.scrollLeft = button.offsetLeft - (parts.strip.clientWidth - button.offsetWidth) / 2;
    }
  }
  const axis = parts.axis;
  if (data.live) return;
  axis.setAttribute("aria-valuenow", at.toFixed(1));
  const words = data.lanes.map((lane, i) => `${lane.name} ${parts.rows[i].said.textContent}`);
  axis.setAttribute("aria-valuetext", [`${at.toFixed(1)} seconds`, ...words.slice(0, 4)].join(", "));
}

function follow(root) {
  const film = root.data.player ? player() : null;
  if (film && Math.abs(film.currentTime - root.at) > 0.001) {
    root.at = film.currentTime;
    show(root);
  }
  cancelAnimationFrame(root.frame);
  if (film && !film.paused && root.isConnected) root.frame = requestAnimationFrame(() => follow(root));
}

// ---------------------------------------------------------------- keys and pointer

function nextMoment(root, way) {
  const times = root.data.moments.map((moment) => moment.seconds).sort((a, b) => a - b);
  const found = way > 0 ? times.find((t) => t > root.at + 0.05) : times.findLast((t) => t < root.at - 0.05);
  return found ?? (way > 0 ? root.data.duration : 0);
}

function press(root, event) {
  const keys = {
    ArrowRight: () => (event.shiftKey ? nextMoment(root, 1) : root.at + 1),
    ArrowLeft: () => (event.shiftKey ? nextMoment(root, -1) : root.at - 1),
    ArrowUp: () => nextMoment(root, -1),
    ArrowDown: () => nextMoment(root, 1),
    PageDown: () => root.at + 10,
    PageUp: () => root.at - 10,
    Home: () => 0,
    End: () => root.data.duration,
  };
  const film = root.data.player ? player() : null;
  if (event.altKey || event.ctrlKey || event.metaKey) return;
  if (keys[event.key]) move(root, keys[event.key]());
  else if (film && (event.key === "Enter" || event.key === " ")) film.paused ? film.play().catch(() => {}) : film.pause();
  else return;
  event.preventDefault();
}

function secondsAt(root, event) {
  const area = root.parts.axis.getBoundingClientRect();
  return (Math.max(0, Math.min(event.clientX - area.left, area.width)) / Math.max(1, area.width)) * root.data.duration;
}

function scrub(root, node) {
  node.onpointerdown = (event) => {
    if (event.button !== 0 || root.data.live) return;
    node.setPointerCapture(event.pointerId);
    move(root, secondsAt(root, event));
  };
  node.onpointermove = (event) => {
    if (node.hasPointerCapture(event.pointerId)) move(root, secondsAt(root, event));
    point(root, node, event);
  };
  node.onpointerleave = () => (root.parts.tip.hidden = true);
}

// What lies under the mouse, in words.
function point(root, node, event) {
  const { tip, inner } = root.parts;
  const [seconds, lane] = [secondsAt(root, event), root.data.lanes[node.lane]];
  const look = lane ? root.data.looks[lookAt(lane, seconds)] : null;
  tip.hidden = event.pointerType === "touch";
  tip.textContent = look ? `${clock(seconds)} ${look.sign} ${look.name}` : clock(seconds);
  const area = inner.getBoundingClientRect();
  const left = Math.min(event.clientX - area.left + 10, area.width - tip.offsetWidth);
  tip.style.left = `${Math.max(0, left)}px`;
  tip.style.top = `${Math.max(0, event.clientY - area.top - 34)}px`;
}

// ---------------------------------------------------------------- drawing

function hatched(context, colour) {
  const tile = document.createElement("canvas");
  tile.width = tile.height = 8;
  const pen = tile.getContext("2d");
  pen.strokeStyle = colour;
  pen.lineWidth = 2;
  for (const shift of [-8, 0, 8]) {
    pen.beginPath();
    pen.moveTo(shift, 8);
    pen.lineTo(shift + 8, 0);
    pen.stroke();
  }
  return context.createPattern(tile, "repeat");
}

function paint(root, lane, canvas) {
  const { duration, looks, moments } = root.data;
  const [width, ratio] = [canvas.parentElement.clientWidth, window.devicePixelRatio || 1];
  if (!width) return;
  canvas.width = Math.round(width * ratio);
  canvas.height = RIBBON * ratio;
  const pen = canvas.getContext("2d");
  pen.scale(ratio, ratio);
  pen.textAlign = "center";
  pen.textBaseline = "middle";
  pen.font = `600 13px ${getComputedStyle(root).fontFamily}`;
  const place = (seconds) => (duration > 0 ? (seconds / duration) * width : 0);
  for (const [start, end, which] of lane.runs) {
    const look = looks[which];
    const [x, w] = [place(start), Math.max(1.5, place(end) - place(start) - 0.5)];
    pen.fillStyle = look.unsure ? hatched(pen, look.colour) : look.colour;
    pen.fillRect(x, 3, w, RIBBON - 6);
    pen.strokeStyle = look.unsure ? look.colour : "#80808080";
    pen.lineWidth = 1;
    if (w > 3) pen.strokeRect(x + 0.5, 3.5, w - 1, RIBBON - 7);
    const word = `${look.sign} ${look.name}`;
    const text = [word, look.sign].find((t) => pen.measureText(t).width + 8 <= w);
    if (!text) continue;
    if (look.unsure) {
      const half = pen.measureText(text).width / 2 + 3; // the stripes would run through the letters
      pen.fillStyle = look.colour;
      pen.fillRect(x + w / 2 - half, 6, 2 * half, RIBBON - 12);
    }
    pen.fillStyle = look.ink;
    pen.fillText(text, x + w / 2, RIBBON / 2 + 1);
  }
  pen.fillStyle = getComputedStyle(root).color;
  for (const moment of moments.filter((one) => one.track === lane.track)) {
    const x = place(moment.seconds);
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
  const step = STEPS.find((s) => (s / duration) * width >= ROOM) ?? Math.ceil((duration * ROOM) / width / 3600) * 3600;
  const marks = [];
  for (let i = 0; i * step <= duration; i++) {
    const mark = make("span", "tick", clock(i * step, step));
    const at = (i * step) / duration;
    mark.style.left = `${at * 100}%`;
    mark.classList.toggle("last", width * (1 - at) < ROOM / 2);
    mark.classList.toggle("first", i === 0);
    marks.push(mark);
  }
  axis.replaceChildren(...marks);
}

function draw(root) {
  if (!root.data) return;
  root.parts.rows.forEach(({ label, canvas }, i) => {
    const lane = root.data.lanes[i];
    canvas.setAttribute("aria-label", lane.said);
    label.title = root.data.live ? lane.said : `${lane.said} Jumps to where this face is seen first.`;
    paint(root, lane, canvas);
  });
  ticks(root);
}

// ---------------------------------------------------------------- the parts

function laneRow(root, lane, i) {
  const row = make("div", "lane");
  const label = make("button", "label");
  label.type = "button";
  label.disabled = root.data.live;
  label.onclick = () => move(root, root.data.lanes[i].runs[0]?.[0] ?? 0);
  if (lane.image) {
    const image = make("img", "");
    image.src = lane.image;
    image.alt = "";
    label.append(image);
  }
  const words = make("span", "words");
  const said = make("span", "said", "");
  words.append(make("span", "name", lane.name), said);
  label.append(words);
  const ribbon = make("div", "ribbon");
  ribbon.lane = i;
  const canvas = make("canvas", "");
  canvas.setAttribute("role", "img");
  ribbon.append(canvas);
  scrub(root, ribbon);
  row.append(label, ribbon);
  return { row, label, canvas, said };
}

function momentButton(root, moment) {
  const look = root.data.looks[moment.look];
  const button = make("button", "moment");
  button.type = "button";
  button.title = moment.title;
  button.setAttribute("aria-label", `${clock(moment.seconds)}: ${moment.title}`);
  if (moment.image) {
    const image = make("img", "");
    image.src = moment.image;
    image.alt = "";
    image.style.borderBottomColor = look.colour;
    button.append(image);
  }
  button.append(make("span", "when", clock(moment.seconds)), make("span", "what", `${look.sign} ${look.name}`));
  if (root.data.lanes.length > 1) button.append(make("span", "who", moment.name));
  button.onclick = () => move(root, moment.seconds);
  return button;
}

function build(root) {
  const { data } = root;
  const rows = data.lanes.map((lane, i) => laneRow(root, lane, i));
  const axis = make("div", "axis");
  if (!data.live) {
    axis.tabIndex = 0;
    axis.setAttribute("role", "slider");
    axis.setAttribute("aria-label", data.label);
    axis.setAttribute("aria-valuemin", 0);
    axis.setAttribute("aria-valuemax", data.duration.toFixed(1));
    axis.title = "Arrow keys move by a second, up and down by a moment; Enter plays and pauses";
  }
  axis.onkeydown = (event) => !data.live && press(root, event);
  scrub(root, axis);
  const time = make("span", "time", "");
  const foot = make("div", "lane foot");
  foot.append(time, axis);
  const head = make("div", "head");
  const tip = make("div", "tip");
  tip.hidden = true;
  const inner = make("div", "inner");
  inner.append(...rows.map((one) => one.row), foot, head, tip);
  const board = make("div", "board");
  board.append(inner);
  const moments = data.moments.map((moment) => momentButton(root, moment));
  const strip = make("div", "moments");
  strip.setAttribute("role", "group");
  strip.setAttribute("aria-label", "Moments");
  strip.append(...moments);
  const legend = make("div", "legend");
  legend.append(
    ...data.looks.map((look) => {
      const entry = make("span", look.unsure ? "look unsure" : "look");
      entry.style.setProperty("--colour", look.colour);
      entry.append(make("i", ""), `${look.sign} ${look.name}`);
      return entry;
    }),
  );
  const scrolled = [root.parts?.board.scrollTop ?? 0, root.parts?.strip.scrollLeft ?? 0];
  root.parts = { axis, time, inner, board, strip, tip, moments, rows };
  root.replaceChildren(board, ...(moments.length ? [strip] : []), legend);
  root.classList.toggle("live", data.live);
  [board.scrollTop, strip.scrollLeft] = scrolled;
  root.current = undefined;
}

function listen(root) {
  const stop = new AbortController();
  // Events of a player do not bubble, but they can be caught on the way down: also those of a player that comes later.
  for (const name of ["timeupdate", "seeking", "play", "pause", "loadedmetadata"]) {
    document.addEventListener(name, (event) => event.target === player() && follow(root), {
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
  const { seek, at, lanes, ...rest } = data;
  // The ribbons of a film that is still read grow every second: they are only drawn again.
  const same = JSON.stringify([rest, lanes.map(({ track, name, image }) => [track, name, image])]);
  root.data = data;
  if (root.same !== same) {
    const focused = root.same && root.getRootNode().activeElement?.classList.contains("axis");
    root.same = same;
    build(root);
    if (focused) root.parts.axis.focus();
  }
  root.at ??= 0;
  if (data.live) root.at = at;
  root.stop ??= listen(root);
  draw(root); // also where only the theme is another
  show(root);
  follow(root);
  // A wish to jump is fulfilled once, and not when the page is opened again.
  if (seek && root.wish !== undefined && root.wish !== seek.id) move(root, seek.to);
  root.wish = seek ? seek.id : 0;
  return () => root.stop?.();
}
