// Keeps a region up to date: `data-refresh="3"` asks for the page again every 3 seconds while it is looked at, and swaps
// the region, until the server marks it `data-settled`. The pace slows down while nothing changes.

const SLOWEST = 30; // seconds
const regions = () => [...document.querySelectorAll("[data-refresh][id]:not([data-settled])")];

let wait = 0;
let timer;

function plan() {
  clearTimeout(timer);
  const paces = regions().map((region) => Number(region.dataset.refresh) || 3);
  if (!paces.length || document.hidden) return;
  wait = Math.min(Math.max(wait, ...paces), SLOWEST);
  timer = setTimeout(refresh, wait * 1000);
}

async function refresh() {
  try {
    const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
    if (answer.redirected || answer.status === 404) return; // signed out, or gone: leave what is there
    if (answer.ok) {
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const changed = regions().map((region) => swap(region, page.getElementById(region.id)));
      wait = changed.includes(true) ? 0 : wait * 1.3;
    } else {
      wait = wait * 2;
    }
  } catch {
    wait = SLOWEST; // the network is away
  }
  plan();
}

// Returns true when the region changed; never takes away what the reader is using.
function swap(region, fresh) {
  if (!fresh) return false;
  const selected = getSelection();
  const focused = document.activeElement; // the region itself has the focus after inplace.js filled it
  const inUse = (focused !== region && region.contains(focused)) || (!selected.isCollapsed && region.contains(selected.anchorNode));
  if (inUse || region.querySelector(".sp-pop[open]")) return false;
  for (const fold of region.querySelectorAll("details[id][open]")) {
    const same = fresh.querySelector(`#${CSS.escape(fold.id)}`);
    if (same) same.open = true;
  }
  const changed = region.textContent.replace(/\s+/g, " ") !== fresh.textContent.replace(/\s+/g, " ");
  region.toggleAttribute("data-settled", fresh.hasAttribute("data-settled"));
  if (changed) region.replaceChildren(...fresh.childNodes);
  return changed;
}

function anew() {
  wait = 0;
  plan();
}

document.addEventListener("visibilitychange", anew);
document.addEventListener("signpost:swapped", anew);
plan();
