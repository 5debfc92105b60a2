// Keeps what is said about running work up to date; without this the page has a link that asks again.
const box = document.querySelector("[data-progress]");

if (box) {
  const text = box.querySelector("[data-progress-text]");
  const fill = box.querySelector(".fill");
  // The browser asks again by itself when an answer ends.
  const events = new EventSource(box.dataset.progress);
  events.addEventListener("message", (event) => {
    const told = JSON.parse(event.data);
    if (told.over) {
      events.close();
      location.reload();
      return;
    }
    text.textContent = told.text;
    fill?.setAttribute("width", String(told.percent ?? 0));
  });
  addEventListener("pagehide", () => events.close());
}
