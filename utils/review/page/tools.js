// Small things that all modules use.

const SVG = "http://www.w3.org/2000/svg";

export const find = (id) => document.getElementById(id);

export const clamp = (value, low, high) => Math.min(Math.max(value, low), Math.max(low, high));

export const pause = (ms) => new Promise((done) => setTimeout(done, ms));

export const many = (count, one, several = `${one}s`) => `${count} ${count === 1 ? one : several}`;

/** Words over the photo, until another one is looked at. */
export function tell(words) {
  find("message").textContent = words;
  find("message").hidden = !words;
}

/** An element with attributes and children. Text is text, never markup, whoever wrote it. */
export const el = (name, attributes = {}, ...children) =>
  set(document.createElement(name), attributes, ...children);

/** The same for SVG. */
export const svg = (name, attributes = {}, ...children) =>
  set(document.createElementNS(SVG, name), attributes, ...children);

/** Give an element attributes (a function listens, a boolean is there or not) and children. */
export function set(element, attributes, ...children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name, value);
    else if (typeof value === "boolean") element.toggleAttribute(name, value);
    else element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

/** What the program answers; `patience`: ms, Infinity for what may take long. Throws an Error with
 * `status` (0: it cannot be reached) and `answer`. */
export async function ask(path, body, patience = 20000) {
  const request = body === undefined ? {} : {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
    keepalive: path.startsWith("look"), // the last one is sent while the window closes
  };
  if (patience < Infinity) request.signal = AbortSignal.timeout(patience);
  let reply;
  let answer = {};
  try {
    reply = await fetch(path, request);
    answer = await reply.json();
  } catch {
    throw Object.assign(new Error("the program has ended"), { status: 0, answer });
  }
  if (reply.ok) return answer;
  const { status, statusText } = reply;
  throw Object.assign(new Error(answer.error ?? statusText), { status, answer });
}
