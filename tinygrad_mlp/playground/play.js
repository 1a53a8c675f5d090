// The playground: one front end for a page with a socket and for the widget of a notebook.

const COLOURS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8c6bb1",
                 "#999999", "#a6761d", "#332288"].map((c) =>
  [1, 3, 5].map((i) => parseInt(c.slice(i, i + 2), 16)));
const EDGES = ["weights", "gradients", "weight × input"];
const NODE = 40;
const TRIES = 6;  // to connect again, after 1, 2, 4 … seconds

// A message of the session: the length of the header, the header, and bytes with a scale.
function decoded(buffer) {
  const length = buffer.getUint32(0, true);
  const bytes = (start, n) => new Uint8Array(buffer.buffer, buffer.byteOffset + start, n);
  const message = JSON.parse(new TextDecoder().decode(bytes(4, length)));
  let place = 4 + length;
  message.rest = bytes(place, buffer.byteLength - place);
  for (const {name, shape, scale} of message.parts ?? []) {
    const n = shape.reduce((a, b) => a * b, 1);
    const values = Float32Array.from(new Int8Array(buffer.buffer, buffer.byteOffset + place, n),
                                     (v) => v * scale);
    message[name] = {shape, values};
    place += n;
  }
  return message;
}

function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else if (key in made && key !== "list") made[key] = value;
    else made.setAttribute(key, value);
  }
  made.append(...children);
  return made;
}

// A control below its name, which is also what a screen reader says.
function labelled(name, control) {
  control.setAttribute("aria-label", name);
  return element("label", {}, name, control);
}

export class Playground {
  constructor(root, send, keys = root) {
    this.root = root;
    this.send = send;
    this.edges = EDGES[0];
    this.series = [];
    this.spoken = 0;
    this.group = `edges${Math.random()}`;  // that of another display is another one
    root.classList.add("tg-play");
    root.tabIndex = -1;
    this.build();
    keys.addEventListener("keydown", (event) => this.key(event));
    this.dark = matchMedia("(prefers-color-scheme: dark)");
    this.dark.addEventListener("change", () => this.draw());
    this.still = matchMedia("(prefers-reduced-motion: reduce)");
    new ResizeObserver(() => this.draw()).observe(root);
  }

  // -- controls -------------------------------------------------------------------------------

