// Asks the portal for part of a page that is open: further lines, a directory's entries, names of files. Every answer is recorded like a page,
// so nothing is asked for but what the reader opened, typed or scrolled to. The browser makes a document of it in which no script runs.
export function ask(address, part, signal) {
  const url = new URL(address, location.href);
  url.hash = "";
  url.searchParams.set("part", part);
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("GET", url);
    request.responseType = "document";
    request.setRequestHeader("accept", "text/html");
    const failed = () => reject(new Error(`The portal answered with ${request.status}.`));
    request.addEventListener("load", () => {
      // Whoever was signed out meanwhile gets the page to sign in, which has no such part.
      const found = request.status === 200 ? request.response?.querySelector("[data-part]") : null;
      if (found) resolve(document.adoptNode(found));
      else failed();
    });
    for (const end of ["error", "abort", "timeout"]) request.addEventListener(end, failed);
    signal?.addEventListener("abort", () => request.abort());
    request.send();
  });
}
