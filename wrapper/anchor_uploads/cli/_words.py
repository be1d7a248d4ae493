"""Errors in the words of the command: what the library takes as an argument is an option here."""

from __future__ import annotations

_WORDS = {
    "pass one as (filename, file)": "rename one of them, or give `upload` --filename for it",
    "pass it as (filename, file)": "give `upload` --filename",
    "pass filename=": "give `upload` --filename",
    "under another name (filename=)": "under another name (`upload` --filename)",
    "pass the files in it one by one": "pass the files in it one by one (or pass -r, to `upload`)",
    "; content_type= must": "; --content-type must",
    "or pass retry_unknown=True": "or pass --retry-unknown",
    "or pass ignore_accept=True": "or pass --ignore-accept",
    # attach and drop have another time-out by this name, of which their own errors tell.
    "Try again, or allow more time with timeout=": "Try again, or give `upload` or `session` more time with --timeout",
    "or allow more time with timeout=": "or allow more time with --timeout",
    "Allow more time with deadline=": "Allow more time with --deadline",
    " or base_url=": " or --base-url",
    # What stands on a command line can be read by everyone on the machine.
    ", or pass api_key=": "",
    " or api_key=": "",
}


def in_words_of_the_command(error: Exception) -> str:
    """Return the error's text, on one line."""
    # Blanks within a line may be those of a file's name.
    text = " ".join(filter(None, map(str.strip, str(error).splitlines())))
    for argument, option in _WORDS.items():
        text = text.replace(argument, option)
    return text
