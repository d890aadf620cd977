// The simulator's pages: show what arrives while they are looked at, and keep the newest message in sight.

const PACE = 1000; // milliseconds
const NEAR = 40; // pixels from the end that count as being there

const shown = () => document.querySelector("[data-version]");
const chat = () => shown().querySelector(".sp-chat, .sp-posts") || shown();

function showNewest() {
  chat().scrollTop = chat().scrollHeight;
}

async function look() {
  if (!document.hidden) {
    try {
      const { version } = await (await fetch("/simulator/version")).json();
      if (String(version) !== shown().dataset.version) await refresh();
    } catch {
      // the simulator is away, perhaps for a restart: ask again
    }
  }
  setTimeout(look, PACE);
}

// what a reader has begun stays: typed text, a ticked box, an unfolded part
function keep(old, fresh) {
  for (const begun of old.querySelectorAll("input[id], select[id], details[id]")) {
    const same = fresh.querySelector(`#${CSS.escape(begun.id)}`);
    if (!same) continue;
    if (begun.tagName === "DETAILS") same.open = begun.open;
    else if (begun.type === "checkbox") same.checked = begun.checked;
    else same.value = begun.value;
  }
}

async function refresh() {
  const text = await (await fetch(location.href)).text();
  const page = new DOMParser().parseFromString(text, "text/html");
  const [top, atEnd] = [chat().scrollTop, chat().scrollHeight - chat().scrollTop - chat().clientHeight < NEAR];
  for (const old of document.querySelectorAll("[data-live]")) {
    const fresh = page.getElementById(old.id);
    if (!fresh) continue;
    const active = old.contains(document.activeElement) && document.activeElement;
    const [focusedId, focused] = [active && active.id, active && active.className];
    keep(old, fresh);
    old.replaceWith(fresh);
    if (focusedId && document.getElementById(focusedId)) document.getElementById(focusedId).focus({ preventScroll: true });
    else if (focused) fresh.getElementsByClassName(focused)[0]?.focus({ preventScroll: true });
  }
  if (atEnd) showNewest();
  else chat().scrollTop = top;
}

if (shown()) {
  showNewest();
  setTimeout(look, PACE);
}
