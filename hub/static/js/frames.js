// Lets a frame follow a form: `data-follows="#button"` on an `iframe` names the button of the form that shows in it. The button is
// pressed whenever inplace.js has shown what was typed. The new page loads in a separate frame, hidden beside the old one, so
// that nothing flickers, and that Back leads to the page before. Without this module, the reader presses the button.

let count = 0;

// The colors that the reader chose last are kept.
document.addEventListener("submit", (event) => {
  const button = event.submitter;
  const frame = button?.formTarget && document.querySelector(`iframe[name="${button.formTarget}"][data-follows]`);
  if (frame) frame.dataset.follows = `#${button.id}`;
});

document.addEventListener("signpost:swapped", () => {
  for (const frame of document.querySelectorAll("iframe[data-follows]:not([hidden])")) follow(frame);
});

function follow(frame) {
  const button = document.querySelector(frame.dataset.follows);
  if (!button) return;
  document.querySelectorAll("iframe[data-follows][hidden]").forEach((late) => late.remove());
  const next = frame.cloneNode(false);
  const name = frame.name;
  next.removeAttribute("src");
  next.name = `${name}-${++count}`;
  next.hidden = true;
  frame.after(next);
  next.addEventListener("load", () => {
    frame.remove();
    next.name = name;
    next.hidden = false;
  });
  button.formTarget = next.name;
  button.form.requestSubmit(button);
  button.formTarget = name;
}