  build() {
    const make = (name, node) => (this[name] = node);
    const set = (name, value) => this.send({do: "set", name, value});
    const choice = (name, label = name) => labelled(label, make(name,
      element("select", {onchange: (e) => set(name, e.target.value)})));
    const lr = (value) => value > 0 && Number.isFinite(value) && set("lr", value);
    const exported = (what) => element("button", {type: "button", textContent: what,
      onclick: () => {
        this.exporting = true;
        this.send({do: "export", what});
      }});
    this.root.replaceChildren(
      element("div", {className: "bar top"},
        make("runButton", element("button", {type: "button", className: "main", title: "key R",
          textContent: "Run", onclick: () => this.run()})),
        element("button", {type: "button", textContent: "Step", title: "key S",
          onclick: () => this.step(this.unit.value)}),
        labelled("of a", make("unit", element("select", {},
          ...["batch", "sample", "epoch"].map((u) => new Option(u))))),
        element("button", {type: "button", textContent: "Reset", title: "key 0",
          onclick: () => this.reset()}),
        labelled("at most steps/s", make("rate", element("select",
          {onchange: (e) => set("rate", Number(e.target.value))},
          ...[2, 10, 50, 200, 1000, 10000].map((n) => new Option(n))))),
        element("label", {}, "learning rate", element("span", {},
          make("lrSlider", element("input", {type: "range", min: -5, max: 1, step: 0.05,
            className: "wide", ariaLabel: "learning rate, logarithmic",
            oninput: (e) => lr(Number((10 ** e.target.value).toPrecision(2)))})),
          make("lr", element("input", {type: "number", className: "short", step: "any", min: 0,
            ariaLabel: "learning rate", onchange: (e) => lr(Number(e.target.value))})))),
        make("statusLine", element("span", {className: "legend"}))),
      element("div", {className: "bar"},
        labelled("begin with", make("preset", element("select", {onchange: (e) => {
          if (e.target.value) this.send({do: "preset", name: e.target.value});
        }}))),
        choice("activation"), choice("loss"), choice("optimizer"), choice("init", "initial weights"),
        labelled("batch", make("batch", element("input", {type: "number", min: 1,
          className: "short", onchange: (e) => set("batch", Math.round(Number(e.target.value)))}))),
        labelled("hidden layers", make("hidden", element("input", {className: "short",
          onchange: (e) => set("hidden", e.target.value.split(/[ ,]+/).filter(Boolean).map(Number))
        }))),
        make("noiseLabel", labelled("noise", make("noise", element("input",
          {type: "range", min: 0, max: 0.3, step: 0.01,
           onchange: (e) => set("noise", Number(e.target.value))})))),
        labelled("wrong rule", make("rule", element("select",
          {onchange: (e) => this.send({do: "plant", rule: e.target.value})}))),
        element("button", {type: "button", textContent: "Check gradient",
          onclick: () => this.send({do: "check"})}),
        element("div", {}, element("div", {className: "legend"}, "export"),
          ...["program", "weights", "report"].map(exported))),
      make("banners", element("div", {})),
      make("status", element("p", {className: "status", role: "status"})),
      element("main", {},
        element("div", {},
          element("div", {className: "bar"}, make("title", element("strong")),
            ...EDGES.map((name) => element("label", {className: "row"},
              element("input", {type: "radio", name: this.group, value: name,
                checked: name === this.edges, onchange: () => this.chooseEdges(name)}), name))),
          make("network", element("div", {className: "network"},
            make("picture", element("canvas", {role: "img",
              ariaLabel: "the network: neurons as pictures of what they see",
              onclick: (e) => this.clicked(e)})))),
          element("p", {className: "legend"}, "Orange: positive. Violet, dashed: negative. Thick: " +
            "large. A click on a neuron or a weight opens its step below.")),
        element("div", {},
          make("planeTitle", element("h2")),
          make("plane", element("div", {className: "plane"},
            make("map", element("canvas", {width: 48, height: 48, role: "img",
              ariaLabel: "decision boundary"})),
            make("points", element("canvas", {ariaHidden: "true"})))),
          make("pads", element("div", {className: "pads"},
            make("pad", element("canvas", {width: 28, height: 28, className: "pad",
              role: "img", ariaLabel: "draw a digit"})),
            element("div", {}, element("div", {className: "legend"}, "what the network sees"),
              make("seenCanvas", element("canvas", {width: 28, height: 28, className: "seen"})),
              element("button", {type: "button", textContent: "Clear",
                onclick: () => this.clearPad()})))),
          make("answer", element("div", {className: "answer"})),
          element("h2", {}, "Loss"), make("curves", element("canvas", {className: "curves",
            role: "img", ariaLabel: "loss by step"})),
          make("curveLegend", element("p", {className: "legend"})),
          element("h2", {}, "Gradient norm by layer, ‖∂L/∂W‖"),
          make("norms", element("table", {className: "norms"})))),
      make("drawer", element("div", {className: "drawer"},
        element("div", {className: "bar"}, element("strong", {}, "This step, for sample"),
          make("sample", element("input", {type: "number", min: 0, value: 0, className: "short",
            ariaLabel: "number of the sample", onchange: () => this.askSteps()})),
          element("button", {type: "button", textContent: "Show the steps of one pass",
            onclick: () => this.askSteps()})),
        make("stepsPlace", element("div")))));
    this.preparePad();
  }

  run(on = !this.running) {
    this.running = on;
    this.runButton.textContent = on ? "Pause" : "Run";
    this.send({do: "run", on});
  }

  step(unit) {
    this.running = false;
    this.runButton.textContent = "Run";
    this.send({do: "step", unit});
  }

