// Invisible: gives the uploader of the page the images that are pasted or taken, and tells the server which photos this
// tab had before it was loaded again.

const TOKEN_KEY = "emotion-photos"; // in the storage of the tab, which a reload keeps and other tabs do not see

const isTextField = (event) =>
  event.composedPath().some((node) => node instanceof Element && node.matches("input:not([type=file]), textarea, [contenteditable=true]"));

function give(selector, files) {
  const input = document.querySelector(selector);
  if (!input) return;
  const transfer = new DataTransfer();
  for (const file of files) transfer.items.add(file);
  input.files = transfer.files;
  input.dispatchEvent(new Event("change", { bubbles: true }));
}

// A picture on the clipboard is always "image.png"; the time tells several apart.
function name(file) {
  const time = new Date().toTimeString().slice(0, 8).replaceAll(":", "-");
  return file.name === "image.png" ? new File([file], `pasted ${time}.png`, { type: file.type }) : file;
}

export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".photo_input");
  const stop = () => {
    document.removeEventListener("paste", root.onPaste);
    document.removeEventListener("emotion-photo", root.onPhoto);
  };
  stop();
  root.onPaste = (event) => {
    const files = [...(event.clipboardData?.files || [])].filter((file) => file.type.startsWith("image/"));
    if (!files.length || isTextField(event)) return;
    event.preventDefault();
    give(data.uploader, files.map(name));
  };
  root.onPhoto = (event) => give(data.uploader, [event.detail]);
  document.addEventListener("paste", root.onPaste);
  document.addEventListener("emotion-photo", root.onPhoto);
  const earlier = sessionStorage.getItem(TOKEN_KEY);
  if (earlier && earlier !== data.token && !root.hasAsked) setTriggerValue("token", earlier);
  root.hasAsked = true;
  sessionStorage.setItem(TOKEN_KEY, data.token);
  return stop;
}
