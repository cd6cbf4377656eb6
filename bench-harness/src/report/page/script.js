"use strict";
// Shows, under the pointer or by the arrow keys, what the points of a chart say. The charts stand
// without it. What goes wrong is left in the page, where a test can see it.
const root = document.documentElement;
window.addEventListener("error", (event) => { root.dataset.error = event.message; });

const tip = document.createElement("div");
tip.id = "tip";
tip.hidden = true;
tip.setAttribute("role", "status");
document.body.append(tip);

function cell(row, text, className) {
  const td = row.insertCell();
  if (className) {
    const dot = document.createElement("span");
    dot.className = `dot ${className}`;
    td.append(dot);
  }
  td.append(text);
}

function fill(head, rows) {
  tip.replaceChildren(head);
  const table = document.createElement("table");
  for (const [name, value, className] of rows) {
    const row = table.insertRow();
    cell(row, name, className);
    cell(row, value);
  }
  tip.append(table);
}

function place(x, y) {
  tip.hidden = false;
  const box = tip.getBoundingClientRect();
  const left = x + 16 + box.width > innerWidth ? x - 16 - box.width : x + 16;
  const top = y + 16 + box.height > innerHeight ? y - 16 - box.height : y + 16;
  tip.style.left = `${Math.max(4, left)}px`;
  tip.style.top = `${Math.max(4, top)}px`;
}

function nearest(points, x) {
  return points.reduce((best, point) => (Math.abs(point[0] - x) < Math.abs(best[0] - x) ? point : best));
}

// A line says something at a place if it has a point about there: it may have ended before.
const REACH = 0.03;

function attach(figure) {
  const area = figure.querySelector(".area");
  const cross = figure.querySelector(".cross");
  const lines = JSON.parse(figure.querySelector("script").textContent).filter((line) => line.points.length);
  const places = [...new Set(lines.flatMap((line) => line.points.map((point) => point[0])))].sort((a, b) => a - b);
  let at = -1;
  if (!places.length) return;

  function show(x) {
    const said = lines.map((line) => [line, nearest(line.points, x)]);
    const near = said.filter(([, point]) => Math.abs(point[0] - x) <= REACH);
    const [, head] = near.reduce((a, b) => (Math.abs(b[1][0] - x) < Math.abs(a[1][0] - x) ? b : a));
    cross.hidden = false;
    cross.style.left = `${head[0] * 100}%`;
    near.sort((a, b) => a[1][1] - b[1][1]);
    fill(head[2], near.map(([line, point]) => [line.name, point[3], line.class]));
  }

  function hide() {
    tip.hidden = true;
    cross.hidden = true;
    at = -1;
  }

  function point(event) {
    const box = area.getBoundingClientRect();
    const x = (event.clientX - box.left) / box.width;
    at = places.indexOf(nearest(places.map((value) => [value]), x)[0]);
    show(places[at]);
    place(event.clientX, event.clientY);
  }

  area.addEventListener("pointermove", point);
  // A finger that taps does not move.
  area.addEventListener("pointerdown", point);
  area.addEventListener("pointerleave", hide);
  area.addEventListener("blur", hide);
  area.addEventListener("keydown", (event) => {
    const steps = { ArrowLeft: -1, ArrowRight: 1, Home: -places.length, End: places.length };
    if (event.key === "Escape") return hide();
    if (!(event.key in steps)) return undefined;
    event.preventDefault();
    at = Math.min(places.length - 1, Math.max(0, at + steps[event.key]));
    show(places[at]);
    const box = area.getBoundingClientRect();
    return place(box.left + places[at] * box.width, box.top);
  });
}

for (const figure of document.querySelectorAll("figure.chart")) attach(figure);
root.dataset.ready = document.querySelectorAll("figure.chart").length;
