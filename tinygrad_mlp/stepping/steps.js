// Shows the steps of a page one at a time; without it, the page is a list of all of them.
export function stepThrough(root, keys = document) {
  const articles = [...root.querySelectorAll("article")];
  const boxes = root.querySelectorAll(".graph [data-box]");
  const arrows = root.querySelectorAll(".graph path");
  const lines = root.querySelectorAll(".program span");
  const controls = root.querySelector(".controls");
  const slider = controls.querySelector("input");
  const [back, forward] = controls.querySelectorAll("button");
  let now = 0;

  function show(number) {
    now = Math.max(0, Math.min(articles.length - 1, number));
    const step = articles[now];
    const gradient = step.classList.contains("backward");
    const light = (element, lit) => {
      element.classList.toggle("lit", lit);
      element.classList.toggle("gradient", lit && gradient);
    };
    articles.forEach((article) => article.classList.toggle("shown", article === step));
    boxes.forEach((box) => light(box, box.dataset.box === step.dataset.box));
    arrows.forEach((arrow) => {
      arrow.classList.toggle("in", !gradient && arrow.dataset.head === step.dataset.box);
      arrow.classList.toggle("back", gradient && arrow.dataset.tail === step.dataset.box);
    });
    const lit = new Set(step.dataset.lines.split(" ").filter(Boolean));
    lines.forEach((line, i) => light(line, lit.has(String(i))));
    slider.value = now + 1;
    back.disabled = now === 0;
    forward.disabled = now === articles.length - 1;
    controls.querySelector("output").textContent = `step ${now + 1} of ${articles.length}`;
    for (const inside of [".graph .lit", ".program .lit"]) reveal(root.querySelector(inside));
  }

  // Scrolls the picture or the program, and never the page.
  function reveal(element) {
    const frame = element?.closest(".graph, pre");
    if (!frame) return;
    const [inner, outer] = [element.getBoundingClientRect(), frame.getBoundingClientRect()];
    frame.scrollTop += inner.top + inner.height / 2 - outer.top - outer.height / 2;
    if (frame.matches(".graph")) {
      frame.scrollLeft += inner.left + inner.width / 2 - outer.left - outer.width / 2;
    }
  }

  const moves = {ArrowLeft: () => now - 1, ArrowRight: () => now + 1, Home: () => 0,
                 End: () => articles.length - 1};
  keys.addEventListener("keydown", (event) => {
    const typing = event.target.matches?.("input:not([type=range]), select, textarea");
    if (!(event.key in moves) || typing || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    event.stopPropagation();
    show(moves[event.key]());
  });
  back.addEventListener("click", () => show(now - 1));
  forward.addEventListener("click", () => show(now + 1));
  slider.addEventListener("input", () => show(slider.value - 1));
  boxes.forEach((box) => box.addEventListener("click", () => {
    const own = articles.map((s, i) => (s.dataset.box === box.dataset.box ? i : -1));
    const next = own.find((i) => i > now) ?? own.find((i) => i >= 0);
    if (next !== undefined) show(next);
  }));
  root.classList.add("stepping");
  controls.hidden = false;
  show(Math.max(0, articles.findIndex((article) => article.querySelector(".departs"))));
}

document.querySelectorAll("body > .tg-frame > .tg-steps").forEach((root) => stepThrough(root));
