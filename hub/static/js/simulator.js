// The simulator's page: shows what arrives while it is looked at, and keeps the newest message of a phone in sight.

const PACE = 1000; // milliseconds
const regions = ["phone", "phones", "templates"];
const typed = { "reply-text": "value", "reply-media": "checked", pick: "value" }; // what a reader has begun stays

const phone = () => document.getElementById("phone");

function showNewest() {
  const chat = phone().querySelector(".sp-chat");
  chat.scrollTop = chat.scrollHeight;
}

async function look() {
  if (!document.hidden) {
    try {
      const { version } = await (await fetch("/simulator/version")).json();
      if (String(version) !== phone().dataset.version) await refresh();
    } catch {
      // the simulator is away, perhaps for a restart: ask again
    }
  }
  setTimeout(look, PACE);
}

async function refresh() {
  const text = await (await fetch(location.href)).text();
  const page = new DOMParser().parseFromString(text, "text/html");
  for (const id of regions) {
    const [old, fresh] = [document.getElementById(id), page.getElementById(id)];
    if (!fresh) continue;
    const active = old.contains(document.activeElement) && document.activeElement;
    const [focusedId, focused] = [active && active.id, active && active.className];
    for (const [id, property] of Object.entries(typed)) {
      const [begun, field] = [old.querySelector(`#${id}`), fresh.querySelector(`#${id}`)];
      if (begun && field) field[property] = begun[property];
    }
    old.replaceWith(fresh);
    if (focusedId && document.getElementById(focusedId)) document.getElementById(focusedId).focus({ preventScroll: true });
    else if (focused) fresh.getElementsByClassName(focused)[0]?.focus({ preventScroll: true });
  }
  showNewest();
}

showNewest();
setTimeout(look, PACE);
