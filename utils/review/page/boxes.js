// The boxes on the photo: drawn, moved, resized and deleted, by pointer and by keyboard.
//
// The batch has fractions of the photo; here everything is pixels of the photo {x1, y1, x2, y2}.
// A side that a person puts somewhere lies on a whole pixel; a side that nobody touched keeps every
// digit it came with.

import { clamp, find, set, svg } from "./tools.js";

const NEAR = 6; // pixels of the window: so near is on an edge
const CORNER = 10;
const STILL = 4; // a pointer that moved by less was a click
const CORNERS = [["x1", "y1"], ["x2", "y1"], ["x1", "y2"], ["x2", "y2"]];
const MANY = 40; // boxes: names only where one looks

export const color = (number) => `hsl(${(number * 137.5 + 25) % 360} 95% 62%)`;

export class Editor extends EventTarget {
  #stage = find("stage");
  #group = find("boxes");
  #handles = CORNERS.map(([x, y]) => svg("rect", { class: `corner ${x}${y}` }));
  #parts = new Map(); // id: {group, halo, line, text}
  #drag = null;
  #frame = 0;
  #last = null; // where the last click was, and the boxes it has gone through
  selected = null;
  tag = "";

  constructor(batch, view) {
    super();
    Object.assign(this, { batch, view });
    find("handles").replaceChildren(...this.#handles);
    view.addEventListener("placed", () => this.#placeHandles());
    batch.addEventListener("changed", () => this.draw());
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

  /** Bring what is drawn in line with the batch; only what differs is touched. */
  draw() {
    const boxes = [...this.batch.image.boxes].sort((one, other) => area(other) - area(one));
    const wanted = new Set(boxes.map(({ id }) => id));
    for (const [id, { group }] of this.#parts) {
      if (!wanted.has(id)) {
        group.remove();
        this.#parts.delete(id);
      }
    }
    boxes.forEach((box, place) => {
      const { group } = this.#parts.get(box.id) ?? this.#made(box.id);
      if (this.#group.children[place] !== group) {
        this.#group.insertBefore(group, this.#group.children[place] ?? null);
      }
      this.#dress(box);
      this.#put(box.id, this.#pixels(box));
    });
    this.#group.classList.toggle("many", boxes.length > MANY);
    if (!wanted.has(this.selected)) this.selected = null;
    this.#mark();
  }

  select(id, focus = true) {
    if (this.selected === id) return;
    this.selected = id;
    if (this.box) this.tag = this.box.tag;
    this.#mark();
    if (focus) (this.#parts.get(id)?.group ?? this.#stage).focus({ preventScroll: true });
    this.dispatchEvent(new CustomEvent("selected"));
  }

  /** A class for the selected box, and for the next ones. */
  give(tag) {
    this.tag = tag;
    const { box } = this;
    if (box && box.tag !== tag) this.#replace({ ...box, tag });
    this.dispatchEvent(new CustomEvent("selected"));
  }

  remove() {
    if (!this.box) return;
    const boxes = this.batch.image.boxes.filter(({ id }) => id !== this.selected);
    this.#stage.focus({ preventScroll: true });
    this.batch.change({ boxes });
  }

  /** A box in the middle of what is seen, for people without a pointer. */
  create() {
    const { view } = this;
    const side = Math.max(2, Math.round(Math.min(view.width, view.height, 600 / view.scale) / 4));
    const x1 = clamp(Math.round(view.middle.x - side / 2), 0, view.width - side);
    const y1 = clamp(Math.round(view.middle.y - side / 2), 0, view.height - side);
    this.#add({ x1, y1, x2: x1 + side, y2: y1 + side });
  }

  /** Move the selected box, or with `resize` its lower right corner, by pixels of the photo. */
  nudge(dx, dy, resize = false) {
    const from = this.#pixels(this.box);
    const to = resize ? this.#resized(from, "x2", "y2", from.x2 + dx, from.y2 + dy)
      : this.#moved(from, dx, dy);
    this.#replace(this.#fractions(to, from), `${resize} ${this.selected}`);
  }

  /** Give up what is being dragged. */
  cancel() {
    const was = this.#drag;
    this.#drag = null;
    cancelAnimationFrame(this.#frame);
    this.#frame = 0;
    this.#stage.classList.remove("panning");
    if (was) this.draw();
    return was !== null;
  }

  #down(event) {
    if (this.#drag || event.target.closest("button")) return;
    const start = this.view.at(event);
    const drag = { start, x: event.clientX, y: event.clientY, moved: false };
    event.preventDefault();
    this.#stage.setPointerCapture(event.pointerId);
    if (event.button !== 0 || event.ctrlKey || event.metaKey) {
      this.#drag = { ...drag, kind: "pan" };
      this.#stage.classList.add("panning");
    } else if (this.view.loaded && !this.hidden) {
      this.#drag = { ...drag, ...this.#grip(start, event.shiftKey) };
    }
  }

  /** What a drag that begins here does. */
  #grip(point, draw) {
    const { box } = this;
    if (draw) return { kind: "draw" };
    const corner = box && this.#corner(point);
    if (corner) return { kind: "resize", id: box.id, from: this.#pixels(box), corner };
    const held = box && inside(this.#pixels(box), point) ? box : this.#edge(point);
    return held ? { kind: "move", id: held.id, from: this.#pixels(held) } : { kind: "draw" };
  }

  #move(event) {
    const drag = this.#drag;
    if (!drag) {
      if (event.pointerType === "mouse") this.#hint(this.view.at(event));
      return;
    }
    if (Math.hypot(event.clientX - drag.x, event.clientY - drag.y) >= STILL) drag.moved = true;
    if (!drag.moved) return;
    if (drag.kind === "pan") {
      this.view.pan(event.clientX - drag.x, event.clientY - drag.y);
      [drag.x, drag.y] = [event.clientX, event.clientY];
      return;
    }
    drag.to = this.view.at(event);
    this.#frame ||= requestAnimationFrame(() => this.#follow());
  }

  /** Show where a drag has come to: one rectangle moves, and nothing else is touched. */
  #follow() {
    this.#frame = 0;
    const drag = this.#drag;
    if (!drag?.to) return;
    const id = drag.id ?? "new";
    if (drag.kind === "draw" && !this.#parts.has("new")) {
      this.#group.append(this.#made("new").group);
      this.#dress({ id: "new", tag: this.tag });
    }
    if (drag.kind !== "draw" && this.selected !== id) this.select(id);
    const pixels = this.#dragged(drag);
    this.#put(id, pixels);
    this.#placeHandles(drag.kind === "draw" ? null : pixels);
  }

  #dragged({ kind, from, corner, start, to }) {
    if (kind === "draw") return this.#spanned(start, to);
    if (kind === "resize") return this.#resized(from, ...corner, to.x, to.y);
    return this.#moved(from, Math.round(to.x - start.x), Math.round(to.y - start.y));
  }

  #up(event) {
    const drag = this.#drag;
    if (!drag) return;
    if (drag.moved && drag.kind !== "pan") drag.to = this.view.at(event);
    this.cancel();
    if (!drag.moved) {
      if (event.button === 0) this.#click(drag.start);
    } else if (drag.kind === "draw") {
      const pixels = this.#dragged(drag);
      if (pixels.x1 < pixels.x2 && pixels.y1 < pixels.y2) this.#add(pixels);
    } else if (drag.kind !== "pan") {
      this.select(drag.id);
      this.#replace(this.#fractions(this.#dragged(drag), drag.from));
    }
  }

  /** Select the smallest box here; clicked again at the same place, the next larger one. */
  #click(point) {
    const here = this.batch.image.boxes
      .filter((box) => inside(this.#pixels(box), point, NEAR / this.view.scale))
      .sort((one, other) => area(one) - area(other));
    const near = this.#last && Math.hypot(point.x - this.#last.x, point.y - this.#last.y);
    const again = near !== null && near * this.view.scale < STILL;
    const place = again ? here.findIndex(({ id }) => id === this.selected) + 1 : 0;
    this.#last = point;
    this.select(here.length ? here[place % here.length].id : null);
    if (!here.length) this.#stage.focus({ preventScroll: true });
  }

  #wheel(event) {
    event.preventDefault();
    if (this.#drag) return;
    const pixels = event.deltaY * (event.deltaMode === 1 ? 30 : 1);
    const speed = event.ctrlKey ? 0.01 : 0.002; // fingers on a pad send small steps
    this.view.zoom(Math.exp(-clamp(pixels, -300, 300) * speed), this.view.at(event));
  }

  #hint(point) {
    const { kind, corner } = this.#grip(point, false);
    const slant = corner && (corner[0] === "x1") === (corner[1] === "y1") ? "nwse" : "nesw";
    const shape = { resize: `${slant}-resize`, move: "move", draw: "crosshair" }[kind];
    this.#stage.style.cursor = shape;
  }

  #corner(point) {
    const pixels = this.#pixels(this.box);
    const away = ([x, y]) => Math.hypot(pixels[x] - point.x, pixels[y] - point.y);
    const [nearest] = [...CORNERS].sort((one, other) => away(one) - away(other));
    return away(nearest) * this.view.scale <= CORNER ? nearest : null;
  }

  /** The box whose edge is here. */
  #edge(point) {
    const near = NEAR / this.view.scale;
    return this.batch.image.boxes.find((box) => {
      const pixels = this.#pixels(box);
      return inside(pixels, point, near) && !inside(pixels, point, -near);
    });
  }

  #add(pixels) {
    const id = this.batch.add({ tag: this.tag, ...this.#fractions(pixels) });
    this.select(id);
    this.dispatchEvent(new CustomEvent("drawn"));
  }

  /** Put a changed box in the place of the selected one. It is the person's from now on. */
  #replace(changed, kind = "") {
    const { score, ...mine } = { ...this.box, ...changed };
    const same = ["tag", "xmin", "xmax", "ymin", "ymax"].every((key) => mine[key] === this.box[key]);
    if (same) return this.draw();
    const boxes = this.batch.image.boxes.map((box) => (box.id === mine.id ? mine : box));
    this.batch.change({ boxes }, kind);
  }

  #spanned(one, other) {
    const [xs, ys] = [[one.x, other.x], [one.y, other.y]];
    const across = xs.map((x) => clamp(Math.round(x), 0, this.view.width));
    const down = ys.map((y) => clamp(Math.round(y), 0, this.view.height));
    const [x1, x2, y1, y2] = [Math.min(...across), Math.max(...across),
      Math.min(...down), Math.max(...down)];
    return { x1, x2, y1, y2 };
  }

