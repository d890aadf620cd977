// Makes a whole row of a table lead to its main link (`.sp-row-link`). The style sheet lays the link over the row; text
// that can be selected and times with a tooltip lie above it, and a click on those is followed here.

document.addEventListener("click", (event) => {
  const link = event.target.closest("tr")?.querySelector(".sp-row-link");
  if (!link || event.defaultPrevented || event.target.closest("a, button, input, label, summary, form")) return;
  if (!getSelection().isCollapsed) return; // the reader is copying something
  link.click();
});
