// A wrapping list of thumbnails with a caption below each; a click, Enter or an arrow key selects one.
// Text is only ever set by textContent, so that none of it is run as markup.

const make = (tag, className, text) => {
  const node = document.createElement(tag);
  node.className = className;
  if (text !== undefined) node.textContent = text;
  return node;
};

const STEPS = { ArrowLeft: -1, ArrowRight: 1 };
// What uses the arrow keys itself.
const USES_ARROWS =
  "input, textarea, select, video, audio, [contenteditable=true], [role=slider], [role=tab], [role=radio], [role=listbox]," +
  "[role=combobox], [role=menu], [role=grid], [role=dialog], [data-testid=stDataFrame]";

const stepOf = (event) =>
  event.defaultPrevented || event.ctrlKey || event.altKey || event.metaKey || event.shiftKey ? 0 : STEPS[event.key] || 0;

export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".thumbnails");
  root.select = (number) => setTriggerValue("selected", number); // of this run: the callback of an earlier run no longer works
  root.selected = data.selected;
  const markSelected = () =>
    root.querySelectorAll(".thumbnail").forEach((button, i) => {
      const isSelected = i + 1 === root.selected;
      button.classList.toggle("selected", isSelected);
      button.setAttribute("aria-pressed", isSelected);
    });
  const fingerprint = JSON.stringify(data.thumbnails);
  if (root.fingerprint !== fingerprint) {
    root.fingerprint = fingerprint;
    root.setAttribute("aria-label", data.label);
    root.style.setProperty("--side", `${data.side_px}px`);
    root.style.maxHeight = `${data.max_height_px}px`;
    root.replaceChildren(
      ...data.thumbnails.map((thumbnail, i) => {
        const button = make("button", "thumbnail");
        button.type = "button";
        button.title = thumbnail.title;
        const image = make("img", "");
        image.src = thumbnail.image;
        image.alt = thumbnail.title;
        button.append(image, ...thumbnail.caption.split("\n").map((line) => make("span", "caption", line)));
        if (thumbnail.color) image.style.borderBottomColor = thumbnail.color;
        button.onclick = () => root.select(i + 1);
        return button;
      }),
    );
  }
  markSelected();

  // Mark at once, so that a key that is held down moves on before the page has answered.
  const move = (event, step) => {
    const number = root.selected ? root.selected + step : 1;
    const button = root.querySelectorAll(".thumbnail")[number - 1];
    event.preventDefault();
    if (!button) return;
    root.selected = number;
    markSelected();
    button.scrollIntoView({ block: "nearest" });
    if (root.getRootNode().activeElement?.classList.contains("thumbnail")) button.focus();
    root.select(number);
  };
  root.onkeydown = (event) => {
    const step = stepOf(event);
    if (step) move(event, step);
  };
  document.removeEventListener("keydown", root.onPageKey);
  root.onPageKey = (event) => {
    const step = stepOf(event);
    const isUsed = event.composedPath().some((node) => node instanceof Element && node.matches(USES_ARROWS));
    if (step && !isUsed && !document.querySelector("[role=dialog]")) move(event, step);
  };
  if (data.has_arrow_keys) document.addEventListener("keydown", root.onPageKey);
  return () => document.removeEventListener("keydown", root.onPageKey);
}