  /** A corner of a box put elsewhere; past the opposite one, it takes that one's part. */
  #resized(from, xKey, yKey, x, y) {
    const { width, height } = this.view;
    const fixed = { x: xKey === "x1" ? from.x2 : from.x1, y: yKey === "y1" ? from.y2 : from.y1 };
    const free = { x: apart(clamp(Math.round(x), 0, width), fixed.x, width),
      y: apart(clamp(Math.round(y), 0, height), fixed.y, height) };
    return {
      x1: Math.min(fixed.x, free.x), x2: Math.max(fixed.x, free.x),
      y1: Math.min(fixed.y, free.y), y2: Math.max(fixed.y, free.y),
    };
  }

  #moved({ x1, y1, x2, y2 }, dx, dy) {
    const right = clamp(dx, -x1, this.view.width - x2);
    const down = clamp(dy, -y1, this.view.height - y2);
    return { x1: x1 + right, x2: x2 + right, y1: y1 + down, y2: y2 + down };
  }

  #pixels({ xmin, xmax, ymin, ymax }) {
    const { width, height } = this.batch.image;
    return { x1: px(xmin, width), x2: px(xmax, width), y1: px(ymin, height), y2: px(ymax, height) };
  }

  /** Fractions for the sides that are no longer as in `from`. */
  #fractions(pixels, from = {}) {
    const { width, height } = this.batch.image;
    const sides = [["xmin", "x1", width], ["xmax", "x2", width],
      ["ymin", "y1", height], ["ymax", "y2", height]];
    const changed = sides.filter(([, side]) => pixels[side] !== from[side]);
    return Object.fromEntries(changed.map(([name, side, whole]) =>
      [name, clamp(pixels[side] / whole, 0, 1)]));
  }

  #made(id) {
    const halo = svg("rect", { class: "halo" });
    const line = svg("rect", { class: "line" });
    const text = svg("text");
    const group = svg("g", { class: "box", tabindex: 0, role: "img" }, halo, line, text);
    group.addEventListener("focus", () => this.select(id, false));
    const parts = { group, halo, line, text };
    this.#parts.set(id, parts);
    return parts;
  }

  #dress({ id, tag, score }) {
    const { group, text } = this.#parts.get(id);
    const number = this.batch.classes.findIndex((known) => known.tag === tag);
    const name = this.batch.classes[number]?.name ?? tag;
    const sure = score === undefined ? "" : ` ${Math.round(score * 100)} %`;
    text.textContent = `${name}${sure}`;
    group.classList.toggle("model", score !== undefined);
    group.style.color = color(Math.max(number, 0));
    const whose = score === undefined ? "" : `, a suggestion of the model,${sure}`;
    group.setAttribute("aria-label", `${name}${whose}`);
  }

  #put(id, { x1, y1, x2, y2 }) {
    const { halo, line, text } = this.#parts.get(id);
    const frame = { x: x1, y: y1, width: x2 - x1, height: y2 - y1 };
    set(halo, frame);
    set(line, frame);
    const above = y1 * this.view.scale > 18;
    set(text, { x: x1, y: y1, dx: "0.2em", dy: above ? "-0.4em" : "1.1em" });
  }

  #mark() {
    for (const [id, { group }] of this.#parts) {
      group.classList.toggle("selected", id === this.selected);
    }
    this.#placeHandles();
  }

  #placeHandles(pixels = this.box && this.#pixels(this.box)) {
    const side = CORNER / this.view.scale;
    CORNERS.forEach(([x, y], place) => {
      const handle = this.#handles[place];
      handle.toggleAttribute("hidden", !pixels);
      if (!pixels) return;
      const at = { x: pixels[x] - side / 2, y: pixels[y] - side / 2 };
      set(handle, { ...at, width: side, height: side });
    });
  }
}

/** A fraction as pixels; what was a whole pixel is one again. */
function px(fraction, whole) {
  const exact = fraction * whole;
  const rounded = Math.round(exact);
  return Math.abs(exact - rounded) < 1e-6 ? rounded : exact;
}

const area = ({ xmin, xmax, ymin, ymax }) => (xmax - xmin) * (ymax - ymin);

function inside({ x1, y1, x2, y2 }, { x, y }, room = 0) {
  return x >= x1 - room && x <= x2 + room && y >= y1 - room && y <= y2 + room;
}

/** A place that leaves a box at least a pixel, on the side of `fixed` where there is room. */
function apart(place, fixed, whole) {
  if (Math.abs(place - fixed) >= 1) return place;
  const beyond = Math.ceil(fixed) + 1;
  return beyond <= whole ? beyond : Math.floor(fixed) - 1;
}
