// A wrapping list of thumbnails with a caption below each; a click or Enter selects one.
// Text is only ever set by textContent, so that none of it is run as markup.

const make = (tag, className, text) => {
  const node = document.createElement(tag);
  node.className = className;
  if (text !== undefined) node.textContent = text;
  return node;
};

export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".thumbnails");
  root.select = (number) => setTriggerValue("selected", number); // of this run: the callback of an earlier run no longer works
  const markSelected = () =>
    root.querySelectorAll(".thumbnail").forEach((button, i) => {
      const isSelected = i + 1 === data.selected;
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
}
