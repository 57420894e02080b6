// The picture of a camera and a button that takes a photo, which the component photo_input gives to the uploader.
// Text is only ever set by textContent, so that none of it is run as markup.

const make = (tag, className, text) => {
  const node = document.createElement(tag);
  node.className = className;
  if (text !== undefined) node.textContent = text;
  return node;
};

const JPEG_QUALITY = 0.95;
const SIZE = { width: { ideal: 1920 }, height: { ideal: 1080 } };

function take(video) {
  const canvas = document.createElement("canvas");
  canvas.width = video.videoWidth;
  canvas.height = video.videoHeight;
  canvas.getContext("2d").drawImage(video, 0, 0);
  const time = new Date().toTimeString().slice(0, 8).replaceAll(":", "-");
  canvas.toBlob(
    (blob) => {
      const file = new File([blob], `camera ${time}.jpg`, { type: "image/jpeg" });
      document.dispatchEvent(new CustomEvent("emotion-photo", { detail: file }));
    },
    "image/jpeg",
    JPEG_QUALITY,
  );
}

export default function ({ data, parentElement }) {
  const root = parentElement.querySelector(".camera_shot");
  const texts = data.texts;
  const stop = () => root.stream?.getTracks().forEach((track) => track.stop());
  if (root.video) return stop;
  const video = (root.video = make("video", "picture"));
  video.autoplay = video.muted = video.playsInline = true;
  const note = make("div", "note", texts.wait);
  note.setAttribute("role", "status");
  const takeButton = make("button", "take", texts.take);
  const switchButton = make("button", "switch", texts.switch);
  takeButton.type = switchButton.type = "button";
  takeButton.disabled = true;
  switchButton.hidden = true;
  const buttons = make("div", "buttons");
  buttons.append(takeButton, switchButton);
  root.replaceChildren(video, note, buttons);

  const start = async (camera) => {
    stop();
    takeButton.disabled = true;
    if (!navigator.mediaDevices?.getUserMedia) return (note.textContent = texts.insecure);
    try {
      root.stream = await navigator.mediaDevices.getUserMedia({ video: { ...SIZE, ...camera } });
    } catch (error) {
      return (note.textContent = error.name === "NotAllowedError" ? texts.denied : texts.missing);
    }
    if (!root.isConnected) return stop(); // closed meanwhile
    video.srcObject = root.stream;
    await video.play();
    note.textContent = "";
    takeButton.disabled = false;
    takeButton.focus();
    const current = root.stream.getVideoTracks()[0].getSettings();
    // A camera that looks at its user is a mirror; the photo itself is not mirrored.
    video.classList.toggle("mirrored", current.facingMode !== "environment");
    const cameras = (await navigator.mediaDevices.enumerateDevices()).filter((device) => device.kind === "videoinput");
    switchButton.hidden = cameras.length < 2;
    const next = (cameras.findIndex((device) => device.deviceId === current.deviceId) + 1) % cameras.length;
    switchButton.onclick = () => start({ deviceId: { exact: cameras[next].deviceId } });
  };
  takeButton.onclick = () => take(video);
  start({ facingMode: "user" });
  return stop;
}
