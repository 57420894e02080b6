// A lane per face with a line for each movement; updates change the nodes in place, so that nothing flickers.
// Text is only ever set by textContent, so that none of it is run as markup.

const SVG = "http://www.w3.org/2000/svg";

const makePath = (style) => {
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("stroke", style.color);
  path.setAttribute("stroke-dasharray", style.dashes);
  return path;
};

const makeLane = (styles) => {
  const lane = document.createElement("div");
  lane.className = "lane";
  const number = document.createElement("span");
  number.className = "number";
  const drawing = document.createElementNS(SVG, "svg");
  drawing.setAttribute("viewBox", "0 0 300 100");
  drawing.setAttribute("preserveAspectRatio", "none");
  drawing.setAttribute("role", "img");
  drawing.append(...styles.map(makePath));
  lane.append(number, drawing);
  return lane;
};

const makeEntry = (style) => {
  const entry = document.createElement("span");
  const drawing = document.createElementNS(SVG, "svg");
  drawing.setAttribute("aria-hidden", "true");
  const path = makePath(style);
  path.setAttribute("d", "M0 5H22");
  drawing.append(path);
  entry.append(drawing, style.name);
  return entry;
};

export default function ({ data, parentElement }) {
  const root = parentElement.querySelector(".curves");
  root.setAttribute("aria-label", data.label);
  if (!root.firstChild) {
    const legend = document.createElement("div");
    legend.className = "legend";
    root.append(document.createElement("div"), legend);
  }
  const [lanes, legend] = root.children;
  const names = JSON.stringify(data.styles);
  if (legend.names !== names) {
    legend.names = names;
    legend.replaceChildren(...data.styles.map(makeEntry));
  }
  legend.style.display = data.lanes.length ? "" : "none";
  while (lanes.children.length > data.lanes.length) lanes.lastChild.remove();
  while (lanes.children.length < data.lanes.length) lanes.append(makeLane(data.styles));
  data.lanes.forEach((lane, i) => {
    const [number, drawing] = lanes.children[i].children;
    number.textContent = lane.name;
    drawing.setAttribute("aria-label", lane.label);
    lane.paths.forEach((shape, k) => drawing.children[k].setAttribute("d", shape));
  });
}
