"""The documentation as a web site: `pages` are made of Markdown, the `reference` of docstrings, by pdoc."""
