// The boxes on the photo: drawn, moved, resized and deleted, by pointer and by keyboard.

import { area, drawn, frame, moved, resized, same } from "./geometry.js";
import { clamp, find, set, svg } from "./tools.js";

const STILL = 4; // pixels of the window: a pointer that moved by less was a click
const MANY = 40; // boxes: names only where one looks
const LINE = 18; // pixels of the window that a name above its box needs

export class Editor extends EventTarget {
  #stage = find("stage");
  #group = find("boxes");
  #corners = [...document.querySelectorAll(".corner")];
  #knobs = document.querySelectorAll(".knobs");
  #drag = null;
  #clicked = { clientX: -1, clientY: -1 };
  selected = null;
  hidden = false;

  constructor(batch, view) {
    super();
    Object.assign(this, { batch, view, tag: batch.classes[0]?.tag ?? "" });
    const on = (name, does) => this.#stage.addEventListener(name, does);
    on("pointerdown", (event) => this.#down(event));
    on("pointermove", (event) => this.#move(event));
    on("pointerup", (event) => this.#up(event));
    on("pointercancel", () => this.cancel());
    on("contextmenu", (event) => event.preventDefault());
    on("wheel", (event) => this.#wheel(event), { passive: false });
  }

  get box() {
    return this.batch.image.boxes.find(({ id }) => id === this.selected);
  }

  get dragging() {
    return this.#drag !== null;
  }

  /** Draw the boxes of the photo anew; small ones lie on large ones. */
  draw() {
    const boxes = this.batch.image.boxes.toSorted((one, other) => area(other) - area(one));
    const focused = this.#group.contains(document.activeElement);
    this.#group.replaceChildren(...boxes.map((box) => this.#drawn(box)));
    this.#group.classList.toggle("many", boxes.length > MANY);
    if (!this.box) this.selected = null;
    if (focused) this.#focus();
    this.#mark();
  }

  select(id, focus = true) {
    const changed = this.selected !== id;
    this.selected = id;
    if (focus) this.#focus();
    if (!changed) return;
    if (this.box) this.tag = this.box.tag;
    this.#mark();
    this.dispatchEvent(new Event("selected"));
  }

  /** A class for the selected box, and for the next ones. */
  give(tag) {
    this.tag = tag;
    if (this.box) this.#replace({ tag });
    this.dispatchEvent(new Event("selected"));
  }

  remove() {
    if (!this.box) return;
    const boxes = this.batch.image.boxes.filter(({ id }) => id !== this.selected);
    this.select(null);
    this.batch.change({ boxes });
  }

  /** A box in the middle of what is seen, for people without a pointer. */
  create() {
    const { middle: { x, y }, width, height, scale } = this.view;
    const half = Math.max(1, Math.min(width, height, 600 / scale) / 8);
    const [one, other] = [{ x: x - half, y: y - half }, { x: x + half, y: y + half }];
    this.#add(drawn(one, other, this.view));
  }

  /** Move the selected box, or with `resize` its lower right corner, by pixels of the photo. */
  nudge(dx, dy, resize) {
    const { box, view } = this;
    const corner = { x: box.xmax * view.width + dx, y: box.ymax * view.height + dy };
    const to = resize ? resized(box, ["xmax", "ymax"], corner, view) : moved(box, dx, dy, view);
    this.#replace(to, `${resize} ${box.id}`);
  }

  /** Give up what is being dragged. */
  cancel() {
    if (!this.#drag) return;
    this.#drag = null;
    this.#stage.classList.remove("panning");
    this.draw();
  }

  #down(event) {
    if (this.#drag) return;
    event.preventDefault();
    const pan = event.button !== 0 || event.ctrlKey || event.metaKey;
    if (!pan && (!this.view.loaded || this.hidden)) return;
    const doing = pan ? { kind: "pan" } : this.#grip(event);
    this.#drag = { start: this.view.at(event), down: event, to: null, ...doing };
    this.#stage.classList.toggle("panning", pan);
    event.target.setPointerCapture(event.pointerId);
  }

  /** What a drag that begins here does. */
  #grip(event) {
    const held = under(event).find((part) => part.matches(".corner, #inside, .edge"));
    if (event.shiftKey || !held) return { kind: "draw", id: "new" };
    const id = held.closest(".box")?.dataset.id ?? this.selected;
    const from = this.batch.image.boxes.find((box) => box.id === id);
    const corner = held.dataset.corner?.split(" ");
    return { kind: corner ? "resize" : "move", id, from, corner };
  }

  /** Show where a drag has come to: one rectangle moves, and nothing else is touched. */
  #move(event) {
    const drag = this.#drag;
    if (!drag || (!drag.to && apart(event, drag.down) < STILL)) return;
    drag.to = this.view.at(event);
    if (drag.kind === "pan") {
      const { scale } = this.view;
      this.view.pan((drag.to.x - drag.start.x) * scale, (drag.to.y - drag.start.y) * scale);
      return;
    }
    const box = this.#dragged(drag);
    if (drag.kind !== "draw" && this.selected !== drag.id) this.select(drag.id);
    if (drag.kind === "draw" && !this.#groupOf("new")) {
      this.#group.append(this.#drawn({ id: "new", tag: this.tag, ...box }));
    }
    const group = this.#groupOf(drag.id);
    if (!group) return; // it was deleted in another window
    this.#put(group, box);
    this.#hold(drag.kind === "draw" ? null : box);
  }

  #dragged({ kind, from, corner, start, to }) {
    if (kind === "draw") return drawn(start, to, this.view);
    if (kind === "resize") return resized(from, corner, to, this.view);
    return moved(from, to.x - start.x, to.y - start.y, this.view);
  }

  #up(event) {
    const drag = this.#drag;
    if (!drag) return;
    this.#move(event);
    this.cancel();
    if (!drag.to) {
      if (event.button === 0) this.#click(event);
    } else if (drag.kind === "draw") {
      const box = this.#dragged(drag);
      if (area(box)) this.#add(box);
    } else if (drag.kind !== "pan" && this.box) {
      this.#replace(this.#dragged(drag));
    }
  }

  /** Select the smallest box here; clicked again at the same place, the next larger one. */
  #click(event) {
    const here = new Set(under(event).map((part) => part.closest(".box")?.dataset.id));
    here.delete(undefined);
    const ids = [...here];
    const again = apart(event, this.#clicked) < STILL;
    const place = again ? ids.indexOf(this.selected) + 1 : 0;
    this.#clicked = event;
    this.select(ids[place % ids.length] ?? null);
  }

  #wheel(event) {
    event.preventDefault();
    if (this.#drag) return;
    const pixels = event.deltaY * (event.deltaMode === WheelEvent.DOM_DELTA_LINE ? 30 : 1);
    const speed = event.ctrlKey ? 0.01 : 0.002; // fingers on a pad send small steps
    this.view.zoom(Math.exp(-clamp(pixels, -300, 300) * speed), this.view.at(event));
  }

  #add(box) {
    this.select(this.batch.add({ tag: this.tag, ...box }));
  }

