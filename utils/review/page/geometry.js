// Boxes {xmin, xmax, ymin, ymax}, in fractions of a photo (what has a width and a height), and what
// becomes of them when a person drags, in pixels of it. A side that somebody puts somewhere lies on
// a whole pixel; a side that nobody touched keeps every digit it came with.

import { clamp } from "./tools.js";

const OPPOSITE = { xmin: "xmax", xmax: "xmin", ymin: "ymax", ymax: "ymin" };

export const area = ({ xmin, xmax, ymin, ymax }) => (xmax - xmin) * (ymax - ymin);
export const same = (one, other) => Object.keys(OPPOSITE).every((key) => one[key] === other[key]);

/** A box as attributes of a rectangle. */
export const frame = ({ xmin, xmax, ymin, ymax }, { width, height }) => ({
  x: xmin * width, width: (xmax - xmin) * width, y: ymin * height, height: (ymax - ymin) * height,
});

/** The box between two points. */
export const drawn = (one, other, photo) => between(inside(one, photo), inside(other, photo));

/** A corner such as ["xmin", "ymax"] put elsewhere; past the opposite one it takes its part. */
export function resized(box, [across, down], point, photo) {
  const fixed = { x: box[OPPOSITE[across]], y: box[OPPOSITE[down]] };
  const { x, y } = inside(point, photo);
  const free = { x: apart(x, fixed.x, photo.width), y: apart(y, fixed.y, photo.height) };
  return between(fixed, free);
}

export function moved({ xmin, xmax, ymin, ymax }, dx, dy, { width, height }) {
  const right = clamp(Math.round(dx), -xmin * width, (1 - xmax) * width);
  const down = clamp(Math.round(dy), -ymin * height, (1 - ymax) * height);
  const across = { xmin: shifted(xmin, right, width), xmax: shifted(xmax, right, width) };
  return { ...across, ymin: shifted(ymin, down, height), ymax: shifted(ymax, down, height) };
}

const between = (one, other) => ({
  xmin: Math.min(one.x, other.x), xmax: Math.max(one.x, other.x),
  ymin: Math.min(one.y, other.y), ymax: Math.max(one.y, other.y),
});

const inside = ({ x, y }, { width, height }) =>
  ({ x: clamp(Math.round(x), 0, width) / width, y: clamp(Math.round(y), 0, height) / height });

/** A side moved by pixels. What was a whole pixel is one again. */
function shifted(side, pixels, length) {
  const exact = side * length + pixels;
  const rounded = Math.round(exact);
  const place = Math.abs(exact - rounded) < 1e-6 ? rounded : exact;
  return pixels ? clamp(place / length, 0, 1) : side;
}

/** A place that leaves a box at least a pixel, on the side of `fixed` where there is room. */
function apart(place, fixed, length) {
  if (Math.abs(place - fixed) * length > 0.999) return place;
  const beyond = Math.ceil(fixed * length - 0.001) + 1;
  return (beyond <= length ? beyond : beyond - 2) / length;
}
