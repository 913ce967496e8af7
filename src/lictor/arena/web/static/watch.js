// Adds what happened since the last look to the top of the list.
"use strict";
const feed = document.getElementById("feed");
let after = Number(feed.dataset.after);

async function look() {
  try {
    const rows = await (await fetch("/host/feed?after=" + after)).json();
    for (const row of rows) {
      after = row.seq;
      const item = document.createElement("li");
      item.value = row.seq;
      item.append(new Date(row.at * 1000).toLocaleTimeString() + " " + row.who + ": ");
      const place = row.submission ? "/host/submissions/" + row.submission : row.talk ? "/host/talks/" + row.talk : "";
      if (place) {
        const link = document.createElement("a");
        link.href = place;
        link.textContent = row.what;
        item.append(link);
      } else item.append(row.what);
      feed.prepend(item);
    }
    while (feed.children.length > 500) feed.lastChild.remove();
  } catch { /* the server is away; look again later */ }
  setTimeout(look, 2000);
}
look();
