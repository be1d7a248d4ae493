window.received = [];
window.files = [];

/** Keep what a library's own callback was given: names and sizes to compare, and the files to read. */
export function receive(files) {
  for (const file of files) {
    window.received.push({ name: file.name, size: file.size });
    window.files.push(file);
  }
}

/** The element that a library is to make its zone of, or in. */
export function place() {
  const element = document.createElement('div');
  document.body.append(element);
  return element;
}
