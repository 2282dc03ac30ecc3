// Small things that all modules use.

const SVG = "http://www.w3.org/2000/svg";

export const find = (id) => document.getElementById(id);

/** Words over the photo, until another one is looked at. */
export function tell(words) {
  find("message").textContent = words;
  find("message").hidden = !words;
}

/** An element with attributes and children. Text is text, never markup, whoever wrote it. */
export function el(name, attributes = {}, ...children) {
  return filled(document.createElement(name), attributes, children);
}

/** The same for SVG. */
export function svg(name, attributes = {}, ...children) {
  return filled(document.createElementNS(SVG, name), attributes, children);
}

export const set = (element, attributes) => filled(element, attributes, []);

function filled(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name, value);
    else if (typeof value === "boolean") element.toggleAttribute(name, value);
    else element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

export const clamp = (value, low, high) => Math.min(Math.max(value, low), Math.max(low, high));

export const pause = (ms) => new Promise((done) => setTimeout(done, ms));

export const many = (count, one, several = `${one}s`) => `${count} ${count === 1 ? one : several}`;

/** Seconds as minutes and seconds. */
export function minutes(seconds) {
  const whole = Math.round(seconds);
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}

/** What the program answers. Throws an Error with `status` (0: it cannot be reached) and `answer`. */
export async function ask(path, body, method = "POST", patience = 20000) {
  const request = body === undefined ? {} : {
    method,
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
    keepalive: method === "POST" && path.startsWith("look"),
  };
  let reply;
  let answer = {};
  try {
    const signal = patience ? AbortSignal.timeout(patience) : undefined;
    reply = await fetch(path, { ...request, signal });
    answer = await reply.json();
  } catch {
    throw Object.assign(new Error("the program has ended"), { status: 0, answer: {} });
  }
  if (reply.ok) return answer;
  throw Object.assign(new Error(answer.error ?? reply.statusText), { status: reply.status, answer });
}
