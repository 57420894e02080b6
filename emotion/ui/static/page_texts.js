// Replaces texts that Streamlit writes itself, also those of elements that come later. Only the content of text nodes
// and attributes changes, which React leaves alone until the text becomes another one.

const ATTRIBUTES = ["aria-label", "title", "placeholder"];
// Where Streamlit writes text of its own; elsewhere the same word may be the name of something.
const AREAS = [
  ...["stFileUploader", "stFileUploaderDropzone", "stStatusWidget", "stElementToolbar", "stTooltipContent"],
  ...["InputInstructions", "stMainMenuPopover", "stMainMenuList", "stCameraInput", "stTooltipErrorContent"],
].map((name) => `[data-testid=${name}]`).join() + ", [role=listbox], a[href^='#']";

const escape = (text) => text.replace(/[.*+?^$()|[\]\\/-]/g, "\\$&");

// Make a rule of two texts with at most one field in braces, which stands for any text.
function makeRule([from, to]) {
  const field = from.match(/\{\w+\}/)?.[0];
  if (!field) return { from, replace: () => to };
  const [start, end] = from.split(field).map(escape);
  const pattern = new RegExp(`^${start}([^]+)${end}$`);
  return { pattern, replace: (text) => to.replace(field, () => text.match(pattern)[1]) };
}

function makeTranslator(pairs) {
  const rules = pairs.map(makeRule);
  const exact = new Map(rules.filter((rule) => rule.from).map((rule) => [rule.from, rule]));
  const patterns = rules.filter((rule) => rule.pattern);
  return (text) => {
    const trimmed = text.trim();
    const rule = trimmed && (exact.get(trimmed) ?? patterns.find(({ pattern }) => pattern.test(trimmed)));
    return rule ? rule.replace(trimmed) : text;
  };
}

function translateText(node, translate) {
  if (!node.parentElement?.closest(AREAS)) return;
  const text = translate(node.data);
  if (text !== node.data) node.data = text;
}

function translateAttributes(element, translate) {
  for (const name of ATTRIBUTES) {
    const text = element.getAttribute(name);
    const translated = text && translate(text);
    if (translated !== text) element.setAttribute(name, translated);
  }
}

function translateTree(node, translate) {
  if (node.nodeType === Node.TEXT_NODE) return translateText(node, translate);
  if (node.nodeType !== Node.ELEMENT_NODE) return;
  const walker = document.createTreeWalker(node, NodeFilter.SHOW_ELEMENT | NodeFilter.SHOW_TEXT);
  for (let each = node; each; each = walker.nextNode()) {
    if (each.nodeType === Node.TEXT_NODE) translateText(each, translate);
    else translateAttributes(each, translate);
  }
}

function start(pairs) {
  const translate = makeTranslator(pairs);
  translateTree(document.body, translate);
  const observer = new MutationObserver((mutations) => {
    for (const { type, target, addedNodes } of mutations) {
      if (type === "childList") addedNodes.forEach((node) => translateTree(node, translate));
      else if (type === "attributes") translateAttributes(target, translate);
      else translateText(target, translate);
    }
  });
  observer.observe(document.body, {
    childList: true, characterData: true, subtree: true, attributes: true, attributeFilter: ATTRIBUTES,
  });
  return () => {
    observer.disconnect();
    translateTree(document.body, makeTranslator(pairs.map(([from, to]) => [to, from])));
  };
}

export default function ({ data, parentElement }) {
  const root = parentElement.querySelector(".page_texts");
  const fingerprint = JSON.stringify(data.texts);
  if (root.fingerprint !== fingerprint) {
    root.stop?.();
    root.fingerprint = fingerprint;
    root.stop = start(Object.entries(data.texts));
  }
  return () => {
    root.stop?.();
    root.stop = root.fingerprint = null;
  };
}
