// Tells the server what this browser says of its cameras, and opens one for a moment where a person asks for that.
// It shows one button; the words are those of the page.

const look = async () => {
  const facts = { secure: window.isSecureContext && !!navigator.mediaDevices };
  if (!facts.secure) return facts;
  try {
    facts.permission = (await navigator.permissions.query({ name: "camera" })).state;
  } catch {} // not every browser tells
  try {
    facts.cameras = (await navigator.mediaDevices.enumerateDevices()).filter((d) => d.kind === "videoinput").length;
  } catch {}
  return facts;
};

const open = async () => {
  try {
    const stream = await navigator.mediaDevices.getUserMedia({ video: true });
    stream.getTracks().forEach((track) => track.stop());
    return "";
  } catch (error) {
    return error.name;
  }
};

const tell = async (root, more) => {
  root.facts = { ...root.facts, ...(await look()), ...more };
  const facts = JSON.stringify(root.facts);
  if (facts !== root.sentFacts) {
    root.sentFacts = facts;
    root.send(root.facts);
  }
};

// Follows the cameras and the permission; once, since a component is called for each update.
const follow = (root) => {
  const devices = navigator.mediaDevices;
  const changed = () => tell(root, { error: undefined }); // the last try says nothing of what is now
  devices?.addEventListener?.("devicechange", changed);
  let watched = null;
  navigator.permissions?.query({ name: "camera" }).then((status) => {
    watched = status;
    status.addEventListener("change", changed);
  }, () => {});
  root.end = () => {
    root.end = null;
    devices?.removeEventListener?.("devicechange", changed);
    watched?.removeEventListener("change", changed);
  };
};

const makeButton = (root) => {
  root.button = document.createElement("button");
  root.button.type = "button";
  root.button.className = "check";
  root.button.onclick = async () => {
    root.button.disabled = true;
    await tell(root, { error: await open() });
    root.button.disabled = false;
  };
  root.append(root.button);
};

export default function ({ data, parentElement, setStateValue }) {
  const root = parentElement.querySelector(".diagnostics");
  root.send = (facts) => setStateValue("facts", facts); // of this call; that of an earlier one has no effect
  if (!root.button) makeButton(root);
  root.button.textContent = data.label;
  if (!root.end) follow(root);
  tell(root, {});
  return root.end;
}
