// The sheets over the stage: help, overview, why a photo is skipped, and the last page.

import { color } from "./boxes.js";
import { ask, el, find, many, svg } from "./tools.js";

export const STATES = {
  reviewed: "reviewed",
  empty: "nothing there",
  later: "skipped for now",
  give_back: "given back",
  unusable: "unusable",
  begun: "begun",
  open: "not looked at",
};

/** What became of an image, as a word of STATES. */
export function stateOf({ state, then, boxes, revision, begun }) {
  if (state === "reviewed") return boxes.length ? "reviewed" : "empty";
  if (state === "skipped") return then || "later";
  return revision || begun ? "begun" : "open";
}

const title = (text) => el("h1", {}, text);
const closer = () => el("form", { method: "dialog" }, el("button", { class: "icon" }, "✕"));

function show(id, ...content) {
  const sheet = find(id);
  sheet.replaceChildren(closer(), ...content);
  if (!sheet.open) sheet.showModal();
  return sheet;
}

/** `groups`: [title, [[keys, what they do]…]]. */
export function help(groups) {
  const lists = groups.map(([name, rows]) => {
    const lines = rows.map(([keys, does]) => {
      const shown = keys.map((key) => el("kbd", {}, key));
      return el("div", {}, el("dt", {}, ...shown), el("dd", {}, does));
    });
    return el("section", {}, el("h2", {}, name), el("dl", {}, ...lines));
  });
  show("help", title("Keys"), el("div", { class: "columns" }, ...lists));
}

/** Three answers; `choose` gets what becomes of the photo. */
export function skip(again, choose) {
  const unusable = again ? "leave it out of this review" : "nobody gets it again";
  const answers = [
    ["", "I don't know yet", "it stays reserved for you, and you come back to it"],
    ["give_back", "I don't know", "give it back: somebody else may know"],
    ["unusable", "Unusable", `too dark, blurred, broken: ${unusable}`],
  ];
  const buttons = answers.map(([then, name, what], place) => el(
    "button",
    { click: () => { sheet.close(); choose(then); } },
    el("kbd", {}, String(place + 1)),
    el("span", {}, el("b", {}, name), el("small", {}, what)),
  ));
  const sheet = show("skip", title("Skip this photo"), el("div", { class: "answers" }, ...buttons));
  sheet.onkeydown = ({ key }) => buttons[Number(key) - 1]?.click();
  buttons[0].focus();
}

/** All photos, small, with what became of them. */
export function overview(batch, go) {
  const cards = batch.images.map((image, place) => {
    const state = stateOf(image);
    const photo = el("img", { src: `small/${batch.number}/${place}`, loading: "lazy", alt: "" });
    const boxes = svg("svg", { viewBox: "0 0 1 1", preserveAspectRatio: "none" });
    for (const box of image.boxes) boxes.append(small(box, batch));
    const shape = el("span", { class: "small" }, photo, boxes);
    shape.style.aspectRatio = `${image.width} / ${image.height}`;
    shape.style.width = `min(100%, ${8 * image.width / image.height}rem)`;
    const label = el("span", { class: `chip ${state}` }, STATES[state]);
    const count = image.boxes.length ? many(image.boxes.length, "box", "boxes") : "";
    const about = `photo ${place + 1}, ${STATES[state]}${count && `, ${count}`}`;
    const attributes = { class: "card", "aria-label": about, title: image.name };
    if (place === batch.index) attributes["aria-current"] = "true";
    attributes.click = () => { sheet.close(); go(place); };
    return el("button", attributes, el("span", { class: "frame" }, shape),
      el("span", { class: "line" }, String(place + 1), label), el("small", {}, count));
  });
  const counts = counted(batch).map(([state, number]) =>
    el("span", { class: `chip ${state}` }, `${number} ${STATES[state]}`));
  const sheet = show("overview", title("Overview"), el("p", { class: "row" }, ...counts),
    el("div", { class: "cards" }, ...cards));
  sheet.onkeydown = (event) => walk(event, cards);
  cards[batch.index].focus();
}

function small({ tag, xmin, xmax, ymin, ymax }, batch) {
  const number = batch.classes.findIndex((known) => known.tag === tag);
  const rect = svg("rect", { x: xmin, y: ymin, width: xmax - xmin, height: ymax - ymin });
  rect.style.stroke = color(number);
  return rect;
}

