// Making elements. Text is always text: nothing that came from a camera or a person is ever markup.

/**
 * make("button", { class: "main", type: "button", onclick: press, "data-id": id }, "Save", child): an element.
 * A property that is null or false is left out; one that begins with `on` is a listener.
 */
export function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

const SVG = "http://www.w3.org/2000/svg";

/** As `make`, for the parts of a drawing. */
export function draw(tag, properties = {}, ...children) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(properties)) if (value !== null && value !== undefined) element.setAttribute(name, value);
  element.append(...children.flat().filter(Boolean));
  return element;
}

/** A sign of icons.html: sign("kind-bent"). */
export function sign(name, properties = {}) {
  return draw("svg", { "aria-hidden": "true", ...properties }, draw("use", { href: `#${name}` }));
}

/** The element with this id. */
export const at = (id) => document.getElementById(id);
