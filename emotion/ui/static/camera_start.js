// Presses the button of the camera component once, as soon as its frame shows it. The component has an option that
// starts it, but with a camera it then connects twice and stays without an image.

const INTERVAL_MS = 100;
const TIMEOUT_MS = 15000;

const findButton = (label) => {
  for (const frame of document.querySelectorAll("iframe[title*=webrtc]")) {
    for (const button of frame.contentDocument?.querySelectorAll("button:not([disabled])") ?? []) {
      if (button.textContent.trim().toLowerCase() === label.toLowerCase()) return button;
    }
  }
  return null;
};

export default function ({ data, setTriggerValue }) {
  const end = Date.now() + TIMEOUT_MS;
  const timer = setInterval(() => {
    const button = findButton(data.label);
    if (!button && Date.now() < end) return;
    clearInterval(timer);
    button?.click();
    setTriggerValue("done", true);
  }, INTERVAL_MS);
  return () => clearInterval(timer);
}