  reset() {
    this.send({do: "reset", seed: this.settings.seed + 1});
  }

  askSteps(name) {
    this.wanted = name;
    this.send({do: "sample", number: Math.round(Number(this.sample.value))});
  }

  chooseEdges(name) {
    this.edges = name;
    for (const input of this.root.querySelectorAll("input[type=radio]")) {
      input.checked = input.value === name;
    }
    this.draw();
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    event.stopPropagation();  // a notebook would change its cells
    if (event.target.matches("input:not([type=radio], [type=range]), select, textarea")) return;
    const actions = {
      r: () => this.run(), s: () => this.step("batch"), e: () => this.step("epoch"),
      0: () => this.reset(), g: () => this.chooseEdges(
        EDGES[(EDGES.indexOf(this.edges) + 1) % EDGES.length])};
    const action = actions[event.key.toLowerCase()];
    if (!action) return;
    event.preventDefault();
    action();
  }

  // -- messages -------------------------------------------------------------------------------

  hear(buffer) {
    const message = decoded(buffer);
    const heard = {hello: () => this.hello(message), frame: () => this.frame(message),
                   steps: () => this.showSteps(message.html), check: () => this.checked(message),
                   class: () => this.classified(message), file: () => this.save(message),
                   error: () => {
                     this.exporting = false;
                     this.banner("error", message.text, false);
                   }};
    heard[message.type]?.();
  }

  hello(message) {
    const {settings, choices} = message;
    const before = this.about;
    this.about = message;
    this.settings = settings;
    const fill = (select, options, value) => {
      select.replaceChildren(...options.map((o) => new Option(o || "none", o)));
      select.value = value;
    };
    for (const name of ["activation", "loss", "optimizer", "init"]) {
      const foreign = message.own && (name === "activation" || name === "init");
      fill(this[name], choices[name], foreign ? "" : settings[name]);
      this[name].disabled = foreign;
    }
    fill(this.rule, ["", ...choices.rule], message.rule);
    this.preset.replaceChildren(new Option("…", ""), ...choices.preset.map((o) => new Option(o)));
    this.rule.disabled = this.hidden.disabled = message.own;
    const put = (field, value) => {  // but not while someone types there
      if (field.getRootNode().activeElement !== field) field.value = value;
    };
    put(this.lr, settings.lr);
    put(this.lrSlider, Math.log10(settings.lr));
    put(this.rate, settings.rate);
    put(this.batch, settings.batch);
    put(this.hidden, message.own ? "" : settings.hidden.join(", "));
    put(this.noise, settings.noise);
    const {data} = message;
    this.noiseLabel.hidden = !["spirals", "circles"].includes(data.name);
    this.title.textContent = `${data.name}: ${data.train} samples to train, ${data.test} to test`;
    this.plane.hidden = this.planeTitle.hidden = data.side > 0;
    this.pads.hidden = !data.side;
    this.planeTitle.textContent = data.inputs < 3 && data.classes.length ? "Decision boundary"
      : `Answers by ${data.features.join(" and ")}` +
        (data.inputs > 2 ? ", other inputs at their mean" : "");
    this.network.parentElement.hidden = !message.layers.length;
    const shape = ({data: {name}, layers}) => JSON.stringify([name, layers]);
    if (before && shape(message) !== shape(before)) {
      this.now = null;  // a frame of another network
      this.series = [];
      this.drawn = this.asked = false;
      this.answer.replaceChildren();
      this.stepsPlace.replaceChildren();
    }
    if (!message.rule) this.dismiss("check");
  }

