// The page: which key does what, and what is shown round the photo.

import { Batch } from "./batch.js";
import { Editor } from "./boxes.js";
import { Classes } from "./classes.js";
import * as sheets from "./sheets.js";
import { ask, find, minutes, tell } from "./tools.js";
import { View } from "./view.js";

const IDLE = 30; // seconds without a key or a pointer: the person is elsewhere
const BEAT = 5000; // ms between signs of life
const STEP = 60; // pixels of the window that an arrow key pans

const stage = find("stage");
const back = () => stage.focus({ preventScroll: true });
const batch = new Batch(await ask("batch"));
const view = new View();
const editor = new Editor(batch, view);
const classes = new Classes(batch, editor, back);
editor.tag = batch.classes[0]?.tag ?? "";

const does = {
  next() {
    if (!view.loaded) return;
    if (batch.image.state !== "reviewed") batch.change({ state: "reviewed", then: "" });
    onward();
  },
  empty() {
    if (!view.loaded) return;
    batch.change({ state: "reviewed", then: "", boxes: [] });
    onward();
  },
  skip() {
    sheets.skip(batch.again, (then) => {
      batch.change({ state: "skipped", then });
      onward();
    });
  },
  back: () => batch.index > 0 && batch.go(batch.index - 1),
  ahead: () => batch.index < batch.images.length - 1 && batch.go(batch.index + 1),
  undo: () => batch.undo(),
  redo: () => batch.redo(),
  create: () => view.loaded && editor.create(),
  remove: () => editor.remove(),
  find: () => classes.find(),
  zoomIn: () => view.zoom(1.4),
  zoomOut: () => view.zoom(1 / 1.4),
  fit: () => view.fit(),
  hide: () => hide(!editor.hidden),
  lighter: () => turn("brightness", 0.2),
  darker: () => turn("brightness", -0.2),
  sharper: () => turn("contrast", 0.2),
  softer: () => turn("contrast", -0.2),
  plain() {
    find("brightness").value = find("contrast").value = 1;
    view.light();
  },
  overview: () => sheets.overview(batch, (place) => batch.go(place)),
  finish: () => sheets.last(batch, (place) => batch.go(place), end),
  theme() {
    theme(document.documentElement.dataset.theme === "dark" ? "light" : "dark");
    localStorage.setItem("theme", document.documentElement.dataset.theme);
  },
  help: () => sheets.help(HELP),
};

// [what it does, keys as events have them, keys as people read them, words]
const KEYS = [
  ["Decide", [
    ["next", [" ", "Enter"], ["Space"], "I have looked at this photo, the boxes are right; next"],
    ["empty", ["e"], ["E"], "nothing is here: all boxes go; next"],
    ["skip", ["s"], ["S"], "skip: I don't know, or the photo is unusable"],
    ["back", ["b", "PageUp"], ["B"], "back, to correct something"],
    ["ahead", ["PageDown"], ["Page ↓"], "look at the next one, without deciding on this one"],
    ["undo", ["z"], ["Z"], "undo, in whatever photo it was"],
    ["redo", ["y"], ["Y"], "redo"],
  ]],
  ["Boxes", [
    [null, [], ["drag"], "draw a box, anywhere (Shift: also inside the selected one)"],
    [null, [], ["click"], "select a box; again: the one behind it"],
    [null, [], ["drag it"], "move the selected box; its corners resize it"],
    ["remove", ["Delete", "Backspace", "x"], ["Del"], "delete the selected box"],
    [null, [], ["1", "…", "9", "0"], "its class, or the class of the next one"],
    ["find", ["c", "/"], ["C"], "find a class by typing, or make a new one"],
    ["create", ["n"], ["N"], "a new box, without a mouse"],
    [null, [], ["Tab"], "through the boxes"],
    [null, [], ["arrows"], "move the selected box; with Shift: resize it; with Ctrl: finely"],
  ]],
  ["Look", [
    [null, [], ["wheel"], "zoom to the pointer"],
    [null, [], ["right drag"], "move the photo (or the arrows)"],
    ["zoomIn", ["+", "="], ["+"], "larger"],
    ["zoomOut", ["-"], ["−"], "smaller"],
    ["fit", ["f"], ["F"], "the whole photo"],
    ["hide", ["h"], ["H"], "hide the boxes, and show them again"],
    ["lighter", ["l"], ["L"], "brighter"],
    ["darker", ["k"], ["K"], "darker"],
    ["sharper", ["m"], ["M"], "more contrast"],
    ["softer", ["j"], ["J"], "less contrast"],
    ["plain", ["r"], ["R"], "the photo as it is"],
  ]],
  ["Batch", [
    ["overview", ["o"], ["O"], "all photos"],
    ["finish", ["u"], ["U"], "what will be uploaded; upload"],
    ["theme", ["d"], ["D"], "dark or light"],
    ["help", ["?"], ["?"], "this sheet"],
  ]],
];
const HELP = KEYS.map(([name, rows]) => [name, rows.map(([, , shown, words]) => [shown, words])]);
const BY_KEY = new Map(
  KEYS.flatMap(([, rows]) => rows.flatMap(([name, keys]) => keys.map((key) => [key, name]))),
);
const AGAIN = new Set(["zoomIn", "zoomOut", "lighter", "darker", "sharper", "softer", "undo", "redo"]);

