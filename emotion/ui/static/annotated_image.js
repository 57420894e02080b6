// An image with a button over each face: hovering shows all scores, a click or Enter selects the face. Buttons, the keys
// + - 0, a double click and Ctrl with the wheel zoom; labels keep their size, so that crowds become readable.
// Text is only ever set by textContent, so that none of it is run as markup.

const make = (tag, className, text) => {
  const node = document.createElement(tag);
  node.className = className;
  if (text !== undefined) node.textContent = text;
  return node;
};

const overlap = (a, b) =>
  Math.max(0, Math.min(a.x + a.w, b.x + b.w) - Math.max(a.x, b.x)) *
  Math.max(0, Math.min(a.y + a.h, b.y + b.h) - Math.max(a.y, b.y));

// Find the position above, below, beside or in the box where the chip overlaps other faces and chips least.
function placeChip(chip, box, taken, width, height) {
  const { w, h } = chip;
  const positions = [
    [box.x, box.y - h - 3], [box.x + box.w - w, box.y - h - 3],
    [box.x, box.y + box.h + 3], [box.x + box.w - w, box.y + box.h + 3],
    [box.x + box.w + 3, box.y], [box.x - w - 3, box.y], [box.x, box.y + 3], [box.x, box.y + box.h - h - 3],
  ].map(([x, y]) => ({
    x: Math.max(0, Math.min(x, width - w)), y: Math.max(0, Math.min(y, height - h)), w, h,
  }));
  const cost = (position, rank) =>
    taken.reduce((sum, other) => sum + overlap(position, other), 0) + 0.5 * overlap(position, box) + rank * 0.01 * w * h;
  return positions.reduce((best, position, rank) => (cost(position, rank) < cost(best, positions.indexOf(best)) ? position : best));
}

function makeTooltip(face) {
  const tip = make("div", "tip");
  tip.append(make("div", "tip-title", `${face.number}  ${face.symbol} ${face.title}`));
  if (face.reason) tip.append(make("div", "tip-reason", face.reason));
  for (const score of face.scores) {
    const row = make("div", "row");
    const bar = make("span", "bar");
    bar.style.width = `${score.score * 100}%`;
    bar.style.background = score.color;
    const track = make("span", "track");
    track.append(bar);
    row.append(make("span", "word", score.name), track, make("span", "score", score.text));
    tip.append(row);
  }
  return tip;
}

function makeBox(face, data, root) {
  const box = make("button", face.reason ? "box uncertain" : "box");
  const [x1, y1, x2, y2] = face.box;
  box.type = "button";
  box.style.left = `${(x1 / data.width) * 100}%`;
  box.style.top = `${(y1 / data.height) * 100}%`;
  box.style.width = `${((x2 - x1) / data.width) * 100}%`;
  box.style.height = `${((y2 - y1) / data.height) * 100}%`;
  box.style.setProperty("--color", face.color);
  box.setAttribute("aria-label", face.label);
  box.onclick = () => root.select(face.number);
  return box;
}

const SVG = "http://www.w3.org/2000/svg";

// Draw the points and the lines of all faces; a zero-length line with round ends is a dot of the same size in any photo.
function makeOutlines(data) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("class", "outlines");
  svg.setAttribute("viewBox", `0 0 ${data.width} ${data.height}`);
  svg.setAttribute("aria-hidden", "true");
  for (const { outline } of data.faces) {
    const group = document.createElementNS(SVG, "g");
    const lines = outline.lines.map(([x1, y1, x2, y2]) => `M${x1} ${y1}L${x2} ${y2}`).join("");
    const dots = outline.points.map(([x, y]) => `M${x} ${y}h0`).join("");
    for (const [className, shape] of [["dark line", lines], ["line", lines], ["dark dot", dots], ["dot", dots]]) {
      const path = document.createElementNS(SVG, "path");
      path.setAttribute("class", className);
      path.setAttribute("d", shape);
      group.append(path);
    }
    svg.append(group);
  }
  return svg;
}

// Scroll the frame around a zoomed photo, and only it, so that the box is seen.
function showInFrame(box) {
  const frame = box.closest(".frame.zoomed");
  if (!frame) return;
  const isSeen = (start, size, from, length) => start >= from && start + size <= from + length;
  const seenX = isSeen(box.offsetLeft, box.offsetWidth, frame.scrollLeft, frame.clientWidth);
  const seenY = isSeen(box.offsetTop, box.offsetHeight, frame.scrollTop, frame.clientHeight);
  if (!seenX) frame.scrollLeft = box.offsetLeft + (box.offsetWidth - frame.clientWidth) / 2;
  if (!seenY) frame.scrollTop = box.offsetTop + (box.offsetHeight - frame.clientHeight) / 2;
}