  frame(message) {
    if (!this.about) return;
    this.now = message;
    this.running = message.running;
    this.runButton.textContent = message.running ? "Pause" : "Run";
    if (message.step < (this.series.at(-1)?.step ?? 0) || message.step === 0) this.series = [];
    this.series.push({step: message.step, losses: message.trainings.flatMap((t) =>
      [t.loss, t.test_loss])});
    if (this.series.length > 400) this.series = this.series.filter((_, i) => i % 2);
    const stopped = message.trainings.find((t) => t.stopped)?.stopped;
    if (stopped) this.banner("stopped", `Training has stopped: ${stopped}. Reset begins anew.`, false);
    requestAnimationFrame(() => {
      this.draw();
      setTimeout(() => this.send({do: "ack"}), this.still.matches ? 500 : 0);
    });
  }

  checked({ok, text, operation}) {
    this.banner("check", ok ? `The gradient rule of ${operation} is right.\n${text}` : text, ok);
  }

  showSteps(html) {
    this.stepsPlace.innerHTML = html;
    const root = this.stepsPlace.querySelector(".tg-steps");
    stepThrough(root, this.stepsPlace);
    const named = (box) => box.querySelector("text").textContent === this.wanted;
    const box = this.wanted && [...root.querySelectorAll(".graph g")].find(named);
    box?.dispatchEvent(new MouseEvent("click"));
    if (this.wanted) this.drawer.scrollIntoView({behavior: "smooth", block: "nearest"});
  }

  // The answer to one display of a widget comes to all: who has asked saves it.
  save({name, rest}) {
    if (!this.exporting) return;
    this.exporting = false;
    const link = element("a", {download: name, href: URL.createObjectURL(new Blob([rest]))});
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  }

  banner(name, text, good, button = "Close", onclick = () => this.dismiss(name)) {
    this.dismiss(name);
    this.banners.append(element("div", {className: good ? "banner good" : "banner", role: "alert",
      "data-name": name}, element("pre", {}, text),
      element("button", {type: "button", textContent: button, onclick})));
  }

  dismiss(name) {
    this.banners.querySelector(`[data-name="${name}"]`)?.remove();
  }

  // -- pictures -------------------------------------------------------------------------------

  draw() {
    if (!this.about || !this.now) return;
    const style = getComputedStyle(this.root);
    const colours = {};
    this.colour = (name) => (colours[name] ??= style.getPropertyValue(`--${name}`).trim());
    this.say();
    if (this.about.layers.length) this.drawNetwork();
    if (this.now.boundary) this.drawPlane();
    this.drawAnswer(this.now.answer, !this.drawn);
    this.drawCurves();
    this.drawNorms();
  }

  say() {
    const {step, epoch, trainings: [first]} = this.now;
    const shown = (x) => (x === null ? "–" : Number(x).toPrecision(3));
    const share = (x) => (x === null ? "" : `, accuracy ${(100 * x).toFixed(1)} %`);
    const text = `step ${step}, epoch ${epoch.toFixed(1)}, loss ${shown(first.loss)}` +
      `${share(first.accuracy)}; test loss ${shown(first.test_loss)}${share(first.test_accuracy)}`;
    this.statusLine.textContent = `step ${step}${this.now.held ? ", waits while a cell runs" : ""}`;
    if (performance.now() - this.spoken > 1000 || !this.running) {
      this.spoken = performance.now();
      this.status.textContent = text;
    }
  }

  // The pixels of numbers: orange for positive, violet for negative.
  pixels({shape, values}, from, n, columns, light) {
    const image = new ImageData(columns, n / columns);
    let largest = 1e-12;
    for (let i = 0; i < n; i++) largest = Math.max(largest, Math.abs(values[from + i]));
    const ends = [[90, 70, 170], [216, 94, 0]];
    for (let i = 0; i < n; i++) {
      const x = values[from + i] / largest;
      const end = ends[Number(x > 0)];
      for (let k = 0; k < 3; k++) {
        image.data[4 * i + k] = light + (end[k] - light) * Math.abs(x);
      }
      image.data[4 * i + 3] = 255;
    }
    return image;
  }

  stamp(context, image, x, y, width, height) {
    this.small ??= document.createElement("canvas");
    [this.small.width, this.small.height] = [image.width, image.height];
    this.small.getContext("2d").putImageData(image, 0, 0);
    context.drawImage(this.small, x, y, width, height);
  }

