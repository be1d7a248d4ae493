"""Files into a page's file input: what is expected, the steps to it, and what runs in the browser (page.js)."""
