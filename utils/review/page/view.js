// The photo on the stage: as large as the window, zoomed to the pointer, moved, made brighter.

import { clamp, find, set, tell } from "./tools.js";

const MARGIN = 10; // pixels of the window round the whole photo
const ROOM = 60; // and round a zoomed one, so that its edges can be reached
const LARGEST = 40; // pixels of the window for one of the photo
const LETTERS = 13; // pixels of the window

export class View {
  #stage = find("stage");
  #photo = find("photo");
  #drawing = find("drawing");
  #fitted = true;
  scale = 1; // pixels of the window for one of the photo
  x = 0; // of the photo's corner on the stage
  y = 0;
  width = 1; // of the photo
  height = 1;
  loaded = false;

  constructor() {
    new ResizeObserver(() => (this.#fitted ? this.fit() : this.#place())).observe(this.#stage);
    this.#photo.onload = () => this.#has(true);
    this.#photo.onerror = () => {
      tell("This photo cannot be shown; its file is gone or damaged.");
    };
  }

  /** Show the photo at an address; what was there before is gone at once. */
  show(address, { width, height }) {
    this.#has(false);
    Object.assign(this, { width, height });
    Object.assign(this.#photo.style, { width: `${width}px`, height: `${height}px` });
    this.#photo.src = address;
    this.light();
    this.fit();
  }

  /** Where on the photo an event is, in its pixels. */
  at({ clientX, clientY }) {
    const { left, top } = this.#stage.getBoundingClientRect();
    return { x: (clientX - left - this.x) / this.scale, y: (clientY - top - this.y) / this.scale };
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
    this.scale = clamp(before * factor, this.#whole, LARGEST);
    this.#fitted = this.scale === this.#whole;
    this.pan(point.x * (before - this.scale), point.y * (before - this.scale));
  }

  /** Move the photo by pixels of the window. */
  pan(dx, dy) {
    this.x += dx;
    this.y += dy;
    this.#place();
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

  #has(loaded) {
    this.loaded = loaded;
    this.#stage.classList.toggle("loading", !loaded);
  }

  #place() {
    const { clientWidth, clientHeight } = this.#stage;
    this.x = placed(this.x, this.width * this.scale, clientWidth);
    this.y = placed(this.y, this.height * this.scale, clientHeight);
    this.#photo.style.transform = `translate(${this.x}px, ${this.y}px) scale(${this.scale})`;
    this.#photo.classList.toggle("large", this.scale > 3);
    const transform = `translate(${this.x} ${this.y}) scale(${this.scale})`;
    set(this.#drawing, { transform, "font-size": LETTERS / this.scale });
  }
}

/** The offset of something so long in a window so long: in the middle, or without a gap. */
function placed(offset, length, window) {
  if (length <= window) return (window - length) / 2;
  return clamp(offset, window - length - ROOM, ROOM);
}
