// A strip of small pictures with a line or two below each; a click or Enter chooses one.
// Every text comes in as data and goes out by textContent, so that nothing in it is ever run.

const make = (tag, className, text) => {
  const node = document.createElement(tag);
  node.className = className;
  if (text !== undefined) node.textContent = text;
  return node;
};

export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".strip");
  root.choose = (number) => setTriggerValue("chosen", number); // of this run; what an older run gave is deaf
  const mark = () =>
    root.querySelectorAll(".item").forEach((item, i) => {
      const chosen = i + 1 === data.chosen;
      item.classList.toggle("chosen", chosen);
      item.setAttribute("aria-pressed", chosen);
    });
  const same = JSON.stringify(data.items);
  if (root.same !== same) {
    root.same = same;
    root.setAttribute("aria-label", data.label);
    root.style.setProperty("--side", `${data.side}px`);
    root.style.maxHeight = `${data.height}px`;
    root.replaceChildren(
      ...data.items.map((item, i) => {
        const button = make("button", "item");
        button.type = "button";
        button.title = item.title;
        const image = make("img", "");
        image.src = item.image;
        image.alt = item.title;
        button.append(image, ...item.text.split("\n").map((line) => make("span", "text", line)));
        if (item.colour) image.style.borderBottomColor = item.colour;
        button.onclick = () => root.choose(i + 1);
        return button;
      }),
    );
  }
  mark();
}
