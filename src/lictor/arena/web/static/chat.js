// Sends a message and writes the answer down as it is released. Text only: nothing a model says is ever markup.
"use strict";
const form = document.getElementById("say"), turns = document.getElementById("turns");

function part(kind, text, parent) {
  const made = document.createElement(kind === "who" ? "h2" : "p");
  made.className = kind;
  made.textContent = text;
  parent.append(made);
  return made;
}

function branch(label, fields, article) {
  const made = document.createElement("form"), button = document.createElement("button");
  const all = { csrf: form.elements.csrf.value, base: form.action.split("/").pop(), ...fields };
  made.method = "post";
  made.action = "/talks";
  made.className = "branch";
  for (const [name, value] of Object.entries(all)) {
    const field = document.createElement("input");
    field.type = "hidden";
    field.name = name;
    field.value = value;
    made.append(field);
  }
  button.className = "link";
  button.textContent = label;
  made.append(button);
  article.append(made);
}

function frame(block) {
  let name = "message", data = "";
  for (const line of block.split("\n")) {
    if (line.startsWith("event: ")) name = line.slice(7);
    if (line.startsWith("data: ")) data += line.slice(6);
  }
  return { name, value: JSON.parse(data) };
}

async function read(response, delivered, article) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "", ended = false;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    const blocks = (rest + value).split("\n\n");
    rest = blocks.pop();
    for (const block of blocks) {
      const { name, value: told } = frame(block);
      if (name === "text") delivered.textContent += told.text;
      if (name === "end") {
        ended = true;
        if (told.note) part("note " + told.outcome, told.note, article);
        const kept = turns.querySelectorAll(".turn").length;
        branch("Branch after this", { kept }, article);
        branch("Edit in a branch", { kept: kept - 1, edit: told.turn }, article);
      }
    }
  }
  if (!ended) part("note error", "The connection was lost. Reload the page to see what was kept.", article);
}

async function say(event) {
  event.preventDefault();
  const field = document.getElementById("text"), button = document.getElementById("send"), trouble = document.getElementById("trouble");
  if (button.disabled || !field.value.trim()) return;
  button.disabled = true;
  trouble.hidden = true;
  try {
    const response = await fetch(form.action, {
      method: "POST", body: new URLSearchParams(new FormData(form)), headers: { accept: "text/event-stream" },
    });
    if (!(response.headers.get("content-type") || "").startsWith("text/event-stream")) {
      const told = await response.json().catch(() => ({ message: "You are signed out, or the page is out of date; reload it." }));
      throw new Error(told.message);
    }
    const article = document.createElement("article");
    article.className = "turn";
    turns.append(article);
    turns.setAttribute("aria-busy", "true");
    document.querySelector("details.asked").open = false;
    part("who", "You", article);
    part("sent", field.value, article);
    part("who", "Model", article);
    const delivered = part("delivered", "", article);
    field.value = "";
    article.scrollIntoView({ block: "nearest" });
    await read(response, delivered, article);
  } catch (error) {
    trouble.textContent = error.message;
    trouble.hidden = false;
  } finally {
    turns.setAttribute("aria-busy", "false");
    button.disabled = false;
    field.focus();
  }
}

if (form) {
  form.addEventListener("submit", say);
  document.getElementById("text").addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) { event.preventDefault(); form.requestSubmit(); }
  });
}