  /** Change the selected box. It is the person's from now on. */
  #replace(changed, kind = "") {
    const { score, ...mine } = { ...this.box, ...changed };
    if (mine.tag === this.box.tag && same(mine, this.box)) return;
    const boxes = this.batch.image.boxes.map((box) => (box.id === mine.id ? mine : box));
    this.batch.change({ boxes }, kind);
  }

  /** A box as it is drawn. */
  #drawn(box) {
    const { name, color } = this.batch.kind(box.tag);
    const suggested = box.score !== undefined;
    const words = suggested ? `${name} ${Math.round(box.score * 100)} %` : name;
    const rectangles = ["halo", "line", "edge"].map((part) => svg("rect", { class: part }));
    const group = svg("g", {
      class: suggested ? "box model" : "box",
      "data-id": box.id,
      tabindex: 0,
      role: "img",
      "aria-label": suggested ? `${words}, a suggestion of the model` : words,
      focus: () => this.select(box.id, false),
    }, ...rectangles, svg("text", {}, words));
    group.style.color = color;
    this.#put(group, box);
    return group;
  }

  /** Put what is drawn of a box where it is. */
  #put(group, box) {
    const attributes = frame(box, this.view);
    const [text, ...rectangles] = [...group.children].reverse();
    for (const rectangle of rectangles) set(rectangle, attributes);
    const { x, y } = attributes;
    set(text, { x, y, dx: "0.2em", dy: y * this.view.scale > LINE ? "-0.4em" : "1.1em" });
  }

  #mark() {
    for (const group of this.#group.children) {
      group.classList.toggle("selected", group.dataset.id === this.selected);
    }
    this.#hold(this.box);
  }

  /** Put what a selected box is held by round this one. */
  #hold(box) {
    find("handles").toggleAttribute("hidden", !box);
    if (!box) return;
    set(find("inside"), frame(box, this.view));
    const dots = this.#corners.map((corner) => {
      const [x, y] = corner.dataset.corner.split(" ");
      const place = `${box[x] * this.view.width} ${box[y] * this.view.height}`;
      set(corner, { d: `M${place}h.001` }); // a dot, as wide as its line
      return corner.getAttribute("d");
    });
    for (const knobs of this.#knobs) set(knobs, { d: dots.join("") });
  }

  #groupOf(id) {
    return [...this.#group.children].find((group) => group.dataset.id === id);
  }

  #focus() {
    (this.#groupOf(this.selected) ?? this.#stage).focus({ preventScroll: true });
  }
}

/** What lies there, the uppermost first. */
const under = ({ clientX, clientY }) => document.elementsFromPoint(clientX, clientY);

/** Pixels of the window between two events. */
const apart = (one, other) => Math.hypot(one.clientX - other.clientX, one.clientY - other.clientY);
