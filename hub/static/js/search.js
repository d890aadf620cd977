// The key / puts the cursor into the search box of the page, unless the reader is typing somewhere.

document.addEventListener("keydown", (event) => {
  if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
  if (event.target.closest("input, textarea, select, [contenteditable]")) return;
  const boxes = [...document.querySelectorAll("main input[type=search], .sp-find input[type=search]")];
  const box = boxes.find((input) => input.form.action.endsWith("/search") && input.checkVisibility());
  if (!box) return;
  event.preventDefault(); // otherwise the / is typed into the box
  box.focus();
  box.select();
});