/** Arrow keys among cards that lie in rows. */
function walk(event, cards) {
  const at = cards.indexOf(document.activeElement);
  const across = cards.filter((card) => card.offsetTop === cards[0].offsetTop).length;
  const steps = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -across, ArrowDown: across };
  if (at < 0 || !(event.key in steps)) return;
  event.preventDefault();
  cards[at + steps[event.key]]?.focus();
}

export function counted(batch) {
  const states = batch.images.map(stateOf);
  const numbers = Object.keys(STATES).map((state) =>
    [state, states.filter((one) => one === state).length]);
  return numbers.filter(([, number]) => number);
}

/** What will be uploaded, the upload, and the next batch. */
export function last(batch, go, end) {
  const images = batch.images;
  const at = (...states) => images.filter((image) => states.includes(stateOf(image)));
  const sent = at("reviewed", "empty");
  const boxes = sent.reduce((sum, image) => sum + image.boxes.length, 0);
  const rows = [
    [sent.length, `${many(sent.length, "photo")} with ${many(boxes, "box", "boxes")}`,
      at("empty").length ? `${at("empty").length} of them: nothing there` : ""],
    [at("give_back").length, many(at("give_back").length, "photo"), "given back"],
    [at("unusable").length, many(at("unusable").length, "photo"),
      batch.again ? "unusable: out of this review" : "unusable: nobody gets them again"],
  ].filter(([number]) => number);
  const list = rows.map(([, what, more]) => el("li", {}, el("b", {}, what), " ", more));
  const open = at("open", "begun", "later");

  const upload = el("button", { class: "main" }, "Upload");
  const result = el("div", { class: "result", "aria-live": "polite" });
  upload.addEventListener("click", () => send(batch, upload, result, open.length, end));
  const sheet = show(
    "last",
    title(open.length ? "So far" : "All photos are done"),
    rows.length ? el("p", {}, "This will be uploaded:") : el("p", {}, "Nothing to upload yet."),
    el("ul", {}, ...list),
    ...(open.length ? [left(images, open, go)] : []),
    el("p", { class: "row" }, ...(rows.length ? [upload] : []),
      el("button", { click: () => sheet.close() }, "Back to the photos")),
    result,
  );
  sheet.onkeydown = null;
  if (rows.length) upload.focus();
}

function left(images, open, go) {
  const buttons = open.slice(0, 30).map((image) => {
    const place = images.indexOf(image);
    const name = `${place + 1}: ${STATES[stateOf(image)]}`;
    return el("button", { title: image.name, click: () => { find("last").close(); go(place); } }, name);
  });
  const more = open.length > 30 ? `and ${open.length - 30} more` : "";
  const said = `${many(open.length, "photo")} not counted as reviewed; reserved for you still:`;
  return el("div", { class: "left" }, el("p", {}, said), el("p", { class: "row" }, ...buttons, more));
}

async function send(batch, button, result, open, end) {
  await busy(button, result, "uploading…", async () => {
    await batch.saved();
    const answer = await ask("upload", {}, "POST", 0);
    said(result, answer);
    if (answer.error === undefined) result.append(next(batch, open, end));
  });
}

/** The way to the next batch. */
function next(batch, open, end) {
  const count = el("input", { type: "number", min: 1, max: 100000, value: String(batch.next) });
  const give = el("input", { type: "checkbox" });
  const fetch = el("button", { class: "main" }, "Next photos");
  const result = el("div", { class: "result", "aria-live": "polite" });
  fetch.addEventListener("click", () => busy(fetch, result, "choosing and fetching…", async () => {
    const wanted = { count: Math.max(1, Number(count.value) || 1), discard: give.checked };
    const answer = await ask("next", wanted, "POST", 0);
    said(result, answer);
    if (answer.error === undefined) location.reload();
  }));
  const all = open ? [el("label", { class: "row" }, give,
    ` give ${many(open, "photo")} that I have not reviewed back, with what is drawn there`)] : [];
  return el("div", { class: "next" }, ...all,
    el("p", { class: "row" }, el("label", {}, "How many? ", count), fetch,
      el("button", { click: end }, "Enough for today")), result);
}

async function busy(button, result, words, does) {
  button.disabled = true;
  result.replaceChildren(el("p", {}, words));
  try {
    await does();
  } catch (error) {
    said(result, { error: error.message });
  }
  button.disabled = false;
}

function said(result, { lines = [], error }) {
  const text = [...lines, ...(error === undefined ? [] : [error])].join("\n");
  result.replaceChildren(el("pre", { class: error === undefined ? "" : "wrong" }, text));
}
