// The batch as the person sees it: what was decided, every change undoable, every change saved.

import { ask, pause } from "./tools.js";

const RETRY = 1500; // ms
const COALESCE = 800; // ms: so long a run of key presses is one change

let ids = 0;
const named = (boxes) => boxes.map((box) => ({ ...box, id: String(++ids) }));
const bare = (boxes) => boxes.map(({ id, ...box }) => box);
const decision = ({ state, then, boxes }) => ({ state, then, boxes });

export class Batch extends EventTarget {
  #done = []; // {index, was: how the image was before}
  #undone = [];
  #last = {}; // change: {kind, at}
  #due = new Map(); // image: what the program must be told, "image" (all of it) or "look"
  #sending = ""; // one of the two
  #over = false;
  classes = [];

  constructor(data) {
    super();
    this.number = data.batch;
    this.again = data.again;
    this.next = data.next;
    this.index = data.at;
    this.images = data.images.map((image) => ({ ...image, boxes: named(image.boxes), owed: 0 }));
    for (const known of data.classes) this.#know(known);
    for (const { tag } of this.images.flatMap((image) => image.boxes)) this.#know({ tag });
  }

  get image() {
    return this.images[this.index];
  }

  get unsaved() {
    return [...this.#due.values(), this.#sending].includes("image");
  }

  /** How boxes of a class are called and coloured. */
  kind(tag) {
    return this.classes.find((known) => known.tag === tag) ?? { name: tag, color: "white" };
  }

  /** Look at an image. */
  go(index) {
    if (this.image.owed) this.look();
    this.index = index;
    this.#tell("went");
    this.look();
  }

  /** Tell the program which image is looked at, and for how long; learn what others did to it. */
  look() {
    if (!this.#due.has(this.index)) this.#due.set(this.index, "look");
    this.#send();
  }

  /** Change the present image: state, then, boxes. Changes of one `kind` that follow each other at
   * once are undone together. */
  change(changed, kind = "") {
    const now = performance.now();
    const goesOn = kind && kind === this.#last.kind && now - this.#last.at < COALESCE;
    if (!goesOn) this.#done.push({ index: this.index, was: decision(this.image) });
    this.#last = { kind, at: now };
    this.#undone = [];
    this.#apply(this.index, changed);
  }

  /** A new box for the present image; its tag, and fractions of the photo. */
  add(box) {
    const [added] = named([box]);
    this.change({ boxes: [...this.image.boxes, added] });
    return added.id;
  }

  /** Make a class known to the program, and to all that comes; its tag, and what is to be said. */
  async addClass(name) {
    const { error, ...known } = await ask("class", { batch: this.number, name });
    if (error) throw new Error(error);
    this.#know(known);
    return known;
  }

  undo() {
    this.#step(this.#done, this.#undone);
  }

  redo() {
    this.#step(this.#undone, this.#done);
  }

  /** All is on disk when this is over. */
  async saved() {
    while (this.unsaved && !this.#over) await pause(50);
  }

  /** The program has ended, because the person wanted it to: nothing is told or sent any more. */
  end() {
    this.#over = true;
    this.#tell = () => {};
  }

  #know({ tag, name = tag }) {
    if (this.classes.some((known) => known.tag === tag)) return;
    const hue = (this.classes.length * 137.5 + 25) % 360;
    this.classes.push({ tag, name, color: `hsl(${hue} 95% 62%)` });
  }

  #step(from, to) {
    if (!from.length) return;
    const { index, was } = from.pop();
    to.push({ index, was: decision(this.images[index]) });
    this.#last = {};
    if (index !== this.index) this.go(index);
    this.#apply(index, was);
  }

  #apply(index, state) {
    Object.assign(this.images[index], state, { begun: true });
    this.#due.set(index, "image");
    this.#tell("changed");
    this.#send();
  }

  /** Tell the program all that is due, again and again until it is told. */
  async #send() {
    if (this.#sending) return;
    while (this.#due.size && !this.#over) {
      const [[index, what]] = this.#due;
      this.#due.delete(index);
      this.#sending = what;
      this.#tell("saving");
      if (!(await this.#sent(index, what))) {
        if (this.#due.get(index) !== "image") this.#due.set(index, what);
        await pause(RETRY);
      }
    }
    this.#sending = "";
    this.#tell("saving");
  }

  /** Whether the program knows it. */
  async #sent(index, what) {
    const image = this.images[index];
    const { owed: seconds, revision, state, then, boxes } = image;
    const all = what === "image" ? { revision, state, then, boxes: bare(boxes) } : {};
    image.owed = 0;
    try {
      const present = await ask(`${what}/${index}`, { batch: this.number, seconds, ...all });
      if (what === "image") image.revision = present.revision;
      else if (present.revision > revision && !this.unsaved) this.#take(index, present);
      this.reached = true;
      return true;
    } catch (error) {
      image.owed += seconds;
      const { present } = error.answer ?? {};
      if (present) this.#take(index, present, true);
      this.#over = error.status === 410;
      Object.assign(this, { reached: Boolean(present), why: error.message });
      return this.reached;
    } finally {
      this.#tell("saving");
    }
  }

  /** Another window has changed an image: that stands here too, and `mine` can be had by undo. */
  #take(index, present, mine = false) {
    const image = this.images[index];
    const boxes = named(present.boxes);
    if (mine) this.#done.push({ index, was: decision(image) });
    Object.assign(image, present, { boxes, seconds: image.seconds });
    for (const { tag } of boxes) this.#know({ tag });
    this.#due.delete(index);
    this.#tell("changed");
    this.#tell("elsewhere", { index, mine });
  }

  #tell = (what, detail = {}) => this.dispatchEvent(new CustomEvent(what, { detail }));
}