  // A canvas with as many pixels as the screen has, and its size in those of CSS.
  sized(canvas, height) {
    const width = canvas.clientWidth || 300;
    const scale = devicePixelRatio || 1;
    const size = [width, height].map((n) => Math.floor(n * scale));
    if (canvas.width !== size[0] || canvas.height !== size[1]) [canvas.width, canvas.height] = size;
    const context = canvas.getContext("2d");
    context.reset();
    context.setTransform(scale, 0, 0, scale, 0, 0);
    return [context, width, height];
  }

  drawNetwork() {
    const {layers, most, data} = this.about;
    const phone = this.root.clientWidth < 640;
    const limit = phone ? 6 : most;
    const sizes = [layers[0][0], ...layers.map((layer) => layer[1])];
    const counts = sizes.map((n, i) => (data.side && i === 0 ? 1 : Math.min(n, limit)));
    const node = phone ? 30 : NODE;
    const row = node + 10;
    const height = 30 + Math.max(...counts) * row;
    this.picture.style.height = `${height}px`;
    const [context, width] = this.sized(this.picture, height);
    const across = (width - node) / (sizes.length - 1);
    this.places = counts.map((n, column) => Array.from({length: n}, (_, i) => ({
      x: column * across, y: 24 + i * row + (Math.max(...counts) - n) * row / 2, node})));
    layers.forEach((_, number) => {
      if (!(data.side && number === 0)) this.drawEdges(context, number, node);
    });
    context.font = "12px system-ui, sans-serif";
    const light = this.dark.matches ? 30 : 247;
    this.places.forEach((column, c) => {
      context.fillStyle = this.colour("soft");
      context.textAlign = c === 0 ? "left" : c === sizes.length - 1 ? "right" : "center";
      const x = c === 0 ? 0 : c === sizes.length - 1 ? width : column[0].x + node / 2;
      const shown = data.side && c === 0 ? sizes[c] : counts[c];
      context.fillText(shown < sizes[c] ? `${shown} of ${sizes[c]}` : `${sizes[c]}`, x, 14);
      column.forEach((place, i) => this.drawNode(context, place, c, i, light));
    });
  }

  drawNode(context, {x, y, node}, column, i, light) {
    const seen = this.now[`seen${column}`];
    const values = this.now[`values${column}`];
    const images = this.about.images;
    if (column === 0 && images) {
      const side = this.about.data.side;
      const n = Math.min(Number(this.sample.value) || 0, images.shape[0] - 1);
      this.stamp(context, this.pixels(images, n * side * side, side * side, side, light), x, y,
                 node, node);
    } else if (seen && i < seen.shape[0]) {
      const n = seen.shape[1] * seen.shape[2];
      this.stamp(context, this.pixels(seen, i * n, n, seen.shape[2], light), x, y, node, node);
    } else if (values) {
      const one = {values: [values.values[i], 1], shape: [2]};
      const image = this.pixels(one, 0, 2, 2, light);
      context.fillStyle = `rgb(${[...image.data.slice(0, 3)].join(" ")})`;
      context.fillRect(x, y, node, node);
    }
    context.strokeStyle = this.colour("ink");
    context.strokeRect(x, y, node, node);
  }

  drawEdges(context, number, node) {
    const source = this.now[`${this.edges === "gradients" ? "gradients" : "weights"}${number}`];
    const values = this.now[`values${number}`];
    const [rows, columns] = source.shape;
    const strength = (i, j) => source.values[i * columns + j] *
      (this.edges === "weight × input" ? values.values[j] : 1);
    let largest = 1e-12;
    for (let i = 0; i < rows; i++) for (let j = 0; j < columns; j++) {
      largest = Math.max(largest, Math.abs(strength(i, j)));
    }
    this.places[number + 1].forEach((to, i) => this.places[number].forEach((from, j) => {
      if (i >= rows || j >= columns) return;
      const x = strength(i, j);
      context.strokeStyle = this.colour(x < 0 ? "violet" : "orange");
      context.setLineDash(x < 0 ? [5, 3] : []);
      context.lineWidth = 0.3 + 4 * Math.abs(x) / largest;
      context.globalAlpha = 0.25 + 0.7 * Math.abs(x) / largest;
      context.beginPath();
      context.moveTo(from.x + node, from.y + node / 2);
      context.lineTo(to.x, to.y + node / 2);
      context.stroke();
    }));
    context.setLineDash([]);
    context.globalAlpha = context.lineWidth = 1;
  }

