// One card a face: picture, name, bars; what is told twice a second changes in place, so that nothing flickers.
// Every text comes in as data and goes out by textContent, so that nothing in it is ever run.

const make = (tag, className) => {
  const node = document.createElement(tag);
  node.className = className;
  return node;
};

const set = (node, key, value) => {
  if (node[key] !== value) node[key] = value;
};

const row = () => {
  const node = make("div", "row");
  const track = make("span", "track");
  track.append(make("span", "bar"), make("span", "before"));
  track.lastChild.setAttribute("role", "img");
  node.append(make("span", "word"), track, make("span", "share"));
  return node;
};

const card = () => {
  const node = make("div", "card");
  node.setAttribute("role", "group");
  const head = make("div", "head");
  const words = make("div", "words");
  words.append(make("div", "title"), make("div", "reason"));
  const picture = make("img", "face");
  picture.setAttribute("alt", ""); // the title beside it says all of it
  head.append(picture, words);
  node.append(head, make("div", "rows"));
  return node;
};

const resize = (parent, count, one) => {
  while (parent.children.length > count) parent.lastChild.remove();
  while (parent.children.length < count) parent.append(one());
};

const fillRow = (node, score) => {
  const [word, track, share] = node.children;
  set(word, "textContent", score.name);
  set(share, "textContent", score.text);
  track.firstChild.style.width = `${100 * score.share}%`;
  track.firstChild.style.background = score.colour;
  track.lastChild.hidden = score.before === null;
  if (score.before === null) return;
  track.lastChild.style.left = `${100 * score.before}%`;
  track.lastChild.setAttribute("aria-label", `before ${Math.round(100 * score.before)} %`);
};

const fill = (node, face) => {
  const [picture, words] = node.firstChild.children;
  set(picture, "src", face.image);
  node.setAttribute("aria-label", face.title);
  node.style.setProperty("--colour", face.colour);
  set(words.firstChild, "textContent", face.title);
  set(words.lastChild, "textContent", face.reason);
  resize(node.lastChild, face.scores.length, row);
  face.scores.forEach((score, i) => fillRow(node.lastChild.children[i], score));
};

export default function ({ data, parentElement }) {
  const root = parentElement.querySelector(".cards");
  root.setAttribute("aria-label", data.label);
  if (!root.firstChild) root.append(make("div", "grid"), make("div", "more"), make("div", "empty"));
  const [grid, more, empty] = root.children;
  resize(grid, data.faces.length, card);
  data.faces.forEach((face, i) => fill(grid.children[i], face));
  set(more, "textContent", data.more);
  set(empty, "textContent", data.empty);
}