const MAX_ZOOM = 8;
const ZOOM_STEP = 1.5;

// Let a frame show a part of the stage in it; returns the buttons for it.
function addZoom(frame, stage, texts, onZoom) {
  let zoom = 1;
  const buttons = make("div", "zoom");
  // The point of the stage at (x, y), from 0 to 1 of the frame, stays where it is.
  const zoomTo = (wanted, x = 0.5, y = 0.5) => {
    const [width, height] = [frame.clientWidth, frame.clientHeight];
    const old = zoom;
    zoom = Math.max(1, Math.min(MAX_ZOOM, wanted));
    // Measured before the stage grows, and kept by the frame while it is zoomed.
    frame.style.height = zoom > 1 ? `${height}px` : "";
    frame.classList.toggle("zoomed", zoom > 1);
    stage.style.width = `${zoom * 100}%`;
    frame.scrollLeft = (frame.scrollLeft + x * width) * (zoom / old) - x * width;
    frame.scrollTop = (frame.scrollTop + y * height) * (zoom / old) - y * height;
    [minus.disabled, plus.disabled, fit.hidden] = [zoom === 1, zoom === MAX_ZOOM, zoom === 1];
    if (zoom > 1) onZoom();
  };
  const addButton = (text, label, onclick) => {
    const button = make("button", "zoom-button", text);
    button.type = "button";
    button.title = label;
    button.setAttribute("aria-label", label);
    button.onclick = onclick;
    buttons.append(button);
    return button;
  };
  const fit = addButton("1×", texts.fit, () => zoomTo(1));
  const minus = addButton("−", texts.out, () => zoomTo(zoom / ZOOM_STEP));
  const plus = addButton("+", texts.in, () => zoomIn());
  zoomTo(1);

  // Zoom in around the selected face.
  const zoomIn = () => {
    const box = stage.querySelector(".box.selected");
    const x = box ? (box.offsetLeft + box.offsetWidth / 2 - frame.scrollLeft) / frame.clientWidth : 0.5;
    const y = box ? (box.offsetTop + box.offsetHeight / 2 - frame.scrollTop) / frame.clientHeight : 0.5;
    zoomTo(zoom * ZOOM_STEP, Math.max(0, Math.min(1, x)), Math.max(0, Math.min(1, y)));
  };

  const zoomAt = (event, factor) => {
    const area = frame.getBoundingClientRect();
    event.preventDefault();
    zoomTo(zoom * factor, (event.clientX - area.left) / area.width, (event.clientY - area.top) / area.height);
  };
  frame.addEventListener("wheel", (event) => event.ctrlKey && zoomAt(event, Math.exp(-event.deltaY / 200)), { passive: false });
  frame.ondblclick = (event) => {
    if (!event.target.closest(".box, .zoom")) zoomAt(event, zoom === 1 ? 2 * ZOOM_STEP : 1 / zoom);
  };
  frame.onpointerdown = (event) => {
    if (zoom === 1 || event.pointerType !== "mouse" || event.button || event.target.closest(".zoom, .box")) return;
    frame.setPointerCapture(event.pointerId);
    frame.onpointermove = (move) => frame.scrollBy(-move.movementX, -move.movementY);
  };
  frame.onpointerup = frame.onpointercancel = () => (frame.onpointermove = null);
  buttons.onKey = (key) => {
    if (key === "+" || key === "=") zoomIn();
    else if (key === "-") zoomTo(zoom / ZOOM_STEP);
    else if (key === "0") zoomTo(1);
    else return false;
    return true;
  };
  return buttons;
}

