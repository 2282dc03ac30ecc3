// The batch as the person sees it: what was decided, every change undoable, every change saved.

import { ask, pause } from "./tools.js";

const RETRY = 1500; // ms
const COALESCE = 800; // ms: so long a run of key presses is one change

let ids = 0;
let changes = 0;
const named = (boxes) => boxes.map((box) => ({ ...box, id: ++ids }));
const bare = (boxes) => boxes.map(({ id, ...box }) => box);
const decision = ({ state, then, boxes }) => ({ state, then, boxes });

export class Batch extends EventTarget {
  #done = [];
  #undone = [];
  #unsaved = new Map(); // image: number of its last change
  #saving = false;
  #over = false;
  #ended = false;

  constructor(data) {
    super();
    this.number = data.batch;
    this.again = data.again;
    this.next = data.next;
    this.index = data.at;
    this.classes = data.classes;
    this.images = data.images.map((image) => ({ ...image, boxes: named(image.boxes), owed: 0 }));
    for (const { tag } of this.images.flatMap((image) => image.boxes)) this.#know({ tag });
  }

  get image() {
    return this.images[this.index];
  }

  get unsaved() {
    return this.#unsaved.size > 0;
  }

  /** Look at an image. */
  go(index) {
    if (index !== this.index) this.look();
    this.index = index;
    this.#tell("went");
    this.look();
  }

  /** Change the present image: state, then, boxes. Changes of one `kind` that follow each other at
   * once are undone together. */
  change(changed, kind = "") {
    const before = decision(this.image);
    const after = { ...before, ...changed };
    const last = this.#done.at(-1);
    const now = performance.now();
    if (kind && last?.kind === kind && last.index === this.index && now - last.at < COALESCE) {
      Object.assign(last, { after, at: now });
    } else {
      this.#done.push({ index: this.index, before, after, kind, at: now });
    }
    this.#undone = [];
    this.#apply(this.index, after);
  }

  /** A new box for the present image; its tag, and fractions of the photo. */
  add(box) {
    const [added] = named([box]);
    this.change({ boxes: [...this.image.boxes, added] });
    return added.id;
  }

  /** Make a class known to the program, and to all that comes; its tag. */
  async addClass(name) {
    const { error, said, ...known } = await ask("class", { batch: this.number, name });
    if (error) throw new Error(error);
    this.#know(known);
    if (said) this.#tell("told", { said });
    return known.tag;
  }

  undo() {
    this.#step(this.#done, this.#undone, "before");
  }

  redo() {
    this.#step(this.#undone, this.#done, "after");
  }

  /** Tell the program which image is looked at, and for how long; learn what others did to it. */
  async look() {
    const { index, image } = this;
    if (this.#saving || this.#over) return;
    const seconds = image.owed;
    image.owed = 0;
    try {
      const present = await ask(`look/${index}`, { batch: this.number, seconds });
      const others = present.revision > image.revision && !this.#unsaved.has(index);
      if (others && !this.#saving) this.#take(index, present, false);
      this.#say(true);
    } catch (error) {
      image.owed += seconds;
      this.#failed(error);
    }
  }

  /** All is on disk when this is over. */
  async saved() {
    while (this.unsaved && !this.#over) await pause(50);
  }

  /** The program has ended, because the person wanted it to. */
  end() {
    this.#over = this.#ended = true;
  }

  #know({ tag, name = tag }) {
    if (!this.classes.some((known) => known.tag === tag)) this.classes.push({ tag, name });
  }

  #step(from, to, side) {
    const action = from.pop();
    if (!action) return;
    to.push({ ...action, kind: "" });
    if (action.index !== this.index) this.go(action.index);
    this.#apply(action.index, action[side]);
  }

  #apply(index, state) {
    Object.assign(this.images[index], state, { begun: true });
    this.#unsaved.set(index, ++changes);
    this.#tell("changed");
    this.#tell("saving");
    this.#save();
  }

  async #save() {
    if (this.#saving || this.#over) return;
    this.#saving = true;
    while (this.unsaved && !this.#over) {
      const [[index, change]] = this.#unsaved;
      if (!(await this.#put(index))) await pause(RETRY);
      else if (this.#unsaved.get(index) === change) this.#unsaved.delete(index);
      this.#tell("saving");
    }
    this.#saving = false;
  }

  /** Whether an image needs no more saving. */
  async #put(index) {
    const image = this.images[index];
    const { owed: seconds, revision, state, then } = image;
    const body = { batch: this.number, revision, seconds, state, then, boxes: bare(image.boxes) };
    image.owed = 0;
    try {
      const present = await ask(`image/${index}`, body, "PUT");
      image.revision = present.revision;
      this.#say(true);
      return true;
    } catch (error) {
      image.owed += seconds;
      if (error.status === 409 && error.answer.present) {
        this.#take(index, error.answer.present, true);
        return true;
      }
      this.#failed(error);
      return this.#over;
    }
  }

  /** Another window has changed an image: that stands here too, and `mine` can be had by undo. */
  #take(index, present, mine) {
    const image = this.images[index];
    const after = { ...decision(present), boxes: named(present.boxes) };
    if (mine) this.#done.push({ index, before: decision(image), after, kind: "" });
    Object.assign(image, after, { revision: present.revision });
    for (const { tag } of after.boxes) this.#know({ tag });
    this.#unsaved.delete(index);
    this.#tell("changed");
    this.#tell("elsewhere", { index, mine });
    this.#say(true);
  }

  #failed(error) {
    this.#over = error.status === 410;
    this.#say(false, error.message);
  }

  #say(reached, why = "") {
    this.reached = reached;
    this.why = why;
    this.#tell("saving");
  }

  #tell(what, detail = {}) {
    if (this.#ended) return;
    this.dispatchEvent(new CustomEvent(what, { detail }));
  }
}