  clicked(event) {
    const box = this.picture.getBoundingClientRect();
    const [x, y] = [event.clientX - box.left, event.clientY - box.top];
    const hit = (p) => x >= p.x && x <= p.x + p.node && y >= p.y && y <= p.y + p.node;
    const column = this.places.findIndex((places) => places.some(hit));
    if (column === 0) {
      this.askSteps("x");
    } else if (column > 0) {
      const last = column === this.places.length - 1;
      this.pick(`${last ? "z" : "a"}${column + 1}`, column, this.places[column].findIndex(hit));
    } else {
      const edge = this.edgeAt(x, y);
      if (edge) this.pick(`W${edge.layer}`, edge.layer, edge.neuron, edge.source);
    }
  }

  pick(name, layer, neuron, source = null) {
    this.wanted = name;
    this.send({do: "pick", layer, neuron, source});
  }

  // The weight whose line is nearest to a point, within a finger's width.
  edgeAt(x, y) {
    let found = null;
    let nearest = 8;
    this.places.slice(1).forEach((column, number) => column.forEach((to, neuron) =>
      this.places[number].forEach((from, source) => {
        if (this.about.data.side && number === 0) return;
        const [left, top, bottom] = [from.x + from.node, from.y + from.node / 2,
                                     to.y + to.node / 2];
        const share = (x - left) / (to.x - left);
        if (share <= 0 || share >= 1) return;
        const slope = (bottom - top) / (to.x - left);
        const distance = Math.abs(y - top - slope * (x - left)) / Math.hypot(1, slope);
        if (distance < nearest) {
          nearest = distance;
          found = {layer: number + 1, neuron, source};
        }
      })));
    return found;
  }

  drawPlane() {
    const {boundary} = this.now;
    const [side, , classes] = boundary.shape;
    let image;
    if (!this.about.data.classes.length) {
      image = this.pixels(boundary, 0, side * side, side, this.dark.matches ? 30 : 247);
    } else {
      image = new ImageData(side, side);
      const {values} = boundary;
      const [own, white] = this.dark.matches ? [0.55, 0] : [0.5, 127.5];
      for (let p = 0; p < side * side; p++) {
        let total = 1e-9;
        const mixed = [0, 0, 0];
        for (let c = 0; c < classes; c++) {
          const share = Math.max(values[p * classes + c], 0);
          total += share;
          for (let k = 0; k < 3; k++) mixed[k] += share * COLOURS[c % 10][k];
        }
        for (let k = 0; k < 3; k++) image.data[4 * p + k] = white + own * mixed[k] / total;
        image.data[4 * p + 3] = 255;
      }
    }
    this.map.getContext("2d").putImageData(image, 0, 0);
    this.drawPoints();
  }

  // The samples: only when they, their colours or their place have changed, and not each frame.
  drawPoints() {
    const {clientWidth, clientHeight} = this.points;
    const drawn = [this.about, this.dark.matches, clientWidth, clientHeight, devicePixelRatio];
    if (this.pointsDrawn?.every((each, i) => each === drawn[i])) return;
    this.pointsDrawn = drawn;
    const [context, width, height] = this.sized(this.points, clientHeight || 300);
    const [[left, bottom], [right, top]] = this.about.limits;
    const regression = !this.about.data.classes.length;
    for (const [rows, filled] of [[this.about.train, true], [this.about.test, false]]) {
      for (const [x, y, target] of rows) {
        const colour = regression ? this.colour(target < 0 ? "violet" : "orange")
          : `rgb(${COLOURS[target % 10].join(" ")})`;
        context.beginPath();
        context.arc((x - left) / (right - left) * width, (top - y) / (top - bottom) * height, 3.2,
                    0, 7);
        context.lineWidth = filled ? 0.8 : 2;
        context.strokeStyle = filled ? this.colour("page") : colour;
        context.fillStyle = colour;
        if (filled) context.fill();
        context.stroke();
      }
    }
  }

