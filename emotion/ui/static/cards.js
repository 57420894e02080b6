// One card per face: thumbnail, label, score bars. Updates change the nodes in place, so that nothing flickers.
// Text is only ever set by textContent, so that none of it is run as markup.

const make = (tag, className) => {
  const node = document.createElement(tag);
  node.className = className;
  return node;
};

const set = (node, key, value) => {
  if (node[key] !== value) node[key] = value;
};

const SVG = "http://www.w3.org/2000/svg";

// A head from the front with a line down and a line across its face, which meet at the nose.
const makeGauge = () => {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("class", "gauge");
  svg.setAttribute("viewBox", "-24 -24 48 48");
  svg.setAttribute("role", "img");
  const head = document.createElementNS(SVG, "g");
  for (const name of ["ellipse", "path", "circle"]) head.append(document.createElementNS(SVG, name));
  head.firstChild.setAttribute("rx", 16);
  head.firstChild.setAttribute("ry", 20);
  head.lastChild.setAttribute("r", 3);
  svg.append(head);
  return svg;
};

const fillGauge = (svg, pose) => {
  svg.toggleAttribute("hidden", !pose);
  if (!pose) return;
  const [x, y] = [15 * pose.x, 18 * pose.y];
  const [, lines, nose] = svg.firstChild.children;
  svg.firstChild.setAttribute("transform", `rotate(${pose.roll})`);
  lines.setAttribute("d", `M0 -20Q${2 * x} 0 0 20M-16 0Q0 ${2 * y} 16 0`);
  nose.setAttribute("cx", x);
  nose.setAttribute("cy", y);
  svg.setAttribute("aria-label", pose.text);
};

const makeRow = () => {
  const node = make("div", "row");
  const track = make("span", "track");
  track.append(make("span", "bar"), make("span", "raw-score"));
  track.lastChild.setAttribute("role", "img");
  node.append(make("span", "word"), track, make("span", "score"));
  return node;
};

const makeCard = () => {
  const node = make("div", "card");
  node.setAttribute("role", "group");
  const head = make("div", "head");
  const words = make("div", "words");
  words.append(make("div", "title"), make("div", "reason"));
  const thumbnail = make("img", "face");
  thumbnail.setAttribute("alt", ""); // the title beside it has the same information
  head.append(thumbnail, words, makeGauge());
  node.append(head, make("div", "rows"));
  return node;
};

const resize = (parent, count, makeChild) => {
  while (parent.children.length > count) parent.lastChild.remove();
  while (parent.children.length < count) parent.append(makeChild());
};

const fillRow = (node, score) => {
  const [name, track, text] = node.children;
  set(name, "textContent", score.name);
  set(text, "textContent", score.text);
  track.firstChild.style.width = `${100 * score.score}%`;
  track.firstChild.style.background = score.color;
  track.lastChild.hidden = score.raw_score === null;
  if (score.raw_score === null) return;
  track.lastChild.style.left = `${100 * score.raw_score}%`;
  track.lastChild.setAttribute("aria-label", score.raw_text);
};

const fill = (node, face) => {
  const [thumbnail, words, gauge] = node.firstChild.children;
  set(thumbnail, "src", face.image);
  node.setAttribute("aria-label", face.title);
  node.style.setProperty("--color", face.color);
  set(words.firstChild, "textContent", face.title);
  set(words.lastChild, "textContent", face.reason);
  fillGauge(gauge, face.pose);
  resize(node.lastChild, face.scores.length, makeRow);
  face.scores.forEach((score, i) => fillRow(node.lastChild.children[i], score));
};

export default function ({ data, parentElement }) {
  const root = parentElement.querySelector(".cards");
  root.setAttribute("aria-label", data.label);
  if (!root.firstChild) root.append(make("div", "grid"), make("div", "more"), make("div", "empty"));
  const [grid, more, empty] = root.children;
  resize(grid, data.faces.length, makeCard);
  data.faces.forEach((face, i) => fill(grid.children[i], face));
  set(more, "textContent", data.more);
  set(empty, "textContent", data.empty);
}
