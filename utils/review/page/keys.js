// Which key does what: for the page, and for the people who press `?`.

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
// What a key that is held down does again and again.
const AGAIN = ["zoomIn", "zoomOut", "lighter", "darker", "sharper", "softer", "undo", "redo"];
const BY_KEY = new Map(
  KEYS.flatMap(([, rows]) => rows.flatMap(([name, keys]) => keys.map((key) => [key, name]))),
);

/** For the help sheet: [title, [[keys, what they do]…]]. */
export const HELP = KEYS.map(([title, rows]) =>
  [title, rows.map(([, , shown, words]) => [shown, words])]);

/** What a key does; undefined for nothing, and for what is the browser's. */
export function meaning({ key, ctrlKey, metaKey, shiftKey, repeat }) {
  const short = key.length === 1 ? key.toLowerCase() : key;
  const name = short === "z" && shiftKey ? "redo" : BY_KEY.get(short);
  const foreign = (ctrlKey || metaKey) && !["undo", "redo"].includes(name);
  return foreign || (repeat && !AGAIN.includes(name)) ? undefined : name;
}
