/**
 * Work that is done once before the next paint, however often it is asked for: 16 cameras tell of
 * new pictures many times a second.
 */

/** @type {Set<() => void>} */
const due = new Set();

/** @param {() => void} work */
export function schedule(work) {
  if (due.size === 0) nextTurn(flush);
  due.add(work);
}

/**
 * Hidden tabs paint nothing and are given no animation frames.
 * @param {() => void} turn
 */
function nextTurn(turn) {
  if (document.hidden) setTimeout(turn, 250);
  else requestAnimationFrame(turn);
}

function flush() {
  const works = [...due];
  due.clear();
  for (const work of works) work();
}

document.addEventListener("visibilitychange", () => {
  if (due.size) nextTurn(flush);
});
