// The list of classes: digits for the first ten, typing for more.

import { color } from "./boxes.js";
import { el, find, tell } from "./tools.js";

const TEN = 10;
const plain = (text) => text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();

export class Classes {
  #filter = find("filter");
  #list = find("classes");

  constructor(batch, editor, back) {
    Object.assign(this, { batch, editor, back });
    this.#filter.addEventListener("input", () => this.draw());
    this.#filter.addEventListener("keydown", (event) => this.#typed(event));
    editor.addEventListener("selected", () => this.draw());
    batch.addEventListener("changed", () => this.draw());
    batch.addEventListener("went", () => this.draw());
  }

  /** The class of a digit key: 1 is the first one, 0 the tenth. */
  digit(key) {
    const known = this.batch.classes[key === "0" ? TEN - 1 : Number(key) - 1];
    if (known) this.editor.give(known.tag);
  }

  find() {
    this.#filter.hidden = false;
    this.#filter.focus();
    this.#filter.select();
  }

  draw() {
    const { classes, image } = this.batch;
    const found = this.#found();
    const sought = this.#sought;
    this.#filter.hidden = classes.length <= TEN && document.activeElement !== this.#filter;
    const rows = found.map((known) => this.#row(known, image.boxes));
    if (sought && !classes.some(({ name }) => name === sought)) rows.push(this.#unknown(sought));
    this.#list.replaceChildren(...rows);
    this.#list.querySelector("[aria-checked=true]")?.scrollIntoView({ block: "nearest" });
  }

  get #sought() {
    return this.#filter.value.trim().replace(/\s+/g, " ");
  }

  /** The row that makes a class of what was typed. */
  #unknown(name) {
    const words = el("span", { class: "name" }, `New class: ${name}`);
    return el("button", { id: "unknown", click: () => this.#create(name) }, words);
  }

  async #create(name) {
    try {
      this.#choose(await this.batch.addClass(name));
    } catch (error) {
      tell(error.message);
    }
  }

  #found() {
    const sought = plain(this.#sought);
    const { classes } = this.batch;
    const starts = classes.filter(({ name }) => plain(name).startsWith(sought));
    return [...new Set([...starts, ...classes.filter(({ name }) => plain(name).includes(sought))])];
  }

  #row({ tag, name }, boxes) {
    const place = this.batch.classes.findIndex((known) => known.tag === tag);
    const count = boxes.filter((box) => box.tag === tag).length;
    const swatch = el("span", { class: "swatch" });
    swatch.style.background = color(place);
    const digit = place < TEN ? el("kbd", {}, String((place + 1) % TEN)) : "";
    return el(
      "button",
      {
        role: "radio",
        "aria-checked": String(tag === this.editor.tag),
        click: () => this.#choose(tag),
      },
      swatch,
      el("span", { class: "name" }, name),
      el("span", { class: "count" }, count ? String(count) : ""),
      digit,
    );
  }

  #choose(tag) {
    this.editor.give(tag);
    this.#filter.value = "";
    this.back();
    this.draw();
  }

  #typed(event) {
    event.stopPropagation();
    const [first] = this.#found();
    if (event.key === "Enter" && first) this.#choose(first.tag);
    else if (event.key === "Enter" && this.#sought) this.#create(this.#sought);
    if (event.key === "Escape") {
      this.#filter.value = "";
      this.back();
      this.draw();
    }
  }
}
