// The camera with a button for each label: while one is held, frames are taken as examples of it.
// Text is only ever set by textContent, so that none of it is run as markup.

const INTERVAL_MS = 250;
const FRAMES_PER_MESSAGE = 4; // so that what is taken is shown within about a second
const WIDTH = 640;
const QUALITY = 0.9;

const make = (tag, className, text) => {
  const node = document.createElement(tag);
  node.className = className;
  if (text !== undefined) node.textContent = text;
  return node;
};

const takeFrame = (video) => {
  const canvas = document.createElement("canvas");
  canvas.width = Math.min(WIDTH, video.videoWidth);
  canvas.height = Math.round((canvas.width * video.videoHeight) / video.videoWidth);
  canvas.getContext("2d").drawImage(video, 0, 0, canvas.width, canvas.height);
  return canvas.toDataURL("image/jpeg", QUALITY);
};

const build = (root) => {
  root.video = make("video", "capture-video");
  Object.assign(root.video, { autoplay: true, muted: true, playsInline: true });
  root.start = make("button", "capture-start");
  root.start.type = "button";
  root.message = make("p", "capture-message");
  root.message.setAttribute("role", "status");
  root.labels = make("div", "capture-labels");
  root.replaceChildren(root.video, root.start, root.message, root.labels);
};

const startCamera = async (root) => {
  root.start.disabled = true;
  try {
    root.stream = await navigator.mediaDevices.getUserMedia({ video: { width: WIDTH }, audio: false });
    root.video.srcObject = root.stream;
    root.classList.add("running");
    root.message.textContent = root.texts.hint;
  } catch {
    root.message.textContent = root.texts.refused;
  }
  root.start.disabled = false;
  root.querySelectorAll(".capture-label").forEach((button) => (button.disabled = !root.stream));
};

const hold = (root, label) => {
  if (!root.stream || root.timer) return;
  let images = [];
  const flush = () => {
    if (images.length) root.send({ label, images });
    images = [];
  };
  const take = () => {
    images.push(takeFrame(root.video));
    if (images.length >= FRAMES_PER_MESSAGE) flush();
  };
  take();
  root.timer = setInterval(take, INTERVAL_MS);
  root.release = () => {
    clearInterval(root.timer);
    root.timer = root.release = null;
    flush();
  };
};

const makeLabel = (root, label) => {
  const button = make("button", "capture-label");
  button.type = "button";
  button.style.setProperty("--color", label.color);
  button.append(make("span", "capture-name", label.text), make("span", "capture-count", ""), make("span", "capture-bar"));
  const start = () => {
    button.classList.add("held");
    hold(root, label.name);
  };
  const end = () => {
    button.classList.remove("held");
    root.release?.();
  };
  button.onpointerdown = (event) => {
    button.setPointerCapture(event.pointerId);
    start();
  };
  button.onpointerup = button.onpointercancel = button.onblur = end;
  button.onkeydown = (event) => (event.key === " " || event.key === "Enter") && !event.repeat && start();
  button.onkeyup = (event) => (event.key === " " || event.key === "Enter") && end();
  button.oncontextmenu = (event) => event.preventDefault(); // of a long press on a touch screen
  return button;
};

export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".capture");
  root.send = (value) => setTriggerValue("frames", value); // of this run: that of an earlier run no longer works
  root.texts = data.texts;
  if (!root.video) build(root);
  root.setAttribute("aria-label", data.texts.label);
  root.start.textContent = data.texts.start;
  root.start.onclick = () => startCamera(root);
  const names = JSON.stringify(data.labels.map((label) => [label.name, label.text]));
  if (root.names !== names) {
    root.names = names;
    root.release?.();
    root.labels.replaceChildren(...data.labels.map((label) => makeLabel(root, label)));
  }
  const most = Math.max(1, ...data.labels.map((label) => label.count));
  data.labels.forEach((label, i) => {
    const button = root.labels.children[i];
    button.disabled = !root.stream;
    button.querySelector(".capture-count").textContent = label.count;
    button.querySelector(".capture-bar").style.width = `${(100 * label.count) / most}%`;
  });
  return () => {
    root.release?.();
    root.stream?.getTracks().forEach((track) => track.stop());
  };
}
