/* Run axe on a page, and check the contrast of each look of text once.

   axe spends most of its time on contrast, and a page repeats few looks. Two elements look alike if
   their styles are equal, those of all elements around them too, and if no other background crosses
   them. axe checks the first of those that look alike, and checks the others only if it could not
   measure the contrast of the first. */
async (rules) => {
  const CONTRAST = "color-contrast";
  const MARK = "data-contrast-checked"; // on the elements that axe checks
  const SERIOUS = ["serious", "critical"];
  const CONTROLS = "input, select, textarea";
  const TEXT = ["color", "fontSize", "fontWeight", "textShadow", "webkitTextStroke"];
  const PAINT = ["backgroundColor", "backgroundImage", "opacity", "mixBlendMode"];
  const TRANSPARENT = "rgba(0, 0, 0, 0)";

  const lookOf = new Map([[null, 0]]); // the number of each element's look
  const boxOf = new Map();
  const backgrounds = []; // elements

  function readStyles() {
    const numbers = new Map();
    for (const element of document.querySelectorAll("*")) {
      const style = getComputedStyle(element);
      const look = [lookOf.get(element.parentElement)];
      for (const name of [...TEXT, ...PAINT]) look.push(style[name]);
      for (const part of ["::before", "::after"]) {
        const inserted = getComputedStyle(element, part);
        if (inserted.content !== "none") for (const name of PAINT) look.push(part, inserted[name]);
      }
      const key = look.join("|");
      if (!numbers.has(key)) numbers.set(key, numbers.size + 1);
      lookOf.set(element, numbers.get(key));
      boxOf.set(element, element.getBoundingClientRect());
      const painted = style.backgroundColor !== TRANSPARENT || style.backgroundImage !== "none";
      if (painted) backgrounds.push(element);
    }
  }

  const isWithin = (box, area) =>
    box.left >= area.left - 1 &&
    box.right <= area.right + 1 &&
    box.top >= area.top - 1 &&
    box.bottom <= area.bottom + 1;

  const isOutside = (box, area) =>
    box.right <= area.left ||
    box.left >= area.right ||
    box.bottom <= area.top ||
    box.top >= area.bottom;

  // whether a background ends within the element, or that of another element lies over or under it
  function isCrossed(element) {
    const box = boxOf.get(element);
    return backgrounds.some((other) => {
      const area = boxOf.get(other);
      if (isOutside(box, area)) return other !== element && other.contains(element);
      if (element.contains(other)) return false; // its text is checked by itself
      return !(other.contains(element) && isWithin(box, area));
    });
  }

  const hasText = (element) =>
    [...element.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.data.trim());

  // whether the text is not shown, so that it has no contrast; "contents" has no box of its own
  const isHidden = (element) =>
    !element.checkVisibility({ visibilityProperty: true }) &&
    getComputedStyle(element).display !== "contents";

  // whether axe can measure the contrast, as far as is known before
  const isPlain = (element) =>
    !element.matches(CONTROLS) &&
    element.textContent.trim().length > 1 &&
    boxOf.get(element).width > 1 &&
    !element.closest("[aria-disabled=true]") &&
    !isCrossed(element);

  // Return the first element of each look, with the others that look like it.
  function groupByLook() {
    const groups = new Map();
    for (const element of document.querySelectorAll("body *")) {
      if (!hasText(element) && !element.matches(CONTROLS)) continue; // axe does not check it
      if (isHidden(element)) continue;
      const look = isPlain(element) ? lookOf.get(element) : element;
      if (groups.has(look)) groups.get(look).push(element);
      else groups.set(look, [element]);
    }
    return new Map([...groups.values()].map(([first, ...others]) => [first, others]));
  }

  async function run(only, elements) {
    elements.forEach((element) => element.setAttribute(MARK, ""));
    const result = await axe.run({
      elementRef: true,
      resultTypes: ["violations", "passes"],
      ...(only.length ? { runOnly: only } : {}),
    });
    elements.forEach((element) => element.removeAttribute(MARK));
    return result;
  }

  // Return the elements whose contrast axe measured: it passes hidden ones too.
  const measured = ({ violations, passes }) =>
    [...violations, ...passes]
      .filter((rule) => rule.id === CONTRAST)
      .flatMap((rule) => rule.nodes)
      .filter((node) => node.any.some((check) => check.data?.contrastRatio))
      .map((node) => node.element);

  const shown = (target) => String(target).replaceAll(`[${MARK}=""]`, "");

  readStyles();
  const groups = groupByLook();
  axe.configure({ rules: [{ id: CONTRAST, selector: `[${MARK}]` }] });
  const result = await run(rules, [...groups.keys()]);
  const certain = new Set(measured(result));
  const uncertain = [...groups].flatMap(([first, others]) => (certain.has(first) ? [] : others));
  const results = [result];
  if (uncertain.length) results.push(await run([CONTRAST], uncertain));

  return results
    .flatMap(({ violations }) => violations)
    .filter((rule) => SERIOUS.includes(rule.impact))
    .flatMap(({ id, help, nodes }) =>
      nodes.map(({ target, element, any }) => {
        const alike = id === CONTRAST && groups.get(element)?.length;
        const colors = id === CONTRAST ? ` (${any[0].message})` : "";
        const more = alike ? `, and ${alike} that look alike` : "";
        return `${id}: ${help}${colors}: ${shown(target)}${more} ${element.outerHTML.slice(0, 160)}`;
      }),
    );
}
