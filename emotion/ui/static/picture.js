// A picture with a button over each face: pointing at it shows all scores, a click or Enter chooses it.
// Every text comes in as data and goes out by textContent, so that nothing in it is ever run.

const make = (tag, className, text) => {
  const node = document.createElement(tag);
  node.className = className;
  if (text !== undefined) node.textContent = text;
  return node;
};

const overlap = (a, b) =>
  Math.max(0, Math.min(a.x + a.w, b.x + b.w) - Math.max(a.x, b.x)) *
  Math.max(0, Math.min(a.y + a.h, b.y + b.h) - Math.max(a.y, b.y));

// Above, below, beside or in the box: where the chip covers least of other faces and chips.
function spot(chip, box, taken, width, height) {
  const { w, h } = chip;
  const spots = [
    [box.x, box.y - h - 3], [box.x + box.w - w, box.y - h - 3],
    [box.x, box.y + box.h + 3], [box.x + box.w - w, box.y + box.h + 3],
    [box.x + box.w + 3, box.y], [box.x - w - 3, box.y], [box.x, box.y + 3], [box.x, box.y + box.h - h - 3],
  ].map(([x, y]) => ({
    x: Math.max(0, Math.min(x, width - w)), y: Math.max(0, Math.min(y, height - h)), w, h,
  }));
  const cost = (place, rank) =>
    taken.reduce((sum, other) => sum + overlap(place, other), 0) + 0.5 * overlap(place, box) + rank * 0.01 * w * h;
  return spots.reduce((best, place, rank) => (cost(place, rank) < cost(best, spots.indexOf(best)) ? place : best));
}

function card(face) {
  const tip = make("div", "tip");
  tip.append(make("div", "tip-title", `${face.number}  ${face.sign} ${face.title}`));
  if (face.reason) tip.append(make("div", "tip-reason", face.reason));
  for (const score of face.scores) {
    const row = make("div", "row");
    const bar = make("span", "bar");
    bar.style.width = `${score.share * 100}%`;
    bar.style.background = score.colour;
    const track = make("span", "track");
    track.append(bar);
    row.append(make("span", "word", score.name), track, make("span", "share", score.text));
    tip.append(row);
  }
  return tip;
}

function button(face, data, root) {
  const box = make("button", face.reason ? "box unsure" : "box");
  const [x1, y1, x2, y2] = face.box;
  box.type = "button";
  box.style.left = `${(x1 / data.width) * 100}%`;
  box.style.top = `${(y1 / data.height) * 100}%`;
  box.style.width = `${((x2 - x1) / data.width) * 100}%`;
  box.style.height = `${((y2 - y1) / data.height) * 100}%`;
  box.style.setProperty("--colour", face.colour);
  box.setAttribute("aria-label", `Face ${face.number}: ${face.title}${face.reason ? `, ${face.reason}` : ""}`);
  box.onclick = () => root.choose(face.number);
  return box;
}

export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".picture");
  root.choose = (number) => setTriggerValue("chosen", number); // of this run; what an older run gave is deaf
  const same = JSON.stringify([data.src, data.faces]);
  root.mark = () =>
    root.querySelectorAll(".box").forEach((box, i) => {
      const chosen = data.faces[i]?.number === data.chosen;
      box.classList.toggle("chosen", chosen);
      box.setAttribute("aria-pressed", chosen);
    });
  if (root.same === same) return root.mark(); // the focus and what is pointed at stay
  root.same = same;

  const stage = make("div", "stage");
  stage.style.aspectRatio = `${data.width} / ${data.height}`;
  stage.style.maxWidth = `max(${data.width / data.height} * 78vh, 200px)`;
  const image = make("img", "");
  image.src = data.src;
  image.alt = data.alt;
  stage.append(image);

  const boxes = data.faces.map((face) => button(face, data, root));
  const chips = data.faces.map((face) => {
    const chip = make("span", face.reason ? "chip unsure" : "chip");
    chip.style.background = face.colour;
    chip.style.color = face.ink;
    chip.setAttribute("aria-hidden", "true");
    return chip;
  });
  stage.append(...boxes, ...chips);
  root.replaceChildren(stage);
  root.mark();

  let tip = null;
  const hide = () => {
    tip?.remove();
    tip = null;
  };
  const show = (face, box) => {
    hide();
    tip = card(face);
    stage.append(tip);
    const [w, h] = [stage.clientWidth, stage.clientHeight];
    const right = box.offsetLeft + box.offsetWidth + 10;
    const left = box.offsetLeft - tip.offsetWidth - 10;
    const beside = right + tip.offsetWidth <= w ? right : left >= 0 ? left : null;
    const x = beside ?? Math.max(0, Math.min(box.offsetLeft, w - tip.offsetWidth));
    const y = beside === null ? box.offsetTop + box.offsetHeight + 8 : box.offsetTop;
    tip.style.left = `${x}px`;
    tip.style.top = `${beside === null ? y : Math.max(0, Math.min(y, h - tip.offsetHeight))}px`;
  };
  boxes.forEach((box, i) => {
    box.onmouseenter = box.onfocus = () => show(data.faces[i], box);
    box.onmouseleave = box.onblur = hide;
    box.onkeydown = (event) => {
      if (event.key === "Escape") hide();
    };
  });

  const place = () => {
    const [width, height] = [stage.clientWidth, stage.clientHeight];
    if (!width) return;
    const areas = boxes.map((b) => ({ x: b.offsetLeft, y: b.offsetTop, w: b.offsetWidth, h: b.offsetHeight }));
    const small = areas.some((area) => area.w < 44);
    const short = data.faces.length > data.most_words || (small && data.faces.length > 4);
    stage.classList.toggle("crowded", small && short);
    // Numbers over faces of a few pixels would hide them: there the strip of crops has to do.
    stage.classList.toggle("tiny", short && areas.filter((area) => area.w < 16).length > areas.length / 2);
    const placed = [];
    chips.forEach((chip, i) => {
      const face = data.faces[i];
      chip.textContent = short ? `${face.number} ${face.sign}` : `${face.number} ${face.sign} ${face.title}`;
      const size = { w: chip.offsetWidth, h: chip.offsetHeight };
      const taken = [...areas.filter((_, k) => k !== i), ...placed];
      const at = spot(size, areas[i], taken, width, height);
      chip.style.left = `${at.x}px`;
      chip.style.top = `${at.y}px`;
      placed.push(at);
    });
  };
  const watcher = new ResizeObserver(place);
  watcher.observe(stage);
  root.watcher?.disconnect();
  root.watcher = watcher;
}
