// The photo on the stage: as large as the window, zoomed to the pointer, moved, made brighter.

import { clamp, find } from "./tools.js";

const MARGIN = 10; // pixels of the window round the whole photo
const ROOM = 60; // and round a zoomed one, so that its edges can be reached
const LARGEST = 40; // pixels of the window for one of the photo

export class View extends EventTarget {
  #stage = find("stage");
  #groups = [find("boxes"), find("handles")];
  #photo = null;
  #fitted = true;
  scale = 1;
  x = 0;
  y = 0;
  width = 1;
  height = 1;
  loaded = false;

  constructor() {
    super();
    new ResizeObserver(() => (this.#fitted ? this.fit() : this.#place())).observe(this.#stage);
  }

  /** Show the photo at an address; what was there before is gone at once. */
  show(address, width, height) {
    const photo = new Image();
    this.#photo?.remove();
    this.#photo = photo;
    this.loaded = false;
    [this.width, this.height] = [width, height];
    photo.alt = "";
    photo.draggable = false;
    photo.onload = () => this.#is(photo, true);
    photo.onerror = () => this.#is(photo, false);
    photo.src = address;
    photo.style.width = `${width}px`;
    photo.style.height = `${height}px`;
    this.#stage.prepend(photo);
    this.#stage.classList.add("loading");
    this.light();
    this.fit();
  }

  /** Where on the photo an event is, in its pixels. */
  at(event) {
    const frame = this.#stage.getBoundingClientRect();
    const x = (event.clientX - frame.left - this.x) / this.scale;
    const y = (event.clientY - frame.top - this.y) / this.scale;
    return { x, y };
  }

  /** The middle of what is seen, in pixels of the photo. */
  get middle() {
    const { clientWidth, clientHeight } = this.#stage;
    return {
      x: clamp((clientWidth / 2 - this.x) / this.scale, 0, this.width),
      y: clamp((clientHeight / 2 - this.y) / this.scale, 0, this.height),
    };
  }

  fit() {
    this.#fitted = true;
    this.scale = this.#whole;
    this.#place();
  }

  /** Zoom so that a point of the photo stays where it is. */
  zoom(factor, point = this.middle) {
    const before = this.scale;
    this.scale = clamp(before * factor, this.#whole, Math.max(LARGEST, this.#whole));
    this.#fitted = this.scale === this.#whole;
    this.x += point.x * (before - this.scale);
    this.y += point.y * (before - this.scale);
    this.#place();
  }

  pan(dx, dy) {
    this.x += dx;
    this.y += dy;
    this.#place();
  }

  get zoomed() {
    return !this.#fitted;
  }

  light() {
    const [brightness, contrast] = [find("brightness").value, find("contrast").value];
    const plain = Number(brightness) === 1 && Number(contrast) === 1;
    this.#photo.style.filter = plain ? "" : `brightness(${brightness}) contrast(${contrast})`;
  }

  get #whole() {
    const { clientWidth, clientHeight } = this.#stage;
    const across = Math.max(clientWidth - 2 * MARGIN, 50) / this.width;
    return Math.min(across, Math.max(clientHeight - 2 * MARGIN, 50) / this.height);
  }

  #is(photo, loaded) {
    if (photo !== this.#photo) return; // another one was asked for meanwhile
    this.loaded = loaded;
    this.#stage.classList.toggle("loading", !loaded);
    this.dispatchEvent(new CustomEvent(loaded ? "loaded" : "missing"));
  }

  #place() {
    const { clientWidth, clientHeight } = this.#stage;
    this.x = placed(this.x, this.width * this.scale, clientWidth);
    this.y = placed(this.y, this.height * this.scale, clientHeight);
    if (!this.#photo) return;
    this.#photo.style.transform = `translate(${this.x}px, ${this.y}px) scale(${this.scale})`;
    this.#photo.classList.toggle("large", this.scale > 3);
    for (const group of this.#groups) {
      group.setAttribute("transform", `translate(${this.x} ${this.y}) scale(${this.scale})`);
      group.setAttribute("font-size", 13 / this.scale);
    }
    this.dispatchEvent(new CustomEvent("placed"));
  }
}

/** The offset of something so long in a window so long: in the middle, or without a gap. */
function placed(offset, length, window) {
  if (length <= window) return (window - length) / 2;
  return clamp(offset, window - length - ROOM, ROOM);
}

