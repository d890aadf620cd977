// The simulator's page: shows what arrives while it is looked at, and keeps the newest message of a phone in sight.

const PACE = 1000; // milliseconds
const regions = ["phone", "phones"];

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
    const focused = old.contains(document.activeElement) && document.activeElement.className;
    old.replaceWith(fresh);
    if (focused) fresh.getElementsByClassName(focused)[0]?.focus({ preventScroll: true });
  }
  showNewest();
}

showNewest();
setTimeout(look, PACE);