  drawAnswer(answer, ofSample) {
    if (!answer || !(ofSample || answer.drawn)) return;
    const {classes} = this.about.data;
    if (!classes.length) {
      this.answer.textContent = `answer for the sample: ${answer.values[0].toPrecision(3)}`;
      return;
    }
    const best = answer.values.indexOf(Math.max(...answer.values));
    const what = ofSample ? `test sample ${this.sample.value}` : "your drawing";
    this.answer.replaceChildren(element("span"), element("span", {className: "legend"}, what),
      element("span"), ...classes.flatMap((name, i) => [
        element(i === best ? "strong" : "span", {}, name),
        element("meter", {min: 0, max: 1, value: answer.values[i], ariaLabel: name}),
        element("span", {}, answer.values[i].toFixed(2))]));
  }

  drawCurves() {
    const [context, width, height] = this.sized(this.curves, this.curves.clientHeight || 144);
    const count = this.series[0]?.losses.length ?? 0;
    let [low, high] = [Infinity, 0];
    for (const {losses} of this.series) {
      for (const v of losses) if (v > 0) [low, high] = [Math.min(low, v), Math.max(high, v)];
    }
    const rivals = this.about.rival !== null;
    this.curveLegend.textContent = "solid: training, dashed: test, logarithmic" + (rivals
      ? `; orange: ${this.settings.loss}, violet: ${this.about.rival}, same weights to begin with`
      : "");
    if (!high) return;
    [low, high] = [Math.log(low), Math.log(high)];
    const [first, last] = [this.series[0].step, Math.max(this.series.at(-1).step, 1)];
    const y = (v) => 6 + (height - 22) * (1 - (Math.log(v) - low) / (high - low || 1));
    context.font = "11px system-ui, sans-serif";
    context.fillStyle = this.colour("soft");
    const shown = (v) => (v < 0.01 ? v.toExponential(0) : v.toPrecision(2));
    context.fillText(shown(Math.exp(high)), 2, 12);
    context.fillText(shown(Math.exp(low)), 2, height - 18);
    if (first > 0) context.fillText(`step ${first}`, 40, height - 2);
    context.textAlign = "right";
    context.fillText(`step ${last}`, width - 2, height - 2);
    for (let k = 0; k < count; k++) {
      context.strokeStyle = this.colour(k < 2 ? "orange" : "violet");
      context.setLineDash(k % 2 ? [4, 3] : []);
      context.lineWidth = 1.6;
      context.beginPath();
      for (const {step, losses} of this.series) {
        if (losses[k] > 0) context.lineTo(40 + (width - 44) * (step - first) / (last - first || 1), y(losses[k]));
      }
      context.stroke();
    }
  }

  drawNorms() {
    const {trainings} = this.now;
    const shown = (v) => (v === null ? "not finite" : v.toExponential(1));
    const heads = trainings.length > 1
      ? [element("tr", {}, element("td"), ...[this.settings.loss, this.about.rival].map((n) =>
        element("td", {className: "legend"}, n)))] : [];
    this.norms.replaceChildren(...heads, ...trainings[0].norms.map((_, i) => element("tr", {},
      element("td", {}, this.about.weights[i]), ...trainings.map((t) => element("td", {},
        element("meter", {min: 0, max: 8, ariaLabel: `gradient norm of ${this.about.weights[i]}`,
          value: t.norms[i] > 0 ? Math.max(0, 6 + Math.log10(t.norms[i])) : 0}),
        ` ${shown(t.norms[i])}`)))));
  }

