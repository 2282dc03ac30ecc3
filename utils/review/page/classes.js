// The list of classes: digits for the first ten, typing for more.

import { el, find, tell } from "./tools.js";

const TEN = 10;
const plain = (text) => text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();

export class Classes {
  #filter = find("filter");
  #list = find("classes");

  constructor(batch, editor, back) {
    Object.assign(this, { batch, editor, back });
    this.#filter.addEventListener("input", () => this.draw());
    this.#filter.addEventListener("keydown", (event) => this.#typed(event.key));
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
    const { classes } = this.batch;
    const name = this.#filter.value.trim().replace(/\s+/g, " ");
    const sought = plain(name);
    const starts = (known) => plain(known.name).startsWith(sought);
    const found = classes.filter((known) => plain(known.name).includes(sought));
    const rows = [...found.filter(starts), ...found.filter((known) => !starts(known))];

    this.#filter.hidden = classes.length <= TEN && document.activeElement !== this.#filter;
    this.#list.replaceChildren(...rows.map((known) => this.#row(known)));
    if (name && !classes.some((known) => known.name === name)) {
      const words = el("span", { class: "name" }, `New class: ${name}`);
      this.#list.append(el("button", { click: () => this.#create(name) }, words));
    }
    this.#list.querySelector("[aria-checked=true]")?.scrollIntoView({ block: "nearest" });
  }

  #row({ tag, name, color }) {
    const { classes, image } = this.batch;
    const place = classes.findIndex((known) => known.tag === tag);
    const count = image.boxes.filter((box) => box.tag === tag).length;
    const checked = String(tag === this.editor.tag);
    const swatch = el("span", { class: "swatch" });
    swatch.style.background = color;
    return el(
      "button",
      { role: "radio", "aria-checked": checked, click: () => this.#choose(tag) },
      swatch,
      el("span", { class: "name" }, name),
      el("span", { class: "count" }, count || ""),
      place < TEN ? el("kbd", {}, (place + 1) % TEN) : "",
    );
  }

  async #create(name) {
    try {
      const { tag, said } = await this.batch.addClass(name);
      this.#choose(tag);
      if (said) tell(said);
    } catch (error) {
      tell(error.message);
    }
  }

  #choose(tag) {
    this.editor.give(tag);
    this.#leave();
  }

  #leave() {
    this.#filter.value = "";
    this.back();
    this.draw();
  }

  #typed(key) {
    if (key === "Enter") this.#list.firstElementChild?.click();
    if (key === "Escape") this.#leave();
  }
}
