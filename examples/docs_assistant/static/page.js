"use strict";
// Everything that comes from files or from a model is put in as text, never as HTML.

const find = (id) => document.getElementById(id);

function element(tag, text, className) {
  const made = document.createElement(tag);
  made.textContent = text;
  if (className) made.className = className;
  return made;
}

function showSources(passages) {
  find("list").replaceChildren(
    ...passages.map((passage) => {
      const item = document.createElement("li");
      item.id = `source-${passage.number}`;
      const link = element("a", passage.title);
      link.href = passage.link;
      link.target = "_blank";
      const place = passage.path + (passage.page ? `, page ${passage.page}` : "");
      item.append(link, element("span", ` ${place}`, "place"), element("blockquote", passage.text));
      return item;
    }),
  );
  find("sources").hidden = passages.length === 0;
}

// Numbers in brackets become links to the sources that they name.
function showText(text, citations) {
  const known = new Set(citations);
  const parts = text.split(/(\[\d+\])/).map((part) => {
    const number = Number(/^\[(\d+)\]$/.exec(part)?.[1]);
    if (!known.has(number)) return document.createTextNode(part);
    const link = element("a", part, "citation");
    link.href = `#source-${number}`;
    return link;
  });
  find("text").replaceChildren(...parts);
}

async function* lines(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    const whole = (rest + value).split("\n");
    rest = whole.pop();
    for (const line of whole) yield JSON.parse(line);
  }
}

async function ask(question) {
  const answer = find("answer");
  answer.hidden = false;
  answer.className = "working";
  find("note").textContent = "";
  showText("", []);
  showSources([]);
  let text = "";
  let finished = false;
  const response = await fetch("/ask", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ text: question }),
  });
  if (!response.ok) throw new Error((await response.json()).detail?.toString() ?? response.statusText);
  for await (const event of lines(response)) {
    if (event.passages) showSources(event.passages);
    if (event.text) showText((text += event.text), []);
    if (event.error) throw new Error(event.error);
    if (event.done) {
      finished = true;
      // Without a model the sources are the answer.
      document.body.classList.toggle("plain", event.done.model === null && event.done.found);
      showText(text, event.done.citations);
      for (const number of event.done.citations) find(`source-${number}`)?.classList.add("cited");
      if (event.done.unknown.length) find("note").textContent = `Not in the sources: ${event.done.unknown.map((n) => `[${n}]`)}`;
    }
  }
  if (!finished) throw new Error("The answer broke off.");
  answer.className = "done";
}

find("form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const button = find("form").querySelector("button");
  button.disabled = true;
  try {
    await ask(find("question").value);
  } catch (error) {
    find("answer").className = "failed";
    find("note").textContent = error.message;
  } finally {
    button.disabled = false;
  }
});

fetch("/about")
  .then((response) => response.json())
  .then(({ documents, chunks, model }) => {
    find("about").textContent = `${documents} documents, ${chunks} chunks, ` + (model ?? "no model: the best passages answer");
  });
