const PATHS = {
  cameras: "M3 4h8v7H3zM13 4h8v7h-8zM3 13h8v7H3zM13 13h8v7h-8z",
  events: "M4 18h4l3-11 4 13 2-6h3",
  savings: "M4 20V4M4 20h16M8 16v-3M12 16V8M16 16v-6",
  setup: "M4 7h9M17 7h3M4 17h3M11 17h9M15 5v4M9 15v4",
  sun: "M12 8a4 4 0 1 0 0 8 4 4 0 0 0 0-8zM12 2v3M12 19v3M2 12h3M19 12h3M5 5l2 2M17 17l2 2M19 5l-2 2M7 17l-2 2",
  moon: "M20 14.5A8.5 8.5 0 0 1 9.5 4 8.5 8.5 0 1 0 20 14.5z",
  auto: "M12 3a9 9 0 1 0 0 18zM12 3a9 9 0 0 1 0 18",
  help: "M9 9a3 3 0 1 1 4.5 2.6c-1 .6-1.5 1.2-1.5 2.4M12 17.5v.5",
  eye: "M2 12s4-7 10-7 10 7 10 7-4 7-10 7S2 12 2 12zM12 9a3 3 0 1 0 0 6 3 3 0 0 0 0-6z",
  motion: "M3 9h11a2.5 2.5 0 1 0-2.5-2.5M3 14h15a2.5 2.5 0 1 1-2.5 2.5",
  zone: "M4 8V4h4M16 4h4v4M20 16v4h-4M8 20H4v-4",
  pause: "M8 5v14M16 5v14",
  play: "M7 5l12 7-12 7z",
  remove: "M5 7h14M10 7V4h4v3M7 7l1 13h8l1-13",
  add: "M12 5v14M5 12h14",
  edit: "M4 20l1-4L16 5l3 3L8 19zM14 7l3 3",
  back: "M14 6l-6 6 6 6",
  warning: "M12 4l9 16H3zM12 10v5M12 17.2v.3",
  close: "M6 6l12 12M18 6L6 18",
  send: "M4 12h15M13 6l6 6-6 6",
  stop: "M7 7h10v10H7z",
  save: "M12 4v11M7 11l5 5 5-5M5 20h14",
  key: "M10.5 12.5L20 3M17 6l3 3M14 9l2 2M7.5 12a4 4 0 1 0 0 8 4 4 0 0 0 0-8z",
};

/** @typedef {keyof typeof PATHS} IconName */

const SVG = "http://www.w3.org/2000/svg";

/**
 * Returns an icon that goes with a text and is hidden from screen readers.
 * @param {IconName} name
 * @returns {SVGSVGElement}
 */
export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", PATHS[name]);
  svg.append(path);
  return svg;
}
