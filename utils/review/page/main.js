// The page: what can be done, and what is shown round the photo.

import { Batch } from "./batch.js";
import { Editor } from "./boxes.js";
import { Classes } from "./classes.js";
import { meaning } from "./keys.js";
import * as sheets from "./sheets.js";
import { ask, find, tell } from "./tools.js";
import { View } from "./view.js";

const IDLE = 30000; // ms without a key or a pointer: the person is elsewhere
const BEAT = 5000; // ms between signs of life
const STEP = 60; // pixels of the window that an arrow key pans
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

const root = document.documentElement;
const stage = find("stage");
const back = () => stage.focus({ preventScroll: true });
const batch = new Batch(await ask("batch"));
const view = new View();
const editor = new Editor(batch, view);
const classes = new Classes(batch, editor, back);

const does = {
  next: () => view.loaded && decide({ state: "reviewed" }),
  empty: () => view.loaded && decide({ state: "reviewed", boxes: [] }),
  skip: () => sheets.skip(batch.again, (then) => decide({ state: "skipped", then })),
  back: () => go(batch.index - 1),
  ahead: () => go(batch.index + 1),
  undo: () => batch.undo(),
  redo: () => batch.redo(),
  create: () => view.loaded && editor.create(),
  remove: () => editor.remove(),
  find: () => classes.find(),
  zoomIn: () => view.zoom(1.4),
  zoomOut: () => view.zoom(1 / 1.4),
  fit: () => view.fit(),
  hide() {
    editor.hidden = stage.classList.toggle("bare");
    find("hide").ariaPressed = editor.hidden;
  },
  lighter: () => turn("brightness", 0.2),
  darker: () => turn("brightness", -0.2),
  sharper: () => turn("contrast", 0.2),
  softer: () => turn("contrast", -0.2),
  plain() {
    find("brightness").value = find("contrast").value = 1;
    view.light();
  },
  overview: () => sheets.overview(batch, go),
  finish: () => sheets.last(batch, end),
  theme() {
    root.dataset.theme = root.dataset.theme === "dark" ? "light" : "dark";
    localStorage.setItem("theme", root.dataset.theme);
  },
  help: () => sheets.help(),
};

function decide(changed) {
  const { state, then } = { then: "", ...changed };
  const { image } = batch;
  if (changed.boxes || image.state !== state || image.then !== then) {
    batch.change({ then, ...changed });
  }
  if (!go(batch.index + 1)) does.finish();
}

/** Look at the photo of this number, if there is one. */
function go(index) {
  const known = index in batch.images;
  if (known) batch.go(index);
  return known;
}

function turn(name, step) {
  find(name).value = Number(find(name).value) + step;
  view.light();
}

async function end() {
  await batch.saved();
  await ask("end", {}).catch(() => {});
  batch.end();
  timers.forEach(clearInterval);
  document.body.replaceChildren("The program has ended. You may close this window.");
}

function arrow({ key, ctrlKey, shiftKey }) {
  const [dx, dy] = ARROWS[key];
  const step = ctrlKey ? 1 : Math.max(1, Math.round(6 / view.scale));
  if (editor.box) editor.nudge(dx * step, dy * step, shiftKey);
  else view.pan(-dx * STEP, -dy * STEP);
}

function pressed(event) {
  const { key, target } = event;
  if (event.altKey || document.querySelector("dialog[open]")) return;
  if (target.matches("input")) {
    if (key === "Escape") back();
    return;
  }
  if (editor.dragging) {
    if (key === "Escape") editor.cancel();
    return;
  }
  if (target.matches("button") && (key === " " || key === "Enter")) return;
  if (key in ARROWS) arrow(event);
  else if (key === "Escape") editor.select(null);
  else if (/^\d$/.test(key) && !event.ctrlKey && !event.metaKey) classes.digit(key);
  else if (meaning(event)) does[meaning(event)]();
  else return;
  event.preventDefault();
}

const decided = ({ state }) => state !== "open";
const photo = (index) => `photo/${batch.number}/${index}`;

/** Another photo is looked at. */
function went() {
  const { image, index } = batch;
  editor.cancel();
  editor.select(null, false);
  tell("");
  view.show(photo(index), image);
  if (index + 1 < batch.images.length) new Image().src = photo(index + 1); // it will be there
  shown();
  back();
}

/** The boxes, the classes, and what is shown round the photo. */
function shown() {
  const { image, images, index } = batch;
  const state = sheets.stateOf(image);
  editor.draw();
  classes.draw();
  find("place").textContent = `${index + 1} / ${images.length}`;
  Object.assign(find("name"), { textContent: image.name, title: image.name });
  Object.assign(find("why"), { textContent: image.why, hidden: !image.why });
  Object.assign(find("state"), { textContent: sheets.STATES[state], className: `chip ${state}` });
  Object.assign(find("progress"), { max: images.length, value: images.filter(decided).length });
  clock();
}

function clock() {
  const sum = (images) => Math.round(images.reduce((all, image) => all + image.seconds, 0));
  const done = batch.images.filter(decided);
  const all = sum(batch.images);
  const time = `${Math.floor(all / 60)}:${String(all % 60).padStart(2, "0")}`;
  const pace = done.length ? `, ${Math.round(sum(done) / done.length)} s a photo` : "";
  find("clock").textContent = `${done.length} done, ${time}${pace}`;
}

function saving() {
  const lost = batch.reached === false;
  const words = lost ? "NOT SAVED" : batch.unsaved ? "saving…" : "saved";
  Object.assign(find("saving"), { textContent: words, className: lost ? "wrong" : "" });
  const kept = batch.unsaved ? " What you did last is not saved yet." : "";
  const next = batch.why === "the program has ended"
    ? "Start it again as before, and this window goes on by itself."
    : "It is tried again and again.";
  const banner = `NOT SAVED: ${batch.why}.${kept} ${next}`;
  Object.assign(find("banner"), { textContent: lost ? banner : "", hidden: !lost });
}

function elsewhere({ detail: { index, mine } }) {
  const undo = mine ? " Undo (Z) brings back what you did." : "";
  tell(`Photo ${index + 1} was changed in another window; you see what is saved there.${undo}`);
}

let active = performance.now();
let counted = active;

/** Seconds count while the window has the focus and something happens. */
function tick() {
  const now = performance.now();
  const seconds = Math.min((now - counted) / 1000, 2);
  counted = now;
  if (!document.hasFocus() || document.hidden || now - active > IDLE) return;
  batch.image.owed += seconds;
  batch.image.seconds += seconds;
  clock();
}

batch.addEventListener("went", went);
batch.addEventListener("changed", shown);
batch.addEventListener("saving", saving);
batch.addEventListener("elsewhere", elsewhere);
editor.addEventListener("selected", () => classes.draw());
for (const name of ["pointerdown", "pointermove", "wheel", "keydown"]) {
  window.addEventListener(name, () => (active = performance.now()), { passive: true });
}
window.addEventListener("keydown", pressed);
window.addEventListener("pagehide", () => batch.look());
window.addEventListener("beforeunload", (event) => batch.unsaved && event.preventDefault());
for (const button of document.querySelectorAll("[data-does]")) {
  button.addEventListener("click", (event) => {
    if (event.detail) back(); // a pointer: the keys are the photo's again
    does[button.dataset.does]();
  });
}
find("look").addEventListener("input", () => view.light());
for (const sheet of document.querySelectorAll("dialog")) sheet.addEventListener("close", back);

const dark = matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
root.dataset.theme = localStorage.getItem("theme") ?? dark;
const timers = [setInterval(tick, 1000), setInterval(() => batch.look(), BEAT)];
batch.go(batch.index);
