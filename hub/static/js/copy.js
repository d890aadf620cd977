// Copy buttons: puts the code beside a `.sp-copy` button on the clipboard, and says so.

const SAID_FOR = 2000; // milliseconds

document.addEventListener("click", async (event) => {
  const button = event.target.closest(".sp-copy");
  if (!button) return;
  const code = button.parentElement.querySelector("code, pre");
  if (!code) return;
  try {
    await navigator.clipboard.writeText(code.textContent);
    say(button, "Copied", "check2");
  } catch {
    // no clipboard on a plain http page: select it, so that the reader's own keys copy it
    getSelection().selectAllChildren(code);
    say(button, "Selected", "check2");
  }
});

function say(button, word, icon) {
  const label = button.querySelector("span");
  label.setAttribute("role", "status");
  label.textContent = word;
  draw(button, icon);
  clearTimeout(button.back);
  button.back = setTimeout(() => {
    label.textContent = "Copy";
    draw(button, "copy");
  }, SAID_FOR);
}

// Replaces the icon of a button by another one of the same sprite.
function draw(button, icon) {
  const use = button.querySelector("use");
  use?.setAttribute("href", use.getAttribute("href").replace(/#.*/, `#${icon}`));
}
