// Submits a form without leaving the page: `data-inplace="#region"` on the form, or on one of its buttons, names the
// region that is replaced by the same region of the answer, whatever its status. What was typed is never touched; the
// fields' errors are. Without this module, or when the network fails, the form is submitted as usual.

const SPRITE = new URL("../icons.svg", import.meta.url);
const plain = new WeakSet(); // forms that are to be submitted as usual

document.addEventListener("submit", async (event) => {
  const form = event.target;
  const button = event.submitter;
  const regions = button?.dataset.inplace ?? form.dataset.inplace;
  if (!regions || plain.has(form)) return;
  event.preventDefault();
  if (form.getAttribute("aria-busy") === "true") {
    // a second press of the same button does nothing, and another button waits for its turn
    if (button && button.getAttribute("aria-disabled") !== "true") setTimeout(() => form.requestSubmit(button), 100);
    return;
  }

  const done = busy(form, button, regions);
  try {
    const answer = await fetch(button?.getAttribute("formaction") ?? form.action, {
      method: "POST",
      body: new FormData(form, button),
      headers: { Accept: "text/html" },
    });
    show(new DOMParser().parseFromString(await answer.text(), "text/html"), form, regions, button?.hasAttribute("data-quiet"));
  } catch {
    plain.add(form);
    form.requestSubmit(button);
  } finally {
    done();
  }
});

// `data-onchange="#button"` on a form presses that button whenever something in the form was chosen. Fields that stand beside the
// form, such as the address of a test, change nothing that it shows.
document.addEventListener("change", (event) => {
  const form = event.target.closest("form");
  const button = form?.dataset.onchange && form.querySelector(form.dataset.onchange);
  if (button) form.requestSubmit(button);
});

// `data-live="#button"` on a form presses that button a moment after the last change of a text.
let typing;
document.addEventListener("input", (event) => {
  const form = event.target.closest("form");
  const button = form?.dataset.live && form.querySelector(form.dataset.live);
  if (!button) return;
  const press = () => {
    if (form.getAttribute("aria-busy") === "true") typing = setTimeout(press, 200);
    else form.requestSubmit(button);
  };
  clearTimeout(typing);
  typing = setTimeout(press, 500);
});

// Says that something is under way: the button keeps the focus, and a second press does nothing.
function busy(form, button, regions) {
  const label = button?.innerHTML;
  const live = document.querySelectorAll(regions);
  form.setAttribute("aria-busy", "true");
  for (const region of live) region.setAttribute("aria-busy", "true");
  if (button) {
    button.setAttribute("aria-disabled", "true");
    button.classList.add("disabled");
    if (button.dataset.busy) button.textContent = button.dataset.busy;
  }
  return () => {
    form.removeAttribute("aria-busy");
    for (const region of live) region.removeAttribute("aria-busy");
    if (!button) return;
    button.removeAttribute("aria-disabled");
    button.classList.remove("disabled");
    button.innerHTML = label;
  };
}

function show(answer, form, regions, quiet) {
  const first = document.querySelector(regions.split(",")[0]);
  let found = false;
  for (const region of document.querySelectorAll(regions)) {
    const fresh = answer.getElementById(region.id);
    if (!fresh) continue;
    region.replaceChildren(...fresh.childNodes);
    region.toggleAttribute("data-settled", fresh.hasAttribute("data-settled"));
    found = true;
  }
  // an error page has no such region: its sentence is shown where the result would be
  const problem = answer.querySelector("[data-problem]");
  if (!found && problem) first.replaceChildren(notice(problem));
  else if (!found) throw new Error("The answer has nothing to show here.");
  if (found) {
    mark(answer, form, quiet);
    document.title = answer.title; // says "Error:" while there is one
  }
  document.dispatchEvent(new Event("signpost:swapped")); // refresh.js may have something to watch now
  if (quiet) return; // the reader is in the middle of choosing
  const summary = regions.includes("#error-summary") && document.querySelector(".sp-error-summary");
  if (summary) return summary.focus();
  first.setAttribute("tabindex", "-1");
  first.focus({ preventScroll: true });
  first.scrollIntoView({ block: "nearest" });
}

// An error page's words as a notice: the same sentences, with a heading that fits below the page's own.
function notice(problem) {
  const [box, icon, words, title] = ["div", "i", "div", "h2"].map((name) => document.createElement(name));
  box.className = "sp-notice sp-tone-info";
  icon.className = "bi";
  icon.innerHTML = `<svg><use href="${SPRITE}#info-circle-fill"/></svg>`;
  icon.setAttribute("aria-hidden", "true");
  title.append(problem.querySelector("h1")?.textContent ?? "");
  words.append(title, ...problem.querySelectorAll("p"));
  box.append(icon, words);
  return box;
}

// Takes over each field's error from the answer, and leaves its value alone.
function mark(answer, form, quiet) {
  // also of the fields that stand beside the form, which a preview says nothing about
  for (const error of document.querySelectorAll("[data-field-error]")) {
    const fresh = answer.getElementById(error.id);
    const control = document.getElementById(error.id.replace(/-error$/, ""));
    if (!fresh || !control || (!form.contains(error) && (quiet || control.form !== form))) continue;
    error.replaceChildren(...fresh.childNodes);
    const wrong = error.childElementCount > 0;
    control.classList.toggle("is-invalid", wrong);
    control.toggleAttribute("aria-invalid", wrong);
    if (wrong) control.setAttribute("aria-invalid", "true");
  }
}