  // -- drawing pad ----------------------------------------------------------------------------

  preparePad() {
    this.ink = new Float32Array(28 * 28);
    let before = null;
    const at = (event) => {
      const box = this.pad.getBoundingClientRect();
      return [28 * (event.clientX - box.left) / box.width, 28 * (event.clientY - box.top) / box.height];
    };
    const dab = ([x, y]) => {
      for (let i = 0; i < 784; i++) {
        const distance = Math.hypot(i % 28 + 0.5 - x, Math.floor(i / 28) + 0.5 - y);
        this.ink[i] = Math.max(this.ink[i], Math.min(1, Math.max(0, 2 - distance)));
      }
    };
    this.pad.addEventListener("pointerdown", (event) => {
      this.pad.setPointerCapture(event.pointerId);
      before = at(event);
      dab(before);
      this.sendDrawing();
    });
    this.pad.addEventListener("pointermove", (event) => {
      if (!before) return;
      const to = at(event);
      for (let t = 0; t <= 1; t += 0.2) {
        dab([before[0] + t * (to[0] - before[0]), before[1] + t * (to[1] - before[1])]);
      }
      before = to;
      this.sendDrawing();
    });
    for (const end of ["pointerup", "pointercancel"]) {
      this.pad.addEventListener(end, () => (before = null));
    }
  }

  sendDrawing() {
    this.drawn = true;
    this.showInk();
    if (this.asked) return;  // one question at a time
    this.asked = true;
    this.send({do: "classify", pixels: Array.from(this.ink, (v) => Number(v.toFixed(2)))});
  }

  showInk() {
    const image = this.pixels({values: this.ink}, 0, 784, 28, this.dark.matches ? 30 : 247);
    this.pad.getContext("2d").putImageData(image, 0, 0);
  }

  clearPad() {
    this.ink.fill(0);
    this.drawn = false;
    this.showInk();
    this.draw();
  }

  classified({seen, answer}) {
    this.asked = false;
    const [rows, columns] = seen.shape;
    [this.seenCanvas.width, this.seenCanvas.height] = [columns, rows];
    this.seenCanvas.getContext("2d").putImageData(
      this.pixels(seen, 0, rows * columns, columns, this.dark?.matches ? 30 : 247), 0, 0);
    this.drawAnswer({...answer, drawn: true}, false);
  }
}

// -- the two ways to a session ------------------------------------------------------------------

function connect(root) {
  let socket;
  const play = new Playground(root, (message) => {
    if (socket?.readyState === WebSocket.OPEN) socket.send(JSON.stringify(message));
  }, document);
  const open = () => {
    socket = new WebSocket(new URL("socket", location.href.replace(/^http/, "ws")));
    socket.binaryType = "arraybuffer";
    socket.addEventListener("message", (event) => {
      if (tries) play.dismiss("lost");
      tries = 0;  // not when it opens: a page too many is closed after that
      play.hear(new DataView(event.data));
    });
    socket.addEventListener("close", lost);
  };
  let tries = 0;
  const lost = () => {
    tries += 1;
    if (tries > TRIES) {
      play.banner("lost", "The playground does not answer. Has its program ended? If you start it " +
        "again, open the address that it prints.", false, "Connect again", () => {
        tries = 0;
        play.dismiss("lost");
        open();
      });
      return;
    }
    const seconds = 2 ** (tries - 1);
    play.banner("lost", `The connection is lost. Trying again in ${seconds} s …`, false);
    setTimeout(open, 1000 * seconds);
  };
  open();
}

export default {
  render({model, el}) {
    const root = el.appendChild(document.createElement("div"));
    const play = new Playground(root, (message) => model.send(message));
    const hear = (_, buffers) => buffers.length && play.hear(buffers[0]);
    model.on("msg:custom", hear);
    model.send({do: "hello"});
    return () => model.off("msg:custom", hear);
  },
};

const place = document.getElementById("tg-play");
if (place) connect(place);
