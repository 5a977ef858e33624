"use strict";

/* What the program says, as it says it. */
const rows = new Map();
const events = new EventSource("api/events?count=50");

events.addEventListener("now", (event) => {
    document.getElementById("now").textContent = event.data;
});
events.addEventListener("tasks", (event) => {
    const told = JSON.parse(event.data);

    for (const row of told.rows)
        rows.set(row.id, row);
    document.getElementById("tasks").textContent = told.ids.map((id) => JSON.stringify(rows.get(id))).join("\n");
});
