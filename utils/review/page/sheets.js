// The sheets over the stage: help, overview, why a photo is skipped, and the last page.

import { frame } from "./geometry.js";
import { HELP } from "./keys.js";
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

/** [state, how many images] for each state that there is. */
export function counted(batch) {
  const states = Map.groupBy(batch.images, stateOf);
  return Object.keys(STATES).filter((state) => states.has(state))
    .map((state) => [state, states.get(state).length]);
}

/** Show a sheet with these children in its parts of that class. */
function show(id, parts) {
  const sheet = find(id);
  for (const [name, children] of Object.entries(parts)) {
    for (const part of sheet.querySelectorAll(`.${name}`)) {
      part.replaceChildren(...[children].flat());
    }
  }
  document.querySelector("dialog[open]")?.close();
  sheet.showModal();
  return sheet;
}

export function help() {
  const columns = HELP.map(([title, rows]) => {
    const lines = rows.map(([keys, does]) => {
      const shown = keys.map((key) => el("kbd", {}, key));
      return el("div", {}, el("dt", {}, ...shown), el("dd", {}, does));
    });
    return el("section", {}, el("h2", {}, title), el("dl", {}, ...lines));
  });
  show("help", { columns });
}

/** Three answers; `choose` gets what becomes of the photo. */
export function skip(again, choose) {
  const unusable = again ? "leave it out of this review" : "nobody gets it again";
  const sheet = show("skip", { unusable });
  const answers = [...sheet.querySelectorAll("button[value]")];
  sheet.onkeydown = ({ key }) => answers[Number(key) - 1]?.click();
  for (const answer of answers) {
    answer.onclick = () => {
      sheet.close();
      choose(answer.value);
    };
  }
  answers[0].focus();
}

/** All photos, small, with what became of them. */
export function overview(batch, go) {
  const cards = batch.images.map((image, place) => card(batch, image, place, () => {
    find("overview").close();
    go(place);
  }));
  const counts = counted(batch).map(([state, number]) => chip(state, `${number} ${STATES[state]}`));
  const sheet = show("overview", { counts, cards });
  sheet.onkeydown = (event) => walk(event, cards);
  cards[batch.index].focus();
}

const chip = (state, words) => el("span", { class: `chip ${state}` }, words);

function card(batch, image, place, click) {
  const state = stateOf(image);
  const photo = el("img", { src: `small/${batch.number}/${place}`, loading: "lazy", alt: "" });
  const boxes = image.boxes.map((box) => {
    const rectangle = svg("rect", frame(box, image));
    rectangle.style.stroke = batch.kind(box.tag).color;
    return rectangle;
  });
  const drawing = svg("svg", { viewBox: `0 0 ${image.width} ${image.height}` }, ...boxes);
  const small = el("span", { class: "small" }, photo, drawing);
  small.style.aspectRatio = `${image.width} / ${image.height}`;
  small.style.width = `min(100%, ${8 * image.width / image.height}rem)`;
  const count = image.boxes.length ? many(image.boxes.length, "box", "boxes") : "";
  const about = [`photo ${place + 1}`, STATES[state], count].filter(Boolean).join(", ");
  const current = String(place === batch.index);
  return el(
    "button",
    { class: "card", title: image.name, "aria-label": about, "aria-current": current, click },
    el("span", { class: "frame" }, small),
    el("span", { class: "line" }, place + 1, chip(state, STATES[state])),
    el("small", {}, count),
  );
}

/** Arrow keys among cards that lie in rows. */
function walk(event, cards) {
  const at = cards.indexOf(document.activeElement);
  const across = cards.filter((one) => one.offsetTop === cards[0].offsetTop).length;
  const steps = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -across, ArrowDown: across };
  if (at < 0 || !(event.key in steps)) return;
  event.preventDefault();
  cards[at + steps[event.key]]?.focus();
}

/** What will be uploaded, the upload, and the next batch. */
export function last(batch, end) {
  const at = (...states) => batch.images.filter((image) => states.includes(stateOf(image)));
  const sent = at("reviewed", "empty");
  const boxes = sent.reduce((sum, image) => sum + image.boxes.length, 0);
  const empty = at("empty").length;
  const unusable = batch.again ? "out of this review" : "nobody gets them again";
  const rows = [
    [sent, ` with ${many(boxes, "box", "boxes")}`, empty ? ` ${empty} of them: nothing there` : ""],
    [at("give_back"), "", " given back"],
    [at("unusable"), "", ` unusable: ${unusable}`],
  ].filter(([images]) => images.length);
  const sending = rows.map(([images, what, more]) =>
    el("li", {}, el("b", {}, many(images.length, "photo"), what), more));

  const open = at("open", "begun", "later");
  const sheet = show("last", {
    title: open.length ? "So far" : "All photos are done",
    what: rows.length ? "This will be uploaded:" : "Nothing to upload yet.",
    sending,
    count: many(open.length, "photo"),
    discarded: many(open.length, "photo"),
    result: [],
  });
  for (const part of sheet.querySelectorAll(".remaining")) part.hidden = !open.length;
  sheet.querySelector(".next").hidden = true;

  const [upload, fetch] = [find("upload"), find("fetch")];
  upload.hidden = !rows.length;
  upload.onclick = () => busy(upload, find("uploaded"), "uploading…", async () => {
    await batch.saved();
    const answer = await ask("upload", {}, Infinity);
    sheet.querySelector(".next").hidden = answer.error !== undefined;
    return answer;
  });
  find("wanted").value = batch.next;
  fetch.onclick = () => busy(fetch, find("fetched"), "choosing and fetching…", async () => {
    const count = Math.max(1, Number(find("wanted").value) || 1);
    const answer = await ask("next", { count, discard: find("discard").checked }, Infinity);
    if (answer.error === undefined) location.reload();
    return answer;
  });
  find("enough").onclick = end;
  find("stay").onclick = () => sheet.close();
  (rows.length ? upload : find("stay")).focus();
}

/** Do what takes a while, and show what came of it. */
async function busy(button, result, words, does) {
  button.disabled = true;
  result.textContent = words;
  const { lines = [], error } = await does().catch(({ message }) => ({ error: message }));
  const said = error === undefined ? lines : [...lines, error];
  const kind = error === undefined ? "" : "wrong";
  result.replaceChildren(el("pre", { class: kind }, said.join("\n")));
  button.disabled = false;
}