function onward() {
  if (batch.index < batch.images.length - 1) batch.go(batch.index + 1);
  else does.finish();
}

function hide(hidden) {
  editor.hidden = hidden;
  stage.classList.toggle("bare", hidden);
  find("hide").setAttribute("aria-pressed", String(hidden));
}

function turn(name, step) {
  find(name).value = Number(find(name).value) + step;
  view.light();
}

function theme(name) {
  document.documentElement.dataset.theme = name;
}

async function end() {
  await batch.saved();
  await ask("end", {}).catch(() => {});
  batch.end();
  timers.forEach(clearInterval);
  document.body.replaceChildren("The program has ended. You may close this window.");
}

function arrow(event) {
  const [dx, dy] = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[
    event.key
  ];
  if (editor.box) {
    const step = event.ctrlKey ? 1 : Math.max(1, Math.round(6 / view.scale));
    editor.nudge(dx * step, dy * step, event.shiftKey);
  } else {
    view.pan(-dx * STEP, -dy * STEP);
  }
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
  const control = event.ctrlKey || event.metaKey;
  if (key.startsWith("Arrow")) arrow(event);
  else if (control && key.toLowerCase() === "z") does[event.shiftKey ? "redo" : "undo"]();
  else if (control && key.toLowerCase() === "y") does.redo();
  else if (control || (target.matches("button") && (key === " " || key === "Enter"))) return;
  else if (key === "Escape") editor.select(null);
  else if (/^\d$/.test(key)) classes.digit(key);
  else {
    const name = BY_KEY.get(key.length === 1 ? key.toLowerCase() : key);
    if (!name) return;
    if (!event.repeat || AGAIN.has(name)) does[name]();
  }
  event.preventDefault();
}

const photo = (index) => `photo/${batch.number}/${index}`;

/** Another photo is looked at. */
function went() {
  const { image, index } = batch;
  editor.cancel();
  editor.select(null, false);
  tell("");
  view.show(photo(index), image.width, image.height);
  if (index + 1 < batch.images.length) new Image().src = photo(index + 1); // it will be there
  editor.draw();
  round();
  back();
}

/** What is shown round the photo. */
function round() {
  const { image, images, index } = batch;
  const state = sheets.stateOf(image);
  find("place").textContent = `${index + 1} / ${images.length}`;
  find("name").textContent = image.name;
  find("name").title = image.name;
  Object.assign(find("why"), { textContent: image.why, hidden: !image.why });
  Object.assign(find("state"), { textContent: sheets.STATES[state], className: `chip ${state}` });
  const parts = sheets.counted(batch).map(([name, count]) => {
    const part = document.createElement("i");
    part.className = name;
    part.style.flexGrow = count;
    return part;
  });
  find("progress").replaceChildren(...parts);
  clock();
}

function clock() {
  const done = batch.images.filter(({ state }) => state !== "open");
  const all = batch.images.reduce((sum, image) => sum + image.seconds, 0);
  const spent = done.reduce((sum, image) => sum + image.seconds, 0);
  const pace = done.length ? `, ${Math.round(spent / done.length)} s a photo` : "";
  find("clock").textContent = `${done.length} done, ${minutes(all)}${pace}`;
}

function saving() {
  const lost = batch.reached === false;
  const words = lost ? "NOT SAVED" : batch.unsaved ? "saving…" : "saved";
  Object.assign(find("saving"), { textContent: words, className: lost ? "wrong" : "" });
  find("banner").hidden = !lost;
  if (!lost) return;
  const again = "Start it again as before, and this window goes on by itself.";
  const kept = batch.unsaved ? "What you did last is not saved yet. " : "";
  find("banner").textContent = `NOT SAVED: ${batch.why}. ${kept}${
    batch.why === "the program has ended" ? again : "It is tried again and again."}`;
}

function elsewhere({ detail: { index, mine } }) {
  const undo = mine ? " Undo (Z) brings back what you did." : "";
  tell(`Photo ${index + 1} was changed in another window; you see what is saved there.${undo}`);
}

let active = performance.now();
let counted = performance.now();

/** Seconds count while the window has the focus and something happens. */
function tick() {
  const now = performance.now();
  const seconds = Math.min((now - counted) / 1000, 2);
  counted = now;
  if (!document.hasFocus() || document.hidden || now - active > IDLE * 1000) return;
  batch.image.owed += seconds;
  batch.image.seconds += seconds;
  clock();
}

batch.addEventListener("went", went);
batch.addEventListener("changed", round);
batch.addEventListener("saving", saving);
batch.addEventListener("elsewhere", elsewhere);
batch.addEventListener("told", ({ detail: { said } }) => tell(said));
view.addEventListener("missing", () => {
  tell("This photo cannot be shown; its file is gone or damaged.");
});
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
for (const name of ["brightness", "contrast"]) {
  find(name).addEventListener("input", () => view.light());
}
for (const sheet of document.querySelectorAll("dialog")) sheet.addEventListener("close", back);

const dark = matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
theme(localStorage.getItem("theme") ?? dark);
const timers = [setInterval(tick, 1000), setInterval(() => batch.look(), BEAT)];
batch.go(batch.index);
