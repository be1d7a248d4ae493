"""Lints the JavaScript of the wrapper, with what `package-lock.json` pins; `node` installs such locks."""
