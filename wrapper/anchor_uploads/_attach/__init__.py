"""Files into a page: what is expected, the steps to its input or drop zone, and what runs in the browser (page.js)."""