export default function ({ data, parentElement, setTriggerValue, setStateValue }) {
  const root = parentElement.querySelector(".annotated_image");
  root.select = (number) => setTriggerValue("selected", number); // of this run: the callback of an earlier run no longer works
  // The server then sends the photo with more pixels.
  root.reportZoom = () => {
    if (root.zoomedPhoto !== data.alt) setStateValue("zoomed", (root.zoomedPhoto = data.alt));
  };
  const fingerprint = JSON.stringify([data.alt, data.width, data.height, data.faces]);
  root.markSelected = () =>
    root.querySelectorAll(".box").forEach((box, i) => {
      const isSelected = data.faces[i]?.number === data.selected;
      box.classList.toggle("selected", isSelected);
      box.setAttribute("aria-pressed", isSelected);
      if (isSelected) showInFrame(box);
    });
  if (root.fingerprint === fingerprint) {
    // Keep focus, tooltip and zoom.
    const shown = root.querySelector(".stage img");
    if (shown.getAttribute("src") !== data.src) shown.src = data.src;
    return root.markSelected();
  }
  root.fingerprint = fingerprint;

  const stage = make("div", "stage");
  stage.style.aspectRatio = `${data.width} / ${data.height}`;
  const image = make("img", "");
  image.src = data.src;
  image.alt = data.alt;
  image.draggable = false;
  stage.append(image);

  const boxes = data.faces.map((face) => makeBox(face, data, root));
  const chips = data.faces.map((face) => {
    const chip = make("span", face.reason ? "chip uncertain" : "chip");
    chip.style.background = face.color;
    chip.style.color = face.text_color;
    chip.setAttribute("aria-hidden", "true");
    return chip;
  });
  const outlines = makeOutlines(data);
  stage.append(outlines, ...boxes, ...chips);
  const frame = make("div", "frame");
  frame.append(stage);
  const holder = make("div", "holder");
  holder.style.maxWidth = `max(${data.width / data.height} * 78vh, 200px)`;
  holder.append(frame);
  root.replaceChildren(holder);
  if (data.texts) {
    const zoom = addZoom(frame, stage, data.texts, () => root.reportZoom());
    holder.append(zoom);
    root.onkeydown = (event) => {
      if (!event.ctrlKey && !event.metaKey && !event.altKey && zoom.onKey(event.key)) event.preventDefault();
    };
  }
  root.markSelected();

  let tip = null;
  const hide = () => {
    tip?.remove();
    tip = null;
  };
  const show = (face, box) => {
    hide();
    tip = makeTooltip(face);
    stage.append(tip);
    // The part of the stage that is seen: all of it, unless it is zoomed.
    const [x1, y1] = [frame.scrollLeft, frame.scrollTop];
    const [x2, y2] = [x1 + frame.clientWidth, y1 + frame.clientHeight];
    const right = box.offsetLeft + box.offsetWidth + 10;
    const left = box.offsetLeft - tip.offsetWidth - 10;
    const x0 = right + tip.offsetWidth <= x2 ? right : left >= x1 ? left : null;
    const x = x0 ?? Math.max(x1, Math.min(box.offsetLeft, x2 - tip.offsetWidth));
    const isBelow = x0 === null && !frame.classList.contains("zoomed");
    const y = x0 === null ? box.offsetTop + box.offsetHeight + 8 : box.offsetTop;
    tip.style.left = `${x}px`;
    tip.style.top = `${isBelow ? y : Math.max(y1, Math.min(y, y2 - tip.offsetHeight))}px`;
  };
  boxes.forEach((box, i) => {
    box.onmouseenter = box.onfocus = () => show(data.faces[i], box);
    box.onmouseleave = box.onblur = hide;
    box.onkeydown = (event) => {
      const next = boxes[i + ({ ArrowLeft: -1, ArrowRight: 1 }[event.key] || 0)];
      if (event.key === "Escape") hide();
      if (!next || next === box) return;
      event.preventDefault(); // the arrow keys select photos elsewhere on the page
      next.focus();
      root.select(data.faces[boxes.indexOf(next)].number);
    };
  });

  const placeChips = () => {
    const [width, height] = [stage.clientWidth, stage.clientHeight];
    if (!width) return;
    const areas = boxes.map((b) => ({ x: b.offsetLeft, y: b.offsetTop, w: b.offsetWidth, h: b.offsetHeight }));
    const isSmall = areas.some((area) => area.w < 44);
    const isShort = data.faces.length > data.max_labels || (isSmall && data.faces.length > 4);
    stage.classList.toggle("crowded", isSmall && isShort);
    // Dots would hide the face below them.
    areas.forEach((area, i) => outlines.children[i].classList.toggle("small", area.w < 90));
    // Chips would cover faces of a few pixels; the thumbnails below the image show their labels instead.
    stage.classList.toggle("tiny", isShort && areas.filter((area) => area.w < 16).length > areas.length / 2);
    const placed = [];
    chips.forEach((chip, i) => {
      const face = data.faces[i];
      chip.textContent = isShort ? `${face.number} ${face.symbol}` : `${face.number} ${face.symbol} ${face.title}`;
      const size = { w: chip.offsetWidth, h: chip.offsetHeight };
      const taken = [...areas.filter((_, k) => k !== i), ...placed];
      const position = placeChip(size, areas[i], taken, width, height);
      chip.style.left = `${position.x}px`;
      chip.style.top = `${position.y}px`;
      placed.push(position);
    });
  };
  const watcher = new ResizeObserver(placeChips);
  watcher.observe(stage);
  root.watcher?.disconnect();
  root.watcher = watcher;
}
